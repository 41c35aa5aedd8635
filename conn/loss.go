package conn

import (
	"fmt"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A sentKind says what a frame in flight carried.
type sentKind uint8

const (
	sentStream sentKind = iota
	sentCrypto
	sentUpdate
	sentBlocked
	sentReset
	sentGoAway
	sentPing
)

// A sentFrame is what is remembered of a frame in flight: a reference to what it
// carried. Nothing is stored to be sent again: data is cut anew from the stream's
// buffer, and the rest is built from current state.
type sentFrame struct {
	kind   sentKind
	fin    bool
	length uint32
	stream wire.StreamID
	offset uint64
}

// A frameRing holds the frames of the packets in flight, in the order of sending. A
// packet names its frames by their positions, which count from the start of the
// connection.
type frameRing struct {
	frames queue[sentFrame]
	first  uint64 // position of the oldest
}

func (r *frameRing) end() uint64              { return r.first + uint64(r.frames.len()) }
func (r *frameRing) push() *sentFrame         { return r.frames.grow() }
func (r *frameRing) at(pos uint64) *sentFrame { return r.frames.at(int(pos - r.first)) }

// dropNewest takes back the n newest frames, of a packet that was abandoned.
func (r *frameRing) dropNewest(n uint32) { r.frames.n -= int(n) }

// dropBelow forgets the frames before pos.
func (r *frameRing) dropBelow(pos uint64) {
	n := int(min(pos-min(pos, r.first), uint64(r.frames.len())))
	r.frames.drop(n)
	r.first += uint64(n)
}

// onAck handles an ACK frame: what arrived, what is lost, and what that says of the path.
func (c *Conn) onAck(in *incoming, f *wire.AckFrame) error {
	r := &c.e.report
	if err := c.detector.Ack(c.e.now, in.number, f, r); err != nil {
		return err
	}
	if in.level == handshake.LevelNull {
		// Anybody can write this one, and could make us forget data that never arrived. Who
		// read protected packets protects what it says of them.
		for i := range r.Acked {
			if r.Acked[i].Level != uint8(handshake.LevelNull) {
				return &LocalError{Code: wire.InvalidAckData, Reason: fmt.Sprintf("protected packet %d acknowledged without protection", r.Acked[i].Number)}
			}
		}
	}
	c.apply(r)
	return nil
}

// apply carries out what an ACK or a timeout had to say.
func (c *Conn) apply(r *recovery.Report) {
	for i := range r.Lost {
		p := &r.Lost[i]
		if p.Has(recovery.Probe) {
			c.mtu.Lost()
		}
		c.forEachFrame(p, c.onLost)
	}
	for i := range r.Acked {
		p := &r.Acked[i]
		c.mtu.Acked(int(p.Size))
		c.forEachFrame(p, c.onAcked)
		c.noteAckedLevel(handshake.Level(p.Level))
		c.credit.excused += int(p.Size)
		if c.moved > 0 && p.Number >= c.moved {
			c.credit.validated = true // the new address answers
		}
	}
	c.stats.PacketsLost += uint64(len(r.Lost))
	c.stats.SpuriousLosses += uint64(r.Spurious)
	for i := range r.Retransmit {
		if r.Mode == recovery.TLP && c.streams.active.len() > 0 {
			c.detector.NotRepeated(r.Retransmit[i].Number)
			continue // new data makes the better probe
		}
		c.forEachFrame(&r.Retransmit[i], c.onLost)
	}
	if r.Mode == recovery.RTO {
		c.mtu.Timeout()
	}
	if r.Probes > 0 {
		c.probes = r.Probes
	}
	if len(r.Lost) > 0 {
		c.pacer.OnLoss()
	}
	c.controller.OnReport(c.e.now, r, &c.detector.RTT)
	c.pacer.SetRate(c.e.now, c.controller.PacingRate(&c.detector.RTT))
	c.pacedUntil = gquic.Never
	if c.noStopWaiting || !c.version.HasStopWaiting() {
		// The peer has an ACK of ours that told it everything up to there.
		c.acks.Forget(r.AckedAck + 1)
	}
	c.releaseFrames()
	if c.secured && c.hs != nil && c.side == wire.Client {
		c.finishHandshake()
	}
}

// noteAckedLevel draws conclusions for the handshake from the level of a packet that
// the peer acknowledged.
func (c *Conn) noteAckedLevel(level handshake.Level) {
	switch {
	case c.hs == nil:
	case level == handshake.LevelInitial:
		c.hs.initialAck = true
	case level == handshake.LevelForwardSecure:
		c.secured = true
	}
}

// releaseFrames forgets the frames of packets that are no longer tracked.
func (c *Conn) releaseFrames() {
	if first, any := c.detector.FirstFrame(); any {
		c.frames.dropBelow(first)
	} else {
		c.frames.dropBelow(c.frames.end())
	}
}

func (c *Conn) forEachFrame(p *recovery.Packet, do func(wire.PacketNumber, *sentFrame)) {
	for pos := p.FirstFrame; pos < p.FirstFrame+uint64(p.Frames); pos++ {
		do(p.Number, c.frames.at(pos))
	}
}

// onAcked notes that a frame of packet n arrived.
func (c *Conn) onAcked(n wire.PacketNumber, f *sentFrame) {
	switch f.kind {
	case sentCrypto:
		c.crypto.send.Acked(c.pool(), f.offset, int(f.length), false)
		return
	case sentGoAway:
		c.goAway.Acked(n)
		return
	case sentPing:
		c.ping.Acked(n)
		return
	}
	switch f.stream {
	case wire.ConnectionStream:
		c.update.Acked(n)
		c.blocked.Acked(n)
		return
	case wire.CryptoStream:
		c.crypto.update.Acked(n)
		return
	}
	s := c.streams.find(f.stream)
	if s == nil {
		return
	}
	switch f.kind {
	case sentStream:
		s.send.Acked(c.pool(), f.offset, int(f.length), f.fin)
		if s.short && c.writable(s) >= (c.e.cfg.SendBuffer+1)/2 {
			s.short = false
			c.emit(Event{Kind: StreamWritable, Stream: s.id})
		}
		if !s.send.AllAcked() {
			return // the stream goes on
		}
	case sentUpdate:
		s.update.Acked(n)
	case sentBlocked:
		s.blocked.Acked(n)
	case sentReset:
		s.reset.Acked(n)
	}
	c.progress(s)
}

// onLost makes what a frame of packet n carried due again. What has changed meanwhile is
// sent as it is now; what is no longer of use is not sent.
func (c *Conn) onLost(n wire.PacketNumber, f *sentFrame) {
	switch f.kind {
	case sentCrypto:
		c.crypto.send.Lost(f.offset, int(f.length), false)
		return
	case sentGoAway:
		c.goAway.Lost(n)
		return
	case sentPing:
		c.ping.Lost(n)
		return
	}
	switch f.stream {
	case wire.ConnectionStream:
		c.update.Lost(n)
		if c.send.Available() == 0 {
			c.blocked.Lost(n)
		}
		return
	case wire.CryptoStream:
		c.crypto.update.Lost(n)
		return
	}
	s := c.streams.find(f.stream)
	if s == nil {
		return
	}
	switch f.kind {
	case sentStream:
		s.send.Lost(f.offset, int(f.length), f.fin)
		c.activate(s)
		return
	case sentUpdate:
		s.update.Lost(n)
	case sentBlocked:
		if s.sendWindow.Available() == 0 {
			s.blocked.Lost(n)
		}
	case sentReset:
		s.reset.Lost(n)
	}
	c.oweControl(s)
}

// abandon takes the packets of a level out of flight; again: what they carried is to be
// sent once more under other keys.
func (c *Conn) abandon(level handshake.Level, again bool) {
	r := &c.e.report
	c.detector.Abandon(uint8(level), r)
	if again {
		for i := range r.Lost {
			c.forEachFrame(&r.Lost[i], c.onLost)
		}
	}
	c.releaseFrames()
}
