package udp

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"sync"
	"testing"

	"example.com/gquic/wire"
)

func TestTransfer(t *testing.T) {
	noLeaks(t)
	data := make([]byte, 8<<20)
	rand.Read(data)
	for _, v := range versions {
		for _, how := range []Offload{OffloadAuto, OffloadNone} {
			t.Run(v.String(), func(t *testing.T) {
				server, client := serverConfig(t, v)
				server.Offload, client.Offload = how, how
				l := listen(t, server)
				go echo(l)
				c, err := Dial(patient(t), l.Addr().String(), client)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if got := c.State().Version; got != v {
					t.Errorf("the version is %v", got)
				}
				s, err := c.OpenStream(patient(t))
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					s.Write(data)
					s.CloseWrite()
				}()
				got, err := io.ReadAll(s)
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes came back of %d, error %v", len(got), len(data), err)
				}
				if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("reading on gives %d, %v", n, err)
				}
			})
		}
	}
}

// TestConcurrent uses everything from many goroutines at once, for the race detector.
func TestConcurrent(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	l := listen(t, server)
	go echo(l)
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := Dial(context.Background(), l.Addr().String(), client)
			if err != nil {
				t.Error(err)
				return
			}
			var inner sync.WaitGroup
			for i := range 150 { // more than the peer allows at once
				inner.Add(1)
				go func() {
					defer inner.Done()
					s, err := c.OpenStream(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					data := bytes.Repeat([]byte{byte(i)}, 5000+i)
					go func() {
						s.Write(data)
						s.CloseWrite()
					}()
					if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, data) {
						t.Errorf("stream %d: %d bytes of %d came back, error %v", s.ID(), len(got), len(data), err)
					}
					c.State()
					c.RemoteAddr()
				}()
			}
			inner.Wait()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if v := l.Stats().Accepted; v != 4 {
		t.Errorf("%d connections were accepted", v)
	}
}

// TestWritesDoNotMix has many writers on one stream: each Write stays in one piece.
func TestWritesDoNotMix(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	server.Conn.SendBuffer, client.Conn.SendBuffer = 1000, 1000
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	var wg sync.WaitGroup
	const size = 5000
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := cs.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
				t.Error(err)
			}
		}()
	}
	go func() {
		wg.Wait()
		cs.CloseWrite()
	}()
	got, err := io.ReadAll(ss)
	if err != nil || len(got) != 8*size {
		t.Fatalf("%d bytes, error %v", len(got), err)
	}
	for i := 0; i < len(got); i += size {
		if !bytes.Equal(got[i:i+size], bytes.Repeat(got[i:i+1], size)) {
			t.Fatalf("the write at %d is in pieces", i)
		}
	}
}

// TestCloseDelivers closes right after the last write: nothing may be lost.
func TestCloseDelivers(t *testing.T) {
	noLeaks(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	server, client := serverConfig(t)
	for _, byClient := range []bool{true, false} {
		c, s := connected(t, server, client)
		cs, ss := streams(t, c, s)
		from, to, closer := cs, ss, c
		if !byClient {
			from, to, closer = ss, cs, s
		}
		done := make(chan error, 1)
		go func() {
			from.Write(data)
			from.CloseWrite()
			done <- closer.Close()
		}()
		got, err := io.ReadAll(to)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d arrived before the close, error %v", len(got), len(data), err)
		}
		if err := <-done; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// TestShutdownDelivers is the same with a listener that is shut down.
func TestShutdownDelivers(t *testing.T) {
	noLeaks(t)
	data := make([]byte, 3<<20)
	rand.Read(data)
	server, client := serverConfig(t)
	l := listen(t, server)
	c, err := Dial(patient(t), l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseWithError(wire.PeerGoingAway, "")
	s, err := l.Accept(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	cs, ss := streams(t, c, s)
	down := make(chan error, 1)
	go func() {
		ss.Write(data)
		ss.CloseWrite()
		down <- l.Shutdown(patient(t))
	}()
	got, err := io.ReadAll(cs)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d arrived, error %v", len(got), len(data), err)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
