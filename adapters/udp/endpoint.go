package udp

import (
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// An endpoint is a socket with its connections: the core, the lock that guards it and
// everything below, and the goroutine that waits for the socket.
type endpoint struct {
	cfg   Config
	sock  *socket
	start time.Time      // instant zero
	roots *x509.CertPool // what servers' chains are verified with here; nil: the core does it, or nobody

	mu    sync.Mutex
	core  *conn.Endpoint
	conns map[conn.Handle]*Conn
	armed time.Time // the socket's read deadline; zero: none

	accepts   bool // unknown clients are wanted: there is a Listener, not yet closed
	accepted  *acceptor
	lingering []*Conn // whose Close waits for acknowledgements
	only      *Conn   // of a dialled connection with its own socket: the socket ends with it
	ended     bool    // no more packets: the socket is closed
	endErr    error   // why, if the socket failed
	failures  int     // read errors in a row

	done    chan struct{} // closed when the goroutine is gone
	serving serving
}

// maxReadFailures in a row, none of which is a deadline, end an endpoint: the socket
// will not come back.
const maxReadFailures = 100

// newEndpoint starts an endpoint on a socket, which it owns from then on, also when
// there is an error. ours: nobody outside has seen it.
func newEndpoint(c *net.UDPConn, cfg *Config, ours bool) (*endpoint, error) {
	full, err := cfg.withDefaults()
	if err != nil {
		c.Close()
		return nil, err
	}
	roots := full.takeVerifying()
	core, err := conn.NewEndpoint(full.Conn)
	if err != nil {
		c.Close()
		return nil, err
	}
	e := &endpoint{
		cfg:   full,
		sock:  newSocket(c, full.Offload, ours),
		start: time.Now(),
		roots: roots,
		core:  core,
		conns: make(map[conn.Handle]*Conn),
		done:  make(chan struct{}),
	}
	e.serving.call = make(chan struct{}, 1) // one call is remembered
	e.accepted = newAcceptor(full.Backlog)
	if got := e.sock.readBuffer; full.Log != nil && got > 0 && got < socketBuffer {
		smallBuffers.Do(func() {
			full.Log.Warn("gquic: the system limits the read buffers of sockets; packets are lost when this program does not run for a while",
				"wanted", socketBuffer, "got", got, "see", "net.core.rmem_max")
		})
	}
	if full.Conn.MTULimit > 0 {
		e.sock.dontFragment()
	}
	return e, nil
}

// smallBuffers has the complaint made once for a program, not for each socket.
var smallBuffers sync.Once

func (e *endpoint) now() gquic.Instant { return gquic.Instant(time.Since(e.start)) }

// growStack has the goroutine's stack grow to 32 KiB in one step, while it is empty. A
// client's handshake needs that much, for its certificates, and growing there by
// doubling means copying a deep stack four times: a tenth of a client's handshake.
//
//go:noinline
func growStack() {
	var room [16 << 10]byte
	use(&room)
}

//go:noinline
func use(*[16 << 10]byte) {}

// readFailed handles an error of the socket. A closed socket ends the endpoint. An ICMP
// message (connection refused) is believed only before the peer has ever answered:
// afterwards it could come from anybody, and the idle timeout decides.
func (e *endpoint) readFailed(err error) {
	switch {
	case errors.Is(err, net.ErrClosed):
		e.end(err)
		return
	case e.only != nil && !e.only.answered():
		e.only.fail(err)
		return
	case isICMP(err):
		return
	}
	if e.failures++; e.failures >= maxReadFailures {
		for _, c := range e.conns {
			c.fail(err)
		}
		e.core.CloseAll(wire.PacketReadError, "the socket failed")
		e.end(err)
	}
}

// isICMP reports whether an error of a socket is what somebody on the way, or who
// pretends to be there, has said about an earlier datagram. The numbers are Windows's.
func isICMP(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EMSGSIZE,
		10040, 10051, 10054, 10061, 10065:
		return true
	}
	return false
}

// flush sends what is due, tells everybody what happened, and arms the deadline. It is
// called with the lock held after whatever touched the core.
func (e *endpoint) flush(now gquic.Instant) {
	for again := true; again && !e.ended; {
		e.transmit(now)
		again = e.dispatch()
	}
	if len(e.lingering) > 0 {
		e.checkLingering()
	}
	if e.only != nil && e.only.over {
		e.end(nil)
	}
	if !e.ended && !e.serving.called {
		e.arm(now)
	}
}

// buffers are what AppendTransmit fills. An endpoint needs one only while it sends, so
// that many endpoints with one connection each do not hold one each.
var buffers = sync.Pool{New: func() any { return new([maxSegments * conn.MaxDatagramSize]byte) }}

func (e *endpoint) transmit(now gquic.Instant) {
	if e.wakeUp() > now {
		return // nothing to send, no timer, nothing to tidy
	}
	out := buffers.Get().(*[maxSegments * conn.MaxDatagramSize]byte)
	defer buffers.Put(out)
	for {
		b, t, ok := e.core.AppendTransmit(now, out[:0], e.sock.maxDatagrams())
		if !ok {
			return
		}
		err := e.sock.write(b, &t)
		if e.cfg.Trace != nil {
			e.traceSent(now, b, &t)
		}
		if err != nil {
			e.writeFailed(b, &t, err)
		}
	}
}

// writeFailed handles a datagram that the system did not take. It is a lost one, unless
// the peer was never heard of: then the caller of Dial wants to know at once.
func (e *endpoint) writeFailed(b []byte, t *conn.Transmit, err error) {
	c := e.conns[t.Conn]
	switch {
	case c == nil || errors.Is(err, syscall.ENOBUFS):
	case !c.answered():
		c.fail(err)
	case isICMP(err):
		e.sock.write(b, t) // it was about an earlier datagram, and this one was not sent
	}
}

func (e *endpoint) traceSent(now gquic.Instant, b []byte, t *conn.Transmit) {
	local := e.sock.local
	if t.From.IsValid() {
		local = t.From
	}
	for len(b) > 0 {
		n := len(b)
		if t.Segment > 0 {
			n = min(n, t.Segment)
		}
		e.cfg.Trace(Datagram{Time: now, Sent: true, Local: local, Remote: t.To, Payload: b[:n]})
		b = b[n:]
	}
}

// wakeUp is when the core wants to be called.
func (e *endpoint) wakeUp() gquic.Instant { return min(e.core.NextTimeout(), e.core.NextTidy()) }

// arm sets the socket's read deadline for the core's. A deadline that is already armed
// and comes earlier stays: waking once for nothing is cheaper than setting it each time.
func (e *endpoint) arm(now gquic.Instant) {
	next := e.wakeUp()
	if next == gquic.Never {
		if !e.armed.IsZero() && e.armed.Sub(e.start) <= time.Duration(now) {
			e.armed = time.Time{}
			e.sock.setReadDeadline(e.armed)
		}
		return
	}
	at := e.start.Add(time.Duration(next))
	if !e.armed.IsZero() && !at.Before(e.armed) && e.armed.Sub(e.start) > time.Duration(now) {
		return
	}
	e.armed = at
	e.sock.setReadDeadline(at)
}

// dispatch hands the core's events to those who wait for them. It reports whether there
// was one that may have made something due.
func (e *endpoint) dispatch() (again bool) {
	for {
		ev, ok := e.core.NextEvent()
		if !ok {
			return again
		}
		c := e.conns[ev.Conn]
		if c == nil {
			if c = e.accept(ev.Conn); c == nil {
				again = true
				continue
			}
		}
		again = c.handle(ev) || again
	}
}

// notAccepted is what clients are told whom nobody wants.
const notAccepted = "no connections are accepted now"

// accept makes the Conn of a client that has arrived, or closes it if nobody wants it.
func (e *endpoint) accept(h conn.Handle) *Conn {
	core := e.core.Conn(h)
	if core == nil {
		return nil
	}
	if !e.accepts || e.accepted.full() {
		core.Close(wire.PeerGoingAway, notAccepted)
		return nil
	}
	c := newConn(e, h, core)
	e.conns[h] = c
	return c
}

// checkLingering closes the connections whose Close waits and whose data has arrived.
func (e *endpoint) checkLingering() {
	kept := e.lingering[:0]
	for _, c := range e.lingering {
		if c.over || c.core().Delivered() {
			c.changed.wake()
		} else {
			kept = append(kept, c)
		}
	}
	clear(e.lingering[len(kept):])
	e.lingering = kept
}

// end ends everything that still hangs on the socket. The goroutine follows, and closes it.
func (e *endpoint) end(err error) {
	if e.ended {
		return
	}
	e.ended, e.endErr = true, err
	e.accepts = false
	e.interrupt()
	for _, c := range e.conns {
		c.closed(net.ErrClosed)
	}
	e.accepted.stop(err)
	e.callBack()
}

// interrupt has whoever serves the socket look again.
func (e *endpoint) interrupt() {
	e.armed = e.start
	e.sock.interrupt()
}

// localAddr is where a connection's datagrams leave from.
func (e *endpoint) localAddr() net.Addr { return net.UDPAddrFromAddrPort(e.sock.local) }

// dial begins a connection on the endpoint. The lock is held.
func (e *endpoint) dial(to netip.AddrPort, o conn.DialOptions) (*Conn, error) {
	if e.ended {
		return nil, net.ErrClosed
	}
	now := e.now()
	h, err := e.core.Dial(now, to, o)
	if err != nil {
		return nil, err
	}
	c := newConn(e, h, e.core.Conn(h))
	e.conns[h] = c
	return c, nil
}
