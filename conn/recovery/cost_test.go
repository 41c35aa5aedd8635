package recovery

import (
	"fmt"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// A stream of packets with a fixed number in flight: every step sends some and acknowledges as many.
type pipeline struct {
	world
	reader wire.Reader
	buf    []byte
	ranges []wire.AckRange
	acked  wire.PacketNumber
}

func newPipeline(inFlight int) *pipeline {
	p := &pipeline{world: world{d: New(Config{NoSkip: true})}}
	p.d.HandshakeConfirmed()
	for range inFlight {
		p.send(Retransmittable)
	}
	return p
}

// step sends n packets and acknowledges the n oldest with an ACK of so many ranges: the newest of
// them up to what is new, the others single packets far below.
func (p *pipeline) step(tb testing.TB, n, ranges int) {
	p.now += 1000
	for range n {
		p.send(Retransmittable)
	}
	p.acked += wire.PacketNumber(n)
	low := wire.PacketNumber(max(1, int(p.acked)-1000) + 2*ranges)
	if low > p.acked {
		low, ranges = p.acked, 1 // at the start
	}
	p.ranges = append(p.ranges[:0], span(low, p.acked))
	for i := 1; i < ranges; i++ {
		low := p.ranges[i-1].Smallest - 2
		p.ranges = append(p.ranges, span(low, low))
	}
	p.buf, _ = wire.AppendAck(p.buf[:0], time.Millisecond, p.ranges, 2000)
	p.reader.Reset(p.buf, wire.Context{})
	f, err := p.reader.Next()
	if err != nil {
		tb.Fatal(err)
	}
	p.acks++
	if err := p.d.Ack(p.now, p.acks, f.(*wire.AckFrame), &p.r); err != nil {
		tb.Fatal(err)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, inFlight := range []int{10, 1000, 5000} {
		p := newPipeline(inFlight)
		for range 2000 {
			p.step(t, 2, 1)
		}
		if got := testing.AllocsPerRun(1000, func() { p.step(t, 2, 3) }); got != 0 {
			t.Errorf("%d in flight: %v allocations", inFlight, got)
		}
	}
	// With losses, timeouts and skipped numbers.
	w := newWorld(Config{})
	w.d.HandshakeConfirmed()
	var buf []byte
	var reader wire.Reader
	frame := func(n wire.PacketNumber) {
		w.acks++
		buf, _ = wire.AppendAck(buf[:0], 0, []wire.AckRange{span(n, n)}, 100)
		reader.Reset(buf, wire.Context{})
		f, _ := reader.Next()
		if err := w.d.Ack(w.now, w.acks, f.(*wire.AckFrame), &w.r); err != nil {
			t.Fatal(err)
		}
	}
	run := func() {
		for range 10 {
			w.send(Retransmittable)
		}
		w.now += 50 * ms
		frame(w.d.LargestSent())
		w.fire()
		w.now += ms
	}
	for range 1000 {
		run()
	}
	if got := testing.AllocsPerRun(1000, run); got != 0 {
		t.Errorf("with losses: %v allocations", got)
	}
}

// The time of an ACK does not depend on what is in flight.
func BenchmarkAck(b *testing.B) {
	for _, ranges := range []int{1, 10, 32} {
		for _, inFlight := range []int{10, 1000, 5000} {
			b.Run(fmt.Sprintf("ranges=%d/inflight=%d", ranges, inFlight), func(b *testing.B) {
				p := newPipeline(inFlight)
				for range 2000 {
					p.step(b, 2, ranges)
				}
				b.ReportAllocs()
				for b.Loop() {
					p.step(b, 2, ranges)
				}
			})
		}
	}
}

// A hole at the low end keeps the records of everything above it: ACKs step over them.
func BenchmarkAckAboveHole(b *testing.B) {
	for _, above := range []int{10, 1000, 5000} {
		b.Run(fmt.Sprintf("above=%d", above), func(b *testing.B) {
			w := newWorld(Config{NoSkip: true, Loss: ByTime})
			w.d.HandshakeConfirmed()
			w.d.RTT.Update(time.Hour, 0)
			w.send(Retransmittable)
			buf := make([]byte, 0, 64)
			var reader wire.Reader
			for range above {
				w.send(Retransmittable)
			}
			i := 0
			base := w.d.Clone()
			for b.Loop() {
				if i++; i == 4000 { // keep the ring's size
					b.StopTimer()
					w.d, i = base.Clone(), 0
					b.StartTimer()
				}
				w.now++
				n := w.send(Retransmittable)
				buf, _ = wire.AppendAck(buf[:0], 0, []wire.AckRange{span(2, n)}, 64)
				reader.Reset(buf, wire.Context{})
				f, _ := reader.Next()
				w.acks++
				if err := w.d.Ack(w.now, w.acks, f.(*wire.AckFrame), &w.r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A run that grows at its low end, packet by packet, is not walked again and again.
func BenchmarkAckDownwards(b *testing.B) {
	for _, length := range []int{100, 1000, 8000} {
		b.Run(fmt.Sprintf("run=%d", length), func(b *testing.B) {
			w := newWorld(Config{NoSkip: true, Loss: ByTime})
			w.d.HandshakeConfirmed()
			w.d.RTT.Update(time.Hour, 0)
			for range length {
				w.send(Retransmittable)
			}
			base := w.d.Clone()
			buf := make([]byte, 0, 64)
			var reader wire.Reader
			top := wire.PacketNumber(length)
			low := top
			for b.Loop() {
				if low == 1 {
					b.StopTimer()
					w.d, low = base.Clone(), top
					b.StartTimer()
				}
				low--
				buf, _ = wire.AppendAck(buf[:0], 0, []wire.AckRange{span(low, top)}, 64)
				reader.Reset(buf, wire.Context{})
				f, _ := reader.Next()
				w.acks++
				if err := w.d.Ack(w.now, w.acks, f.(*wire.AckFrame), &w.r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The ring gives back what it needed once.
func TestMemoryIsGivenBack(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	for range 3000 {
		w.send(Retransmittable)
	}
	w.now = ms
	w.ack(span(1, 3000))
	large := len(w.d.ring.slots)
	for range 200 {
		n := w.send(Retransmittable)
		w.now += ms
		w.ack(span(1, n))
	}
	if got := len(w.d.ring.slots); large < 3000 || got > minRing {
		t.Errorf("%d slots, %d after a quiet time", large, got)
	}

	for range 3000 {
		w.send(Retransmittable)
	}
	before := w.d.Clone()
	w.d.Compact()
	w.ack(span(w.d.LeastUnacked()+5, w.d.LargestSent()))
	want(t, "in flight", w.d.InFlight(), 0) // five are lost by now
	w.d.Compact()
	want(t, "the clone's in flight", before.InFlight(), 3000*1000)
}

func TestTimerNeverNeedsNow(t *testing.T) {
	// Times near both ends of the axis neither wrap nor fire early.
	w := newWorld(Config{NoSkip: true})
	w.now = gquic.Never - 10
	w.send(Retransmittable)
	if got := w.d.Timeout(); got <= w.now || got == gquic.Never {
		t.Errorf("timeout %v", got)
	}
}
