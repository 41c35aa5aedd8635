package recovery

import (
	"fmt"

	"example.com/gquic"
)

// Check holds the record against itself, for tests: it counts anew what the Detector
// keeps count of. It costs time linear in what is in flight, and changes nothing.
func (d *Detector) Check() error {
	var bytes uint64
	var flying, crypto int
	last := gquic.Instant(-1 << 63)
	for n := d.ring.base; n < d.ring.next; n++ {
		s := d.ring.at(n)
		if s.state == skipped {
			continue
		}
		if s.Number != n || s.SentAt < last {
			return fmt.Errorf("recovery: packet %d sent at %v stands at %d behind one sent at %v", s.Number, s.SentAt, n, last)
		}
		last = s.SentAt
		if s.state != outstanding || !s.Has(Retransmittable) {
			continue
		}
		if n < d.cursor {
			return fmt.Errorf("recovery: packet %d is outstanding below the cursor %d", n, d.cursor)
		}
		bytes += uint64(s.Size)
		flying++
		if s.Has(Crypto) {
			crypto++
		}
	}
	switch {
	case bytes != d.inFlight || flying != d.flying || crypto != d.crypto:
		return fmt.Errorf("recovery: counted %d bytes in %d packets, %d of the handshake; the record says %d, %d, %d",
			bytes, flying, crypto, d.inFlight, d.flying, d.crypto)
	case (flying > 0) != (d.timeout != gquic.Never) || (flying > 0) != (d.mode != NoTimer):
		return fmt.Errorf("recovery: timer %v at %v with %d packets in flight", d.mode, d.timeout, flying)
	case d.next < d.ring.next || d.largestAcked >= d.ring.next:
		return fmt.Errorf("recovery: next number %d behind %d, largest acknowledged %d", d.next, d.ring.next, d.largestAcked)
	case d.ring.len() > MaxTracked+1: // a CONNECTION_CLOSE may go on top
		return fmt.Errorf("recovery: %d packets are tracked", d.ring.len())
	}
	return nil
}
