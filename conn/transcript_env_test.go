package conn_test

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

const serverName = sim.ServerName

// elsewhere is an address that neither side has.
var elsewhere = netip.MustParseAddrPort("203.0.113.9:9")

// An env is the state of a running transcript: two endpoints, the network between them,
// and the time.
type env struct {
	shared *shared // with its clones; immutable but for who is at work
	sides  [2]*side
	now    gquic.Instant
	delay  time.Duration // of every datagram, one way
	mtu    int           // of the network: larger datagrams are lost
	flight []datagram    // by arrival; of equal ones, by sending
	held   []datagram
	posted uint64
	wall   int64 // seconds added to the wall time
	stored *handshake.Resumption
	digest hash.Hash
	log    log
}

// shared is what an env and its clones have in common.
type shared struct {
	seed      string
	authority *sim.Authority
	working   *env // the env that runs a command, for the functions in configurations
}

// A side is one of the two endpoints, 0 the client and 1 the server.
type side struct {
	index   int
	ep      *conn.Endpoint
	config  conn.Config
	addr    netip.AddrPort // as the other side sees it
	conns   []conn.Handle  // in order of appearance
	current int            // index in conns of the one that commands mean
	rules   []rule         // for datagrams to be sent
	ask     conn.Event     // the question that waits for its answer
	data    []sent         // what was written
	stores  int            // counts things for seeds
}

// sent is what an application wrote on a stream, and how much of it the other has read.
type sent struct {
	conn   int
	stream wire.StreamID
	data   []byte
	read   int
}

// A rule says what happens to the next datagrams that a side sends.
type rule struct {
	verb string
	left int
}

type datagram struct {
	from int
	src  netip.AddrPort
	dst  netip.AddrPort
	data []byte
	at   gquic.Instant

	posted uint64 // orders what came into the network
}

func newEnv(t *testing.T, seed string) *env {
	e := &env{delay: 10 * time.Millisecond, digest: sha256.New()}
	e.shared = &shared{seed: seed, authority: sim.NewAuthority("gquic test authority"), working: e}
	return e
}

// clone copies everything that changes.
func (e *env) clone() *env {
	e.shared.working = e
	c := *e
	c.flight = slices.Clone(e.flight)
	c.held = slices.Clone(e.held)
	for i, s := range e.sides {
		if s == nil {
			continue
		}
		d := *s
		d.ep = s.ep.Clone()
		d.conns = slices.Clone(s.conns)
		d.rules = slices.Clone(s.rules)
		d.data = slices.Clone(s.data)
		c.sides[i] = &d
	}
	state, err := e.digest.(encoding.BinaryMarshaler).MarshalBinary()
	c.digest = sha256.New()
	if err == nil {
		err = c.digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	}
	if err != nil {
		panic(err)
	}
	c.log = log{descriptions: c.log.descriptions.clone()}
	return &c
}

// run executes a block and returns what it printed.
func (e *env) run(t *testing.T, b *block) []string {
	t.Helper()
	e.shared.working = e
	e.log.begin()
	cmd, err := parseCommand(b.command)
	if err == nil {
		err = e.execute(cmd)
	}
	if err != nil {
		t.Fatalf("line %d: %s: %v", b.line, b.command[0], err)
	}
	return e.log.end()
}

// wallNow is the Wall function of every endpoint. It reads the env at work: clones run at
// different times, each with wall changes of its own.
func (s *shared) wallNow(now gquic.Instant) int64 { return sim.Wall(now) + s.working.wall }

// trace is the Trace function of a side.
func (s *shared) trace(side int) func(*conn.PacketTrace) {
	return func(p *conn.PacketTrace) {
		e := s.working
		if p.Sent && e.sides[side] != nil {
			e.log.built = append(e.log.built, describePacket(e.sides[side], p))
		}
	}
}

func (e *env) seedFor(name string) (seed [32]byte) {
	return sha256.Sum256([]byte("transcript " + e.shared.seed + " " + name))
}

func (s *side) other() int { return 1 - s.index }

func (s *side) name() string { return [...]string{"client", "server"}[s.index] }

// handle returns the connection that commands mean.
func (s *side) handle() conn.Handle {
	if s.current < len(s.conns) {
		return s.conns[s.current]
	}
	return conn.Handle{}
}

func (s *side) conn() *conn.Conn { return s.ep.Conn(s.handle()) }

// number returns the number of a connection on this side, from 1; 0 if unknown.
func (s *side) number(h conn.Handle) int { return slices.Index(s.conns, h) + 1 }

// adopt notes a connection, and makes it the one that commands mean.
func (s *side) adopt(h conn.Handle) {
	if !h.IsZero() && s.number(h) == 0 {
		s.conns = append(s.conns, h)
		s.current = len(s.conns) - 1
	}
}

// transmit lets a side build and send everything that it can now.
func (e *env) transmit(s *side) {
	e.events(s)
	for {
		e.log.built = e.log.built[:0]
		b, t, ok := s.ep.AppendTransmit(e.now, nil, 16)
		if !ok {
			break
		}
		segment := t.Segment
		if segment <= 0 {
			segment = len(b)
		}
		for i := 0; len(b) > 0; i++ {
			d := b[:min(segment, len(b))]
			b = b[len(d):]
			var p *packetLine
			if !t.Conn.IsZero() && i < len(e.log.built) {
				p = &e.log.built[i]
			}
			e.send(s, t.To, d, p)
		}
		e.events(s)
	}
	e.events(s)
}

// send puts a datagram into the network.
func (e *env) send(s *side, to netip.AddrPort, data []byte, p *packetLine) {
	e.record(s.addr, to, data)
	d := datagram{from: s.index, src: s.addr, dst: to, data: slices.Clone(data), at: e.now.Add(e.delay)}
	note := ""
	copies := 1
	if verb := s.nextRule(); verb != "" {
		switch verb {
		case "drop":
			note, copies = "(dropped)", 0
		case "hold":
			note, copies = "(held)", 0
			e.held = append(e.held, d)
		case "duplicate":
			note, copies = "(twice)", 2
		case "corrupt":
			note = "(corrupted)"
			corrupt(d.data)
		}
	}
	if e.mtu > 0 && len(data) > e.mtu {
		note, copies = "(too large for the path)", 0
	}
	e.log.sent(e.now, s, p, data, note)
	for range copies {
		e.put(d)
	}
}

func (s *side) nextRule() string {
	for len(s.rules) > 0 {
		r := &s.rules[0]
		if r.left == 0 {
			s.rules = s.rules[1:]
			continue
		}
		r.left-- // a negative number never ends
		return r.verb
	}
	return ""
}

func corrupt(b []byte) { b[len(b)-1] ^= 1 }

// put inserts a datagram by its arrival.
func (e *env) put(d datagram) {
	e.posted++
	d.posted = e.posted
	i := len(e.flight)
	for i > 0 && e.flight[i-1].at > d.at {
		i--
	}
	e.flight = slices.Insert(e.flight, i, d)
}

func (e *env) record(from, to netip.AddrPort, data []byte) {
	b := binary.BigEndian.AppendUint64(nil, uint64(e.now))
	b = from.AppendTo(b)
	b = append(b, '>')
	b = to.AppendTo(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	e.digest.Write(append(b, data...))
}

// deliver hands the datagram at index i of the network to its receiver, which answers.
func (e *env) deliver(i int) {
	d := e.flight[i]
	e.flight = slices.Delete(e.flight, i, i+1)
	e.now = max(e.now, d.at)
	s := e.sides[1-d.from]
	if s == nil || d.dst != s.addr {
		e.log.print("%s > %s  nobody at %v", e.sides[d.from].name(), "nobody", d.dst)
		return
	}
	h, verdict := s.ep.Receive(e.now, conn.Datagram{From: d.src, To: s.addr, Payload: slices.Clone(d.data)})
	if s.index == 1 {
		s.adopt(h)
	}
	if verdict != conn.Delivered {
		e.log.note(e.now, s, "verdict", verdict.String(), h)
	}
	e.transmit(s)
}

// events prints the events of a side.
func (e *env) events(s *side) {
	for ev, ok := s.ep.NextEvent(); ok; ev, ok = s.ep.NextEvent() {
		s.adopt(ev.Conn)
		text := ev.String()
		switch ev.Kind {
		case conn.NeedSignature, conn.NeedVerification:
			s.ask = ev
		case conn.ResumptionReady:
			e.stored = s.ep.Conn(ev.Conn).Resumption()
		case conn.Connected:
			text += " " + s.ep.Conn(ev.Conn).Version().String()
			if s.ep.Conn(ev.Conn).ZeroRTT() {
				text += " with 0-RTT"
			}
		}
		e.log.note(e.now, s, "event", text, ev.Conn)
	}
}

// next returns the next instant at which something happens by itself, and what: the
// arrival of a datagram, or a side's deadline.
func (e *env) next() (at gquic.Instant, s *side) {
	at = gquic.Never
	if len(e.flight) > 0 {
		at = e.flight[0].at
	}
	for _, t := range e.sides {
		if t == nil {
			continue
		}
		if d := t.ep.NextTimeout(); d < at {
			at, s = d, t
		}
	}
	return at, s
}

// advance lets time pass until limit, or until stop says so, which is asked before each
// thing that happens.
func (e *env) advance(limit gquic.Instant, stop func(at gquic.Instant, s *side) bool) {
	e.transmitBoth()
	for steps := 0; ; steps++ {
		at, s := e.next()
		if at > limit || stop != nil && stop(at, s) {
			break
		}
		if steps > 100000 {
			e.log.print("NEVER QUIET")
			return
		}
		if s == nil {
			e.deliver(0)
			continue
		}
		e.fire(at, s)
	}
	if limit != gquic.Never && stop == nil {
		e.now = max(e.now, limit)
	}
}

// fire lets a side's deadline come.
func (e *env) fire(at gquic.Instant, s *side) {
	h, reason := s.ep.TimeoutReason()
	if at <= e.now {
		e.log.print("ZERO-LENGTH WAIT of the %s for %v", s.name(), reason)
		e.now++
	}
	e.now = max(e.now, at)
	if !quick(reason) {
		e.log.note(e.now, s, "timer", reason.String(), h)
	}
	e.transmit(s)
}

// quick reasons are not worth a line when they fire: what is sent then tells the story.
func quick(r conn.Reason) bool {
	return r == conn.ReasonAck || r == conn.ReasonPacing || r == conn.NoReason
}

// long reasons are not waited for by stabilize.
func long(r conn.Reason) bool {
	switch r {
	case conn.ReasonHandshake, conn.ReasonIdle, conn.ReasonKeepAlive, conn.ReasonLinger:
		return true
	}
	return false
}

func (e *env) transmitBoth() {
	for _, s := range e.sides {
		if s != nil {
			e.transmit(s)
		}
	}
}

// stabilize lets time pass until the network is empty and both sides wait for nothing but
// what takes long: idleness, keep-alive, the handshake's end, forgetting.
func (e *env) stabilize(limit gquic.Instant) {
	e.advance(limit, func(_ gquic.Instant, s *side) bool {
		if s == nil {
			return len(e.flight) == 0
		}
		_, reason := s.ep.TimeoutReason()
		return long(reason)
	})
}
