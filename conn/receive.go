package conn

import (
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/conn/stream"
	"example.com/gquic/wire"
)

// A Datagram is one UDP payload as it arrived.
type Datagram struct {
	From    netip.AddrPort
	To      netip.AddrPort // the local address, if known: answers leave from it
	ECN     uint8          // the two ECN bits of the IP header, 0 if unknown
	Payload []byte         // borrowed for the call, and not written to
}

// MaxReceivedSize is the largest UDP payload read, in bytes: an Ethernet frame's
// worth (reference: wire, section 14).
const MaxReceivedSize = 1472

// Receive takes one datagram and says what became of it, and which connection it
// belongs to (the zero Handle if none). A dropped datagram changes nothing but
// counters and what now made due.
func (e *Endpoint) Receive(now gquic.Instant, d Datagram) (Handle, Verdict) {
	e.advance(now)
	switch {
	case len(d.Payload) == 0:
		return e.count(Handle{}, DroppedMalformed)
	case e.events.len() >= MaxEvents:
		return e.count(Handle{}, DroppedLimit)
	case len(d.Payload) > MaxReceivedSize:
		return e.count(Handle{}, DroppedTooLarge)
	}
	if c := e.route(&d); c != nil {
		h := c.handle
		v := c.receive(&d)
		stream.Poison(e.plain[:])
		e.settleLate(c)
		return e.count(h, v)
	}
	if e.host == nil {
		return e.count(Handle{}, DroppedUnknown)
	}
	return e.count(e.receiveUnknown(&d))
}

// settle brings the endpoint's books up to date after something happened to c.
func (e *Endpoint) settle(c *Conn) {
	if c.inSlot() {
		e.wake(c)
		e.schedule(c)
	}
}

// settleLate is settle after a datagram, of which many come at one instant. It leaves the
// deadline for when time moves on, or all has come and AppendTransmit looks at c, unless
// there is a timer to fire before anything else is received.
func (e *Endpoint) settleLate(c *Conn) {
	if !c.confirmed || c.state != Established || !c.fired && c.detector.Timeout() <= e.now {
		e.settle(c)
		return
	}
	if e.late != c.handle {
		e.scheduleLate()
		e.late = c.handle
	}
	e.wake(c)
}

// scheduleLate makes up for what settleLate left.
func (e *Endpoint) scheduleLate() {
	if c := e.Conn(e.late); c != nil {
		e.schedule(c)
	}
	e.late = Handle{}
}

// route finds the connection that a datagram belongs to: by the connection ID, or by
// the sender's address where the ID is left out (reference: wire, section 3).
func (e *Endpoint) route(d *Datagram) *Conn {
	if id, ok := connectionID(d.Payload); ok {
		if i, ok := e.byID[id]; ok {
			return e.slots[i].conn
		}
	}
	if len(e.byAddr) > 0 {
		if i, ok := e.byAddr[unmapped(d.From)]; ok {
			return e.slots[i].conn
		}
	}
	return nil
}

// unmapped returns a with an IPv4 address as such, also where a socket for both families
// shows it within IPv6: the two are one.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// connectionID returns the bytes that are the connection ID if there is one.
func connectionID(p []byte) (id wire.ConnectionID, ok bool) {
	at := 1
	switch {
	case p[0]&0x80 != 0: // long header: type, version, ID lengths, ID
		if len(p) < 6 || p[5] != 0x50 && p[5] != 0x05 {
			return id, false
		}
		at = 6
	case p[0]&0x08 == 0 && p[0]&0x30 != 0x30: // public header without ID
		return id, false
	}
	if len(p) < at+len(id) {
		return id, false
	}
	return wire.ConnectionID(p[at : at+len(id)]), true
}

// receiveUnknown handles a datagram of no connection at a server (reference:
// connection, section 16.1).
func (e *Endpoint) receiveUnknown(d *Datagram) (Handle, Verdict) {
	h := &e.header
	if err := wire.ParseHeader(h, d.Payload, wire.Client, 0); err != nil {
		return Handle{}, DroppedMalformed
	}
	if h.Kind == wire.PublicResetPacket || h.Kind == wire.VersionNegotiationPacket {
		return Handle{}, DroppedReset // a server's packets, and so not for a server
	}
	if !h.HasConnectionID || d.From.Port() == 0 { // nobody can be answered at port 0
		return Handle{}, DroppedUnknown
	}
	if v, known := e.timeWait.packet(e, d, h); known {
		return Handle{}, v
	}
	switch {
	case h.Version == 0:
		return e.receiveVersionless(d, h)
	case h.Kind == wire.UnknownVersionPacket || !e.speaks(h.Version):
		return Handle{}, e.negotiateVersion(d, h)
	}
	return e.accept(d, h, h.Version)
}

// speaks reports whether the endpoint is configured for v.
func (e *Endpoint) speaks(v wire.Version) bool {
	for _, w := range e.cfg.Versions {
		if v == w {
			return true
		}
	}
	return false
}

// receiveVersionless handles a packet that names no version and no connection: the
// second CHLO of a client that was answered without state, or a stray one that a
// reset answers.
func (e *Endpoint) receiveVersionless(d *Datagram, h *wire.Header) (Handle, Verdict) {
	if h.Form == wire.PublicForm {
		for _, v := range e.cfg.Versions {
			if !v.UsesIETFHeader() {
				return e.accept(d, h, v)
			}
		}
	}
	return Handle{}, e.answerReset(d, h)
}
