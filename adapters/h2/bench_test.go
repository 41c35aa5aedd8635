package h2

import (
	"io"
	"net/http"
	"testing"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/wire"
)

// BenchmarkRequests is one GET of 1 KB after the other on one connection: both sides, and
// the heap that they hold at the end beyond what they held after the first tenth.
//
//	go test -bench Requests -benchtime 100000x
func BenchmarkRequests(b *testing.B) {
	body := make([]byte, 1024)
	w := start(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }), nil)
	b.ReportAllocs()
	before := 0
	for i := range b.N {
		resp, err := w.client.Get(w.url)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != 1024 || err != nil {
			b.Fatal(n, err)
		}
		if i == b.N/10 {
			b.StopTimer()
			before = heap()
			b.StartTimer()
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(heap()-before), "heap-growth")
}

// BenchmarkBody and BenchmarkStream move the same bytes, by HTTP and on a raw stream: what
// HTTP costs is their difference.
func BenchmarkBody(b *testing.B) {
	chunk := make([]byte, 64<<10)
	w := start(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range b.N {
			w.Write(chunk)
		}
	}), nil)
	b.SetBytes(int64(len(chunk)))
	resp, err := w.client.Get(w.url)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if n, err := io.Copy(io.Discard, resp.Body); n != int64(b.N*len(chunk)) || err != nil {
		b.Fatal(n, err)
	}
}

func BenchmarkStream(b *testing.B) {
	chunk := make([]byte, 64<<10)
	host, client := certified(b)
	l, err := udp.Listen("127.0.0.1:0", &udp.Config{Conn: connConfig(host, nil)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	c, err := udp.Dial(patient(b), l.Addr().String(), &udp.Config{Conn: connConfig(nil, client)})
	if err != nil {
		b.Fatal(err)
	}
	defer c.CloseWithError(wire.PeerGoingAway, "")
	s, err := c.OpenStream(patient(b))
	if err != nil {
		b.Fatal(err)
	}
	s.Write([]byte("go"))
	sc, err := l.Accept(patient(b))
	if err != nil {
		b.Fatal(err)
	}
	ss, err := sc.AcceptStream(patient(b))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(chunk)))
	b.ResetTimer()
	go func() {
		for range b.N {
			ss.Write(chunk)
		}
		ss.CloseWrite()
	}()
	if n, err := copyBuffered(io.Discard, s); n != int64(b.N*len(chunk)) || err != nil {
		b.Fatal(n, err)
	}
}
