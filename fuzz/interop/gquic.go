package interop

import (
	"context"
	"errors"
	"net"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// GQUIC is this library, over adapters/udp.
type GQUIC struct{}

// Name is "gquic".
func (GQUIC) Name() string { return "gquic" }

func (GQUIC) config(o Options) *udp.Config {
	return &udp.Config{Conn: conn.Config{Versions: o.Versions, IdleTimeout: o.Idle, Trace: o.Trace}}
}

// Listen serves on a new port.
func (g GQUIC) Listen(o Options) (Listener, error) {
	cfg := g.config(o)
	c, err := udp.Certificate(o.Chain.TLS)
	if err != nil {
		return nil, err
	}
	cfg.Conn.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{c}}
	l, err := udp.Listen("127.0.0.1:0", cfg)
	if err != nil {
		return nil, err
	}
	return gquicListener{l}, nil
}

// Dial connects.
func (g GQUIC) Dial(ctx context.Context, addr string, o Options) (Session, error) {
	cfg := g.config(o)
	cfg.Conn.Client = &handshake.ClientConfig{Roots: o.Chain.Roots}
	c, err := udp.Dial(ctx, addr, cfg, udp.WithServerName(ServerName))
	if err != nil {
		return nil, err
	}
	return gquicSession{c}, nil
}

type gquicListener struct{ l *udp.Listener }

func (l gquicListener) Addr() string { return l.l.Addr().(*net.UDPAddr).String() }
func (l gquicListener) Close()       { l.l.Close() }

func (l gquicListener) Accept(ctx context.Context) (Session, error) {
	c, err := l.l.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return gquicSession{c}, nil
}

type gquicSession struct{ c *udp.Conn }

func (s gquicSession) Open(ctx context.Context) (Stream, error) {
	st, err := s.c.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	return gquicStream{st}, nil
}

func (s gquicSession) Accept(ctx context.Context) (Stream, error) {
	st, err := s.c.AcceptStream(ctx)
	if err != nil {
		return nil, err
	}
	return gquicStream{st}, nil
}

func (s gquicSession) Close(code wire.ErrorCode, reason string) { s.c.CloseWithError(code, reason) }

func (s gquicSession) Wait(ctx context.Context) (End, error) {
	select {
	case <-s.c.Context().Done():
	case <-ctx.Done():
		return End{}, ctx.Err()
	}
	err := s.c.Err()
	var peer *conn.PeerError
	var local *conn.LocalError
	switch {
	case errors.As(err, &peer):
		return End{peer.Code, peer.Reason}, nil
	case errors.As(err, &local):
		return End{local.Code, local.Reason}, nil
	case errors.Is(err, conn.ErrIdleTimeout):
		return End{wire.NetworkIdleTimeout, err.Error()}, nil
	}
	return End{}, err
}

func (s gquicSession) Version() wire.Version { return s.c.State().Version }

type gquicStream struct{ *udp.Stream }

func (gquicStream) ResetCode(err error) (wire.StreamErrorCode, bool) {
	var s *conn.StreamError
	if errors.As(err, &s) {
		return s.Code, true
	}
	return 0, false
}
