package udp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// lent has one goroutine wait for answers on a stream until the client's socket is lent
// to it, and returns both ends of the stream.
func lent(t *testing.T, c, s *Conn) (*Stream, *Stream) {
	t.Helper()
	threads(t, 4)
	cs, ss := streams(t, c, s)
	go io.CopyBuffer(struct{ io.Writer }{ss}, struct{ io.Reader }{ss}, make([]byte, 100))
	buf := make([]byte, 100)
	waitFor(t, func() bool {
		for range lendAfter {
			if _, err := cs.Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(cs, buf); err != nil {
				t.Fatal(err)
			}
		}
		return c.e.isLent()
	})
	return cs, ss
}

// threads sets how many there are for Go code, until the test ends.
func threads(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func (e *endpoint) isLent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.serving.lent
}

// inRead starts a Read, and waits until it serves the socket.
func inRead(t *testing.T, s *Stream) (result chan error) {
	t.Helper()
	result = make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 100))
		result <- err
	}()
	e := s.c.e
	waitFor(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.serving.by == &s.readable || s.readable.waiting > 0
	})
	return result
}

// With one thread for Go code nothing is lent, for nothing else would run; with two, one
// socket at a time is.
func TestOneThreadStaysFree(t *testing.T) {
	noLeaks(t)
	for _, n := range []int{1, 2} {
		threads(t, n)
		server, client := serverConfig(t, wire.Q043)
		c, s := connected(t, server, client)
		cs, ss := streams(t, c, s)
		go io.CopyBuffer(struct{ io.Writer }{ss}, struct{ io.Reader }{ss}, make([]byte, 100))
		buf := make([]byte, 100)
		for range 20 * lendAfter {
			if _, err := cs.Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(cs, buf); err != nil {
				t.Fatal(err)
			}
			if got := int(lentSockets.Load()); got > n { // n while one that was refused is still counted
				t.Fatalf("%d sockets lent with %d threads", got, n)
			}
			if n == 1 && (c.e.isLent() || s.e.isLent()) {
				t.Fatal("the only thread was lent")
			}
			if c.e.isLent() && s.e.isLent() {
				t.Fatal("both threads were lent")
			}
		}
		c.CloseWithError(wire.PeerGoingAway, "")
	}
}

// An application that does something else than wait is not needed.
func TestLentSocketIsTakenBack(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t, wire.Q043)
	c, s := connected(t, server, client)
	cs, ss := lent(t, c, s)
	waitFor(t, func() bool { return !c.e.isLent() })

	// What the server says is acknowledged though nobody at the client waits.
	if _, err := ss.Write(make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitDelivered(patient(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(cs, make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
}

// One who serves in vain gives the socket back, and still gets what it waits for.
func TestLentSocketWhileNothingComes(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t, wire.Q043)
	c, s := connected(t, server, client)
	cs, ss := lent(t, c, s)
	result := inRead(t, cs)
	waitFor(t, func() bool { return !c.e.isLent() }) // it has got silent
	if _, err := ss.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// Whatever ends a Read ends one that serves the socket.
func TestInterruptedWhileServing(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(cs *Stream, ss *Stream)
		want error
	}{
		{"deadline in the past", func(cs, _ *Stream) { cs.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"deadline", func(cs, _ *Stream) { cs.SetReadDeadline(time.Now().Add(3 * tick)) }, os.ErrDeadlineExceeded},
		{"no more reading", func(cs, _ *Stream) { cs.CancelRead() }, net.ErrClosed},
		{"reset", func(cs, _ *Stream) { cs.Reset(wire.StreamCancelled) }, nil},
		{"the peer's reset", func(_, ss *Stream) { ss.Reset(wire.StreamCancelled) }, nil},
		{"closed", func(cs, _ *Stream) { cs.c.CloseWithError(wire.PeerGoingAway, "") }, net.ErrClosed},
		{"closed by the peer", func(_, ss *Stream) { ss.c.CloseWithError(wire.PeerGoingAway, "") }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			server, client := serverConfig(t, wire.Q043)
			c, s := connected(t, server, client)
			cs, ss := lent(t, c, s)
			result := inRead(t, cs)
			test.do(cs, ss)
			select {
			case err := <-result:
				if err == nil || test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
			case <-time.After(patience):
				t.Error("it still waits")
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		noLeaks(t)
		server, client := serverConfig(t, wire.Q043)
		c, s := connected(t, server, client)
		lent(t, c, s)
		ctx, cancel := context.WithCancel(patient(t))
		time.AfterFunc(3*tick, cancel)
		if _, err := c.AcceptStream(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
}

// What interrupts one who serves may arm a deadline right afterwards. No timer is left
// here that would help, until long after the test has failed.
func TestInterruptIsNotLost(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t, wire.Q043)
	server.Conn.IdleTimeout = 10 * patience
	client.Conn.IdleTimeout = 10 * patience
	c, s := connected(t, server, client)
	cs, _ := lent(t, c, s)
	result := inRead(t, cs)
	waitFor(t, func() bool {
		c.e.mu.Lock()
		defer c.e.mu.Unlock()
		return c.e.wakeUp() > c.e.now()+gquic.Instant(patience)
	})
	cs.CancelRead()
	select {
	case <-result:
	case <-time.After(patience):
		t.Error("it still waits")
	}
}

// A second goroutine that is woken now and then ends the lending, and neither waits in vain.
func TestLentSocketWithTwoWaiters(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t, wire.Q043)
	c, s := connected(t, server, client)
	cs, _ := lent(t, c, s)
	other, otherAtServer := streams(t, c, s)
	const times = 200
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 1)
		for range times {
			if _, err := io.ReadFull(other, buf); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	buf := make([]byte, 100)
	for range times {
		if _, err := otherAtServer.Write(buf[:1]); err != nil {
			t.Fatal(err)
		}
		if _, err := cs.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(cs, buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
