package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// What deployed servers need of a client, rule by rule.

// Priority fields in every HEADERS, END_STREAM and nothing more where there is no body, a
// FIN where there is one, SETTINGS only to a server whose hello had SMHL.
func TestClientRules(t *testing.T) {
	for _, smhl := range []bool{false, true} {
		kinds := make(chan string, 10)
		var frames atomic.Pointer[frameLog]
		tr, url := rawServe(t, smhl, func(r *rawServer) {
			frames.Store(r.frames)
			for {
				ev, err := r.next()
				if err != nil {
					return
				}
				if ev.Kind != HeadersEvent {
					kinds <- fmt.Sprintf("%d %v", ev.Kind, ev.Setting)
					continue
				}
				s, _, _ := r.c.PeerStream(ev.Stream)
				if ev.Priority.Weight == 0 {
					t.Error("no priority fields")
				}
				for _, f := range ev.Fields {
					if f.Name != strings.ToLower(f.Name) {
						t.Errorf("the name %q", f.Name)
					}
				}
				if ev.End {
					s.EndRead(0)
				} else if b, err := io.ReadAll(s); string(b) != "hello" || err != nil {
					t.Errorf("the body is %q, %v", b, err)
				}
				r.respond(s, false, ":status", "200")
				s.Write([]byte("fine"))
				s.CloseWrite()
			}
		})
		client := &http.Client{Transport: tr}
		for _, body := range []string{"", "hello", ""} {
			var reader io.Reader
			if body != "" {
				reader = strings.NewReader(body)
			}
			req, _ := http.NewRequestWithContext(patient(t), "PUT", url, reader)
			req.Header["X-UPPER"] = []string{"1"}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); string(b) != "fine" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
		}
		if n := frames.Load().count("FIN"); n != 1 {
			t.Errorf("%d FINs for one body", n)
		}
		close(kinds)
		want := []string(nil)
		if smhl {
			want = []string{fmt.Sprintf("%d {6 %d}", SettingEvent, DefaultMaxHeaderList), fmt.Sprintf("%d {2 0}", SettingEvent)}
		}
		if got := slices.Collect(chanSeq(kinds)); !slices.Equal(got, want) {
			t.Errorf("SMHL %v: besides HEADERS it sent %v, want %v", smhl, got, want)
		}
	}
}

func chanSeq[T any](c chan T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for v := range c {
			if !yield(v) {
				return
			}
		}
	}
}

// The ways in which servers end their responses.
func TestResponseEnds(t *testing.T) {
	for name, respond := range map[string]func(r *rawServer, s *udp.Stream){
		"FIN": func(r *rawServer, s *udp.Stream) {
			r.respond(s, false, ":status", "200")
			s.Write([]byte("body"))
			s.CloseWrite()
		},
		"FIN before the headers": func(r *rawServer, s *udp.Stream) {
			s.Write([]byte("body"))
			s.CloseWrite()
			r.c.WaitDelivered(patient(t))
			r.respond(s, false, ":status", "200")
		},
		"trailers": func(r *rawServer, s *udp.Stream) {
			r.respond(s, false, ":status", "200")
			s.Write([]byte("body"))
			r.respond(s, true, ":final-offset", "4", "x-sum", "1")
		},
		"trailers before the body": func(r *rawServer, s *udp.Stream) {
			r.respond(s, false, ":status", "200")
			b, _ := r.enc.AppendHeaders(nil, s.ID(), []hpack.HeaderField{{Name: ":final-offset", Value: "4"}, {Name: "x-sum", Value: "1"}}, true, Priority{})
			r.headers.Write(b)
			r.c.WaitDelivered(patient(t))
			s.Write([]byte("body"))
			s.EndWrite()
		},
		"RST_STREAM 0 behind the FIN": func(r *rawServer, s *udp.Stream) {
			r.respond(s, false, ":status", "200")
			s.Write([]byte("body"))
			s.CloseWrite()
			s.Reset(wire.StreamNoError)
		},
		"with 100 and 103 before": func(r *rawServer, s *udp.Stream) {
			r.respond(s, false, ":status", "100")
			r.respond(s, false, ":status", "103", "link", "x")
			r.respond(s, false, ":status", "200")
			s.Write([]byte("body"))
			s.CloseWrite()
		},
	} {
		tr, url := rawServe(t, false, func(r *rawServer) {
			for {
				s, _, err := r.accept()
				if err != nil {
					return
				}
				respond(r, s)
			}
		})
		for range 120 { // more than there are streams: they come back
			resp, err := (&http.Client{Transport: tr}).Get(url)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			b, err := io.ReadAll(resp.Body)
			if string(b) != "body" || err != nil {
				t.Fatalf("%s: %q, %v", name, b, err)
			}
			if strings.HasPrefix(name, "trailers") && resp.Trailer.Get("X-Sum") != "1" {
				t.Fatalf("%s: trailers %v", name, resp.Trailer)
			}
		}
	}
}

// END_STREAM on a response's HEADERS, as Chromium's servers send it, is its end.
func TestResponseEndsWithHeaders(t *testing.T) {
	tr, url := rawServe(t, false, func(r *rawServer) {
		for {
			s, _, err := r.accept()
			if err != nil {
				return
			}
			r.respond(s, true, ":status", "204")
		}
	})
	for range 120 {
		resp, err := (&http.Client{Transport: tr}).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); len(b) > 0 || err != nil {
			t.Fatalf("%q, %v", b, err)
		}
	}
}

// The client stays two below the server's limit, and no request fails over it.
func TestStaysBelowTheLimit(t *testing.T) {
	var open, most atomic.Int32
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond) // so that the requests pile up
		open.Add(-1)
	}), func(s *Server, _ *Transport) { s.Config.Conn.MaxStreams = 10 })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			resp, err := w.client.Get(w.url)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
		})
	}
	all.Wait()
	if n := most.Load(); n != 8 {
		t.Errorf("%d requests at a time, want 8 of 10", n)
	}
}

// What a hostile or broken server may do, with the code it gets.
func TestClientClosesFor(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(r *rawServer, id wire.StreamID)
		code wire.ErrorCode
	}{
		"DATA":     {func(r *rawServer, id wire.StreamID) { r.headers.Write(frame(frameData, 0, id, 1)) }, wire.InvalidHeadersStreamData},
		"PRIORITY": {func(r *rawServer, id wire.StreamID) { r.headers.Write(AppendPriority(nil, id, DefaultPriority)) }, wire.InvalidHeadersStreamData},
		"ENABLE_PUSH": {func(r *rawServer, id wire.StreamID) {
			r.headers.Write(AppendSettings(nil, Setting{SettingEnablePush, 1}))
		}, wire.InvalidHeadersStreamData},
		"broken HPACK":           {func(r *rawServer, id wire.StreamID) { r.headers.Write(frame(frameHeaders, 4, id, 0x80)) }, wire.HeadersStreamDataDecompressFailure},
		"HEADERS for nothing":    {func(r *rawServer, id wire.StreamID) { r.headers.Write(frame(frameHeaders, 4, id+2, 0x88)) }, wire.InvalidHeadersStreamData},
		"HEADERS for stream 3":   {func(r *rawServer, id wire.StreamID) { r.headers.Write(frame(frameHeaders, 4, 3, 0x88)) }, wire.InvalidHeadersStreamData},
		"HEADERS twice":          {func(r *rawServer, id wire.StreamID) { r.headers.Write(twice(frame(frameHeaders, 4, id, 0x88))) }, wire.InvalidHeadersStreamData},
		"a promise of an odd ID": {func(r *rawServer, id wire.StreamID) { r.headers.Write(frame(framePushPromise, 4, id, 0, 0, 0, 9)) }, wire.InvalidHeadersStreamData},
		"a FIN on stream 3":      {func(r *rawServer, id wire.StreamID) { r.headers.CloseWrite() }, wire.InvalidStreamID},
	} {
		ended := make(chan error, 1)
		tr, url := rawServe(t, false, func(r *rawServer) {
			s, _, err := r.accept()
			if err != nil {
				return
			}
			test.do(r, s.ID())
			<-r.c.Context().Done()
			ended <- context.Cause(r.c.Context())
		})
		resp, err := (&http.Client{Transport: tr}).Get(url)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		var peer *conn.PeerError
		if err := <-ended; !errors.As(err, &peer) || peer.Code != test.code {
			t.Errorf("%s: the server heard %v, want %v", name, err, test.code)
		}
	}
}

func twice(b []byte) []byte { return append(b, b...) }

// A push is refused, and what came before and after it is not disturbed.
func TestPushIsRefused(t *testing.T) {
	refused := make(chan *frameLog, 1)
	tr, url := rawServe(t, true, func(r *rawServer) {
		s, _, err := r.accept()
		if err != nil {
			return
		}
		p, err := r.c.OpenStream(context.Background()) // before the client can refuse it
		if err != nil {
			t.Error(err)
			return
		}
		b := block(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/pushed")
		r.headers.Write(frame(framePushPromise, flagEndHeaders, s.ID(), append([]byte{0, 0, 0, 2}, b...)...))
		r.respond(p, false, ":status", "200")
		p.Write([]byte("pushed"))
		p.CloseWrite()
		r.respond(s, false, ":status", "200")
		s.Write([]byte("asked for"))
		s.CloseWrite()
		refused <- r.frames
	})
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "asked for" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	frames := <-refused
	eventually(t, "the push is refused", func() bool { return frames.count("RST_STREAM 2 code 8") == 1 })
}

// Malformed responses fail their request, and not the connection.
func TestMalformedResponses(t *testing.T) {
	bad := [][]string{
		{"x", "y"}, {":status", "20"}, {":status", "abc"}, {":status", "200", ":status", "200"}, {":path", "/"},
		{":status", "200", ":path", "/"}, {":status", "200", "Upper", "x"}, {":status", "200", "x", "a\nb"},
		{":status", "200", "content-length", "x"}, {":status", "101"}, {"a", "b", ":status", "200"}, {":status", "200", "x-large", strings.Repeat("x", 2000)},
	}
	next := 0
	tr, url := rawServe(t, false, func(r *rawServer) {
		for {
			s, _, err := r.accept()
			if err != nil {
				return
			}
			if next < len(bad) {
				r.respond(s, false, bad[next]...)
				next++
				continue
			}
			r.respond(s, false, ":status", "200")
			s.CloseWrite()
			code := 0
			for i := range bad {
				if want := 3; r.frames.count(fmt.Sprintf("RST_STREAM %d code %d", 5+2*i, want)) == 1 {
					code++
				}
			}
			if code != len(bad)-1 || r.frames.count("RST_STREAM "+num(wire.StreamID(5+2*(len(bad)-1)))+" code 15") != 1 {
				t.Errorf("%d requests ended with code 3: %v", code, r.frames.received)
			}
		}
	})
	tr.MaxHeaderBytes = 1000
	client := &http.Client{Transport: tr}
	for range bad {
		if _, err := client.Get(url); err == nil {
			t.Error("no error")
		}
	}
	resp, err := client.Get(url)
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("afterwards: %v", err)
	}
}

// A refused stream is asked for again; other resets are an error.
func TestRefusedIsRepeated(t *testing.T) {
	n := 0
	tr, url := rawServe(t, false, func(r *rawServer) {
		for {
			s, _, err := r.accept()
			if err != nil {
				return
			}
			switch n++; n {
			case 1:
				s.Reset(wire.RefusedStream)
			case 2:
				b, _ := io.ReadAll(s)
				r.respond(s, false, ":status", "200")
				s.Write(b)
				s.CloseWrite()
			default:
				s.Reset(wire.ErrorProcessingStream)
			}
		}
	})
	client := &http.Client{Transport: tr}
	resp, err := client.Post(url, "text/plain", strings.NewReader("once more"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "once more" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_, err = client.Post(url, "text/plain", strings.NewReader("no"))
	var reset *conn.StreamError
	if !errors.As(err, &reset) || reset.Code != wire.ErrorProcessingStream || !reset.Remote {
		t.Errorf("%v", err)
	}
}

// After GOAWAY requests go over a new connection; what was under way is finished.
func TestGoAwayMovesOn(t *testing.T) {
	var conns atomic.Int32
	goOn := make(chan struct{})
	tr, url := rawServe(t, true, func(r *rawServer) {
		first := conns.Add(1) == 1
		go func() {
			for {
				s, _, err := r.accept()
				if err != nil {
					return
				}
				if first {
					r.c.GoAway(wire.PeerGoingAway, "moving")
					<-goOn
				}
				r.respond(s, false, ":status", "200")
				s.CloseWrite()
			}
		}()
	})
	client := &http.Client{Transport: tr}
	done := make(chan error, 1)
	go func() {
		resp, err := client.Get(url)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		done <- err
	}()
	eventually(t, "requests use another connection", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return conns.Load() > 1 && err == nil
	})
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("the request under way: %v", err)
	}
}

// A second connection to a known server sends what is safe at once (0-RTT), and holds
// what is not back until nobody can repeat it.
func TestEarlyData(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := Conn(r.Context())
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s hellos %d", r.Method, b, c.State().Stats.Hellos)
	}), nil)
	ask := func(method string, body io.Reader) string {
		t.Helper()
		req, _ := http.NewRequestWithContext(patient(t), method, w.url, body)
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if resp.TLS.DidResume != strings.HasSuffix(string(b), "hellos 1") {
			t.Errorf("DidResume is %v with %q", resp.TLS.DidResume, b)
		}
		return string(b)
	}
	if got := ask("GET", nil); got != "GET  hellos 2" {
		t.Errorf("first contact: %q", got)
	}
	var sawEarly bool
	methods := []string{"POST", "GET"}
	for i := 0; i < 200 && !sawEarly; i++ { // the server's answer may come before the request is there
		method := methods[min(i, 1)]
		w.transport.CloseIdleConnections()
		var early bool
		var mu sync.Mutex
		w.transport.Config.Conn.Trace = func(p *conn.PacketTrace) {
			mu.Lock()
			defer mu.Unlock()
			r := p.Frames()
			for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
				if s, ok := f.(*wire.StreamFrame); ok && p.Sent && p.Level.String() == "initial" && s.StreamID == wire.HeadersStream {
					early = true
				}
			}
		}
		var body io.Reader
		want := method + "  hellos 1"
		if method == "POST" {
			body, want = strings.NewReader("data"), "POST data hellos 1"
		}
		if got := ask(method, body); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		mu.Lock()
		if early && method == "POST" {
			t.Error("a POST was sent under the initial keys")
		}
		sawEarly = early
		mu.Unlock()
	}
	if !sawEarly {
		t.Error("no GET was sent under the initial keys")
	}
}

// A server that has forgotten everything: 0-RTT is refused, and the requests arrive.
func TestEarlyDataRefused(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	first := start(t, h, nil)
	resp, err := first.client.Get(first.url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	second := start(t, h, func(s *Server, _ *Transport) {
		s.Config.Conn.Server.Certificates = first.server.Config.Conn.Server.Certificates
	})
	first.transport.CloseIdleConnections()
	first.transport.Resolve = func(string) string { return second.addr }
	for range 3 {
		resp, err := first.client.Get(first.url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "fine" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	}
}

// A connection that breaks: a repeatable request goes over a new one.
func TestConnectionLost(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") }), nil)
	for i := range 3 {
		resp, err := w.client.Get(w.url)
		if err != nil {
			t.Fatal(i, err)
		}
		io.Copy(io.Discard, resp.Body)
		w.server.mu.Lock()
		for sc := range w.server.conns {
			go sc.c.CloseWithError(wire.PeerGoingAway, "test")
		}
		w.server.mu.Unlock()
	}
}

func TestExpectContinue(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "no", http.StatusExpectationFailed)
			return
		}
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), err)
	}), nil)
	for _, test := range []struct {
		path, want string
		read       bool
	}{{"/yes", "hello<nil>", true}, {"/no", "no\n", false}} {
		for range 120 { // also: no stream stays behind
			body := &watchedReader{Reader: strings.NewReader("hello")}
			var got100 bool
			ctx := httptrace.WithClientTrace(patient(t), &httptrace.ClientTrace{Got100Continue: func() { got100 = true }})
			req, _ := http.NewRequestWithContext(ctx, "POST", w.url+test.path, body)
			req.ContentLength = 5
			req.Header.Set("Expect", "100-continue")
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(b) != test.want || body.read.Load() != test.read || got100 != test.read {
				t.Fatalf("%s: %q, body read %v, 100 came %v", test.path, b, body.read.Load(), got100)
			}
		}
	}
}

type watchedReader struct {
	io.Reader
	read atomic.Bool
}

func (w *watchedReader) Read(p []byte) (int, error) {
	w.read.Store(true)
	return w.Reader.Read(p)
}

func TestRequestTrailersNeedConsent(t *testing.T) {
	w := start(t, http.NotFoundHandler(), nil)
	req, _ := http.NewRequest("POST", w.url, strings.NewReader("x"))
	req.Trailer = http.Header{"X": {"1"}}
	if _, err := w.client.Do(req); !errors.Is(err, ErrRequestTrailers) {
		t.Errorf("%v", err)
	}
}

// The hooks of httptrace are called, in an order that makes sense.
func TestTrace(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), nil)
	var mu sync.Mutex
	var got []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, s)
	}
	trace := &httptrace.ClientTrace{
		GetConn:           func(string) { note("GetConn") },
		GotConn:           func(i httptrace.GotConnInfo) { note(fmt.Sprintf("GotConn reused=%v", i.Reused)) },
		ConnectStart:      func(network, _ string) { note("ConnectStart " + network) },
		ConnectDone:       func(network, _ string, err error) { note(fmt.Sprint("ConnectDone ", err)) },
		TLSHandshakeStart: func() { note("TLSHandshakeStart") },
		TLSHandshakeDone: func(s tls.ConnectionState, err error) {
			note(fmt.Sprintf("TLSHandshakeDone %v %v", s.NegotiatedProtocol, err))
		},
		WroteHeaders:         func() { note("WroteHeaders") },
		WroteRequest:         func(i httptrace.WroteRequestInfo) { note(fmt.Sprint("WroteRequest ", i.Err)) },
		GotFirstResponseByte: func() { note("GotFirstResponseByte") },
		Got1xxResponse:       func(int, textproto.MIMEHeader) error { return nil },
	}
	for _, want := range [][]string{
		{"GetConn", "TLSHandshakeStart", "ConnectStart udp", "ConnectDone <nil>", "TLSHandshakeDone quic/Q043 <nil>", "GotConn reused=false", "WroteHeaders", "WroteRequest <nil>", "GotFirstResponseByte"},
		{"GetConn", "GotConn reused=true", "WroteHeaders", "WroteRequest <nil>", "GotFirstResponseByte"},
	} {
		got = nil
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(patient(t), trace), "GET", w.url, nil)
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		mu.Lock()
		// A fast server may answer before the client has said that it wrote the request.
		if i := slices.Index(got, "GotFirstResponseByte"); i >= 0 {
			got = append(slices.Delete(got, i, i+1), "GotFirstResponseByte")
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		mu.Unlock()
	}
}
