// Package owed tracks what an endpoint owes to its peer: a frame that is built from
// current state, has to arrive once, and is sent again if it is lost. WINDOW_UPDATE,
// BLOCKED, RST_STREAM, GOAWAY and the like each have one [Owed].
//
//	              Sent(n)             Acked(n)
//	Set ──▶ owed ────────▶ sent in n ─────────▶ acknowledged
//	         ▲                │
//	         └────────────────┘
//	              Lost(n)
//
// Set leads to owed from everywhere.
package owed

import (
	"fmt"

	"example.com/gquic/wire"
)

// An Owed is one obligation: nothing owed (the zero value), owed, sent in packet n, or
// acknowledged. Assigning Owed{} drops it. It is one word, and copied by assignment.
//
// Only the latest packet that carried the frame counts. An earlier copy may hold an
// older value (the lower limit of an earlier WINDOW_UPDATE), so neither its loss nor
// its acknowledgement changes anything.
type Owed struct {
	state uint64 // nothing, pending, acknowledged, or in flight | packet number
}

const (
	pending uint64 = 1 + iota
	acknowledged
	inFlight = 1 << 63 // packet numbers are below 2^62
)

// Set makes the frame owed, also if it is on its way or was acknowledged: there is
// something new to say.
func (o *Owed) Set() { o.state = pending }

// Pending reports whether the frame has to go into the next packet.
func (o *Owed) Pending() bool { return o.state == pending }

// Done reports whether the latest copy was acknowledged.
func (o *Owed) Done() bool { return o.state == acknowledged }

// InFlight returns the latest packet that carried the frame, while that is neither
// acknowledged nor lost.
func (o *Owed) InFlight() (n wire.PacketNumber, ok bool) {
	if o.state < inFlight {
		return 0, false
	}
	return wire.PacketNumber(o.state &^ inFlight), true
}

// Sent notes that packet n carries the frame with its current value.
func (o *Owed) Sent(n wire.PacketNumber) { o.state = inFlight | uint64(n) }

// Acked notes that packet n, which carried the frame, was acknowledged.
func (o *Owed) Acked(n wire.PacketNumber) {
	if o.state == inFlight|uint64(n) {
		o.state = acknowledged
	}
}

// Lost notes that packet n, which carried the frame, was lost or is to be sent again:
// the frame is owed again if no later packet carried it.
func (o *Owed) Lost(n wire.PacketNumber) {
	if o.state == inFlight|uint64(n) {
		o.state = pending
	}
}

// String returns "nothing", "owed", "sent in 17" or "acknowledged".
func (o Owed) String() string {
	switch o.state {
	case 0:
		return "nothing"
	case pending:
		return "owed"
	case acknowledged:
		return "acknowledged"
	}
	return fmt.Sprintf("sent in %d", o.state&^inFlight)
}
