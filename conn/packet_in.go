package conn

import (
	"example.com/gquic"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// receive handles a datagram that was routed to the connection: parse, drop
// duplicates, open, process the frames. Whatever fails before the payload is
// authentic is dropped and changes nothing.
func (c *Conn) receive(d *Datagram) Verdict {
	if c.state == CloseState {
		return DroppedTimeWait
	}
	h := &c.e.header
	if v, ok := c.parse(h, d); !ok {
		return v
	}
	number := wire.DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, c.acks.Largest())
	if number == 0 || c.acks.Duplicate(number) {
		// The number may be the noise in front of a reset's token.
		switch {
		case c.side == wire.Client && c.statelessReset(d):
			return ResetReceived
		case number == 0:
			return DroppedMalformed
		}
		return DroppedDuplicate
	}
	plain, level, opened := c.openPacket(h, d.Payload, number)
	if !opened {
		return c.undecryptable(d, h)
	}
	if level == handshake.LevelNull && number > c.acks.Largest()+maxFirstPacket {
		return DroppedMalformed // a forged number would make the real ones unreadable
	}
	if c.resting {
		c.rouse()
	}
	c.opened(d, h, number, level, plain)
	return Delivered
}

// parse reads the header, and handles the packets that are no regular ones.
func (c *Conn) parse(h *wire.Header, d *Datagram) (Verdict, bool) {
	version := c.version
	if err := wire.ParseHeader(h, d.Payload, c.side.Opposite(), version); err != nil {
		if c.side == wire.Client && c.statelessReset(d) {
			return ResetReceived, false
		}
		return DroppedMalformed, false
	}
	switch {
	case h.Kind == wire.VersionNegotiationPacket && c.side == wire.Client:
		return c.versionNegotiation(h), false
	case h.Kind == wire.PublicResetPacket && c.side == wire.Client:
		return c.publicReset(d), false
	case h.Kind == wire.PublicResetPacket || h.Kind == wire.VersionNegotiationPacket:
		return DroppedReset, false
	case h.Kind == wire.UnknownVersionPacket || h.Version != 0 && h.Version != version:
		return DroppedVersion, false
	case h.HasConnectionID && h.ConnectionID != c.id:
		return DroppedUnknown, false
	case !h.HasConnectionID && c.side == wire.Server:
		return DroppedUnknown, false
	}
	return 0, true
}

// openPacket decrypts by trial into the endpoint's buffer: the header does not say
// which key fits, and a failed trial leaves the packet as it was (reference: wire,
// section 11.5; handshake, section 12.2).
func (c *Conn) openPacket(h *wire.Header, packet []byte, number wire.PacketNumber) (plain []byte, level handshake.Level, ok bool) {
	for level = handshake.LevelForwardSecure; ; level-- {
		key := c.open[level]
		if level == handshake.LevelInitial && c.side == wire.Client {
			if key = c.diversified(h); key == nil {
				continue
			}
		}
		if key != nil {
			if plain, err := key.Open(&c.e.scratch, c.e.plain[:0], packet, h.Len, number); err == nil {
				return plain, level, true
			}
		}
		if level == handshake.LevelNull {
			return nil, 0, false
		}
	}
}

// undecryptable keeps a packet whose keys may still come.
func (c *Conn) undecryptable(d *Datagram, h *wire.Header) Verdict {
	if c.side == wire.Client && c.statelessReset(d) {
		return ResetReceived
	}
	if c.hs == nil || c.open[handshake.LevelForwardSecure] != nil { // no other keys will come
		return DroppedUndecryptable
	}
	for i := range c.hs.kept {
		if string(c.hs.kept[i].Payload) == string(d.Payload) {
			return DroppedDuplicate
		}
	}
	if len(c.hs.kept) >= MaxKeptPackets {
		return DroppedLimit
	}
	c.hs.kept = append(c.hs.kept, d.copy())
	return Kept
}

// retryKept tries the kept packets again, after new keys came.
func (c *Conn) retryKept() {
	kept := c.hs.kept
	c.hs.kept = nil
	for i := range kept {
		if c.state == CloseState {
			return
		}
		c.receive(&kept[i]) // its verdict was Kept
	}
}

// opened processes an authentic packet.
func (c *Conn) opened(d *Datagram, h *wire.Header, number wire.PacketNumber, level handshake.Level, plain []byte) {
	e := c.e
	c.stats.PacketsReceived++
	c.stats.BytesReceived += uint64(len(d.Payload))
	c.credit.received += len(d.Payload)
	c.lastReceived = e.now
	c.firstSent = gquic.Never
	length := h.PacketNumberLen
	h.PacketNumber = number
	if e.cfg.Trace != nil {
		e.cfg.Trace(&PacketTrace{Now: e.now, Conn: c.handle, Side: c.side, Level: level, Version: c.version, Header: h, Payload: plain, Size: len(d.Payload)})
	}
	c.noteLevel(h, level)
	in := incoming{number: number, level: level, size: len(d.Payload)}
	e.reader.Reset(plain, wire.Context{Version: c.version, PacketNumber: number, PacketNumberLen: length})
	for c.state != CloseState {
		f, err := e.reader.Next()
		if err != nil {
			c.fail(err)
			return
		}
		if f == nil {
			break
		}
		in.note(f)
		if err := c.frame(&in, f); err != nil {
			c.fail(err)
			return
		}
	}
	if c.state == CloseState {
		return
	}
	c.followPath(d, &in)
	c.acks.Received(e.now, number, in.retransmittable, c.detector.RTT.Min())
	c.readHello(&in)
}

// An incoming packet, while its frames are processed.
type incoming struct {
	number          wire.PacketNumber
	level           handshake.Level
	size            int // of the datagram
	retransmittable bool
	crypto          bool // handshake bytes arrived
	others          bool // frames that are neither PING nor PADDING
}

// note counts a frame in.
func (in *incoming) note(f wire.Frame) {
	in.retransmittable = in.retransmittable || f.Retransmittable()
	if !in.others {
		t := f.Type()
		in.others = t != wire.PingType && t != wire.PaddingType
	}
}

// isProbe reports whether the packet only tries out a path: PING and PADDING in a full
// datagram (reference: connection, section 11.3).
func (in *incoming) isProbe() bool {
	return !in.others && in.size >= MinDatagramSize && in.level == handshake.LevelForwardSecure
}

// noteLevel latches weaker protections off when a packet opened under a stronger one.
func (c *Conn) noteLevel(h *wire.Header, level handshake.Level) {
	if level != handshake.LevelNull && c.side == wire.Client && c.open[handshake.LevelNull] != nil {
		c.crypto.dropUnread(c.pool())
	}
	switch {
	case level == handshake.LevelInitial && c.side == wire.Client:
		c.open[handshake.LevelInitial] = c.hs.candidate
		c.open[handshake.LevelNull] = nil
	case level == handshake.LevelForwardSecure && c.side == wire.Client:
		c.open[handshake.LevelNull] = nil
	case level == handshake.LevelForwardSecure && !c.confirmed:
		c.confirm()
	}
	if c.hs != nil {
		c.hs.heard = true
	}
}

// followPath takes over a client's new address, but only from an authentic packet that
// is the newest (reference: connection, section 11.1).
func (c *Conn) followPath(d *Datagram, in *incoming) {
	if c.side == wire.Client || d.From == c.remote || unmapped(d.From) == unmapped(c.remote) || in.level == handshake.LevelNull {
		return
	}
	if in.isProbe() {
		c.probedFrom, c.probedAt = d.From, d.To
		return
	}
	if in.number <= c.acks.Largest() {
		return
	}
	if c.detector.Revived(c.e.now, &c.e.report); c.e.report.Probes > 0 {
		c.apply(&c.e.report)
	}
	if c.remote.Addr().Unmap() != d.From.Addr().Unmap() {
		c.credit, c.moved = newAddress(len(d.Payload)), c.detector.NextNumber()
		c.ping.Set()
	}
	rebinding := sameNetwork(c.remote.Addr(), d.From.Addr())
	c.remote, c.local = d.From, d.To
	if c.hs != nil && c.hs.server != nil {
		c.hs.server.SetClientAddr(d.From.Addr())
	}
	if !rebinding {
		c.detector.PathChanged()
		c.controller.OnPathChanged()
		c.mtu.PathChanged(c.detector.NextNumber())
	}
	c.emit(Event{Kind: PathChanged, Addr: d.From})
}
