package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	quic "github.com/lucas-clemente/quic-go"
	"github.com/lucas-clemente/quic-go/qerr"

	"example.com/gquic/wire"
)

// QuicGo is quic-go v0.10.2, the last release with gQUIC.
type QuicGo struct{}

// Name is "quic-go".
func (QuicGo) Name() string { return "quic-go" }

func (QuicGo) config(o Options) *quic.Config {
	c := &quic.Config{IdleTimeout: o.Idle}
	for _, v := range o.Versions {
		c.Versions = append(c.Versions, quic.VersionNumber(v))
	}
	return c
}

// Listen serves on a new port.
func (q QuicGo) Listen(o Options) (Listener, error) {
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{o.Chain.TLS}}, q.config(o))
	if err != nil {
		return nil, err
	}
	return quicListener{l}, nil
}

// Dial connects.
func (q QuicGo) Dial(ctx context.Context, addr string, o Options) (Session, error) {
	s, err := quic.DialAddrContext(ctx, addr, &tls.Config{ServerName: ServerName, RootCAs: o.Chain.Roots}, q.config(o))
	if err != nil {
		return nil, err
	}
	return quicSession{s}, nil
}

type quicListener struct{ l quic.Listener }

func (l quicListener) Addr() string { return l.l.Addr().String() }
func (l quicListener) Close()       { l.l.Close() }

func (l quicListener) Accept(ctx context.Context) (Session, error) {
	return within(ctx, func() (Session, error) {
		s, err := l.l.Accept()
		return quicSession{s}, err
	})
}

// within runs a blocking call that knows no context. One that outlives ctx ends with its
// session.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

type quicSession struct{ s quic.Session }

func (s quicSession) Open(ctx context.Context) (Stream, error) {
	return within(ctx, func() (Stream, error) {
		st, err := s.s.OpenStreamSync()
		return quicStream{st}, err
	})
}

func (s quicSession) Accept(ctx context.Context) (Stream, error) {
	return within(ctx, func() (Stream, error) {
		st, err := s.s.AcceptStream()
		return quicStream{st}, err
	})
}

func (s quicSession) Close(code wire.ErrorCode, reason string) {
	s.s.CloseWithError(quic.ErrorCode(code), errors.New(reason))
}

func (s quicSession) Wait(ctx context.Context) (End, error) {
	select {
	case <-s.s.Context().Done():
	case <-ctx.Done():
		return End{}, ctx.Err()
	}
	_, err := s.s.OpenStream() // gives the error of a closed session
	var q *qerr.QuicError
	if !errors.As(err, &q) {
		return End{}, fmt.Errorf("quic-go's session ended with %v", err)
	}
	return End{wire.ErrorCode(q.ErrorCode), q.ErrorMessage}, nil
}

// Version is not told by quic-go's public interface.
func (s quicSession) Version() wire.Version { return 0 }

type quicStream struct{ quic.Stream }

func (s quicStream) ID() wire.StreamID { return wire.StreamID(s.StreamID()) }
func (s quicStream) CloseWrite() error { return s.Close() }

// Reset sends RST_STREAM, and stops reading too.
func (s quicStream) Reset(code wire.StreamErrorCode) error {
	s.CancelRead(quic.ErrorCode(code))
	return s.CancelWrite(quic.ErrorCode(code))
}

func (quicStream) ResetCode(err error) (wire.StreamErrorCode, bool) {
	var s quic.StreamError
	if errors.As(err, &s) && s.Canceled() {
		return wire.StreamErrorCode(s.ErrorCode()), true
	}
	return 0, false
}
