package conn

import (
	"errors"
	"fmt"
	"strings"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/conn/stream"
	"example.com/gquic/flowctl"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
	"time"
)

// MaxCloseReason is the longest reason that is sent, in bytes: Chromium cuts its own so.
const MaxCloseReason = 256

// Linger is how long a closed connection waits for its application to read what had
// arrived, and to take the Closed event.
const Linger = 30 * time.Second

// Close ends the connection with a CONNECTION_CLOSE that says code and reason. What was
// written and is not sent yet is lost: wait for Delivered first if it matters. The
// peer's data that arrived can still be read.
func (c *Conn) Close(code wire.ErrorCode, reason string) error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.state == CloseState {
		return ErrClosed
	}
	c.closeWith(&LocalError{Code: code, Reason: reason})
	c.e.settle(c)
	return nil
}

// fail closes the connection for an error that some part found, with the code that
// the error carries.
func (c *Conn) fail(err error) {
	local := &LocalError{Code: wire.InternalError, Reason: err.Error(), Err: err}
	var (
		own   *LocalError
		parse *wire.ParseError
		hs    *handshake.Error
		flow  *flowctl.Error
		str   *stream.Error
		rec   *recovery.Error
	)
	switch {
	case errors.As(err, &own):
		local = own
	case errors.As(err, &parse):
		local.Code = parse.Code
		local.Reason = fmt.Sprintf("%s at byte %d", parse.What, parse.Offset)
	case errors.As(err, &hs):
		local.Code = hs.Code
	case errors.As(err, &flow):
		local.Code = flow.Code
	case errors.As(err, &str):
		local.Code = str.Code
	case errors.As(err, &rec):
		local.Code = rec.Code
	}
	local.Reason = strings.TrimPrefix(local.Reason, local.Code.String()+": ") // it is sent beside the code
	c.closeWith(local)
}

// closeWith closes with a CONNECTION_CLOSE to the peer.
func (c *Conn) closeWith(err *LocalError) {
	if c.state == CloseState {
		return
	}
	c.close = closeReason{err.Code, err.Reason[:min(len(err.Reason), MaxCloseReason)]}
	c.closeOwed = true
	c.end(err)
}

// end closes the connection without telling the peer anything more, but for a
// CONNECTION_CLOSE that is owed.
func (c *Conn) end(err error) {
	if c.state == CloseState {
		return
	}
	e := c.e
	if c.hs != nil && c.hs.halfOpen {
		c.hs.halfOpen = false
		e.halfOpen--
	}
	c.delivered = c.Delivered()
	c.state = CloseState
	c.err = err
	c.lingerUntil = e.now.Add(Linger)
	if !c.closeOwed { // its header may need the handshake's nonce
		c.hs = nil
	}
	for _, s := range c.streams.all {
		s.send.Reset(c.pool())
	}
	c.crypto.send.Reset(c.pool())
	c.crypto.recv.Reset(c.pool())
	c.frames = frameRing{}
	c.emit(Event{Kind: Closed, Err: err})
	if !c.closeOwed {
		e.forget(c)
		e.timeWait.add(e, c, nil)
	}
}

// forget takes the connection out of the routing tables.
func (e *Endpoint) forget(c *Conn) {
	if e.byID[c.id] == c.handle.index {
		delete(e.byID, c.id)
	}
	if c.registered && e.byAddr[unmapped(c.remote)] == c.handle.index {
		delete(e.byAddr, unmapped(c.remote))
	}
}

// appendClose appends the CONNECTION_CLOSE, once, at a level that the peer can surely
// read (reference: connection, section 10.4).
func (c *Conn) appendClose(b []byte) []byte {
	if !c.closeOwed {
		return b
	}
	c.closeOwed = false
	level := c.sendLevel()
	if c.side == wire.Server && !c.confirmed && level == handshake.LevelForwardSecure {
		level = handshake.LevelInitial
	}
	e := c.e
	if c.seal[level] != nil && c.credit.allows(c.mtu.Size()) {
		p := &e.build
		p.begin(c, b, level, c.mtu.Size())
		c.appendAckFrames(p)
		f := wire.ConnectionCloseFrame{Code: c.close.code, Reason: []byte(c.close.reason)}
		p.b = f.Append(p.b, &p.context)
		b = c.finish(p)
		e.timeWait.add(e, c, append([]byte(nil), b[p.start:]...))
	} else {
		e.timeWait.add(e, c, nil)
	}
	c.hs = nil
	e.forget(c)
	c.releaseIfDone()
	return b
}

// releaseIfDone gives the slot of a closed connection back when the application has
// seen the end and nothing is left to read, the ends of streams included.
func (c *Conn) releaseIfDone() {
	if c.state != CloseState || c.closeOwed || !c.inSlot() {
		return
	}
	if c.e.now < c.lingerUntil {
		if !c.closedSeen {
			return
		}
		for _, s := range c.streams.all {
			if !s.readOver && !s.discard && (s.recv.Readable() > 0 || s.recv.Finished()) {
				return
			}
		}
	}
	for _, s := range c.streams.all {
		s.recv.Reset(c.pool())
	}
	c.e.remove(c)
}

// publicReset obeys a public reset, which nothing protects: it must name the connection
// and come from the server's address (reference: wire, section 7). quic-go's name none in
// Q044, and end handshakes; later, whoever knows the two addresses could send one.
func (c *Conn) publicReset(d *Datagram) Verdict {
	var reset wire.PublicReset
	if err := wire.ParsePublicReset(&reset, d.Payload); err != nil || unmapped(d.From) != unmapped(c.remote) {
		return DroppedReset
	}
	if reset.NoConnectionID && c.confirmed || !reset.NoConnectionID && reset.ConnectionID != c.id {
		return DroppedReset
	}
	c.end(ErrReset)
	return ResetReceived
}

// statelessReset obeys a stateless reset: a datagram that ends in the token that the
// server gave (reference: wire, section 8.5).
func (c *Conn) statelessReset(d *Datagram) bool {
	if !c.havePeer || !c.params.HasStatelessReset || d.Payload[0]&0x80 != 0 {
		return false
	}
	token, ok := wire.TrailingResetToken(d.Payload)
	if !ok || token != c.params.StatelessReset {
		return false
	}
	c.end(ErrReset)
	return true
}

// Timers that end a connection. A client gives up a little before the negotiated time
// and a server a little after, so that a client does not send a request into a
// connection that its server has just dropped (reference: connection, section 10.1).
const (
	clientIdleMargin = time.Second
	serverIdleMargin = 3 * time.Second
	// minIdleTimeout is what a peer's offer of less counts as: seconds are the unit, and
	// none would end the connection at once.
	minIdleTimeout = time.Second
)

func (c *Conn) idleDeadline() gquic.Instant {
	from := c.lastReceived
	if c.firstSent != gquic.Never {
		from = max(from, c.firstSent)
	}
	switch {
	case c.side == wire.Server:
		return from.Add(c.idle + serverIdleMargin)
	case c.idle > clientIdleMargin:
		return from.Add(c.idle - clientIdleMargin)
	}
	return from.Add(c.idle)
}

// onIdle closes an idle connection: silently if both sides agreed to, and if nothing is
// under way (reference: connection, section 10.5).
func (c *Conn) onIdle() {
	if c.havePeer && c.params.SilentClose && c.detector.InFlight() == 0 && len(c.streams.all) == 0 {
		c.end(ErrIdleTimeout)
		return
	}
	c.closeWith(&LocalError{Code: wire.NetworkIdleTimeout, Err: ErrIdleTimeout})
}
