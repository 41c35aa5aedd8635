package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"example.com/gquic/wire"
)

// network is what the errors call it.
const network = "gquic"

// Dial connects to a server, "host:port", over a socket of its own, and returns when
// the handshake is done. Closing the connection closes the socket.
//
// If nothing at all answers within cfg.VersionTimeout, Dial tries the next version. An
// attacker who suppresses packets can thus choose among the versions that are offered;
// offer only those that are good enough.
func Dial(ctx context.Context, addr string, cfg *Config, opts ...DialOption) (*Conn, error) {
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return dial(ctx, addr, o, func() (*Conn, error) { return dialOwn(ctx, addr, cfg, o) })
}

// dial begins connections until a version is answered, and waits for the handshake.
func dial(ctx context.Context, addr string, o *dialOptions, begin func() (*Conn, error)) (*Conn, error) {
	for {
		c, err := begin()
		if err != nil {
			return nil, dialError(addr, err)
		}
		versions := o.core.Versions
		if len(versions) == 0 {
			versions = c.e.cfg.Conn.Versions
		}
		silent, err := c.waitConnected(ctx, c.e.fallback(len(versions)))
		if err == nil {
			return c, nil
		}
		c.CloseWithError(wire.PeerGoingAway, "")
		if !silent {
			return nil, dialError(addr, err)
		}
		o.core.Versions = versions[1:]
	}
}

// DialEarly is Dial without the waiting: streams can be opened and written at once. With
// [WithResumption] what is written first arrives with the first packets (0-RTT), which
// an attacker may repeat to the server: use it for what may safely happen twice, or
// with [WithoutEarlyData]. Without, it waits for the keys. [Conn.Handshake] waits for
// the outcome. There is no second version for a silent server here.
func DialEarly(ctx context.Context, addr string, cfg *Config, opts ...DialOption) (*Conn, error) {
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	c, err := dialOwn(ctx, addr, cfg, o)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return c, nil
}

// dialOwn begins a connection on a socket of its own. The socket is connected: sending is
// cheaper, and a closed port is known at once.
func dialOwn(ctx context.Context, addr string, cfg *Config, o *dialOptions) (*Conn, error) {
	d := net.Dialer{LocalAddr: o.local}
	sock, err := d.DialContext(ctx, "udp", addr)
	if err != nil {
		return nil, unwrapOp(err)
	}
	e, err := newEndpoint(sock.(*net.UDPConn), cfg)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.dial(e.sock.remote, o.core)
	if err != nil {
		e.sock.close()
		return nil, err
	}
	e.only = c
	if o.first {
		c.openFirst()
	}
	e.flush(e.now())
	go e.run()
	return c, nil
}

// dialShared begins a connection on an endpoint that runs.
func (e *endpoint) dialShared(to netip.AddrPort, o *dialOptions) (*Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := e.dial(to, o.core)
	if err != nil {
		return nil, err
	}
	if o.first {
		c.openFirst()
	}
	e.flush(e.now())
	return c, nil
}

// fallback is how long to wait for a sign of life with so many versions left to offer;
// 0: as long as the handshake may take.
func (e *endpoint) fallback(versions int) time.Duration {
	if versions <= 1 {
		return 0
	}
	return max(0, e.cfg.VersionTimeout)
}

func dialOptionsFor(addr string, opts []DialOption) (*dialOptions, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	o := new(dialOptions)
	o.core.ServerName = host
	for _, opt := range opts {
		opt(o)
	}
	return o, nil
}

// resolve finds the address to send to.
func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if len(ips) == 0 {
		return netip.AddrPort{}, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}

// dialError says which address could not be reached, once.
func dialError(addr string, err error) error {
	err = unwrapOp(err)
	return &net.OpError{Op: "dial", Net: network, Addr: named(addr), Err: err}
}

func unwrapOp(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// named is an address as the caller wrote it.
type named string

func (named) Network() string  { return network }
func (n named) String() string { return string(n) }
