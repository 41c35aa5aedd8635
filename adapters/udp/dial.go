package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"example.com/gquic/wire"
)

// network is what the errors call it.
const network = "gquic"

// Dial connects to a server, "host:port", over a socket of its own, and returns when
// the handshake is done. Closing the connection closes the socket.
//
// If nothing at all answers within cfg.VersionTimeout, Dial tries the next version, and
// then the host's next address, as it does at once where the system says that there is no
// way or nobody there. An attacker who suppresses packets can thus choose among the
// versions that are offered; offer only those that are good enough.
func Dial(ctx context.Context, addr string, cfg *Config, opts ...DialOption) (*Conn, error) {
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return dial(ctx, addr, o, func(to netip.AddrPort, o *dialOptions) (*Conn, error) { return dialOwn(ctx, to, cfg, o) })
}

// A beginning begins a connection on some socket.
type beginning func(to netip.AddrPort, o *dialOptions) (*Conn, error)

// dial tries the addresses of a host, one after the other.
func dial(ctx context.Context, addr string, o *dialOptions, begin beginning) (*Conn, error) {
	addrs, err := resolve(ctx, addr)
	for i, to := range addrs {
		own, last := *o, i == len(addrs)-1
		var c *Conn
		var unreachable bool
		if c, unreachable, err = dialAddress(ctx, to, &own, last, begin); err == nil {
			return c, nil
		}
		if !unreachable {
			break
		}
	}
	return nil, dialError(addr, err)
}

// dialAddress tries the versions, and waits for the handshake.
func dialAddress(ctx context.Context, to netip.AddrPort, o *dialOptions, last bool, begin beginning) (c *Conn, unreachable bool, err error) {
	for {
		c, err := begin(to, o)
		if err != nil {
			return nil, isErrno(err), err
		}
		versions := o.core.Versions
		if len(versions) == 0 {
			versions = c.e.cfg.Conn.Versions
		}
		var patience time.Duration // as long as the handshake may take
		if len(versions) > 1 || !last {
			patience = max(0, c.e.cfg.VersionTimeout)
		}
		silent, err := c.waitConnected(ctx, patience)
		if err == nil {
			return c, false, nil
		}
		c.CloseWithError(wire.PeerGoingAway, "")
		if !silent || len(versions) == 1 {
			return nil, silent || isErrno(err), err
		}
		o.core.Versions = versions[1:]
	}
}

func isErrno(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}

// DialEarly is Dial without the waiting: streams can be opened and written at once. With
// [WithResumption] what is written first arrives with the first packets (0-RTT), which
// an attacker may repeat to the server: use it for what may safely happen twice, or
// with [WithoutEarlyData]. Without, it waits for the keys. [Conn.Handshake] waits for
// the outcome. There is no second version or address for a silent server here.
func DialEarly(ctx context.Context, addr string, cfg *Config, opts ...DialOption) (*Conn, error) {
	o, err := dialOptionsFor(addr, opts)
	if err != nil {
		return nil, dialError(addr, err)
	}
	addrs, err := resolve(ctx, addr)
	if err != nil {
		return nil, dialError(addr, err)
	}
	c, err := dialOwn(ctx, addrs[0], cfg, o)
	if err != nil {
		return nil, dialError(addr, err)
	}
	return c, nil
}

// dialOwn begins a connection on a socket of its own. The socket is connected: sending is
// cheaper, and a closed port is known at once.
func dialOwn(ctx context.Context, to netip.AddrPort, cfg *Config, o *dialOptions) (*Conn, error) {
	d := net.Dialer{LocalAddr: o.local}
	sock, err := d.DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, unwrapOp(err)
	}
	e, err := newEndpoint(sock.(*net.UDPConn), cfg, true)
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

func dialOptionsFor(addr string, opts []DialOption) (*dialOptions, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	o := new(dialOptions)
	o.core.ServerName = orLocal(host)
	for _, opt := range opts {
		opt(o)
	}
	return o, nil
}

// orLocal is the local host for an empty one, as for [net.Dial].
func orLocal(host string) string {
	if host == "" {
		return "localhost"
	}
	return host
}

// resolve finds the addresses to send to, at least one.
func resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(addr); err == nil { // the resolver says the same, at more length
		return []netip.AddrPort{netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", orLocal(host))
	if err != nil {
		return nil, err
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs, nil
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
