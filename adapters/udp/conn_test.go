package udp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

func TestCloseWithError(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	for _, byClient := range []bool{true, false} {
		c, s := connected(t, server, client)
		cs, ss := streams(t, c, s)
		closes, feels, stream := c, s, ss
		if !byClient {
			closes, feels, stream = s, c, cs
		}
		closes.CloseWithError(wire.InvalidStreamID, "enough")
		<-feels.Context().Done()
		_, readErr := stream.Read(make([]byte, 1))
		_, writeErr := stream.Write(make([]byte, 1))
		_, openErr := feels.OpenStream(patient(t))
		_, acceptErr := feels.AcceptStream(patient(t))
		for _, err := range []error{feels.Err(), context.Cause(feels.Context()), readErr, writeErr, openErr, acceptErr} {
			var e *conn.PeerError
			if !errors.As(err, &e) || e.Code != wire.InvalidStreamID || e.Reason != "enough" {
				t.Errorf("the other side gets %v", err)
			}
		}
		if _, err := closes.OpenStream(patient(t)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the closed side gets %v", err)
		}
		if st := feels.State(); st.Version != wire.Q043 || st.Stats.PacketsReceived == 0 {
			t.Errorf("the state after the end is %+v", st)
		}
	}
}

func TestIdleTimeout(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	client.Conn.IdleTimeout = 2 * time.Second
	c, s := connected(t, server, client)
	<-c.Context().Done()
	if !errors.Is(c.Err(), conn.ErrIdleTimeout) {
		t.Errorf("the client ends with %v", c.Err())
	}
	<-s.Context().Done()
	var e *conn.PeerError
	if !errors.As(s.Err(), &e) || e.Code != wire.NetworkIdleTimeout {
		t.Errorf("the server ends with %v", s.Err())
	}
}

// silence is a UDP port where nobody answers.
func silence(t *testing.T) string {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

func TestDialFails(t *testing.T) {
	noLeaks(t)
	_, client := serverConfig(t)
	closed, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if _, err := Dial(patient(t), closed.LocalAddr().String(), client); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed port gives %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, silence(t), client); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence and a context give %v", err)
	}
	client.Conn.HandshakeTimeout = 100 * time.Millisecond
	if _, err := Dial(patient(t), silence(t), client); !errors.Is(err, conn.ErrHandshakeTimeout) {
		t.Errorf("silence gives %v", err)
	}
	for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:no-such-service"} {
		var op *net.OpError
		if _, err := Dial(patient(t), addr, client); !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("address %q gives %v", addr, err)
		}
	}
	client.Conn.Versions = []wire.Version{wire.Q050}
	if _, err := Dial(patient(t), silence(t), client); err == nil {
		t.Error("a version that is not spoken is offered")
	}
}

// TestNames dials by names. localhost may have two addresses, and the server is at one.
func TestNames(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	l := listen(t, server)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, addr := range []string{"localhost:" + port, ":" + port} {
		c, err := Dial(patient(t), addr, client)
		if err != nil {
			t.Fatal(err)
		}
		if name := c.State().ServerName; name != "localhost" {
			t.Errorf("%s: the server's name is %q", addr, name)
		}
		c.Close()
	}
}

func TestVerification(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	l := listen(t, server)
	addr := l.Addr().String()
	var certErr *handshake.CertificateError
	if _, err := Dial(patient(t), addr, nil); !errors.As(err, &certErr) {
		t.Errorf("the system's roots give %v", err)
	}
	wrong := &Config{Conn: conn.Config{Client: &handshake.ClientConfig{Pin: [][32]byte{{1}}}}}
	var local *conn.LocalError
	if _, err := Dial(patient(t), addr, wrong); !errors.As(err, &local) || local.Code != wire.ProofInvalid {
		t.Errorf("another pin gives %v", err)
	}
	outside := &Config{Conn: conn.Config{Client: &handshake.ClientConfig{External: true}}}
	if _, err := Dial(patient(t), addr, outside); err == nil || !strings.Contains(err.Error(), "External") {
		t.Errorf("a question that nobody answers gives %v", err)
	}
	c, err := Dial(patient(t), addr, client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if chain := c.State().PeerCertificates; len(chain) != 1 || chain[0].DNSNames[0] != "localhost" {
		t.Errorf("the server's certificates are %v", chain)
	}
	if name := c.State().ServerName; name != "127.0.0.1" {
		t.Errorf("the server's name is %q", name)
	}
}

func TestResumption(t *testing.T) {
	noLeaks(t)
	for _, v := range versions {
		server, client := serverConfig(t, v)
		l := listen(t, server)
		first, err := Dial(patient(t), l.Addr().String(), client)
		if err != nil {
			t.Fatal(err)
		}
		first.Close()
		kept := first.Resumption()
		if kept == nil {
			t.Fatal("nothing to resume with")
		}
		if _, err := l.Accept(patient(t)); err != nil {
			t.Fatal(err)
		}
		for _, hold := range []bool{false, true} {
			opts := []DialOption{WithResumption(kept)}
			if hold {
				opts = append(opts, WithoutEarlyData())
			}
			c, err := DialEarly(patient(t), l.Addr().String(), client, opts...)
			if err != nil {
				t.Fatal(err)
			}
			st, err := c.OpenStream(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			st.Write([]byte("early"))
			st.CloseWrite()
			s, err := l.Accept(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			ss, err := s.AcceptStream(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(ss); err != nil || string(b) != "early" {
				t.Errorf("%v: %q, %v", v, b, err)
			}
			if err := c.Handshake(patient(t)); err != nil {
				t.Fatal(err)
			}
			if !c.State().ZeroRTT || !s.State().ZeroRTT {
				t.Errorf("%v: 0-RTT at the client %v, at the server %v", v, c.State().ZeroRTT, s.State().ZeroRTT)
			}
			c.Close()
		}
	}
}

// TestSilentVersion has a server in front of which Q044 vanishes.
func TestSilentVersion(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	l := listen(t, server)
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	var dropped atomic.Int64
	go func() {
		var client netip.AddrPort
		to := l.Addr().(*net.UDPAddr).AddrPort()
		buf := make([]byte, 1<<16)
		for {
			n, from, err := front.ReadFromUDPAddrPort(buf)
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
			case from == to:
				front.WriteToUDPAddrPort(buf[:n], client)
			case buf[0]&0x80 != 0:
				dropped.Add(1)
			default:
				client = from
				front.WriteToUDPAddrPort(buf[:n], to)
			}
		}
	}()
	client.VersionTimeout = 100 * time.Millisecond
	c, err := Dial(patient(t), front.LocalAddr().String(), client, WithVersions(wire.Q044, wire.Q043))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseWithError(wire.PeerGoingAway, "")
	if v := c.State().Version; v != wire.Q043 || dropped.Load() == 0 {
		t.Errorf("the version is %v; %d packets of Q044 were dropped", v, dropped.Load())
	}
	client.VersionTimeout = -1
	client.Conn.HandshakeTimeout = 300 * time.Millisecond
	if _, err := Dial(patient(t), front.LocalAddr().String(), client, WithVersions(wire.Q044, wire.Q043)); !errors.Is(err, conn.ErrHandshakeTimeout) {
		t.Errorf("without the fallback: %v", err)
	}
}

func TestVersionNegotiation(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	server.Conn.Versions = []wire.Version{wire.Q043}
	client.Conn.Versions = []wire.Version{wire.Q044, wire.Q043}
	c, s := connected(t, server, client)
	if v, w := c.State().Version, s.State().Version; v != wire.Q043 || w != wire.Q043 {
		t.Errorf("the versions are %v and %v", v, w)
	}
	client.Conn.Versions = []wire.Version{wire.Q044}
	if _, err := Dial(patient(t), listen(t, server).Addr().String(), client); !errors.Is(err, conn.ErrNoCommonVersion) {
		t.Errorf("no version in common gives %v", err)
	}
}

// TestCloseWithoutPeer closes with data that nobody acknowledges.
func TestCloseWithoutPeer(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	client.CloseTimeout = 100 * time.Millisecond
	l := listen(t, server)
	c, err := Dial(patient(t), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	l.e.mu.Lock() // the server falls silent
	l.e.end(nil)
	l.e.mu.Unlock()
	s, err := c.OpenStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("anybody there?"))
	s.CloseWrite()
	if err := c.Close(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close gives %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("the second Close gives %v", err)
	}
}

func TestTrace(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	var sent, received, bytes atomic.Int64
	client.Trace = func(d Datagram) {
		if d.Sent {
			sent.Add(1)
		} else {
			received.Add(1)
		}
		bytes.Add(int64(len(d.Payload)))
		if !d.Local.IsValid() || !d.Remote.IsValid() {
			t.Errorf("addresses %v and %v", d.Local, d.Remote)
		}
	}
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	ss.Write(make([]byte, 1<<20))
	ss.CloseWrite()
	io.Copy(io.Discard, cs)
	c.Close()
	st := c.State().Stats
	if n := uint64(sent.Load()); n != st.PacketsSent {
		t.Errorf("%d datagrams were seen going out, the connection sent %d", n, st.PacketsSent)
	}
	if n := uint64(received.Load()); n < st.PacketsReceived || n == 0 {
		t.Errorf("%d datagrams were seen coming in, the connection took %d", n, st.PacketsReceived)
	}
	if n := uint64(bytes.Load()); n < st.BytesSent+st.BytesReceived {
		t.Errorf("%d bytes were seen, the connection moved %d", n, st.BytesSent+st.BytesReceived)
	}
}
