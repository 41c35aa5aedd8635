package conn_test

import (
	"fmt"
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// BenchmarkGrowth tells how the cost of a full packet, both ends with cipher, grows with
// its size, with the streams that share a connection, and with loss.
func BenchmarkGrowth(b *testing.B) {
	for _, size := range []int{1200, 1350, 1452} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			m := &bulk{pair: newPair(b, wire.Q043, func(c, s *conn.Config) {
				c.DatagramSize, s.DatagramSize = size, size
				s.StreamWindow, s.ConnectionWindow = 6<<20, 15<<20
			}), chunk: make([]byte, 128<<10)}
			m.begin()
			measureBulk(b, m.step, m.packets)
		})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("streams=%d", n), func(b *testing.B) {
			m := &bulk{pair: newPair(b, wire.Q043, func(c, s *conn.Config) {
				s.StreamWindow, s.ConnectionWindow, s.MaxStreams = 6<<20, 15<<20, 2000
			}), chunk: make([]byte, 128<<10/n)}
			m.begin()
			ids := []wire.StreamID{m.stream}
			for len(ids) < n {
				id, err := m.client.Conn(m.c).OpenStream()
				if err != nil {
					b.Fatal(err)
				}
				ids = append(ids, id)
			}
			measureBulk(b, func() {
				for _, id := range ids { // all have something to send before anything leaves
					m.client.Conn(m.c).Write(id, m.chunk, false)
				}
				m.stream = ids[0]
				m.step()
				for m.client.Conn(m.c).Stats().BytesInFlight > 0 {
					m.run(100_000)
				}
			}, m.packets)
		})
	}
	for _, drop := range []int{0, 100, 20} {
		b.Run(fmt.Sprintf("one lost of %d", drop), func(b *testing.B) {
			m := newBulk(b, wire.Q043)
			m.drop = drop
			measureBulk(b, m.step, m.packets)
		})
	}
}
