package h2

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/wire"
)

// What a hostile or broken client may do, with the code it gets. A fault of the framing
// ends its connection, and no other.
func TestServerClosesFor(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), nil)
	neighbour := w.raw(t, true)
	b := block(":method", "GET", ":scheme", "https", ":path", "/")
	for _, test := range []struct {
		what string
		do   func(r *rawClient)
		code wire.ErrorCode
	}{
		{"DATA on stream 3", func(r *rawClient) { r.write(frame(frameData, 0, 5, 1, 2)) }, wire.InvalidHeadersStreamData},
		{"RST_STREAM on stream 3", func(r *rawClient) { r.write(frame(frameRstStream, 0, 5, 0, 0, 0, 0)) }, wire.InvalidHeadersStreamData},
		{"PUSH_PROMISE", func(r *rawClient) { r.write(frame(framePushPromise, 4, 5, append([]byte{0, 0, 0, 2}, b...)...)) }, wire.InvalidHeadersStreamData},
		{"CONTINUATION alone", func(r *rawClient) { r.write(frame(frameContinuation, 4, 5, b...)) }, wire.InvalidHeadersStreamData},
		{"CONTINUATIONs without end", func(r *rawClient) {
			r.write(frame(frameHeaders, 0, 5, b...))
			r.write(bytes.Repeat(frame(frameContinuation, 0, 5), 100))
		}, wire.InvalidHeadersStreamData},
		{"an endless block", func(r *rawClient) {
			r.write(appendFrameHeader(nil, 1<<24-1, frameHeaders, flagEndHeaders, 5))
		}, wire.InvalidHeadersStreamData},
		{"broken HPACK", func(r *rawClient) { r.write(frame(frameHeaders, 5, 5, 0xff, 0xff, 0xff, 0x7f)) }, wire.HeadersStreamDataDecompressFailure},
		{"HEADERS for stream 0", func(r *rawClient) { r.request(0, getFields, true) }, wire.InvalidHeadersStreamData},
		{"HEADERS for stream 1", func(r *rawClient) { r.request(1, getFields, true) }, wire.InvalidHeadersStreamData},
		{"HEADERS for stream 3", func(r *rawClient) { r.request(3, getFields, true) }, wire.InvalidHeadersStreamData},
		{"HEADERS for a server's stream", func(r *rawClient) { r.request(2, getFields, true) }, wire.InvalidStreamID},
		{"HEADERS for a stream far away", func(r *rawClient) { r.request(1_000_001, getFields, true) }, wire.TooManyAvailableStreams},
		{"HEADERS twice", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), postFields(), false)
		}, wire.InvalidHeadersStreamData},
		{"trailers without final offset", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), []hpack.HeaderField{{Name: "x-sum", Value: "1"}}, true)
		}, wire.InvalidHeadersStreamData},
		{"trailers with a bad one", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "-1"}}, true)
		}, wire.InvalidHeadersStreamData},
		{"trailers with other pseudo-headers", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "0"}, {Name: ":path", Value: "/"}}, true)
		}, wire.InvalidHeadersStreamData},
		{"trailers that lie", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			s.Write([]byte("hello"))
			r.c.WaitDelivered(patient(t))
			r.request(s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "3"}}, true)
		}, wire.StreamDataAfterTermination},
		{"trailers beyond the window", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "999999999999"}}, true)
		}, wire.FlowControlReceivedTooMuchData},
		{"trailers of upper case", func(r *rawClient) {
			s := r.open()
			r.request(s.ID(), postFields(), false)
			r.request(s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "0"}, {Name: "X", Value: "/"}}, true)
		}, wire.InvalidHeadersStreamData},
		{"a FIN on stream 3", func(r *rawClient) { r.headers.CloseWrite() }, wire.InvalidStreamID},
		{"a reset of stream 3", func(r *rawClient) { r.headers.Reset(wire.StreamCancelled) }, wire.InvalidStreamID},
		{"SETTINGS of TCP", func(r *rawClient) { r.write(AppendSettings(nil, Setting{SettingInitialWindowSize, 1})) }, wire.InvalidHeadersStreamData},
	} {
		r := w.raw(t, true)
		test.do(r)
		r.closes(test.what, test.code)
	}
	if status, _ := neighbour.answer(neighbour.get()); status != "200" {
		t.Errorf("the neighbour's request: %s", status)
	}
}

// Malformed requests cost their stream, with the code that says so, and not the connection.
func TestMalformedRequests(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }), nil)
	f := func(pairs ...string) (list []hpack.HeaderField) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
		}
		return list
	}
	r := w.raw(t, true)
	for _, fields := range [][]hpack.HeaderField{
		nil,
		f(":method", "GET", ":scheme", "https"),
		f(":method", "GET", ":path", "/"),
		f(":scheme", "https", ":path", "/"),
		f(":method", "GET", ":method", "GET", ":scheme", "https", ":path", "/"),
		f(":method", "GET", ":scheme", "https", ":path", ""),
		f(":method", "G T", ":scheme", "https", ":path", "/"),
		f(":method", "GET", ":scheme", "https", ":path", "no slash"),
		f(":method", "GET", ":scheme", "https", ":path", "/", ":status", "200"),
		f(":method", "GET", ":scheme", "https", ":path", "/", ":final-offset", "0"),
		f(":method", "GET", ":scheme", "https", ":path", "/", ":what", "0"),
		f(":method", "GET", ":scheme", "https", "x", "y", ":path", "/"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "Upper", "y"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "", "y"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "a b", "y"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "a", "y\r\nz: 1"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "content-length", "1x"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "content-length", "1", "content-length", "2"),
		f(":method", "GET", ":scheme", "https", ":path", "/", "content-length", "5"), // and END_STREAM
		f(":method", "CONNECT", ":scheme", "https", ":authority", "a"),
	} {
		s := r.open()
		r.request(s.ID(), fields, true)
		s.EndWrite()
		if _, err := io.ReadAll(s); err == nil || r.frames.count("RST_STREAM "+num(s.ID())+" code 3") != 1 {
			t.Errorf("%v: %v", fields, err)
		}
	}
	for _, more := range [][]hpack.HeaderField{f("connection", "close"), f("transfer-encoding", "chunked"), f("te", "gzip"), f("upgrade", "h2c")} {
		s := r.open()
		r.request(s.ID(), append(append([]hpack.HeaderField(nil), getFields...), more...), true)
		s.EndWrite()
		if status, _ := r.answer(s); status != "400" {
			t.Errorf("%v: status %s", more, status)
		}
	}
	if status, body := r.answer(r.get()); status != "200" || body != "fine" {
		t.Errorf("afterwards: %s %q", status, body)
	}
}

// A body that is not as long as content-length says fails for the handler.
func TestWrongContentLength(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %v", len(b), err)
	}), nil)
	r := w.raw(t, true)
	for length, want := range map[string]string{"4": "4 malformed headers: more body than content-length", "6": "5 unexpected EOF", "5": "5 <nil>"} {
		s := r.open()
		r.request(s.ID(), postFields(hpack.HeaderField{Name: "content-length", Value: length}), false)
		s.Write([]byte("hello"))
		s.CloseWrite()
		if _, body := r.answer(s); body != want {
			t.Errorf("content-length %s: %q, want %q", length, body, want)
		}
	}
}

// Header lists over the limit: 431, the connection lives on, and the server holds nothing
// of it. HPACK bombs are such lists.
func TestHeaderFlood(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }), func(s *Server, _ *Transport) { s.MaxHeaderBytes = 10_000 })
	r := w.raw(t, true)
	large := hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 3000)} // goes into the table, and costs a byte from then on
	for range 30 {
		fields := append([]hpack.HeaderField(nil), getFields...)
		for range 1000 {
			fields = append(fields, large)
		}
		s := r.open()
		r.request(s.ID(), fields, true)
		s.EndWrite()
		if status, _ := r.answer(s); status != "431" {
			t.Fatalf("status %s", status)
		}
	}
	if status, body := r.answer(r.get()); status != "200" || body != "fine" {
		t.Errorf("afterwards: %s %q", status, body)
	}
}

// Rapid reset: a client that opens and resets streams as fast as it can. The handlers of
// the reset requests that have not returned are bounded, and so are those that wait.
func TestRapidReset(t *testing.T) {
	var running, most atomic.Int32
	hold := make(chan struct{})
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hold // a handler that does not look at its context
	}), func(s *Server, _ *Transport) { s.Config.Conn.MaxStreams = 20 })
	r := w.raw(t, true)
	known := func() (n int) {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		for sc := range w.server.conns {
			sc.mu.Lock()
			n += len(sc.live)
			sc.mu.Unlock()
		}
		return n
	}
	for i := range 20 + queueFactor*20 + 1 {
		s, err := r.c.OpenStream(patient(t))
		if err != nil {
			t.Fatal(i, err)
		}
		r.request(s.ID(), getFields, true)
		eventually(t, "the server knows the request", func() bool { return known() > i || r.c.Context().Err() != nil })
		s.Reset(wire.StreamCancelled)
	}
	r.closes("rapid reset", wire.TooManyOpenStreams)
	if most.Load() > 20 {
		t.Errorf("%d handlers ran at a time, 20 streams are allowed", most.Load())
	}
	close(hold)
	eventually(t, "all handlers return", func() bool { return running.Load() == 0 })
}

// The same against handlers that return when they should: it goes on for as long as the
// client likes, and nothing grows.
func TestRapidResetIsHarmless(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)
	r := w.raw(t, true)
	const n = 3000
	before := 0
	for i := range n {
		s, err := r.c.OpenStream(patient(t))
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		r.request(s.ID(), getFields, true)
		s.Reset(wire.StreamCancelled)
		if i == n/3 {
			before = heap()
		}
	}
	s := r.open()
	r.request(s.ID(), getFields, true)
	s.Reset(wire.StreamCancelled)
	r.c.WaitDelivered(patient(t))
	eventually(t, "all streams are gone at the server", func() bool {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		for sc := range w.server.conns {
			sc.mu.Lock()
			live := len(sc.live)
			sc.mu.Unlock()
			if live > 0 || sc.c.State().Stats.Streams > 1 {
				return false
			}
		}
		return true
	})
	if after := heap(); after > before+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
}

// heap is what is in use after a collection.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A client that reads no headers cannot make the server queue more than a limit.
func TestClientThatReadsNoHeaders(t *testing.T) {
	var wrote atomic.Int32
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 200_000))
		w.(http.Flusher).Flush()
		wrote.Add(1)
		<-r.Context().Done()
	}), func(s *Server, _ *Transport) { s.Config.Conn.SendBuffer = 64 << 10 })
	r := w.raw(t, false)
	var streams sync.WaitGroup
	for range 50 {
		r.get()
	}
	streams.Wait()
	eventually(t, "some headers are written", func() bool { return wrote.Load() >= 3 })
	r.c.WaitDelivered(patient(t))
	w.server.mu.Lock()
	for sc := range w.server.conns {
		sc.session.mu.Lock()
		if n := len(sc.pending); n > maxPending+400_000 {
			t.Errorf("%d bytes are pending", n)
		}
		sc.session.mu.Unlock()
	}
	w.server.mu.Unlock()
	if n := wrote.Load(); n == 50 {
		t.Error("nothing held the handlers back")
	}
	r.c.CloseWithError(wire.PeerGoingAway, "") // and all let go
}

// Streams with bodies but without headers, and resets of streams that never had headers:
// no handler, and nothing stays.
func TestStreamsWithoutHeaders(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }), nil)
	r := w.raw(t, true)
	for range 2000 {
		s := r.open()
		s.Write([]byte("x"))
		s.Reset(wire.StreamCancelled)
	}
	if status, _ := r.answer(r.get()); status != "200" {
		t.Errorf("afterwards: %s", status)
	}
	r.c.WaitDelivered(patient(t))
	eventually(t, "nothing stays", func() bool {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		for sc := range w.server.conns {
			return sc.c.State().Stats.Streams <= 1
		}
		return false
	})
}
