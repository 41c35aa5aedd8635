package congestion

import (
	"testing"
	"time"

	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// smallMax is the largest window of the worked numbers' source: 1000 MSS.
const smallMax = 1000 * MSS

// state is what the worked numbers show.
type state struct {
	window, threshold     uint64
	recovering, slowStart bool
}

func stateOf(c Controller) state {
	l := c.(*lossBased)
	return state{l.window, l.threshold, l.InRecovery(), l.InSlowStart()}
}

// The sender walk of connection 19.4.
func TestCubicWalk(t *testing.T) {
	h := newHarness(New(Cubic, Options{MaxWindow: smallMax}), 0) // no RTT sample
	check := func(event string, want state) {
		t.Helper()
		if got := stateOf(h.c); got != want {
			t.Errorf("%s: %+v, want %+v", event, got, want)
		}
	}
	check("initial", state{46720, 1460000, false, true})
	h.send(32)
	h.ack(0, span(1, 10)...)
	check("1..10 acked", state{61320, 1460000, false, true})
	h.ack(14600, 11)
	check("app limited", state{61320, 1460000, false, true})
	h.send(10)
	h.lose(58400, 12)
	check("12 lost", state{52122, 52122, true, false})
	h.lose(58400, 13)
	check("13 lost", state{52122, 52122, true, false})
	h.ack(58400, 20)
	check("20 acked", state{52122, 52122, true, false})
	h.send(1)
	h.ack(58400, 43)
	check("43 acked", state{52161, 52122, false, false})
	h.report(0, nil, nil, func(r *recovery.Report) { r.RTOVerified = true })
	check("RTO", state{2920, 26080, false, true})
	h.c.OnPathChanged()
	check("migration", state{46720, 1460000, false, true})
}

// Losses in a row, connection 19.4.
func TestCubicLossesInARow(t *testing.T) {
	h := newHarness(New(Cubic, Options{MaxWindow: smallMax}), 60*time.Millisecond)
	for _, want := range []uint64{39712, 33755, 28691, 24387, 20728, 17618, 14975, 12728, 10818, 9195,
		7815, 6642, 5645, 4798, 4078, 3466, 2946, 2920, 2920} {
		h.lose(0, h.send(1))
		if got := h.c.Window(); got != want {
			t.Fatalf("window %d, want %d", got, want)
		}
	}
}

func TestMaxWindow(t *testing.T) {
	h := newHarness(New(Cubic, Options{MaxWindow: 40 * MSS}), 60*time.Millisecond)
	h.send(60)
	for n := wire.PacketNumber(1); n <= 20; n++ {
		h.ack(h.c.Window(), n)
	}
	if got, want := stateOf(h.c), (state{58400, 58400, false, false}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The Reno walk: one MSS after 16 acknowledged packets, the next after 17 more.
func TestRenoWalk(t *testing.T) {
	h := newHarness(New(NewReno, Options{}), 60*time.Millisecond)
	h.c.(*lossBased).threshold = h.c.Window()
	h.send(60)
	want := map[wire.PacketNumber]uint64{15: 46720, 16: 48180, 31: 48180, 32: 48180, 33: 49640, 40: 49640}
	for n := wire.PacketNumber(1); n <= 40; n++ {
		h.ack(h.c.Window(), n)
		if w, ok := want[n]; ok && h.c.Window() != w {
			t.Errorf("after %d: %d, want %d", n, h.c.Window(), w)
		}
	}
	h.lose(0, 41)
	if got, want := stateOf(h.c), (state{42194, 42194, true, false}); got != want {
		t.Errorf("loss: %+v, want %+v", got, want)
	}
}

// The curves of connection 19.4, without the reference vectors.
func TestCubicWorkedNumbers(t *testing.T) {
	for _, x := range []struct {
		n, k uint64
		want []uint64
	}{
		{2, 3426, []uint64{125071, 125257, 126912, 133224, 138926, 144728, 145985, 146204, 148892, 206850, 322140}},
		{1, 4316, []uint64{103763, 104060, 106722, 117222, 127466, 140068, 145076, 145998, 146340, 178970, 262131}},
	} {
		c := cubicCurve{n: x.n}
		w := c.afterLoss(146000)
		c.afterAck(0, MSS, w, 50*time.Millisecond)
		if c.k != x.k {
			t.Errorf("n=%d: k %d, want %d", x.n, c.k, x.k)
		}
		for i, ms := range []int64{0, 10, 100, 500, 1000, 2000, 3000, 4000, 5000, 8000, 10000} {
			if got := c.at(instant(ms), 50*time.Millisecond); got != x.want[i] {
				t.Errorf("n=%d at %d ms: %d, want %d", x.n, ms, got, x.want[i])
			}
		}
	}
}

// Time in which the window is not used does not count for the curve.
func TestCubicEpochEndsWhenAppLimited(t *testing.T) {
	h := newHarness(New(Cubic, Options{}), 60*time.Millisecond)
	h.send(40)
	h.lose(0, 1)
	h.ack(0, h.send(1))
	c := &h.c.(*lossBased).cubic
	if !c.running {
		t.Fatal("no epoch")
	}
	window := h.c.Window()
	h.now += instant(30_000)
	h.ack(MSS, 2)
	if c.running || h.c.Window() != window {
		t.Errorf("app-limited: running %v, window %d", c.running, h.c.Window())
	}
	h.ack(h.c.Window(), 3)
	if got := h.c.Window(); got > window+MSS {
		t.Errorf("window %d after an idle time, was %d", got, window)
	}
}

func TestLossUndone(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno} {
		h := newHarness(New(a, Options{}), 60*time.Millisecond)
		h.send(32)
		h.lose(0, 1, 2)
		if h.c.Window() >= DefaultInitialWindow || !h.c.InRecovery() {
			t.Fatalf("%v: no reaction to a loss", a)
		}
		h.ack(0, 1)
		if h.c.Window() >= DefaultInitialWindow {
			t.Errorf("%v: undone although 2 is still lost", a)
		}
		h.ack(0, 2)
		if h.c.Window() != DefaultInitialWindow || h.c.InRecovery() || !h.c.InSlowStart() {
			t.Errorf("%v: window %d after all losses were undone", a, h.c.Window())
		}
	}
}

func TestLargeReduction(t *testing.T) {
	h := newHarness(New(Cubic, Options{LargeReduction: true}), 60*time.Millisecond)
	h.send(32)
	for i, want := range []uint64{31, 30, 29} {
		h.lose(0, wire.PacketNumber(i+1))
		if got := h.c.Window(); got != want*MSS {
			t.Errorf("loss %d: %d MSS, want %d", i, got/MSS, want)
		}
	}
	h.lose(0, span(4, 31)...)
	if got := h.c.Window(); got != 16*MSS {
		t.Errorf("many losses: %d MSS, want half", got/MSS)
	}
}

func TestSizeProbesAreNoCongestion(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		h := newHarness(New(a, Options{}), 60*time.Millisecond)
		h.send(20)
		p := h.packets[3]
		p.Flags |= recovery.Probe
		h.packets[3] = p
		h.lose(0, 3)
		if h.c.InRecovery() || h.c.Window() != DefaultInitialWindow {
			t.Errorf("%v: the loss of a probe counted", a)
		}
	}
}

func TestIgnoredLoss(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		h := newHarness(New(a, Options{}), 60*time.Millisecond)
		h.send(20)
		h.report(0, nil, span(1, 3), func(r *recovery.Report) { r.IgnoreLoss = true })
		if h.c.InRecovery() || h.c.Window() != DefaultInitialWindow {
			t.Errorf("%v: an ignored loss counted", a)
		}
	}
}

func TestHystartEndsSlowStart(t *testing.T) {
	h := newHarness(New(Cubic, Options{}), 60*time.Millisecond)
	h.send(32)
	for n := wire.PacketNumber(1); n <= 8; n++ {
		h.rtt.Update(80*time.Millisecond, 0)
		h.report(0, []wire.PacketNumber{n}, nil, func(r *recovery.Report) { r.RTTSample = true })
		if got, want := h.c.InSlowStart(), n < 8; got != want {
			t.Errorf("after sample %d: slow start %v", n, got)
		}
	}
}

func TestOptions(t *testing.T) {
	tags := func(names ...string) (tags []uint32) {
		for _, n := range names {
			tags = append(tags, uint32(n[0])|uint32(n[1])<<8|uint32(n[2])<<16|uint32(n[3])<<24)
		}
		return tags
	}
	for _, x := range []struct {
		name       string
		p          wire.Perspective
		copt, clop []uint32
		a          Algorithm
		o          Options
	}{
		{"nothing", wire.Server, nil, nil, Cubic, Options{}},
		{"unknown", wire.Server, tags("XXXX", "TPCC"), nil, Cubic, Options{}},
		{"server obeys COPT", wire.Server, tags("TBBR", "IW10", "1RTT", "NPRR", "1CON"), tags("RENO"),
			BBR, Options{InitialWindow: 10 * MSS, StartupRounds: 1, NoPRR: true, Connections: 1}},
		{"client obeys CLOP", wire.Client, tags("TBBR", "IW10", "MIN4", "NPRR", "1CON"), tags("RENO", "IW50"),
			NewReno, Options{InitialWindow: 50 * MSS, Connections: 1}},
		{"the rest", wire.Server, tags("BYTE", "IW03", "MIN1", "SSLR", "2RTT", "BBQ1", "BBQ4", "BBRS", "BBR6"), nil, Cubic,
			Options{InitialWindow: 3 * MSS, MinWindow: MSS, LargeReduction: true, StartupRounds: 2,
				LowGain: true, SlowDrain: true, SlowStartup: true, LargeProbeRTT: true}},
	} {
		if a, o := FromOptions(x.p, x.copt, x.clop, Cubic, Options{}); a != x.a || o != x.o {
			t.Errorf("%s: %v %+v, want %v %+v", x.name, a, o, x.a, x.o)
		}
	}
}
