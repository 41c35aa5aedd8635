package congestion

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// delivered returns the bytes of the packets acknowledged in time, and the last of them.
func delivered(r *recovery.Report) (bytes uint64, last wire.PacketNumber) {
	for i := range r.Acked {
		if p := &r.Acked[i]; p.WasInFlight() {
			bytes += uint64(p.Size)
			last = p.Number
		}
	}
	return bytes, last
}

// countLosses returns the bytes of losses that are a sign of congestion. If all losses
// since recovery began turn out to be none, it ends.
func (b *bbr) countLosses(r *recovery.Report) (bytes uint64) {
	if b.recovery != noRecovery {
		for i := range r.Acked {
			if p := &r.Acked[i]; p.Has(recovery.Lost) && !p.Has(recovery.Probe) && b.losses > 0 {
				if b.losses--; b.losses == 0 {
					b.recovery = noRecovery
				}
			}
		}
	}
	if r.IgnoreLoss {
		return 0
	}
	for i := range r.Lost {
		if p := &r.Lost[i]; congested(p) {
			bytes += uint64(p.Size)
			b.losses++
		}
	}
	return bytes
}

// updateEstimates takes a sample from every packet acknowledged, and reports whether the minimal
// round trip was so old that it was replaced.
func (b *bbr) updateEstimates(now gquic.Instant, r *recovery.Report) (expired bool) {
	var shortest time.Duration
	for i := range r.Acked {
		p := &r.Acked[i]
		if !p.WasInFlight() {
			continue
		}
		s := b.sampler.onAcked(now, p)
		b.lastLimited = s.appLimited
		if s.rtt > 0 && (shortest == 0 || s.rtt < shortest) {
			shortest = s.rtt
		}
		if s.bandwidth > 0 && (!s.appLimited || s.bandwidth > b.bandwidth.max()) {
			b.bandwidth.update(s.bandwidth, b.round, filterRounds)
		}
	}
	if shortest == 0 {
		return false
	}
	expired = b.minRTT > 0 && now > b.minRTTAt.Add(minRTTExpiry)
	if expired || b.minRTT == 0 || shortest < b.minRTT {
		b.minRTT, b.minRTTAt = shortest, now
	}
	return expired
}

// updateRecovery goes from one state of recovery to the next.
func (b *bbr) updateRecovery(last wire.PacketNumber, lost, newRound bool) {
	if lost {
		b.everLost = true
		b.recoveryEnd = b.sampler.largestSent
	}
	switch b.recovery {
	case noRecovery:
		if lost {
			b.recovery = conservation
			b.recoveryWindow = 0
			b.roundEnd = b.sampler.largestSent // a whole round from here
		}
		return
	case conservation:
		if newRound {
			b.recovery = growth
		}
	}
	if !lost && last > b.recoveryEnd {
		b.recovery = noRecovery
		b.losses = 0
	}
}

// updateAggregation notes how much more was acknowledged since the epoch began than the
// bandwidth explains. A new epoch begins when the bandwidth explains it all.
func (b *bbr) updateAggregation(now gquic.Instant, acked uint64) {
	expected := mulDiv(b.bandwidth.max(), uint64(max(now.Sub(b.epochStart), 0)), uint64(time.Second))
	if b.epochBytes <= expected {
		b.epochBytes, b.epochStart = acked, now
		return
	}
	b.epochBytes += acked
	b.height.update(b.epochBytes-expected, b.round, filterRounds)
}

// updatePhase goes on in PROBE_BW's cycle.
func (b *bbr) updatePhase(now gquic.Instant, r *recovery.Report, lost bool) {
	over := now.Sub(b.phaseStart) > b.minRTT
	switch {
	case b.pacingGain > unit:
		// Go on asking for more until so much is in flight, unless it does not fit.
		over = over && (lost || r.PriorInFlight >= b.target(b.pacingGain))
	case b.pacingGain < unit:
		over = over || r.InFlight <= b.target(unit)
	}
	if over {
		b.phase = (b.phase + 1) % len(cycle)
		b.phaseStart = now
		b.pacingGain = cycle[b.phase]
	}
}

// enterProbeBW begins at any phase but the one that drains.
func (b *bbr) enterProbeBW(now gquic.Instant) {
	b.state = probeBW
	b.windowGain = windowGain
	b.phase = int(b.options.Seed % uint64(len(cycle)-1))
	if b.phase >= 1 {
		b.phase++
	}
	b.phaseStart = now
	b.pacingGain = cycle[b.phase]
}

// checkFull judges a round of STARTUP: the path is full when the bandwidth stops growing.
func (b *bbr) checkFull() {
	if b.lastLimited {
		return
	}
	if best := b.bandwidth.max(); best >= mulDiv(b.fullBase, growthTarget, unit) {
		b.fullBase = best
		b.fullRounds = 0
		return
	}
	b.fullRounds++
	b.full = b.fullRounds >= b.options.StartupRounds
}

// updateProbeRTT enters PROBE_RTT when the minimal round trip was measured too long
// ago, and leaves it when it was measured again.
func (b *bbr) updateProbeRTT(now gquic.Instant, r *recovery.Report, newRound, expired bool) {
	if expired && !b.leavingQuiescence && b.state != probeRTT {
		b.state = probeRTT
		b.pacingGain = unit
		b.probeEnd = gquic.Never
	}
	b.leavingQuiescence = false
	if b.state != probeRTT {
		return
	}
	b.sampler.onAppLimited() // so little in flight says nothing about the bandwidth
	if b.probeEnd == gquic.Never {
		if r.InFlight < b.probeRTTWindow()+MSS { // one packet may exceed the window
			b.probeEnd = now.Add(probeRTTLength)
			b.probeRound = false
		}
		return
	}
	b.probeRound = b.probeRound || newRound
	if now < b.probeEnd || !b.probeRound {
		return
	}
	b.minRTTAt = now
	if b.full {
		b.enterProbeBW(now)
	} else {
		b.enterStartup()
	}
}

func (b *bbr) updateRate(rtt *recovery.RTT) {
	best := b.bandwidth.max()
	if best == 0 {
		return
	}
	target := max(1, mulDiv(b.pacingGain, best, unit))
	switch {
	case b.full:
		b.rate = target
	case b.rate == 0 && rtt.Min() > 0:
		b.rate = perSecond(b.options.InitialWindow, rtt.Min())
	case b.options.SlowStartup && b.everLost:
		b.rate = max(1, mulDiv(slowStartupGain, best, unit))
	default:
		b.rate = max(b.rate, target)
	}
}

func (b *bbr) updateWindow(acked uint64) {
	if b.state == probeRTT {
		return
	}
	target := b.target(b.windowGain)
	switch {
	case b.full:
		b.window = min(target+b.height.max(), b.window+acked)
	case b.window < target || b.sampler.acked < b.options.InitialWindow:
		b.window += acked
	}
	b.window = min(max(b.window, b.options.MinWindow), b.options.MaxWindow)
}

func (b *bbr) updateRecoveryWindow(acked, lost, inFlight uint64) {
	switch {
	case b.recovery == noRecovery:
		return
	case b.recoveryWindow == 0:
		b.recoveryWindow = inFlight + acked
	default:
		b.recoveryWindow -= min(b.recoveryWindow, lost)
		if b.recovery == growth {
			b.recoveryWindow += acked
		}
	}
	b.recoveryWindow = max(b.recoveryWindow, inFlight+acked, b.options.MinWindow)
}
