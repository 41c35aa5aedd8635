package udp

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// patience turns a hang into a failure; nothing is judged by time.
const patience = 20 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// noLeaks fails the test if goroutines of this package outlive it. Call it first, so
// that its cleanup runs last.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var stacks string
		for range 200 {
			buf := make([]byte, 1<<20)
			stacks = string(buf[:runtime.Stack(buf, true)])
			if !strings.Contains(stacks, "udp.(*endpoint).run") {
				if n := lentSockets.Load(); n != 0 {
					t.Errorf("%d sockets are still lent", n)
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("an endpoint's goroutine is still there:\n%s", stacks)
	})
}

// waitFor waits for something that is about to happen.
func waitFor(t *testing.T, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
	}
}

// serverConfig is a server with a certificate of its own, and what its clients need.
func serverConfig(t testing.TB, versions ...wire.Version) (server, client *Config) {
	t.Helper()
	cert, err := SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := Fingerprint(cert.Chain)
	if err != nil {
		t.Fatal(err)
	}
	server = &Config{Conn: conn.Config{Versions: versions, Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}}
	client = &Config{Conn: conn.Config{Versions: versions, Client: &handshake.ClientConfig{Pin: [][32]byte{pin}}}}
	return server, client
}

// listen serves until the test ends.
func listen(t testing.TB, cfg *Config) *Listener {
	t.Helper()
	l, err := Listen("127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connected returns both ends of a connection.
func connected(t testing.TB, server, client *Config, opts ...DialOption) (*Conn, *Conn) {
	t.Helper()
	l := listen(t, server)
	c, err := Dial(patient(t), l.Addr().String(), client, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(wire.PeerGoingAway, "") })
	s, err := l.Accept(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// echo sends back what arrives on every stream of every connection.
func echo(l *Listener) {
	for {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			for {
				s, err := c.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go func() {
					io.Copy(s, s)
					s.Close()
				}()
			}
		}()
	}
}

// streams returns both ends of a stream on which the client has written "!".
func streams(t testing.TB, c, s *Conn) (*Stream, *Stream) {
	t.Helper()
	cs, err := c.OpenStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cs.Write([]byte("!")); err != nil {
		t.Fatal(err)
	}
	ss, err := s.AcceptStream(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(ss, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cs, ss
}

var versions = []wire.Version{wire.Q043, wire.Q044}
