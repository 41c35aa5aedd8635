package recovery

import (
	"errors"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
	"github.com/google/go-cmp/cmp"
)

// The worked numbers of connection 19.1.
func TestRTTWorkedNumbers(t *testing.T) {
	var r RTT
	for _, x := range [][6]int64{
		{200000, 0, 200000, 200000, 200000, 100000},
		{50000, 0, 50000, 50000, 181250, 112500},
		{300000, 10000, 290000, 50000, 194843, 111562},
		{120000, 5000, 115000, 50000, 184862, 103632},
		{120000, 0, 120000, 50000, 176754, 93939},
		{121333, 777, 120556, 50000, 169729, 84503},
	} {
		if !r.Update(time.Duration(x[0])*time.Microsecond, time.Duration(x[1])*time.Microsecond) {
			t.Fatal("sample refused")
		}
		near(t, "latest", r.Latest(), x[2])
		near(t, "min", r.Min(), x[3])
		near(t, "smoothed", r.Smoothed(), x[4])
		near(t, "deviation", r.Deviation(), x[5])
	}
	if r.Update(0, 0) || r.Update(-1, 0) {
		t.Error("a sample that is not positive was taken")
	}
	r = RTT{}
	r.Update(200*time.Millisecond, 0)
	r.Update(400*time.Millisecond, 0)
	r.Expire()
	near(t, "expired", r.Smoothed(), 400000)
	near(t, "expired", r.Deviation(), 175000)
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// The walk of connection 19.3 through TLPs and RTOs: srtt 100, packets 1..5 sent at 1..5 ms.
func TestTimeoutWalk(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(100*time.Millisecond, 0)
	for range 5 {
		w.now += ms
		w.send(Retransmittable)
	}
	want(t, "TLP", w.d.Timeout(), 205*ms)
	for i := range 2 {
		w.fire()
		want(t, "mode", w.r.Mode, TLP)
		want(t, "probes", w.r.Probes, 1)
		want(t, "repeated", numbers(w.r.Retransmit), []wire.PacketNumber{wire.PacketNumber(i + 1)})
		w.send(Retransmittable) // 6, 7
	}
	want(t, "RTO", w.d.Timeout(), 405*ms+300*ms)
	want(t, "mode", w.d.TimeoutMode(), RTO)
	w.fire()
	want(t, "repeated", numbers(w.r.Retransmit), []wire.PacketNumber{3, 4})
	want(t, "probes", w.r.Probes, 2)
	want(t, "in flight", w.r.InFlight, 7000)
	w.send(Retransmittable) // 8
	w.send(Retransmittable) // 9
	want(t, "second RTO", w.d.Timeout(), 705*ms+600*ms)

	// The first copy is acknowledged: the RTO was needed. What is three below is lost,
	// and 6 and 7 by their age.
	w.now = 800 * ms
	w.ackOne(8)
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1, 2, 3, 4, 5, 6, 7})
	want(t, "verdict", [3]bool{w.r.RTOVerified, w.r.RTOSpurious, w.r.IgnoreLoss}, [3]bool{true, false, true})
	want(t, "in flight", w.d.InFlight(), 1000)
	want(t, "mode", w.d.TimeoutMode(), TLP)
}

// An RTO whose originals are acknowledged after all was not needed, connection 19.3.
func TestSpuriousRTO(t *testing.T) {
	w := newWorld(Config{NoSkip: true, NoTLP: true})
	w.d.HandshakeConfirmed()
	for range 3 {
		w.now += ms
		w.send(Retransmittable)
	}
	w.d.RTT.Update(100*time.Millisecond, 0)
	w.d.setTimer()
	w.fire()
	want(t, "mode", w.r.Mode, RTO)
	w.now = 403 * ms
	w.ackOne(3)
	want(t, "verdict", [2]bool{w.r.RTOVerified, w.r.RTOSpurious}, [2]bool{false, true})
	want(t, "smoothed", w.d.RTT.Smoothed(), 400*time.Millisecond)
	want(t, "deviation", w.d.RTT.Deviation(), 262500*time.Microsecond)
}

func TestLossByTime(t *testing.T) {
	// srtt 100 ms; 1 and 2 are sent long before 3.
	w := newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(100*time.Millisecond, 0)
	w.send(Retransmittable)
	w.now = 30 * ms
	w.send(Retransmittable)
	w.now = 120 * ms
	w.send(Retransmittable)
	w.send(Retransmittable) // so that no early retransmit is meant
	w.now = 220 * ms
	w.ackOne(3)
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1})

	// All-time mode: nothing is lost by distance.
	w = newWorld(Config{NoSkip: true, Loss: ByTime})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(100*time.Millisecond, 0)
	for range 8 {
		w.now += ms
		w.send(Retransmittable)
	}
	w.now = 106 * ms
	w.ackOne(6)
	want(t, "lost", len(w.r.Lost), 0)
	want(t, "mode", w.d.TimeoutMode(), LossTimer)
	want(t, "loss time", w.d.Timeout(), 126*ms)
	w.fire()
	want(t, "lost at its time", numbers(w.r.Lost), []wire.PacketNumber{1})
	want(t, "next loss time", w.d.Timeout(), 127*ms)
}

func TestEarlyRetransmit(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(100*time.Millisecond, 0)
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.now = 100 * ms
	w.ackOne(2)
	want(t, "lost", len(w.r.Lost), 0)
	want(t, "mode", w.d.TimeoutMode(), LossTimer)
	want(t, "loss time", w.d.Timeout(), 125*ms)
	w.send(Retransmittable) // new data changes nothing
	w.fire()
	want(t, "mode", w.r.Mode, LossTimer)
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1})
	want(t, "mode after", w.d.TimeoutMode(), TLP)

	// On a short path, at least 5 ms.
	w = newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(time.Millisecond, 0)
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.now = ms
	w.ackOne(2)
	want(t, "loss time", w.d.Timeout(), 5*ms)
}

func TestLazyDistance(t *testing.T) {
	w := newWorld(Config{NoSkip: true, Loss: LazyDistance})
	for range 9 {
		w.send(Retransmittable)
	}
	w.now = ms
	w.ackOne(5)
	want(t, "first ACK", len(w.r.Lost), 0)
	w.ack(span(5, 6))
	want(t, "second ACK", numbers(w.r.Lost), []wire.PacketNumber{1, 2, 3})
}

func TestAdaptiveTime(t *testing.T) {
	w := newWorld(Config{NoSkip: true, Loss: ByAdaptiveTime})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(160*time.Millisecond, 0)
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.now = 160 * ms
	w.ack(span(2, 3))
	want(t, "loss time", w.d.Timeout(), 170*ms) // 17/16
	w.fire()
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1})
	w.now = 200 * ms // 30 ms after it was declared lost
	w.ack(span(1, 3))
	want(t, "spurious", w.r.Spurious, 1)
	want(t, "flags", w.r.Acked[0].Flags, Retransmittable|Lost)
	want(t, "shift", w.d.shift, 2) // 160/4 is the first above 30
}

func TestHandshakeTimer(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.send(Retransmittable | Crypto)
	w.send(Retransmittable) // 0-RTT data
	w.send(Retransmittable | Crypto)
	want(t, "timer", w.d.Timeout(), 150*ms)
	for i := range 4 {
		w.fire()
		want(t, "mode", w.r.Mode, HandshakeTimer)
		count := 2
		want(t, "probes", w.r.Probes, count)
		want(t, "repeated", len(w.r.Retransmit), count)
		for range count {
			w.send(Retransmittable | Crypto)
		}
		want(t, "in flight", w.d.InFlight(), 3000) // copies replace
		want(t, "timer", w.d.Timeout(), w.now+150*ms<<(i+1))
	}
	// A late ACK of an original.
	w.now += ms
	w.ackOne(1)
	want(t, "late", numbers(w.r.Acked), []wire.PacketNumber{1})
	want(t, "flags", w.r.Acked[0].Flags, Retransmittable|Crypto|Abandoned)
	want(t, "in flight", w.d.InFlight(), 3000)

	w.d.HandshakeConfirmed()
	want(t, "mode", w.d.TimeoutMode(), TLP)
}

// What becomes too old while the handshake timer goes first is lost together with it.
func TestHandshakeTimerAndLoss(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.RTT.Update(100*time.Millisecond, 0)
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.now = 90 * ms
	w.send(Retransmittable | Crypto)
	w.now = 100 * ms
	w.ack(span(2, 3)) // 1 is too old at 125 ms
	w.now = 110 * ms
	w.send(Retransmittable | Crypto)
	want(t, "mode", w.d.TimeoutMode(), HandshakeTimer)
	w.fire()
	want(t, "repeated", numbers(w.r.Retransmit), []wire.PacketNumber{4})
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1})
	want(t, "timer", w.d.Timeout(), gquic.Never)
}

// An RTO gives a probe the time that a tail-loss probe would have.
func TestRTONotBeforeTLP(t *testing.T) {
	w := newWorld(Config{NoSkip: true, NoTLP: true})
	w.d.HandshakeConfirmed()
	w.d.RTT = timersOf(300*time.Millisecond, 20*time.Millisecond).RTT
	w.send(Retransmittable)
	want(t, "mode", w.d.TimeoutMode(), RTO)
	want(t, "timer", w.d.Timeout(), 600*ms) // not 380
}

func TestSlowCrypto(t *testing.T) {
	w := newWorld(Config{NoSkip: true, SlowCrypto: true})
	w.send(Retransmittable | Crypto)
	want(t, "timer", w.d.Timeout(), 200*ms)
}

func TestAbandon(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	for _, level := range []uint8{0, 1, 0, 1} {
		n := w.d.NextNumber()
		w.d.Sent(&Packet{Number: n, Size: 1000, Level: level, Flags: Retransmittable})
	}
	w.send(0) // ACK only, level 0
	w.d.Abandon(0, &w.r)
	want(t, "listed", numbers(w.r.Lost), []wire.PacketNumber{1, 3})
	want(t, "flags", w.r.Lost[0].Flags, Retransmittable|Abandoned)
	want(t, "in flight", [2]uint64{w.r.PriorInFlight, w.r.InFlight}, [2]uint64{4000, 2000})
	w.d.Abandon(0, &w.r)
	want(t, "again", len(w.r.Lost), 0)
	w.d.Abandon(1, &w.r)
	want(t, "timer", w.d.Timeout(), gquic.Never)
	w.now = ms
	w.ack(span(1, 4))
	want(t, "late ACKs", len(w.r.Acked), 4)
}

func TestSkippedNumbers(t *testing.T) {
	w := newWorld(Config{SkipSeed: [32]byte{1}})
	var skips, sent []wire.PacketNumber
	last := wire.PacketNumber(0)
	for len(skips) < 40 {
		n := w.d.NextNumber()
		if n != w.d.NextNumber() {
			t.Fatal("NextNumber is not stable")
		}
		switch n - last {
		case 2:
			skips = append(skips, last+1)
		default:
			want(t, "step", n-last, 1)
		}
		w.send(Retransmittable)
		sent = append(sent, n)
		last = n
		if len(sent)%50 == 0 && len(skips) < 39 { // acknowledge all but the newest
			w.ack(rangesWithout(last, skips)...)
			if w.err != nil {
				t.Fatal(w.err)
			}
		}
	}
	for i := 1; i < len(skips); i++ {
		if d := skips[i] - skips[i-1]; d < 3 || d > 1002 {
			t.Errorf("skipped %d and %d", skips[i-1], skips[i])
		}
	}
	if mean := (skips[39] - skips[0]) / 39; mean < 350 || mean > 650 {
		t.Errorf("one skipped in %d", mean)
	}
	before := w.d.InFlight()
	var e *Error
	if w.ack(span(skips[39], last)); !errors.As(w.err, &e) {
		t.Errorf("ACK from a skipped number on: %v", w.err)
	}
	if w.ack(span(skips[39]-1, last)); !errors.As(w.err, &e) || e.Code != wire.InvalidAckData {
		t.Errorf("ACK of a skipped number: %v", w.err)
	}
	if w.ack(span(1, last+1)); !errors.As(w.err, &e) || e.Code != wire.InvalidAckData {
		t.Errorf("ACK of a number not sent: %v", w.err)
	}
	want(t, "in flight", w.d.InFlight(), before)
	if w.ack(rangesWithout(last, skips)...); w.err != nil {
		t.Error(w.err)
	}
	want(t, "in flight", w.d.InFlight(), 0)
}

// rangesWithout returns the ranges of 1 to largest without the given ascending numbers.
func rangesWithout(largest wire.PacketNumber, without []wire.PacketNumber) (ranges []wire.AckRange) {
	for i := len(without) - 1; i >= 0; i-- {
		if without[i] < largest {
			ranges = append(ranges, span(without[i]+1, largest))
		}
		largest = without[i] - 1
	}
	return append(ranges, span(1, largest))
}

func TestStartAt(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.StartAt(7)
	want(t, "next", w.d.NextNumber(), 7)
	want(t, "least", w.d.LeastUnacked(), 7)
	w.ack(span(1, 6))
	if w.err != nil || len(w.r.Acked) > 0 {
		t.Errorf("ACK of what was sent before: %v, %v", w.err, numbers(w.r.Acked))
	}
	w.send(Retransmittable)
	w.now = ms
	w.ack(span(2, 7))
	want(t, "acked", numbers(w.r.Acked), []wire.PacketNumber{7})
	w.d.StartAt(3)
	want(t, "next", w.d.NextNumber(), 8)
}

func TestOldAckIgnored(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.send(Retransmittable)
	w.send(Retransmittable)
	w.now = ms
	if err := w.d.Ack(w.now, 5, wire.NewAckFrame(0, span(1, 1)), &w.r); err != nil || len(w.r.Acked) != 1 {
		t.Fatal(err)
	}
	for _, n := range []wire.PacketNumber{4, 5} {
		if err := w.d.Ack(w.now, n, wire.NewAckFrame(0, span(1, 2)), &w.r); err != nil || len(w.r.Acked) != 0 {
			t.Errorf("ACK in packet %d: %v, %v", n, err, numbers(w.r.Acked))
		}
	}
}

func TestPathChanged(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	w.d.RTT.Update(300*time.Millisecond, 0)
	w.send(Retransmittable)
	w.d.PathChanged()
	want(t, "smoothed", w.d.RTT.Smoothed(), DefaultInitialRTT)
	want(t, "timer", w.d.Timeout(), 250*ms)
	w.now = 50 * ms
	w.ackOne(1)
	want(t, "sample of the old path", w.r.RTTSample || w.d.RTT.HasSample(), false)
	w.send(Retransmittable)
	w.now = 90 * ms
	w.ackOne(2)
	want(t, "sample", w.d.RTT.Smoothed(), 40*time.Millisecond)
}

func TestFiveRTO(t *testing.T) {
	w := newWorld(Config{NoSkip: true, FiveRTO: true, NoTLP: true, OneRTO: true})
	w.d.HandshakeConfirmed()
	w.send(Retransmittable)
	for range 4 {
		w.fire()
		want(t, "probes", w.r.Probes, 1)
		if w.err != nil {
			t.Fatal(w.err)
		}
		w.send(Retransmittable)
	}
	w.fire()
	var e *Error
	if !errors.As(w.err, &e) || e.Code != wire.TooManyRTOs {
		t.Errorf("fifth RTO: %v", w.err)
	}
}

// A timeout that is not followed by a packet must not be due at once again.
func TestTimeoutsWithoutPackets(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.send(Retransmittable)
	w.d.HandshakeConfirmed()
	for range 20 {
		before := w.d.Timeout()
		w.fire()
		if w.d.Timeout() <= before || w.r.Probes == 0 {
			t.Fatalf("%v after %v", w.d.Timeout(), before)
		}
	}
	want(t, "RTO at most", w.d.Timeout(), w.now+60_000*ms)
}

func TestAckOnlyPackets(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.Sent(&Packet{Number: 1, Size: 40, AckLargest: 17})
	w.d.Sent(&Packet{Number: 2, Size: 40, AckLargest: 19})
	want(t, "timer", w.d.Timeout(), gquic.Never)
	want(t, "in flight", w.d.InFlight(), 0)
	w.send(Retransmittable)
	w.now = ms
	w.ack(span(2, 3))
	want(t, "forget", w.r.AckedAck, 19)
	want(t, "least", w.d.LeastUnacked(), 4) // nobody waits for 1
	want(t, "lost", len(w.r.Lost), 0)
}

// A lost packet is remembered until a packet sent after the loss is acknowledged.
func TestLostIsRemembered(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	w.d.HandshakeConfirmed()
	for range 5 {
		w.d.Sent(&Packet{Number: w.d.NextNumber(), Size: 1000, Flags: Retransmittable, FirstFrame: uint64(w.d.NextNumber()) * 10, Frames: 1})
	}
	w.now = 100 * ms
	w.ackOne(5)
	want(t, "lost", numbers(w.r.Lost), []wire.PacketNumber{1, 2})
	want(t, "least", w.d.LeastUnacked(), 1)
	first, ok := w.d.FirstFrame()
	want(t, "frames", [2]any{first, ok}, [2]any{uint64(10), true})
	w.ack(span(2, 5))
	want(t, "late", numbers(w.r.Acked), []wire.PacketNumber{2, 3, 4})
	want(t, "spurious", w.r.Spurious, 1)
	n := w.send(Retransmittable)
	w.now = 200 * ms
	w.ack(span(2, n))
	want(t, "least", w.d.LeastUnacked(), n+1)
	if _, ok := w.d.FirstFrame(); ok {
		t.Error("frames are still wanted")
	}
	w.ack(span(1, n))
	want(t, "too late", len(w.r.Acked), 0)
}

func TestFull(t *testing.T) {
	w := newWorld(Config{NoSkip: true})
	for range MaxTracked - 1 {
		w.send(0)
	}
	if w.d.Full() {
		t.Error("full too early")
	}
	w.send(0)
	if !w.d.Full() {
		t.Error("not full")
	}
}

func TestWithOptions(t *testing.T) {
	tags := func(names ...string) (tags []uint32) {
		for _, n := range names {
			tags = append(tags, uint32(n[0])|uint32(n[1])<<8|uint32(n[2])<<16|uint32(n[3])<<24)
		}
		return tags
	}
	copt := tags("TIME", "1TLP", "5RTO", "XXXX", "NRTO", "CONH", "1RTO", "NTLP")
	shared := Config{OneTLP: true, FiveRTO: true, LossInRTO: true, SlowCrypto: true, OneRTO: true, NoTLP: true}
	server, client := shared, shared
	server.Loss, client.Loss = ByTime, LazyDistance
	want(t, "server", WithOptions(Config{}, wire.Server, copt, tags("LFAK")), server)
	want(t, "client", WithOptions(Config{}, wire.Client, copt, tags("ATIM", "LFAK")), client)
}
