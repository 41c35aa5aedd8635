package conn

import (
	"fmt"

	"example.com/gquic/wire"
)

// HTTP over gQUIC tells on one stream, the headers stream, what happens on others: that
// there is a request, and where a body ends. No frame of the other stream says it then.
// The calls of this file put into the books what was told there (reference: connection,
// sections 12.5, 17.1 and 17.5).

// Expect opens a stream that the peer has told of, as the first frame of that stream
// would: StreamOpened follows, unless the stream was open already. Errors:
// ErrUnknownStream if it is over or was refused, a [*LocalError] with which the
// connection should be closed if the stream is not the peer's to open.
func (c *Conn) Expect(id wire.StreamID) error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.state == CloseState {
		return c.err
	}
	if id.OpenedBy() == c.side || id == wire.CryptoStream {
		return &LocalError{Code: wire.InvalidStreamID, Reason: fmt.Sprintf("stream %d is not the peer's to open", id)}
	}
	s, err := c.peerStream(id)
	if err != nil {
		return err
	}
	c.e.wake(c)
	if s == nil || s.refused {
		return ErrUnknownStream
	}
	return nil
}

// EndRead says that the peer's bytes on a stream end at offset, as its FIN would. If that
// contradicts what is known of the stream, or is beyond its window, the connection
// closes, and why is returned. On a stream that is over it does nothing.
func (c *Conn) EndRead(id wire.StreamID, offset uint64) error {
	s, err := c.stream(id)
	switch {
	case err == ErrUnknownStream:
		return nil
	case err != nil:
		return err
	case c.state == CloseState:
		return c.err
	}
	if offset > wire.MaxByteOffset {
		err = &LocalError{Code: wire.StreamLengthOverflow, Reason: fmt.Sprintf("stream %d ends at %d", id, offset)}
	} else if err = c.charge(s, offset); err == nil {
		err = c.settleFinal(s, offset)
	}
	if err != nil {
		c.fail(err)
		c.e.wake(c)
		return c.err
	}
	if !s.readOver {
		c.arrived(s)
	}
	c.progress(s)
	c.e.wake(c)
	return nil
}

// EndWrite ends what this side writes on a stream behind what was written so far, without
// a FIN: the peer is told of the end in another way. Errors as of Write.
func (c *Conn) EndWrite(id wire.StreamID) error {
	if _, err := c.Write(id, nil, false); err != nil {
		return err
	}
	s := c.streams.find(id)
	s.send.CloseTold()
	c.progress(s)
	return nil
}

// Farewell sends RST_STREAM with a code when everything that was written on the stream,
// its end included, has been acknowledged: for a peer that has finished its half by what
// it told, and needs to hear that the stream is over (reference: live checks, streams).
// Code 0 leaves what was sent to be read; another is for what the peer will never read.
// Errors: ErrUnknownStream, ErrClosed.
func (c *Conn) Farewell(id wire.StreamID, code wire.StreamErrorCode) error {
	s, err := c.stream(id)
	if err != nil {
		return err
	}
	if c.state == CloseState {
		return ErrClosed
	}
	s.farewell, s.farewellCode = true, code
	c.progress(s)
	c.e.wake(c)
	return nil
}
