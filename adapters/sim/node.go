package sim

import (
	"fmt"
	"net/netip"
	"time"

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
	index    int32
	world    *World
	endpoint *conn.Endpoint
	app      App

	local netip.AddrPort // what the endpoint sees itself under
	addr  netip.AddrPort // what the others see it under
	next  netip.AddrPort // what they see once it sends, if valid
	clock time.Duration  // how far its clock is before the world's

	rebinds, moves int // so far, of a scenario's host

	lastSent   gquic.Instant // on its clock
	appWake    gquic.Instant // when the app wants to be woken, or Never
	unfinished bool          // counted in World.pending
}

// Node adds an endpoint at an address. app may be nil.
func (w *World) Node(name string, addr netip.AddrPort, ep *conn.Endpoint, app App) *Node {
	n := &Node{
		name: name, index: int32(len(w.nodes)), world: w, endpoint: ep, app: app,
		local: addr, addr: addr, appWake: gquic.Never,
	}
	w.nodes = append(w.nodes, n)
	w.places = append(w.places, -1)
	w.owners[addr] = n.index
	if w.started {
		n.begin()
	}
	return n
}

// begin starts the app.
func (n *Node) begin() {
	if n.app != nil {
		n.app.Start(n)
	}
	n.settle()
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

// Now returns the time on the node's clock: the world's, unless JumpClock was called.
func (n *Node) Now() gquic.Instant { return n.world.now.Add(n.clock) }

// Fail ends the run with an error.
func (n *Node) Fail(err error) { n.world.fail(n, err) }

// Rebind gives the node another address at once, as when a host changes networks: its
// endpoint is not told, and what is still on its way to the old address is lost.
func (n *Node) Rebind(addr netip.AddrPort) {
	delete(n.world.owners, n.addr)
	n.addr, n.next = addr, netip.AddrPort{}
	n.world.owners[addr] = n.index
}

// RebindNext gives the node another address with the next datagram that it sends, as a
// NAT does that has dropped its mapping. Then the old address is given up.
func (n *Node) RebindNext(addr netip.AddrPort) { n.next = addr }

// leave returns the address that a datagram leaves from.
func (n *Node) leave() netip.AddrPort {
	if n.next.IsValid() {
		n.Rebind(n.next)
	}
	return n.addr
}

// JumpClock moves the node's clock forward, as when a computer was asleep: all deadlines
// up to there are due. It never goes back.
func (n *Node) JumpClock(by time.Duration) {
	n.clock += max(by, 0)
	n.Settle()
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

func (n *Node) receive(id uint32) {
	p := n.world.packets.at(id)
	_, verdict := n.endpoint.Receive(n.Now(), conn.Datagram{From: p.from, To: n.local, ECN: p.ecn, Payload: p.data})
	if n.world.Trace != nil {
		n.world.Trace(TraceEvent{Now: n.world.now, Kind: TraceReceived, Node: n.name, From: p.from, To: p.to, Data: p.data, Verdict: verdict})
	}
	n.settle()
}

// wake is called when the node's alarm is due.
func (n *Node) wake() { n.settle() }

// setAlarm asks to be woken at the node's next deadline.
func (n *Node) setAlarm() {
	d := min(n.endpoint.NextTimeout(), n.appWake)
	if d != gquic.Never {
		d = d.Add(-n.clock)
	}
	n.world.alarms.set(n.world.places, n.index, d)
}

// maxRounds bounds what a node may do at one instant: more is a loop without end.
const maxRounds = 1 << 20

// settle drains the endpoint: it sends what is due and hands events to the app, until
// neither is left. Then the endpoint must have nothing more to do now.
func (n *Node) settle() {
	now := n.Now()
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
	n.judge()
}

// judge counts the node among those whose goal is not reached, or no longer.
func (n *Node) judge() {
	unfinished := n.app != nil && !n.app.Done()
	if unfinished != n.unfinished {
		n.unfinished = unfinished
		if unfinished {
			n.world.pending++
		} else {
			n.world.pending--
		}
	}
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
	b, t, ok := n.endpoint.AppendTransmit(n.Now(), n.world.buf[:0], batch)
	if !ok {
		return false
	}
	n.world.buf = b
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
	return &c
}
