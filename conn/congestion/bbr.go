package congestion

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// Constants of BBR, gains in thousandths. (Reference: connection, section 8.1.)
const (
	unit            = 1000
	startupGain     = 2885
	lowStartupGain  = 2773 // BBQ1
	drainGain       = unit * unit / startupGain
	slowDrainGain   = 750 // BBQ4
	windowGain      = 2000
	slowStartupGain = 1500 // BBRS, after a loss
	growthTarget    = 1250 // per round, in startup
	probeRTTGain    = 750  // BBR6
	probeRTTPackets = 4

	filterRounds   = 10
	minRTTExpiry   = 10 * time.Second
	probeRTTLength = 200 * time.Millisecond
)

// cycle is the pacing gain of each phase of PROBE_BW: ask for more, drain what that
// has queued, and cruise.
var cycle = [...]uint64{1250, 750, unit, unit, unit, unit, unit, unit}

// A bbrState is what BBR is about. (Reference: connection, section 8.3.)
type bbrState uint8

const (
	startup  bbrState = iota // find the bandwidth by doubling
	drain                    // empty the queue that this made
	probeBW                  // cruise, and ask for more now and then
	probeRTT                 // let the path run empty to see its minimal round trip
)

// A bbrRecovery is how far the recovery from losses got.
type bbrRecovery uint8

const (
	noRecovery   bbrRecovery = iota
	conservation             // for a round trip send what is acknowledged, no more
	growth                   // then as much again
)

// A bbr is BBR version 1: it estimates the bandwidth (the maximum of recent rounds) and the
// minimal round trip of the path, paces at the one, and keeps about twice their product in flight.
//
//	STARTUP ── 3 rounds without growth ──▶ DRAIN ── in flight <= BDP ──▶ PROBE_BW
//	   any state ── minimal RTT 10 s old ──▶ PROBE_RTT ── 200 ms and a round ──▶ back
//
// Windows are in bytes, rates in bytes per second.
type bbr struct {
	options Options
	sampler sampler

	state      bbrState
	pacingGain uint64
	windowGain uint64
	window     uint64
	rate       uint64 // pacing; 0: not known yet

	// Rounds: one ends when a packet sent after it began is acknowledged.
	round    uint64
	roundEnd wire.PacketNumber

	bandwidth   maxFilter
	minRTT      time.Duration // 0: none yet
	minRTTAt    gquic.Instant
	lastLimited bool // the latest sample was app-limited

	// STARTUP.
	full       bool   // the path was filled once
	fullBase   uint64 // bandwidth that growth is measured against
	fullRounds int    // rounds without enough of it
	everLost   bool   // a packet was lost

	// PROBE_BW.
	phase      int
	phaseStart gquic.Instant

	// PROBE_RTT.
	leavingQuiescence bool          // the next report is the first after an idle time
	probeEnd          gquic.Instant // Never: not low enough yet
	probeRound        bool          // a round passed since

	// Recovery.
	recovery       bbrRecovery
	losses         int // packets lost since it began, that did not arrive after all
	recoveryEnd    wire.PacketNumber
	recoveryWindow uint64 // 0: not set yet

	// ACK aggregation: how much more than the bandwidth explains comes at once.
	height     maxFilter
	epochStart gquic.Instant
	epochBytes uint64
}

func newBBR(o Options) *bbr {
	b := &bbr{options: o}
	b.OnPathChanged()
	return b
}

func (b *bbr) Name() string { return BBR.String() }

func (b *bbr) Clone() Controller {
	c := *b
	return &c
}

// OnPathChanged goes back to the start, but for what the sampler has counted.
func (b *bbr) OnPathChanged() {
	*b = bbr{
		options:  b.options,
		sampler:  b.sampler,
		roundEnd: b.roundEnd,
		window:   b.options.InitialWindow,
		probeEnd: gquic.Never,
	}
	b.enterStartup()
}

func (b *bbr) enterStartup() {
	b.state = startup
	b.pacingGain = b.startupGain()
	b.windowGain = b.startupGain()
}

func (b *bbr) startupGain() uint64 {
	if b.options.LowGain {
		return lowStartupGain
	}
	return startupGain
}

func (b *bbr) InSlowStart() bool            { return b.state == startup }
func (b *bbr) InRecovery() bool             { return b.recovery != noRecovery }
func (b *bbr) CanSend(inFlight uint64) bool { return inFlight < b.Window() }

func (b *bbr) Window() uint64 {
	if b.state == probeRTT {
		return b.probeRTTWindow()
	}
	if b.recovery != noRecovery && b.recoveryWindow > 0 {
		return min(b.window, b.recoveryWindow)
	}
	return b.window
}

func (b *bbr) probeRTTWindow() uint64 {
	if b.options.LargeProbeRTT {
		return b.target(probeRTTGain)
	}
	return max(probeRTTPackets*MSS, b.options.MinWindow)
}

// target returns gain times the bandwidth-delay product, or times the initial window while
// that is unknown.
func (b *bbr) target(gain uint64) uint64 {
	bdp := mulDiv(b.bandwidth.max(), uint64(b.minRTT), uint64(time.Second))
	if bdp == 0 {
		bdp = b.options.InitialWindow
	}
	return min(max(mulDiv(gain, bdp, unit), b.options.MinWindow), b.options.MaxWindow)
}

func (b *bbr) PacingRate(rtt *recovery.RTT) uint64 {
	if b.rate > 0 {
		return b.rate
	}
	return perSecond(mulDiv(b.startupGain(), b.options.InitialWindow, unit), b.rtt(rtt))
}

// rtt returns the best guess of the minimal round trip.
func (b *bbr) rtt(rtt *recovery.RTT) time.Duration {
	switch {
	case b.minRTT > 0:
		return b.minRTT
	case rtt.Min() > 0:
		return rtt.Min()
	}
	return rtt.Smoothed()
}

func (b *bbr) OnSent(now gquic.Instant, p *recovery.Packet, inFlight uint64) {
	if !p.Has(recovery.Retransmittable) {
		return
	}
	if inFlight == 0 && b.sampler.appLimited {
		b.leavingQuiescence = true
	}
	b.sampler.onSent(now, p, inFlight)
}

func (b *bbr) OnAppLimited(inFlight uint64) {
	if inFlight < b.Window() {
		b.sampler.onAppLimited()
	}
}

func (b *bbr) OnReport(now gquic.Instant, r *recovery.Report, rtt *recovery.RTT) {
	acked, last := delivered(r)
	lost := b.countLosses(r)
	if acked > 0 || lost > 0 {
		b.onCongestionEvent(now, r, rtt, last, acked, lost)
	}
}

// onCongestionEvent takes in acked bytes up to packet last and lost ones.
func (b *bbr) onCongestionEvent(now gquic.Instant, r *recovery.Report, rtt *recovery.RTT,
	last wire.PacketNumber, acked, lost uint64) {

	newRound := last > b.roundEnd
	if newRound {
		b.round++
		b.roundEnd = b.sampler.largestSent
	}
	expired := b.updateEstimates(now, r)
	b.updateRecovery(last, lost > 0, newRound)
	if acked > 0 {
		b.updateAggregation(now, acked)
	}
	if b.state == probeBW {
		b.updatePhase(now, r, lost > 0)
	}
	if newRound && !b.full {
		b.checkFull()
	}
	if b.state == startup && b.full {
		b.state = drain
		b.pacingGain = drainGain
		if b.options.SlowDrain {
			b.pacingGain = slowDrainGain
		}
	}
	if b.state == drain && r.InFlight <= b.target(unit) {
		b.enterProbeBW(now)
	}
	b.updateProbeRTT(now, r, newRound, expired)
	b.updateRate(rtt)
	b.updateWindow(acked)
	b.updateRecoveryWindow(acked, lost, r.InFlight)
}
