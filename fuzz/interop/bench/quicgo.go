package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"

	quic "github.com/lucas-clemente/quic-go"

	"example.com/gquic/adapters/bench"
)

// quicGo is quic-go v0.10.2.
type quicGo struct{}

func (quicGo) Name() string { return "quic-go v0.10.2" }

func (quicGo) config(s *bench.Spec) *quic.Config {
	c := &quic.Config{
		Versions: []quic.VersionNumber{quic.VersionNumber(s.Version)},
		// As gquic: an address need not be proved with a round trip of its own.
		AcceptCookie:       func(net.Addr, *quic.Cookie) bool { return true },
		MaxIncomingStreams: 1000,
	}
	if s.Work == bench.Idle {
		c.IdleTimeout = 10 * time.Minute
	}
	return c
}

func (q quicGo) Listen(s *bench.Spec, cert tls.Certificate) (bench.Listener, error) {
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}}, q.config(s))
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

func (q quicGo) NewDialer(s *bench.Spec, addr string, roots *x509.CertPool) (bench.Dialer, error) {
	return &dialer{cfg: q.config(s), addr: addr, tls: &tls.Config{ServerName: bench.ServerName, RootCAs: roots}}, nil
}

type listener struct{ l quic.Listener }

func (l listener) Addr() string { return l.l.Addr().String() }

func (l listener) Accept(context.Context) (bench.Session, error) {
	s, err := l.l.Accept()
	if err != nil {
		return nil, err
	}
	return session{s}, nil
}

type dialer struct {
	cfg  *quic.Config
	addr string
	tls  *tls.Config
}

func (d *dialer) Dial(ctx context.Context) (bench.Session, error) {
	s, err := quic.DialAddrContext(ctx, d.addr, d.tls, d.cfg)
	if err != nil {
		return nil, err
	}
	return session{s}, nil
}

type session struct{ s quic.Session }

func (s session) Open(context.Context) (bench.Stream, error)   { return open(s.s.OpenStreamSync()) }
func (s session) Accept(context.Context) (bench.Stream, error) { return open(s.s.AcceptStream()) }
func (s session) Close()                                       { s.s.Close() }

func open(st quic.Stream, err error) (bench.Stream, error) {
	if err != nil {
		return nil, err
	}
	return stream{st}, nil
}

type stream struct{ quic.Stream }

func (s stream) CloseWrite() error { return s.Stream.Close() }
