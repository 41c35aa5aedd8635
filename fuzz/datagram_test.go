package fuzz

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A crowd is a server, and a client, with connections in all states, and datagrams that
// belong to them.
type crowd struct {
	now       gquic.Instant
	ends      [2]*conn.Endpoint // by perspective
	datagrams [][]byte          // that were sent to the server, or to the client
	targets   []wire.Perspective
	ids       []wire.ConnectionID
}

const crowdSize = 2000

// newCrowd makes a server with thousands of connections: most established, some in the
// middle of a handshake, some closed and remembered, some answered without state; and the
// client at the other end of all of them.
func newCrowd() *crowd {
	server, client := ServerConfig(wire.Q043, wire.Q044), ClientConfig(wire.Q043, wire.Q044)
	server.MaxHalfOpen = 100
	server.Server.KeyShareLifetime, client.Client.Insecure = time.Hour, true // or it takes seconds
	p := NewPair(client, server)
	c := &crowd{}
	var known *handshake.Resumption
	for i := range crowdSize {
		stop := 1000
		if i%8 == 7 {
			stop = i / 8 % 7 // the network dies after so many datagrams
		}
		seen := 0
		p.Seen = func(from wire.Perspective, d []byte) bool {
			if i%50 < 9 {
				c.datagrams = append(c.datagrams, append([]byte(nil), d...))
				c.targets = append(c.targets, from.Opposite())
			}
			seen++
			return seen <= stop
		}
		v := wire.Q043
		if i == 40 { // one of Q044 can be told apart by its address
			v = wire.Q044
		}
		o := conn.DialOptions{Versions: []wire.Version{v}}
		if stop == 1000 {
			o.Resumption = known
		}
		if p.Dial(o) != nil {
			panic("cannot dial")
		}
		p.exchange()
		k := p.Client.Conn(p.C)
		if known == nil {
			known = k.Resumption()
		}
		c.ids = append(c.ids, k.ConnectionID())
		switch i % 16 {
		case 3:
			k.Close(wire.PeerGoingAway, "")
		case 5, 6:
			if id, err := k.OpenStream(); err == nil {
				k.Write(id, []byte("something"), i%2 == 0)
			}
		}
		p.exchange()
	}
	c.now, c.ends = p.Now, [2]*conn.Endpoint{p.Client, p.Server}
	return c
}

var theCrowd = sync.OnceValue(newCrowd)

func (c *crowd) clone() *crowd {
	d := *c
	d.ends = [2]*conn.Endpoint{c.ends[0].Clone(), c.ends[1].Clone()}
	return &d
}

// exchange carries datagrams without letting the clock move.
func (p *Pair) exchange() {
	for p.Carry(wire.Client) || p.Carry(wire.Server) {
	}
}

// FuzzDatagram: raw datagrams, made from real ones and from nothing, from any address, into
// endpoints with thousands of connections. Each gets one verdict, counted once; a dropped
// one changes no counter but that; what is answered without a connection is bounded by
// what came; and the endpoint keeps its invariants.
//
// The endpoints are not cloned for each input, which would cost more than the input: what
// validly encrypted datagrams there are were used before, so the state hardly changes.
func FuzzDatagram(f *testing.F) {
	base := theCrowd().clone()
	if err := base.ends[wire.Server].Check(); err != nil {
		f.Fatal(err)
	}
	for i := range 60 {
		f.Add([]byte{byte(i), byte(i * 7), 0, 0})
		f.Add([]byte{byte(i), byte(i * 7), byte(i & 3), 3, byte(i), byte(i * 31), 0, byte(i), 2, 5, byte(i * 5), byte(i), 1, 1, 0x77, 0})
		f.Add(append([]byte{255, byte(i), byte(i), byte(i)}, schedule(uint32(i), 60)...))
	}
	// Validly encrypted packets would be accepted once, and change the state: use them up.
	for i, d := range base.datagrams {
		base.receive(base.targets[i], ClientAddr, d)
		base.receive(base.targets[i], ServerAddr, d)
	}
	inputs := 0
	f.Fuzz(func(t *testing.T, script []byte) {
		in := NewInput(script)
		d, to := base.datagram(in)
		from := [...]netip.AddrPort{ClientAddr, ServerAddr, foeAddr, otherAddr}[in.Byte()&3]
		base.try(t, to, from, d)
		if inputs++; inputs%512 == 1 { // it costs as much as thousands of inputs
			if err := base.ends[to].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// datagram makes one: a real one, damaged or not, or a header of its own with noise.
func (c *crowd) datagram(in *Input) ([]byte, wire.Perspective) {
	kind := in.Byte()
	pick := in.Below(1 << 16)
	if kind < 0xc0 {
		i := (int(kind)<<8 + pick) % len(c.datagrams)
		return in.Mutate(c.datagrams[i]), c.targets[i]
	}
	to := wire.Perspective(kind & 1)
	h := wire.Header{Form: wire.Form(kind >> 1 & 3), Kind: wire.PacketKind(in.Byte() & 7 / 2), HasConnectionID: in.Byte() != 0,
		ConnectionID: c.ids[pick%len(c.ids)], PacketNumber: wire.PacketNumber(in.Number()), PacketNumberLen: 1 << in.Below(3)}
	h.Type = [...]wire.LongType{wire.Initial, wire.Handshake, wire.ZeroRTT, wire.Retry}[in.Byte()&3]
	h.Version = [...]wire.Version{0, wire.Q043, wire.Q044, wire.Q039, wire.Q046, wire.Q050, 0x1a2a3a4a, 1}[in.Byte()&7]
	if in.Byte() >= 0xc0 {
		binary.BigEndian.PutUint64(h.ConnectionID[:], in.Number())
	}
	b := h.Append(nil, to.Opposite())
	if in.Bool() {
		b = append(b, make([]byte, 1200)...)
	}
	return append(b, in.Rest()...), to
}

func (c *crowd) receive(to wire.Perspective, from netip.AddrPort, d []byte) (v conn.Verdict, answered int) {
	e := c.ends[to]
	_, v = e.Receive(c.now, conn.Datagram{From: from, Payload: d})
	for b, t, ok := e.AppendTransmit(c.now, nil, 1); ok; b, t, ok = e.AppendTransmit(c.now, b[:0], 1) {
		if t.Conn.IsZero() {
			answered += len(b)
		}
	}
	for range e.Events() {
	}
	return v, answered
}

func (c *crowd) try(t *testing.T, to wire.Perspective, from netip.AddrPort, d []byte) {
	e := c.ends[to]
	before := e.Stats()
	c.now++
	b := clip(d)
	v, answered := c.receive(to, from, b)
	after := e.Stats()
	for i := range before.Verdicts {
		want := before.Verdicts[i]
		if conn.Verdict(i) == v {
			want++
		}
		// Packets that waited for keys get a second verdict when keys come.
		if after.Verdicts[i] != want && v.Dropped() {
			t.Fatalf("verdict %v, and %v is counted %d times more", v, conn.Verdict(i), after.Verdicts[i]-before.Verdicts[i])
		}
	}
	if v.Dropped() && (after.Connections != before.Connections || after.HalfOpen != before.HalfOpen || after.Accepted != before.Accepted) {
		t.Fatalf("verdict %v, and %+v became %+v", v, before, after)
	}
	if string(b) != string(d) {
		t.Fatal("the datagram was written to")
	}
	limit := len(d)
	if v == conn.ClosedAgain || v == conn.ResetSent {
		limit *= 3
	}
	if answered > limit {
		t.Fatalf("%d bytes answer %d, verdict %v", answered, len(d), v)
	}
	if after.HalfOpen > 100 {
		t.Fatalf("%d half-open connections", after.HalfOpen)
	}
	if next := e.NextTimeout(); next <= c.now {
		t.Fatalf("the endpoint wants to be called again at once (verdict %v)", v)
	}
}

// TestCrowdEnds: the crowd of FuzzDatagram goes away by itself, and leaves nothing.
func TestCrowdEnds(t *testing.T) {
	c := theCrowd().clone()
	for side, e := range c.ends {
		for now := c.now; e.NextTimeout() != gquic.Never; {
			now = max(now, e.NextTimeout())
			for _, _, ok := e.AppendTransmit(now, nil, 16); ok; _, _, ok = e.AppendTransmit(now, nil, 16) {
			}
			for range e.Events() {
			}
			if now > c.now.Add(time.Hour) {
				t.Fatalf("side %d: there is still something to do: %v", side, e.NextTimeout())
			}
		}
		if err := e.Check(); err != nil || e.Stats().Connections != 0 || e.Stats().HalfOpen != 0 {
			t.Errorf("side %d: %v, %+v", side, err, e.Stats())
		}
	}
}
