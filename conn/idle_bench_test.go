package conn_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// idleServer is a server that holds n established connections, on each of which a
// request was answered, and whose clients are gone without a word.
func idleServer(tb testing.TB, version wire.Version, n int) (*pair, []conn.Handle) {
	p := newPair(tb, version, func(c, s *conn.Config) {
		c.IdleTimeout, s.IdleTimeout = 600*time.Second, 600*time.Second
	})
	var handles []conn.Handle
	p.event = func(e *conn.Endpoint, ev conn.Event) { p.echo(e, ev) }
	buf := make([]byte, 100)
	for i := range n {
		// Q044 needs an address for each.
		p.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 443)
		p.dial()
		handles = append(handles, p.s)
		id, err := p.client.Conn(p.c).OpenStream()
		if err != nil {
			tb.Fatal(err)
		}
		p.client.Conn(p.c).Write(id, buf, true)
		p.run(time.Millisecond)
	}
	p.sleep(3 * conn.QuietAfter)
	return p, handles
}

// BenchmarkIdle reports the bytes of live heap that an idle server connection costs,
// its share of the endpoint's tables included.
func BenchmarkIdle(b *testing.B) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		b.Run(version.String(), func(b *testing.B) {
			before := liveHeap()
			p, handles := idleServer(b, version, b.N)
			p.client = nil
			b.ReportMetric(float64(liveHeap()-before)/float64(len(handles)), "bytes/conn")
			runtime.KeepAlive(p)
		})
	}
}

// liveHeap is what is in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkStreamMemory reports what a stream costs at a server while it is open and all
// that was sent on it has been read.
func BenchmarkStreamMemory(b *testing.B) {
	p := newPair(b, wire.Q043, func(c, s *conn.Config) { s.MaxStreams = 1 << 20 })
	p.connect()
	buf := make([]byte, 10)
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		if ev.Kind == conn.StreamReadable {
			e.Conn(ev.Conn).Read(ev.Stream, buf)
		}
	}
	before := liveHeap()
	for range b.N {
		id, err := p.client.Conn(p.c).OpenStream()
		if err != nil {
			b.Fatal(err)
		}
		p.client.Conn(p.c).Write(id, []byte{1}, false)
		p.run(100 * time.Microsecond)
	}
	p.run(time.Second)
	p.client = nil
	b.ReportMetric(float64(liveHeap()-before)/float64(b.N), "bytes/stream")
	runtime.KeepAlive(p)
}
