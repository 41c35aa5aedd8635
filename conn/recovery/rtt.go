package recovery

import "time"

// DefaultInitialRTT is the guess before the first sample.
// (Reference: connection, section 1.)
const DefaultInitialRTT = 100 * time.Millisecond

// An RTT estimates the round-trip time. Smoothed time and deviation are kept in
// whole microseconds and rounded down at every step, in integers:
//
//	deviation = (3 deviation + |smoothed - sample|) / 4
//	smoothed  = (7 smoothed + sample) / 8
//
// (Reference: connection, section 4.2.)
type RTT struct {
	initial   time.Duration // 0: DefaultInitialRTT
	min       time.Duration // raw, without the peer's delay
	latest    time.Duration
	smoothed  time.Duration
	deviation time.Duration
	previous  time.Duration // smoothed, before the latest sample; 0: there was none
	sampled   bool
}

// NewRTT returns an estimate without samples. initial is the guess until the first; 0
// means DefaultInitialRTT.
func NewRTT(initial time.Duration) RTT { return RTT{initial: initial} }

// Update adds a sample: sendDelta from sending a packet to the arrival of its ACK, of
// which the peer claims to have held the ACK back for ackDelay. The claim is believed
// as far as it does not undercut the minimum. A sendDelta that is not positive is
// ignored, and Update returns false.
func (r *RTT) Update(sendDelta, ackDelay time.Duration) bool {
	if sendDelta <= 0 {
		return false
	}
	if !r.sampled || sendDelta < r.min {
		r.min = sendDelta
	}
	sample := sendDelta
	if sendDelta-r.min >= ackDelay {
		sample -= ackDelay
	}
	r.latest = sample
	if !r.sampled {
		r.sampled = true
		r.smoothed = micros(sample)
		r.deviation = micros(sample / 2)
		return true
	}
	r.previous = r.smoothed
	r.deviation = micros((3*r.deviation + (r.smoothed - micros(sample)).Abs()) / 4)
	r.smoothed = max(micros((7*r.smoothed+micros(sample))/8), time.Microsecond)
	return true
}

func micros(d time.Duration) time.Duration { return d.Truncate(time.Microsecond) }

// HasSample reports whether there was a sample.
func (r *RTT) HasSample() bool { return r.sampled }

// Min returns the shortest round trip seen, 0 before the first sample.
func (r *RTT) Min() time.Duration { return r.min }

// Latest returns the latest sample, without the peer's delay; 0 before the first.
func (r *RTT) Latest() time.Duration { return r.latest }

// Smoothed returns the smoothed round trip, or the initial guess before the first sample.
func (r *RTT) Smoothed() time.Duration {
	switch {
	case r.sampled:
		return max(r.smoothed, time.Microsecond)
	case r.initial > 0:
		return r.initial
	}
	return DefaultInitialRTT
}

// Deviation returns the mean deviation of the samples, 0 before the first.
func (r *RTT) Deviation() time.Duration { return r.deviation }

// Expire makes the estimate more careful, after a timeout that was not needed.
func (r *RTT) Expire() {
	r.deviation = max(r.deviation, micros((r.smoothed - r.latest).Abs()))
	r.smoothed = max(r.smoothed, micros(r.latest))
}

// Reset forgets every sample. initial is as for [NewRTT].
func (r *RTT) Reset(initial time.Duration) { *r = NewRTT(initial) }
