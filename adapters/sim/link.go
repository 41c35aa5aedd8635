package sim

import (
	"math"
	"math/bits"
	"time"

	"example.com/gquic"
)

// HeaderBytes is what IPv4 and UDP add to a datagram where it takes up a link's rate
// and queue.
const HeaderBytes = 28

// DefaultQueue is the room of a rate-limited link's queue when none is given, in bytes:
// about a hundred full datagrams.
const DefaultQueue = 128 << 10

// LinkConfig says what a link does to the datagrams that pass it. The zero value passes
// everything at once.
type LinkConfig struct {
	Delay  time.Duration // how long every datagram travels
	Jitter time.Duration // up to this much more, drawn for each; it keeps the order

	Rate  int64 // bits per second; 0: unlimited
	Queue int   // bytes that may wait for the rate; more are lost at the tail. 0: DefaultQueue

	MTU int // largest UDP payload; larger ones are lost. 0: no limit

	Loss       PPM // each datagram alone
	BurstEnter PPM // with each datagram, a burst of losses may begin
	BurstLeave PPM // and end; 0 with BurstEnter set: a quarter

	Reorder   PPM           // a datagram is held back while later ones pass
	ReorderBy time.Duration // for at most this long; 0: a quarter of Delay, at least 1 ms

	Duplicate PPM // a second copy follows the first
	Corrupt   PPM // one bit is flipped
	Truncate  PPM // the end is cut off at a random place

	Outages []Outage // while one lasts everything that enters is lost
}

// An Outage is a time in which a link carries nothing.
type Outage struct{ From, To gquic.Instant }

// LinkStats counts what a link did. Every datagram that entered, and every copy that the
// link made, ends in exactly one of Passed, Lost, QueueDropped, TooLarge or OutageDropped.
type LinkStats struct {
	Entered, Passed                   uint64
	Lost, QueueDropped, TooLarge      uint64
	OutageDropped                     uint64
	Duplicated, Reordered             uint64 // of those that passed
	Corrupted, Truncated              uint64
	BytesEntered, BytesPassed         uint64 // UDP payload
	QueueDelayTotal, LongestQueueWait time.Duration
}

// A Link carries datagrams in one direction. Make it with [World.Link].
type Link struct {
	name  string
	index int
	cfg   LinkConfig
	rand  Rand
	stats LinkStats

	free  gquic.Instant // when the transmitter has sent all that waits
	last  gquic.Instant // arrival of the last datagram that kept its place
	burst bool          // in a burst of losses
}

// Name returns the link's name.
func (l *Link) Name() string { return l.name }

// Stats returns the counters.
func (l *Link) Stats() LinkStats { return l.stats }

// Config returns what the link does at present.
func (l *Link) Config() LinkConfig { return l.cfg }

// Set changes what the link does to datagrams that enter from now on.
func (l *Link) Set(cfg LinkConfig) { l.cfg = cfg.withDefaults() }

func (c LinkConfig) withDefaults() LinkConfig {
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.BurstEnter > 0 && c.BurstLeave == 0 {
		c.BurstLeave = 25 * Percent
	}
	if c.ReorderBy == 0 {
		c.ReorderBy = max(c.Delay/4, time.Millisecond)
	}
	return c
}

// A passage is one copy of a datagram that leaves the link.
type passage struct {
	at   gquic.Instant
	data []byte
}

// fate is what became of one copy that entered a link.
type fate uint8

const (
	passed fate = iota
	lost
	queueDropped
	tooLarge
	outage
)

// enter decides what becomes of a datagram that enters the link now: the copies that
// leave it are appended to out. data is shared and never changed; a damaged copy is made.
func (l *Link) enter(now gquic.Instant, data []byte, out []passage) ([]passage, fate) {
	l.stats.Entered++
	l.stats.BytesEntered += uint64(len(data))
	copies := 1
	if l.rand.Chance(l.cfg.Duplicate) {
		copies = 2
		l.stats.Duplicated++
	}
	var first fate
	for i := range copies {
		if i > 0 {
			l.stats.Entered++
		}
		p, f := l.carry(now, data)
		if f == passed {
			l.stats.Passed++
			l.stats.BytesPassed += uint64(len(p.data))
			out = append(out, p)
		}
		if i == 0 {
			first = f
		}
	}
	return out, first
}

// carry takes one copy through the link. It makes every draw whatever the outcome, so
// that one setting does not shift the luck of another.
func (l *Link) carry(now gquic.Instant, data []byte) (passage, fate) {
	lose := l.rand.Chance(l.cfg.Loss)
	if l.burst {
		l.burst = !l.rand.Chance(l.cfg.BurstLeave)
	} else {
		l.burst = l.rand.Chance(l.cfg.BurstEnter)
	}
	jitter := l.rand.Duration(l.cfg.Jitter)
	reorder, held := l.rand.Chance(l.cfg.Reorder), l.rand.Duration(l.cfg.ReorderBy)
	corrupt, bit := l.rand.Chance(l.cfg.Corrupt), l.rand.Below(uint64(len(data))*8)
	truncate, length := l.rand.Chance(l.cfg.Truncate), l.rand.Below(uint64(len(data)))

	switch {
	case l.out(now):
		l.stats.OutageDropped++
		return passage{}, outage
	case l.cfg.MTU > 0 && len(data) > l.cfg.MTU:
		l.stats.TooLarge++
		return passage{}, tooLarge
	}
	leave, ok := l.transmit(now, len(data))
	if !ok {
		l.stats.QueueDropped++
		return passage{}, queueDropped
	}
	if lose || l.burst { // lost on the way, after it took its share of the rate
		l.stats.Lost++
		return passage{}, lost
	}
	at := leave.Add(l.cfg.Delay).Add(jitter)
	if reorder {
		at = at.Add(held)
		l.stats.Reordered++
	} else {
		at = max(at, l.last)
		l.last = at
	}
	if truncate && len(data) > 0 {
		data = data[:length:length]
		l.stats.Truncated++
	}
	if corrupt && int(bit/8) < len(data) {
		data = append([]byte(nil), data...)
		data[bit/8] ^= 1 << (bit % 8)
		l.stats.Corrupted++
	}
	return passage{at, data}, passed
}

func (l *Link) out(now gquic.Instant) bool {
	for _, o := range l.cfg.Outages {
		if o.From <= now && now < o.To {
			return true
		}
	}
	return false
}

// transmit queues size bytes of payload at the transmitter and returns when the last of
// them has left it, or false if the queue has no room.
func (l *Link) transmit(now gquic.Instant, size int) (gquic.Instant, bool) {
	if l.cfg.Rate <= 0 {
		return now, true
	}
	wait := max(l.free.Sub(now), 0)
	if wait > 0 && wait > transmission(l.cfg.Queue-size-HeaderBytes, l.cfg.Rate) {
		return 0, false
	}
	l.stats.QueueDelayTotal += wait
	l.stats.LongestQueueWait = max(l.stats.LongestQueueWait, wait)
	l.free = now.Add(wait).Add(transmission(size+HeaderBytes, l.cfg.Rate))
	return l.free, true
}

// transmission is how long n bytes take at rate bits per second.
func transmission(n int, rate int64) time.Duration {
	if n <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(n)*8, uint64(time.Second))
	if high >= uint64(rate) {
		return math.MaxInt64
	}
	d, _ := bits.Div64(high, low, uint64(rate))
	return time.Duration(min(d, math.MaxInt64))
}
