package recovery

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// What makes a packet lost. (Reference: connection, sections 1 and 5.2.)
const (
	nackThreshold = 3                    // a packet this far below the largest acknowledged
	minLossDelay  = 5 * time.Millisecond // the least time that reordering is given
	timeShift     = 2                    // 1/4 RTT of reordering
	adaptiveShift = 4                    // 1/16 RTT to begin with
)

// detect declares packets below the largest acknowledged lost, and sets lossTime for
// the first that may yet become so. previous was the largest before this ACK; timer
// says that lossTime has come instead.
//
// Sooner sent is sooner lost by each of the rules, so the search ends at the first
// packet that is not: what it passes is decided for good.
func (d *Detector) detect(now gquic.Instant, previous wire.PacketNumber, timer bool, r *Report) {
	r.IgnoreLoss = d.rtos > 0 && !d.config.LossInRTO
	d.lossTime = gquic.Never
	if d.flying == 0 {
		return
	}
	byTime := timer || d.config.Loss >= ByTime || d.lastNumber <= d.largestAcked
	delay := d.lossDelay()
	d.cursor = max(d.cursor, d.ring.base)
	for ; d.cursor < d.largestAcked; d.cursor++ {
		s := d.ring.at(d.cursor)
		if s.state != outstanding || !s.Has(Retransmittable) {
			continue
		}
		if !d.tooFarBelow(s.Number, previous) {
			if byTime {
				if when := s.SentAt.Add(delay); when > now {
					d.lossTime = when
					return
				}
			} else if s.SentAt.Add(d.RTT.Smoothed()) >= d.largestAckedAt {
				return
			}
		}
		d.land(s)
		s.state, s.mark, s.lostAt = lost, d.LargestSent(), now
		r.Lost = append(r.Lost, s.Packet)
	}
}

// tooFarBelow is the distance rule.
func (d *Detector) tooFarBelow(n, previous wire.PacketNumber) bool {
	switch d.config.Loss {
	case ByDistance:
		return d.largestAcked-n >= nackThreshold
	case LazyDistance:
		return d.largestAcked > previous && previous >= n+nackThreshold-1
	}
	return false
}

// lossDelay is the age at which a packet below the largest acknowledged is lost.
func (d *Detector) lossDelay() time.Duration {
	rtt := d.lossRTT()
	return max(minLossDelay, rtt+rtt>>d.shift)
}

func (d *Detector) lossRTT() time.Duration {
	if !d.RTT.sampled {
		return d.RTT.Smoothed()
	}
	return max(d.RTT.previous, d.RTT.latest)
}

// allowReordering gives reordering more time after a loss that was none: the packet was
// acknowledged extra later. It holds for ByAdaptiveTime alone.
func (d *Detector) allowReordering(extra time.Duration) {
	if d.config.Loss != ByAdaptiveTime {
		return
	}
	for rtt := d.lossRTT(); d.shift > 0 && rtt>>d.shift <= extra; {
		d.shift--
	}
}

// Abandon takes the outstanding packets of an encryption level out of flight, neither
// acknowledged nor lost, and lists in r.Lost those that asked for an ACK, with the flag Abandoned:
// what they carried is moot (unencrypted packets once the handshake is
// confirmed) or has to go again (0-RTT packets that were refused).
// (Reference: connection, sections 5.1 and 6.1.)
func (d *Detector) Abandon(level uint8, r *Report) {
	d.begin(r)
	for n := max(d.cursor, d.ring.base); n < d.ring.next; n++ {
		s := d.ring.at(n)
		if s.state != outstanding || s.Level != level || !s.Has(Retransmittable) {
			continue
		}
		d.abandon(s)
		r.Lost = append(r.Lost, s.Packet)
		r.Lost[len(r.Lost)-1].Flags |= Abandoned
	}
	d.finish(r)
}

func (d *Detector) abandon(s *slot) {
	d.land(s)
	s.state, s.mark = abandoned, d.LargestSent()
}
