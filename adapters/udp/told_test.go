package udp

import (
	"errors"
	"io"
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A request and its end are told, as over a headers stream; the answer comes on the
// stream itself, in one piece with what is written on another.
func TestToldStream(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	var cs, ss [2]*Stream
	for i := range cs {
		var err error
		if cs[i], err = c.OpenStream(patient(t)); err != nil {
			t.Fatal(err)
		}
		if err := cs[i].EndWrite(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []bool{true, false} {
			var first bool
			if ss[i], first, err = s.PeerStream(cs[i].ID()); err != nil || first != want {
				t.Fatal(first, err)
			}
		}
		if err := ss[i].EndRead(0); err != nil {
			t.Fatal(err)
		}
		if n, err := ss[i].Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("read %d, %v behind the end", n, err)
		}
		ss[i].Farewell(wire.StreamNoError)
	}
	pieces := []Piece{{Stream: ss[0], Data: []byte("one"), Fin: true}, {Stream: ss[1], Data: []byte("two")}}
	s.TryWrite(pieces)
	for i, p := range pieces {
		if p.N != 3 || p.Err != nil {
			t.Errorf("piece %d: %d, %v", i, p.N, p.Err)
		}
	}
	if err := ss[1].CloseWrite(); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"one", "two"} {
		if got, err := io.ReadAll(cs[i]); string(got) != want || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	}
	s.TryWrite(pieces[:1])
	if pieces[0].Err == nil {
		t.Error("a piece was taken behind the end")
	}
}

func TestPeerStreamRefuses(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	_, s := connected(t, server, client)
	var local *conn.LocalError
	if _, _, err := s.PeerStream(2); !errors.As(err, &local) || local.Code != wire.InvalidStreamID {
		t.Errorf("a stream of the server's own: %v", err)
	}
}

func TestAfterReset(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	codes := make(chan wire.StreamErrorCode, 2)
	ss.AfterReset(func(code wire.StreamErrorCode) { codes <- code })
	cs.Reset(wire.StreamCancelled)
	if code := <-codes; code != wire.StreamCancelled {
		t.Errorf("told of %v", code)
	}
	ss.AfterReset(func(code wire.StreamErrorCode) { codes <- code })
	if code := <-codes; code != wire.StreamCancelled {
		t.Errorf("told of %v later", code)
	}
}

// What is thrown away does not hold the peer up, and the peer hears nothing of it.
func TestDiscardRead(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	if n, more := ss.Consumed(); n != 1 || more {
		t.Errorf("%d bytes consumed, more: %v", n, more)
	}
	ss.DiscardRead()
	if _, err := ss.Read(make([]byte, 1)); err == nil {
		t.Error("a Read after DiscardRead")
	}
	if n, err := cs.Write(make([]byte, 20<<20)); err != nil { // more than any window
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if err := cs.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitDelivered(patient(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := ss.Write([]byte("x")); err != nil {
		t.Errorf("the other direction: %v", err)
	}
	if n, err := cs.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the other direction: %d, %v", n, err)
	}
}

// After GOAWAY the peer opens no more streams; those that are open go on.
func TestGoAway(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	if err := s.GoAway(wire.PeerGoingAway, "planned"); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitDelivered(patient(t)); err != nil {
		t.Fatal(err)
	}
	ss.Write([]byte("x"))
	if n, err := cs.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := c.OpenStream(patient(t)); !errors.Is(err, conn.ErrGoingAway) {
		t.Errorf("OpenStream: %v", err)
	}
}

// The end of a stream that was let go of is noted all the same; one that contradicts what
// arrived closes the connection.
func TestEndReadOfForgotten(t *testing.T) {
	noLeaks(t)
	server, client := serverConfig(t)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	ss.DiscardRead()
	ss.CloseWrite()
	if _, err := io.ReadAll(cs); err != nil {
		t.Fatal(err)
	}
	if err := s.EndRead(ss.ID(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.EndRead(777, 1); err != nil {
		t.Errorf("a stream that never was: %v", err)
	}
	_, s2 := streams(t, c, s)
	var local *conn.LocalError
	if err := s.EndRead(s2.ID(), 0); !errors.As(err, &local) || local.Code != wire.StreamDataAfterTermination {
		t.Errorf("an end before what arrived: %v", err)
	}
}
