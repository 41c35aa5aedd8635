package sim

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A ScenarioError says where a scenario is wrong, and what would be right.
type ScenarioError struct {
	File    string
	Line    int
	Message string
}

// Error returns file:line: message.
func (e *ScenarioError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// ReadScenario reads a scenario's file.
func ReadScenario(file string) (*Scenario, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseScenario(file, string(text))
}

// ParseScenario reads a scenario. file is for messages. Errors are of type [*ScenarioError].
func ParseScenario(file, text string) (*Scenario, error) {
	p := &parser{s: &Scenario{
		File: file, Seeds: Seeds{1, 1}, Limit: time.Hour, Measure: Window{0, gquic.Never},
	}, given: map[string]int{}}
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		p.text = strings.Join(words, " ")
		if err := p.statement(words); err != nil {
			return nil, p.at(p.line, err)
		}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return p.s, nil
}

// A parser is a scenario in the making, and where it is.
type parser struct {
	s    *Scenario
	line int
	text string // of the line
	// The lines of what refers to names, which may be defined later.
	hosts, paths, flows, faults, expectations []int
	given                                     map[string]int // the lines of what may be said once
}

// first refuses what was said before.
func (p *parser) first(what string) error {
	if line, ok := p.given[what]; ok {
		return fmt.Errorf("%s was said in line %d already: want it once", what, line)
	}
	p.given[what] = p.line
	return nil
}

func (p *parser) at(line int, err error) error {
	return &ScenarioError{File: p.s.File, Line: line, Message: err.Error()}
}

var statements = map[string]func(*parser, []string) error{
	"scenario": (*parser).title,
	"seeds":    (*parser).seeds,
	"limit":    (*parser).limit,
	"measure":  (*parser).measure,
	"link":     (*parser).link,
	"host":     (*parser).host,
	"path":     (*parser).path,
	"flow":     (*parser).flow,
	"at":       (*parser).once,
	"every":    (*parser).repeated,
	"expect":   (*parser).expect,
}

func (p *parser) statement(words []string) error {
	do, ok := statements[words[0]]
	if !ok {
		return fmt.Errorf("unknown statement %q: want scenario, seeds, limit, measure, link, host, path, flow, at, every or expect", words[0])
	}
	switch words[0] {
	case "scenario", "seeds", "limit", "measure":
		if err := p.first(words[0]); err != nil {
			return err
		}
	}
	return do(p, words[1:])
}

func (p *parser) title(words []string) error {
	p.s.Title = strings.Join(words, " ")
	return nil
}

func (p *parser) seeds(words []string) (err error) {
	if len(words) != 1 {
		return fmt.Errorf("want seeds N or seeds FIRST:LAST")
	}
	p.s.Seeds, err = parseSeeds(words[0])
	return err
}

func (p *parser) limit(words []string) (err error) {
	if len(words) != 1 {
		return fmt.Errorf("want limit TIME")
	}
	p.s.Limit, err = parseDuration(words[0])
	return err
}

func (p *parser) measure(words []string) error {
	if len(words) < 1 || len(words) > 2 {
		return fmt.Errorf("want measure FROM, or measure FROM TO")
	}
	from, err := parseDuration(words[0])
	if err != nil {
		return err
	}
	p.s.Measure.From = gquic.Instant(from)
	if len(words) == 2 {
		to, err := parseDuration(words[1])
		if err != nil {
			return err
		}
		if to <= from {
			return fmt.Errorf("the window ends at %v, before it begins", to)
		}
		p.s.Measure.To = gquic.Instant(to)
	}
	return nil
}

// fresh checks that a name is one and is not taken.
func (p *parser) fresh(words []string, what string) error {
	if len(words) == 0 || strings.Contains(words[0], "=") {
		return fmt.Errorf("want %s NAME, then settings", what)
	}
	taken := p.findLink(words[0]) != nil || p.findHost(words[0]) != nil
	for _, f := range p.s.Flows {
		taken = taken || f.Name == words[0]
	}
	if taken {
		return fmt.Errorf("there is a %q already: names of links, hosts and flows differ", words[0])
	}
	return nil
}

func (p *parser) findLink(name string) *LinkSpec {
	for i := range p.s.Links {
		if p.s.Links[i].Name == name {
			return &p.s.Links[i]
		}
	}
	return nil
}

func (p *parser) findHost(name string) *HostSpec {
	for i := range p.s.Hosts {
		if p.s.Hosts[i].Name == name {
			return &p.s.Hosts[i]
		}
	}
	return nil
}

func (p *parser) link(words []string) error {
	if err := p.fresh(words, "link"); err != nil {
		return err
	}
	l := LinkSpec{Name: words[0]}
	if err := settings(words[1:], linkSettings, &l.LinkConfig); err != nil {
		return err
	}
	p.s.Links = append(p.s.Links, l)
	return nil
}

// A setting is what key=value, or key alone, changes. The help shows a value.
type setting[T any] struct {
	key, help string
	set       func(*T, string) error
}

func settings[T any](words []string, known []setting[T], to *T) error {
	for i, word := range words {
		key, value, _ := strings.Cut(word, "=")
		found := false
		for _, before := range words[:i] {
			if other, _, _ := strings.Cut(before, "="); other == key {
				return fmt.Errorf("%s and %s: want %s once", before, word, key)
			}
		}
		for _, s := range known {
			if s.key != key {
				continue
			}
			found = true
			if err := s.set(to, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
		if !found {
			var all []string
			for _, s := range known {
				all = append(all, s.key+s.help)
			}
			return fmt.Errorf("unknown setting %q: want some of %s", word, strings.Join(all, " "))
		}
	}
	return nil
}

// field makes a setting's function of a parser and a place.
func field[T, V any](parse func(string) (V, error), place func(*T) *V) func(*T, string) error {
	return func(t *T, text string) error {
		v, err := parse(text)
		if err == nil {
			*place(t) = v
		}
		return err
	}
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<20 {
		return 0, fmt.Errorf("%q is no number: want one such as 8", text)
	}
	return n, nil
}

func parseBytes(text string) (int, error) {
	n, err := parseSize(text)
	if n > 1<<31-1 {
		return 0, fmt.Errorf("%q is too much: want less than 2 GiB", text)
	}
	return int(n), err
}

func parseLinkRate(text string) (int64, error) {
	n, err := parseRate(text)
	if err == nil && n == 0 {
		return 0, fmt.Errorf("%q: want more than 0; a link without a rate has no limit", text)
	}
	return n, err
}

var linkSettings = []setting[LinkConfig]{
	{"rate", "=10mbit", field(parseLinkRate, func(c *LinkConfig) *int64 { return &c.Rate })},
	{"delay", "=25ms", field(parseDuration, func(c *LinkConfig) *time.Duration { return &c.Delay })},
	{"jitter", "=5ms", field(parseDuration, func(c *LinkConfig) *time.Duration { return &c.Jitter })},
	{"queue", "=64KiB", field(parseBytes, func(c *LinkConfig) *int { return &c.Queue })},
	{"codel", "[=5ms[/100ms]]", func(c *LinkConfig, text string) (err error) {
		target, interval, more := strings.Cut(text, "/")
		c.CoDel = 5 * time.Millisecond
		if text != "" {
			c.CoDel, err = parseDuration(target)
		}
		if more && err == nil {
			c.CoDelInterval, err = parseDuration(interval)
		}
		return err
	}},
	{"mtu", "=1400", field(parseBytes, func(c *LinkConfig) *int { return &c.MTU })},
	{"loss", "=1%", field(parseShare, func(c *LinkConfig) *PPM { return &c.Loss })},
	{"burst", "=ENTER/LEAVE[/LOSS]", setBurst},
	{"reorder", "=1%[/10ms]", func(c *LinkConfig, text string) (err error) {
		share, by, more := strings.Cut(text, "/")
		if c.Reorder, err = parseShare(share); more && err == nil {
			c.ReorderBy, err = parseDuration(by)
		}
		return err
	}},
	{"duplicate", "=1%", field(parseShare, func(c *LinkConfig) *PPM { return &c.Duplicate })},
	{"corrupt", "=1%", field(parseShare, func(c *LinkConfig) *PPM { return &c.Corrupt })},
	{"truncate", "=1%", field(parseShare, func(c *LinkConfig) *PPM { return &c.Truncate })},
}

func setBurst(c *LinkConfig, text string) error {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("%q: want ENTER/LEAVE or ENTER/LEAVE/LOSS, such as 0.1%%/20%%: how likely a burst begins and ends with a datagram, and what it loses", text)
	}
	for i, place := range []*PPM{&c.BurstEnter, &c.BurstLeave, &c.BurstLoss}[:len(parts)] {
		v, err := parseShare(parts[i])
		if err != nil {
			return err
		}
		*place = v
	}
	return nil
}

func (p *parser) host(words []string) error {
	if err := p.fresh(words, "host"); err != nil {
		return err
	}
	h := HostSpec{Name: words[0], Count: 1}
	if err := settings(words[1:], hostSettings, &h); err != nil {
		return err
	}
	p.s.Hosts = append(p.s.Hosts, h)
	p.hosts = append(p.hosts, p.line)
	return nil
}

var hostSettings = []setting[HostSpec]{
	{"count", "=8", field(parseCount, func(h *HostSpec) *int { return &h.Count })},
	{"version", "=Q043", func(h *HostSpec, text string) error {
		h.Config.Versions = nil
		for _, part := range strings.Split(text, ",") {
			v, err := wire.ParseVersion(part)
			if err != nil || !v.Supported() {
				return fmt.Errorf("%q is no version: want Q043, Q044 or Q044,Q043", part)
			}
			h.Config.Versions = append(h.Config.Versions, v)
		}
		return nil
	}},
	{"cc", "=cubic", func(h *HostSpec, text string) error {
		for _, a := range []congestion.Algorithm{congestion.Cubic, congestion.NewReno, congestion.BBR} {
			if strings.EqualFold(text, a.String()) {
				h.Config.Congestion = a
				return nil
			}
		}
		return fmt.Errorf("%q is no congestion control: want cubic, newreno or bbr", text)
	}},
	{"options", "=1CON,TBBR", func(h *HostSpec, text string) error {
		for _, part := range strings.Split(text, ",") {
			if len(part) != 4 {
				return fmt.Errorf("%q is no connection option: want four letters, such as 1CON", part)
			}
			h.Config.Options = append(h.Config.Options, handshake.Tag(uint32(part[0])|uint32(part[1])<<8|uint32(part[2])<<16|uint32(part[3])<<24))
		}
		return nil
	}},
	{"ack", "=second", func(h *HostSpec, text string) error {
		switch text {
		case "second":
			h.Config.AckMode = ack.EverySecond
		case "decimated":
			h.Config.AckMode = ack.Decimated
		default:
			return fmt.Errorf("%q is no way to acknowledge: want second or decimated", text)
		}
		return nil
	}},
	{"cipher", "=null", func(h *HostSpec, text string) error {
		if text != "null" {
			return fmt.Errorf("%q is no cipher: want null, on both sides, or leave it out", text)
		}
		h.Config.ReplaceCipher = NullCipher
		return nil
	}},
	{"idle", "=30s", field(parseDuration, func(h *HostSpec) *time.Duration { return &h.Config.IdleTimeout })},
	{"handshake", "=10s", field(parseDuration, func(h *HostSpec) *time.Duration { return &h.Config.HandshakeTimeout })},
	{"keepalive", "=15s", field(parseDuration, func(h *HostSpec) *time.Duration { return &h.Config.KeepAlive })},
	{"datagram", "=1350", field(parseBytes, func(h *HostSpec) *int { return &h.Config.DatagramSize })},
	{"mtulimit", "=1452", field(parseBytes, func(h *HostSpec) *int { return &h.Config.MTULimit })},
	{"window", "=16MiB", func(h *HostSpec, text string) error {
		n, err := parseBytes(text)
		h.Config.StreamWindow, h.Config.ConnectionWindow = uint32(n), uint32(min(int64(n)*3/2, 1<<32-1))
		return err
	}},
	{"buffer", "=1MiB", field(parseBytes, func(h *HostSpec) *int { return &h.Config.SendBuffer })},
	{"streams", "=100", func(h *HostSpec, text string) error {
		n, err := parseCount(text)
		h.Config.MaxStreams = uint32(n)
		return err
	}},
}

func (p *parser) path(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("want path FROM TO LINK...: hosts, then the links that datagrams pass")
	}
	if err := p.first("path " + words[0] + " " + words[1]); err != nil {
		return err
	}
	p.s.Paths = append(p.s.Paths, PathSpec{words[0], words[1], words[2:]})
	p.paths = append(p.paths, p.line)
	return nil
}

func (p *parser) flow(words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("want flow NAME CLIENT SERVER, then download=SIZE, upload=SIZE or for=TIME")
	}
	if err := p.fresh(words, "flow"); err != nil {
		return err
	}
	f := FlowSpec{Name: words[0], Client: words[1], Server: words[2], Streams: 1}
	if err := settings(words[3:], flowSettings, &f); err != nil {
		return err
	}
	if f.For > 0 && f.Download == 0 && f.Upload == 0 {
		f.Download = endless
	}
	p.s.Flows = append(p.s.Flows, f)
	p.flows = append(p.flows, p.line)
	return nil
}

var flowSettings = []setting[FlowSpec]{
	{"download", "=100MB", field(parseSize, func(f *FlowSpec) *int64 { return &f.Download })},
	{"upload", "=100MB", field(parseSize, func(f *FlowSpec) *int64 { return &f.Upload })},
	{"streams", "=4", field(parseCount, func(f *FlowSpec) *int { return &f.Streams })},
	{"start", "=1s", field(parseDuration, func(f *FlowSpec) *time.Duration { return &f.Start })},
	{"every", "=1ms", field(parseDuration, func(f *FlowSpec) *time.Duration { return &f.Every })},
	{"for", "=60s", field(parseDuration, func(f *FlowSpec) *time.Duration { return &f.For })},
	{"stay", "=60s", field(parseDuration, func(f *FlowSpec) *time.Duration { return &f.Stay })},
	{"early", "", func(f *FlowSpec, text string) error {
		if text != "" {
			return fmt.Errorf("takes no value")
		}
		f.Early = true
		return nil
	}},
}
