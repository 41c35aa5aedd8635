package sim

import (
	"encoding/binary"
	"slices"
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

// A bench sends datagrams through one link and notes when they arrive.
type bench struct {
	w       *World
	l       *Link
	arrived []arrival
}

type arrival struct {
	id   int
	at   gquic.Instant
	data []byte
}

func newBench(seed uint64, cfg LinkConfig) *bench {
	b := &bench{w: New(seed)}
	b.l = b.w.Link("l", cfg)
	b.w.Trace = func(e TraceEvent) {
		if e.Kind == TraceUnroutable { // the end of the path: nobody lives there
			b.arrived = append(b.arrived, arrival{int(binary.BigEndian.Uint32(append(append([]byte{}, e.Data...), 0, 0, 0, 0))), e.Now, append([]byte(nil), e.Data...)})
		}
	}
	return b
}

// send makes datagram id of size bytes enter the link at an instant.
func (b *bench) send(at gquic.Instant, id, size int) {
	b.w.At(at, func(w *World) {
		n := w.packets.make(binary.BigEndian.AppendUint32(nil, uint32(id)))
		p := w.packets.at(n)
		p.data = append(p.data, make([]byte, size-4)...)
		p.path, p.hop = []int32{0}, 0
		w.enter(w.links[0], n)
	})
}

func (b *bench) run(t interface{ Fatal(...any) }) {
	if err := b.w.RunUntil(gquic.Instant(1000 * time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// TestQueueModel holds the drop-tail queue against a plain model that looks at every
// datagram again for each one that enters.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := LinkConfig{
			Delay: time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "delay")),
			Rate:  rapid.Int64Range(1000, 1e11).Draw(t, "rate"),
			Queue: rapid.IntRange(1, 20_000).Draw(t, "queue"),
		}
		type entry struct {
			id, size    int
			start, stop gquic.Instant
			waited      bool
		}
		var model []entry
		b := newBench(1, cfg)
		var now gquic.Instant
		drops := uint64(0)
		for id := range rapid.IntRange(1, 60).Draw(t, "datagrams") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Millisecond)).Draw(t, "gap")))
			size := rapid.IntRange(4, 1472).Draw(t, "size")
			b.send(now, id, size)
			e := entry{id: id, size: size, start: now}
			waiting, busy := 0, false
			for _, m := range model {
				if m.waited && m.start >= now {
					waiting += m.size + HeaderBytes
				}
				if m.stop > now || m.waited && m.start >= now {
					busy = true
				}
				e.start = max(e.start, m.stop)
			}
			if busy && waiting+size+HeaderBytes > cfg.Queue {
				drops++
				continue
			}
			e.waited = busy
			e.stop = e.start.Add(transmission(size+HeaderBytes, cfg.Rate))
			model = append(model, e)
		}
		b.run(t)
		if b.l.stats.QueueDropped != drops || len(b.arrived) != len(model) {
			t.Fatalf("%d dropped and %d arrived, the model says %d and %d", b.l.stats.QueueDropped, len(b.arrived), drops, len(model))
		}
		for i, m := range model {
			if got := b.arrived[i]; got.id != m.id || got.at != m.stop.Add(cfg.Delay) {
				t.Fatalf("arrival %d is datagram %d at %v, the model says %d at %v", i, got.id, got.at, m.id, m.stop.Add(cfg.Delay))
			}
		}
		if b.l.bytes != 0 || b.l.queue.len() != 0 {
			t.Fatalf("%d bytes are left in the queue", b.l.bytes)
		}
	})
}

// TestLinkOrder: without reordering a link keeps the order, whatever else it does, and
// nothing arrives before its time.
func TestLinkOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := LinkConfig{
			Delay:      time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "delay")),
			Jitter:     time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "jitter")),
			Rate:       rapid.SampledFrom([]int64{0, 1e5, 1e7}).Draw(t, "rate"),
			CoDel:      rapid.SampledFrom([]time.Duration{0, time.Millisecond}).Draw(t, "codel"),
			Loss:       PPM(rapid.IntRange(0, 500_000).Draw(t, "loss")),
			BurstEnter: PPM(rapid.IntRange(0, 500_000).Draw(t, "enter")),
			Duplicate:  PPM(rapid.IntRange(0, 500_000).Draw(t, "duplicate")),
		}
		b := newBench(rapid.Uint64().Draw(t, "seed"), cfg)
		var sent []gquic.Instant
		for id := range 100 {
			at := gquic.Instant(id) * gquic.Instant(time.Millisecond)
			sent = append(sent, at)
			b.send(at, id, 1000)
		}
		b.run(t)
		last := -1
		for _, a := range b.arrived {
			if a.id < last {
				t.Fatalf("datagram %d after %d", a.id, last)
			}
			last = a.id
			if early := sent[a.id].Add(cfg.Delay); a.at < early {
				t.Fatalf("datagram %d arrived at %v, before %v", a.id, a.at, early)
			}
		}
	})
}

// TestLinkEnds: every datagram and copy ends in exactly one way, and all ways are used.
func TestLinkEnds(t *testing.T) {
	b := newBench(3, LinkConfig{
		Rate: 1_000_000, Queue: 20_000, CoDel: 5 * time.Millisecond, MTU: 1400, Loss: Percent, BurstEnter: Percent, Duplicate: 10 * Percent,
		Corrupt: Percent, Truncate: Percent, Reorder: 5 * Percent,
		Outages: []Outage{{From: gquic.Instant(time.Second), To: gquic.Instant(2 * time.Second)}},
	})
	for i := range 5000 {
		b.send(gquic.Instant(time.Duration(i)*2*time.Millisecond), i, 100+i%1350)
	}
	b.run(t)
	s := b.l.stats
	if s.Entered != 5000+s.Duplicated || s.Passed != uint64(len(b.arrived)) {
		t.Errorf("%d entered with %d copies, %d passed of %d: %+v", s.Entered, s.Duplicated, s.Passed, len(b.arrived), s)
	}
	if sum := s.Passed + s.Lost + s.QueueDropped + s.CoDelDropped + s.TooLarge + s.OutageDropped; sum != s.Entered {
		t.Errorf("%d entered, %d ended: %+v", s.Entered, sum, s)
	}
	for name, n := range map[string]uint64{"lost": s.Lost, "dropped": s.QueueDropped, "dropped by CoDel": s.CoDelDropped, "too large": s.TooLarge,
		"outage": s.OutageDropped, "corrupted": s.Corrupted, "truncated": s.Truncated, "reordered": s.Reordered} {
		if n == 0 {
			t.Errorf("none %s: %+v", name, s)
		}
	}
	if free := len(b.w.packets.free); free != len(b.w.packets.all) {
		t.Errorf("%d of %d packets were given back", free, len(b.w.packets.all))
	}
}

// TestBursts: losses in bursts have the share and the mean length that the two
// probabilities give.
func TestBursts(t *testing.T) {
	const n = 200_000
	b := newBench(5, LinkConfig{BurstEnter: Percent, BurstLeave: 20 * Percent, BurstLoss: 90 * Percent})
	for i := range n {
		b.send(gquic.Instant(i), i, 100)
	}
	b.run(t)
	// In the long run 1 of 21 is in a burst, and 0.9 of those are lost: 4.286%.
	if lost := b.l.stats.Lost; lost < n*40/1000 || lost > n*46/1000 {
		t.Errorf("%d of %d lost, want about 4.3%%", lost, n)
	}
	there := make([]bool, n)
	for _, a := range b.arrived {
		there[a.id] = true
	}
	runs := 0
	for i := range there {
		if !there[i] && (i == 0 || there[i-1]) {
			runs++
		}
	}
	// A burst of mean 5 with every tenth let through is cut up: 1/(1-0.8*0.9) = 3.57.
	if mean := 100 * int(b.l.stats.Lost) / runs; mean < 340 || mean > 375 {
		t.Errorf("runs of %d.%02d losses, want about 3.57", mean/100, mean%100)
	}
}

// TestCoDel: a queue that a sender fills beyond the rate is kept short by drops that come
// faster and faster, while a short burst loses nothing.
func TestCoDel(t *testing.T) {
	const rate = 10_000_000
	own := transmission(1000+HeaderBytes, rate)
	flood := func(codel time.Duration, n int) *bench {
		b := newBench(1, LinkConfig{Rate: rate, Queue: 1 << 20, CoDel: codel})
		for i := range n {
			b.send(gquic.Instant(time.Duration(i)*own*9/10), i, 1000) // a ninth too fast
		}
		b.run(t)
		return b
	}
	plain, managed := flood(0, 10_000), flood(5*time.Millisecond, 10_000)
	if plain.l.stats.QueueDropped+plain.l.stats.CoDelDropped != 0 {
		t.Fatalf("the queue should be large enough: %+v", plain.l.stats)
	}
	if p, m := plain.l.QueueWait(50*Percent), managed.l.QueueWait(50*Percent); m > p/2 {
		t.Errorf("half the datagrams waited up to %v with CoDel, %v without", m, p)
	}
	if burst := flood(5*time.Millisecond, 100); burst.l.stats.CoDelDropped != 0 {
		t.Errorf("a burst of %v lost %d", 100*own, burst.l.stats.CoDelDropped)
	}
}

// TestCoDelLaw: drops are an interval over the root of their number apart (RFC 8289,
// section 3.3).
func TestCoDelLaw(t *testing.T) {
	cfg := LinkConfig{CoDel: 5 * time.Millisecond}.withDefaults()
	var c codel
	var drops []gquic.Instant
	for now := gquic.Instant(0); len(drops) < 6; now = now.Add(10 * time.Microsecond) {
		if c.drops(&cfg, now, 20*time.Millisecond, 50_000) {
			drops = append(drops, now)
		}
	}
	want := []time.Duration{100e6, 200e6, 270.7e6, 328.4e6, 378.4e6, 423.1e6} // 100 ms, then + 100 ms/sqrt(n)
	for i, at := range drops {
		if d := time.Duration(at) - want[i]; d.Abs() > 200*time.Microsecond {
			t.Errorf("drop %d at %v, want %v", i+1, at, want[i])
		}
	}
}

// TestRoot: the integer root is the largest that does not exceed its argument.
func TestRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1<<62).Draw(t, "n")
		if r := root(n); r*r > n || (r+1)*(r+1) <= n {
			t.Fatalf("the root of %d is not %d", n, r)
		}
	})
}

// TestHistogram holds quantiles against a sorted list.
func TestHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 100), rapid.Uint64()), 1, 50).Draw(t, "values")
		var h histogram
		for _, v := range values {
			h.add(v)
		}
		slices.Sort(values)
		share := PPM(rapid.IntRange(1, 1_000_000).Draw(t, "share"))
		exact := values[(uint64(len(values))*uint64(share)+999_999)/1_000_000-1]
		if got := h.quantile(share); got < exact || got-exact > exact/16 {
			t.Fatalf("%d, exactly %d", got, exact)
		}
	})
}

// TestAlarmModel holds the heap of alarms against a plain list.
func TestAlarmModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 12
		var q alarms
		pos, model := make([]int32, nodes), make([]gquic.Instant, nodes)
		for i := range pos {
			pos[i], model[i] = -1, gquic.Never
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := rapid.Int32Range(0, nodes-1).Draw(t, "node")
			at := rapid.SampledFrom([]gquic.Instant{0, 1, 2, 3, 4, gquic.Never}).Draw(t, "at")
			q.set(pos, n, at)
			model[n] = at
			first := 0
			for i := range model {
				if model[i] < model[first] {
					first = i
				}
			}
			if q.next() != model[first] {
				t.Fatalf("next is %v, want %v", q.next(), model[first])
			}
			if model[first] != gquic.Never && q.heap[0].node != int32(first) {
				t.Fatalf("node %d, want %d", q.heap[0].node, first)
			}
		}
	})
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
		if q.len() != len(times) {
			t.Fatal("events are missing")
		}
		for i := range times {
			e := q.pop()
			if i > 0 && !last.before(&e) {
				t.Fatalf("%v/%d after %v/%d", e.at, e.order, last.at, last.order)
			}
			last = e
		}
	})
}
