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

// LinkConfig says what a link does to the datagrams that pass it, in this order:
//
//	duplicate ▸ outage, MTU ▸ queue (drop-tail, CoDel) ▸ rate ▸ loss, bursts ▸ delay,
//	jitter, reordering ▸ truncation, corruption
//
// The zero value passes everything at once.
type LinkConfig struct {
	Delay  time.Duration // how long every datagram travels
	Jitter time.Duration // up to this much more, drawn for each; it keeps the order

	Rate  int64 // bits per second, IP and UDP headers included; 0: unlimited
	Queue int   // bytes that may wait for the rate; more are lost at the tail. 0: DefaultQueue

	// CoDel, if not 0, is the target of an active queue (RFC 8289): when datagrams have
	// waited longer for a while, some are dropped at the head. 5 ms is usual.
	CoDel         time.Duration
	CoDelInterval time.Duration // the while; 0: 100 ms

	MTU int // largest UDP payload; larger ones are lost. 0: no limit

	Loss PPM // each datagram alone

	// Bursts of losses are Gilbert and Elliott's two states: with each datagram a burst
	// may begin or end, and while it lasts BurstLoss are lost.
	BurstEnter PPM
	BurstLeave PPM // 0 with BurstEnter set: a quarter, so that bursts have a mean of four
	BurstLoss  PPM // 0: all

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
// link made, ends in exactly one of Passed, Lost, QueueDropped, CoDelDropped, TooLarge or
// OutageDropped, or still waits.
type LinkStats struct {
	Entered, Passed                   uint64
	Lost, QueueDropped, TooLarge      uint64
	CoDelDropped, OutageDropped       uint64
	Duplicated, Reordered             uint64 // of those that passed
	Corrupted, Truncated              uint64
	BytesEntered, BytesPassed         uint64 // UDP payload
	BytesLost                         uint64 // UDP payload of all that did not pass
	QueueDelayTotal, LongestQueueWait time.Duration
}

// A Link carries datagrams in one direction. Make it with [World.Link].
type Link struct {
	name  string
	index int
	cfg   LinkConfig
	rand  Rand
	stats LinkStats
	waits *histogram // of the queue; nil until a rate-limited link was used

	queue ring          // packets that wait for the transmitter
	bytes int           // of them, with headers
	busy  gquic.Instant // until when the transmitter is
	ready bool          // an event is scheduled for then
	codel codel
	last  gquic.Instant // arrival of the last datagram that kept its place
	burst bool          // in a burst of losses
}

// Name returns the link's name.
func (l *Link) Name() string { return l.name }

// Stats returns the counters.
func (l *Link) Stats() LinkStats { return l.stats }

// Config returns what the link does at present.
func (l *Link) Config() LinkConfig { return l.cfg }

// Set changes what the link does: the rate and the delay also to what waits in its
// queue, everything else to datagrams that enter from now on.
func (l *Link) Set(cfg LinkConfig) { l.cfg = cfg.withDefaults() }

// Queued returns how many bytes wait for the rate, with headers.
func (l *Link) Queued() int { return l.bytes }

// QueueWait returns the time that the given share of the datagrams that passed the queue
// did not exceed, up to 1/16 more.
func (l *Link) QueueWait(share PPM) time.Duration {
	if l.waits == nil {
		return 0
	}
	return time.Duration(l.waits.quantile(share))
}

func (c LinkConfig) withDefaults() LinkConfig {
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.CoDel > 0 && c.CoDelInterval == 0 {
		c.CoDelInterval = codelInterval
	}
	if c.BurstEnter > 0 && c.BurstLeave == 0 {
		c.BurstLeave = 25 * Percent
	}
	if c.BurstLoss == 0 {
		c.BurstLoss = 100 * Percent
	}
	if c.ReorderBy == 0 {
		c.ReorderBy = max(c.Delay/4, time.Millisecond)
	}
	return c
}

// luck is what a link drew for a datagram when it entered.
type luck struct {
	lose, hold, corrupt, truncate bool
	bit, length                   int32
	jitter, held                  time.Duration
}

// draw makes every draw whatever comes of it, so that one setting does not shift the
// luck of another.
func (l *Link) draw(size int) (k luck) {
	k.lose = l.rand.Chance(l.cfg.Loss)
	if l.burst {
		l.burst = !l.rand.Chance(l.cfg.BurstLeave)
	} else {
		l.burst = l.rand.Chance(l.cfg.BurstEnter)
	}
	if l.rand.Chance(l.cfg.BurstLoss) && l.burst {
		k.lose = true
	}
	k.jitter = l.rand.Duration(l.cfg.Jitter)
	k.hold, k.held = l.rand.Chance(l.cfg.Reorder), l.rand.Duration(l.cfg.ReorderBy)
	k.corrupt, k.bit = l.rand.Chance(l.cfg.Corrupt), int32(l.rand.Below(uint64(size)*8))
	k.truncate, k.length = l.rand.Chance(l.cfg.Truncate), int32(l.rand.Below(uint64(size)))
	return k
}

// enter takes a packet into l, and a copy of it if one is made.
func (w *World) enter(l *Link, id uint32) {
	twice := l.rand.Chance(l.cfg.Duplicate)
	if !twice {
		w.admit(l, id)
		return
	}
	l.stats.Duplicated++
	c := w.packets.copyOf(id)
	w.admit(l, id)
	w.admit(l, c)
}

// admit takes one packet to the link's transmitter, or to the queue before it.
func (w *World) admit(l *Link, id uint32) {
	p := w.packets.at(id)
	size := len(p.data)
	l.stats.Entered++
	l.stats.BytesEntered += uint64(size)
	p.luck = l.draw(size)
	p.entered = w.now
	switch {
	case l.out(w.now):
		l.stats.OutageDropped++
		w.dropped(l, id)
	case l.cfg.MTU > 0 && size > l.cfg.MTU:
		l.stats.TooLarge++
		w.dropped(l, id)
	case l.cfg.Rate <= 0 && l.queue.len() == 0:
		w.launch(l, id, w.now)
	case l.queue.len() == 0 && l.busy <= w.now:
		w.transmit(l, id)
	case l.bytes+size+HeaderBytes > l.cfg.Queue:
		l.stats.QueueDropped++
		w.dropped(l, id)
	default:
		l.queue.push(id)
		l.bytes += size + HeaderBytes
		w.awaitTransmitter(l)
	}
}

func (w *World) awaitTransmitter(l *Link) {
	if !l.ready && l.queue.len() > 0 {
		l.ready = true
		w.schedule(max(l.busy, w.now), linkReady, uint32(l.index))
	}
}

// linkReady transmits the next packet of the queue.
func (w *World) linkReady(l *Link) {
	l.ready = false
	for l.queue.len() > 0 {
		id := l.queue.pop()
		p := w.packets.at(id)
		l.bytes -= len(p.data) + HeaderBytes
		if l.codel.drops(&l.cfg, w.now, w.now.Sub(p.entered), l.bytes) {
			l.stats.CoDelDropped++
			w.dropped(l, id)
			continue
		}
		w.transmit(l, id)
		if l.busy > w.now {
			break
		}
	}
	w.awaitTransmitter(l)
}

// transmit gives a packet to the free transmitter.
func (w *World) transmit(l *Link, id uint32) {
	p := w.packets.at(id)
	wait := w.now.Sub(p.entered)
	if l.waits == nil {
		l.waits = new(histogram)
	}
	l.waits.add(uint64(wait))
	l.stats.QueueDelayTotal += wait
	l.stats.LongestQueueWait = max(l.stats.LongestQueueWait, wait)
	if l.cfg.Rate > 0 {
		l.busy = w.now.Add(transmission(len(p.data)+HeaderBytes, l.cfg.Rate))
	}
	w.launch(l, id, max(l.busy, w.now))
}

// launch sends a packet, whose last bit leaves the transmitter at an instant, on its way.
func (w *World) launch(l *Link, id uint32, leave gquic.Instant) {
	p := w.packets.at(id)
	k := &p.luck
	if k.lose {
		l.stats.Lost++
		w.dropped(l, id)
		return
	}
	at := leave.Add(l.cfg.Delay).Add(k.jitter)
	if k.hold {
		at = at.Add(k.held)
		l.stats.Reordered++
	} else {
		at = max(at, l.last)
		l.last = at
	}
	if k.truncate && int(k.length) < len(p.data) {
		p.data = p.data[:k.length]
		l.stats.Truncated++
	}
	if k.corrupt && int(k.bit/8) < len(p.data) {
		p.data[k.bit/8] ^= 1 << (k.bit % 8)
		l.stats.Corrupted++
	}
	l.stats.Passed++
	l.stats.BytesPassed += uint64(len(p.data))
	p.hop++
	w.schedule(at, packetLeaves, id)
}

func (w *World) dropped(l *Link, id uint32) {
	p := w.packets.at(id)
	l.stats.BytesLost += uint64(len(p.data))
	if w.Trace != nil {
		w.Trace(TraceEvent{Now: w.now, Kind: TraceDropped, Link: l.name, From: p.from, To: p.to, Data: p.data})
	}
	w.packets.drop(id)
}

func (l *Link) out(now gquic.Instant) bool {
	for _, o := range l.cfg.Outages {
		if o.From <= now && now < o.To {
			return true
		}
	}
	return false
}

func (l *Link) clone() *Link {
	c := *l
	c.queue = l.queue.clone()
	if l.waits != nil {
		waits := *l.waits
		c.waits = &waits
	}
	return &c
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

// A ring is a queue of packet numbers.
type ring struct {
	items []uint32 // a power of two
	first int
	n     int
}

func (r *ring) len() int { return r.n }

func (r *ring) push(id uint32) {
	if r.n == len(r.items) {
		grown := make([]uint32, max(16, 2*r.n))
		for i := range r.n {
			grown[i] = r.items[(r.first+i)&(r.n-1)]
		}
		r.items, r.first = grown, 0
	}
	r.items[(r.first+r.n)&(len(r.items)-1)] = id
	r.n++
}

func (r *ring) pop() uint32 {
	id := r.items[r.first]
	r.first = (r.first + 1) & (len(r.items) - 1)
	r.n--
	return id
}

func (r *ring) clone() ring {
	c := *r
	c.items = append([]uint32(nil), r.items...)
	return c
}
