package udp

import (
	"context"
	"net"
	"slices"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A Listener is a socket that serves: it accepts connections, and can also begin some.
type Listener struct{ e *endpoint }

// Listen serves on a UDP address such as ":443" or "127.0.0.1:0". cfg.Conn.Server
// must hold at least one certificate.
func Listen(addr string, cfg *Config) (*Listener, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, err
	}
	return NewListener(c, cfg)
}

// NewListener serves on a socket, and closes it in the end. With no Server in the
// configuration it only dials: many Q043 connections over one socket.
func NewListener(c *net.UDPConn, cfg *Config) (*Listener, error) {
	e, err := newEndpoint(c, cfg)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Source: c.LocalAddr(), Err: err}
	}
	e.accepts = e.cfg.Conn.Server != nil
	go e.run()
	return &Listener{e}, nil
}

// Accept waits for the next connection. Its client may still turn out to be a replay:
// ConnectionState.Confirmed tells when it is none. After Close the error is [net.ErrClosed].
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	e := l.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if len(e.backlog) > 0 {
			c := e.backlog[0]
			e.backlog = slices.Delete(e.backlog, 0, 1)
			return c, nil
		}
		if !e.accepts {
			err := e.endErr
			if err == nil {
				err = net.ErrClosed
			}
			return nil, &net.OpError{Op: "accept", Net: network, Source: e.localAddr(), Err: err}
		}
		if err := wait(ctx, &e.acceptable); err != nil {
			return nil, &net.OpError{Op: "accept", Net: network, Source: e.localAddr(), Err: err}
		}
	}
}

// Addr returns the address that the listener serves on.
func (l *Listener) Addr() net.Addr { return l.e.localAddr() }

// Dial connects to a server over the listener's socket, as [Dial] does over one of its
// own. A second connection to the same address needs Q043: with Q044 the error is
// conn.ErrAddressInUse.
func (l *Listener) Dial(ctx context.Context, addr string, opts ...DialOption) (*Conn, error) {
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return dial(ctx, addr, o, l.e.dialShared)
}

// Stats returns the endpoint's counters: what became of every datagram.
func (l *Listener) Stats() conn.EndpointStats {
	l.e.mu.Lock()
	defer l.e.mu.Unlock()
	return l.e.core.Stats()
}

// Close closes the listener and all its connections at once, accepted or not, with
// PEER_GOING_AWAY. What was written and not yet delivered is lost: see Shutdown.
func (l *Listener) Close() error {
	e := l.e
	e.mu.Lock()
	if !e.ended {
		now := e.now()
		e.core.CloseAll(wire.PeerGoingAway, "the server is closing")
		e.flush(now)
		e.end(nil)
	}
	e.mu.Unlock()
	<-e.done
	return nil
}

// Shutdown accepts nothing more, waits until every connection's written data has been
// acknowledged, and closes. When ctx ends first it closes at once, and returns ctx's
// error. It does not wait for streams that the application still means to write on.
func (l *Listener) Shutdown(ctx context.Context) error {
	e := l.e
	e.mu.Lock()
	e.accepts = false
	e.acceptable.Broadcast()
	waiting := make([]*Conn, 0, len(e.conns))
	for _, c := range e.conns {
		waiting = append(waiting, c)
	}
	for _, c := range waiting {
		c.waitDelivered(ctx) // one that ended with its data lost does not stop the others
	}
	e.mu.Unlock()
	l.Close()
	return ctx.Err()
}
