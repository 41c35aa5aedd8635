package sim

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// WallStart is the wall time at instant zero of every world, in Unix seconds: noon of
// 2018-12-01, when Q043 and Q044 were in use. Certificates of [Authority] are valid then.
const WallStart int64 = 1543665600

// Errors that end a run.
var (
	// ErrStuck: a goal is unfinished and nothing is scheduled: it will never be reached.
	ErrStuck = errors.New("stuck: unfinished, with nothing scheduled")
	// ErrSpin: an endpoint asks to be woken at once after everything was drained.
	ErrSpin = errors.New("a loop of zero-length waits")
	// ErrLimit: the time given to [World.Run] is over and a goal is unfinished.
	ErrLimit = errors.New("out of time")
)

// A World is a simulated network with its clock. Nothing in it runs by itself: Run and
// Step move it. It is not safe for concurrent use; worlds share nothing with each other.
type World struct {
	// Trace, if not nil, is shown what happens to every datagram. It must change nothing.
	Trace func(TraceEvent)

	seed    uint64
	now     gquic.Instant
	queue   eventQueue
	alarms  alarms
	places  []int32 // of the nodes in alarms
	order   uint64  // of events at one instant: first scheduled, first served
	packets packets
	nodes   []*Node
	links   []*Link
	paths   map[[2]int32][]int32 // by the nodes' numbers; only looked up
	owners  map[netip.AddrPort]int32
	scripts []func(*World)
	pending int // nodes whose goal is not reached
	digest  digest
	stats   Stats
	err     error
	started bool
	buf     []byte // for what an endpoint sends
}

// Stats counts the datagrams of a whole world.
type Stats struct {
	Sent, Delivered         uint64
	BytesSent               uint64
	Lost                    uint64 // by a link, for whatever reason
	Duplicated, Corrupted   uint64 // copies made by links, and copies damaged
	Unroutable              uint64 // to an address that nobody has, or without a path
	BytesUnroutable         uint64
	Events                  uint64 // steps of the world
	QueueDelay              time.Duration
	LongestQueueWait        time.Duration
	LossByQueue, LossByLuck uint64
}

// TraceKind says what happened to a datagram.
type TraceKind uint8

// The life of a datagram: it is sent; each link passes it on, perhaps twice, or drops
// it; and it is received, or there is nobody at the address.
const (
	TraceSent TraceKind = iota
	TraceDropped
	TraceReceived
	TraceUnroutable
)

// String returns the kind in a word.
func (k TraceKind) String() string {
	return [...]string{"sent", "dropped", "received", "unroutable"}[k&3]
}

// A TraceEvent is one thing that happened to a datagram. Data is borrowed for the call.
type TraceEvent struct {
	Now      gquic.Instant
	Kind     TraceKind
	Node     string // who sent or received it
	Link     string // which link dropped it
	From, To netip.AddrPort
	Data     []byte
	Verdict  conn.Verdict // of the receiver
}

// New returns an empty world.
func New(seed uint64) *World {
	return &World{
		seed:   seed,
		paths:  make(map[[2]int32][]int32),
		owners: make(map[netip.AddrPort]int32),
	}
}

// Now returns the world's time. It begins at zero.
func (w *World) Now() gquic.Instant { return w.now }

// Wall is the wall time of every world at an instant, for [conn.Config].
func Wall(now gquic.Instant) int64 { return WallStart + int64(time.Duration(now)/time.Second) }

// Seed returns 32 bytes for a purpose, which the world's seed and the name determine:
// the Seed of an endpoint's configuration, or a server's Secret.
func (w *World) Seed(name string) [32]byte { return seedFor(w.seed, name) }

// Rand returns a generator for a purpose.
func (w *World) Rand(name string) Rand { return NewRand(w.seed, name) }

// Link adds a link. Its luck depends on the world's seed and its name, and on nothing else.
func (w *World) Link(name string, cfg LinkConfig) *Link {
	l := &Link{name: name, index: len(w.links), cfg: cfg.withDefaults(), rand: w.Rand("link " + name)}
	w.links = append(w.links, l)
	return l
}

// Links returns the links, in the order in which they were made.
func (w *World) Links() []*Link { return w.links }

// Nodes returns the nodes, in the order in which they were made.
func (w *World) Nodes() []*Node { return w.nodes }

// Path makes datagrams from one node to another go through these links, in this order.
// With no links they arrive at once. It may be called again, for datagrams sent later.
func (w *World) Path(from, to *Node, links ...*Link) {
	path := make([]int32, len(links))
	for i, l := range links {
		path[i] = int32(l.index)
	}
	w.paths[[2]int32{from.index, to.index}] = path
}

// Connect makes one link each way between two nodes, named after them, and returns them.
func (w *World) Connect(a, b *Node, there, back LinkConfig) (*Link, *Link) {
	ab := w.Link(a.name+" to "+b.name, there)
	ba := w.Link(b.name+" to "+a.name, back)
	w.Path(a, b, ab)
	w.Path(b, a, ba)
	return ab, ba
}

// Stats returns the counters of the world and the sums over its links.
func (w *World) Stats() Stats {
	s := w.stats
	for _, l := range w.links {
		s.Lost += l.stats.Lost + l.stats.QueueDropped + l.stats.CoDelDropped + l.stats.TooLarge + l.stats.OutageDropped
		s.LossByQueue += l.stats.QueueDropped + l.stats.CoDelDropped
		s.LossByLuck += l.stats.Lost
		s.Duplicated += l.stats.Duplicated
		s.Corrupted += l.stats.Corrupted + l.stats.Truncated
		s.QueueDelay += l.stats.QueueDelayTotal
		s.LongestQueueWait = max(s.LongestQueueWait, l.stats.LongestQueueWait)
	}
	return s
}

// Digest sums up all datagrams sent so far, every byte of them, with times and addresses.
func (w *World) Digest() [32]byte { return w.digest.sum() }

// At makes the world call do at an instant, before what else happens then. do may look up nodes
// and links, change them, and ask for more calls; it must refer to nothing else that
// changes, or clones of the world would share it.
func (w *World) At(t gquic.Instant, do func(*World)) {
	w.scripts = append(w.scripts, do)
	w.schedule(max(t, w.now), scriptDue, uint32(len(w.scripts)-1))
}

// Run moves the world until every goal is reached, or something is wrong: ErrStuck,
// ErrSpin, ErrLimit when the time comes to limit, or what an App failed with.
func (w *World) Run(limit gquic.Instant) error {
	w.start()
	for w.err == nil {
		if w.Done() {
			return nil
		}
		next := w.next()
		if next == gquic.Never {
			return w.unfinished(ErrStuck)
		}
		if next > limit {
			w.now = max(w.now, limit)
			return w.unfinished(ErrLimit)
		}
		w.step()
	}
	return w.err
}

// RunUntil moves the world to time t, whether goals are reached before or not. It
// returns an error only if an assert or an App failed.
func (w *World) RunUntil(t gquic.Instant) error {
	w.start()
	for w.err == nil {
		if next := w.next(); next == gquic.Never || next > t {
			w.now = max(w.now, t)
			break
		}
		w.step()
	}
	return w.err
}

// Step moves the world by one event, and reports false when there is none or a run failed.
func (w *World) Step() bool {
	w.start()
	if w.err != nil || w.next() == gquic.Never {
		return false
	}
	w.step()
	return w.err == nil
}

// next returns when something happens next, or Never.
func (w *World) next() gquic.Instant { return min(w.queue.next(), w.alarms.next()) }

// Done reports whether every goal is reached.
func (w *World) Done() bool { return w.started && w.pending == 0 }

// Err returns what went wrong, or nil.
func (w *World) Err() error { return w.err }

func (w *World) unfinished(why error) error {
	var who []string
	for _, n := range w.nodes {
		if n.app != nil && !n.app.Done() {
			who = append(who, fmt.Sprintf("%s (%v)", n.name, n.app))
		}
	}
	w.err = fmt.Errorf("seed %d, at %v: %w: %s", w.seed, w.now, why, strings.Join(who, ", "))
	return w.err
}

func (w *World) fail(n *Node, err error) {
	if w.err == nil {
		w.err = fmt.Errorf("seed %d, at %v: %s: %w", w.seed, w.now, n.name, err)
	}
}

func (w *World) start() {
	if w.started {
		return
	}
	w.started = true
	for _, n := range w.nodes {
		n.begin()
	}
}

// step serves the next event. Of those at one instant packets come before alarms.
func (w *World) step() {
	w.stats.Events++
	if a := w.alarms.next(); a < w.queue.next() {
		w.now = max(w.now, a)
		w.nodes[w.alarms.heap[0].node].wake()
		return
	}
	e := w.queue.pop()
	w.now = max(w.now, e.at)
	switch e.kind {
	case packetLeaves:
		w.forward(e.id)
	case linkReady:
		w.linkReady(w.links[e.id])
	case scriptDue:
		w.scripts[e.id](w)
		w.scripts[e.id] = nil
	}
}

func (w *World) schedule(at gquic.Instant, kind eventKind, id uint32) {
	w.order++
	w.queue.push(event{at: at, order: w.order, id: id, kind: kind})
}

// send puts a datagram of n on its way.
func (w *World) send(n *Node, to netip.AddrPort, ecn uint8, data []byte) {
	from := n.leave()
	n.lastSent = n.Now()
	w.stats.Sent++
	w.stats.BytesSent += uint64(len(data))
	w.digest.add(w.now, from, to, data)
	if w.Trace != nil {
		w.Trace(TraceEvent{Now: w.now, Kind: TraceSent, Node: n.name, From: from, To: to, Data: data})
	}
	owner, ok := w.owners[to]
	path, routed := w.paths[[2]int32{n.index, owner}]
	if !ok || !routed {
		w.stats.Unroutable++
		w.stats.BytesUnroutable += uint64(len(data))
		if w.Trace != nil {
			w.Trace(TraceEvent{Now: w.now, Kind: TraceUnroutable, Node: n.name, From: from, To: to, Data: data})
		}
		return
	}
	id := w.packets.make(data)
	p := w.packets.at(id)
	p.from, p.to, p.ecn, p.node, p.hop, p.path = from, to, ecn, owner, 0, path
	if len(path) == 0 {
		// It arrives when the sender is done: a node is not called while it calls.
		w.schedule(w.now, packetLeaves, id)
		return
	}
	w.enter(w.links[path[0]], id)
}

// forward takes a packet into the next link of its path, or to its node.
func (w *World) forward(id uint32) {
	p := w.packets.at(id)
	if int(p.hop) < len(p.path) {
		w.enter(w.links[p.path[p.hop]], id)
		return
	}
	if owner, ok := w.owners[p.to]; ok && owner == p.node {
		w.stats.Delivered++
		w.nodes[p.node].receive(id)
	} else { // the address was given up on the way
		w.stats.Unroutable++
		w.stats.BytesUnroutable += uint64(len(p.data))
		if w.Trace != nil {
			w.Trace(TraceEvent{Now: w.now, Kind: TraceUnroutable, From: p.from, To: p.to, Data: p.data})
		}
	}
	w.packets.drop(id)
}

// Clone returns a copy of the world that goes on like the original: endpoints, goals,
// links and what is on its way. Both share the endpoints' configurations, and so their
// Trace functions, and what At was given.
func (w *World) Clone() *World {
	c := *w
	c.queue = w.queue.clone()
	c.alarms.heap = slices.Clone(w.alarms.heap)
	c.places = slices.Clone(w.places)
	c.packets = w.packets.clone()
	c.buf = nil
	c.scripts = slices.Clone(w.scripts)
	c.paths = maps.Clone(w.paths)
	c.owners = maps.Clone(w.owners)
	c.links = make([]*Link, len(w.links))
	for i, l := range w.links {
		c.links[i] = l.clone()
	}
	c.nodes = make([]*Node, len(w.nodes))
	for i, n := range w.nodes {
		c.nodes[i] = n.clone(&c)
	}
	return &c
}
