package udp

import (
	"context"
	"crypto/sha256"
	"errors"
	"iter"
	"net"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A Listener is a socket that serves, or several of one address: it accepts connections,
// and can also begin some.
type Listener struct {
	e    *endpoint
	more []*endpoint // with Config.Endpoints; all put what they accept where e does
}

// Listen serves on a UDP address such as ":443" or "127.0.0.1:0". cfg.Conn.Server
// must hold at least one certificate, each with its key.
func Listen(addr string, cfg *Config) (*Listener, error) {
	if cfg == nil || cfg.Conn.Server == nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: errors.New("Config.Conn.Server is nil: it takes a certificate to serve anybody")}
	}
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	if cfg != nil && cfg.Endpoints > 1 {
		if l, err := listenShared(a, cfg); l != nil || err != nil {
			return l, err
		}
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	e, err := serve(c, cfg, nil, true)
	if err != nil {
		return nil, err
	}
	return &Listener{e: e}, nil
}

// listenShared serves on several sockets of one address; nil if the system has no such.
func listenShared(a *net.UDPAddr, cfg *Config) (*Listener, error) {
	socks, err := shareAddress(a, cfg.Endpoints)
	if socks == nil {
		return nil, err
	}
	// All must take each other's tokens and server configs, and none may draw what another
	// draws.
	own, err := cfg.withDefaults()
	l := new(Listener)
	for i, c := range socks {
		if err != nil {
			c.Close()
			continue
		}
		one := own
		one.Conn.Seed = sha256.Sum256(append(own.Conn.Seed[:], byte(i), byte(i>>8)))
		var to *acceptor
		if l.e != nil {
			to = l.e.accepted
		}
		var e *endpoint
		if e, err = serve(c, &one, to, true); err != nil {
			continue
		}
		if l.e == nil {
			l.e = e
		} else {
			l.more = append(l.more, e)
		}
	}
	if err != nil {
		if l.e != nil {
			l.Close()
		}
		return nil, err
	}
	return l, nil
}

// endpoints walks all of them.
func (l *Listener) endpoints() iter.Seq[*endpoint] {
	return func(yield func(*endpoint) bool) {
		if !yield(l.e) {
			return
		}
		for _, e := range l.more {
			if !yield(e) {
				return
			}
		}
	}
}

// NewListener serves on a socket, which is the listener's from then on: on Linux it may
// go on with a duplicate and close c, elsewhere it closes c in the end. With no Server in the
// configuration it only dials: many Q043 connections over one socket.
func NewListener(c *net.UDPConn, cfg *Config) (*Listener, error) {
	// One that has ended its own reading with a deadline hands the deadline over too.
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Source: c.LocalAddr(), Err: unwrapOp(err)}
	}
	e, err := serve(c, cfg, nil, false)
	if err != nil {
		return nil, err
	}
	return &Listener{e: e}, nil
}

// serve starts an endpoint that puts what it accepts where to says, or with nil has a place
// of its own. ours: nobody outside has seen the socket.
func serve(c *net.UDPConn, cfg *Config, to *acceptor, ours bool) (*endpoint, error) {
	e, err := newEndpoint(c, cfg, ours)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Source: c.LocalAddr(), Err: err}
	}
	if to != nil {
		e.accepted = to
	}
	e.accepts = e.cfg.Conn.Server != nil
	if !e.accepts {
		e.accepted.stop(nil)
	}
	go e.run()
	return e, nil
}

// Accept waits for the next connection. Its client may still turn out to be a replay:
// ConnectionState.Confirmed tells when it is none. After Close or Shutdown the error is
// [net.ErrClosed]; connections that nobody had accepted are closed.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	c, failure, err := l.e.accepted.take(ctx)
	if c != nil {
		return c, nil
	}
	if err == nil {
		if err = failure; err == nil {
			err = net.ErrClosed
		}
	}
	return nil, &net.OpError{Op: "accept", Net: network, Source: l.e.localAddr(), Err: err}
}

// Addr returns the address that the listener serves on.
func (l *Listener) Addr() net.Addr { return l.e.localAddr() }

// Dial connects to a server over the listener's socket, as [Dial] does over one of its
// own. A second connection to the same address needs Q043: with Q044 the error is
// conn.ErrAddressInUse. It does not work with several endpoints: what the server answers
// may reach another one.
func (l *Listener) Dial(ctx context.Context, addr string, opts ...DialOption) (*Conn, error) {
	if len(l.more) > 0 {
		return nil, dialError(addr, errors.New("a listener of several endpoints cannot dial"))
	}
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return dial(ctx, addr, o, l.e.dialShared)
}

// Stats returns the endpoints' counters: what became of every datagram.
func (l *Listener) Stats() conn.EndpointStats {
	var sum conn.EndpointStats
	for e := range l.endpoints() {
		e.mu.Lock()
		s := e.core.Stats()
		e.mu.Unlock()
		for v, n := range s.Verdicts {
			sum.Verdicts[v] += n
		}
		sum.Connections += s.Connections
		sum.HalfOpen += s.HalfOpen
		sum.Accepted += s.Accepted
		sum.Dialed += s.Dialed
		sum.Resets += s.Resets
	}
	return sum
}

// Close closes the listener and all its connections at once, accepted or not, with
// PEER_GOING_AWAY. What was written and not yet delivered is lost: see Shutdown.
func (l *Listener) Close() error {
	for e := range l.endpoints() {
		e.mu.Lock()
		if !e.ended {
			now := e.now()
			e.core.CloseAll(wire.PeerGoingAway, "the server is closing")
			e.flush(now)
			e.end(nil)
		}
		e.mu.Unlock()
	}
	for e := range l.endpoints() {
		<-e.done
	}
	return nil
}

// Shutdown accepts nothing more, waits until every connection's written data has been
// acknowledged, and closes. When ctx ends first it closes at once, and returns ctx's
// error. It does not wait for streams that the application still means to write on.
func (l *Listener) Shutdown(ctx context.Context) error {
	for e := range l.endpoints() {
		e.mu.Lock()
		e.accepts = false
		e.mu.Unlock()
	}
	for _, c := range l.e.accepted.stop(nil) {
		c.CloseWithError(wire.PeerGoingAway, notAccepted)
	}
	for e := range l.endpoints() {
		e.mu.Lock()
		waiting := make([]*Conn, 0, len(e.conns))
		for _, c := range e.conns {
			waiting = append(waiting, c)
		}
		for _, c := range waiting {
			c.waitDelivered(ctx) // one that ended with its data lost does not stop the others
		}
		e.mu.Unlock()
	}
	l.Close()
	return ctx.Err()
}
