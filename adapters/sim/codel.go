package sim

import (
	"math/bits"
	"time"

	"example.com/gquic"
)

// codelInterval is about the longest round trip that flows usually have.
const codelInterval = 100 * time.Millisecond

// codelBacklog is how many bytes may always wait: one full datagram.
const codelBacklog = 1500

// codel is the state of an active queue (RFC 8289, section 5). It drops one datagram when
// all of them waited longer than the target for an interval, and then faster and
// faster, with the square root of how many it dropped, until they wait less.
//
//	waits below the target ◀──▶ above, since when? ──an interval──▶ dropping
type codel struct {
	above    gquic.Instant // when it will have been above the target for an interval; 0: it is not
	dropping bool
	next     gquic.Instant // to drop
	count    uint64        // drops since dropping began
	last     uint64        // count when it began
}

// drops decides on the datagram that waited longest, when left bytes stay in the queue.
func (c *codel) drops(cfg *LinkConfig, now gquic.Instant, waited time.Duration, left int) bool {
	if cfg.CoDel <= 0 {
		return false
	}
	late := c.late(cfg, now, waited, left)
	if c.dropping {
		if !late {
			c.dropping = false
			return false
		}
		if now < c.next {
			return false
		}
		c.count++
		c.next = c.next.Add(c.spacing(cfg))
		return true
	}
	if !late {
		return false
	}
	c.dropping = true
	recent := c.count - c.last
	c.last = 1
	if recent > 1 && now.Sub(c.next) < 16*cfg.CoDelInterval { // it was dropping a moment ago
		c.last = recent
	}
	c.count = c.last
	c.next = now.Add(c.spacing(cfg))
	return true
}

// late reports whether the queue was above the target for a whole interval.
func (c *codel) late(cfg *LinkConfig, now gquic.Instant, waited time.Duration, left int) bool {
	switch {
	case waited < cfg.CoDel || left <= codelBacklog:
		c.above = 0
		return false
	case c.above == 0:
		c.above = now.Add(cfg.CoDelInterval)
		return false
	}
	return now >= c.above
}

// spacing is the interval over the square root of count.
func (c *codel) spacing(cfg *LinkConfig) time.Duration {
	return time.Duration(uint64(cfg.CoDelInterval) << 10 / root(c.count<<20))
}

// root returns the integer square root, at least 1.
func root(n uint64) uint64 {
	if n < 2 {
		return 1
	}
	x := uint64(1) << ((bits.Len64(n) + 1) / 2) // not below the root
	for {
		y := (x + n/x) / 2
		if y >= x {
			return x
		}
		x = y
	}
}
