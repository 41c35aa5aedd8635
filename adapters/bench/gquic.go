package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/conn/ack"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// GQUIC is this library, over adapters/udp.
type GQUIC struct{}

// Name is "gquic".
func (GQUIC) Name() string { return "gquic" }

func (GQUIC) config(s *Spec) *udp.Config {
	cfg := &udp.Config{Conn: conn.Config{
		Versions:     []wire.Version{s.Version},
		DatagramSize: s.Datagram,
		MaxStreams:   1000,
	}}
	if s.NoOffload {
		cfg.Offload = udp.OffloadNone
	}
	if s.Decimate {
		cfg.Conn.AckMode = ack.Decimated
	}
	if s.Work == Idle {
		cfg.Conn.IdleTimeout = conn.MaxIdleTimeout
		cfg.Backlog = max(udp.DefaultBacklog, s.Count)
	}
	return cfg
}

// Listen serves on a port of the loopback interface.
func (g GQUIC) Listen(s *Spec, cert tls.Certificate) (Listener, error) {
	c, err := udp.Certificate(cert)
	if err != nil {
		return nil, err
	}
	cfg := g.config(s)
	cfg.Conn.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{c}, KeyShareLifetime: s.KeyShare}
	l, err := udp.Listen("127.0.0.1:0", cfg)
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

// NewDialer returns a dialer. Idle connections share one socket; others have their own.
func (g GQUIC) NewDialer(s *Spec, addr string, roots *x509.CertPool) (Dialer, error) {
	cfg := g.config(s)
	cfg.Conn.Client = &handshake.ClientConfig{Roots: roots}
	d := &dialer{cfg: cfg, addr: addr, resume: s.Resume}
	if s.Work == Idle && s.Version == wire.Q043 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		if d.shared, err = udp.NewListener(c, cfg); err != nil {
			return nil, err
		}
	}
	return d, nil
}

type listener struct{ *udp.Listener }

func (l listener) Addr() string { return l.Listener.Addr().String() }

func (l listener) Accept(ctx context.Context) (Session, error) {
	c, err := l.Listener.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return session{c}, nil
}

type dialer struct {
	cfg    *udp.Config
	addr   string
	shared *udp.Listener
	resume bool

	mu   sync.Mutex
	kept *handshake.Resumption
}

func (d *dialer) Dial(ctx context.Context) (Session, error) {
	options := []udp.DialOption{udp.WithServerName(ServerName)}
	if d.resume {
		d.mu.Lock()
		options = append(options, udp.WithResumption(d.kept))
		d.mu.Unlock()
	}
	var c *udp.Conn
	var err error
	if d.shared != nil {
		c, err = d.shared.Dial(ctx, d.addr, options...)
	} else {
		c, err = udp.Dial(ctx, d.addr, d.cfg, options...)
	}
	if err != nil {
		return nil, err
	}
	if d.resume {
		d.mu.Lock()
		d.kept = c.Resumption()
		d.mu.Unlock()
	}
	return session{c}, nil
}

type session struct{ c *udp.Conn }

func (s session) Open(ctx context.Context) (Stream, error) {
	st, err := s.c.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s session) Accept(ctx context.Context) (Stream, error) {
	st, err := s.c.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s session) Close() { s.c.CloseWithError(wire.PeerGoingAway, "") }

// linger is how long a client waits after its work, so that the last acknowledgements do not
// fall out of the count.
const linger = 50 * time.Millisecond
