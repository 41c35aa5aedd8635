package conn

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// quietLimit is how many packets without a retransmittable frame go out in a row; the
// next carries a PING, whose acknowledgement lets us forget old ACK state (reference:
// connection, section 2.4).
const quietLimit = 19

// A packetBuilder is a packet in the making: frames are appended to the caller's
// buffer, and if none was, the packet is abandoned. So one code path decides what to
// send. It is the endpoint's, and used for one packet at a time.
type packetBuilder struct {
	b       []byte // the caller's buffer, datagrams before this one included
	start   int    // of this datagram in b
	payload int    // where the frames begin in b
	end     int    // frames must not pass it

	header  wire.Header
	context wire.Context
	sealer  handshake.AEAD
	growth  int // bytes that sealing adds behind the frames
	packet  recovery.Packet
	hasAck  bool
	padding bool // to full size
}

func (p *packetBuilder) room() int { return p.end - len(p.b) }

// carry notes that the packet holds a frame to be tracked, and returns the record of it,
// for the caller to complete.
func (p *packetBuilder) carry(c *Conn, kind sentKind, stream wire.StreamID) *sentFrame {
	p.packet.Flags |= recovery.Retransmittable
	p.packet.Frames++
	f := c.frames.push()
	*f = sentFrame{kind: kind, stream: stream}
	return f
}

// appendPacket appends the connection's next packet of at most size bytes, or nothing.
func (c *Conn) appendPacket(b []byte, size int) []byte {
	if c.state == CloseState {
		return c.appendClose(b)
	}
	strongest := c.sendLevel()
	level, crypto := c.crypto.pending()
	if !crypto {
		level = strongest
	}
	if c.detector.Full() {
		c.closeWith(&LocalError{Code: wire.TooManyOutstandingSentPackets, Reason: "nothing is acknowledged"})
		return c.appendClose(b)
	}
	if size = c.credit.room(size); c.seal[level] == nil || size == 0 {
		return b
	}
	p := &c.e.build
	p.begin(c, b, level, size)
	c.appendAckFrames(p)
	ackOnly := len(p.b)
	if crypto {
		c.appendCryptoFrame(p)
	}
	if level == handshake.LevelNull && c.hs != nil && c.hs.nudge {
		c.hs.nudge = false
		p.ping(c)
		p.padding = true
	}
	if level != handshake.LevelNull && level == strongest { // no data beside a server's SHLO
		c.appendControlFrames(p)
		c.appendStreamFrames(p)
		if c.blocked.Pending() || c.streams.control.len() > 0 { // a stream ran into a window, or is over
			c.appendControlFrames(p)
		}
		if c.fired && c.probes > 0 && !p.packet.Has(recovery.Retransmittable) {
			p.ping(c) // what was lost is of no use any more, but its timer wants an answer
		}
	}
	if len(p.b) == ackOnly && !c.acks.Due(c.e.now) {
		c.frames.dropNewest(p.packet.Frames)
		return p.b[:p.start]
	}
	c.countQuiet(p)
	return c.finish(p)
}

// sendLevel is the level of everything but handshake bytes (reference: handshake,
// section 12.1).
func (c *Conn) sendLevel() handshake.Level {
	level := handshake.LevelForwardSecure
	for c.seal[level] == nil && level > handshake.LevelNull {
		level--
	}
	if level == handshake.LevelInitial && c.side == wire.Server {
		return handshake.LevelNull // a server says nothing but SHLO there
	}
	return level
}

// begin appends the header and leaves room for a tag in front.
func (p *packetBuilder) begin(c *Conn, b []byte, level handshake.Level, size int) {
	number := c.detector.NextNumber()
	p.b, p.start = b, len(b)
	p.packet = recovery.Packet{Number: number, SentAt: c.e.now, Level: uint8(level), FirstFrame: c.frames.end()}
	p.hasAck, p.padding = false, false
	c.setHeader(&p.header, level, number)
	p.sealer = c.seal[level]
	p.b = p.header.Append(p.b, c.side)
	p.header.Len = len(p.b) - p.start
	prefix := p.sealer.Prefix()
	for range prefix {
		p.b = append(p.b, 0)
	}
	p.payload = len(p.b)
	p.growth = p.sealer.Overhead() - prefix
	p.end = p.start + size - p.growth
	p.context = wire.Context{Version: c.version, PacketNumber: number, PacketNumberLen: p.header.PacketNumberLen}
}

// setHeader makes the header of a packet, in place: it is not small (reference: wire,
// sections 4 and 8.2).
func (c *Conn) setHeader(h *wire.Header, level handshake.Level, number wire.PacketNumber) {
	*h = wire.Header{}
	h.ConnectionID, h.HasConnectionID, h.PacketNumber = c.id, true, number
	h.PacketNumberLen = wire.PacketNumberLen(number, c.detector.LeastUnacked())
	client := c.side == wire.Client
	if !client && level == handshake.LevelInitial {
		h.Nonce = c.hs.nonce[:]
	}
	if !c.version.UsesIETFHeader() {
		h.Form = wire.PublicForm
		h.HasConnectionID = client || !c.omitID
		if client && level != handshake.LevelForwardSecure {
			h.Version = c.version
		}
		return
	}
	if level == handshake.LevelForwardSecure {
		h.Form = wire.ShortForm
		h.HasConnectionID = client
		return
	}
	h.Form, h.Version, h.PacketNumberLen = wire.LongForm, c.version, 4
	switch {
	case level == handshake.LevelInitial:
		h.Type = wire.ZeroRTT
	case client && !c.hs.heard: // quic-go's server drops it later, its client always
		h.Type = wire.Initial
	default:
		h.Type = wire.Handshake
	}
}

// appendAckFrames appends an ACK, and in Q043 a STOP_WAITING, if one is pending.
func (c *Conn) appendAckFrames(p *packetBuilder) {
	now := c.e.now
	if !c.acks.Pending() && !c.acks.Due(now) {
		return
	}
	b, n := wire.AppendAck(p.b, c.acks.Delay(now), c.acks.Ranges(), p.room())
	if n == 0 {
		return
	}
	p.b = b
	p.hasAck = true
	p.packet.AckLargest = c.acks.Largest()
	if c.version.HasStopWaiting() && !c.noStopWaiting && p.room() > p.context.PacketNumberLen {
		p.b = wire.AppendStopWaiting(p.b, &p.context, min(c.detector.LeastUnacked(), p.packet.Number))
	}
}

// appendCryptoFrame appends handshake bytes of the packet's level.
func (c *Conn) appendCryptoFrame(p *packetBuilder) {
	s := &c.crypto.send
	offset, _, _, _, ok := s.Next(1, 1)
	if !ok {
		return
	}
	header := wire.StreamHeaderLen(wire.CryptoStream, offset, true)
	limit := int(s.WrittenEnd() - offset)
	if l := c.crypto.levelAt(offset); l.end > offset {
		limit = min(limit, int(l.end-offset))
	}
	offset, n, _, again, ok := s.Next(min(p.room()-header, limit), uint64(limit))
	if !ok || n == 0 {
		return
	}
	p.b = wire.AppendStreamHeader(p.b, wire.CryptoStream, offset, n, false, true)
	p.b = s.AppendData(p.b, offset, n)
	s.Sent(offset, n, false)
	c.countRetransmission(again, n)
	p.packet.Flags |= recovery.Crypto
	f := p.carry(c, sentCrypto, wire.CryptoStream)
	f.offset, f.length = offset, uint32(n)
	// A client's hello goes in a full datagram, so that the answer may be large
	// (reference: wire, section 14).
	p.padding = c.side == wire.Client && p.packet.Level == uint8(handshake.LevelNull)
}

// appendControlFrames appends what is owed to the peer, the streams' frames included.
// They are exempt from the congestion window, being small and few.
func (c *Conn) appendControlFrames(p *packetBuilder) {
	const largest = 17 // RST_STREAM
	number := p.packet.Number
	if c.crypto.update.Pending() && p.room() >= largest {
		f := wire.WindowUpdateFrame{StreamID: wire.CryptoStream, Offset: c.crypto.window.Limit()}
		p.b = f.Append(p.b, &p.context)
		c.crypto.update.Sent(number)
		p.carry(c, sentUpdate, wire.CryptoStream)
	}
	if c.update.Pending() && p.room() >= largest {
		f := wire.WindowUpdateFrame{Offset: c.recv.Limit()}
		p.b = f.Append(p.b, &p.context)
		c.update.Sent(number)
		p.carry(c, sentUpdate, wire.ConnectionStream)
	}
	if c.blocked.Pending() && p.room() >= largest {
		f := wire.BlockedFrame{}
		p.b = f.Append(p.b, &p.context)
		c.blocked.Sent(number)
		p.carry(c, sentBlocked, wire.ConnectionStream)
	}
	if c.goAway.Pending() && p.room() >= 11+len(c.goAwayErr.reason) {
		f := wire.GoAwayFrame{Code: c.goAwayErr.code, LastGoodStream: c.streams.highest, Reason: []byte(c.goAwayErr.reason)}
		p.b = f.Append(p.b, &p.context)
		c.goAway.Sent(number)
		p.carry(c, sentGoAway, wire.ConnectionStream)
	}
	for c.streams.control.len() > 0 && p.room() >= 3*largest {
		id, _ := c.streams.control.pop()
		if s := c.streams.find(id); s != nil {
			s.control = false
			c.appendStreamControl(p, s)
		}
	}
	if c.ping.Pending() && p.room() > 0 {
		f := wire.PingFrame{}
		p.b = f.Append(p.b, &p.context)
		c.ping.Sent(number)
		p.carry(c, sentPing, wire.ConnectionStream)
	}
}

// appendStreamControl appends a stream's WINDOW_UPDATE, BLOCKED and RST_STREAM.
func (c *Conn) appendStreamControl(p *packetBuilder, s *streamState) {
	number := p.packet.Number
	if s.update.Pending() && !s.wantsCredit() {
		s.update = owedNothing
	}
	if s.update.Pending() {
		f := wire.WindowUpdateFrame{StreamID: s.id, Offset: s.recvWindow.Limit()}
		p.b = f.Append(p.b, &p.context)
		s.update.Sent(number)
		p.carry(c, sentUpdate, s.id)
	}
	if s.blocked.Pending() {
		f := wire.BlockedFrame{StreamID: s.id}
		p.b = f.Append(p.b, &p.context)
		s.blocked.Sent(number)
		p.carry(c, sentBlocked, s.id)
	}
	if s.reset.Pending() {
		f := wire.RstStreamFrame{StreamID: s.id, Offset: s.send.SentEnd(), Code: s.resetCode}
		p.b = f.Append(p.b, &p.context)
		s.reset.Sent(number)
		p.carry(c, sentReset, s.id)
		c.progress(s)
	}
}

// maySendData reports whether window and pacer let a data packet go, and otherwise
// arms the pacing timer.
func (c *Conn) maySendData() bool {
	if c.probes > 0 {
		return true
	}
	inFlight := c.detector.InFlight()
	if !c.controller.CanSend(inFlight) {
		return false
	}
	if !c.pacer.Ready(c.e.now, inFlight) {
		c.pacedUntil = c.pacer.Next()
		return false
	}
	return true
}

// appendStreamFrames fills the packet with stream data, the streams taking turns:
// one gets a packet's worth, then goes to the end of the queue.
func (c *Conn) appendStreamFrames(p *packetBuilder) {
	t := &c.streams
	if t.active.len() == 0 || c.holdEarly && p.packet.Level != uint8(handshake.LevelForwardSecure) {
		return
	}
	if !c.maySendData() {
		return
	}
	for range t.active.len() {
		s := t.find(*t.active.at(0))
		if s == nil {
			t.active.drop(1)
			continue
		}
		full := c.appendStreamFrame(p, s)
		s.active = s.send.HasLost() || s.send.HasNew() && !c.blockedOn(s)
		t.active.next(s.active)
		if full {
			return
		}
	}
}

// appendStreamFrame appends one STREAM frame of s, and reports whether the packet is
// full. The last frame of a full packet has no length field.
func (c *Conn) appendStreamFrame(p *packetBuilder, s *streamState) (full bool) {
	window := s.sendWindow.Available()
	if shared(s.id) {
		window = min(window, c.send.Available())
	}
	const smallest = 16 // a frame header at its largest, and a byte
	if p.room() < smallest {
		return true
	}
	short := wire.StreamHeaderLen(s.id, s.send.NextOffset(), false)
	offset, n, fin, again, ok := s.send.Next(p.room()-short, window)
	if !ok {
		return false
	}
	full = n == p.room()-short
	if !full { // others may follow, and padding too: the length is needed
		long := wire.StreamHeaderLen(s.id, offset, true)
		if n > p.room()-long {
			offset, n, fin, again, _ = s.send.Next(p.room()-long, window)
		}
	}
	p.b = wire.AppendStreamHeader(p.b, s.id, offset, n, fin, !full)
	p.b = s.send.AppendData(p.b, offset, n)
	s.send.Sent(offset, n, fin)
	if !again {
		c.spend(s, uint64(n))
	}
	c.countRetransmission(again, n)
	f := p.carry(c, sentStream, s.id)
	f.offset, f.length, f.fin = offset, uint32(n), fin
	if fin {
		c.progress(s) // it may no longer count against the limit
	}
	return full || p.room() < smallest
}

// spend counts n new bytes against the windows.
func (c *Conn) spend(s *streamState, n uint64) {
	s.sendWindow.Sent(n)
	if shared(s.id) {
		c.send.Sent(n)
	}
}

// blockedOn reports whether s has only new data, and a window holds it back; then the
// peer is told so once.
func (c *Conn) blockedOn(s *streamState) bool {
	switch {
	case !s.send.HasNewData():
		return false
	case s.sendWindow.Available() == 0:
		if s.sendWindow.Blocked() {
			s.blocked.Set()
			c.oweControl(s)
		}
		return true
	case shared(s.id) && c.send.Available() == 0:
		if c.send.Blocked() {
			c.blocked.Set()
		}
		return true
	}
	return false
}

func (c *Conn) countRetransmission(again bool, n int) {
	if again {
		c.stats.BytesRetransmitted += uint64(n)
	}
}

// countQuiet adds a PING to the packet if too many went out without a frame that is
// acknowledged.
func (c *Conn) countQuiet(p *packetBuilder) {
	if p.packet.Has(recovery.Retransmittable) {
		c.quietPackets = 0
		return
	}
	if c.quietPackets++; c.quietPackets > quietLimit && p.packet.Level != uint8(handshake.LevelNull) {
		c.quietPackets = 0
		p.ping(c)
	}
}

// ping adds a PING that is not worth repeating.
func (p *packetBuilder) ping(c *Conn) {
	if p.room() > 0 {
		f := wire.PingFrame{}
		p.b = f.Append(p.b, &p.context)
		p.carry(c, sentPing, wire.ConnectionStream)
	}
}

// finish pads, seals and remembers the packet.
func (c *Conn) finish(p *packetBuilder) []byte {
	if p.padding {
		f := wire.PaddingFrame{Length: p.room()}
		p.b = f.Append(p.b, &p.context)
	}
	e := c.e
	size := len(p.b) - p.start + p.growth
	p.packet.Size = uint32(size)
	if p.hasAck {
		c.acks.Sent(e.now)
		c.stats.AcksSent++
	}
	if e.cfg.Trace != nil {
		e.cfg.Trace(&PacketTrace{Now: e.now, Conn: c.handle, Side: c.side, Sent: true, Level: handshake.Level(p.packet.Level), Version: c.version,
			Header: &p.header, Payload: p.b[p.payload:], Size: size})
	}
	if c.resting {
		c.rouse()
		p.sealer = c.seal[p.packet.Level]
	}
	sealed := p.sealer.Seal(&e.scratch, p.b[p.start:], p.header.Len, p.packet.Number)
	b := p.b[:p.start]
	if cap(b)-len(b) >= len(sealed) && &sealed[0] == &b[:p.start+1][p.start] {
		b = b[:p.start+len(sealed)]
	} else { // the buffer had to grow
		b = append(b, sealed...)
	}
	c.sent(p, size)
	p.b, p.sealer = nil, nil
	return b
}

// sent notes a packet that was built, with everything that counts packets.
func (c *Conn) sent(p *packetBuilder, size int) {
	inFlight := c.detector.InFlight()
	retransmittable := p.packet.Has(recovery.Retransmittable)
	c.controller.OnSent(c.e.now, &p.packet, inFlight)
	c.detector.Sent(&p.packet)
	if retransmittable {
		if c.probes > 0 {
			c.probes--
		} else {
			c.pacer.Sent(c.e.now, uint64(size), c.controller.PacingRate(&c.detector.RTT), inFlight, c.controller.InRecovery())
		}
		if c.firstSent == gquic.Never {
			c.firstSent = c.e.now
		}
	}
	c.fired = false
	c.pacedUntil = gquic.Never
	c.credit.sent += size
	c.stats.PacketsSent++
	c.stats.BytesSent += uint64(size)
}

// smoothedRTT is the smoothed RTT, 0 before there is a sample.
func (c *Conn) smoothedRTT() time.Duration {
	if !c.detector.RTT.HasSample() {
		return 0
	}
	return c.detector.RTT.Smoothed()
}

// probeDue returns the size of the MTU probe to send now, 0 if none is due.
func (c *Conn) probeDue() int {
	if !c.confirmed || c.state != Established || c.probes > 0 {
		return 0
	}
	size := c.mtu.Target(c.detector.NextNumber())
	if size > 0 && !c.maySendData() {
		return 0
	}
	return size
}

// appendProbe appends a packet of PING and PADDING of the size in question.
func (c *Conn) appendProbe(b []byte, size int) []byte {
	p := &c.e.build
	p.beginProbe(c, b, size)
	p.packet.Flags |= recovery.Retransmittable | recovery.Probe
	c.mtu.Sent(p.packet.Number, size)
	return c.finish(p)
}

// appendProbeAnswer answers a connectivity probe at the address that it came from. It is
// neither repeated nor counted in flight (reference: connection, section 11.3).
func (c *Conn) appendProbeAnswer(b []byte) []byte {
	p := &c.e.build
	p.beginProbe(c, b, c.mtu.Size())
	return c.finish(p)
}

func (p *packetBuilder) beginProbe(c *Conn, b []byte, size int) {
	p.begin(c, b, handshake.LevelForwardSecure, size)
	ping := wire.PingFrame{}
	p.b = ping.Append(p.b, &p.context)
	p.padding = true
}
