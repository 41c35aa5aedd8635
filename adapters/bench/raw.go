package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
)

// Raw is no QUIC at all: datagrams to and fro over net.UDPConn, the measure that the
// round trips of a stack are held against. It knows requests of at most a datagram only.
type Raw struct{}

// Name is "raw UDP".
func (Raw) Name() string { return "raw UDP" }

// Listen serves on a port of the loopback interface.
func (Raw) Listen(*Spec, tls.Certificate) (Listener, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	return rawListener{c}, nil
}

type rawListener struct{ c *net.UDPConn }

func (l rawListener) Addr() string { return l.c.LocalAddr().String() }

func (l rawListener) Accept(ctx context.Context) (Session, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// NewDialer returns a dialer.
func (Raw) NewDialer(s *Spec, addr string, _ *x509.CertPool) (Dialer, error) {
	if s.Work != Requests {
		return nil, errors.New("raw UDP can do requests alone")
	}
	return rawDialer(addr), nil
}

type rawDialer string

func (d rawDialer) Dial(context.Context) (Session, error) {
	c, err := net.Dial("udp4", string(d))
	if err != nil {
		return nil, err
	}
	return rawSession{c}, nil
}

type rawSession struct{ c net.Conn }

func (s rawSession) Open(context.Context) (Stream, error)   { return rawStream{s.c}, nil }
func (s rawSession) Accept(context.Context) (Stream, error) { return nil, errors.New("no streams") }
func (s rawSession) Close()                                 { s.c.Close() }

type rawStream struct{ net.Conn }

func (rawStream) CloseWrite() error { return nil }
