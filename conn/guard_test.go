package conn_test

import (
	"runtime"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/conn/ack"
	"example.com/gquic/wire"
)

// The limits of this file are committed: what costs more than it did fails here, on
// any machine, however busy. They lie a little above what was measured.
const (
	limitIdleBytes       = 3600 // heap of an idle server connection, keys and its share of 400 in the tables included
	limitHandshakeAllocs = 430  // objects of a first handshake, both sides, close included
	limitResumedAllocs   = 310  // of one with 0-RTT
	limitRequestAllocs   = 8    // of a request and its answer on a stream of their own, both sides
	limitSecondAcks      = 55   // ACKs per hundred packets
	limitDecimatedAcks   = 13   // with every tenth packet acknowledged
)

func TestGuardIdleConnection(t *testing.T) {
	const n = 400
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		before := liveHeap()
		p, _ := idleServer(t, version, n)
		p.client = nil
		if per := (liveHeap() - before) / n; per > limitIdleBytes {
			t.Errorf("%v: an idle connection takes %d bytes of heap, want at most %d", version, per, limitIdleBytes)
		}
		runtime.KeepAlive(p)
	}
}

func TestGuardHandshakeAllocations(t *testing.T) {
	for _, resume := range []bool{false, true} {
		p := newPair(t, wire.Q043, nil)
		p.connect()
		o := conn.DialOptions{ServerName: "server.example"}
		limit := float64(limitHandshakeAllocs)
		if resume {
			o.Resumption, limit = p.client.Conn(p.c).Resumption(), limitResumedAllocs
		}
		n := testing.AllocsPerRun(50, func() {
			h, err := p.client.Dial(p.now, serverAddr, o)
			if err != nil {
				t.Fatal(err)
			}
			p.run(time.Millisecond)
			p.client.Conn(h).Close(wire.PeerGoingAway, "")
			p.run(time.Millisecond)
		})
		if n > limit {
			t.Errorf("a handshake, resumed %v, allocates %v objects, want at most %v", resume, n, limit)
		}
	}
}

func TestGuardRequestAllocations(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	p.event = func(e *conn.Endpoint, ev conn.Event) { p.echo(e, ev) }
	c := p.client.Conn(p.c)
	body := make([]byte, 100)
	request := func() {
		id, err := c.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		c.Write(id, body, true)
		p.run(30 * time.Millisecond)
	}
	for range 100 {
		request()
	}
	if n := testing.AllocsPerRun(200, request); n > limitRequestAllocs {
		t.Errorf("a request allocates %v objects, want at most %d", n, limitRequestAllocs)
	}
}

// A byte is copied into a buffer once at its sender and once at its receiver.
func TestGuardCopies(t *testing.T) {
	b := newBulk(t, wire.Q043)
	client, server := b.client.Stored(), b.server.Stored()
	got := b.got
	for range 20 {
		b.step()
	}
	moved := uint64(b.got - got)
	if out, in := b.client.Stored()-client, b.server.Stored()-server; out != moved || in != moved {
		t.Errorf("%d bytes moved: %d were copied at the sender, %d at the receiver", moved, out, in)
	}
}

func TestGuardAcks(t *testing.T) {
	for _, mode := range []struct {
		ack.Mode
		limit uint64
	}{{ack.EverySecond, limitSecondAcks}, {ack.Decimated, limitDecimatedAcks}} {
		b := &bulk{pair: newPair(t, wire.Q043, func(_, s *conn.Config) { s.AckMode = mode.Mode }), chunk: make([]byte, 128<<10)}
		b.begin()
		b.single = true // acknowledgements are offered to go out after every packet
		for range 10 {
			b.step()
		}
		s := b.server.Conn(b.s)
		packets, acks := s.Stats().PacketsReceived, s.Stats().AcksSent
		for range 50 {
			b.step()
		}
		packets, acks = s.Stats().PacketsReceived-packets, s.Stats().AcksSent-acks
		if 100*acks > mode.limit*packets {
			t.Errorf("mode %v: %d ACKs for %d packets, want at most %d in a hundred", mode.Mode, acks, packets, mode.limit)
		}
	}
}
