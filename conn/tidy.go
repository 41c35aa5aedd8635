package conn

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/handshake"
)

// A connection that has been quiet for a while gives back what it borrowed for being
// active, and keeps its keys in their short form: some KiB less, for about a microsecond
// when it wakes. Nothing of this can be seen from outside but in the memory.
const (
	// QuietAfter is how long nothing must have arrived. It is long against a round trip,
	// so that a request now and then does not pay for waking each time.
	QuietAfter = 2 * time.Second
	// tidyBatch bounds how many slots one call looks at, some microseconds' worth, and
	// tidyPause is the time to the next batch: 100,000 connections are seen in 4 s.
	tidyBatch = 256
	tidyPause = 10 * time.Millisecond
)

// A caretaker walks the slots in search of quiet connections.
type caretaker struct {
	next  gquic.Instant // when to go on, Never: everything is tidy
	hand  int           // the next slot
	awake int           // connections that hold what an active one needs
}

// NextTidy returns when a call of the endpoint, any that takes a time, will give back
// memory of connections that are quiet; Never if there is nothing to give. Unlike
// NextTimeout it obliges to nothing: a caller that wakes for it saves memory, and on an
// endpoint that is called anyway the tidying goes along.
func (e *Endpoint) NextTidy() gquic.Instant { return e.caretaker.next }

// woke notes that a connection became active.
func (k *caretaker) woke(now gquic.Instant) {
	k.awake++
	if k.next == gquic.Never {
		k.next = now.Add(QuietAfter)
	}
}

// left notes that a connection rests, or is gone.
func (k *caretaker) left() {
	if k.awake--; k.awake == 0 {
		k.hand, k.next = 0, gquic.Never
	}
}

// tidy looks at some slots.
func (e *Endpoint) tidy() {
	k := &e.caretaker
	for range min(tidyBatch, len(e.slots)) {
		if k.hand >= len(e.slots) {
			break
		}
		if c := e.slots[k.hand].conn; c != nil && !c.resting && c.quiet() {
			c.rest()
		}
		k.hand++
	}
	switch {
	case k.awake == 0:
		k.hand = 0 // left has seen to the rest
	case k.hand < len(e.slots):
		k.next = e.now.Add(tidyPause)
	default:
		k.hand, k.next = 0, e.now.Add(QuietAfter)
	}
}

// quiet reports whether nothing has happened lately, and nothing is under way.
func (c *Conn) quiet() bool {
	return c.state == Established && c.hs == nil && c.detector.InFlight() == 0 &&
		!c.acks.Pending() && c.lastReceived.Add(QuietAfter) <= c.e.now
}

// rest gives back what a quiet connection does not need.
func (c *Conn) rest() {
	c.resting = true
	c.e.caretaker.left()
	for level := range c.open {
		c.seal[level], c.open[level] = handshake.Dormant(c.seal[level]), handshake.Dormant(c.open[level])
	}
	c.detector.Compact()
	c.acks.Compact()
	c.releaseFrames()
	c.frames.frames.compact()
	c.streams.active.compact()
	c.streams.control.compact()
	c.streams.lastFound = nil
	if len(c.streams.all) == 0 {
		c.streams.all = nil
	}
	c.crypto.send.Compact()
	c.crypto.recv.Compact()
}

// rouse makes a resting connection ready for packets.
func (c *Conn) rouse() {
	c.resting = false
	c.e.caretaker.woke(c.e.now)
	const level = handshake.LevelForwardSecure // the others are hardly needed any more
	c.seal[level], c.open[level] = handshake.Awake(c.seal[level]), handshake.Awake(c.open[level])
}
