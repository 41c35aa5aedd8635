package recovery

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// Bounds of the timers. (Reference: connection, sections 1 and 5.3.)
const (
	minCryptoDelay  = 10 * time.Millisecond
	slowCryptoDelay = 25 * time.Millisecond // with SlowCrypto
	minTLPDelay     = 10 * time.Millisecond
	loneTLPExtra    = 100 * time.Millisecond // one packet in flight: the peer may delay its ACK
	firstRTODelay   = 500 * time.Millisecond // before a sample
	minRTODelay     = 200 * time.Millisecond
	maxDelay        = 60 * time.Second
	maxBackoff      = 10 // doublings
	rtoPackets      = 2
	lastRTO         = 5 // with FiveRTO, the one that closes
)

// Timeout returns when [Detector.OnTimeout] is to be called, or Never. It is Never
// exactly when nothing is in flight.
func (d *Detector) Timeout() gquic.Instant { return d.timeout }

// TimeoutMode returns what will be due then.
func (d *Detector) TimeoutMode() Mode { return d.mode }

// setTimer works out the deadline anew. (Reference: connection, section 5.1.)
func (d *Detector) setTimer() {
	base := max(d.lastSent, d.fired)
	switch {
	case d.flying == 0:
		d.lossTime = gquic.Never
		d.mode, d.timeout = NoTimer, gquic.Never
	case !d.confirmed && d.crypto > 0:
		d.mode, d.timeout = HandshakeTimer, max(d.lastCrypto, d.fired).Add(d.cryptoDelay())
	case d.lossTime != gquic.Never:
		d.mode, d.timeout = LossTimer, d.lossTime
	case d.tlps < d.config.maxTLPs():
		d.mode, d.timeout = TLP, base.Add(d.tlpDelay())
	default:
		d.mode, d.timeout = RTO, base.Add(max(d.tlpDelay(), d.rtoDelay()))
	}
}

func (d *Detector) cryptoDelay() time.Duration {
	s := d.RTT.Smoothed()
	first := max(minCryptoDelay, s+s/2)
	if d.config.SlowCrypto {
		first = max(slowCryptoDelay, 2*s)
	}
	return backedOff(first, d.cryptos)
}

func (d *Detector) tlpDelay() time.Duration {
	s := d.RTT.Smoothed()
	if d.flying == 1 {
		return max(2*s, s+s/2+loneTLPExtra)
	}
	return max(minTLPDelay, 2*s)
}

func (d *Detector) rtoDelay() time.Duration {
	first := firstRTODelay
	if d.RTT.sampled {
		first = max(minRTODelay, d.RTT.Smoothed()+4*d.RTT.deviation)
	}
	return backedOff(first, d.rtos)
}

func backedOff(first time.Duration, n int) time.Duration {
	return min(min(first, maxDelay)<<min(n, maxBackoff), maxDelay)
}

// OnTimeout does what is due by now, nothing if that is too early, and says in r what is
// to be sent. Afterwards the deadline lies beyond now. With FiveRTO, the fifth RTO in a row is an
// *Error with code TOO_MANY_RTOS instead. (Reference: connection, section 5.4.)
func (d *Detector) OnTimeout(now gquic.Instant, r *Report) error {
	d.begin(r)
	if now < d.timeout || d.mode == NoTimer {
		return nil
	}
	switch d.mode {
	case HandshakeTimer:
		d.repeatHandshake(r)
		if d.lossTime <= now { // the handshake went first
			d.detect(now, d.largestAcked, true, r)
		}
	case LossTimer:
		d.detect(now, d.largestAcked, true, r)
	case TLP:
		d.tlps++
		d.repeat(1, r)
	case RTO:
		if d.config.FiveRTO && d.rtos+1 >= lastRTO {
			return &Error{wire.TooManyRTOs, "the peer does not answer"}
		}
		if d.rtos == 0 {
			d.rtoMark = d.ring.next
		}
		d.rtos++
		if d.config.OneRTO {
			d.repeat(1, r)
		} else {
			d.repeat(rtoPackets, r)
		}
	}
	r.Mode = d.mode
	d.fired = now
	d.finish(r)
	return nil
}

// repeatHandshake lists every outstanding packet with handshake data. Copies take their
// place in flight.
func (d *Detector) repeatHandshake(r *Report) {
	d.cryptos++
	for n := max(d.cursor, d.ring.base); n < d.ring.next && d.crypto > 0; n++ {
		if s := d.ring.at(n); s.state == outstanding && s.Has(Retransmittable|Crypto) {
			d.abandon(s)
			r.Retransmit = append(r.Retransmit, s.Packet)
		}
	}
	r.Probes = len(r.Retransmit)
}

// repeat lists the count oldest outstanding packets: first those whose content no
// timeout has asked for yet, then others, and probes for a size only for want of others.
func (d *Detector) repeat(count int, r *Report) {
	r.Probes = count
	for pass := range 3 {
		for n := max(d.cursor, d.ring.base); n < d.ring.next; n++ {
			if len(r.Retransmit) == count {
				return
			}
			s := d.ring.at(n)
			if s.state != outstanding || !s.Has(Retransmittable) || s.Has(Probe) != (pass == 2) {
				continue
			}
			if pass == 0 && s.probed || listed(r.Retransmit, n) {
				continue
			}
			s.probed = true
			r.Retransmit = append(r.Retransmit, s.Packet)
		}
	}
}

// NotRepeated takes back that a timeout's report asked for the content of packet n: new
// data went in its place, and the next timeout is to ask for it again.
func (d *Detector) NotRepeated(n wire.PacketNumber) {
	if n >= d.ring.base && n < d.ring.next {
		d.ring.at(n).probed = false
	}
}

func listed(packets []Packet, n wire.PacketNumber) bool {
	for i := range packets {
		if packets[i].Number == n {
			return true
		}
	}
	return false
}
