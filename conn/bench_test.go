package conn_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// bulk sends on one stream and reads at the other end, a chunk at a time.
type bulk struct {
	*pair
	stream wire.StreamID
	chunk  []byte
	got    int
	clock  int64 // what reading the clock takes, in nanoseconds
}

func newBulk(tb testing.TB, version wire.Version) *bulk {
	b := &bulk{pair: newPair(tb, version, func(c, s *conn.Config) {
		s.StreamWindow, s.ConnectionWindow = 6<<20, 15<<20
	}), chunk: make([]byte, 128<<10)}
	b.begin()
	return b
}

// begin connects, opens the stream, and reads what comes.
func (b *bulk) begin() {
	b.connect()
	var err error
	if b.stream, err = b.client.Conn(b.c).OpenStream(); err != nil {
		b.tb.Fatal(err)
	}
	b.event = func(e *conn.Endpoint, ev conn.Event) {
		if e != b.server || ev.Kind != conn.StreamReadable {
			return
		}
		c := e.Conn(ev.Conn)
		for {
			p, _, err := c.Peek(ev.Stream)
			if err != nil || len(p) == 0 {
				return
			}
			b.got += len(p)
			c.Discard(ev.Stream, len(p))
		}
	}
}

// step moves one chunk to the other side; time passes so that pacing lets it go.
func (b *bulk) step() {
	n, err := b.client.Conn(b.c).Write(b.stream, b.chunk, false)
	if err != nil {
		b.tb.Fatal(err)
	}
	for want := b.got + n; b.got < want; {
		b.run(100 * time.Microsecond)
	}
}

// BenchmarkBulk moves stream data from one endpoint to another with nothing between
// them. ns/op is per full packet, both ends, cipher and acknowledgements included.
func BenchmarkBulk(b *testing.B) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		b.Run(version.String(), func(b *testing.B) {
			bulk := newBulk(b, version)
			for range 100 {
				bulk.step()
			}
			packets := (len(bulk.chunk) + 1309) / 1310
			b.SetBytes(1310)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += packets {
				bulk.step()
			}
		})
	}
}

// The packet path allocates nothing once it is under way, in either direction.
func TestBulkDoesNotAllocate(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		bulk := newBulk(t, version)
		for range 200 {
			bulk.step()
		}
		if n := testing.AllocsPerRun(100, bulk.step); n > 0 {
			t.Errorf("%v: %v allocations for each %d bytes, want none", version, n, len(bulk.chunk))
		}
	}
}

// BenchmarkHandshake runs whole handshakes between two endpoints, CPU of both sides.
func BenchmarkHandshake(b *testing.B) {
	for _, resume := range []bool{false, true} {
		b.Run(fmt.Sprintf("0rtt=%v", resume), func(b *testing.B) {
			p := newPair(b, wire.Q043, nil)
			p.connect()
			var cached *handshake.Resumption
			if resume {
				cached = p.client.Conn(p.c).Resumption()
			}
			b.ReportAllocs()
			for b.Loop() {
				h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example", Resumption: cached})
				if err != nil {
					b.Fatal(err)
				}
				p.run(time.Millisecond)
				if p.client.Conn(h).State() != conn.Established {
					b.Fatal(p.client.Conn(h).Err())
				}
				p.client.Conn(h).Close(wire.PeerGoingAway, "")
				p.run(time.Millisecond)
			}
		})
	}
}
