package conn_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// BenchmarkAmongIdle tells what a packet costs on the one active connection of a server
// that holds many idle ones: CPU nanoseconds per full packet, both ends, cipher included.
func BenchmarkAmongIdle(b *testing.B) {
	for _, n := range []int{0, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newBulk(b, wire.Q043)
			m.run(time.Second) // so that the copies have nothing to say
			m.server.Crowd(m.s, n)
			measureBulk(b, func() { m.step() }, m.packets)
		})
	}
}

// BenchmarkActive tells what a packet costs when many connections send by turns, ten packets each.
func BenchmarkActive(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newMany(b, n)
			measureBulk(b, m.step, m.packets)
		})
	}
}

// measureBulk reports the thread's time for each full packet that step moves.
func measureBulk(b *testing.B, step func(), packets func() uint64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 2000 {
		step()
	}
	before, start := packets(), threadTime()
	b.ResetTimer()
	for packets()-before < uint64(b.N) {
		step()
	}
	b.ReportMetric(float64(threadTime()-start)/float64(packets()-before), "cpu-ns/packet")
}

// packets is how many packets the server has received.
func (b *bulk) packets() uint64 { return b.server.Conn(b.s).Stats().PacketsReceived }

// many sends on a stream of each of several connections in turn.
type many struct {
	*pair
	conns   []conn.Handle
	streams []wire.StreamID
	chunk   []byte
	got     int
	turn    int
}

func newMany(tb testing.TB, n int) *many {
	m := &many{pair: newPair(tb, wire.Q043, nil), chunk: make([]byte, 10*1310)}
	for range n {
		m.dial()
		id, err := m.client.Conn(m.c).OpenStream()
		if err != nil {
			tb.Fatal(err)
		}
		m.conns = append(m.conns, m.c)
		m.streams = append(m.streams, id)
	}
	m.event = func(e *conn.Endpoint, ev conn.Event) {
		if e != m.server || ev.Kind != conn.StreamReadable {
			return
		}
		c := e.Conn(ev.Conn)
		for {
			p, _, err := c.Peek(ev.Stream)
			if err != nil || len(p) == 0 {
				return
			}
			m.got += len(p)
			c.Discard(ev.Stream, len(p))
		}
	}
	return m
}

// step moves a chunk on the next connection, whose state has gone cold meanwhile if there
// are many.
func (m *many) step() {
	i := m.turn % len(m.conns)
	m.turn++
	n, err := m.client.Conn(m.conns[i]).Write(m.streams[i], m.chunk, false)
	if err != nil {
		m.tb.Fatal(err)
	}
	for want := m.got + n; m.got < want; {
		m.run(100 * time.Microsecond)
	}
}

// packets is how many full packets have arrived.
func (m *many) packets() uint64 {
	return uint64(m.got) / 1310
}
