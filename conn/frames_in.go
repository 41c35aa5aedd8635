package conn

import (
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// frame handles one frame of an authentic packet. An error closes the connection.
func (c *Conn) frame(in *incoming, f wire.Frame) error {
	if in.level == handshake.LevelNull && !allowedUnprotected(f) {
		return &LocalError{Code: wire.UnencryptedStreamData, Reason: f.Type().String() + " frame without encryption"}
	}
	switch f := f.(type) {
	case *wire.StreamFrame:
		if f.StreamID == wire.CryptoStream {
			return c.onCrypto(in, f)
		}
		return c.onStream(f)
	case *wire.AckFrame:
		return c.onAck(in, f)
	case *wire.StopWaitingFrame:
		return c.onStopWaiting(in, f)
	case *wire.WindowUpdateFrame:
		return c.onWindowUpdate(f)
	case *wire.BlockedFrame:
		c.onBlocked(f)
	case *wire.RstStreamFrame:
		return c.onReset(f)
	case *wire.GoAwayFrame:
		if !c.peerGone {
			c.peerGone = true
			c.emit(Event{Kind: GoAwayReceived, Stream: f.LastGoodStream, Err: &PeerError{f.Code, string(f.Reason)}})
		}
	case *wire.ConnectionCloseFrame:
		c.end(&PeerError{f.Code, string(f.Reason)})
	}
	return nil
}

// allowedUnprotected reports whether a frame may travel before keys exist: the
// handshake's bytes and what goes with them (reference: wire, sections 11.3 and 18).
func allowedUnprotected(f wire.Frame) bool {
	switch f := f.(type) {
	case *wire.StreamFrame:
		return f.StreamID == wire.CryptoStream
	case *wire.RstStreamFrame, *wire.GoAwayFrame:
		return false
	case *wire.WindowUpdateFrame:
		return f.StreamID == wire.CryptoStream || f.StreamID == wire.ConnectionStream
	}
	return true
}

// onStopWaiting forgets what the peer will not send again (reference: connection,
// section 3.1).
func (c *Conn) onStopWaiting(in *incoming, f *wire.StopWaitingFrame) error {
	if c.noStopWaiting || in.number <= c.stopWaiting.packet {
		return nil
	}
	if f.LeastUnacked < c.stopWaiting.least {
		return &LocalError{Code: wire.InvalidStopWaitingData, Reason: "STOP_WAITING went back"}
	}
	c.stopWaiting.packet, c.stopWaiting.least = in.number, f.LeastUnacked
	c.acks.Forget(f.LeastUnacked)
	return nil
}

func (c *Conn) onWindowUpdate(f *wire.WindowUpdateFrame) error {
	switch f.StreamID {
	case wire.CryptoStream: // our handshake bytes are not held back by a window
		return nil
	case wire.ConnectionStream:
		if c.send.Raise(f.Offset) {
			c.blocked = owedNothing
			c.streams.activateAll(c)
		}
		return nil
	}
	s, err := c.peerStream(f.StreamID)
	if s != nil && s.sendWindow.Raise(f.Offset) {
		s.blocked = owedNothing
		c.activate(s)
	}
	return err
}

// onBlocked gives the peer whatever credit the application's reading has earned, though
// it be less than half a window: that heals a WINDOW_UPDATE that went missing. Where the
// application has hardly anything left to read, the window itself held the peer back,
// and grows. Where the peer has credit already that it does not know of, the update that gave it
// may be lost, and is sent again without waiting for its timeout.
func (c *Conn) onBlocked(f *wire.BlockedFrame) {
	if f.StreamID == wire.ConnectionStream {
		if c.recv.Widen(c.e.now, c.smoothedRTT(), c.streams.unread()) {
			c.update.Set()
		}
		return
	}
	s := c.streams.find(f.StreamID)
	if s == nil || !s.wantsCredit() {
		return
	}
	before := s.recvWindow.Window()
	if s.recvWindow.Widen(c.e.now, c.smoothedRTT(), uint64(s.recv.Readable())) {
		s.update.Set()
		c.oweControl(s)
	}
	if window := s.recvWindow.Window(); window > before && shared(s.id) {
		c.recv.Follow(window)
		if c.recv.Grant() {
			c.update.Set()
		}
	}
}

// unread returns how many bytes wait to be read on all streams.
func (t *streamTable) unread() (n uint64) {
	for _, s := range t.all {
		n += uint64(s.recv.Readable())
	}
	return n
}
