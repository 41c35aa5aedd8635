package h2

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/wire"
)

// responseBuffer is how much of a body is collected before the headers go out, so that a
// small response gets a content-length by itself and leaves in one datagram.
const responseBuffer = 4096

var responseBuffers = sync.Pool{New: func() any { return new([responseBuffer]byte) }}

// A responseWriter is the http.ResponseWriter of one request.
//
//	Write ──▶ buf ──▶ headers with the first piece ──▶ the stream ──▶ FIN, or trailers
//
// What is larger than buf passes it by. The stream's own buffer and the client's window
// are all that holds more of a body than that: Write waits for them.
type responseWriter struct {
	st       *serverStream
	header   http.Header
	bodyless bool // HEAD, or a status without body

	status  int         // 0: WriteHeader was not called
	frozen  http.Header // as it was at WriteHeader
	length  int64       // the content-length that was declared; -1: none
	written int64       // by the handler
	cut     bool        // a Write went over length and was taken in part
	sent    bool        // the headers
	out     int64       // body bytes handed to the stream
	storage *[responseBuffer]byte
	buf     []byte
	err     error // of writing to the client
	over    bool  // the handler has returned
}

func newResponseWriter(st *serverStream) *responseWriter {
	w := &responseWriter{st: st, header: make(http.Header), length: -1}
	w.storage = responseBuffers.Get().(*[responseBuffer]byte)
	w.buf = w.storage[:0]
	return w
}

var (
	_ http.Flusher    = (*responseWriter)(nil)
	_ io.ReaderFrom   = (*responseWriter)(nil)
	_ io.StringWriter = (*responseWriter)(nil)
)

var errHandlerOver = errors.New("http: the handler has returned")

// Header is as of http.ResponseWriter.
func (w *responseWriter) Header() http.Header { return w.header }

// WriteHeader is as of http.ResponseWriter. Informational statuses are not sent: some
// browsers take any but 100 for the final one, and 100 is sent when the body is read.
func (w *responseWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.over || w.status != 0 {
		w.st.sc.srv.log().Warn("http: superfluous WriteHeader call", "path", w.st.req.URL.Path)
		return
	}
	if status < 200 {
		return
	}
	w.status, w.frozen = status, w.header.Clone()
	w.bodyless = w.st.req.Method == "HEAD" || !bodyAllowed(status)
	if v := w.frozen.Get("Content-Length"); v != "" {
		if n, err := strconv.ParseUint(v, 10, 63); err == nil {
			w.length = int64(n)
		} else {
			w.frozen.Del("Content-Length")
		}
	}
}

func bodyAllowed(status int) bool { return status >= 200 && status != 204 && status != 304 }

// Write is as of http.ResponseWriter.
func (w *responseWriter) Write(p []byte) (int, error) { return write(w, p) }

// WriteString writes s without making a slice of it first.
func (w *responseWriter) WriteString(s string) (int, error) { return write(w, s) }

func write[T []byte | string](w *responseWriter, p T) (int, error) {
	if w.over {
		return 0, errHandlerOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if w.written += int64(len(p)); w.length >= 0 && w.written > w.length {
		fits := max(0, int64(len(p))-(w.written-w.length))
		w.cut = w.cut || fits > 0
		n, err := take(w, p[:fits])
		if err == nil {
			err = http.ErrContentLength
		}
		return n, err
	}
	return take(w, p)
}

// take buffers or sends a part of the body.
func take[T []byte | string](w *responseWriter, p T) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if len(w.buf)+len(p) <= responseBuffer {
		w.buf = append(w.buf, p...)
		return len(p), nil
	}
	if len(w.buf) > 0 {
		// Fill up what is there, so that what is sniffed does not depend on the pieces.
		n := copy(w.buf[len(w.buf):responseBuffer], p)
		if w.flush(w.buf[:len(w.buf)+n], false); w.err != nil {
			return 0, w.err
		}
		w.buf = w.buf[:0]
		if p = p[n:]; len(p) <= responseBuffer {
			w.buf = append(w.buf, p...)
			return n + len(p), nil
		}
		w.flush([]byte(p), false)
		return n + len(p), w.err
	}
	w.flush([]byte(p), false)
	return len(p), w.err
}

// ReadFrom copies r to the client.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) { return copyBuffered(w, r) }

// Flush sends what is buffered, the headers first.
func (w *responseWriter) Flush() { w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *responseWriter) FlushError() error {
	if w.over {
		return errHandlerOver
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if len(w.buf) > 0 || !w.sent {
		w.flush(w.buf, false)
		w.buf = w.buf[:0]
	}
	return w.err
}

// SetReadDeadline, SetWriteDeadline and EnableFullDuplex are for http.ResponseController.
func (w *responseWriter) SetReadDeadline(t time.Time) error { return w.st.s.SetReadDeadline(t) }

// SetWriteDeadline: see SetReadDeadline.
func (w *responseWriter) SetWriteDeadline(t time.Time) error { return w.st.s.SetWriteDeadline(t) }

// EnableFullDuplex does nothing: requests and responses always flow independently.
func (w *responseWriter) EnableFullDuplex() error { return nil }

// flush sends p, with the headers if they are still to be sent. last: the body ends here.
func (w *responseWriter) flush(p []byte, last bool) {
	if w.err == nil && !w.sent {
		// quic-go's client breaks over headers of a request that it has given up.
		w.err = w.st.ctx.Err()
	}
	if w.err != nil {
		return
	}
	sniff := p
	if w.bodyless {
		p = nil
	}
	piece := udp.Piece{Stream: w.st.s, Data: p, Fin: last && !w.wantsTrailers()}
	if !w.sent {
		w.sent = true
		w.err = w.st.sc.sendHeaders(w.st.ctx, w.st.s.ID(), w.fields(sniff, last), false, Priority{}, &piece)
	} else if piece.Fin { // the end should leave together with what is before it
		pieces := [...]udp.Piece{piece}
		w.st.sc.c.TryWrite(pieces[:])
		piece = pieces[0]
	}
	w.rest(&piece)
}

// rest writes what a piece could not take, waiting for room.
func (w *responseWriter) rest(p *udp.Piece) {
	if w.err == nil {
		w.err = p.Err
	}
	if w.err == nil && p.N < len(p.Data) {
		_, w.err = w.st.s.Write(p.Data[p.N:])
	}
	if w.err == nil {
		w.out += int64(len(p.Data))
		if p.Fin {
			w.err = w.st.s.CloseWrite()
		}
	}
}

// fields builds the response's header list.
func (w *responseWriter) fields(body []byte, last bool) []hpack.HeaderField {
	h := w.frozen
	_, typed := h["Content-Type"]
	if !typed && len(body) > 0 && h.Get("Content-Encoding") == "" && bodyAllowed(w.status) {
		h.Set("Content-Type", http.DetectContentType(body))
	}
	if last && w.length < 0 && bodyAllowed(w.status) && (w.written > 0 || w.st.req.Method != "HEAD") {
		h.Set("Content-Length", strconv.FormatInt(w.written, 10))
	}
	if _, ok := h["Date"]; !ok {
		h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	keys := make([]string, 0, len(h))
	for k := range h {
		if !strings.HasPrefix(k, http.TrailerPrefix) && (k != "Trailer" || w.asksForTrailers()) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	to := make([]hpack.HeaderField, 1, len(keys)+1)
	to[0] = hpack.HeaderField{Name: ":status", Value: strconv.Itoa(w.status)}
	return appendHeader(to, h, keys)
}

// trailerKeys are the trailers that the handler has set: those it announced before the
// headers went, and those with http.TrailerPrefix.
func (w *responseWriter) trailerKeys() (keys []string) {
	for _, v := range w.frozen["Trailer"] {
		for k := range strings.SplitSeq(v, ",") {
			k = http.CanonicalHeaderKey(strings.TrimSpace(k))
			if _, set := w.header[k]; set && k != "Content-Length" && k != "Trailer" {
				keys = append(keys, k)
			}
		}
	}
	for k := range w.header {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// wantsTrailers reports whether there are trailers, and a client that asked for them:
// others do not know how to read them (reference: live checks).
func (w *responseWriter) wantsTrailers() bool {
	return !w.bodyless && w.asksForTrailers() && len(w.trailerKeys()) > 0
}

func (w *responseWriter) asksForTrailers() bool { return w.st.req.Header.Get("Te") == "trailers" }

// finish ends the response after the handler has returned.
func (w *responseWriter) finish() {
	defer w.release()
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if (w.cut || w.written < w.length) && !w.bodyless {
		w.flush(w.buf, false)
		w.abort() // the client must not take a part for the whole, nor what was cut for all
		return
	}
	w.flush(w.buf, true)
	if w.err != nil {
		if w.st.ctx.Err() == nil { // a deadline: the client does not know of it
			w.st.s.Reset(wire.ErrorProcessingStream)
		}
		return
	}
	if !w.wantsTrailers() {
		return
	}
	to := []hpack.HeaderField{{Name: ":final-offset", Value: strconv.FormatInt(w.out, 10)}}
	h := make(http.Header)
	for _, k := range w.trailerKeys() {
		h[strings.TrimPrefix(k, http.TrailerPrefix)] = w.header[k]
	}
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if w.st.sc.sendHeaders(w.st.ctx, w.st.s.ID(), appendHeader(to, h, keys), true, Priority{}, nil) == nil {
		w.st.s.EndWrite()
	}
}

// abort breaks the response off. What the handler has flushed can still be read: a reset
// makes clients drop what they have not read yet, so it leaves when all has been
// acknowledged, and not before lingerTime. Nothing is kept for a client that is gone or
// behind its deadline. quic-go's client hears of no reset before the headers.
func (w *responseWriter) abort() {
	if w.sent && w.err == nil && w.st.ctx.Err() == nil {
		s := w.st.s
		time.AfterFunc(lingerTime, func() {
			s.Farewell(wire.ErrorProcessingStream)
			s.EndWrite() // without a FIN: the farewell is what ends it
		})
		w.release()
		return
	}
	if !w.sent && !w.st.sc.limits && w.st.ctx.Err() == nil {
		w.sent = true
		w.st.sc.sendHeaders(w.st.ctx, w.st.s.ID(), []hpack.HeaderField{{Name: ":status", Value: "500"}}, false, Priority{}, nil)
	}
	w.st.s.Reset(wire.ErrorProcessingStream)
	w.release()
}

func (w *responseWriter) release() {
	if w.storage != nil {
		responseBuffers.Put(w.storage)
		w.storage, w.buf = nil, nil
	}
	w.over = true
}
