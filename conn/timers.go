package conn

import "example.com/gquic"

// deadlines is a heap of the connections' next deadlines, four children a node, so
// that the earliest is known at once and a change costs a short sift.
type deadlines struct{ heap []deadline }

type deadline struct {
	at    gquic.Instant
	index uint32 // of the connection's slot
}

func (d *deadlines) next() gquic.Instant {
	if len(d.heap) == 0 {
		return gquic.Never
	}
	return d.heap[0].at
}

// before orders equal instants by slot, so that the order of firing is determined.
func (a deadline) before(b deadline) bool {
	return a.at < b.at || a.at == b.at && a.index < b.index
}

// schedule puts c's next deadline into the heap. It is called after everything that
// may have changed it.
func (e *Endpoint) schedule(c *Conn) {
	if e.late == c.handle {
		e.late = Handle{}
	}
	at, _ := c.nextDeadline()
	d := &e.timers
	switch {
	case at == gquic.Never:
		d.remove(e, c)
	case c.heapPos < 0:
		c.heapPos = int32(len(d.heap))
		d.heap = append(d.heap, deadline{at, c.handle.index})
		d.up(e, len(d.heap)-1)
	case at != d.heap[c.heapPos].at:
		d.heap[c.heapPos].at = at
		d.up(e, int(c.heapPos))
		d.down(e, int(c.heapPos))
	}
}

func (d *deadlines) remove(e *Endpoint, c *Conn) {
	i := int(c.heapPos)
	if i < 0 {
		return
	}
	last := len(d.heap) - 1
	d.heap[i] = d.heap[last]
	d.heap = d.heap[:last]
	c.heapPos = -1
	if i < last {
		e.slots[d.heap[i].index].conn.heapPos = int32(i)
		d.up(e, i)
		d.down(e, int(e.slots[d.heap[i].index].conn.heapPos))
	}
}

func (d *deadlines) up(e *Endpoint, i int) {
	v := d.heap[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !v.before(d.heap[parent]) {
			break
		}
		d.put(e, i, d.heap[parent])
		i = parent
	}
	d.put(e, i, v)
}

func (d *deadlines) down(e *Endpoint, i int) {
	v := d.heap[i]
	for {
		least, first := i, 4*i+1
		for child := first; child < min(first+4, len(d.heap)); child++ {
			if least == i && d.heap[child].before(v) || least != i && d.heap[child].before(d.heap[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		d.put(e, i, d.heap[least])
		i = least
	}
	d.put(e, i, v)
}

func (d *deadlines) put(e *Endpoint, i int, v deadline) {
	d.heap[i] = v
	e.slots[v.index].conn.heapPos = int32(i)
}
