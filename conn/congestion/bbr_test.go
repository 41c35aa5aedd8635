package congestion

import (
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// A pipe is a path that delivers in order at a fixed rate after a fixed time, without loss: enough
// to lead BBR through its states. Every packet is acknowledged by itself.
type pipe struct {
	*harness
	b      *bbr
	rate   uint64
	rtt    time.Duration
	free   gquic.Instant
	due    []gquic.Instant // of the ACKs of packets in flight
	oldest wire.PacketNumber
	states []bbrState // as they came
}

func newPipe(o Options, rate uint64, rtt time.Duration) *pipe {
	h := newHarness(New(BBR, o), 0)
	return &pipe{harness: h, b: h.c.(*bbr), rate: rate, rtt: rtt, oldest: 1}
}

// run keeps the window full, at the pacing rate, until end.
func (p *pipe) run(end gquic.Instant, appRate uint64) {
	send := p.now
	for {
		next := gquic.Never
		if p.c.CanSend(p.inFlight) {
			next = max(send, p.now)
		}
		if len(p.due) > 0 && p.due[0] <= next {
			next = p.due[0]
		}
		if next > end {
			p.now = end
			return
		}
		p.now = next
		if len(p.due) > 0 && p.due[0] == p.now {
			p.due = p.due[1:]
			sentAt := p.packets[p.oldest].SentAt
			p.harness.rtt.Update(p.now.Sub(sentAt), 0)
			p.report(0, []wire.PacketNumber{p.oldest}, nil, func(r *recovery.Report) { r.RTTSample = true })
			delete(p.packets, p.oldest)
			p.oldest++
			if k := len(p.states); k == 0 || p.states[k-1] != p.b.state {
				p.states = append(p.states, p.b.state)
			}
			continue
		}
		p.send(1)
		p.free = max(p.free, p.now).Add(time.Duration(MSS * uint64(time.Second) / p.rate))
		p.due = append(p.due, p.free.Add(p.rtt))
		rate := p.c.PacingRate(&p.harness.rtt)
		if appRate > 0 {
			rate = min(rate, appRate)
			p.c.OnAppLimited(p.inFlight)
		}
		send = p.now.Add(time.Duration(MSS * uint64(time.Second) / rate))
	}
}

func TestBBRFindsThePath(t *testing.T) {
	const rate, rtt = 1_000_000, 50 * time.Millisecond
	p := newPipe(Options{}, rate, rtt)
	p.run(instant(5000), 0)
	bdp := uint64(rate / 20)
	if got := p.b.bandwidth.max(); got < rate*98/100 || got > rate*102/100 {
		t.Errorf("bandwidth %d of %d", got, rate)
	}
	if p.b.minRTT < rtt || p.b.minRTT > rtt+5*time.Millisecond {
		t.Errorf("minimal RTT %v", p.b.minRTT)
	}
	if want := []bbrState{startup, drain, probeBW}; len(p.states) != 3 || [3]bbrState(p.states) != [3]bbrState(want) {
		t.Errorf("states %v, want %v", p.states, want)
	}
	if w := p.c.Window(); w < 2*bdp || w > 3*bdp {
		t.Errorf("window %d, BDP %d", w, bdp)
	}
	if p.c.InSlowStart() || p.c.InRecovery() {
		t.Error("slow start or recovery")
	}
}

func TestBBRProbesRTT(t *testing.T) {
	p := newPipe(Options{}, 1_000_000, 50*time.Millisecond)
	p.run(instant(9900), 0)
	if p.b.state != probeBW {
		t.Fatalf("state %d", p.b.state)
	}
	p.states = nil
	p.run(instant(13_000), 0)
	if len(p.states) < 3 || p.states[0] != probeBW || p.states[1] != probeRTT || p.states[2] != probeBW {
		t.Errorf("states %v", p.states)
	}
	if got := p.b.bandwidth.max(); got < 980_000 {
		t.Errorf("bandwidth %d after PROBE_RTT", got)
	}
}

func TestBBRProbeRTTWindow(t *testing.T) {
	p := newPipe(Options{}, 1_000_000, 50*time.Millisecond)
	p.run(instant(5000), 0)
	p.b.state = probeRTT
	if got := p.c.Window(); got != 4*MSS {
		t.Errorf("window %d", got)
	}
	p.b.options.LargeProbeRTT = true
	if got := p.c.Window(); got < 35_000 || got > 40_000 {
		t.Errorf("window %d, want 3/4 of the BDP", got)
	}
}

// An application that sends less than the path carries teaches BBR little, and widens no window.
func TestBBRAppLimited(t *testing.T) {
	p := newPipe(Options{}, 1_000_000, 50*time.Millisecond)
	p.run(instant(5000), 0)
	window, bandwidth := p.c.Window(), p.b.bandwidth.max()
	p.run(instant(9000), 100_000)
	if got := p.b.bandwidth.max(); got < bandwidth*99/100 {
		t.Errorf("bandwidth %d, was %d", got, bandwidth)
	}
	if got := p.c.Window(); got > window*11/10 {
		t.Errorf("window %d, was %d", got, window)
	}
	if p.b.state == startup {
		t.Error("startup")
	}
}

func TestBBRStartupOptions(t *testing.T) {
	rounds := func(o Options) uint64 {
		p := newPipe(o, 1_000_000, 50*time.Millisecond)
		for p.c.InSlowStart() && p.now < instant(10_000) {
			p.run(p.now.Add(time.Millisecond), 0)
		}
		return p.b.round
	}
	three, one := rounds(Options{}), rounds(Options{StartupRounds: 1})
	if one >= three {
		t.Errorf("startup takes %d rounds, with 1RTT %d", three, one)
	}
}

func TestBBRRecovery(t *testing.T) {
	p := newPipe(Options{}, 1_000_000, 50*time.Millisecond)
	p.run(instant(3000), 0)
	full := p.c.Window()
	p.now++
	lost := p.oldest
	p.oldest++
	p.due = p.due[1:]
	p.lose(0, lost)
	if p.b.recovery != conservation {
		t.Fatalf("recovery %d after a loss", p.b.recovery)
	}
	if got := p.c.Window(); got > p.inFlight || got < 4*MSS {
		t.Errorf("window %d with %d in flight", got, p.inFlight)
	}
	p.run(p.now.Add(40*time.Millisecond), 0)
	p.now++
	lost = p.oldest // a second one, so that recovery goes on after its first round
	p.oldest++
	p.due = p.due[1:]
	p.lose(0, lost)
	seen := map[bbrRecovery]bool{}
	for end := p.now.Add(400 * time.Millisecond); p.now < end; {
		p.run(p.now.Add(time.Millisecond), 0)
		seen[p.b.recovery] = true
	}
	if !seen[growth] || p.c.InRecovery() {
		t.Errorf("growth %v, still in recovery %v", seen[growth], p.c.InRecovery())
	}
	if got := p.c.Window(); got < full*9/10 {
		t.Errorf("window %d, was %d", got, full)
	}

	// A loss that was none ends recovery.
	p.now++
	lost = p.oldest
	p.oldest++
	p.due = p.due[1:]
	p.lose(0, lost)
	p.ack(0, lost)
	if p.c.InRecovery() {
		t.Error("in recovery though nothing was lost")
	}
}

// After an idle time the minimal round trip is old, and measured again without PROBE_RTT.
func TestBBRLeavesQuiescence(t *testing.T) {
	p := newPipe(Options{}, 1_000_000, 50*time.Millisecond)
	p.run(instant(3000), 0)
	p.run(instant(3400), 1000) // lets the pipe run empty
	for len(p.due) > 0 {
		p.run(p.now.Add(time.Millisecond), 1)
	}
	p.c.OnAppLimited(0)
	p.now = p.now.Add(20 * time.Second)
	p.states = nil
	p.run(p.now.Add(300*time.Millisecond), 0)
	if len(p.states) != 1 || p.states[0] != probeBW {
		t.Errorf("states %v", p.states)
	}
}

// The phase that asks for more lasts until so much is in flight, or does not fit.
func TestBBRPhases(t *testing.T) {
	b := newBBR(Options{}.withDefaults(defaultMinWindowBBR))
	b.minRTT = 50 * time.Millisecond
	b.bandwidth.update(1_000_000, 1, filterRounds)
	b.enterProbeBW(0) // seed 0: the phase that asks for more
	const bdp = 50_000
	for _, x := range []struct {
		at              int64
		prior, inFlight uint64
		lost            bool
		phase           int
	}{
		{60, bdp, bdp, false, 0},             // not enough in flight yet
		{70, bdp * 5 / 4, bdp, false, 1},     // enough
		{80, bdp * 5 / 4, bdp + 1, false, 1}, // not drained yet
		{90, bdp * 5 / 4, bdp, false, 2},     // drained
		{100, bdp, bdp, false, 2},            // cruising for a round trip
		{141, bdp, bdp, false, 3},
	} {
		b.updatePhase(instant(x.at), &recovery.Report{PriorInFlight: x.prior, InFlight: x.inFlight}, x.lost)
		if b.phase != x.phase || b.pacingGain != cycle[x.phase] {
			t.Errorf("at %d: phase %d, want %d", x.at, b.phase, x.phase)
		}
	}
	b.enterProbeBW(0)
	for at, phase := range map[int64]int{40: 0, 60: 1} {
		c := *b
		c.updatePhase(instant(at), &recovery.Report{PriorInFlight: bdp, InFlight: bdp}, true)
		if c.phase != phase {
			t.Errorf("phase %d at %d ms with a loss, want %d", c.phase, at, phase)
		}
	}
}

// ACKs that come in bunches widen the window by as much.
func TestBBRAggregation(t *testing.T) {
	b := newBBR(Options{}.withDefaults(defaultMinWindowBBR))
	b.minRTT = 50 * time.Millisecond
	b.bandwidth.update(1_000_000, 1, filterRounds)
	b.updateAggregation(instant(1000), 10_000) // a new epoch
	b.updateAggregation(instant(1005), 20_000) // 5000 are explained
	if got := b.height.max(); got != 25_000 {
		t.Errorf("height %d", got)
	}
	b.full, b.windowGain, b.window = true, windowGain, 1<<20
	b.updateWindow(0)
	if got := b.window; got != 100_000+25_000 {
		t.Errorf("window %d", got)
	}
	b.updateAggregation(instant(1040), 1000) // 40000 are explained: a new epoch
	if b.epochBytes != 1000 {
		t.Errorf("epoch of %d bytes", b.epochBytes)
	}
}

func TestBBRFirstPhase(t *testing.T) {
	seen := map[int]bool{}
	for seed := range uint64(50) {
		b := newBBR(Options{Seed: seed}.withDefaults(defaultMinWindowBBR))
		b.enterProbeBW(0)
		seen[b.phase] = true
	}
	if len(seen) != 7 || seen[1] {
		t.Errorf("phases %v", seen)
	}
}

func TestSampler(t *testing.T) {
	var s sampler
	send := func(at int64, n wire.PacketNumber, inFlight uint64) recovery.Packet {
		p := recovery.Packet{Number: n, SentAt: instant(at), Size: 1000}
		s.onSent(instant(at), &p, inFlight)
		return p
	}
	one := send(0, 1, 0)
	two := send(10, 2, 1000)
	// 1000 bytes in 100 ms since its own sending.
	if got := s.onAcked(instant(100), &one); got != (sample{10_000, 100 * time.Millisecond, false}) {
		t.Errorf("first: %+v", got)
	}
	// Its reference is packet 1's sending: 2000 bytes in 110 ms; sent at 1000 bytes in 10 ms.
	if got := s.onAcked(instant(110), &two); got != (sample{18_181, 100 * time.Millisecond, false}) {
		t.Errorf("second: %+v", got)
	}
	s.onAppLimited()
	three := send(200, 3, 0)
	if got := s.onAcked(instant(300), &three); !got.appLimited || s.appLimited {
		t.Errorf("app-limited: %+v, still %v", got, s.appLimited)
	}
	four := send(400, 4, 0)
	if got := s.onAcked(instant(400), &four); got.bandwidth != 0 || got.rtt != 0 {
		t.Errorf("no time: %+v", got)
	}
	unknown := recovery.Packet{Number: 5, SentAt: instant(400), Size: 1000}
	if got := s.onAcked(instant(500), &unknown); got.bandwidth != 0 || got.rtt != 100*time.Millisecond {
		t.Errorf("sent before the sampler: %+v", got)
	}
}
