package udp

import (
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A mover stands between a client and a server, and can change the address that the
// client seems to have.
type mover struct {
	front  *net.UDPConn
	server *net.UDPAddr
	back   atomic.Pointer[net.UDPConn]
	client atomic.Pointer[net.UDPAddr]
}

func newMover(t *testing.T, server net.Addr) *mover {
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	m := &mover{front: front, server: server.(*net.UDPAddr)}
	t.Cleanup(func() { front.Close() })
	m.move(t)
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := front.ReadFromUDP(b)
			if err != nil {
				return
			}
			m.client.Store(from)
			m.back.Load().Write(b[:n])
		}
	}()
	return m
}

func (m *mover) move(t *testing.T) {
	back, err := net.DialUDP("udp4", nil, m.server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { back.Close() })
	m.back.Store(back)
	go func() {
		b := make([]byte, 2048)
		for {
			n, err := back.Read(b)
			if err != nil {
				return
			}
			m.front.WriteToUDP(b[:n], m.client.Load())
		}
	}()
}

// Connections spread over several endpoints of one address, and stay where they are when
// the client's address changes.
func TestSeveralEndpoints(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("one endpoint is all that there is here")
	}
	noLeaks(t)
	for _, v := range versions {
		server, client := serverConfig(t, v)
		server.Endpoints = 4
		l := listen(t, server)
		if len(l.more) != 3 {
			t.Fatalf("%d endpoints", 1+len(l.more))
		}
		go echo(l)
		m := newMover(t, l.Addr())
		var kept *handshake.Resumption
		for range 40 {
			c, err := Dial(patient(t), m.front.LocalAddr().String(), client, WithServerName("localhost"), WithResumption(kept))
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.OpenStream(patient(t))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				if i > 0 {
					m.move(t)
				}
				if _, err := s.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
					t.Fatalf("%v, after %d moves: %v", v, i, err)
				}
			}
			if kept != nil && !c.State().ZeroRTT {
				t.Errorf("%v: one endpoint does not take what another gave out for 0-RTT", v)
			}
			kept = c.Resumption()
			c.CloseWithError(wire.PeerGoingAway, "")
		}
		for e := range l.endpoints() {
			e.mu.Lock()
			n := e.core.Stats().Accepted
			e.mu.Unlock()
			if n == 0 {
				t.Errorf("%v: an endpoint got none of 40 connections", v)
			}
		}
		if n := l.Stats().Accepted; n != 40 {
			t.Errorf("%v: %d connections were accepted, not 40", v, n)
		}
		l.Close()
	}
}
