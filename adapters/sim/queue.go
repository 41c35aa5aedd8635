package sim

import (
	"net/netip"

	"example.com/gquic"
)

// A packet is a datagram on its way. It never changes once it was sent.
type packet struct {
	from, to netip.AddrPort
	ecn      uint8
	node     int   // who had the address to when it was sent
	path     []int // links
	data     []byte
}

// An event is a packet that leaves a link (or, with hop at the path's end, arrives), or
// without packet the waking of a node.
type event struct {
	at     gquic.Instant
	order  uint64
	packet *packet
	hop    int
	node   int
}

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.order < f.order
}

// An eventQueue is a binary heap: the earliest event first, and of those at one instant
// the one that was scheduled first.
type eventQueue struct{ heap []event }

func (q *eventQueue) len() int            { return len(q.heap) }
func (q *eventQueue) next() gquic.Instant { return q.heap[0].at }
func (q *eventQueue) clone() eventQueue   { return eventQueue{append([]event(nil), q.heap...)} }

func (q *eventQueue) push(e event) {
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			break
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *eventQueue) pop() event {
	first := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && q.heap[child+1].before(&q.heap[child]) {
			child++
		}
		if !q.heap[child].before(&q.heap[i]) {
			break
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
	return first
}
