package udp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// TestNetConn holds streams to what every net.Conn promises.
func TestNetConn(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		c, s := connected(t, server, client)
		cs, ss := streams(t, c, s)
		return cs, ss, func() {
			c.CloseWithError(wire.PeerGoingAway, "")
			s.CloseWithError(wire.PeerGoingAway, "")
		}, nil
	})
}

func TestDeadlines(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)

	cs.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	_, err := cs.Read(make([]byte, 1))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read past its deadline gives %v", err)
	}
	if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	cs.SetReadDeadline(time.Time{}) // and all is well again
	ss.Write([]byte("x"))
	if n, err := cs.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("after the deadline was lifted: %d, %v", n, err)
	}

	more := make([]byte, 64<<20) // than all windows
	cs.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := cs.Write(more)
	if !errors.Is(err, os.ErrDeadlineExceeded) || n == len(more) {
		t.Errorf("Write past its deadline gives %d, %v", n, err)
	}

	go func() { // a deadline that comes while Read waits
		time.Sleep(20 * time.Millisecond)
		cs.SetDeadline(time.Unix(1, 0))
	}()
	if _, err := cs.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline in the past gives %v", err)
	}
}

func TestEnds(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)

	t.Run("half", func(t *testing.T) {
		cs, ss := streams(t, c, s)
		cs.Write([]byte("question"))
		cs.CloseWrite()
		if _, err := cs.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing after CloseWrite gives %v", err)
		}
		if b, err := io.ReadAll(ss); err != nil || string(b) != "question" {
			t.Errorf("%q, %v", b, err)
		}
		ss.Write([]byte("answer"))
		ss.Close()
		if b, err := io.ReadAll(cs); err != nil || string(b) != "answer" {
			t.Errorf("%q, %v", b, err)
		}
		if err := cs.Close(); err != nil {
			t.Error(err)
		}
		if err := cs.CloseWrite(); err != nil {
			t.Error(err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		cs, ss := streams(t, c, s)
		if err := cs.Reset(wire.StreamCancelled); err != nil {
			t.Fatal(err)
		}
		var e *conn.StreamError
		if _, err := cs.Read(make([]byte, 1)); !errors.As(err, &e) || e.Remote || e.Code != wire.StreamCancelled {
			t.Errorf("reading a stream reset here gives %v", err)
		}
		if _, err := ss.Read(make([]byte, 1)); !errors.As(err, &e) || !e.Remote || e.Code != wire.StreamCancelled {
			t.Errorf("reading a stream reset there gives %v", err)
		}
		if _, err := ss.Write([]byte("x")); !errors.As(err, &e) || !e.Remote {
			t.Errorf("writing a stream reset there gives %v", err)
		}
	})
	t.Run("no more reading", func(t *testing.T) {
		cs, ss := streams(t, c, s)
		cs.Write([]byte("thanks, that is all"))
		cs.Close() // the server's data is not wanted, ours must arrive
		var e *conn.StreamError
		if b, err := io.ReadAll(ss); err != nil || string(b) != "thanks, that is all" {
			t.Errorf("%q, %v", b, err)
		}
		var err error
		for err == nil { // until the reset has come through
			_, err = ss.Write(make([]byte, 10000))
		}
		if !errors.As(err, &e) || e.Code != wire.StreamNoError {
			t.Errorf("writing to nobody gives %v", err)
		}
		if _, err := cs.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading after Close gives %v", err)
		}
	})
	c.e.mu.Lock()
	defer c.e.mu.Unlock()
	if n := len(c.streams); n > 0 {
		t.Errorf("the client still knows %d streams", n)
	}
}

// TestCloseWakes closes a stream that others wait on.
func TestCloseWakes(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, _ := streams(t, c, s)
	read, wrote := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := cs.Read(make([]byte, 1))
		read <- err
	}()
	go func() {
		_, err := cs.Write(make([]byte, 64<<20))
		wrote <- err
	}()
	time.Sleep(20 * time.Millisecond)
	cs.Close()
	for _, ch := range []chan error{read, wrote} {
		if err := <-ch; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a blocked call ends with %v", err)
		}
	}
}

// TestReadAfterClose reads what arrived before the connection ended.
func TestReadAfterClose(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	data := bytes.Repeat([]byte("abc"), 10000)
	ss.Write(data)
	if err := s.Close(); err != nil { // the data was acknowledged before
		t.Fatal(err)
	}
	<-c.Context().Done()
	got := make([]byte, len(data))
	if n, err := io.ReadFull(cs, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes of %d, error %v", n, len(data), err)
	}
	var e *conn.PeerError
	if _, err := cs.Read(got); !errors.As(err, &e) || e.Code != wire.PeerGoingAway {
		t.Errorf("then Read gives %v", err)
	}
}
