package sim

import (
	"fmt"
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// An App is what a node's application does. Its methods are called with the node that it
// belongs to, and may call the endpoint; what that makes due is sent when they return.
// It is a state machine like the endpoint: no clock, no goroutine, no other randomness
// than what the world hands out.
type App interface {
	// Start is called once, when the world starts to move.
	Start(n *Node)
	// Event is called with each event of the endpoint.
	Event(n *Node, e conn.Event)
	// Done reports whether the goal is reached. A world runs until all are.
	Done() bool
	// String says how far it is, for the message of a run that failed.
	String() string
	// Clone returns a copy that goes on alike.
	Clone() App
}

// A Waker is an App that wants to be woken at times of its own; see [Node.WakeAt].
type Waker interface{ Wake(n *Node) }

// A Node is an endpoint at an address.
type Node struct {
	name     string
	index    int
	world    *World
	endpoint *conn.Endpoint
	app      App

	local netip.AddrPort // what the endpoint sees itself under
	addr  netip.AddrPort // what the others see it under

	alarm   gquic.Instant // the earliest waking in the queue, or Never
	appWake gquic.Instant // when the app wants to be woken, or Never
	buf     []byte
}

// Node adds an endpoint at an address. app may be nil.
func (w *World) Node(name string, addr netip.AddrPort, ep *conn.Endpoint, app App) *Node {
	n := &Node{
		name: name, index: len(w.nodes), world: w, endpoint: ep, app: app,
		local: addr, addr: addr, alarm: gquic.Never, appWake: gquic.Never,
	}
	w.nodes = append(w.nodes, n)
	w.owners[addr] = n.index
	return n
}

// Name returns the node's name.
func (n *Node) Name() string { return n.name }

// World returns the world that the node is in.
func (n *Node) World() *World { return n.world }

// Endpoint returns the node's endpoint. After calls from outside of an App say Settle.
func (n *Node) Endpoint() *conn.Endpoint { return n.endpoint }

// App returns the node's application.
func (n *Node) App() App { return n.app }

// Addr returns the address that others see.
func (n *Node) Addr() netip.AddrPort { return n.addr }

// Conn returns a connection of the node's endpoint.
func (n *Node) Conn(h conn.Handle) *conn.Conn { return n.endpoint.Conn(h) }

// Now returns the world's time.
func (n *Node) Now() gquic.Instant { return n.world.now }

// Fail ends the run with an error.
func (n *Node) Fail(err error) { n.world.fail(n, err) }

// Rebind gives the node another address, as a NAT does: its endpoint is not told, and
// what is still on its way to the old address is lost.
func (n *Node) Rebind(addr netip.AddrPort) {
	delete(n.world.owners, n.addr)
	n.addr = addr
	n.world.owners[addr] = n.index
}

// Restart replaces the node's endpoint, as a crash and a new start of the program would.
// The app stays, and is told nothing.
func (n *Node) Restart(ep *conn.Endpoint) {
	n.endpoint = ep
	n.Settle()
}

// WakeAt asks for one call of the app's Wake at t, in place of an earlier wish.
func (n *Node) WakeAt(t gquic.Instant) { n.appWake = t }

// Settle sends what calls from outside made due, and hands events to the app.
func (n *Node) Settle() {
	n.world.start()
	n.settle()
}

func (n *Node) receive(p *packet) {
	_, verdict := n.endpoint.Receive(n.world.now, conn.Datagram{From: p.from, To: n.local, ECN: p.ecn, Payload: append(n.buf[:0], p.data...)})
	n.world.trace(TraceEvent{Kind: TraceReceived, Node: n.name, From: p.from, To: p.to, Data: p.data, Verdict: verdict})
	n.settle()
}

// wake is called for an alarm that was set for t. An alarm stays in the queue when the
// deadline moves away; then it only sets the next one.
func (n *Node) wake(t gquic.Instant) {
	if t != n.alarm {
		return // an earlier alarm was set after this one, and took its place
	}
	n.alarm = gquic.Never
	if n.deadline() > n.world.now {
		n.setAlarm()
		return
	}
	n.settle()
}

func (n *Node) deadline() gquic.Instant { return min(n.endpoint.NextTimeout(), n.appWake) }

func (n *Node) setAlarm() {
	if d := n.deadline(); d < n.alarm {
		n.alarm = d
		n.world.schedule(event{at: d, node: n.index})
	}
}

// maxRounds bounds what a node may do at one instant: more is a loop without end.
const maxRounds = 1 << 20

// settle drains the endpoint: it sends what is due and hands events to the app, until
// neither is left. Then the endpoint must have nothing more to do now.
func (n *Node) settle() {
	now := n.world.now
	for round := 0; ; round++ {
		if n.world.err != nil {
			return
		}
		if round == maxRounds {
			n.Fail(fmt.Errorf("%w: %d rounds at one instant", ErrSpin, maxRounds))
			return
		}
		busy := n.drainEvents()
		if n.appWake <= now {
			n.appWake = gquic.Never
			if app, ok := n.app.(Waker); ok {
				app.Wake(n)
			}
			busy = true
		}
		if n.transmit() {
			busy = true
		}
		if !busy {
			break
		}
	}
	if d := n.endpoint.NextTimeout(); d <= now {
		h, reason := n.endpoint.TimeoutReason()
		n.Fail(fmt.Errorf("%w: connection %v wants to be woken at %v for %v", ErrSpin, h, d, reason))
		return
	}
	n.setAlarm()
}

func (n *Node) drainEvents() (some bool) {
	for {
		e, ok := n.endpoint.NextEvent()
		if !ok {
			return some
		}
		some = true
		if n.app != nil {
			n.app.Event(n, e)
		}
	}
}

// batch is how many datagrams an endpoint may hand over at once.
const batch = 16

func (n *Node) transmit() bool {
	b, t, ok := n.endpoint.AppendTransmit(n.world.now, n.buf[:0], batch)
	if !ok {
		return false
	}
	n.buf = b
	segment := t.Segment
	if segment <= 0 {
		segment = len(b)
	}
	for len(b) > 0 {
		d := b[:min(segment, len(b))]
		n.world.send(n, t.To, t.ECN, d)
		b = b[len(d):]
	}
	return true
}

func (n *Node) clone(w *World) *Node {
	c := *n
	c.world = w
	c.endpoint = n.endpoint.Clone()
	if n.app != nil {
		c.app = n.app.Clone()
	}
	c.buf = nil
	return &c
}
