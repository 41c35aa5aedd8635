package h2

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// closedBy waits for the end of the raw connection, and keeps it busy meanwhile.
func (r *rawClient) closedBy(t *testing.T, noise func()) wire.ErrorCode {
	t.Helper()
	giveUp := time.After(patience)
	for r.c.Context().Err() == nil {
		noise()
		select {
		case <-giveUp:
			t.Fatal("the connection lives on")
		case <-pause():
		}
	}
	_, err := r.headers.Write([]byte{0})
	var remote *conn.PeerError
	if !errors.As(err, &remote) {
		t.Fatalf("closed with %v", err)
	}
	return remote.Code
}

// A client keeps a connection by requests, not by packets.
func TestIdleTimeouts(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	ping := func(r *rawClient) func() { return func() { r.c.Ping() } }
	for _, c := range []struct {
		name   string
		change func(*Server)
		begin  func(*rawClient)
		noise  func(*rawClient) func()
	}{
		{"no request at all", func(s *Server) { s.IdleTimeout = 100 * time.Millisecond }, func(*rawClient) {}, ping},
		{"ReadTimeout stands for it", func(s *Server) { s.ReadTimeout = 100 * time.Millisecond }, func(*rawClient) {}, ping},
		{"one request and no other", func(s *Server) { s.IdleTimeout = 100 * time.Millisecond }, func(r *rawClient) { r.get() }, ping},
		{"headers that do not end", func(s *Server) { s.ReadHeaderTimeout = 100 * time.Millisecond }, func(r *rawClient) { r.write([]byte{0}) }, ping},
		{"headers that drip", func(s *Server) { s.ReadHeaderTimeout = 100 * time.Millisecond }, func(r *rawClient) {
			r.write([]byte{1, 0, 0, 1, 0, 0, 0, 0, 5}) // a frame of 64 KiB
		}, func(r *rawClient) func() { return func() { r.headers.Write([]byte{0x82}) } }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, ok, func(s *Server, _ *Transport) { c.change(s) })
			r := w.raw(t, true)
			c.begin(r)
			if code := r.closedBy(t, c.noise(r)); code != wire.NetworkIdleTimeout {
				t.Errorf("closed with %v", code)
			}
		})
	}
}

// A request under way is no idleness, and a Transport goes on after an idle connection.
func TestIdleTimeoutSpares(t *testing.T) {
	const idle = 300 * time.Millisecond
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(2 * idle)
		w.Write(make([]byte, 100_000))
	}), func(s *Server, _ *Transport) { s.IdleTimeout, s.ReadHeaderTimeout = idle, idle })
	for range 2 {
		resp, err := w.client.Get(w.url)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); len(b) != 100_000 || err != nil {
			t.Errorf("%d bytes, %v", len(b), err)
		}
		time.Sleep(2 * idle)
	}
}
