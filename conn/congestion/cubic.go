package congestion

import (
	"math/bits"
	"time"

	"example.com/gquic"
)

// The curve's constants. (Reference: connection, section 7.5.)
const (
	cubicC      = 410                        // 0.4, in 1/1024
	cubicFactor = (1 << 40) / cubicC / MSS   // bytes to (1/1024 s)^3
	cubicMaxOff = 1 << 21                    // 1/1024 s: half an hour off the origin is as good as a day
	cubicSecond = uint64(time.Second / 1000) // microseconds
)

// A cubicCurve grows the window as a cubic function of the time since the last loss,
// which is flat around the window of that loss:
//
//	window       ╱
//	origin ──▔▔▔▔
//	        ╱
//	  ─────┴──┴───▶ time
//	   epoch  epoch+k
//
// n is the number of connections that it behaves like. Windows are in bytes.
type cubicCurve struct {
	n       uint64
	lastMax uint64 // window at the last loss

	running  bool          // an epoch began
	epoch    gquic.Instant // first ACK after the loss
	k        uint64        // from there to the origin, in 1/1024 s
	origin   uint64        // window at the origin
	friendly uint64        // what Reno would have by now
	acked    uint64        // bytes since the window was last worked out
}

// reset forgets all but n.
func (c *cubicCurve) reset() { *c = cubicCurve{n: c.n} }

// onAppLimited ends the epoch: time in which the window was not used does not count.
func (c *cubicCurve) onAppLimited() { c.running = false }

// afterLoss returns the window after a loss at window: beta times window, with
// beta = (n - 0.3) / n.
func (c *cubicCurve) afterLoss(window uint64) uint64 {
	if window+MSS < c.lastMax {
		// The last maximum was not reached: somebody else wants to have a share.
		c.lastMax = window * (20*c.n - 3) / (20 * c.n)
	} else {
		c.lastMax = window
	}
	c.running = false
	return reduced(window, c.n)
}

// reduced returns window * (n - 0.3) / n. (Reference: connection, sections 7.5 and 7.6.)
func reduced(window, n uint64) uint64 { return window * (10*n - 3) / (10 * n) }

// afterAck returns the window after an ACK of bytes at window. Both are bounded by
// the caller.
func (c *cubicCurve) afterAck(now gquic.Instant, bytes, window uint64, minRTT time.Duration) uint64 {
	c.acked += bytes
	if !c.running {
		c.begin(now, bytes, window)
	}
	target := min(c.at(now, minRTT), window+c.acked/2)

	// Reno's growth with n connections: alpha = 3 n^2 (1-beta) / (1+beta) MSS per window.
	c.friendly += c.acked * 9 * c.n * c.n * MSS / ((20*c.n - 3) * c.friendly)
	c.acked = 0
	return max(target, c.friendly)
}

// at returns the curve's window a minimal round trip from now.
func (c *cubicCurve) at(now gquic.Instant, minRTT time.Duration) uint64 {
	elapsed := uint64(max(now.Add(minRTT).Sub(c.epoch), 0) / time.Microsecond)
	e := min(elapsed<<10/cubicSecond, cubicMaxOff)
	if e > c.k {
		return c.origin + cubicDelta(e-c.k)
	}
	return c.origin - min(c.origin, cubicDelta(c.k-e))
}

func (c *cubicCurve) begin(now gquic.Instant, bytes, window uint64) {
	c.running = true
	c.epoch = now
	c.acked = bytes
	c.friendly = window
	c.k, c.origin = 0, window
	if c.lastMax > window {
		c.k = cubeRoot(cubicFactor * (c.lastMax - window))
		c.origin = c.lastMax
	}
}

// cubicDelta returns how far the window is from the origin, off from the time of the origin.
func cubicDelta(off uint64) uint64 {
	off = min(off, cubicMaxOff)
	hi, lo := bits.Mul64(cubicC*MSS*off*off, off)
	return hi<<24 | lo>>40
}
