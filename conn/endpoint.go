package conn

import (
	"errors"
	"iter"
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/conn/stream"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// An Endpoint owns connections, as a client, a server, or both. It is driven by one
// caller at a time. See the package documentation for the kinds of its methods.
type Endpoint struct {
	cfg     *Config // with defaults filled in; immutable
	now     gquic.Instant
	entropy handshake.Entropy
	host    *handshake.Host // nil: no server

	slots  []slot   // connections by Handle.index; slot 0 is never used
	free   []uint32 // indices of empty slots
	byID   map[wire.ConnectionID]uint32
	byAddr map[netip.AddrPort]uint32 // connections whose peer leaves the ID out, by its address

	timers    deadlines
	late      Handle // its deadline is still to be put into timers, see settleLate; zero: none
	caretaker caretaker
	ready     queue[uint32] // connections that may have something to send
	events    queue[Event]
	replies   queue[reply]
	timeWait  timeWait
	early     earlyPackets

	created  uint64 // connections so far: each derives its own entropy from its number
	halfOpen int    // accepted ones whose client has shown no valid token
	// When the last client that was answered without state has given up for sure.
	statelessUntil gquic.Instant
	stats          EndpointStats

	pool stream.Pool
	// Working space of one call, so that the packet path allocates nothing.
	scratch handshake.Scratch
	plain   [2048]byte
	reader  wire.Reader
	parsed  handshake.Message
	header  wire.Header
	report  recovery.Report
	build   packetBuilder
}

type slot struct {
	conn       *Conn
	generation uint32
}

// NewEndpoint makes an endpoint, or says what is wrong with the configuration.
func NewEndpoint(cfg Config) (*Endpoint, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Client == nil && cfg.Server == nil {
		return nil, errors.New("conn: Config.Client and Config.Server are both nil: the endpoint could do nothing")
	}
	e := &Endpoint{
		cfg:            &cfg,
		now:            minInstant,
		statelessUntil: minInstant,
		entropy:        handshake.NewEntropy(cfg.Seed),
		slots:          make([]slot, 1),
		byID:           map[wire.ConnectionID]uint32{},
		byAddr:         map[netip.AddrPort]uint32{},
	}
	e.caretaker.next = gquic.Never
	e.timeWait.byID = map[wire.ConnectionID]uint64{}
	if cfg.Server != nil {
		if e.host, err = handshake.NewHost(cfg.Server, e.entropy.Derive("host", nil)); err != nil {
			return nil, err
		}
	}
	return e, nil
}

const minInstant = -1 << 63

// Conn returns the connection that h names, or nil if it is gone. Every method of a
// nil Conn is harmless.
func (e *Endpoint) Conn(h Handle) *Conn {
	if h.index == 0 || int(h.index) >= len(e.slots) || e.slots[h.index].generation != h.generation {
		return nil
	}
	return e.slots[h.index].conn
}

// Connections walks the connections in a fixed order, closed ones with unread data
// included. The endpoint must not be called meanwhile, but for methods of the Conns.
func (e *Endpoint) Connections() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for i := range e.slots {
			if c := e.slots[i].conn; c != nil && !yield(c) {
				return
			}
		}
	}
}

// CloseAll closes every connection, as [Conn.Close] does.
func (e *Endpoint) CloseAll(code wire.ErrorCode, reason string) {
	for c := range e.Connections() {
		c.Close(code, reason)
	}
}

// NextEvent returns the oldest event that was not returned before.
func (e *Endpoint) NextEvent() (ev Event, ok bool) {
	if e.events.len() == 0 {
		return ev, false
	}
	e.takeEvent(&ev)
	return ev, true
}

// takeEvent takes the oldest event, which there is.
func (e *Endpoint) takeEvent(ev *Event) {
	*ev, _ = e.events.pop()
	if ev.Kind == Closed {
		if c := e.Conn(ev.Conn); c != nil {
			c.closedSeen = true
			c.releaseIfDone()
		}
	}
}

// Events drains the events, also those that come up meanwhile.
func (e *Endpoint) Events() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for ev, ok := e.NextEvent(); ok && yield(ev); ev, ok = e.NextEvent() {
		}
	}
}

// NextTimeout returns when to call the endpoint again (AppendTransmit will do) if
// nothing else happens before: an instant already past if there is something to send
// now, or Never. It costs nothing. Events that wait are no deadline: take them before
// waiting, also after AppendTransmit, which fires timers.
func (e *Endpoint) NextTimeout() gquic.Instant {
	if e.busy() {
		return e.now
	}
	return e.timers.next()
}

// busy reports whether there may be something to send.
func (e *Endpoint) busy() bool {
	return e.ready.len() > 0 || e.replies.len() > 0
}

// TimeoutReason says which connection NextTimeout is for, and why. The handle is zero
// and the reason NoReason if there is no deadline, or something to send at once.
func (e *Endpoint) TimeoutReason() (Handle, Reason) {
	if e.busy() || e.timers.next() == gquic.Never {
		return Handle{}, NoReason
	}
	c := e.slots[e.timers.heap[0].index].conn
	_, why := c.nextDeadline()
	return c.handle, why
}

// advance moves the clock to now, never back, and fires what is due by then.
func (e *Endpoint) advance(now gquic.Instant) {
	if now > e.now {
		e.scheduleLate()
		e.now = now
	}
	for e.timers.next() <= e.now && e.timers.next() != gquic.Never {
		c := e.slots[e.timers.heap[0].index].conn
		c.onTimers()
		if c.inSlot() {
			e.schedule(c)
		}
	}
	e.timeWait.expire(e.now)
	e.early.expire(e.now)
	if e.caretaker.next <= e.now {
		e.tidy()
	}
}

// wall returns the wall time now, in Unix seconds.
func (e *Endpoint) wall() int64 { return e.cfg.Wall(e.now) }

// add gives c a slot.
func (e *Endpoint) add(c *Conn) {
	var i uint32
	if n := len(e.free); n > 0 {
		i, e.free = e.free[n-1], e.free[:n-1]
	} else {
		i = uint32(len(e.slots))
		e.slots = append(e.slots, slot{})
	}
	s := &e.slots[i]
	s.generation++
	s.conn = c
	c.handle = Handle{i, s.generation}
	c.heapPos = -1
	e.caretaker.woke(e.now)
	e.stats.Connections++
}

// remove takes c, which is closed, out of its slot. Its handle is stale from here on.
func (e *Endpoint) remove(c *Conn) {
	e.timers.remove(e, c)
	if !c.resting {
		e.caretaker.left()
	}
	s := &e.slots[c.handle.index]
	s.conn = nil
	e.free = append(e.free, c.handle.index)
	e.stats.Connections--
}

func (c *Conn) inSlot() bool { return c.e.slots[c.handle.index].conn == c }

// wake notes that c may have something to send.
func (e *Endpoint) wake(c *Conn) {
	if !c.queued && c.inSlot() {
		c.queued = true
		e.ready.push(c.handle.index)
	}
}

// emit queues an event of connection c.
func (c *Conn) emit(ev Event) {
	e := c.e.events.grow()
	*e = ev
	e.Conn = c.handle
}

// count notes the verdict of a datagram.
func (e *Endpoint) count(h Handle, v Verdict) (Handle, Verdict) {
	e.stats.Verdicts[v]++
	return h, v
}
