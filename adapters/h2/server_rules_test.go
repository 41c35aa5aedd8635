package h2

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/wire"
)

// What deployed clients need of a server, rule by rule (reference: live checks, streams
// and HTTP; connection, section 17).

func num(id wire.StreamID) string { return strconv.Itoa(int(id)) }

// SETTINGS go to clients whose hello had SMHL, and to no others.
func TestSettingsOnlyWithSMHL(t *testing.T) {
	w := start(t, http.NotFoundHandler(), func(s *Server, _ *Transport) { s.MaxHeaderBytes = 77777 })
	for _, smhl := range []bool{false, true} {
		r := w.raw(t, smhl)
		s := r.get()
		ev, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if smhl {
			if want := (Setting{SettingMaxHeaderListSize, 77777}); ev.Kind != SettingEvent || ev.Setting != want {
				t.Errorf("with SMHL the first event is %+v", ev)
			}
		} else if ev.Kind != HeadersEvent || ev.Stream != s.ID() {
			t.Errorf("without SMHL the first event is %+v", ev)
		}
	}
}

// A request ended by END_STREAM gets its response with a FIN, and then, when that was
// acknowledged, RST_STREAM with code 0 from a server whose client has no SMHL: quic-go's
// client would hang after 99 requests. 250 requests on one connection show that the
// streams come back.
func TestFarewell(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			io.WriteString(w, "body")
		}
	}), nil)
	for _, smhl := range []bool{false, true} {
		r := w.raw(t, smhl)
		const n = 250
		for range n {
			s := r.get()
			if status, body := r.answer(s); status != "200" || body != "body" {
				t.Fatalf("stream %d: %s %q", s.ID(), status, body)
			}
		}
		if got := r.frames.count("FIN "); got < n {
			t.Errorf("%d responses ended with FIN, want %d", got, n)
		}
		if smhl {
			if got := r.frames.count("RST_STREAM"); got != 0 {
				t.Errorf("%d RST_STREAM to a client that ends its streams itself", got)
			}
			continue
		}
		eventually(t, "a farewell for each request", func() bool { return r.frames.count("RST_STREAM") >= n })
		s := r.open()
		head := append([]hpack.HeaderField(nil), getFields...)
		head[0].Value = "HEAD"
		r.request(s.ID(), head, true)
		s.EndWrite()
		r.nextHeaders(s.ID()) // and like that client it does not read on
		eventually(t, "a farewell that ends the stream after HEAD", func() bool { return r.frames.count("RST_STREAM "+num(s.ID())+" code 7") == 1 })
	}
}

// While the request still arrives, no RST_STREAM with code 0: an early response ends with
// its FIN alone, and the rest of the request is taken and thrown away.
func TestEarlyResponse(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "no need") }), nil)
	for _, smhl := range []bool{false, true} {
		r := w.raw(t, smhl)
		s := r.open()
		r.request(s.ID(), postFields(), false)
		s.Write(make([]byte, 1000))
		if status, body := r.answer(s); status != "200" || body != "no need" {
			t.Errorf("%s %q", status, body)
		}
		// More than any window: it must be read.
		if n, err := s.Write(make([]byte, 10<<20)); err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := r.c.WaitDelivered(patient(t)); err != nil {
			t.Error(err)
		}
		if n := r.frames.count("RST_STREAM"); n != 0 {
			t.Errorf("SMHL %v: %d RST_STREAM", smhl, n)
		}
	}
}

// A response without a body ends by a FIN at offset 0.
func TestEmptyResponse(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }), nil)
	r := w.raw(t, false)
	s := r.get()
	if status, body := r.answer(s); status != "204" || body != "" {
		t.Errorf("%s %q", status, body)
	}
	if r.frames.count("FIN "+num(s.ID())+" at 0") == 0 {
		t.Error("no FIN at offset 0")
	}
}

// Header names leave in lower case, whatever the handler calls them, and a large header
// list is one HEADERS frame.
func TestNamesAndOneFrame(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-UPPER"] = []string{"1"}
		w.Header()["Bad Name"] = []string{"1"}
		w.Header().Set("X-Control", "a\x01b")
		w.Header().Set("Connection", "close")
		w.Header().Set("X-Large", strings.Repeat("x", 100_000))
	}), nil)
	r := w.raw(t, false)
	s := r.get()
	_, ev := r.nextHeaders(s.ID()) // which takes no CONTINUATION: see below
	names := make(map[string]bool)
	for _, f := range ev.Fields {
		names[f.Name] = true
		if f.Name != strings.ToLower(f.Name) {
			t.Errorf("the name %q", f.Name)
		}
	}
	if !names["x-upper"] || names["bad name"] || names["x-control"] || names["connection"] || !names["x-large"] {
		t.Errorf("%v", names)
	}
	if r.dec.continuations != 0 {
		t.Error("it came in several frames")
	}
}

// Trailers go, with the final offset and in place of the FIN, to a client that asked.
func TestTrailersOnlyWhenAsked(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "42")
	}), nil)
	r := w.raw(t, true)
	s := r.get()
	if status, body := r.answer(s); status != "200" || body != "hello" {
		t.Errorf("%s %q", status, body)
	}
	s = r.open()
	r.request(s.ID(), append(append([]hpack.HeaderField(nil), getFields...), hpack.HeaderField{Name: "te", Value: "trailers"}), true)
	s.EndWrite()
	if status, ev := r.nextHeaders(s.ID()); status != "200" || ev.End {
		t.Errorf("%s %+v", status, ev)
	}
	_, ev := r.nextHeaders(s.ID())
	want := []hpack.HeaderField{{Name: ":final-offset", Value: "5"}, {Name: "x-sum", Value: "42"}}
	if !ev.End || len(ev.Fields) != 2 || ev.Fields[0] != want[0] || ev.Fields[1] != want[1] {
		t.Errorf("trailers %+v", ev)
	}
	if err := s.EndRead(5); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(s); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if r.frames.count("FIN "+num(s.ID())) != 0 {
		t.Error("a FIN besides the trailers")
	}
}

// A request's trailers end its body, also where they come before it.
func TestRequestTrailers(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		io.WriteString(w, string(b)+" "+r.Trailer.Get("X-Sum"))
		if err != nil {
			t.Error(err)
		}
	}), nil)
	for _, before := range []bool{false, true} {
		r := w.raw(t, true)
		s := r.open()
		r.request(s.ID(), postFields(), false)
		trailers := []hpack.HeaderField{{Name: ":final-offset", Value: "5"}, {Name: "x-sum", Value: "42"}}
		if before {
			r.request(s.ID(), trailers, true)
		}
		s.Write([]byte("hello"))
		if !before {
			r.request(s.ID(), trailers, true)
		}
		s.EndWrite()
		if status, body := r.answer(s); status != "200" || body != "hello 42" {
			t.Errorf("%s %q", status, body)
		}
	}
}

// A body that comes before its headers waits for them.
func TestBodyBeforeHeaders(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), nil)
	r := w.raw(t, true)
	s := r.open()
	s.Write([]byte("early"))
	s.CloseWrite()
	if err := r.c.WaitDelivered(patient(t)); err != nil {
		t.Fatal(err)
	}
	r.request(s.ID(), postFields(), false)
	if status, body := r.answer(s); status != "200" || body != "early" {
		t.Errorf("%s %q", status, body)
	}
}

// What LiteSpeed's client sends first, what browsers send in between, and what nobody
// knows: nothing of it disturbs.
func TestToleratedFrames(t *testing.T) {
	w := start(t, http.NotFoundHandler(), nil)
	r := w.raw(t, true)
	r.write(AppendSettings(nil, Setting{SettingEnablePush, 0}, Setting{0x1234, 5}))
	r.write(AppendPriority(nil, 5, Priority{Weight: 256}))
	r.write(frame(0x5a, 0xff, 99, make([]byte, 3000)...))
	if status, _ := r.answer(r.get()); status != "404" {
		t.Errorf("status %s", status)
	}
}

// A client's SETTINGS bind the server: it sends no larger header list.
func TestPeersHeaderListLimit(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", 1000)) }), nil)
	r := w.raw(t, true)
	r.write(AppendSettings(nil, Setting{SettingMaxHeaderListSize, 500}))
	s := r.get()
	_, err := io.ReadAll(s)
	if err == nil || r.frames.count("RST_STREAM "+num(s.ID())+" code 1") != 1 {
		t.Errorf("read: %v", err)
	}
}

// GOAWAY on Shutdown goes to a client with SMHL; its open request is finished, a new one
// is refused with a code that allows to repeat it. The other kind of client gets 503.
func TestShutdownRules(t *testing.T) {
	for _, smhl := range []bool{false, true} {
		goOn := make(chan struct{})
		var begun atomic.Int32
		w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun.Add(1)
			<-goOn
			io.WriteString(w, "done")
		}), nil)
		r := w.raw(t, smhl)
		old, late := r.get(), r.open() // which is open when GOAWAY comes
		eventually(t, "the handler runs", func() bool { return begun.Load() == 1 })
		down := make(chan error, 1)
		go func() { down <- w.server.Shutdown(patient(t)) }()
		if smhl {
			eventually(t, "GOAWAY", func() bool { return r.frames.count("GOAWAY above 5") == 1 })
			r.request(late.ID(), getFields, true)
			eventually(t, "the new request is refused", func() bool { return r.frames.count("RST_STREAM 7 code 8") == 1 })
		} else {
			eventually(t, "draining", w.server.isDraining)
			eventually(t, "the connection knows", func() bool {
				w.server.mu.Lock()
				defer w.server.mu.Unlock()
				for sc := range w.server.conns {
					return sc.isGone()
				}
				return false
			})
			r.request(late.ID(), getFields, true)
			late.EndWrite()
			if status, _ := r.answer(late); status != "503" {
				t.Errorf("a new request: %s", status)
			}
		}
		close(goOn)
		if status, body := r.answer(old); status != "200" || body != "done" {
			t.Errorf("the open request: %s %q", status, body)
		}
		if err := <-down; err != nil {
			t.Error(err)
		}
		r.closes("Shutdown", wire.PeerGoingAway)
		if n := r.frames.count("GOAWAY"); !smhl && n != 0 {
			t.Errorf("%d GOAWAY to a client that closes over it", n)
		}
	}
}
