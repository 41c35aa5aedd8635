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
