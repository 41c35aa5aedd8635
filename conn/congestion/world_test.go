package congestion

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// A harness feeds a controller with packets and reports as a connection would, but by hand.
type harness struct {
	c        Controller
	now      gquic.Instant
	rtt      recovery.RTT
	next     wire.PacketNumber
	packets  map[wire.PacketNumber]recovery.Packet
	inFlight uint64
}

func newHarness(c Controller, rtt time.Duration) *harness {
	h := &harness{c: c, next: 1, packets: map[wire.PacketNumber]recovery.Packet{}}
	if rtt > 0 {
		h.rtt.Update(rtt, 0)
	}
	return h
}

// send sends n packets of an MSS and returns the last one's number.
func (h *harness) send(n int) wire.PacketNumber {
	for range n {
		p := recovery.Packet{Number: h.next, SentAt: h.now, Size: MSS, Flags: recovery.Retransmittable}
		h.c.OnSent(h.now, &p, h.inFlight)
		h.packets[p.Number] = p
		h.inFlight += MSS
		h.next++
	}
	return h.next - 1
}

// report builds one from numbers and shows it to the controller. prior 0 means what is in flight.
func (h *harness) report(prior uint64, acked, lost []wire.PacketNumber, edit func(*recovery.Report)) {
	r := recovery.Report{PriorInFlight: h.inFlight}
	if prior > 0 {
		r.PriorInFlight = prior
	}
	for _, n := range acked {
		p := h.packets[n]
		if p.WasInFlight() {
			h.inFlight -= uint64(p.Size)
		} else {
			r.Spurious++
		}
		r.Acked = append(r.Acked, p)
		r.LargestAcked = max(r.LargestAcked, n)
	}
	for _, n := range lost {
		p := h.packets[n]
		h.inFlight -= uint64(p.Size)
		r.Lost = append(r.Lost, p)
		p.Flags |= recovery.Lost
		h.packets[n] = p
	}
	r.InFlight = h.inFlight
	if edit != nil {
		edit(&r)
	}
	h.c.OnReport(h.now, &r, &h.rtt)
}

func (h *harness) ack(prior uint64, numbers ...wire.PacketNumber) { h.report(prior, numbers, nil, nil) }
func (h *harness) lose(prior uint64, numbers ...wire.PacketNumber) {
	h.report(prior, nil, numbers, nil)
}

func span(from, to wire.PacketNumber) (n []wire.PacketNumber) {
	for i := from; i <= to; i++ {
		n = append(n, i)
	}
	return n
}

func instant(ms int64) gquic.Instant { return gquic.Instant(ms) * gquic.Instant(time.Millisecond) }
