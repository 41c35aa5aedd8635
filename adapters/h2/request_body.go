package h2

import (
	"io"
	"net/http"
	"runtime"
	"sync"

	"golang.org/x/net/http2/hpack"
)

// A requestBody is a request's body at the server.
type requestBody struct {
	st *serverStream

	mu     sync.Mutex
	left   int64 // of the content-length; -1: none was given
	asks   bool  // the client waits for 100 (Continue)
	closed bool
	err    error
}

// Read reads the body as it arrives. A client that waits for 100 (Continue) gets it with
// the first Read.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, http.ErrBodyReadAfterClose
	case b.err != nil:
		return 0, b.err
	}
	if b.asks {
		b.asks = false
		b.st.sc.sendHeaders(b.st.ctx, b.st.s.ID(), []hpack.HeaderField{{Name: ":status", Value: "100"}}, false, Priority{}, nil)
	}
	n, err := b.st.s.Read(p)
	if b.left >= 0 {
		if int64(n) > b.left {
			n, err = int(b.left), malformed("more body than content-length")
		}
		if b.left -= int64(n); err == io.EOF && b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == io.EOF {
		b.takeTrailers()
	}
	b.err = err
	return n, err
}

// takeTrailers shows the trailers to the handler, announced or not.
func (b *requestBody) takeTrailers() {
	b.st.mu.Lock()
	defer b.st.mu.Unlock()
	for k, v := range b.st.trailer {
		if b.st.req.Trailer == nil {
			b.st.req.Trailer = make(http.Header)
		}
		b.st.req.Trailer[k] = v
	}
}

// Close gives up reading; what still comes is thrown away.
func (b *requestBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.err == nil {
		b.st.s.DiscardRead()
	}
	return nil
}

// WriteTo copies the body with buffers that are shared.
func (b *requestBody) WriteTo(w io.Writer) (int64, error) { return copyBuffered(w, b) }

// copyBuffers are for copying bodies.
var copyBuffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyBuffered is io.Copy with a buffer of the pool, and without the shortcuts of w and r.
func copyBuffered(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf[:])
}

// logPanic says what a handler did, as net/http does.
func (st *serverStream) logPanic(p any) {
	stack := make([]byte, 64<<10)
	stack = stack[:runtime.Stack(stack, false)]
	st.sc.srv.log().Error("http: panic serving", "remote", st.sc.remote, "panic", p, "stack", string(stack))
}
