package udp

import (
	"io"
	"net"
	"os"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A Stream is an ordered sequence of bytes each way: a net.Conn of its own inside a
// connection. Its methods may be called from any goroutine.
type Stream struct {
	c  *Conn
	id wire.StreamID

	// All of this is guarded by the endpoint's lock.
	readable, writable signal
	reading, sending   deadline
	readErr, writeErr  error // final: what every further call returns
	writing            bool  // a Write is under way; the next one waits
	fin                bool  // ours was written
	stopped            bool  // reading was given up
	settled            bool  // what was written has been acknowledged, or was reset

	consumed   uint64 // by Read
	taken      bool   // PeerStream returned it
	peerReset  bool   // by RST_STREAM with peerCode
	peerCode   wire.StreamErrorCode
	afterReset func(wire.StreamErrorCode)
}

var _ net.Conn = (*Stream)(nil)

// newStream wraps a stream of the core. The lock is held.
func (c *Conn) newStream(id wire.StreamID) *Stream {
	s := &Stream{c: c, id: id}
	s.readable.cond.L, s.readable.e = &c.e.mu, c.e
	s.writable.cond.L, s.writable.e = &c.e.mu, c.e
	if c.streams == nil {
		c.streams = make(map[wire.StreamID]*Stream)
	}
	c.streams[id] = s
	return s
}

// ID returns the stream's number: odd if the client opened it.
func (s *Stream) ID() wire.StreamID { return s.id }

// Conn returns the connection.
func (s *Stream) Conn() *Conn { return s.c }

// LocalAddr returns the connection's local address.
func (s *Stream) LocalAddr() net.Addr { return s.c.LocalAddr() }

// RemoteAddr returns the connection's remote address.
func (s *Stream) RemoteAddr() net.Addr { return s.c.RemoteAddr() }

// Read reads what has arrived, and waits if nothing has. It returns io.EOF at the
// peer's FIN. After the connection has ended it still returns what arrived before.
func (s *Stream) Read(p []byte) (int, error) {
	e := s.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if s.readErr != nil {
			return 0, s.readErr
		}
		if s.reading.expired {
			return 0, s.c.opError("read", os.ErrDeadlineExceeded)
		}
		if len(p) == 0 {
			return 0, nil
		}
		n, fin, err := s.c.core().Read(s.id, p)
		s.consumed += uint64(n)
		if err != nil {
			return n, s.readEnded(s.c.opError("read", err))
		}
		if fin {
			s.readEnded(io.EOF)
		}
		if n > 0 || fin {
			e.flush(e.now()) // the peer may be allowed to send more
		}
		if n > 0 {
			return n, nil
		}
		if !fin {
			s.readable.wait()
		}
	}
}

// Write queues p for sending, and waits while the stream's buffer is full. It may return
// before anything has arrived at the peer; [Conn.Close] waits for that.
func (s *Stream) Write(p []byte) (n int, err error) {
	e := s.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for s.writing && s.writeErr == nil && !s.sending.expired {
		s.writable.wait()
	}
	if !s.writing {
		s.writing = true
		defer func() {
			s.writing = false
			s.writable.wake()
		}()
	}
	for {
		if s.writeErr != nil {
			return n, s.writeErr
		}
		if s.sending.expired {
			return n, s.c.opError("write", os.ErrDeadlineExceeded)
		}
		if n == len(p) {
			return n, nil
		}
		took, err := s.c.core().Write(s.id, p[n:], false)
		n += took
		if err != nil {
			return n, s.writeEnded(s.c.opError("write", err))
		}
		if took > 0 {
			e.flush(e.now())
		} else {
			s.writable.wait()
		}
	}
}

// CloseWrite ends what this side sends: the peer reads io.EOF after it. Reading goes on.
func (s *Stream) CloseWrite() error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	return s.closeWrite()
}

func (s *Stream) closeWrite() error {
	if s.fin {
		return nil
	}
	if s.writeErr != nil {
		return s.writeErr
	}
	if _, err := s.c.core().Write(s.id, nil, true); err != nil {
		return s.writeEnded(s.c.opError("close", err))
	}
	s.fin = true
	s.writeEnded(s.c.opError("write", net.ErrClosed))
	s.c.e.flush(s.c.e.now())
	return nil
}

// CancelRead gives up reading: what has arrived and what will is thrown away. The peer
// is told (RST_STREAM with code 0) when everything that this side wrote, its end
// included, has been acknowledged: gQUIC has no word for it before, and some peers drop
// what they have not read yet.
func (s *Stream) CancelRead() {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.cancelRead()
}

func (s *Stream) cancelRead() {
	if s.readErr != nil {
		return
	}
	s.stopped = true
	core := s.c.core()
	core.StopReading(s.id)
	if s.settled {
		core.Reset(s.id, wire.StreamNoError)
	}
	s.readEnded(s.c.opError("read", net.ErrClosed))
	s.c.e.flush(s.c.e.now())
}

// Close is CloseWrite and CancelRead: what was written is still delivered. It returns an
// error if the end could not be written, but not for a stream that was reset.
func (s *Stream) Close() error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.cancelRead()
	if err := s.closeWrite(); !isStreamError(err) {
		return err
	}
	return nil
}

// Reset breaks the stream off in both directions, with a code for the peer, such as
// wire.StreamCancelled. What was written and not yet delivered is lost.
func (s *Stream) Reset(code wire.StreamErrorCode) error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	if err := s.c.core().Reset(s.id, code); err != nil {
		return s.c.opError("reset", err)
	}
	s.settled = true
	local := &conn.StreamError{Stream: s.id, Code: code}
	if s.readErr == nil {
		s.readEnded(s.c.opError("read", local))
	}
	if s.writeErr == nil {
		s.writeEnded(s.c.opError("write", local))
	}
	s.c.e.flush(s.c.e.now())
	return nil
}

// readEnded and writeEnded note that a direction is over, and wake who waits for it.
func (s *Stream) readEnded(err error) error {
	s.readErr = err
	s.readable.wake()
	s.forget()
	return err
}

func (s *Stream) writeEnded(err error) error {
	s.writeErr = err
	s.writable.wake()
	s.forget()
	return err
}

// wasReset takes the peer's RST_STREAM. Code 0 leaves what it sent to be read.
func (s *Stream) wasReset(code wire.StreamErrorCode) {
	err := &conn.StreamError{Stream: s.id, Code: code, Remote: true}
	if s.readErr == nil && code != wire.StreamNoError {
		s.readEnded(s.c.opError("read", err))
	}
	if s.writeErr == nil {
		s.writeEnded(s.c.opError("write", err))
	}
	s.settle()
	s.peerReset, s.peerCode = true, code
	if s.afterReset != nil {
		go s.afterReset(code)
		s.afterReset = nil
	}
}

// settle notes that nothing that was written can get lost any more.
func (s *Stream) settle() {
	s.settled = true
	s.forget()
}

// forget takes a stream without further events out of the connection's table.
func (s *Stream) forget() {
	if s.readErr != nil && s.settled {
		delete(s.c.streams, s.id)
		if len(s.c.streams) == 0 {
			s.c.streams = nil
		}
	}
}

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.reading.set(t, &s.readable)
	s.sending.set(t, &s.writable)
	return nil
}

// SetReadDeadline sets when reading fails with os.ErrDeadlineExceeded, the Read that
// waits now too. A zero t means never.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.reading.set(t, &s.readable)
	return nil
}

// SetWriteDeadline is SetReadDeadline for writing. A Write that fails may have written
// a part.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.sending.set(t, &s.writable)
	return nil
}

// A deadline wakes the callers that wait on a condition when it passes.
type deadline struct {
	expired bool
	timer   *time.Timer
	round   int // counts the calls of set, so that an old timer does nothing
}

// set replaces the deadline. The lock is held.
func (d *deadline) set(t time.Time, what *signal) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.round++
	d.expired = false
	if !t.IsZero() {
		left := time.Until(t)
		if d.expired = left <= 0; !d.expired {
			round := d.round
			d.timer = time.AfterFunc(left, func() {
				what.cond.L.Lock()
				defer what.cond.L.Unlock()
				if d.round == round {
					d.expired = true
					what.wake()
				}
			})
		}
	}
	what.wake()
}
