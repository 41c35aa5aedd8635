package h2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The conformance table: the same requests to the same handler, once over net/http on
// TCP with TLS and HTTP/2, once over gQUIC. What the handler sees, and what the client
// gets, must be the same.

// A conformanceCase is one request and the handler for it.
type conformanceCase struct {
	name    string
	request func(url string) *http.Request
	handler http.HandlerFunc // nil: show the request
}

func simple(method, path string, change func(*http.Request)) func(string) *http.Request {
	return func(url string) *http.Request {
		r, err := http.NewRequest(method, url+path, nil)
		if err != nil {
			panic(err)
		}
		if change != nil {
			change(r)
		}
		return r
	}
}

func posting(body io.Reader, change func(*http.Request)) func(string) *http.Request {
	data, _ := io.ReadAll(body)
	return func(url string) *http.Request {
		r, err := http.NewRequest("POST", url+"/post", bytes.NewReader(data))
		if err != nil {
			panic(err)
		}
		if change != nil {
			change(r)
		}
		return r
	}
}

// show writes what a handler can see of a request.
func show(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	keys := slices.Sorted(maps.Keys(r.Header))
	fmt.Fprintf(w, "%s %s host-set=%v length=%d body=%d err=%v tls=%v proto=%s\n", r.Method, r.RequestURI, r.Host != "", r.ContentLength, len(body), err, r.TLS != nil, r.Proto)
	for _, k := range keys {
		if k != "User-Agent" && k != "Te" {
			fmt.Fprintf(w, "%s: %q\n", k, r.Header[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Trailer)) {
		fmt.Fprintf(w, "trailer %s: %q\n", k, r.Trailer[k])
	}
	fmt.Fprintf(w, "url %s form %v remote-set=%v\n", r.URL, r.Form, r.RemoteAddr != "")
}

var manyHeaders = func(r *http.Request) {
	r.Header.Set("X-One", "1")
	r.Header["X-Many"] = []string{"a", "b", "c"}
	r.Header.Set("x-lower", "v")
	r.Header.Set("Cookie", "a=1; b=2; c=3")
	r.Header.Set("Connection", "keep-alive")
	r.Header.Set("Empty", "")
}

func conformanceCases() []conformanceCase {
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s) }
	}
	status := func(n int) http.HandlerFunc { return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(n) } }
	get := simple("GET", "/", nil)
	files := http.FileServer(http.Dir("."))
	modified := time.Date(2019, 8, 21, 0, 0, 0, 0, time.UTC)
	content := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"tag"`)
		http.ServeContent(w, r, "data.txt", modified, strings.NewReader(strings.Repeat("0123456789", 5000)))
	}
	with := func(k, v string) func(string) *http.Request {
		return simple("GET", "/data.txt", func(r *http.Request) { r.Header.Set(k, v) })
	}
	cases := []conformanceCase{
		{"a plain request", get, nil},
		{"path and query", simple("GET", "/a%20b/c?x=1&y=%2f", nil), nil},
		{"many headers", simple("GET", "/", manyHeaders), nil},
		{"Upgrade", simple("GET", "/", func(r *http.Request) { r.Header.Set("Upgrade", "h2c") }), nil},
		{"Connection of HTTP/1", simple("GET", "/", func(r *http.Request) { r.Header.Set("Connection", "X-Foo") }), nil},
		{"Transfer-Encoding", simple("GET", "/", func(r *http.Request) { r.Header.Set("Transfer-Encoding", "gzip") }), nil},
		{"a bad header name", simple("GET", "/", func(r *http.Request) { r.Header["a b"] = []string{"x"} }), nil},
		{"a bad header value", simple("GET", "/", func(r *http.Request) { r.Header.Set("X", "a\nb") }), nil},
		{"another method", simple("PURGE", "/x", nil), nil},
		{"DELETE", simple("DELETE", "/x", nil), nil},
		{"OPTIONS *", simple("OPTIONS", "/", func(r *http.Request) { r.URL.Opaque = "*" }), nil},
		{"another Host", simple("GET", "/", func(r *http.Request) { r.Host = "example.com" }), func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }},
		{"a body", posting(strings.NewReader("hello"), nil), nil},
		{"a large body", posting(bytes.NewReader(make([]byte, 1<<20)), nil), nil},
		{"a body of unknown length", posting(strings.NewReader("hello"), func(r *http.Request) { r.ContentLength = -1 }), nil},
		{"an empty POST", simple("POST", "/", nil), nil},
		{"request trailers", posting(strings.NewReader("hello"), func(r *http.Request) {
			r.ContentLength = -1
			r.Trailer = http.Header{"X-Sum": {"42"}, "X-Two": {"a", "b"}}
		}), nil},
		{"gzip asked by hand", with("Accept-Encoding", "gzip"), nil},
		{"Expect: 100-continue", posting(strings.NewReader("hello"), func(r *http.Request) { r.Header.Set("Expect", "100-continue") }), nil},

		{"nothing written", get, func(http.ResponseWriter, *http.Request) {}},
		{"a small text", get, text("hello")},
		{"a text of a buffer's size", get, text(strings.Repeat("x", responseBuffer))},
		{"a byte more", get, text(strings.Repeat("x", responseBuffer+1))},
		{"a large text", get, text(strings.Repeat("x", 1<<20))},
		{"HTML without type", get, text("<html><body>")},
		{"no type wanted", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			io.WriteString(w, "<html>")
		}},
		{"an encoding and no type", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			io.WriteString(w, "<html>")
		}},
		{"HEAD of a small text", simple("HEAD", "/", nil), text("hello")},
		{"HEAD of nothing", simple("HEAD", "/", nil), func(http.ResponseWriter, *http.Request) {}},
		{"HEAD of a large text", simple("HEAD", "/", nil), text(strings.Repeat("x", 1<<20))},
		{"HEAD with a length", simple("HEAD", "/", nil), func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "77") }},
		{"a declared length", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}},
		{"a body where none may be", get, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
				panic(err)
			}
		}},
		{"a bad length", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "many")
			io.WriteString(w, "hello")
		}},
		{"headers after WriteHeader", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Before", "1")
			w.WriteHeader(201)
			w.Header().Set("X-After", "1")
			w.WriteHeader(500)
			io.WriteString(w, "created")
		}},
		{"flushed", get, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "one ")
			w.(http.Flusher).Flush()
			io.WriteString(w, "two")
		}},
		{"only flushed", get, func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() }},
		{"headers of all kinds", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["X-Many"] = []string{"a", "b"}
			w.Header().Set("Set-Cookie", "a=1")
			w.Header().Add("Set-Cookie", "b=2")
			w.Header().Set("Empty", "")
			w.Header().Set("Date", "yesterday")
		}},
		{"ReadFrom", get, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, struct{ io.Reader }{strings.NewReader(strings.Repeat("y", 200_000))})
		}},
		{"announced trailers", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Trailer", "X-Sum, X-Never")
			io.WriteString(w, "hello")
			w.Header().Set("X-Sum", "42")
		}},
		{"surprising trailers", get, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
		}},
		{"http.Error", get, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "broken", http.StatusTeapot) }},
		{"http.Redirect", get, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) }},
		{"not found", get, http.NotFound},
		{"a folder", simple("GET", "/", nil), files.ServeHTTP},
		{"a file", simple("GET", "/doc.go", nil), files.ServeHTTP},
		{"HEAD of a file", simple("HEAD", "/doc.go", nil), files.ServeHTTP},
		{"a file that is not there", simple("GET", "/nothing", nil), files.ServeHTTP},
		{"a range", with("Range", "bytes=10-19"), content},
		{"two ranges", with("Range", "bytes=0-0,20-21"), content},
		{"a range too far", with("Range", "bytes=99999999-"), content},
		{"not modified since", with("If-Modified-Since", modified.Format(http.TimeFormat)), content},
		{"the same tag", with("If-None-Match", `"tag"`), content},
		{"another tag", with("If-Match", `"other"`), content},
		{"the body is not read", posting(bytes.NewReader(make([]byte, 300_000)), nil), text("no, thanks")},
		{"MaxBytesReader", posting(bytes.NewReader(make([]byte, 300_000)), nil), func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
			var tooBig *http.MaxBytesError
			fmt.Fprint(w, errors.As(err, &tooBig))
		}},
		{"the body read after Close", posting(strings.NewReader("hello"), nil), func(w http.ResponseWriter, r *http.Request) {
			r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err != nil && err != io.EOF)
		}},
		{"what the context holds", get, func(w http.ResponseWriter, r *http.Request) {
			_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
			fmt.Fprint(w, server, r.Context().Value(http.LocalAddrContextKey) != nil)
		}},
		{"ResponseController", get, func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			far := time.Now().Add(time.Hour)
			fmt.Fprint(w, c.SetReadDeadline(far), c.SetWriteDeadline(far), c.EnableFullDuplex(), c.Flush())
		}},
		{"a panic", get, func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }},
		{"a panic in the body", get, func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, 100_000))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"less than declared", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "500")
			io.WriteString(w, "hello")
		}},
		{"more than declared", get, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "hello")
		}},
		{"a panic behind a flush", get, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"a panic behind a flush, the body not read", posting(strings.NewReader("hello"), nil), func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "part")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}},
	}
	for _, n := range []int{200, 201, 204, 301, 304, 400, 404, 500, 599} {
		cases = append(cases, conformanceCase{"status " + strconv.Itoa(n), get, status(n)})
	}
	return cases
}

// outcome is what a client can see of a response, as text. flushed: also what came before
// an error, for the handler has flushed it.
func outcome(c *http.Client, r *http.Request, flushed bool) string {
	var b strings.Builder
	resp, err := c.Do(r)
	if err != nil {
		return "error before the headers\n"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Fprintf(&b, "%s %s length=%d uncompressed=%v tls=%v transfer=%v\n", resp.Proto, resp.Status, resp.ContentLength, resp.Uncompressed, resp.TLS != nil, resp.TransferEncoding)
	for _, k := range slices.Sorted(maps.Keys(resp.Header)) {
		v := resp.Header[k]
		if k == "Date" && v[0] != "yesterday" {
			_, err := http.ParseTime(v[0])
			v = []string{fmt.Sprint("a date: ", err)}
		}
		if k == "Content-Type" && strings.HasPrefix(v[0], "multipart/byteranges") {
			v = []string{"multipart"}
		}
		fmt.Fprintf(&b, "%s: %q\n", k, v)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart") {
		body = []byte("with a random boundary")
	}
	if err != nil && !flushed {
		body = []byte("broken off") // how much came before that is not promised
	}
	fmt.Fprintf(&b, "error %v, unexpected end %v\n%d bytes %.600s\n", err != nil, errors.Is(err, io.ErrUnexpectedEOF), len(body), body)
	for _, k := range slices.Sorted(maps.Keys(resp.Trailer)) {
		fmt.Fprintf(&b, "trailer %s: %q\n", k, resp.Trailer[k])
	}
	return b.String()
}

func TestConformance(t *testing.T) {
	cases := conformanceCases()
	var current atomic.Pointer[http.HandlerFunc]
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*current.Load())(w, r) })
	tcp := httptest.NewUnstartedServer(handler)
	tcp.EnableHTTP2 = true
	tcp.Config.ErrorLog = nil
	tcp.StartTLS()
	defer tcp.Close()
	ours := start(t, handler, func(_ *Server, t *Transport) { t.RequestTrailers = true })
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	tcpClient := tcp.Client()
	tcpClient.CheckRedirect, ours.client.CheckRedirect = stay, stay
	tcpClient.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"h2"}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.handler == nil {
				c.handler = show
			}
			current.Store(&c.handler)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			flushed := strings.HasSuffix(c.name, "than declared") || strings.HasPrefix(c.name, "a panic behind")
			want := outcome(tcpClient, c.request(tcp.URL).WithContext(ctx), flushed)
			got := outcome(ours.client, c.request(ours.url).WithContext(ctx), flushed)
			want = strings.ReplaceAll(want, tcp.URL, "URL")
			got = strings.ReplaceAll(got, ours.url, "URL")
			if got != want {
				t.Errorf("over gQUIC:\n%s\nover TCP:\n%s", got, want)
			}
		})
	}
}
