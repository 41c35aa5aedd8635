package conn

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// nextDeadline returns when the connection must be called at the latest, and why. What
// is due already and only waits for AppendTransmit is not a deadline: the connection is
// in the queue of those that send.
func (c *Conn) nextDeadline() (gquic.Instant, Reason) {
	if c.state == CloseState {
		return c.lingerUntil, ReasonLinger
	}
	at, why := c.idleDeadline(), ReasonIdle
	sooner := func(t gquic.Instant, r Reason) {
		if t < at {
			at, why = t, r
		}
	}
	if c.state == Handshaking || !c.confirmed {
		sooner(c.created.Add(c.e.cfg.HandshakeTimeout), ReasonHandshake)
	}
	if t := c.keepAliveDeadline(); t != gquic.Never {
		sooner(t, ReasonKeepAlive)
	}
	sooner(c.nudgeDeadline(), ReasonRetransmitHandshake)
	if t := c.acks.Timeout(); t > c.e.now {
		sooner(t, ReasonAck)
	}
	if c.pacedUntil > c.e.now {
		sooner(c.pacedUntil, ReasonPacing)
	}
	if !c.fired {
		sooner(c.detector.Timeout(), reasonOf(c.detector.TimeoutMode()))
	}
	return at, why
}

func reasonOf(m recovery.Mode) Reason {
	switch m {
	case recovery.HandshakeTimer:
		return ReasonRetransmitHandshake
	case recovery.LossTimer:
		return ReasonLoss
	case recovery.TLP:
		return ReasonTLP
	case recovery.RTO:
		return ReasonRTO
	}
	return NoReason
}

// onTimers fires whatever is due.
func (c *Conn) onTimers() {
	e := c.e
	now := e.now
	if c.state == CloseState {
		if c.lingerUntil <= now {
			if c.closeOwed { // nobody took it
				c.closeOwed = false
				e.timeWait.add(e, c, nil)
			}
			e.forget(c)
			c.releaseIfDone()
		}
		return
	}
	if !c.confirmed && c.created.Add(e.cfg.HandshakeTimeout) <= now {
		c.closeWith(&LocalError{Code: wire.HandshakeTimeout, Err: ErrHandshakeTimeout})
		e.wake(c)
		return
	}
	if c.idleDeadline() <= now {
		c.onIdle()
		e.wake(c)
		return
	}
	if t := c.keepAliveDeadline(); t <= now {
		c.ping.Set()
	}
	if c.nudgeDeadline() <= now {
		c.hs.nudge, c.hs.nudges, c.hs.nudged = true, c.hs.nudges+1, now
	}
	if !c.fired && c.detector.Timeout() <= now {
		c.fired = true
		c.stats.Timeouts++
		if err := c.detector.OnTimeout(now, &e.report); err != nil {
			c.fail(err)
		} else {
			c.apply(&e.report)
			c.credit.timeout()
		}
	}
	if c.pacedUntil <= now {
		c.pacedUntil = gquic.Never
	}
	e.wake(c)
}

// keepAliveDeadline is when a PING keeps the connection alive: only while streams are
// open, and once for each silence (reference: connection, section 10.3).
func (c *Conn) keepAliveDeadline() gquic.Instant {
	if c.e.cfg.KeepAlive == 0 || !c.confirmed || len(c.streams.all) == 0 || c.streams.active.len() > 0 ||
		c.detector.InFlight() > 0 || c.ping.Pending() {
		return gquic.Never
	}
	from := c.lastReceived
	if c.firstSent != gquic.Never {
		from = max(from, c.firstSent)
	}
	return from.Add(c.e.cfg.KeepAlive)
}

// Nudges: a client whose hello was acknowledged, and whose answer came in part, has
// nothing to repeat, while its server may have no room left to send to an address that
// has proved nothing. So the client says PING in a full datagram, with growing pauses.
const (
	firstNudge = 150 * time.Millisecond // 1.5 times the RTT that is assumed without a sample
	maxNudges  = 6                      // the pauses add up to more than the handshake may take
)

func (c *Conn) nudgeDeadline() gquic.Instant {
	if c.side == wire.Server || c.state != Handshaking || c.fired || c.hs.nudge || c.hs.nudges >= maxNudges ||
		c.detector.Timeout() != gquic.Never || c.crypto.recv.Highest() == c.crypto.recv.Offset() {
		return gquic.Never
	}
	pause := max(firstNudge, c.smoothedRTT()*3/2)
	return max(c.lastReceived, c.hs.nudged).Add(pause << c.hs.nudges)
}
