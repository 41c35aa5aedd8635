package congestion

// A prr spreads what may be sent in recovery over the ACKs of a round trip,
// so that the window is reached smoothly. All in bytes since the loss.
// (Reference: connection, section 7.7.)
type prr struct {
	before    uint64 // in flight at the loss
	sent      uint64
	delivered uint64
	acks      uint64 // packets acknowledged
}

func (p *prr) onLoss(inFlight uint64) { *p = prr{before: inFlight} }

func (p *prr) onSent(size uint64) { p.sent += size }

func (p *prr) onAcked(size uint64) {
	p.delivered += size
	p.acks++
}

func (p *prr) canSend(window, inFlight, threshold uint64) bool {
	switch {
	case p.sent == 0 || inFlight < MSS:
		return true // limited transmit
	case window > inFlight:
		return p.delivered+p.acks*MSS > p.sent
	}
	return p.delivered*threshold > p.sent*p.before
}
