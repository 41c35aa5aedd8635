package sim

import (
	"testing"
	"time"

	"example.com/gquic"
	"pgregory.net/rapid"
)

// TestPrng pins the first draws: they must be the same on every architecture and for ever,
// or recorded seeds lose their meaning.
func TestPrng(t *testing.T) {
	r := Rand{}
	for i, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f} {
		if got := r.Uint64(); got != want { // SplitMix64 from state 0, as published
			t.Errorf("draw %d is %#x, want %#x", i, got, want)
		}
	}
	s := NewRand(1, "link up")
	hits := 0
	for range 100_000 {
		if s.Chance(5 * Percent) {
			hits++
		}
	}
	if hits < 4700 || hits > 5300 {
		t.Errorf("5%% came %d times in 100000", hits)
	}
}

// TestLinkRate: what a link passes leaves it no faster than its rate, in order, and what
// waits never exceeds the queue.
func TestLinkRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := LinkConfig{
			Delay: time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "delay")),
			Rate:  rapid.Int64Range(1000, 1e11).Draw(t, "rate"),
			Queue: rapid.IntRange(0, 100_000).Draw(t, "queue"),
		}
		l := &Link{cfg: cfg.withDefaults(), rand: NewRand(rapid.Uint64().Draw(t, "seed"), "l")}
		var now, last gquic.Instant
		passedAny := false
		for range rapid.IntRange(1, 100).Draw(t, "datagrams") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Millisecond)).Draw(t, "gap")))
			size := rapid.IntRange(1, 1472).Draw(t, "size")
			out, f := l.enter(now, make([]byte, size), nil)
			if f != passed {
				if f != queueDropped {
					t.Fatalf("fate %d", f)
				}
				continue
			}
			own := transmission(size+HeaderBytes, cfg.Rate)
			left := out[0].at.Add(-cfg.Delay)
			if passedAny && left.Sub(last) < own {
				t.Fatalf("left %v after the one before, but takes %v itself", left.Sub(last), own)
			}
			last, passedAny = left, true
			wait := left.Sub(now) - own
			if limit := transmission(l.cfg.Queue, cfg.Rate); wait > limit {
				t.Fatalf("waited %v, the queue is worth %v", wait, limit)
			}
		}
	})
}

// TestLinkEnds: every datagram and copy ends in exactly one way.
func TestLinkEnds(t *testing.T) {
	l := &Link{rand: NewRand(3, "l"), cfg: LinkConfig{
		Rate: 1_000_000, Queue: 20_000, MTU: 1400, Loss: Percent, BurstEnter: Percent, Duplicate: 10 * Percent,
		Corrupt: Percent, Truncate: Percent, Reorder: 5 * Percent,
		Outages: []Outage{{From: gquic.Instant(time.Second), To: gquic.Instant(2 * time.Second)}},
	}.withDefaults()}
	out := 0
	for i := range 5000 {
		got, _ := l.enter(gquic.Instant(time.Duration(i)*time.Millisecond), make([]byte, 100+i%1350), nil)
		out += len(got)
	}
	s := l.stats
	if s.Entered != 5000+s.Duplicated || s.Passed != uint64(out) {
		t.Errorf("%d entered with %d copies, %d passed of %d: %+v", s.Entered, s.Duplicated, s.Passed, out, s)
	}
	if sum := s.Passed + s.Lost + s.QueueDropped + s.TooLarge + s.OutageDropped; sum != s.Entered {
		t.Errorf("%d entered, %d ended: %+v", s.Entered, sum, s)
	}
	for name, n := range map[string]uint64{"lost": s.Lost, "dropped": s.QueueDropped, "too large": s.TooLarge, "outage": s.OutageDropped,
		"corrupted": s.Corrupted, "truncated": s.Truncated, "reordered": s.Reordered} {
		if n == 0 {
			t.Errorf("none %s: %+v", name, s)
		}
	}
}

// TestPattern: a pattern is the same however it is cut, and a wrong byte is found.
func TestPattern(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := pattern(rapid.Uint64().Draw(t, "key"))
		offset := rapid.Int64Range(0, 1<<40).Draw(t, "offset")
		b := make([]byte, rapid.IntRange(1, 100).Draw(t, "length"))
		p.fill(b, offset)
		cut := rapid.IntRange(0, len(b)).Draw(t, "cut")
		if p.check(b[:cut], offset) >= 0 || p.check(b[cut:], offset+int64(cut)) >= 0 {
			t.Fatal("a right byte is called wrong")
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "damage")
		b[at] ^= 1
		if got := p.check(b, offset); got != at {
			t.Fatalf("the wrong byte is at %d, found at %d", at, got)
		}
	})
}

// TestAuthority: equal names give equal certificates, and they verify.
func TestAuthority(t *testing.T) {
	a, b := NewAuthority("a"), NewAuthority("a")
	x, y := a.Issue("one.example", "192.0.2.1"), b.Issue("one.example", "192.0.2.1")
	if string(x.Chain[0]) != string(y.Chain[0]) {
		t.Error("two certificates of one name differ")
	}
	if other := a.Issue("two.example"); string(other.Chain[0]) == string(x.Chain[0]) {
		t.Error("certificates of two names are equal")
	}
	if long := a.IssueChain(4000, "one.example"); len(long.Chain[0]) < 4000 {
		t.Errorf("a long certificate has %d bytes", len(long.Chain[0]))
	}
}

// TestQueueOrder: events come by time, and those of one instant in the order of their making.
func TestQueueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q eventQueue
		times := rapid.SliceOfN(rapid.Int64Range(0, 5), 1, 50).Draw(t, "times")
		for i, at := range times {
			q.push(event{at: gquic.Instant(at), order: uint64(i)})
		}
		var last event
		for i := range times {
			e := q.pop()
			if i > 0 && !last.before(&e) {
				t.Fatalf("%v/%d after %v/%d", e.at, e.order, last.at, last.order)
			}
			last = e
		}
	})
}
