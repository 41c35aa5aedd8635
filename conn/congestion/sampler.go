package congestion

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// A sampler measures the path's bandwidth with every acknowledged packet: the slower of the
// rates at which data was sent and acknowledged since the packet that
// was the latest acknowledged one when this packet left.
//
//	           ref sent      packet sent
//	sender  ──────┴───────────────┴──────────────────────▶
//	                 ref acked         packet acked
//	        ─────────────┴───────────────────┴───────────▶
//	                     ╰── delivered between ──╯ over the longer of the two
//
// (Reference: connection, section 8.2.)
type sampler struct {
	sent  uint64 // bytes, in all
	acked uint64 // likewise

	// Of the packet acknowledged last.
	refSent    uint64
	refSentAt  gquic.Instant
	refAckedAt gquic.Instant

	appLimited  bool
	limitedUpTo wire.PacketNumber // until a later packet is acknowledged
	largestSent wire.PacketNumber
}

// A sample is what one packet tells.
type sample struct {
	bandwidth  uint64        // bytes per second; 0: nothing can be said
	rtt        time.Duration // with the peer's delay
	appLimited bool          // the path might carry more
}

// onSent fills p.Delivery.
func (s *sampler) onSent(now gquic.Instant, p *recovery.Packet, inFlight uint64) {
	s.sent += uint64(p.Size)
	s.largestSent = p.Number
	if inFlight == 0 {
		// Nothing is on its way: the packet is its own reference.
		s.refSent, s.refSentAt, s.refAckedAt = s.sent, now, now
	}
	p.Delivery = recovery.Delivery{
		Sent:       s.sent,
		RefSent:    s.refSent,
		RefAcked:   s.acked,
		RefSentAt:  s.refSentAt,
		RefAckedAt: s.refAckedAt,
		AppLimited: s.appLimited,
		Valid:      true,
	}
}

// onAcked takes a sample from p.
func (s *sampler) onAcked(now gquic.Instant, p *recovery.Packet) sample {
	s.acked += uint64(p.Size)
	if s.appLimited && p.Number > s.limitedUpTo {
		s.appLimited = false
	}
	d := &p.Delivery
	if !d.Valid {
		return sample{rtt: now.Sub(p.SentAt)}
	}
	s.refSent, s.refSentAt, s.refAckedAt = d.Sent, p.SentAt, now

	result := sample{rtt: now.Sub(p.SentAt), appLimited: d.AppLimited}
	interval := now.Sub(d.RefAckedAt)
	if interval <= 0 {
		return result
	}
	result.bandwidth = perSecond(s.acked-d.RefAcked, interval)
	if interval := p.SentAt.Sub(d.RefSentAt); interval > 0 {
		result.bandwidth = min(result.bandwidth, perSecond(d.Sent-d.RefSent, interval))
	}
	return result
}

// onAppLimited begins an app-limited phase, or prolongs it.
func (s *sampler) onAppLimited() {
	s.appLimited = true
	s.limitedUpTo = s.largestSent
}
