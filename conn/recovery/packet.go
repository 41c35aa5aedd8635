package recovery

import (
	"fmt"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// Flags say what a packet holds, and in a report what had become of it before.
type Flags uint8

const (
	// Retransmittable: it asks for an ACK, and counts as in flight until it is
	// acknowledged or lost. (Reference: connection, section 2.1.)
	Retransmittable Flags = 1 << iota
	// Crypto: it holds handshake data, which the handshake timer repeats.
	Crypto
	// Probe: it tries out a larger datagram. Its loss says nothing about
	// congestion, and nothing of it is sent again.
	Probe
	// Lost, in Report.Acked: it had been declared lost before.
	Lost
	// Abandoned, in Report.Acked: it had been taken out of flight before. In the
	// Report.Lost of Detector.Abandon: it is taken out now.
	Abandoned
)

// A Packet is a sent packet: what the connection has to know when its fate is known.
type Packet struct {
	Number     wire.PacketNumber
	SentAt     gquic.Instant
	AckLargest wire.PacketNumber // largest of the ACK frame that it carried; 0: none
	FirstFrame uint64            // where the connection noted what the packet carried
	Frames     uint32            // and how many entries
	Size       uint32            // bytes, the whole UDP payload
	Level      uint8             // encryption level
	Flags      Flags
	Delivery   Delivery // the congestion controller's
}

// Has reports whether all of the flags f are set.
func (p *Packet) Has(f Flags) bool { return p.Flags&f == f }

// WasInFlight reports whether p, from Acked or Lost, was in flight until now: neither
// an ACK-only packet nor one whose ACK came late.
func (p *Packet) WasInFlight() bool {
	return p.Flags&(Retransmittable|Lost|Abandoned) == Retransmittable
}

// A Delivery is what a bandwidth sampler keeps with a packet: how much was sent and
// delivered when the packet left, and as of which acknowledged packet. The detector only
// carries it. (Reference: connection, section 8.2.)
type Delivery struct {
	Sent       uint64        // bytes sent in all, this packet included
	RefSent    uint64        // the same when the reference packet left
	RefAcked   uint64        // bytes acknowledged in all when this packet left
	RefSentAt  gquic.Instant // when the reference packet left
	RefAckedAt gquic.Instant // when it was acknowledged
	AppLimited bool          // sent while the application did not fill the window
	Valid      bool          // the sampler filled it
}

// A Mode is what the retransmission timer is armed for.
// (Reference: connection, section 5.1.)
type Mode uint8

const (
	NoTimer        Mode = iota // nothing is in flight; in a report: an ACK
	HandshakeTimer             // repeat the handshake data
	LossTimer                  // a packet below the largest acknowledged becomes too old
	TLP                        // tail-loss probe
	RTO                        // retransmission timeout
)

// String returns the mode's name.
func (m Mode) String() string {
	return [...]string{"none", "handshake", "loss", "TLP", "RTO"}[min(m, RTO)]
}

// A Report is what an ACK or a timeout brought about. The caller owns it and passes
// the same one again and again: its slices are reused, so that they hold until the next call.
type Report struct {
	Mode Mode // of the timer that fired; NoTimer: an ACK

	Acked []Packet // newly acknowledged, by ascending number
	Lost  []Packet // newly lost, by ascending number

	// Retransmit are packets whose content is to be sent again because a timer
	// fired. After TLP and RTO they stay in flight. After HandshakeTimer they do
	// not, and their copies take their place.
	Retransmit []Packet
	Probes     int // packets that may now be sent outside window and pacing

	PriorInFlight uint64 // bytes in flight before
	InFlight      uint64 // bytes in flight after

	LargestAcked wire.PacketNumber // of the connection so far
	AckedAck     wire.PacketNumber // highest AckLargest in Acked; 0: none
	RTTSample    bool              // the ACK gave one

	Spurious    int  // packets in Acked that had been declared lost
	IgnoreLoss  bool // Lost is no sign of congestion: an outstanding RTO is judged instead
	RTOSpurious bool // an RTO that fired earlier was not needed
	RTOVerified bool // or was
}

// Reset empties r and keeps the memory of its slices.
func (r *Report) Reset() {
	*r = Report{Acked: r.Acked[:0], Lost: r.Lost[:0], Retransmit: r.Retransmit[:0]}
}

// An Error closes the connection: a peer that acknowledges what it cannot have
// received (code 9), or one that does not answer at all (code 85).
type Error struct {
	Code wire.ErrorCode
	What string
}

// Error returns the code's name and what went wrong.
func (e *Error) Error() string { return fmt.Sprintf("%v: %s", e.Code, e.What) }
