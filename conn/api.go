package conn

import "example.com/gquic/wire"

// OpenStream opens a stream. Errors: ErrStreamLimit (StreamsAvailable follows),
// ErrGoingAway, ErrClosed, ErrStaleHandle.
func (c *Conn) OpenStream() (wire.StreamID, error) {
	switch {
	case c == nil:
		return 0, ErrStaleHandle
	case c.state == CloseState:
		return 0, ErrClosed
	case c.peerGone:
		return 0, ErrGoingAway
	}
	t := &c.streams
	if t.next+2 < t.next {
		return 0, ErrStreamLimit // the last ID is taken: connections do not live for ever
	}
	if t.own >= t.maxOwn {
		t.limitHit = true
		return 0, ErrStreamLimit
	}
	id := t.next
	t.next += 2
	t.own++
	c.addStream(id)
	c.e.settle(c) // the keep-alive timer may run from now on
	return id, nil
}

// stream finds a stream for a call of the application.
func (c *Conn) stream(id wire.StreamID) (*streamState, error) {
	if c == nil {
		return nil, ErrStaleHandle
	}
	if s := c.streams.find(id); s != nil {
		return s, nil
	}
	if c.state == CloseState {
		return nil, c.err
	}
	return nil, ErrUnknownStream
}

// Write takes p to be sent on a stream, and with fin the end after it. It takes less
// than all when the stream's send buffer is full: then fin is not taken either, and
// StreamWritable follows. p is copied. Errors: ErrStreamClosed after fin, a
// [*StreamError] after a reset, ErrUnknownStream when the stream is over, or why the
// connection closed.
func (c *Conn) Write(id wire.StreamID, p []byte, fin bool) (n int, err error) {
	s, err := c.stream(id)
	if err != nil {
		return 0, err
	}
	switch {
	case c.state == CloseState:
		return 0, c.err
	case s.resetGot:
		return 0, &StreamError{id, s.peerCode, true}
	case s.resetSent:
		return 0, &StreamError{id, s.resetCode, false}
	case s.send.Closed():
		return 0, ErrStreamClosed
	}
	n = min(len(p), c.writable(s))
	if n > 0 {
		s.send.Write(c.pool(), p[:n])
	}
	if n < len(p) {
		s.short = true
	} else if fin {
		s.send.Close()
	}
	c.activate(s)
	c.e.wake(c)
	return n, nil
}

// Read copies what has arrived on a stream to p. fin says that the end was reached;
// after it the stream is over for reading. 0, false, nil means that nothing is there
// yet: StreamReadable follows. Errors: a [*StreamError] after a reset, ErrUnknownStream
// when the stream is over; on a closed connection, why it closed, once all that arrived
// was read.
func (c *Conn) Read(id wire.StreamID, p []byte) (n int, fin bool, err error) {
	s, err := c.stream(id)
	if err != nil {
		return 0, false, err
	}
	if err := c.readError(s); err != nil {
		return 0, false, err
	}
	n, fin = s.recv.Read(c.pool(), p)
	c.didRead(s, n)
	return n, fin, nil
}

// Peek returns the next contiguous bytes that arrived, without copying or consuming
// them; they are valid until the next call of the endpoint. fin says that nothing comes
// after them. Discard consumes them. Errors as of Read.
func (c *Conn) Peek(id wire.StreamID) (p []byte, fin bool, err error) {
	s, err := c.stream(id)
	if err != nil {
		return nil, false, err
	}
	if err := c.readError(s); err != nil {
		return nil, false, err
	}
	p = s.recv.Peek()
	final, known := s.recv.Final()
	if len(p) == 0 && !s.recv.Finished() {
		s.readable = false
	}
	return p, known && final == s.recv.Offset()+uint64(len(p)), nil
}

// Discard consumes n bytes that Peek has shown; with n = 0 at the end, the end.
func (c *Conn) Discard(id wire.StreamID, n int) error {
	s, err := c.stream(id)
	if err != nil {
		return err
	}
	if err := c.readError(s); err != nil {
		return err
	}
	n = max(0, min(n, s.recv.Readable()))
	s.recv.Discard(c.pool(), n)
	c.didRead(s, n)
	return nil
}

// readError says why nothing can be read on s.
func (c *Conn) readError(s *streamState) error {
	switch {
	case s.resetGot && s.peerCode != wire.StreamNoError:
		return &StreamError{s.id, s.peerCode, true}
	case s.resetSent && s.readOver && s.resetCode != wire.RstAcknowledgement:
		return &StreamError{s.id, s.resetCode, false}
	case s.readOver || s.discard:
		return ErrUnknownStream
	case c.state == CloseState && s.recv.Readable() == 0 && !s.recv.Finished():
		return c.err
	}
	return nil
}

// didRead does the books after the application took n bytes.
func (c *Conn) didRead(s *streamState, n int) {
	if s.recv.Finished() {
		s.readOver = true
	} else if s.recv.Readable() == 0 {
		s.readable = false
	}
	if c.state == CloseState {
		c.releaseIfDone()
		return
	}
	if n > 0 {
		c.consumed(s, uint64(n))
	}
	c.progress(s)
	if c.update.Pending() || c.streams.control.len() > 0 {
		c.e.wake(c)
	}
}

// Reset ends both directions of a stream with RST_STREAM: what was not sent, or not
// read, is dropped, and what was sent is not sent again. Code 0 only tells the peer that
// nothing more will be read: what was sent before, and if the end was written all of it,
// still arrives. Errors: ErrUnknownStream, ErrClosed.
func (c *Conn) Reset(id wire.StreamID, code wire.StreamErrorCode) error {
	s, err := c.stream(id)
	if err != nil {
		return err
	}
	if c.state == CloseState {
		return ErrClosed
	}
	switch {
	case code != wire.StreamNoError:
		c.resetStream(s, code)
	case s.send.Closed() && !s.send.FinSent() && !s.resetSent:
		s.farewell, s.farewellCode, s.discard = true, code, true // RST_STREAM says where we end: it comes after all else
		c.arrived(s)
	default:
		if !s.resetSent {
			s.send.CloseAtSent()
			c.oweReset(s, code)
		}
		c.dropUnread(s)
		c.progress(s)
	}
	c.e.wake(c)
	return nil
}

// StopReading throws away what has arrived on a stream and what will: the peer may
// finish sending, and nobody waits for it. Nothing is sent for it but WINDOW_UPDATEs.
func (c *Conn) StopReading(id wire.StreamID) error {
	s, err := c.stream(id)
	if err != nil {
		return err
	}
	if c.state == CloseState {
		return ErrClosed
	}
	if !s.readOver && !s.discard {
		s.discard = true
		c.arrived(s)
		c.e.wake(c)
	}
	return nil
}

// Ping sends a PING, which the peer acknowledges.
func (c *Conn) Ping() error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.state == CloseState {
		return ErrClosed
	}
	c.ping.Set()
	c.e.wake(c)
	return nil
}

// GoAway tells the peer to open no more streams. It is sent once. Some peers close the
// connection when they get it (reference: live checks), so use it for a planned end.
func (c *Conn) GoAway(code wire.ErrorCode, reason string) error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.state == CloseState {
		return ErrClosed
	}
	if c.goAway == owedNothing {
		c.goAwayErr = closeReason{code, reason[:min(len(reason), MaxCloseReason)]}
		c.goAway.Set()
		c.e.wake(c)
	}
	return nil
}

// Delivered reports whether everything that was written, ends of streams included, has
// been acknowledged: a connection can then be closed without losing any of it. Of a closed
// connection it says how it was at the end.
func (c *Conn) Delivered() bool {
	if c == nil || c.state == CloseState {
		return c != nil && c.delivered
	}
	for _, s := range c.streams.all {
		if !s.writeOver && (s.send.Buffered() > 0 || s.send.Closed() && !s.send.FinAcked()) {
			return false
		}
	}
	return true
}
