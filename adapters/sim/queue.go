package sim

import (
	"net/netip"

	"example.com/gquic"
)

// A packet is a datagram on its way: one copy of it, owned by whoever holds its number.
// Packets live in a [packets] store and are used again, so that a running world
// allocates nothing for them.
type packet struct {
	from, to netip.AddrPort
	ecn      uint8
	node     int32 // who had the address to when it was sent
	hop      int32 // the link of path that it is in
	path     []int32
	entered  gquic.Instant // the present link's queue
	luck     luck          // in the present link
	data     []byte
}

// packets is a store of packets. A number stays valid until it is freed, a pointer
// only until the next packet is made.
type packets struct {
	all  []packet
	free []uint32
}

func (s *packets) make(data []byte) uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		p := &s.all[id]
		p.data = append(p.data[:0], data...)
		return id
	}
	s.all = append(s.all, packet{data: append(make([]byte, 0, max(len(data), 1500)), data...)})
	return uint32(len(s.all) - 1)
}

func (s *packets) at(id uint32) *packet { return &s.all[id] }
func (s *packets) drop(id uint32)       { s.free = append(s.free, id) }

// copyOf makes a copy of a packet.
func (s *packets) copyOf(id uint32) uint32 {
	c := s.make(s.all[id].data)
	data := s.all[c].data
	s.all[c] = s.all[id]
	s.all[c].data = data
	return c
}

func (s *packets) clone() packets {
	c := packets{all: append([]packet(nil), s.all...), free: append([]uint32(nil), s.free...)}
	for i := range c.all {
		c.all[i].data = append([]byte(nil), c.all[i].data...)
	}
	return c
}

// An eventKind says what an event's id names.
type eventKind uint8

const (
	packetLeaves eventKind = iota // a packet leaves a link, for the next or for its node
	linkReady                     // a link's transmitter is free for the next in its queue
	scriptDue                     // something that was asked for with World.At
)

type event struct {
	at    gquic.Instant
	order uint64 // of those at one instant: first scheduled, first served
	id    uint32
	kind  eventKind
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// An eventQueue is a heap, four children a node: the earliest event first, and of those
// at one instant the one that was scheduled first.
type eventQueue struct{ heap []event }

func (q *eventQueue) len() int          { return len(q.heap) }
func (q *eventQueue) clone() eventQueue { return eventQueue{append([]event(nil), q.heap...)} }

// next returns the time of the earliest event, or Never.
func (q *eventQueue) next() gquic.Instant {
	if len(q.heap) == 0 {
		return gquic.Never
	}
	return q.heap[0].at
}

func (q *eventQueue) push(e event) {
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

func (q *eventQueue) pop() event {
	first := q.heap[0]
	n := len(q.heap) - 1
	e := q.heap[n]
	q.heap = q.heap[:n]
	if n == 0 {
		return first
	}
	i := 0
	for child := 1; child < n; child = 4*i + 1 {
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if q.heap[c].before(&q.heap[least]) {
				least = c
			}
		}
		if !q.heap[least].before(&e) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = e
	return first
}

// alarms is a heap of the nodes that want to be woken, the earliest first; of those at
// one instant the one that was made first. Each node is in it at most once.
type alarms struct{ heap []alarm }

type alarm struct {
	at   gquic.Instant
	node int32
}

func (a alarm) before(b alarm) bool { return a.at < b.at || a.at == b.at && a.node < b.node }

func (q *alarms) next() gquic.Instant {
	if len(q.heap) == 0 {
		return gquic.Never
	}
	return q.heap[0].at
}

// set moves the alarm of a node, whose place in the heap is pos[node] (-1: none). Never
// takes it away.
func (q *alarms) set(pos []int32, node int32, at gquic.Instant) {
	i := int(pos[node])
	switch {
	case i < 0 && at == gquic.Never:
		return
	case i < 0:
		i = len(q.heap)
		q.heap = append(q.heap, alarm{at, node})
		pos[node] = int32(i)
	case at == gquic.Never:
		last := q.heap[len(q.heap)-1]
		q.heap = q.heap[:len(q.heap)-1]
		pos[node] = -1
		if i == len(q.heap) {
			return
		}
		q.heap[i] = last
		pos[last.node] = int32(i)
	case q.heap[i].at == at:
		return
	default:
		q.heap[i].at = at
	}
	q.down(pos, q.up(pos, i))
}

func (q *alarms) up(pos []int32, i int) int {
	a := q.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !a.before(q.heap[parent]) {
			break
		}
		q.put(pos, i, q.heap[parent])
		i = parent
	}
	q.put(pos, i, a)
	return i
}

func (q *alarms) down(pos []int32, i int) {
	a := q.heap[i]
	for child := 4*i + 1; child < len(q.heap); child = 4*i + 1 {
		least := child
		for c := child + 1; c < min(child+4, len(q.heap)); c++ {
			if q.heap[c].before(q.heap[least]) {
				least = c
			}
		}
		if !q.heap[least].before(a) {
			break
		}
		q.put(pos, i, q.heap[least])
		i = least
	}
	q.put(pos, i, a)
}

func (q *alarms) put(pos []int32, i int, a alarm) {
	q.heap[i] = a
	pos[a.node] = int32(i)
}
