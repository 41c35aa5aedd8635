package h2

import (
	"io"
	"net/http"
	"testing"
)

// A response that fails behind a flush: what was flushed, then one RST_STREAM 1 and no
// FIN, also for clients that get a farewell; nothing is left of the stream.
func TestAbortBehindFlush(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), nil)
	for _, smhl := range []bool{true, false} {
		r := w.raw(t, smhl)
		s := r.get()
		b, err := io.ReadAll(s)
		if string(b) != "part" || err == nil {
			t.Errorf("SMHL %v: %q, %v", smhl, b, err)
		}
		if n := r.frames.count("RST_STREAM " + num(s.ID()) + " code 1"); n != 1 {
			t.Errorf("SMHL %v: %d resets", smhl, n)
		}
		if n := r.frames.count("RST_STREAM " + num(s.ID())); n != 1 {
			t.Errorf("SMHL %v: %d resets in all", smhl, n)
		}
		if n := r.frames.count("FIN " + num(s.ID()) + " "); n != 0 {
			t.Errorf("SMHL %v: a FIN", smhl)
		}
	}
}

// More failed responses than streams are allowed: their places become free again, though
// the client still sends its requests' bodies.
func TestAbortFreesStreams(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}), func(s *Server, _ *Transport) { s.Config.Conn.MaxStreams = 4 })
	for i := range 12 {
		pr, pw := io.Pipe()
		defer pw.Close()
		req, _ := http.NewRequestWithContext(patient(t), "POST", w.url, pr)
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "part" || err == nil {
			t.Errorf("request %d: %q, %v", i, b, err)
		}
	}
}
