package h2

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// The client gives up, at every stage, and the handler hears it. No stream is lost by it:
// there are more requests than streams.
func TestCancel(t *testing.T) {
	heard := make(chan error, 1)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			return
		case "/headers":
			w.(http.Flusher).Flush()
		case "/body":
			w.Write(make([]byte, 1<<20))
		case "/upload":
			_, err := io.ReadAll(r.Body)
			heard <- err
			return
		}
		<-r.Context().Done()
		heard <- r.Context().Err()
	}), nil)
	for i := range 200 {
		ctx, cancel := context.WithCancel(context.Background())
		path := []string{"/wait", "/headers", "/body", "/upload"}[i%4]
		var body io.Reader
		if path == "/upload" {
			body = endless{}
		}
		req, _ := http.NewRequestWithContext(ctx, "POST", w.url+path, body)
		if path == "/wait" || path == "/upload" {
			time.AfterFunc(time.Millisecond, cancel) // any moment will do
			if _, err := w.client.Do(req); !errors.Is(err, context.Canceled) {
				t.Fatalf("%s: %v", path, err)
			}
		} else {
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if i%8 < 4 {
				cancel()
				if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
					t.Fatalf("%s: the body: %v", path, err)
				}
			}
			resp.Body.Close()
			if _, err := resp.Body.Read(make([]byte, 1)); err == nil {
				t.Errorf("read after Close")
			}
		}
		cancel()
		if path == "/upload" || path == "/wait" {
			continue // the server may never have heard of it
		}
		if err := <-heard; err == nil {
			t.Fatalf("%s: the handler heard nothing", path)
		}
		for len(heard) > 0 {
			<-heard
		}
	}
	go func() {
		for range heard {
		}
	}()
	resp, err := w.client.Get(w.url + "/ok")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("afterwards: %v", err)
	}
	if n := w.listener.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Both directions stream at once, and neither waits for the other's end.
func TestFullDuplex(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(bytes.ToUpper(buf[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}), nil)
	pr, pw := io.Pipe()
	req, _ := http.NewRequestWithContext(patient(t), "POST", w.url, pr)
	go pw.Write([]byte("first"))
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	for _, s := range []string{"FIRST", "AGAIN", "THIRD"} {
		if s != "FIRST" {
			pw.Write([]byte(strings.ToLower(s)))
		}
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != s {
			t.Fatalf("%q, %v", got, err)
		}
	}
	pw.Close()
	if n, err := resp.Body.Read(got); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// A handler that streams to a client that does not read is held back by the window and
// the stream's buffer.
func TestHandlerIsHeldBack(t *testing.T) {
	const window, buffer = 64 << 10, 128 << 10
	var wrote atomic.Int64
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			n, err := w.Write(make([]byte, 1000))
			if err != nil {
				return
			}
			wrote.Add(int64(n))
		}
	}), func(s *Server, tr *Transport) {
		s.Config.Conn.SendBuffer = buffer
		tr.Config.Conn.StreamWindow, tr.Config.Conn.MaxStreamWindow = window, window
	})
	resp, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window is full", func() bool { return wrote.Load() >= window })
	before := int64(-1)
	eventually(t, "it stands still", func() bool {
		n := wrote.Load()
		defer func() { before = n }()
		time.Sleep(20 * time.Millisecond)
		return n == before
	})
	if n := wrote.Load(); n > window+buffer+responseBuffer {
		t.Errorf("the handler wrote %d bytes", n)
	}
	resp.Body.Close()
}

func TestGzip(t *testing.T) {
	text := strings.Repeat("again ", 100_000)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "not gzip")
			return
		}
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			io.WriteString(zw, text)
			zw.Close()
			return
		}
		io.WriteString(w, text)
	}), nil)
	resp, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if string(b) != text || err != nil || !resp.Uncompressed || resp.ContentLength != -1 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	resp, err = w.client.Get(w.url + "/broken")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("what is not gzip was taken for it")
	}
	resp.Body.Close()
}

// What a handler writes is a fault of its own: net/http's errors.
func TestWriterErrors(t *testing.T) {
	done := make(chan string, 1)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, first := io.WriteString(w, "hello")
		_, more := io.WriteString(w, "more")
		done <- fmt.Sprint(first, more == http.ErrContentLength)
	}), nil)
	resp, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if got := <-done; got != "<nil> true" {
		t.Error(got)
	}
}

// Shutdown between our own two: the open request ends well, the next one fails or goes
// elsewhere, and nothing is lost.
func TestShutdown(t *testing.T) {
	begun, goOn := make(chan bool, 1), make(chan bool)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-goOn
		w.Write(make([]byte, 3<<20))
	}), nil)
	done := make(chan error, 1)
	go func() {
		resp, err := w.client.Get(w.url)
		if err == nil {
			var n int64
			if n, err = io.Copy(io.Discard, resp.Body); err == nil && n != 3<<20 {
				err = fmt.Errorf("%d bytes", n)
			}
		}
		done <- err
	}()
	<-begun
	down := make(chan error, 1)
	go func() { down <- w.server.Shutdown(patient(t)) }()
	eventually(t, "draining", w.server.isDraining)
	goOn <- true
	if err := <-done; err != nil {
		t.Errorf("the open request: %v", err)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := w.client.Get(w.url); err == nil {
		t.Error("a request after Shutdown was answered")
	}
}

// Shutdown that runs out of time closes what is left.
func TestShutdownRunsOut(t *testing.T) {
	begun := make(chan bool, 1)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
	}), nil)
	done := make(chan error, 1)
	go func() {
		_, err := w.client.Post(w.url, "text/plain", strings.NewReader("x"))
		done <- err
	}()
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-done; err == nil {
		t.Error("the request that was cut off had no error")
	}
}

func TestTimeouts(t *testing.T) {
	errs := make(chan error, 1)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			_, err := io.ReadAll(r.Body)
			errs <- err
			return
		}
		for {
			if _, err := w.Write(make([]byte, 100_000)); err != nil {
				errs <- err
				return
			}
		}
	}), func(s *Server, _ *Transport) {
		s.ReadTimeout, s.WriteTimeout = 50*time.Millisecond, 100*time.Millisecond
		s.IdleTimeout = -1 // the requests may be late
	})
	pr, pw := io.Pipe()
	defer pw.Close()
	go w.client.Post(w.url, "text/plain", pr)
	var timeout net.Error
	if err := <-errs; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("reading: %v", err)
	}
	resp, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := <-errs; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("writing: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("a response that was cut off had no error")
	}
}

func TestAltSvc(t *testing.T) {
	if got := AltSvc(443, wire.Q043, wire.Q044); got != `quic=":443"; ma=2592000; v="44,43"` {
		t.Error(got)
	}
	h := make(http.Header)
	for addr, want := range map[string]string{"": ":443", ":4433": ":4433", "[::1]:99": ":99"} {
		if err := (&Server{Addr: addr}).SetAltSvc(h); err != nil || !strings.HasPrefix(h.Get("Alt-Svc"), `quic="`+want+`";`) {
			t.Errorf("%q: %q, %v", addr, h.Get("Alt-Svc"), err)
		}
	}
	if err := (&Server{Addr: "nonsense"}).SetAltSvc(h); err == nil {
		t.Error("no error for an address without port")
	}
	if err := (&Server{Addr: ":0", Config: &udp.Config{Conn: conn.Config{Versions: []wire.Version{wire.Q043}}}}).SetAltSvc(h); err == nil {
		t.Error("no error for port 0")
	}
}

// The same handler over TCP and UDP; the header on TCP leads to UDP.
func TestBoth(t *testing.T) {
	host, client := certified(t)
	s := &Server{Addr: "127.0.0.1:0", Config: &udp.Config{Conn: conn.Config{Server: host}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, Conn(r.Context()) != nil, r.TLS != nil) })}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServeBoth() }()
	var port string
	eventually(t, "it serves", func() bool {
		s.init()
		for _, a := range s.addresses() {
			_, port, _ = net.SplitHostPort(a.String())
		}
		return port != ""
	})
	url := "https://127.0.0.1:" + port
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer web.CloseIdleConnections()
	tr := &Transport{Config: &udp.Config{Conn: conn.Config{Client: client}}}
	defer tr.Close()
	for i, c := range []*http.Client{web, {Transport: tr}} {
		var resp *http.Response
		eventually(t, "an answer", func() (ok bool) {
			var err error
			resp, err = c.Get(url)
			return err == nil
		})
		b, _ := io.ReadAll(resp.Body)
		if want := []string{"false true", "true true"}[i]; string(b) != want {
			t.Errorf("%q, want %q", b, want)
		}
		if want := []string{`quic=":` + port + `"; ma=2592000; v="44,43"`, ""}[i]; resp.Header.Get("Alt-Svc") != want {
			t.Errorf("Alt-Svc %q, want %q", resp.Header.Get("Alt-Svc"), want)
		}
	}
	if err := s.Shutdown(patient(t)); err != nil {
		t.Error(err)
	}
	if err := <-done; err != http.ErrServerClosed {
		t.Errorf("it ended with %v", err)
	}
}

// Requests without end on one connection: neither side's memory grows.
func TestFlatMemory(t *testing.T) {
	body := make([]byte, 1024)
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }), nil)
	n := 5_000
	if testing.Short() {
		n = 1_000
	}
	before := 0
	for i := range n {
		resp, err := w.client.Get(w.url)
		if err != nil {
			t.Fatal(i, err)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != 1024 || err != nil {
			t.Fatal(i, n, err)
		}
		if i == n/5 {
			before = heap()
		}
	}
	if after := heap(); after > before+2<<20 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if n := w.listener.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A page of a browser's kind: a document, a hundred resources of all sizes at once, an
// upload; and the visit is repeated with 0-RTT, over a link of either version.
func TestPage(t *testing.T) {
	size := func(i int) int { return i * i * 20 }
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		for i := range 100 {
			fmt.Fprintf(w, "<img src=/r/%d>\n", i)
		}
	})
	mux.HandleFunc("/r/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		fmt.Sscan(r.PathValue("n"), &n)
		w.Header().Set("Set-Cookie", "seen="+r.PathValue("n"))
		w.Write(bytes.Repeat([]byte{byte(n)}, size(n)))
	})
	mux.HandleFunc("/up", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		w := start(t, mux, versioned(v))
		get := func(path string) ([]byte, *http.Response) {
			resp, err := w.client.Get(w.url + path)
			if err != nil {
				t.Error(err)
				return nil, nil
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Error(err)
			}
			return b, resp
		}
		for visit := range 2 {
			page, resp := get("/")
			if n := bytes.Count(page, []byte("<img")); n != 100 || resp.TLS.DidResume != (visit == 1) {
				t.Fatalf("visit %d: %d resources, 0-RTT %v", visit, n, resp.TLS.DidResume)
			}
			done := make(chan bool)
			for i := range 100 {
				go func() {
					if b, _ := get(fmt.Sprintf("/r/%d", i)); !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, size(i))) {
						t.Errorf("resource %d: %d bytes", i, len(b))
					}
					done <- true
				}()
			}
			for range 100 {
				<-done
			}
			resp, err := w.client.Post(w.url+"/up", "image/png", bytes.NewReader(make([]byte, 3<<20)))
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint(3<<20, nil) {
				t.Errorf("the upload: %s", b)
			}
			resp.Body.Close()
			w.client.CloseIdleConnections()
		}
	}
}
