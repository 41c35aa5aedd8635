package recovery

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

const ms = gquic.Instant(time.Millisecond)

// A world drives a detector by hand.
type world struct {
	d    Detector
	r    Report
	now  gquic.Instant
	acks wire.PacketNumber // the peer's packet numbers
	err  error
}

func newWorld(c Config) *world { return &world{d: New(c)} }

func (w *world) send(f Flags) wire.PacketNumber { return w.sendSize(f, 1000) }

func (w *world) sendSize(f Flags, size uint32) wire.PacketNumber {
	n := w.d.NextNumber()
	w.d.Sent(&Packet{Number: n, SentAt: w.now, Size: size, Flags: f})
	return n
}

// ack delivers an ACK of ranges, high to low.
func (w *world) ack(ranges ...wire.AckRange) {
	w.acks++
	w.err = w.d.Ack(w.now, w.acks, wire.NewAckFrame(0, ranges...), &w.r)
}

func (w *world) ackOne(n wire.PacketNumber) { w.ack(wire.AckRange{Smallest: n, Largest: n}) }

// fire goes to the deadline and fires it.
func (w *world) fire() {
	w.now = max(w.now, w.d.Timeout())
	w.err = w.d.OnTimeout(w.now, &w.r)
}

func numbers(packets []Packet) (n []wire.PacketNumber) {
	for i := range packets {
		n = append(n, packets[i].Number)
	}
	return n
}

func span(from, to wire.PacketNumber) wire.AckRange {
	return wire.AckRange{Smallest: from, Largest: to}
}
