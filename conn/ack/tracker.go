package ack

import (
	"math"
	"slices"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// A Tracker is the receiver's acknowledgement state of one connection. It is a
// plain value; copies made with [Tracker.Clone] go on independently.
type Tracker struct {
	mode   Mode
	ranges []wire.AckRange // high to low, neither touching nor overlapping

	mark      wire.PacketNumber // everything below counts as seen
	largest   wire.PacketNumber // 0: nothing arrived yet
	largestAt gquic.Instant     // when it arrived

	waiting  int               // retransmittable packets since the last ACK
	deadline gquic.Instant     // of the next ACK; Never: none is owed
	reported wire.PacketNumber // largest of the last ACK sent
}

// NewTracker returns a tracker that has seen nothing. Packet numbers start at 1.
func NewTracker(mode Mode) Tracker {
	return Tracker{mode: mode, mark: 1, deadline: gquic.Never}
}

// SetMode changes the mode. It takes effect with the next packet.
func (t *Tracker) SetMode(mode Mode) { t.mode = mode }

// Clone returns a copy that shares nothing with t.
func (t *Tracker) Clone() Tracker {
	c := *t
	c.ranges = slices.Clone(t.ranges)
	return c
}

// Compact gives memory back. It is for a connection that falls idle.
func (t *Tracker) Compact() { t.ranges = slices.Clip(slices.Clone(t.ranges)) }

// Duplicate reports whether packet number pn was received before or lies below
// the mark. Such a packet is dropped without a look at its frames.
func (t *Tracker) Duplicate(pn wire.PacketNumber) bool {
	return pn < t.mark || pn <= t.largest && t.listed(pn)
}

// listed reports whether pn is in the ranges.
func (t *Tracker) listed(pn wire.PacketNumber) bool {
	i := t.find(pn)
	return i < len(t.ranges) && t.ranges[i].Largest >= pn
}

// find returns the index of the highest range that starts at or below pn.
func (t *Tracker) find(pn wire.PacketNumber) int {
	i, _ := slices.BinarySearchFunc(t.ranges, pn, func(r wire.AckRange, pn wire.PacketNumber) int {
		if r.Smallest > pn {
			return -1
		}
		return 1 // the first that does not start above
	})
	return i
}

// Received notes that packet pn arrived and opened, before its frames are looked
// at. retransmittable says that it holds a frame that asks for an ACK; a packet
// without one is listed in the next ACK and never causes one. minRTT is the
// minimal round trip, 0 if unknown. A duplicate changes nothing.
//
// (Reference: connection, sections 2.1 and 2.2.)
func (t *Tracker) Received(now gquic.Instant, pn wire.PacketNumber, retransmittable bool, minRTT time.Duration) {
	if t.Duplicate(pn) {
		return
	}
	late := pn < t.largest
	if pn > t.largest {
		t.largest, t.largestAt = pn, now
	}
	t.insert(pn)
	if retransmittable {
		t.waiting++
		t.deadline = min(t.deadline, t.due(now, pn, late, minRTT))
	}
}

// due returns when an ACK that includes pn, just recorded, has to go out.
func (t *Tracker) due(now gquic.Instant, pn wire.PacketNumber, late bool, minRTT time.Duration) gquic.Instant {
	decimated := t.mode == Decimated && pn > decimationAfter
	// A packet that the last ACK called missing: the peer is about to call it
	// lost, or just did.
	if late && (!decimated || pn < t.reported) {
		return now
	}
	gap := len(t.ranges) > 1 && t.ranges[0].Largest-t.ranges[0].Smallest < nearGap
	if !decimated {
		if t.waiting >= everySecond || gap {
			return now
		}
		return now.Add(MaxDelay)
	}
	if t.waiting >= everyTenth {
		return now
	}
	if gap {
		return now.Add(min(max(minRTT, 0)/8, MaxDelay))
	}
	return now.Add(decimatedDelay(minRTT))
}

// insert adds pn, which is not a duplicate, to the ranges: at the top in constant
// time, elsewhere by a binary search.
func (t *Tracker) insert(pn wire.PacketNumber) {
	if len(t.ranges) > 0 && pn == t.ranges[0].Largest+1 {
		t.ranges[0].Largest = pn
		return
	}
	i := t.find(pn) // pn lies above range i and below range i-1
	above := i > 0 && t.ranges[i-1].Smallest == pn+1
	below := i < len(t.ranges) && t.ranges[i].Largest+1 == pn
	switch {
	case above && below:
		t.ranges[i-1].Smallest = t.ranges[i].Smallest
		t.ranges = slices.Delete(t.ranges, i, i+1)
	case above:
		t.ranges[i-1].Smallest = pn
	case below:
		t.ranges[i].Largest = pn
	case len(t.ranges) < MaxRanges:
		t.ranges = slices.Insert(t.ranges, i, wire.AckRange{Smallest: pn, Largest: pn})
	default:
		t.insertFull(i, pn)
	}
}

// insertFull makes room for a range at i by forgetting the lowest one, which is
// pn itself if it lies below all others.
func (t *Tracker) insertFull(i int, pn wire.PacketNumber) {
	last := len(t.ranges) - 1
	if i > last {
		t.mark = pn + 1
		return
	}
	t.mark = t.ranges[last].Largest + 1
	copy(t.ranges[i+1:], t.ranges[i:last])
	t.ranges[i] = wire.AckRange{Smallest: pn, Largest: pn}
}

// Largest returns the largest packet number received, 0 if there is none.
func (t *Tracker) Largest() wire.PacketNumber { return t.largest }

// Pending reports whether an ACK is owed, now or later: any packet about to be
// sent should carry it.
func (t *Tracker) Pending() bool { return t.deadline != gquic.Never }

// Due reports whether an ACK has to go out now, in a packet of its own if need be.
func (t *Tracker) Due(now gquic.Instant) bool { return t.deadline <= now && t.Pending() }

// Timeout returns when an ACK has to go out, in the past if it is due, or Never.
func (t *Tracker) Timeout() gquic.Instant { return t.deadline }

// DueNow makes an ACK due at once, as when a peer acknowledges below what we
// still expect. Before the first packet there is nothing to acknowledge, and
// nothing happens.
func (t *Tracker) DueNow() {
	if len(t.ranges) > 0 {
		t.deadline = math.MinInt64
	}
}

// Ranges returns what arrived, high to low, for the ACK frame. The slice belongs to
// t and holds until the next call that changes t. After the first packet it is
// never empty.
func (t *Tracker) Ranges() []wire.AckRange { return t.ranges }

// Delay returns how long ago the largest packet arrived, for the ACK frame.
func (t *Tracker) Delay(now gquic.Instant) time.Duration {
	if t.largest == 0 || now < t.largestAt {
		return 0
	}
	return now.Sub(t.largestAt)
}

// Sent notes that an ACK with the current ranges went out: nothing is owed any more.
func (t *Tracker) Sent(now gquic.Instant) {
	t.waiting = 0
	t.deadline = gquic.Never
	t.reported = t.largest
}

// Forget raises the mark to below: the peer sent a STOP_WAITING with this value, or
// it acknowledged a packet whose ACK had a largest of below-1, so that it knows
// all that there is to know down there. The largest packet stays listed, so the mark
// stops at it. (Reference: connection, section 3.)
func (t *Tracker) Forget(below wire.PacketNumber) {
	if t.largest != 0 {
		below = min(below, t.largest)
	}
	if below <= t.mark {
		return
	}
	t.mark = below
	n := len(t.ranges)
	for n > 0 && t.ranges[n-1].Largest < below {
		n--
	}
	t.ranges = t.ranges[:n]
	if n > 0 && t.ranges[n-1].Smallest < below {
		t.ranges[n-1].Smallest = below
	}
}

// Mark returns the mark: the lowest packet number that is still accepted.
func (t *Tracker) Mark() wire.PacketNumber { return t.mark }
