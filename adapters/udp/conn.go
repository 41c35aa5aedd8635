package udp

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Conn is one connection. Its methods may be called from any goroutine.
type Conn struct {
	e      *endpoint
	h      conn.Handle
	first  *Stream    // opened with the connection, or nil
	raw    *conn.Conn // for reading its state once more when its handle is already stale
	client bool

	// All of this is guarded by the endpoint's lock.
	remote    netip.AddrPort
	streams   map[wire.StreamID]*Stream // those that can still get an event; nil if none
	incoming  []*Stream                 // opened by the peer, not yet accepted
	told      bool                      // the peer's streams are had by PeerStream, not by AcceptStream
	changed   signal                    // whatever concerns the connection as a whole
	connected bool
	over      bool
	closing   bool             // closed by the application
	lost      bool             // over, with written data that was not acknowledged
	err       error            // why it is over
	ioErr     error            // of the socket, while nobody had answered
	last      *ConnectionState // once it is over
	chain     []*x509.Certificate

	ctx    context.Context // nil until somebody asked for it, as most never do
	cancel context.CancelCauseFunc
}

// newConn wraps a connection of the core. The lock is held.
func newConn(e *endpoint, h conn.Handle, core *conn.Conn) *Conn {
	c := &Conn{
		e: e, h: h, raw: core,
		client: core.Perspective() == wire.Client,
		remote: core.RemoteAddr(),
	}
	c.changed.cond.L, c.changed.e = &e.mu, e
	return c
}

func (c *Conn) core() *conn.Conn { return c.e.core.Conn(c.h) }

// answered reports whether the peer was ever heard of.
func (c *Conn) answered() bool { return c.over || c.core().Stats().PacketsReceived > 0 }

// handle takes one event of the core. It reports whether it made something due.
func (c *Conn) handle(ev conn.Event) (due bool) {
	switch ev.Kind {
	case conn.Connected:
		c.connected = true
		c.changed.wake()
		if !c.client {
			c.e.noteWoken(&several)
			if !c.e.accepted.put(c) {
				c.core().Close(wire.PeerGoingAway, notAccepted)
				return true
			}
		}
	case conn.NeedSignature:
		c.core().ProofSigned(nil, errors.New("the server has no key to sign with"))
		return true
	case conn.NeedVerification:
		if c.e.roots != nil {
			c.core().ProofVerified(believed.verify(ev.Verification, c.e.roots, c.e.cfg.Conn.Wall(c.e.now())))
			return true
		}
		c.core().ProofVerified(errors.New("nothing here verifies certificates from outside"))
		return true
	case conn.StreamOpened:
		s := c.newStream(ev.Stream)
		if !c.told {
			c.incoming = append(c.incoming, s)
			c.changed.wake()
		}
	case conn.StreamReadable:
		if s := c.streams[ev.Stream]; s != nil {
			s.readable.wake()
		}
	case conn.StreamWritable:
		if s := c.streams[ev.Stream]; s != nil {
			s.writable.wake()
		}
	case conn.StreamReset:
		if s := c.streams[ev.Stream]; s != nil {
			s.wasReset(ev.StreamCode)
		}
	case conn.StreamDelivered:
		if s := c.streams[ev.Stream]; s != nil {
			if s.stopped {
				c.core().Reset(s.id, wire.StreamNoError)
			}
			s.settle()
			return s.stopped
		}
	case conn.StreamsAvailable, conn.GoAwayReceived:
		c.changed.wake()
	case conn.PathChanged:
		c.remote = ev.Addr
	case conn.Closed:
		c.closed(ev.Err)
	}
	return false
}

// fail ends a connection for a socket's error.
func (c *Conn) fail(err error) {
	if c.ioErr == nil && !c.over {
		c.ioErr = unwrapOp(err)
		c.core().Close(wire.PacketWriteError, "the socket failed")
	}
}

// closed notes the end, and wakes everybody.
func (c *Conn) closed(err error) {
	if c.over {
		return
	}
	c.lost = !c.raw.Delivered()
	last := c.known()
	c.last = &last
	c.over, c.err = true, err
	if c.ioErr != nil {
		c.err = c.ioErr
	}
	delete(c.e.conns, c.h)
	for _, s := range c.streams {
		s.readable.wake()
		s.writable.wake()
	}
	c.changed.wake()
	if c.ctx != nil {
		c.cancel(c.err)
	}
}

// opError is an error of this connection as callers see it.
func (c *Conn) opError(op string, err error) error {
	if c.over && !isStreamError(err) {
		err = c.err
		if c.closing {
			err = net.ErrClosed
		}
	}
	return &net.OpError{Op: op, Net: network, Source: c.e.localAddr(), Addr: c.remoteAddr(), Err: err}
}

func isStreamError(err error) bool {
	var s *conn.StreamError
	return errors.As(err, &s)
}

// waitConnected waits for the handshake. silent: nothing at all came within silentAfter,
// if that is not zero.
func (c *Conn) waitConnected(ctx context.Context, silentAfter time.Duration) (silent bool, err error) {
	e := c.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if silentAfter > 0 {
		t := time.AfterFunc(silentAfter, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			silent = true
			c.changed.wake()
		})
		defer t.Stop()
	}
	for {
		switch {
		case c.connected:
			return false, nil
		case c.over:
			return false, c.opError("dial", c.err)
		case silent && !c.answered():
			return true, conn.ErrHandshakeTimeout
		}
		if err := c.changed.waitContext(ctx); err != nil {
			return false, err
		}
	}
}

// Handshake waits until the handshake is done, and returns the connection's error if it
// fails. Only after [DialEarly] is there anything to wait for.
func (c *Conn) Handshake(ctx context.Context) error {
	_, err := c.waitConnected(ctx, 0)
	return err
}

// OpenStream opens a stream, and waits while the peer allows no more of them. The peer
// learns of it with the first byte written.
func (c *Conn) OpenStream(ctx context.Context) (*Stream, error) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	for {
		if c.over {
			return nil, c.opError("open", c.err)
		}
		id, err := c.core().OpenStream()
		if err == nil {
			return c.newStream(id), nil
		}
		if !errors.Is(err, conn.ErrStreamLimit) {
			return nil, c.opError("open", err)
		}
		if err := c.changed.waitContext(ctx); err != nil {
			return nil, c.opError("open", err)
		}
	}
}

// AcceptStream waits for the next stream that the peer opens.
func (c *Conn) AcceptStream(ctx context.Context) (*Stream, error) {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	for len(c.incoming) == 0 || c.closing {
		if c.over {
			return nil, c.opError("accept", c.err)
		}
		if err := c.changed.waitContext(ctx); err != nil {
			return nil, c.opError("accept", err)
		}
	}
	s := c.incoming[0]
	c.incoming = slices.Delete(c.incoming, 0, 1)
	return s, nil
}

// Close waits until the peer has acknowledged everything that was written, at most
// [Config].CloseTimeout, and then closes with PEER_GOING_AWAY. Its error tells that
// data may have been lost. Streams that were not closed are cut off where they are, and
// what the peer still sends is not read.
func (c *Conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.e.cfg.CloseTimeout)
	defer cancel()
	c.e.mu.Lock()
	err := c.waitDelivered(ctx)
	c.e.mu.Unlock()
	c.CloseWithError(wire.PeerGoingAway, "")
	return err
}

// waitDelivered waits until nothing written waits for its acknowledgement. The lock is
// held.
func (c *Conn) waitDelivered(ctx context.Context) error {
	for !c.over && !c.core().Delivered() {
		c.e.lingering = append(c.e.lingering, c)
		if err := c.changed.waitContext(ctx); err != nil {
			return c.opError("close", err)
		}
	}
	if c.over && c.lost && !c.closing {
		return c.opError("close", c.err)
	}
	return nil
}

// CloseWithError closes at once, and tells the peer the code and the reason. What was
// written and not yet delivered is lost.
func (c *Conn) CloseWithError(code wire.ErrorCode, reason string) error {
	e := c.e
	e.mu.Lock()
	c.closing = true
	if !c.over {
		c.core().Close(code, reason)
		e.flush(e.now())
	}
	own := e.only == c
	e.mu.Unlock()
	if own {
		<-e.done
	}
	return nil
}

// LocalAddr returns the socket's address.
func (c *Conn) LocalAddr() net.Addr { return c.e.localAddr() }

// RemoteAddr returns the peer's address. A client's can change.
func (c *Conn) RemoteAddr() net.Addr {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.remoteAddr()
}

// Context is cancelled when the connection is over; [context.Cause] says why.
func (c *Conn) Context() context.Context {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.cancel = context.WithCancelCause(context.Background())
		if c.over {
			c.cancel(c.err)
		}
	}
	return c.ctx
}

func (c *Conn) remoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.remote) }

// Err returns why the connection is over, or nil.
func (c *Conn) Err() error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.err
}

// A ConnectionState is what is known of a connection at one moment; after its end, what
// was known then.
type ConnectionState struct {
	Version      wire.Version
	ConnectionID wire.ConnectionID
	ServerName   string

	Connected bool // data can flow both ways
	Confirmed bool // a server: the client is no replay
	ZeroRTT   bool // the server accepted a config that the client had kept

	PeerCertificates []*x509.Certificate // a client: the server's, leaf first
	PeerParams       handshake.Params
	Stats            conn.Stats
}

// State returns the connection's state.
func (c *Conn) State() ConnectionState {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	s := c.last
	if s == nil {
		known := c.known()
		s = &known
	}
	s.PeerCertificates = c.certificates()
	return *s
}

// certificates parses the peer's chain when somebody asks for it.
func (c *Conn) certificates() []*x509.Certificate {
	if c.chain == nil {
		for _, der := range c.raw.PeerChain() {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				break // a pinned or unverified chain may hold anything behind its leaf
			}
			c.chain = append(c.chain, cert)
		}
	}
	return c.chain
}

// known is the state without the certificates.
func (c *Conn) known() ConnectionState {
	core := c.raw
	params, _ := core.PeerParams()
	return ConnectionState{
		Version:      core.Version(),
		ConnectionID: core.ConnectionID(),
		ServerName:   core.ServerName(),

		Connected: c.connected,
		Confirmed: core.HandshakeConfirmed(),
		ZeroRTT:   core.ZeroRTT(),

		PeerParams: params,
		Stats:      core.Stats(),
	}
}

// Resumption returns what to give to [WithResumption] for the next connection to this
// server, or nil while there is nothing. It is complete when Dial or Handshake returns.
func (c *Conn) Resumption() *handshake.Resumption {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	return c.raw.Resumption()
}

// Ping asks the peer for a sign of life: its answer keeps the connection from going idle.
func (c *Conn) Ping() error {
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if err := c.core().Ping(); err != nil {
		return c.opError("ping", err)
	}
	c.e.flush(c.e.now())
	return nil
}
