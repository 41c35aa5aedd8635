package ack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const ms = gquic.Instant(time.Millisecond)

// A model is a tracker without any cleverness: a set, and the rules one by one.
type model struct {
	seen          map[wire.PacketNumber]bool
	mark, largest wire.PacketNumber
	largestAt     gquic.Instant
}

func (m *model) duplicate(n wire.PacketNumber) bool { return n < m.mark || m.seen[n] }

func (m *model) ranges() (ranges []wire.AckRange) {
	var all []wire.PacketNumber
	for n := range m.seen {
		all = append(all, n)
	}
	slices.Sort(all)
	slices.Reverse(all)
	for _, n := range all {
		if last := len(ranges) - 1; last >= 0 && ranges[last].Smallest == n+1 {
			ranges[last].Smallest = n
		} else {
			ranges = append(ranges, wire.AckRange{Smallest: n, Largest: n})
		}
	}
	return ranges
}

func (m *model) forget(below wire.PacketNumber) {
	m.mark = max(m.mark, below)
	for n := range m.seen {
		if n < m.mark {
			delete(m.seen, n)
		}
	}
}

func (m *model) received(now gquic.Instant, n wire.PacketNumber) {
	if m.duplicate(n) {
		return
	}
	m.seen[n] = true
	if n > m.largest {
		m.largest, m.largestAt = n, now
	}
	if r := m.ranges(); len(r) > MaxRanges {
		m.forget(r[MaxRanges].Largest + 1)
	}
}

func TestTrackerIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := NewTracker(Mode(rapid.IntRange(0, 1).Draw(t, "mode")))
		m := model{seen: map[wire.PacketNumber]bool{}, mark: 1}
		var now gquic.Instant
		sparse := rapid.Bool().Draw(t, "sparse")
		owed := false
		t.Repeat(map[string]func(*rapid.T){
			"receive": func(t *rapid.T) {
				now += gquic.Instant(rapid.IntRange(0, 30).Draw(t, "ms")) * ms
				var n wire.PacketNumber
				if sparse && rapid.IntRange(0, 9).Draw(t, "gap") < 9 {
					n = m.largest + 2
				} else {
					n = wire.PacketNumber(rapid.IntRange(0, int(m.largest)+4).Draw(t, "number"))
				}
				asks := rapid.Bool().Draw(t, "asks")
				fresh := !m.duplicate(n)
				before := tr.Timeout()
				m.received(now, n)
				tr.Received(now, n, asks, time.Duration(rapid.IntRange(0, 200).Draw(t, "rtt"))*time.Millisecond)
				if !fresh || !asks {
					if tr.Timeout() != before {
						t.Fatalf("packet %d (fresh %v, asks %v) moved the deadline", n, fresh, asks)
					}
					return
				}
				owed = true
				if got := tr.Timeout(); got > before || got > now.Add(MaxDelay) {
					t.Fatalf("deadline %v after packet %d at %v, was %v", got, n, now, before)
				}
			},
			"many": func(t *rapid.T) {
				if !sparse {
					t.Skip()
				}
				for range rapid.IntRange(1, 100).Draw(t, "packets") {
					n := m.largest + 2
					m.received(now, n)
					tr.Received(now, n, true, 0)
				}
				owed = true
			},
			"forget": func(t *rapid.T) {
				if m.largest == 0 {
					t.Skip()
				}
				below := wire.PacketNumber(rapid.IntRange(0, int(m.largest)+5).Draw(t, "below"))
				m.forget(min(below, m.largest))
				tr.Forget(below)
			},
			"ack": func(t *rapid.T) {
				tr.Sent(now)
				owed = false
			},
			"clone": func(*rapid.T) {
				c := tr.Clone()
				tr.Received(now, tr.Largest()+1, true, 0) // must not touch the clone
				tr.Forget(tr.Largest())
				tr = c
			},
			"": func(t *rapid.T) {
				if diff := cmp.Diff(m.ranges(), tr.Ranges(), cmpEmpty); diff != "" {
					t.Fatalf("ranges: %s", diff)
				}
				if tr.Mark() != m.mark || tr.Largest() != m.largest {
					t.Fatalf("mark %d, largest %d, want %d, %d", tr.Mark(), tr.Largest(), m.mark, m.largest)
				}
				if tr.Pending() != owed {
					t.Fatalf("pending %v, want %v", tr.Pending(), owed)
				}
				for n := wire.PacketNumber(0); n < m.largest+3; n++ {
					if tr.Duplicate(n) != m.duplicate(n) {
						t.Fatalf("duplicate(%d) is %v", n, tr.Duplicate(n))
					}
				}
				if m.largest > 0 && tr.Delay(now) != now.Sub(m.largestAt) {
					t.Fatalf("delay %v, want %v", tr.Delay(now), now.Sub(m.largestAt))
				}
			},
		})
	})
}

var cmpEmpty = cmp.Transformer("empty", func(r []wire.AckRange) []string {
	s := []string{}
	for _, x := range r {
		s = append(s, x.String())
	}
	return s
})

// A step is a packet and what is due after it: "now", "" for nothing, or when.
type step struct {
	at   int // ms
	pn   wire.PacketNumber
	asks bool
	due  string
	sent bool // an ACK goes out after it
}

func run(t *testing.T, tr *Tracker, minRTT time.Duration, steps []step) {
	t.Helper()
	for _, s := range steps {
		now := gquic.Instant(s.at) * ms
		tr.Received(now, s.pn, s.asks, minRTT)
		got := ""
		switch {
		case tr.Due(now):
			got = "now"
		case tr.Pending():
			got = time.Duration(tr.Timeout()).String()
		}
		if got != s.due {
			t.Errorf("packet %d at %d: due %q, want %q", s.pn, s.at, got, s.due)
		}
		if s.sent {
			tr.Sent(now)
		}
	}
}

func TestEverySecond(t *testing.T) {
	tr := NewTracker(EverySecond)
	run(t, &tr, 60*time.Millisecond, []step{
		{at: 0, pn: 1, asks: true, due: "25ms"},
		{at: 10, pn: 2, asks: true, due: "now", sent: true},
		{at: 20, pn: 3, asks: false, due: ""}, // ACK-only: never a cause
		{at: 21, pn: 4, asks: false, due: ""},
		{at: 30, pn: 5, asks: true, due: "55ms"},
		{at: 31, pn: 6, asks: false, due: "55ms"},
		{at: 32, pn: 7, asks: true, due: "now", sent: true},
		{at: 40, pn: 9, asks: true, due: "now", sent: true}, // gap
		{at: 41, pn: 8, asks: true, due: "now", sent: true}, // reported missing
		{at: 50, pn: 10, asks: true, due: "75ms", sent: true},
		{at: 60, pn: 12, asks: false, due: ""},
		{at: 61, pn: 11, asks: true, due: "now", sent: true}, // out of order
	})
}

func TestGapRuleEnds(t *testing.T) {
	tr := NewTracker(EverySecond)
	run(t, &tr, 0, []step{
		{at: 0, pn: 1, asks: true, due: "25ms", sent: true},
		{at: 1, pn: 3, asks: true, due: "now", sent: true},
		{at: 2, pn: 4, asks: true, due: "now", sent: true},
		{at: 3, pn: 5, asks: true, due: "now", sent: true},
		{at: 4, pn: 6, asks: true, due: "now", sent: true}, // the fourth above the gap
		{at: 5, pn: 7, asks: true, due: "30ms"},
	})
}

func TestDecimated(t *testing.T) {
	tr := NewTracker(Decimated)
	for n := wire.PacketNumber(1); n <= 100; n++ {
		tr.Received(0, n, true, 0)
	}
	tr.Sent(0)
	var steps []step
	for i := range 9 {
		steps = append(steps, step{at: 200 + i, pn: wire.PacketNumber(101 + i), asks: true, due: "215ms"})
	}
	steps = append(steps, step{at: 209, pn: 110, asks: true, due: "now", sent: true},
		step{at: 300, pn: 112, asks: true, due: "307.5ms", sent: true}, // gap: minRTT/8
		step{at: 301, pn: 111, asks: true, due: "now", sent: true})     // reported missing
	run(t, &tr, 60*time.Millisecond, steps)
	run(t, &tr, 400*time.Millisecond, []step{{at: 400, pn: 113, asks: true, due: "425ms", sent: true}})
	run(t, &tr, 0, []step{{at: 500, pn: 114, asks: true, due: "525ms", sent: true}})
	run(t, &tr, 100*time.Microsecond, []step{{at: 600, pn: 115, asks: true, due: "601ms"}})
}

// A bulk transfer costs at most one ACK per ten packets after the start.
func TestDecimatedCost(t *testing.T) {
	tr := NewTracker(Decimated)
	acks := 0
	for n := wire.PacketNumber(1); n <= 10_100; n++ {
		now := gquic.Instant(n) * ms / 10
		tr.Received(now, n, true, 50*time.Millisecond)
		if tr.Due(now) {
			tr.Sent(now)
			if n > 100 {
				acks++
			}
		}
	}
	if acks > 1000 {
		t.Errorf("%d ACKs for 10000 packets", acks)
	}
}

func TestDueNow(t *testing.T) {
	tr := NewTracker(EverySecond)
	tr.DueNow()
	if tr.Pending() || tr.Due(0) {
		t.Error("an ACK is due before the first packet")
	}
	tr.Received(5, 1, false, 0)
	tr.DueNow()
	if !tr.Due(-1000) || tr.Timeout() > 0 {
		t.Error("not due")
	}
	tr.Sent(5)
	if tr.Pending() || tr.Timeout() != gquic.Never {
		t.Error("still due after the ACK")
	}
}

func TestModeFromOptions(t *testing.T) {
	for _, x := range []struct {
		tags []uint32
		want Mode
	}{
		{nil, Decimated},
		{[]uint32{tagACD0}, EverySecond},
		{[]uint32{tagACD0, 1234, tagAKD2}, Decimated},
	} {
		if got := ModeFromOptions(x.tags, Decimated); got != x.want {
			t.Errorf("%x: %v", x.tags, got)
		}
	}
}

// The reference's own history of ranges.
func TestReceiveHistoryVectors(t *testing.T) {
	var v struct {
		AckGeneration struct {
			History struct {
				Steps []struct {
					Packet wire.PacketNumber
					Below  wire.PacketNumber      `json:"delete_below"`
					Ranges [][2]wire.PacketNumber `json:"ranges_high_low"`
				}
			} `json:"receive_history"`
		} `json:"ack_generation"`
	}
	readVectors(t, &v)
	tr := NewTracker(EverySecond)
	for i, s := range v.AckGeneration.History.Steps {
		if s.Packet != 0 {
			tr.Received(0, s.Packet, true, 0)
		}
		tr.Forget(s.Below)
		var want []wire.AckRange
		for _, r := range s.Ranges {
			want = append(want, wire.AckRange{Smallest: r[1], Largest: r[0]})
		}
		if diff := cmp.Diff(want, tr.Ranges()); diff != "" {
			t.Errorf("step %d: %s", i, diff)
		}
	}
}

func readVectors(t *testing.T, v any) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "shared/vectors/wire.json")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Skip("shared/vectors is not beside this checkout; skipping the reference vectors")
		}
		dir = filepath.Dir(dir)
	}
	b, err := os.ReadFile(filepath.Join(dir, "shared/vectors/connection.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func TestNoAllocations(t *testing.T) {
	tr := NewTracker(EverySecond)
	n := wire.PacketNumber(0)
	for range 2 * MaxRanges { // as many gaps as fit
		n += 2
		tr.Received(0, n, true, 0)
	}
	if got := testing.AllocsPerRun(1000, func() {
		n++
		tr.Received(gquic.Instant(n), n, true, 0)
		n += 2
		tr.Received(gquic.Instant(n), n, true, 0)
		tr.Received(gquic.Instant(n), n-1, true, 0)
		if tr.Due(gquic.Instant(n)) {
			tr.Sent(gquic.Instant(n))
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkReceived(b *testing.B) {
	tr := NewTracker(EverySecond)
	for i := range b.N {
		n := wire.PacketNumber(i + 1)
		if !tr.Duplicate(n) {
			tr.Received(gquic.Instant(i), n, true, 0)
		}
		if tr.Due(gquic.Instant(i)) {
			tr.Sent(gquic.Instant(i))
		}
	}
}
