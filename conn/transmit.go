package conn

import (
	"net/netip"
	"slices"

	"example.com/gquic"
)

// A Transmit says where the bytes that AppendTransmit appended go.
type Transmit struct {
	From    netip.AddrPort // the local address to send from; zero: any
	To      netip.AddrPort
	Segment int   // > 0: the bytes are several datagrams of this size, of which only the last may be shorter
	ECN     uint8 // to set in the IP header
	Conn    Handle
}

// AppendTransmit appends what is to be sent next to b: up to maxDatagrams datagrams to
// one destination, all of the same size but the last (ready for segmentation offload).
// It returns false, and b as it was, when there is nothing to send now; until then,
// call it again. It allocates only if b lacks the capacity.
func (e *Endpoint) AppendTransmit(now gquic.Instant, b []byte, maxDatagrams int) (_ []byte, t Transmit, ok bool) {
	b, ok = e.appendTransmit(now, b, maxDatagrams, &t)
	return b, t, ok
}

// appendTransmit fills in t, which is zero, if it returns true.
func (e *Endpoint) appendTransmit(now gquic.Instant, b []byte, maxDatagrams int, t *Transmit) ([]byte, bool) {
	e.advance(now)
	if e.replies.len() > 0 {
		r, _ := e.replies.pop()
		t.From, t.To = r.from, r.to
		return append(b, r.payload...), true
	}
	for e.ready.len() > 0 {
		c := e.slots[*e.ready.at(0)].conn
		before := len(b)
		if c != nil {
			b = c.appendDatagrams(b, t, max(1, maxDatagrams))
			if len(b) > before {
				// To the end of the queue, so that connections take turns.
				i, _ := e.ready.pop()
				e.ready.push(i)
				if c.inSlot() {
					e.schedule(c)
				}
				return b, true
			}
		}
		e.ready.pop()
		if c != nil {
			c.queued = false
			c.fired = false
			if c.inSlot() {
				e.schedule(c)
			}
		}
	}
	*t = Transmit{}
	return b, false
}

// appendDatagrams appends up to limit datagrams of one size, and says in t where they go.
func (c *Conn) appendDatagrams(b []byte, t *Transmit, limit int) []byte {
	t.From, t.To, t.Conn = c.local, c.remote, c.handle
	full := c.mtu.Size()
	if c.probedFrom.IsValid() && c.state != CloseState {
		t.To, t.From = c.probedFrom, c.probedAt
		c.probedFrom = netip.AddrPort{}
		return c.appendProbeAnswer(b)
	}
	b = slices.Grow(b, min(limit, 4)*full)
	for n := 0; n < limit; n++ {
		if size := c.probeDue(); size > 0 {
			if n == 0 {
				return c.appendProbe(b, size) // it has a size of its own
			}
			break
		}
		before := len(b)
		b = c.appendPacket(b, full)
		size := len(b) - before
		if size == 0 {
			c.noteAppLimited()
			break
		}
		if n > 0 {
			t.Segment = full
		}
		if size < full {
			break
		}
	}
	return b
}

// noteAppLimited tells the congestion controller when it is the application, or the
// peer's windows, that leaves the path unused.
func (c *Conn) noteAppLimited() {
	if c.state == Established && c.streams.active.len() == 0 && c.controller.CanSend(c.detector.InFlight()) {
		c.controller.OnAppLimited(c.detector.InFlight())
	}
}
