package sim

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/netip"
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
	order   uint64 // of events at one instant: first scheduled, first served
	nodes   []*Node
	links   []*Link
	paths   map[[2]int][]int // by the nodes' numbers; only looked up
	owners  map[netip.AddrPort]int
	digest  hash.Hash
	stats   Stats
	err     error
	started bool

	scratch  []byte
	passages []passage
}

// Stats counts the datagrams of a whole world.
type Stats struct {
	Sent, Delivered         uint64
	BytesSent               uint64
	Lost                    uint64 // by a link, for whatever reason
	Duplicated, Corrupted   uint64 // copies made by links, and copies damaged
	Unroutable              uint64 // to an address that nobody has, or without a path
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
		paths:  make(map[[2]int][]int),
		owners: make(map[netip.AddrPort]int),
		digest: sha256.New(),
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
	path := make([]int, len(links))
	for i, l := range links {
		path[i] = l.index
	}
	w.paths[[2]int{from.index, to.index}] = path
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
		s.Lost += l.stats.Lost + l.stats.QueueDropped + l.stats.TooLarge + l.stats.OutageDropped
		s.LossByQueue += l.stats.QueueDropped
		s.LossByLuck += l.stats.Lost
		s.Duplicated += l.stats.Duplicated
		s.Corrupted += l.stats.Corrupted + l.stats.Truncated
		s.QueueDelay += l.stats.QueueDelayTotal
		s.LongestQueueWait = max(s.LongestQueueWait, l.stats.LongestQueueWait)
	}
	return s
}

// Digest returns the SHA-256 of all datagrams sent so far, with times and addresses.
func (w *World) Digest() [32]byte { return [32]byte(w.digest.Sum(nil)) }

// Run moves the world until every goal is reached, or something is wrong: ErrStuck,
// ErrSpin, ErrLimit when the time comes to limit, or what an App failed with.
func (w *World) Run(limit gquic.Instant) error {
	w.start()
	for w.err == nil {
		if w.Done() {
			return nil
		}
		if w.queue.len() == 0 {
			return w.unfinished(ErrStuck)
		}
		if w.queue.next() > limit {
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
	for w.err == nil && w.queue.len() > 0 && w.queue.next() <= t {
		w.step()
	}
	if w.err == nil {
		w.now = max(w.now, t)
	}
	return w.err
}

// Step moves the world by one event, and reports false when there is none or a run failed.
func (w *World) Step() bool {
	w.start()
	if w.err != nil || w.queue.len() == 0 {
		return false
	}
	w.step()
	return w.err == nil
}

// Done reports whether every goal is reached.
func (w *World) Done() bool {
	for _, n := range w.nodes {
		if n.app != nil && !n.app.Done() {
			return false
		}
	}
	return true
}

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
		if n.app != nil {
			n.app.Start(n)
		}
		n.settle()
	}
}

func (w *World) step() {
	e := w.queue.pop()
	w.stats.Events++
	w.now = max(w.now, e.at)
	if e.packet == nil {
		w.nodes[e.node].wake(e.at)
		return
	}
	w.forward(e.packet, e.hop)
}

// schedule adds an event.
func (w *World) schedule(e event) {
	w.order++
	e.order = w.order
	w.queue.push(e)
}

// send puts a datagram of n on its way.
func (w *World) send(n *Node, to netip.AddrPort, ecn uint8, data []byte) {
	from := n.addr
	w.stats.Sent++
	w.stats.BytesSent += uint64(len(data))
	w.record(from, to, data)
	w.trace(TraceEvent{Kind: TraceSent, Node: n.name, From: from, To: to, Data: data})
	owner, ok := w.owners[to]
	path, routed := w.paths[[2]int{n.index, owner}]
	if !ok || !routed {
		w.stats.Unroutable++
		w.trace(TraceEvent{Kind: TraceUnroutable, Node: n.name, From: from, To: to, Data: data})
		return
	}
	p := &packet{from: from, to: to, ecn: ecn, node: owner, path: path, data: append([]byte(nil), data...)}
	w.forward(p, 0)
}

// forward takes a packet into the next link of its path, or to its node.
func (w *World) forward(p *packet, hop int) {
	if hop == len(p.path) {
		w.arrive(p)
		return
	}
	l := w.links[p.path[hop]]
	var f fate
	w.passages, f = l.enter(w.now, p.data, w.passages[:0])
	if f != passed {
		w.trace(TraceEvent{Kind: TraceDropped, Link: l.name, From: p.from, To: p.to, Data: p.data})
	}
	for _, out := range w.passages {
		next := p
		if len(out.data) != len(p.data) || len(p.data) > 0 && &out.data[0] != &p.data[0] {
			damaged := *p
			damaged.data = out.data
			next = &damaged
		}
		w.schedule(event{at: out.at, packet: next, hop: hop + 1})
	}
}

func (w *World) arrive(p *packet) {
	if owner, ok := w.owners[p.to]; !ok || owner != p.node {
		w.stats.Unroutable++ // the address was given up on the way
		w.trace(TraceEvent{Kind: TraceUnroutable, From: p.from, To: p.to, Data: p.data})
		return
	}
	w.stats.Delivered++
	w.nodes[p.node].receive(p)
}

func (w *World) trace(e TraceEvent) {
	if w.Trace != nil {
		e.Now = w.now
		w.Trace(e)
	}
}

// record adds a datagram to the digest.
func (w *World) record(from, to netip.AddrPort, data []byte) {
	b := binary.BigEndian.AppendUint64(w.scratch[:0], uint64(w.now))
	b = from.AppendTo(b)
	b = append(b, '>')
	b = to.AppendTo(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	w.digest.Write(b)
	w.digest.Write(data)
	w.scratch = b
}

// Clone returns a copy of the world that goes on like the original: endpoints, goals,
// links and what is on its way. Both share the endpoints' configurations, and so their
// Trace functions.
func (w *World) Clone() *World {
	c := *w
	c.queue = w.queue.clone()
	c.links = make([]*Link, len(w.links))
	for i, l := range w.links {
		copied := *l
		c.links[i] = &copied
	}
	c.paths = make(map[[2]int][]int, len(w.paths))
	for k, p := range w.paths {
		c.paths[k] = p
	}
	c.owners = make(map[netip.AddrPort]int, len(w.owners))
	for k, o := range w.owners {
		c.owners[k] = o
	}
	c.nodes = make([]*Node, len(w.nodes))
	for i, n := range w.nodes {
		c.nodes[i] = n.clone(&c)
	}
	c.digest = cloneHash(w.digest)
	c.scratch, c.passages = nil, nil
	return &c
}

func cloneHash(h hash.Hash) hash.Hash {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	c := sha256.New()
	if err == nil {
		err = c.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	}
	if err != nil {
		panic("sim: crypto/sha256 cannot be copied: " + err.Error())
	}
	return c
}
