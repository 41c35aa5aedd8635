package h2

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/wire"
)

// maxPending bounds the bytes of frames that wait because the peer does not read the
// headers stream; beyond it, who wants to send headers waits too.
const maxPending = 1 << 20

// A session is what both sides do with the headers stream of a connection.
type session struct {
	c       *udp.Conn
	headers *udp.Stream

	mu       sync.Mutex // orders the frames, as HPACK demands
	changed  sync.Cond
	enc      *Encoder
	buf      []byte // the frame being built
	pending  []byte // built, and not yet taken by the stream
	flushing bool   // a goroutine writes what was pending
	err      error  // why nothing can be written any more

	headerTimeout time.Duration // from a frame's first byte to the end of its headers; 0: none

	readMu  sync.Mutex
	handled uint64   // bytes of the headers stream
	later   []func() // for when all that has arrived is handled
}

func newSession(c *udp.Conn, headers *udp.Stream) *session {
	s := &session{c: c, headers: headers, enc: NewEncoder()}
	s.changed.L = &s.mu
	return s
}

// sendHeaders sends a HEADERS frame, and with it, if it fits, the beginning of the body.
// body may be nil; its N and Err are set. It waits, until ctx is over, only while very
// much is waiting before it.
func (s *session) sendHeaders(ctx context.Context, id wire.StreamID, fields []hpack.HeaderField, end bool, p Priority, body *udp.Piece) error {
	return s.send(ctx, func(b []byte) ([]byte, error) { return s.enc.AppendHeaders(b, id, fields, end, p) }, body)
}

// send sends what build appends.
func (s *session) send(ctx context.Context, build func([]byte) ([]byte, error), body *udp.Piece) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > maxPending && s.err == nil {
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	if s.err != nil {
		return s.err
	}
	b, err := build(s.buf[:0])
	if err != nil {
		return err
	}
	if s.buf = b; cap(b) > 64<<10 {
		s.buf = nil // one large list should not be paid for ever after
	}
	var both [2]udp.Piece
	pieces := both[:0]
	direct := !s.flushing
	if direct {
		pieces = append(pieces, udp.Piece{Stream: s.headers, Data: b})
	}
	if body != nil {
		pieces = append(pieces, *body)
	}
	s.c.TryWrite(pieces)
	if body != nil {
		last := &pieces[len(pieces)-1]
		body.N, body.Err = last.N, last.Err
	}
	if direct {
		if err := pieces[0].Err; err != nil {
			s.err = err
			return err
		}
		b = b[pieces[0].N:]
	}
	if len(b) > 0 {
		s.pending = append(s.pending, b...)
		if !s.flushing {
			s.flushing = true
			go s.flush()
		}
	}
	return nil
}

// wait waits for a change, or for the end of ctx.
func (s *session) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()
	s.changed.Wait()
	return nil
}

// flush writes what is pending until nothing is.
func (s *session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 && s.err == nil {
		b := s.pending
		s.pending = nil
		s.changed.Broadcast()
		s.mu.Unlock()
		_, err := s.headers.Write(b)
		s.mu.Lock()
		if s.err == nil {
			s.err = err
		}
	}
	s.flushing = false
	s.changed.Broadcast()
}

// apply takes a setting of the peer.
func (s *session) apply(v Setting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enc.Apply(v)
}

// read hands what arrives on the headers stream to handle, until the connection is over:
// then it returns why. A fault closes the connection with its code.
func (s *session) read(side wire.Perspective, maxList int, handle func(*Event) error) error {
	d := NewDecoder(side, maxList)
	buf := make([]byte, 4096)
	timed := false // the deadline is that of the frame under way
	for {
		n, err := s.headers.Read(buf)
		for p := buf[:n]; len(p) > 0; {
			took, ev, fault := d.Decode(p)
			p = p[took:]
			if timed && d.Between() {
				timed = false
				s.headers.SetReadDeadline(time.Time{})
			}
			if fault == nil && ev.Kind != NoEvent {
				fault = handle(&ev)
			}
			if fault != nil {
				return s.close(fault)
			}
		}
		s.didHandle(n)
		if s.headerTimeout > 0 && !timed && !d.Between() {
			timed = true
			s.headers.SetReadDeadline(time.Now().Add(s.headerTimeout))
		}
		switch {
		case err == nil:
		case s.c.Context().Err() != nil:
			return err
		case errors.Is(err, io.EOF):
			return s.close(&Error{wire.InvalidStreamID, "the headers stream has ended"})
		case errors.Is(err, os.ErrDeadlineExceeded):
			return s.close(&Error{wire.NetworkIdleTimeout, "headers have begun and did not end in time"})
		default:
			return s.close(&Error{wire.InvalidStreamID, "the headers stream was reset"})
		}
	}
}

// afterHeaders calls f when everything that has arrived on the headers stream is handled:
// what happens on another stream, such as a reset, is then not taken for earlier than the
// headers that were sent before it.
func (s *session) afterHeaders(f func()) {
	s.readMu.Lock()
	consumed, more := s.headers.Consumed()
	now := consumed == s.handled && !more
	if !now {
		s.later = append(s.later, f)
	}
	s.readMu.Unlock()
	if now {
		f()
	}
}

// didHandle notes that n bytes were handled, and does what has waited for it.
func (s *session) didHandle(n int) {
	s.readMu.Lock()
	s.handled += uint64(n)
	var due []func()
	if len(s.later) > 0 {
		if _, more := s.headers.Consumed(); !more {
			due, s.later = s.later, nil
		}
	}
	s.readMu.Unlock()
	for _, f := range due {
		f()
	}
}

// close closes the connection for a fault of the peer's, and returns it.
func (s *session) close(fault error) error {
	code, what := wire.InternalError, fault.Error()
	if e := (*Error)(nil); errors.As(fault, &e) {
		code, what = e.Code, e.What
	}
	s.c.CloseWithError(code, what)
	return fault
}

// settle notes where a body ends that nobody waits for any more, so that its stream does
// not stay open for ever: trailers, or headers with END_STREAM, say it, and no FIN.
func (s *session) settle(ev *Event, m *message) {
	if !ev.End {
		return
	}
	offset, err := uint64(0), error(nil)
	if m.finalOffset != "" {
		if offset, err = m.trailers(); err != nil {
			return
		}
	}
	s.c.EndRead(ev.Stream, offset) // an error has closed the connection
}
