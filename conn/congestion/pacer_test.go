package congestion

import (
	"testing"
	"time"

	"example.com/gquic"
	"pgregory.net/rapid"
)

func TestQuantum(t *testing.T) {
	for _, x := range []struct{ rate, want uint64 }{
		{0, 2 * MSS},
		{100_000, 2 * MSS},   // 100 bytes in a millisecond
		{10_000_000, 10_000}, // 80 Mbit/s
		{1 << 40, MaxQuantum * MSS},
	} {
		p := NewPacer(MSS)
		p.SetRate(0, x.rate)
		if got := p.Quantum(); got != x.want {
			t.Errorf("rate %d: %d, want %d", x.rate, got, x.want)
		}
	}
}

func TestUnpaced(t *testing.T) {
	p := NewPacer(MSS)
	for range 1000 {
		if !p.Ready(5, 1<<20) {
			t.Fatal("not ready without a rate")
		}
		p.Sent(5, MSS, 0, 1<<20, false)
	}
}

// A packet after quiescence and nine more leave at once, then a quantum, then the rate counts.
func TestBurstAfterQuiescence(t *testing.T) {
	const rate = 1000 * MSS // a packet per millisecond
	send := func(p *Pacer, inRecovery bool) (n int) {
		inFlight := uint64(0)
		for p.Ready(0, inFlight) {
			p.Sent(0, MSS, rate, inFlight, inRecovery)
			inFlight += MSS
			n++
		}
		return n
	}
	p := NewPacer(MSS)
	if got := send(&p, false); got != BurstPackets+MinQuantum {
		t.Errorf("%d packets left", got)
	}
	if got := p.Next(); got != instant(1)+1 {
		t.Errorf("next at %v", got)
	}
	p = NewPacer(MSS)
	if got := send(&p, true); got != MinQuantum {
		t.Errorf("in recovery %d packets left", got)
	}
	p = NewPacer(MSS)
	p.Sent(0, MSS, rate, 0, false)
	p.OnLoss()
	p.Sent(0, MSS, rate, MSS, false)
	p.Sent(0, MSS, rate, MSS, false)
	if p.Ready(0, MSS) {
		t.Error("a loss does not end the burst")
	}
}

// A sender that wakes late, up to a bound, keeps the rate; it never sends more than a quantum at
// once, nor more than the rate and a quantum in any time.
func TestPacerKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := uint64(rapid.OneOf(rapid.IntRange(2000, 100_000), rapid.IntRange(100_000, 1_000_000_000)).Draw(t, "rate"))
		p := NewPacer(MSS)
		p.SetRate(0, rate)
		quantum := p.Quantum()
		period := time.Duration(quantum * uint64(time.Second) / rate)
		late := time.Duration(rapid.IntRange(0, 40).Draw(t, "lateness")) * period / 100 // % of a quantum's time
		var now gquic.Instant
		var sent uint64
		for range 500 {
			var burst uint64
			for p.Ready(now, 1) {
				p.Sent(now, MSS, rate, 1, false)
				burst += MSS
			}
			if burst > quantum || burst == 0 {
				t.Fatalf("%d bytes at once, quantum %d", burst, quantum)
			}
			sent += burst
			if most := mulDiv(rate, uint64(now), uint64(time.Second)) + quantum; sent > most {
				t.Fatalf("%d bytes by %v, at most %d", sent, now, most)
			}
			next := p.Next()
			if next <= now {
				t.Fatalf("not ready at %v, but to look again at %v", now, next)
			}
			if early := now + (next-now)/2; rapid.IntRange(0, 3).Draw(t, "looks early") == 0 {
				p.SetRate(early, rate) // as with every report
				if moved := p.Next() - next; moved < -2 || moved > 2 {
					t.Fatalf("the next time moved by %v", moved)
				}
				next = p.Next()
			}
			now = next.Add(late)
			if !p.Ready(now, 1) {
				t.Fatal("not ready when it said it would be")
			}
		}
		if least := mulDiv(rate, uint64(now), uint64(time.Second)); sent+quantum < least-least/200 {
			t.Fatalf("%d bytes by %v, rate %d", sent, now, rate)
		}
	})
}

// Looking at the clock often, as with every ACK, must not lose time.
func TestPacerKeepsFractions(t *testing.T) {
	p := NewPacer(MSS)
	const rate = 5000
	p.SetRate(0, rate)
	var now gquic.Instant
	var sent uint64
	for ; now < 100*instant(1000); now += instant(1) / 20 {
		p.SetRate(now, rate)
		if p.Ready(now, 1) {
			p.Sent(now, MSS, rate, 1, false)
			sent += MSS
		}
	}
	if want := uint64(100 * rate); sent < want-want/100 || sent > want+3*MSS {
		t.Errorf("%d bytes, want %d", sent, want)
	}
}
