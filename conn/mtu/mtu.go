// Package mtu finds the largest datagram that a path carries. It begins with a size
// that works everywhere, tries larger ones with probes (PING and PADDING, whose loss
// is no congestion), and falls back when the path stops carrying what it once did.
//
//	 base          size              tooLarge
//	──┼─────────────┼──────── ? ────────┼──▶ bytes
//	  always works  acknowledged        three probes lost
//
// Reference: connection, section 11.4, and live checks; the search between the bounds,
// and the fall-back, are ours.
package mtu

import "example.com/gquic/wire"

const (
	// firstProbe is the packet number from which probing begins, and with the number of
	// probes doubles the distance to the next.
	firstProbe wire.PacketNumber = 100
	// tries is how many probes of a size are lost before it counts as too large.
	tries = 3
	// resolution is how close the bounds come before the search ends, in bytes: what is
	// left is below half a percent of a packet.
	resolution = 8
	// blackHoleTimeouts is how many retransmission timeouts in a row, with nothing
	// acknowledged between, raise the suspicion that large packets vanish.
	blackHoleTimeouts = 2
)

// A Discovery is the state of the search. It is a plain value.
type Discovery struct {
	base, size, limit int
	tooLarge          int // the smallest size believed not to pass; limit + 1 at first
	probing           int // size of the probe in flight, 0: none
	lost              int // probes of that size that were lost
	next              wire.PacketNumber
	distance          wire.PacketNumber
	timeouts          int // in a row
}

// New returns a search that begins with datagrams of base bytes and goes up to limit.
// With limit <= base it never probes.
func New(base, limit int) Discovery {
	limit = max(limit, base)
	return Discovery{base: base, size: base, limit: limit, tooLarge: limit + 1, next: firstProbe, distance: firstProbe}
}

// Size returns the largest datagram to send, in bytes.
func (d *Discovery) Size() int { return d.size }

// Target returns the size of the probe to send as packet n, or 0 if none is due.
func (d *Discovery) Target(n wire.PacketNumber) int {
	switch {
	case d.probing != 0 || n < d.next || d.tooLarge-d.size <= resolution && d.tooLarge <= d.limit || d.size == d.limit:
		return 0
	case d.tooLarge > d.limit:
		return d.limit // first: most paths that carry more carry all of it
	}
	return (d.size + d.tooLarge) / 2
}

// Sent notes that packet n was a probe of size bytes.
func (d *Discovery) Sent(n wire.PacketNumber, size int) {
	d.probing = size
	d.next = n + d.distance
	d.distance *= 2
}

// Acked notes that a packet of size bytes arrived, and reports whether Size has grown.
func (d *Discovery) Acked(size int) bool {
	if size > d.base {
		d.timeouts = 0
	}
	if d.probing == 0 || size < d.probing {
		return false
	}
	d.probing, d.lost = 0, 0
	if size <= d.size || size >= d.tooLarge {
		return false
	}
	d.size = size
	d.distance = firstProbe
	return true
}

// Lost notes that the probe in flight was lost.
func (d *Discovery) Lost() {
	if d.probing == 0 {
		return
	}
	if d.lost++; d.lost >= tries {
		d.tooLarge, d.lost = d.probing, 0
		d.distance = firstProbe
	}
	d.probing = 0
}

// Timeout notes a retransmission timeout, and reports whether Size has fallen back: large
// packets seem to vanish, and the path is taken to carry no more than the base size.
func (d *Discovery) Timeout() bool {
	if d.size == d.base {
		return false
	}
	if d.timeouts++; d.timeouts < blackHoleTimeouts {
		return false
	}
	d.tooLarge, d.size = d.base+1, d.base
	d.probing, d.lost, d.timeouts = 0, 0, 0
	return true
}

// PathChanged starts over: a new path may carry more, or less.
func (d *Discovery) PathChanged(next wire.PacketNumber) {
	*d = New(d.base, d.limit)
	d.next += next
}
