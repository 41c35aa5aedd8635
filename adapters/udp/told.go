package udp

import (
	"context"
	"io"
	"net"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// What protocols need that tell on one stream of what happens on others, as HTTP does
// (see the file told.go of package conn), and that write little things on several
// streams at once.

// PeerStream returns the stream with this ID, which the peer opened or has told of on
// another stream. From the first call on, streams are only had this way: AcceptStream
// returns no more of them. first is true the first time that it is returned. Errors unwrap to conn.ErrUnknownStream if the stream is over,
// and to a *[conn.LocalError] with which to close the connection if it is not the peer's
// to open.
func (c *Conn) PeerStream(id wire.StreamID) (s *Stream, first bool, err error) {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.over {
		return nil, false, c.opError("accept", c.err)
	}
	c.told, c.incoming = true, nil
	s = c.streams[id]
	if s == nil {
		if err := c.core().Expect(id); err != nil {
			return nil, false, c.opError("accept", err)
		}
		e.flush(e.now())
		if s = c.streams[id]; s == nil {
			return nil, false, c.opError("accept", conn.ErrUnknownStream)
		}
	}
	first, s.taken = !s.taken, true
	return s, first, nil
}

// EndRead says that the peer's bytes end at offset, as it has told elsewhere: Read gives
// io.EOF there. An error means that this contradicts the stream; then the connection is
// closed.
func (s *Stream) EndRead(offset uint64) error {
	e := s.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.c.over {
		return s.c.opError("read", s.c.err)
	}
	err := s.c.core().EndRead(s.id, offset)
	if err == nil && s.readErr == nil {
		if n, fin, _ := s.c.core().Read(s.id, nil); n == 0 && fin {
			s.readEnded(io.EOF)
		}
	}
	e.flush(e.now())
	if err != nil {
		return s.c.opError("read", err)
	}
	return nil
}

// EndWrite is CloseWrite for a stream whose end the peer learns elsewhere: no FIN is sent.
func (s *Stream) EndWrite() error {
	e := s.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.fin || s.writeErr != nil {
		return s.writeErr
	}
	if err := s.c.core().EndWrite(s.id); err != nil {
		return s.writeEnded(s.c.opError("close", err))
	}
	s.fin = true
	s.writeEnded(s.c.opError("write", net.ErrClosed))
	e.flush(e.now())
	return nil
}

// Farewell sends RST_STREAM with a code once everything that this side writes, its end
// included, has been acknowledged: for peers that end their half on another stream, and
// need it to forget the stream. With code 0 they can still read what was sent.
func (s *Stream) Farewell(code wire.StreamErrorCode) {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	s.c.core().Farewell(s.id, code)
}

// DiscardRead throws away what has arrived and what will, up to the peer's end, and
// tells the peer nothing of it.
func (s *Stream) DiscardRead() {
	e := s.c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.readErr == nil {
		s.c.core().StopReading(s.id)
		s.readEnded(s.c.opError("read", net.ErrClosed))
		e.flush(e.now())
	}
}

// Consumed returns how many bytes Read has returned in all, and whether it would return
// more without waiting.
func (s *Stream) Consumed() (n uint64, more bool) {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	if s.readErr != nil {
		return s.consumed, true
	}
	p, fin, err := s.c.core().Peek(s.id)
	return s.consumed, len(p) > 0 || fin || err != nil
}

// AfterReset calls f in a goroutine of its own when the peer resets the stream, at once
// if it has. It replaces an earlier f; nil stands for none.
func (s *Stream) AfterReset(f func(code wire.StreamErrorCode)) {
	s.c.e.mu.Lock()
	defer s.c.e.mu.Unlock()
	if f != nil && s.peerReset {
		go f(s.peerCode)
		f = nil
	}
	s.afterReset = f
}

// WithFirstStream opens the first stream as the connection begins, so that the server may
// write on it before the client has had the time to: [Conn.FirstStream] returns it.
func WithFirstStream() DialOption {
	return func(o *dialOptions) { o.first = true }
}

// openFirst opens the first stream of a connection that has only begun. The lock is held.
func (c *Conn) openFirst() {
	if id, err := c.core().OpenStream(); err == nil {
		c.first = c.newStream(id)
	}
}

// FirstStream returns the stream that [WithFirstStream] opened, or nil.
func (c *Conn) FirstStream() *Stream { return c.first }

// A Piece is what [Conn.TryWrite] writes on one stream.
type Piece struct {
	Stream *Stream
	Data   []byte
	Fin    bool // end the stream behind Data
	N      int  // set: how much of Data was taken
	Err    error
}

// TryWrite queues several pieces without waiting, and then sends: as far as they fit they
// share datagrams. Of a piece whose stream has no room, or which another Write is using,
// less is taken than there is; its end is taken only with all of its data. Whoever mixes
// it with Write on one stream keeps them in order.
func (c *Conn) TryWrite(pieces []Piece) {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range pieces {
		p := &pieces[i]
		p.N, p.Err = p.Stream.tryWrite(p.Data, p.Fin)
	}
	e.flush(e.now())
}

func (s *Stream) tryWrite(b []byte, fin bool) (int, error) {
	switch {
	case s.writeErr != nil:
		return 0, s.writeErr
	case s.writing:
		return 0, nil
	case s.c.over:
		return 0, s.writeEnded(s.c.opError("write", s.c.err))
	}
	n, err := s.c.core().Write(s.id, b, fin)
	if err != nil {
		return n, s.writeEnded(s.c.opError("write", err))
	}
	if fin && n == len(b) {
		s.fin = true
		s.writeEnded(s.c.opError("write", net.ErrClosed))
	}
	return n, nil
}

// GoAway tells the peer to open no more streams. Some peers close the connection when
// they get it.
func (c *Conn) GoAway(code wire.ErrorCode, reason string) error {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := c.core().GoAway(code, reason); err != nil {
		return c.opError("go away", err)
	}
	e.flush(e.now())
	return nil
}

// WaitDelivered waits until the peer has acknowledged everything that was written.
func (c *Conn) WaitDelivered(ctx context.Context) error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.waitDelivered(ctx)
}

// EndRead is [Stream.EndRead] for a stream that may have been let go of. If it is over,
// nothing happens.
func (c *Conn) EndRead(id wire.StreamID, offset uint64) error {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.over {
		return c.opError("read", c.err)
	}
	err := c.core().EndRead(id, offset)
	e.flush(e.now())
	if err != nil {
		return c.opError("read", err)
	}
	return nil
}
