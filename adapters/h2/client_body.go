package h2

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A responseBody is a response's body at the client.
type responseBody struct {
	cs   *clientStream
	stop func() bool // of watching the request's context

	mu   sync.Mutex
	left int64 // of the content-length; -1: none was given
	err  error
}

var errBodyClosed = errors.New("http: read on closed response body")

// Read reads the body as it arrives.
func (b *responseBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.cs.s.Read(p)
	if err != nil && err != io.EOF {
		b.cs.mu.Lock()
		if b.cs.err != nil {
			err = b.cs.err // why we broke it off says more
		}
		b.cs.mu.Unlock()
		if reset := (*conn.StreamError)(nil); b.left > 0 && errors.As(err, &reset) && reset.Remote {
			err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err) // before the end that it had announced
		}
	}
	if b.left >= 0 {
		if int64(n) > b.left {
			n, err = int(b.left), malformed("more body than content-length")
		}
		if b.left -= int64(n); err == io.EOF && b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		b.finish(err)
	}
	return n, err
}

// finish ends reading.
func (b *responseBody) finish(err error) {
	b.err = err
	b.stop()
	switch err {
	case io.EOF:
		b.takeTrailers()
		b.cs.end(&b.cs.received)
	case io.ErrUnexpectedEOF:
		b.cs.end(&b.cs.received)
	default:
		b.cs.fail(err, wire.StreamCancelled)
	}
}

// takeTrailers shows the trailers in the response, announced or not.
func (b *responseBody) takeTrailers() {
	b.cs.mu.Lock()
	defer b.cs.mu.Unlock()
	resp := b.cs.resp
	for k, v := range b.cs.trailer {
		if resp.Trailer == nil {
			resp.Trailer = make(http.Header)
		}
		resp.Trailer[k] = v
	}
}

// Close gives up what was not read, and the rest of the request with it.
func (b *responseBody) Close() error {
	b.stop()
	cs := b.cs
	cs.mu.Lock()
	over := cs.received && cs.sent
	cs.mu.Unlock()
	if !over {
		cs.fail(errBodyClosed, wire.StreamCancelled) // this also ends a Read under way
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil || b.err == io.EOF {
		b.err = errBodyClosed
	}
	return nil
}

// WriteTo copies the body with buffers that are shared.
func (b *responseBody) WriteTo(w io.Writer) (int64, error) { return copyBuffered(w, b) }

// A gzipBody undoes the compression that the Transport has asked for.
type gzipBody struct {
	body *responseBody
	zr   *gzip.Reader
	err  error
}

func (g *gzipBody) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	if g.zr == nil {
		if g.zr, g.err = gzip.NewReader(g.body); g.err != nil {
			return 0, g.err
		}
	}
	n, err := g.zr.Read(p)
	if err != nil {
		g.err = err
	}
	return n, err
}

func (g *gzipBody) Close() error {
	g.err = errBodyClosed
	return g.body.Close()
}

// asksForGzip reports whether the Transport asks for gzip on its own, as net/http's does.
func (t *Transport) asksForGzip(req *http.Request) bool {
	return !t.DisableCompression && req.Header.Get("Accept-Encoding") == "" && req.Header.Get("Range") == "" && req.Method != "HEAD"
}

// checkHeaders finds what may not be sent.
func checkHeaders(req *http.Request) error {
	if !validMethod(methodOf(req)) {
		return errors.New("net/http: invalid method " + strconv.Quote(req.Method))
	}
	if v := req.Header["Upgrade"]; len(v) > 0 && v[0] != "" {
		return errors.New("h2: the header Upgrade has no place in this protocol")
	}
	if v := req.Header["Transfer-Encoding"]; len(v) > 1 || len(v) == 1 && v[0] != "" && v[0] != "chunked" {
		return errors.New("h2: the header Transfer-Encoding has no place in this protocol")
	}
	if v := req.Header["Connection"]; len(v) > 1 || len(v) == 1 && v[0] != "" && !strings.EqualFold(v[0], "close") && !strings.EqualFold(v[0], "keep-alive") {
		return errors.New("h2: the header Connection has no place in this protocol")
	}
	for _, h := range []http.Header{req.Header, req.Trailer} {
		for k, vv := range h {
			if !validName(strings.ToLower(k)) {
				return errors.New("net/http: invalid header field name " + strconv.Quote(k))
			}
			for _, v := range vv {
				if !validValue(v) {
					return errors.New("net/http: invalid header field value for " + strconv.Quote(k))
				}
			}
		}
	}
	return nil
}

func methodOf(req *http.Request) string {
	if req.Method == "" {
		return "GET"
	}
	return req.Method
}

// requestFields builds a request's header list.
func requestFields(req *http.Request, hasBody, gzip bool, trace *httptrace.ClientTrace) []hpack.HeaderField {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	f := make([]hpack.HeaderField, 0, 8+len(req.Header))
	f = append(f, hpack.HeaderField{Name: ":authority", Value: host}, hpack.HeaderField{Name: ":method", Value: methodOf(req)})
	if req.Method != "CONNECT" {
		f = append(f, hpack.HeaderField{Name: ":path", Value: req.URL.RequestURI()}, hpack.HeaderField{Name: ":scheme", Value: "https"})
	}
	agent := false
	for _, k := range sortedKeys(req.Header) {
		switch name := lowerName(k); name {
		case "host", "content-length", "te", "trailer":
		case "user-agent":
			agent = true
			if v := req.Header[k]; len(v) > 0 && v[0] != "" {
				f = append(f, hpack.HeaderField{Name: name, Value: v[0]})
			}
		case "cookie": // in crumbs, most of which HPACK then knows from the last request
			for _, v := range req.Header[k] {
				for crumb := range strings.SplitSeq(v, "; ") {
					f = append(f, hpack.HeaderField{Name: name, Value: crumb})
				}
			}
		default:
			if !isHopHeader(name) {
				for _, v := range req.Header[k] {
					f = append(f, hpack.HeaderField{Name: name, Value: v})
				}
			}
		}
	}
	if keys := sortedKeys(req.Trailer); len(keys) > 0 {
		f = append(f, hpack.HeaderField{Name: "trailer", Value: strings.ToLower(strings.Join(keys, ","))})
	}
	if n := req.ContentLength; hasBody && n > 0 || !hasBody && (req.Method == "POST" || req.Method == "PUT" || req.Method == "PATCH") {
		if !hasBody {
			n = 0
		}
		f = append(f, hpack.HeaderField{Name: "content-length", Value: strconv.FormatInt(n, 10)})
	}
	if gzip {
		f = append(f, hpack.HeaderField{Name: "accept-encoding", Value: "gzip"})
	}
	if !agent {
		f = append(f, hpack.HeaderField{Name: "user-agent", Value: "gquic-http/1"})
	}
	f = append(f, hpack.HeaderField{Name: "te", Value: "trailers"})
	if trace != nil && trace.WroteHeaderField != nil {
		for _, x := range f {
			trace.WroteHeaderField(x.Name, []string{x.Value})
		}
	}
	return f
}
