package recovery

import (
	"slices"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// A state is what is known of a packet number.
type state uint8

const (
	skipped     state = iota // never sent, on purpose
	outstanding              // sent, nothing known
	acked                    // acknowledged, or of no interest any more
	lost                     // declared lost; a late ACK is still noticed
	abandoned                // taken out of flight; likewise
)

// A slot is the record of one packet number.
type slot struct {
	Packet
	state  state
	probed bool // a timeout asked for its content again
	// mark is, of an acked slot, the lowest number of the run that was known to be
	// acknowledged when this one was: an ACK steps over the whole run at once. Of a
	// lost or abandoned one, the largest number sent by then: when a later one is
	// acknowledged, a round trip has passed and the record may go.
	mark   wire.PacketNumber
	lostAt gquic.Instant
}

const (
	// minRing slots are kept however little is in flight.
	minRing = 16
	// quietRuns is how many times in a row the ring has to run empty without
	// having needed a quarter of its slots before it is halved.
	quietRuns = 8
)

// A ring holds the slots of the numbers base to next-1. Its length is a power of two.
type ring struct {
	slots []slot
	base  wire.PacketNumber
	next  wire.PacketNumber
	peak  int // most slots in use since it was last empty
	quiet int // times that it ran empty having needed few
}

func (r *ring) at(n wire.PacketNumber) *slot { return &r.slots[int(n)&(len(r.slots)-1)] }

func (r *ring) len() int { return int(r.next - r.base) }

// push returns the slot of number next, which becomes part of the ring.
func (r *ring) push() *slot {
	if r.len() == len(r.slots) {
		r.resize(max(minRing, 2*len(r.slots)))
	}
	s := r.at(r.next)
	r.next++
	r.peak = max(r.peak, r.len())
	return s
}

func (r *ring) resize(n int) {
	old := *r
	r.slots = make([]slot, n)
	for i := r.base; i < r.next; i++ {
		*r.at(i) = *old.at(i)
	}
}

// emptied gives memory back if the ring has been too large for a while.
func (r *ring) emptied() {
	if 4*r.peak > len(r.slots) {
		r.quiet = 0
	} else if r.quiet++; r.quiet >= quietRuns && len(r.slots) > minRing {
		r.slots = make([]slot, len(r.slots)/2)
		r.quiet = 0
	}
	r.peak = 0
}

// compact gives back all memory that is not in use.
func (r *ring) compact() {
	if r.len() == 0 {
		r.slots = nil
		return
	}
	n := 1
	for n < r.len() {
		n *= 2
	}
	if n < len(r.slots) {
		r.resize(n)
	}
}

func (r *ring) clone() ring {
	c := *r
	c.slots = slices.Clone(r.slots)
	return c
}
