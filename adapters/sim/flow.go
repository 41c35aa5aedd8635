package sim

import (
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A meter notes what an application has read, in order, and how steadily.
type meter struct {
	bytes       int64
	first, last gquic.Instant // of the reads, Never before
	stall       time.Duration // the longest time between two
	ends        []gquic.Instant
	resume      time.Duration // the longest from an outage's end to the next read
	outages     int           // that ended between reads
}

func newMeter(ends []gquic.Instant) meter {
	return meter{first: gquic.Never, last: gquic.Never, ends: ends}
}

func (m *meter) add(now gquic.Instant, n int) {
	if m.first == gquic.Never {
		m.first = now
	} else {
		m.stall = max(m.stall, now.Sub(m.last))
	}
	for len(m.ends) > 0 && m.ends[0] < now {
		if m.first < m.ends[0] {
			m.outages++
			m.resume = max(m.resume, now.Sub(m.ends[0]))
		}
		m.ends = m.ends[1:]
	}
	m.last = now
	m.bytes += int64(n)
}

// A peer is what a serving host keeps of a connection.
type peer struct {
	h     conn.Handle
	meter meter
}

// A flow is one connection of a scenario: what it moves, and how that went.
type flow struct {
	FlowSpec
	name   string
	index  int    // in its host
	server int32  // node
	data   []link // that its data passes
	client *Client
	meter  meter // of what the client reads

	id     wire.ConnectionID
	err    error
	rto    time.Duration // the sender's timer when an outage ended, of its only connection
	sender conn.Stats    // at the end
	final  meter         // of the side that reads, at the end
}

// link is the number of a link in its world.
type link = int

// upload reports whether the measured data goes from the client to the server.
func (f *flow) upload() bool { return f.Download == 0 }

// peer returns what the server keeps of the flow's connection, or nil.
func (f *flow) peer(w *World) *peer {
	s, ok := w.nodes[f.server].app.(*host)
	if !ok {
		return nil
	}
	return s.peers[f.id]
}

// senderConn returns the side of the connection that sends the data; nil when it is gone.
func (f *flow) senderConn(w *World, client *Node) *conn.Conn {
	if f.upload() {
		return client.Conn(f.client.h)
	}
	if p := f.peer(w); p != nil {
		return w.nodes[f.server].Conn(p.h)
	}
	return nil
}

// reading returns the meter of the side that reads the data.
func (f *flow) reading(w *World) meter {
	if !f.upload() {
		return f.meter
	}
	if p := f.peer(w); p != nil {
		return p.meter
	}
	return f.final
}

// ended notes the state of both sides, before the client closes.
func (f *flow) ended(n *Node, c *conn.Conn) {
	w := n.World()
	f.sender = f.senderConn(w, n).Stats()
	f.final = f.reading(w)
}

// failed ends the flow with an error.
func (f *flow) failed(n *Node, err error) {
	if f.client.done {
		return
	}
	f.err = fmt.Errorf("at %v: %w", n.World().Now(), err)
	f.client.made = max(f.client.Connections, 1)
	f.client.end(n)
}

// stop ends a flow that was to last for a time.
func (f *flow) stop(n *Node) {
	if f.client.done {
		return
	}
	if f.client.result.Connected == 0 {
		f.failed(n, fmt.Errorf("still no connection when its time was over"))
		return
	}
	f.client.made = max(f.client.Connections, 1)
	f.client.end(n)
}

// finished ends the connection, or leaves it open for as long as it is to stay.
func (f *flow) finished(n *Node) {
	now := n.World().Now()
	until := f.client.StartAt.Add(f.Stay)
	if f.Stay == 0 || now >= until || f.client.made+1 < max(f.client.Connections, 1) {
		f.client.end(n)
		return
	}
	f.client.result.Finished = now
	node, index := n.index, f.index
	n.World().At(until, func(w *World) {
		n := w.nodes[node]
		if f := n.app.(*host).flows[index]; !f.client.done {
			f.client.end(n)
			n.settle()
		}
	})
}

// dialAt makes the world start the flow's next connection.
func (f *flow) dialAt(n *Node, at gquic.Instant) {
	node, index := n.index, f.index
	n.World().At(at, func(w *World) {
		n := w.nodes[node]
		n.app.(*host).flows[index].client.dial(n)
		n.settle()
	})
}

// A host is the App of a scenario's node: it serves, and its flows dial.
type host struct {
	serving Server
	flows   []*flow
	peers   map[wire.ConnectionID]*peer
	ends    []gquic.Instant // of outages
	most    int             // connections at once
}

func newHost(ends []gquic.Instant) *host {
	return &host{
		serving: Server{meters: map[conn.Handle]*peer{}},
		peers:   map[wire.ConnectionID]*peer{},
		ends:    ends,
	}
}

// Start schedules the flows.
func (h *host) Start(n *Node) {
	for _, f := range h.flows {
		f.client.rand = n.World().Rand("flow " + f.name)
		f.dialAt(n, f.client.StartAt)
		if f.For > 0 {
			node, index := n.index, f.index
			n.World().At(f.client.StartAt.Add(f.For), func(w *World) {
				n := w.nodes[node]
				n.app.(*host).flows[index].stop(n)
				n.settle()
			})
		}
	}
}

// Event hands an event to the flow or the server that it is for.
func (h *host) Event(n *Node, e conn.Event) {
	c := n.Conn(e.Conn)
	if e.Kind == conn.Connected {
		stats := n.endpoint.Stats()
		h.most = max(h.most, stats.Connections)
	}
	if e.Kind == conn.Connected && c.Perspective() == wire.Server {
		p := &peer{h: e.Conn, meter: newMeter(h.ends)}
		h.peers[c.ConnectionID()] = p
		h.serving.meters[e.Conn] = p
	}
	if h.serving.meters[e.Conn] != nil {
		h.serving.Event(n, e)
		if e.Kind == conn.Closed {
			delete(h.serving.meters, e.Conn)
		}
		return
	}
	for _, f := range h.flows {
		if f.client.h == e.Conn {
			if e.Kind == conn.Connected {
				f.id = c.ConnectionID()
			}
			f.client.Event(n, e)
			return
		}
	}
}

// Done reports whether all flows from here are.
func (h *host) Done() bool {
	for _, f := range h.flows {
		if !f.client.done {
			return false
		}
	}
	return true
}

// String says which flows are not done.
func (h *host) String() string {
	text := ""
	for _, f := range h.flows {
		if !f.client.done {
			text += fmt.Sprintf("[%s: %v]", f.name, f.client)
		}
	}
	return text
}

// Clone returns a copy that goes on alike.
func (h *host) Clone() App {
	c := newHost(h.ends)
	c.most = h.most
	c.serving = *h.serving.Clone().(*Server)
	c.serving.meters = map[conn.Handle]*peer{}
	for id, p := range h.peers {
		copied := *p
		c.peers[id] = &copied
		if h.serving.meters[p.h] == p {
			c.serving.meters[p.h] = &copied
		}
	}
	for _, f := range h.flows {
		c.flows = append(c.flows, f.client.Clone().(*Client).flow)
	}
	return c
}
