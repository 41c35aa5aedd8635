package conn_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// A command is one line of a transcript: a verb, words, key=value pairs, and the lines of
// input below it.
type command struct {
	verb   string
	words  []string
	values map[string]string
	input  []string
}

func parseCommand(lines []string) (command, error) {
	c := command{values: map[string]string{}, input: lines[1:]}
	fields, err := splitFields(lines[0])
	if err != nil || len(fields) == 0 {
		return c, fmt.Errorf("cannot read the command: %v", err)
	}
	c.verb = fields[0]
	for _, f := range fields[1:] {
		if k, v, ok := strings.Cut(f, "="); ok {
			c.values[k] = v
		} else {
			c.words = append(c.words, f)
		}
	}
	return c, nil
}

// splitFields splits at spaces, but not within double quotes, which it removes.
func splitFields(s string) (fields []string, err error) {
	var f strings.Builder
	quoted, any := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any {
				fields = append(fields, f.String())
			}
			f.Reset()
			any = false
		default:
			f.WriteRune(r)
			any = true
		}
	}
	if quoted {
		return nil, errors.New("a quote is open")
	}
	if any {
		fields = append(fields, f.String())
	}
	return fields, nil
}

func (c *command) has(word string) bool { return slices.Contains(c.words, word) }

func (c *command) duration(key string, otherwise time.Duration) (time.Duration, error) {
	v, ok := c.values[key]
	if !ok {
		return otherwise, nil
	}
	return time.ParseDuration(v)
}

func (c *command) number(key string, otherwise uint64) (uint64, error) {
	v, ok := c.values[key]
	if !ok {
		return otherwise, nil
	}
	return parseSize(v)
}

// parseSize reads "17", "16KiB" and "1MiB".
func parseSize(v string) (uint64, error) {
	unit := uint64(1)
	for _, u := range []struct {
		name string
		size uint64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}} {
		if s, ok := strings.CutSuffix(v, u.name); ok {
			v, unit = s, u.size
		}
	}
	n, err := strconv.ParseUint(v, 0, 64)
	return n * unit, err
}

// sides returns the sides that the command names, or both if it names none.
func (e *env) named(c *command) (out []*side) {
	for _, s := range e.sides {
		if s != nil && c.has(s.name()) {
			out = append(out, s)
		}
	}
	if out == nil {
		for _, s := range e.sides {
			if s != nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// side returns the one side that the command names.
func (e *env) side(c *command) (*side, error) {
	if len(c.words) > 0 {
		for i, name := range []string{"client", "server"} {
			if c.words[0] == name && e.sides[i] != nil {
				return e.sides[i], nil
			}
		}
	}
	return nil, errors.New("want client or server first, after new or connect")
}

// execute runs a command. What goes wrong in the story is output; an error is one of the script.
func (e *env) execute(c command) error {
	e.log.times, e.log.sizes = c.has("times"), c.has("sizes")
	if n, ok := c.values["conn"]; ok {
		s, err := e.side(&c)
		i, err2 := strconv.Atoi(n)
		if err != nil || err2 != nil || i < 1 || i > len(s.conns) {
			return errors.Join(fmt.Errorf("conn=%s: no such connection", n), err, err2)
		}
		s.current = i - 1
	}
	if f, ok := setupVerbs[c.verb]; ok {
		return f(e, &c)
	}
	if f, ok := networkVerbs[c.verb]; ok {
		return f(e, &c)
	}
	if f, ok := forgeVerbs[c.verb]; ok {
		return f(e, &c)
	}
	if f, ok := callVerbs[c.verb]; ok {
		s, err := e.side(&c)
		if err != nil {
			return err
		}
		return f(e, s, &c)
	}
	return errors.New("no such command")
}

var networkVerbs = map[string]func(*env, *command) error{
	"transmit":  func(e *env, c *command) error { e.each(c, e.transmit); return e.deadlines(c) },
	"deliver":   (*env).deliverVerb,
	"advance":   (*env).advanceVerb,
	"timeout":   (*env).timeoutVerb,
	"stabilize": (*env).stabilizeVerb,
	"deadlines": func(e *env, c *command) error { e.transmitBoth(); e.printDeadlines(); return nil },
	"drop":      (*env).tamperVerb,
	"hold":      (*env).tamperVerb,
	"duplicate": (*env).tamperVerb,
	"corrupt":   (*env).tamperVerb,
	"reorder":   (*env).reorderVerb,
	"release":   (*env).releaseVerb,
	"heal":      func(e *env, c *command) error { e.each(c, func(s *side) { s.rules = nil }); return nil },
	"wall":      (*env).wallVerb,
	"rebind":    (*env).rebindVerb,
	"clone":     (*env).cloneVerb,
}

func (e *env) each(c *command, f func(*side)) {
	for _, s := range e.named(c) {
		f(s)
	}
}

// deadlines prints the deadlines, if the command printed anything at all.
func (e *env) deadlines(c *command) error {
	e.log.flush()
	if len(e.log.lines) > 0 && !c.has("brief") {
		e.printDeadlines()
	}
	return nil
}

func (e *env) printDeadlines() {
	for _, s := range e.sides {
		if s == nil {
			continue
		}
		at := s.ep.NextTimeout()
		if at == gquic.Never {
			continue
		}
		h, reason := s.ep.TimeoutReason()
		e.log.note(e.now, s, "timeout", fmt.Sprintf("%v %v", short(at.Sub(e.now)), reason), h)
	}
}

// short prints a duration with four digits at most.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		d = d.Round(10 * time.Millisecond)
	case d >= 10*time.Millisecond:
		d = d.Round(100 * time.Microsecond)
	default:
		d = d.Round(time.Microsecond)
	}
	return d.String()
}

// deliver [client|server] [n=1]: datagrams in the network that a side sent arrive, all that
// are there or the first n; the receiver answers each.
func (e *env) deliverVerb(c *command) error {
	n, err := c.number("n", uint64(len(e.flight)))
	if err != nil {
		return err
	}
	from := e.named(c)
	there := e.posted // answers are not delivered
	for i := 0; i < len(e.flight) && n > 0; {
		if d := e.flight[i]; d.posted > there || !slices.Contains(from, e.sides[d.from]) {
			i++
			continue
		}
		e.deliver(i)
		n--
		i = 0
	}
	return e.deadlines(c)
}

// advance D: time passes, with all that happens in it.
func (e *env) advanceVerb(c *command) error {
	if len(c.words) == 0 {
		return errors.New("advance by how much?")
	}
	d, err := time.ParseDuration(c.words[0])
	if err != nil {
		return err
	}
	e.advance(e.now.Add(d), nil)
	return e.deadlines(c)
}

// timeout [client|server]: time passes until the next deadline (of that side), which comes.
func (e *env) timeoutVerb(c *command) error {
	who := e.named(c)
	fired := false
	e.advance(gquic.Never-1, func(at gquic.Instant, s *side) bool {
		if fired {
			return true
		}
		if s != nil && slices.Contains(who, s) {
			_, r := s.ep.TimeoutReason()
			if r == conn.ReasonPacing {
				return false
			}
			if quick(r) {
				e.log.note(at, s, "timer", r.String(), conn.Handle{})
			}
			fired = true
		}
		return false
	})
	return e.deadlines(c)
}

func (e *env) stabilizeVerb(c *command) error {
	d, err := c.duration("limit", 10*time.Minute)
	if err != nil {
		return err
	}
	e.stabilize(e.now.Add(d))
	return e.deadlines(c)
}

// drop, hold, duplicate, corrupt client|server n: datagrams in the network that the side sent,
// the first n of them. With next=n (or next=all): those that it will send.
func (e *env) tamperVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	if next, ok := c.values["next"]; ok {
		n := -1
		if next != "all" {
			if n, err = strconv.Atoi(next); err != nil {
				return err
			}
		}
		s.rules = append(s.rules, rule{c.verb, n})
		return nil
	}
	n := len(e.flight)
	if len(c.words) > 1 && c.words[1] != "all" {
		if n, err = strconv.Atoi(c.words[1]); err != nil {
			return err
		}
	}
	skip, err := c.number("skip", 0)
	if err != nil {
		return err
	}
	done := 0
	for i := 0; i < len(e.flight) && done < n; i++ {
		d := e.flight[i]
		if d.from != s.index {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		done++
		switch c.verb {
		case "drop", "hold":
			e.flight = slices.Delete(e.flight, i, i+1)
			i--
			if c.verb == "hold" {
				e.held = append(e.held, d)
			}
		case "duplicate":
			e.flight = slices.Insert(e.flight, i, d)
			i++
		case "corrupt":
			e.flight[i].data = slices.Clone(d.data)
			corrupt(e.flight[i].data)
		}
	}
	e.log.print("%d datagrams", done)
	return nil
}

// reorder client|server: what the side has in the network arrives in the opposite order.
func (e *env) reorderVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	var at []int
	for i := range e.flight {
		if e.flight[i].from == s.index {
			at = append(at, i)
		}
	}
	for i, j := 0, len(at)-1; i < j; i, j = i+1, j-1 {
		a, b := &e.flight[at[i]], &e.flight[at[j]]
		*a, *b = *b, *a
		a.at, b.at = b.at, a.at
	}
	e.log.print("%d datagrams", len(at))
	return nil
}

// release: what was held goes on, to arrive now, behind everything else that does.
func (e *env) releaseVerb(c *command) error {
	n := 0
	for _, s := range e.named(c) {
		for i := 0; i < len(e.held); i++ {
			if d := e.held[i]; d.from == s.index {
				d.at = e.now
				e.put(d)
				e.held = slices.Delete(e.held, i, i+1)
				i--
				n++
			}
		}
	}
	e.log.print("%d datagrams", n)
	return nil
}

// wall +D: the wall clocks of both sides jump; timers do not notice.
func (e *env) wallVerb(c *command) error {
	if len(c.words) == 0 {
		return errors.New("wall by how much?")
	}
	d, err := time.ParseDuration(c.words[0])
	e.wall += int64(d / time.Second)
	return err
}

// rebind client [to=ADDRESS]: a NAT gives the side another address. Without one: the next port.
func (e *env) rebindVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	s.addr = netip.AddrPortFrom(s.addr.Addr(), s.addr.Port()+1)
	if to, ok := c.values["to"]; ok {
		if s.addr, err = netip.ParseAddrPort(to); err != nil {
			return err
		}
	}
	e.log.print("%s is at %v", s.name(), s.addr)
	return nil
}

// clone: from here on the story is that of a copy of both endpoints.
func (e *env) cloneVerb(*command) error {
	for _, s := range e.sides {
		if s != nil {
			s.ep = s.ep.Clone()
		}
	}
	return nil
}
