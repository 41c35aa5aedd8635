package interop

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	quic "github.com/lucas-clemente/quic-go"
)

// get fetches a path and fails the test if it cannot.
func (w *httpWorld) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	resp, err := w.client.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v after %d bytes", path, err, len(body))
	}
	return resp, string(body)
}

// More requests on one connection than it has streams: each must give its stream back.
func TestHTTPSequence(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		io.WriteString(w, "hello, "+r.URL.Query().Get("n"))
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/zero", func(w http.ResponseWriter, r *http.Request) {})
	eachHTTP(t, mux, func(t *testing.T, w *httpWorld) {
		for i := range 150 {
			resp, body := w.get(t, "/hello?n="+strconv.Itoa(i))
			if body != "hello, "+strconv.Itoa(i) || resp.StatusCode != 200 || resp.Header.Get("X-Method") != "GET" {
				t.Fatalf("request %d: %v, %q", i, resp, body)
			}
		}
		for _, path := range []string{"/empty", "/zero", "/missing"} {
			resp, body := w.get(t, path)
			want := map[string]int{"/empty": 204, "/zero": 200, "/missing": 404}[path]
			if resp.StatusCode != want || path != "/missing" && body != "" {
				t.Errorf("%s: %d, %q", path, resp.StatusCode, body)
			}
		}
		for range 110 {
			resp, err := w.client.Head(w.url + "/hello?n=head")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if len(body) > 0 || err != nil || resp.Header.Get("X-Method") != "HEAD" {
				t.Fatalf("HEAD: %q, %v", body, err)
			}
		}
	})
}

func TestHTTPUpload(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, sum.Sum(nil), err)
	})
	data := make([]byte, 50<<20)
	rand.New(rand.NewSource(1)).Read(data)
	want := fmt.Sprintf("%d %x <nil>", len(data), sha256.Sum256(data))
	eachHTTP(t, h, func(t *testing.T, w *httpWorld) {
		resp, err := w.client.Post(w.url+"/up", "application/octet-stream", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if string(got) != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	})
}

func TestHTTPParallel(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Path, 3000))
	})
	eachHTTP(t, h, func(t *testing.T, w *httpWorld) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				path := fmt.Sprintf("/%d/", i)
				resp, err := w.client.Get(w.url + path)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				if string(got) != strings.Repeat(path, 3000) || err != nil {
					t.Errorf("%d: %d bytes, %v", i, len(got), err)
				}
			})
		}
		all.Wait()
	})
}

// A request's headers up to the limit pass; over it our server answers 431, and the
// connection lives on.
func TestHTTPLargeHeaders(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("back"))
		w.Header().Set("X-Large", strings.Repeat("y", n))
		fmt.Fprint(w, len(r.Header.Get("Cookie")))
	})
	eachHTTP(t, h, func(t *testing.T, w *httpWorld) {
		ask := func(cookies, back int) (*http.Response, string, error) {
			req, _ := http.NewRequest("GET", w.url+"/?back="+strconv.Itoa(back), nil)
			var c []string
			for i := range cookies / 1000 {
				c = append(c, fmt.Sprintf("c%03d=%s", i, strings.Repeat("x", 993)))
			}
			if len(c) > 0 {
				req.Header.Set("Cookie", strings.Join(c, "; "))
			}
			resp, err := w.client.Do(req)
			if err != nil {
				return nil, "", err
			}
			body, err := io.ReadAll(resp.Body)
			return resp, string(body), err
		}
		resp, body, err := ask(60_000, 60_000)
		if err != nil || body != strconv.Itoa(60_000-2) || len(resp.Header.Get("X-Large")) != 60_000 {
			t.Fatalf("60 KB of cookies: %v, %s", err, body)
		}
		if w.ours != nil {
			if resp, _, err = ask(300_000, 0); err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("over our server's limit: %v, %v", resp, err)
			}
		} else if _, _, err = ask(0, 300_000); err == nil {
			t.Error("over our client's limit: no error")
		}
		if _, body, err = ask(1000, 0); err != nil || body != "998" {
			t.Errorf("afterwards: %v, %s", err, body)
		}
	})
}

// The client gives up, before and after the response's headers, and the handler hears it.
// The connection lives on, and no stream is lost.
func TestHTTPCancelByClient(t *testing.T) {
	begun, gone := make(chan struct{}, 1), make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "headers" {
			w.(http.Flusher).Flush()
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		begun <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	eachHTTP(t, mux, func(t *testing.T, w *httpWorld) {
		w.get(t, "/ok")
		for i := range 130 {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			path := "/wait"
			if i%2 == 1 {
				path += "?headers"
			} else {
				go func() {
					<-begun
					cancel()
				}()
			}
			req, _ := http.NewRequestWithContext(ctx, "GET", w.url+path, nil)
			resp, err := w.client.Do(req)
			if i%2 == 1 {
				if err != nil {
					t.Fatal(err)
				}
				<-begun
				if w.ours == nil {
					cancel()
				} else { // h2quic's client does not watch the context any more
					resp.Body.(quic.Stream).CancelRead(6)
					resp.Body.Close()
				}
			} else if !errors.Is(err, context.Canceled) {
				t.Fatalf("request %d: %v", i, err)
			}
			if i > 4 && i%2 == 1 && w.ours != nil {
				break
			}
			<-gone
		}
		if _, body := w.get(t, "/ok"); body != "ok" {
			t.Errorf("afterwards: %q", body)
		}
	})
}

// A handler that breaks off, before and after the headers, fails the request; what
// arrived is not taken for the whole.
func TestHTTPAbortByServer(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/abort", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "late" {
			w.Write(make([]byte, 100_000))
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	})
	eachHTTP(t, mux, func(t *testing.T, w *httpWorld) {
		if w.ours == nil {
			t.Skip("h2quic's server ends an aborted response as if it were whole")
		}
		for _, path := range []string{"/abort", "/abort?late"} {
			resp, err := w.client.Get(w.url + path)
			if err != nil {
				t.Fatalf("%s: %v", path, err) // h2quic fails only with the body
			}
			if n, err := io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode == 200 {
				t.Errorf("%s: %d bytes and no error", path, n)
			}
		}
		if _, body := w.get(t, "/ok"); body != "ok" {
			t.Errorf("afterwards: %q", body)
		}
	})
}

// A client that does not read holds up its own response and no other.
func TestHTTPSlowReader(t *testing.T) {
	const size = 20 << 20
	var written atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		for range size / 10_000 {
			n, err := w.Write(make([]byte, 10_000))
			if err != nil {
				t.Error(err)
				return
			}
			written.Add(int64(n))
		}
	})
	eachHTTP(t, mux, func(t *testing.T, w *httpWorld) {
		written.Store(0)
		resp, err := w.client.Get(w.url + "/big")
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, body := w.get(t, "/ok"); body != "ok" {
				t.Fatalf("beside it: %q", body)
			}
		}
		if n := written.Load(); n >= size {
			t.Errorf("the handler wrote all %d bytes before anything was read", n)
		}
		if n, err := io.Copy(io.Discard, resp.Body); n != size/10_000*10_000 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

func TestHTTPRedirect(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/from", http.RedirectHandler("/to?x=1", http.StatusFound))
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.RawQuery+r.Method) })
	eachHTTP(t, mux, func(t *testing.T, w *httpWorld) {
		resp, body := w.get(t, "/from")
		if body != "x=1GET" || resp.Request.URL.Path != "/to" {
			t.Errorf("%q from %v", body, resp.Request.URL)
		}
		resp, err := w.client.Post(w.url+"/from", "text/plain", strings.NewReader(strings.Repeat("thrown away", 50_000)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); string(got) != "x=1GET" || err != nil {
			t.Errorf("after POST: %q, %v", got, err)
		}
	})
}

func TestHTTPGzip(t *testing.T) {
	text := strings.Repeat("the same again, ", 10_000)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		zw := gzip.NewWriter(w)
		io.WriteString(zw, text)
		zw.Close()
	})
	eachHTTP(t, h, func(t *testing.T, w *httpWorld) {
		resp, body := w.get(t, "/")
		if body != text || !resp.Uncompressed || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%d bytes, uncompressed %v", len(body), resp.Uncompressed)
		}
	})
}

// A server that is shut down in the middle of a response finishes it.
func TestHTTPShutdown(t *testing.T) {
	begun, goOn := make(chan struct{}, 1), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-goOn
		io.WriteString(w, strings.Repeat("second ", 50_000))
	})
	eachHTTP(t, h, func(t *testing.T, w *httpWorld) {
		if w.ours == nil { // h2quic cannot shut down, only close
			resp, err := w.client.Get(w.url)
			if err != nil {
				t.Fatal(err)
			}
			<-begun
			w.theirs.Close()
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Error("half a response, and no error")
			}
			goOn <- struct{}{}
			return
		}
		resp, err := w.client.Get(w.url)
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		done := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			done <- w.ours.Shutdown(ctx)
		}()
		goOn <- struct{}{}
		if body, err := io.ReadAll(resp.Body); len(body) != 6+7*50_000 || err != nil {
			t.Errorf("%d bytes, %v", len(body), err)
		}
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := w.seen.count("sent *wire.GoAwayFrame"); n != 0 {
			t.Errorf("%d GOAWAYs to a client that closes over them", n)
		}
	})
}
