package fuzz

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/adapters/sim/adversary"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var (
	foeAddr   = netip.MustParseAddrPort("203.0.113.66:6666")
	otherAddr = netip.MustParseAddrPort("203.0.113.1:1000")
)

// An arena is an endpoint with two connections: one to a foe that holds the keys and keeps
// no rule, one to an honest peer that must not notice.
type arena struct {
	lab   adversary.Lab
	side  wire.Perspective // of the foe
	other *conn.Endpoint   // the honest peer
	mine  conn.Handle      // the endpoint's end of the honest connection
	yours conn.Handle
	now   gquic.Instant
}

func newArena(side wire.Perspective, v wire.Version) *arena {
	a := &arena{side: side}
	cfg, otherConfig := ServerConfig(v), ClientConfig(v)
	foe := adversary.Config{Version: v, ServerName: ServerName, Seed: [32]byte{9}, Wall: sim.WallStart,
		ConnectionID: wire.ConnectionID{6, 6, 6}, ClientAddr: foeAddr.Addr()}
	var err error
	if side == wire.Client {
		foe.Client = otherConfig.Client
		a.lab.Peer, err = adversary.NewClient(foe)
	} else {
		foe.Host = cfg.Server
		cfg, otherConfig = otherConfig, cfg
		a.lab.Peer, err = adversary.NewServer(foe)
	}
	if err != nil {
		panic(err)
	}
	cfg.StreamWindow, cfg.MaxStreamWindow, cfg.ConnectionWindow, cfg.MaxConnectionWindow = 1<<16, 1<<18, 1<<17, 1<<18
	cfg.MaxStreams = 10
	a.lab.Endpoint, a.lab.Addr = MustEndpoint(cfg), foeAddr
	a.other = MustEndpoint(otherConfig)
	if side == wire.Server {
		a.mine, err = a.lab.Endpoint.Dial(0, otherAddr, conn.DialOptions{ServerName: ServerName})
		if err == nil {
			a.settle()
			a.lab.Conn, err = a.lab.Endpoint.Dial(0, foeAddr, conn.DialOptions{ServerName: ServerName})
		}
	} else {
		a.yours, err = a.other.Dial(0, ServerAddr, conn.DialOptions{ServerName: ServerName})
		a.settle()
	}
	if err != nil {
		panic(err)
	}
	for range 10 {
		a.settle()
		a.advance(20 * time.Millisecond)
	}
	if !a.lab.Peer.Confirmed() || a.lab.Endpoint.Conn(a.mine).State() != conn.Established {
		panic("not connected")
	}
	return a
}

func (a *arena) clone() *arena {
	c := *a
	c.lab = *a.lab.Clone()
	c.other = a.other.Clone()
	return &c
}

// settle carries datagrams until there are none: the honest ones all, those to and from the
// foe too.
func (a *arena) settle() {
	a.lab.Now = a.now
	a.lab.Others = func(_ netip.AddrPort, d []byte) {
		from := ServerAddr
		if a.side == wire.Server {
			from = ClientAddr
		}
		a.other.Receive(a.now, conn.Datagram{From: from, Payload: d})
	}
	for any := true; any; {
		a.lab.Exchange()
		any = false
		for b, t, ok := a.other.AppendTransmit(a.now, nil, 4); ok; b, t, ok = a.other.AppendTransmit(a.now, b[:0], 4) {
			any = true
			for ; len(b) > 0; b = b[Segment(b, t):] {
				h, v := a.lab.Endpoint.Receive(a.now, conn.Datagram{From: otherAddr, Payload: b[:Segment(b, t)]})
				if v == conn.Created {
					a.mine = h
				}
			}
		}
		for ev := range a.other.Events() {
			if ev.Kind == conn.Connected {
				a.yours = ev.Conn
			}
		}
	}
	a.lab.Others = nil
}

func (a *arena) advance(d time.Duration) {
	end := a.now.Add(d)
	for rounds := 0; ; rounds++ {
		next := min(a.lab.Endpoint.NextTimeout(), a.other.NextTimeout())
		if next > end || rounds > 1000 {
			break
		}
		a.now = max(a.now, next)
		a.settle()
	}
	a.now = end
	a.settle()
}

// FuzzConnFrames: a peer that owns the keys sends whatever it likes, validly encrypted,
// while the application goes on. The connection goes on or closes with a code of the
// protocol, every invariant holds after each step, and the endpoint's other connection
// notices nothing.
func FuzzConnFrames(f *testing.F) {
	var arenas []*arena
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		arenas = append(arenas, newArena(wire.Client, v), newArena(wire.Server, v))
	}
	for i := range arenas {
		f.Add([]byte{byte(i)})
		for kind := range byte(16) {
			f.Add([]byte{byte(i), 0, 1, 0, kind, 5, 1, 0x20, 9, 0x40, 2, 3, 4})
			f.Add([]byte{byte(i), 200, 3, 0, 3, 0, kind, 0, 0x90, 0xff, 1, 1, 1, 1, 0, 2, 0, kind, 1, 0x21, 0xf2, 0xc1, 9, 9, 9, 0, 0, 13, 5, 0, 0x11})
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		in := NewInput(script)
		a := arenas[in.Below(len(arenas))].clone()
		steps := &steps{in: in, a: a}
		for n := 0; !in.Empty() && n < 64; n++ {
			what := steps.next()
			if err := errors.Join(a.lab.Endpoint.Check(), a.other.Check()); err != nil {
				t.Fatalf("step %d, %s: %v", n, what, err)
			}
		}
		a.end(t)
	})
}

// steps makes the moves of FuzzConnFrames.
type steps struct {
	in   *Input
	a    *arena
	mine []wire.StreamID // that the application opened or saw
}

func (s *steps) next() string {
	in, a := s.in, s.a
	peer := a.lab.Peer
	switch c := in.Byte(); {
	case c < 0xa0: // a packet at the strongest level
		s.packet(peer.Level())
		return "packet"
	case c < 0xa8:
		s.packet(handshake.Level(in.Below(handshake.Levels)))
		return "packet of any level"
	case c < 0xb0:
		peer.Do("ack")
		a.settle()
		return "ack"
	case c < 0xb4:
		peer.Do(fmt.Sprintf("skip %d", in.Byte()))
		return "skip"
	case c < 0xb8:
		peer.Do(fmt.Sprintf("repeat %d", in.Byte()))
		a.settle()
		return "repeat"
	case c < 0xbc:
		peer.SendMessage(peer.Level(), in.Bytes(in.Below(64)))
		a.settle()
		return "handshake bytes"
	case c < 0xd0:
		a.advance(time.Duration(in.Number()%(1<<16)) * time.Millisecond / 16)
		return "clock"
	default:
		what := s.call()
		a.settle()
		return what
	}
}

func (s *steps) packet(level handshake.Level) {
	peer, in := s.a.lab.Peer, s.in
	number := peer.NextNumber()
	c := peer.Context(number)
	h := Hint{Streams: append([]wire.StreamID{0, 1, 2, 3, 4, 5, 7}, s.mine...), Sent: peer.Largest(), Offset: 1 << 16}
	if b, err := peer.Packet(level, number, in.Payload(nil, &c, &h, 1300)); err == nil {
		peer.Do("skip 1")
		peer.Queue(b)
	}
	s.a.settle()
}

// call is something that the application does on the connection to the foe.
func (s *steps) call() string {
	in, c := s.in, s.a.lab.Endpoint.Conn(s.a.lab.Conn)
	id := wire.StreamID(in.Byte() & 0x0f)
	if len(s.mine) > 0 && in.Bool() {
		id = s.mine[in.Below(len(s.mine))]
	}
	switch in.Below(10) {
	case 0:
		if id, err := c.OpenStream(); err == nil && len(s.mine) < 40 {
			s.mine = append(s.mine, id)
		}
		return "open"
	case 1:
		c.Write(id, make([]byte, in.Number()%70000), in.Bool())
		return "write"
	case 2:
		c.Read(id, make([]byte, in.Number()%70000))
		return "read"
	case 3:
		c.Peek(id)
		c.Discard(id, int(in.Number()%70000))
		return "discard"
	case 4:
		c.Reset(id, wire.StreamErrorCode(in.Byte()%8))
		return "reset"
	case 5:
		c.StopReading(id)
		return "stop reading"
	case 6:
		c.Ping()
		return "ping"
	case 7:
		c.GoAway(wire.PeerGoingAway, "enough")
		return "goaway"
	case 8:
		if in.Byte() == 0 {
			c.Close(wire.PeerGoingAway, "enough")
		}
		return "close"
	}
	c.Write(id, nil, true)
	return "finish"
}

// end holds the foe's connection to a protocol code, if it closed, and the other one to
// working as if nothing had been.
func (a *arena) end(t *testing.T) {
	for _, ev := range a.lab.Events {
		var local *conn.LocalError
		if ev.Kind == conn.Closed && errors.As(ev.Err, &local) && local.Code == wire.InternalError {
			t.Fatalf("closed with %v", ev.Err)
		}
	}
	honest, c := a.other.Conn(a.yours), a.lab.Endpoint.Conn(a.mine)
	if a.now > gquic.Instant(25*time.Second) && (honest == nil || honest.State() == conn.CloseState) {
		return // it has been idle for too long, rightly
	}
	id, err := honest.OpenStream()
	if err == nil {
		_, err = honest.Write(id, []byte("still there?"), true)
	}
	if err != nil {
		t.Fatalf("the other connection is broken: %v, %v", err, c.Err())
	}
	a.advance(100 * time.Millisecond)
	buf := make([]byte, 100)
	n, fin, err := c.Read(id, buf)
	if string(buf[:n]) != "still there?" || !fin || err != nil {
		t.Fatalf("the other connection read %q, %v, %v", buf[:n], fin, err)
	}
	if err := a.lab.Endpoint.Check(); err != nil {
		t.Fatal(err)
	}
}
