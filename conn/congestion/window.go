package congestion

import (
	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// lossBased is Cubic and NewReno: the window grows until a packet is lost.
//
//	slow start:  + MSS per packet, until the threshold or HyStart
//	avoidance:   + along the cubic curve, or MSS per window
//	a loss:      x beta, once for all packets sent before it was noticed
//	RTO:         down to the minimum
//
// Windows are in bytes.
type lossBased struct {
	algorithm Algorithm
	options   Options

	window    uint64
	threshold uint64 // slow start below it
	cubic     cubicCurve
	reno      renoCount
	hystart   hystart
	prr       prr

	largestSent  wire.PacketNumber
	largestAcked wire.PacketNumber
	cutback      wire.PacketNumber // largest sent at the last reduction; 0: none to recover from
	floor        uint64            // with LargeReduction: how far further losses reduce; 0: no more
	undo         undo
}

// An undo is how things were before the last reduction, in case all of its
// losses turn out to be none.
type undo struct {
	losses            int // of the reduction's packets, not yet found to be none; 0: nothing to undo
	window, threshold uint64
	cubic             cubicCurve
	reno              renoCount
}

func newLossBased(a Algorithm, o Options) *lossBased {
	c := &lossBased{algorithm: a, options: o}
	c.OnPathChanged()
	return c
}

func (c *lossBased) Name() string { return c.algorithm.String() }

func (c *lossBased) Clone() Controller {
	d := *c
	return &d
}

// OnPathChanged goes back to the start, but for the packet numbers.
func (c *lossBased) OnPathChanged() {
	*c = lossBased{
		algorithm:    c.algorithm,
		options:      c.options,
		window:       c.options.InitialWindow,
		threshold:    c.options.MaxWindow,
		cubic:        cubicCurve{n: uint64(c.options.Connections)},
		largestSent:  c.largestSent,
		largestAcked: c.largestAcked,
	}
}

func (c *lossBased) Window() uint64    { return c.window }
func (c *lossBased) InSlowStart() bool { return c.window < c.threshold }
func (c *lossBased) InRecovery() bool  { return c.cutback != 0 && c.largestAcked <= c.cutback }

func (c *lossBased) CanSend(inFlight uint64) bool {
	if c.InRecovery() && !c.options.NoPRR {
		return c.prr.canSend(c.window, inFlight, c.threshold)
	}
	return inFlight < c.window
}

// PacingRate is twice the window per round trip in slow start, else 1.25 times.
// (Reference: connection, section 9.)
func (c *lossBased) PacingRate(rtt *recovery.RTT) uint64 {
	rate := perSecond(c.window, rtt.Smoothed())
	switch {
	case c.InSlowStart():
		return 2 * rate
	case c.options.NoPRR && c.InRecovery():
		return rate
	}
	return rate + rate/4
}

func (c *lossBased) OnSent(_ gquic.Instant, p *recovery.Packet, _ uint64) {
	if !p.Has(recovery.Retransmittable) {
		return
	}
	if c.InRecovery() {
		c.prr.onSent(uint64(p.Size))
	}
	c.largestSent = p.Number
}

// OnAppLimited does nothing: whether the window is used is seen when packets are acknowledged.
func (c *lossBased) OnAppLimited(uint64) {}

func (c *lossBased) OnReport(now gquic.Instant, r *recovery.Report, rtt *recovery.RTT) {
	if r.RTTSample && c.InSlowStart() && c.hystart.exit(c.largestSent, rtt.Latest(), rtt.Min(), c.window) {
		c.threshold = c.window
	}
	if !r.IgnoreLoss {
		for i := range r.Lost {
			if p := &r.Lost[i]; congested(p) {
				c.onLost(p, r.PriorInFlight)
			}
		}
	}
	for i := range r.Acked {
		p := &r.Acked[i]
		switch {
		case p.WasInFlight():
			c.onAcked(now, p, r.PriorInFlight, rtt)
		case p.Has(recovery.Lost) && !p.Has(recovery.Probe):
			c.onLossUndone(p)
		}
	}
	if r.RTOVerified {
		c.onTimeout()
	}
}

// onLost reduces the window, once per window. (Reference: connection, section 7.4.)
func (c *lossBased) onLost(p *recovery.Packet, priorInFlight uint64) {
	if p.Number <= c.cutback {
		if c.undo.losses > 0 {
			c.undo.losses++
		}
		if c.floor > 0 {
			c.window = max(c.window-min(c.window, uint64(p.Size)), c.floor)
			c.threshold = c.window
		}
		return
	}
	c.undo = undo{1, c.window, c.threshold, c.cubic, c.reno}
	c.prr.onLoss(priorInFlight)
	c.floor = 0
	switch {
	case c.options.LargeReduction && c.InSlowStart():
		c.floor = max(c.window/2, c.options.MinWindow)
		c.window -= min(c.window, MSS)
	case c.algorithm == NewReno:
		c.window = reduced(c.window, uint64(c.options.Connections))
		c.reno = 0
	default:
		c.window = c.cubic.afterLoss(c.window)
	}
	c.window = max(c.window, c.options.MinWindow)
	c.threshold = c.window
	c.cutback = c.largestSent
}

// onLossUndone takes back the last reduction when every packet that it was for has arrived after all.
func (c *lossBased) onLossUndone(p *recovery.Packet) {
	if c.undo.losses == 0 || p.Number > c.cutback {
		return
	}
	if c.undo.losses--; c.undo.losses > 0 {
		return
	}
	c.window = max(c.window, c.undo.window)
	c.threshold = max(c.threshold, c.undo.threshold)
	c.cubic, c.reno = c.undo.cubic, c.undo.reno
	c.cubic.running = false
	c.cutback, c.floor = 0, 0
}

// onAcked grows the window if it was used.
func (c *lossBased) onAcked(now gquic.Instant, p *recovery.Packet, priorInFlight uint64, rtt *recovery.RTT) {
	c.largestAcked = max(c.largestAcked, p.Number)
	if c.InRecovery() {
		c.prr.onAcked(uint64(p.Size))
		return
	}
	slowStart := c.InSlowStart()
	c.grow(now, uint64(p.Size), priorInFlight, rtt)
	if slowStart {
		c.hystart.onAcked(p.Number)
	}
}

func (c *lossBased) grow(now gquic.Instant, size, priorInFlight uint64, rtt *recovery.RTT) {
	if !c.limiting(priorInFlight) {
		c.cubic.onAppLimited()
		return
	}
	if c.window >= c.options.MaxWindow {
		return
	}
	switch {
	case c.InSlowStart():
		c.window += MSS
	case c.algorithm == NewReno:
		c.window = c.reno.afterAck(c.window, uint64(c.options.Connections))
	default:
		c.window = c.cubic.afterAck(now, size, c.window, rtt.Min())
	}
	c.window = min(c.window, c.options.MaxWindow)
}

// limiting reports whether the window, not the application, set the bytes in flight.
// (Reference: connection, section 7.1.)
func (c *lossBased) limiting(inFlight uint64) bool {
	const nearly = 3 * MSS
	return inFlight+nearly >= c.window || c.InSlowStart() && inFlight > c.window/2
}

// onTimeout starts anew from the minimum after an RTO that was needed.
func (c *lossBased) onTimeout() {
	c.threshold = c.window / 2
	c.window = c.options.MinWindow
	c.cubic.reset()
	c.reno = 0
	c.hystart = hystart{}
	c.cutback, c.floor = 0, 0
	c.undo = undo{}
}
