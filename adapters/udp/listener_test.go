package udp

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

func TestListenerClose(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	l := listen(t, server)
	c, err := Dial(patient(t), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan error, 1)
	go func() {
		_, err := l.Accept(context.Background())
		waits <- err
	}()
	time.Sleep(10 * time.Millisecond)
	l.Close()
	if err := <-waits; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a waiting Accept ends with %v", err)
	}
	<-c.Context().Done()
	var e *conn.PeerError
	if !errors.As(c.Err(), &e) || e.Code != wire.PeerGoingAway {
		t.Errorf("the client ends with %v", c.Err())
	}
	if _, err := accepted.AcceptStream(patient(t)); err == nil {
		t.Error("a closed listener's connection accepts streams")
	}
	if _, err := l.Accept(patient(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close gives %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	again, err := Listen(l.Addr().String(), server) // the port is free
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestAcceptContext(t *testing.T) {
	noLeaks(t)
	server, _ := serverConfig(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := listen(t, server).Accept(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Accept gives %v", err)
	}
}

// TestStreamContexts ends waits for streams by contexts.
func TestStreamContexts(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	server.Conn.MaxStreams = 3
	c, s := connected(t, server, client)
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.AcceptStream(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("AcceptStream gives %v", err)
	}
	var open []*Stream
	for range 3 {
		st, err := c.OpenStream(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, st)
	}
	soon, cancel = context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.OpenStream(soon); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fourth stream of three: %v", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		open[0].Reset(wire.StreamCancelled)
	}()
	if _, err := c.OpenStream(patient(t)); err != nil {
		t.Errorf("a stream after one of three has gone: %v", err)
	}
}

func TestBacklog(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	server.Backlog = 1
	l := listen(t, server)
	first, err := Dial(patient(t), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer first.CloseWithError(wire.PeerGoingAway, "")
	second, err := Dial(patient(t), l.Addr().String(), client)
	if err == nil { // the close may come right behind the SHLO
		<-second.Context().Done()
		err = second.Err()
	}
	var e *conn.PeerError
	if !errors.As(err, &e) || e.Code != wire.PeerGoingAway {
		t.Errorf("a connection beyond the backlog ends with %v", err)
	}
	if _, err := l.Accept(patient(t)); err != nil {
		t.Error(err)
	}
}

// TestListenerDial has two listeners connect to each other over their own sockets.
func TestListenerDial(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	both := *server
	both.Conn.Client = client.Conn.Client
	a, b := listen(t, &both), listen(t, &both)
	go echo(a)
	go echo(b)
	talk := func(l *Listener, to string, opts ...DialOption) error {
		c, err := l.Dial(patient(t), to, opts...)
		if err != nil {
			return err
		}
		s, err := c.OpenStream(patient(t))
		if err != nil {
			return err
		}
		s.Write([]byte("hello"))
		s.CloseWrite()
		if got, err := io.ReadAll(s); err != nil || string(got) != "hello" {
			return fmt.Errorf("%q came back, error %w", got, err)
		}
		return nil
	}
	for _, way := range []struct{ from, to *Listener }{{a, b}, {b, a}, {a, b}} {
		if err := talk(way.from, way.to.Addr().String(), WithServerName("localhost")); err != nil {
			t.Fatal(err)
		}
	}
	dialer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewListener(dialer, client) // only dials
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := talk(d, a.Addr().String(), WithVersions(wire.Q044)); err != nil {
		t.Fatal(err)
	}
	if err := talk(d, a.Addr().String(), WithVersions(wire.Q044)); !errors.Is(err, conn.ErrAddressInUse) {
		t.Errorf("a second Q044 connection gives %v", err)
	}
}

// TestAnswersFromTheAddressAsked asks a wildcard listener at addresses that are not the
// system's first choice. The client's socket takes only answers from there.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	for _, c := range []struct{ listen, ask string }{
		{"0.0.0.0:0", "127.0.0.1"}, {":0", "127.0.0.1"}, {":0", "::1"}, {"0.0.0.0:0", "127.0.0.2"}, {":0", "127.0.0.2"},
	} {
		t.Run(c.listen+" "+c.ask, func(t *testing.T) {
			if c.ask == "127.0.0.2" && runtime.GOOS != "linux" {
				t.Skip("needs Linux")
			}
			l, err := Listen(c.listen, server)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			if p, err := net.ListenPacket("udp", net.JoinHostPort(c.ask, "0")); err != nil {
				t.Skip(err)
			} else {
				p.Close()
			}
			q, err := Dial(patient(t), net.JoinHostPort(c.ask, port), client)
			if err != nil {
				t.Fatal(err)
			}
			q.Close()
		})
	}
}

func TestListenFails(t *testing.T) {
	server, client := serverConfig(t)
	l := listen(t, server)
	if _, err := Listen(l.Addr().String(), server); err == nil {
		t.Error("two listeners have one address")
	}
	if _, err := Listen("127.0.0.1:none", server); err == nil {
		t.Error("a port that does not exist is served")
	}
	withServer := func(change func(*handshake.HostConfig)) *Config {
		bad, host := *server, *server.Conn.Server
		host.Certificates = slices.Clone(host.Certificates)
		change(&host)
		bad.Conn.Server = &host
		return &bad
	}
	with := func(change func(*Config)) *Config {
		bad := *server
		change(&bad)
		return &bad
	}
	for _, bad := range []struct {
		cfg  *Config
		want string
	}{
		{nil, "Server is nil"},
		{&Config{}, "Server is nil"},
		{client, "Server is nil"},
		{withServer(func(h *handshake.HostConfig) { h.Certificates = nil }), "certificate"},
		{withServer(func(h *handshake.HostConfig) { h.Certificates[0].Key = nil }), "Certificates[0] has no key"},
		{with(func(c *Config) { c.Conn.MaxStreams = 1 << 30 }), "MaxStreams"},
		{with(func(c *Config) { c.Backlog = -1 }), "Backlog"},
		{with(func(c *Config) { c.CloseTimeout = -1 }), "CloseTimeout"},
		{with(func(c *Config) { c.Endpoints = -1 }), "Endpoints"},
	} {
		l, err := Listen("127.0.0.1:0", bad.cfg)
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("a configuration that cannot be gives %v, want a word of %q", err, bad.want)
		}
	}
}

// TestAcceptAfterEnd has a client that nobody has accepted when the listener ends.
func TestAcceptAfterEnd(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	for name, end := range map[string]func(*Listener) error{
		"Close":    (*Listener).Close,
		"Shutdown": func(l *Listener) error { return l.Shutdown(patient(t)) },
	} {
		l := listen(t, server)
		c, err := Dial(patient(t), l.Addr().String(), client)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseWithError(wire.PeerGoingAway, "")
		waitFor(t, func() bool {
			l.e.accepted.mu.Lock()
			defer l.e.accepted.mu.Unlock()
			return len(l.e.accepted.queue) == 1
		})
		if err := end(l); err != nil {
			t.Error(err)
		}
		if got, err := l.Accept(patient(t)); got != nil || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after %s gives %v, %v", name, got, err)
		}
		<-c.Context().Done()
		if e := (*conn.PeerError)(nil); !errors.As(c.Err(), &e) || e.Code != wire.PeerGoingAway {
			t.Errorf("after %s the client that was not accepted ends with %v", name, c.Err())
		}
	}
}

// TestAcceptStreamAfterClose has a stream that was not accepted when its connection was
// closed on this side.
func TestAcceptStreamAfterClose(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	if st, err := c.OpenStream(patient(t)); err != nil {
		t.Fatal(err)
	} else if _, err := st.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		s.e.mu.Lock()
		defer s.e.mu.Unlock()
		return len(s.incoming) == 1
	})
	s.CloseWithError(wire.PeerGoingAway, "")
	if st, err := s.AcceptStream(patient(t)); st != nil || !errors.Is(err, net.ErrClosed) {
		t.Errorf("AcceptStream after CloseWithError gives %v, %v", st, err)
	}
}

// TestSecretIsDrawn: no two servers without a Secret take each other's configs, and the
// caller's configuration stays as it was.
func TestSecretIsDrawn(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	resumes := func(server *Config) (zeroRTT bool) {
		var kept *handshake.Resumption
		for range 2 {
			c, _ := connected(t, server, client, WithResumption(kept))
			kept, zeroRTT = c.Resumption(), c.State().ZeroRTT
		}
		return zeroRTT
	}
	if resumes(server) {
		t.Error("a server takes the config of another one that has no Secret either")
	}
	if server.Conn.Server.Secret != [32]byte{} || server.Conn.Seed != [32]byte{} {
		t.Error("the caller's configuration was changed")
	}
	server.Conn.Server.Secret = [32]byte{1, 2, 3}
	if !resumes(server) {
		t.Error("a server does not take the config of another one with the same Secret")
	}
}

func TestCertificates(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]tls.Certificate{
		"Ed25519":  {Certificate: [][]byte{der}, PrivateKey: key},
		"no chain": {PrivateKey: key},
		"junk":     {Certificate: [][]byte{{1, 2, 3}}, PrivateKey: key},
	} {
		if _, err := Certificate(c); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	own, err := SelfSigned("localhost", "::1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Certificate(tls.Certificate{Certificate: own.Chain, PrivateKey: own.Key}); err != nil {
		t.Error(err)
	}
	if _, err := Certificate(tls.Certificate{Certificate: own.Chain}); err == nil {
		t.Error("a certificate without a key is taken")
	}
	leaf, err := x509.ParseCertificate(own.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "::1"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if _, err := LoadCertificate("no", "such"); err == nil {
		t.Error("files that do not exist are loaded")
	}
	if _, err := Fingerprint(nil); err == nil {
		t.Error("nothing has a fingerprint")
	}
}

// A socket comes as it was left: with a deadline that has passed, or closed.
func TestNewListenerOnUsedSocket(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t, wire.Q043)
	open := func() *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	c.SetDeadline(time.Unix(1, 0))
	l, err := NewListener(c, server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := Dial(patient(t), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()

	closed := open()
	closed.Close()
	var op *net.OpError
	if l, err := NewListener(closed, server); l != nil || !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "listen" {
		t.Errorf("closed: %v, %v", l, err)
	}
}
