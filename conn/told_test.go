package conn_test

import (
	"errors"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// told is a pair whose client has told its server, as over a headers stream, of stream 3:
// nothing of it was sent.
func told(t *testing.T) (p *pair, client, server *conn.Conn, events map[string]int) {
	p = newPair(t, wire.Q043, nil)
	p.connect()
	events = make(map[string]int)
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		side := "client "
		if e == p.server {
			side = "server "
		}
		events[side+ev.String()]++
	}
	client, server = p.client.Conn(p.c), p.server.Conn(p.s)
	id, err := client.OpenStream()
	if err != nil || id != 3 {
		t.Fatal(id, err)
	}
	return p, client, server, events
}

const moment = 200 * time.Millisecond

// A request whose end is told has no frame of its own stream. The answer's FIN ends the
// stream on both sides, and nothing of it stays.
func TestToldRequest(t *testing.T) {
	for _, farewell := range []bool{false, true} {
		p, client, server, events := told(t)
		if err := client.EndWrite(3); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write(3, []byte("x"), false); !errors.Is(err, conn.ErrStreamClosed) {
			t.Errorf("a Write after the told end: %v", err)
		}
		p.run(moment)
		if events["server opened 3"] != 0 {
			t.Error("something of the stream was sent")
		}
		if err := server.Expect(3); err != nil {
			t.Fatal(err)
		}
		if err := server.EndRead(3, 0); err != nil {
			t.Fatal(err)
		}
		if n, fin, err := server.Read(3, make([]byte, 1)); n != 0 || !fin || err != nil {
			t.Fatalf("read %d, %v, %v", n, fin, err)
		}
		if farewell {
			if err := server.Farewell(3, wire.StreamNoError); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := server.Write(3, []byte("answer"), true); err != nil {
			t.Fatal(err)
		}
		p.run(moment)
		if events["server opened 3"] != 1 || events["server delivered 3"] != 1 {
			t.Errorf("events %v", events)
		}
		b := make([]byte, 10)
		if n, fin, err := client.Read(3, b); string(b[:n]) != "answer" || !fin || err != nil {
			t.Errorf("read %q, %v, %v", b[:n], fin, err)
		}
		want := 0
		if farewell {
			want = 1
		}
		if n := events["client reset 3 by the peer, 0 STREAM_NO_ERROR"]; n != want {
			t.Errorf("%d farewells, want %d: %v", n, want, events)
		}
		p.run(moment)
		if c, s := client.Stats().Streams, server.Stats().Streams; c != 0 || s != 0 {
			t.Errorf("%d streams stay at the client, %d at the server", c, s)
		}
	}
}

// A body whose end is told elsewhere ends there, before or after its bytes arrived.
func TestToldEnd(t *testing.T) {
	for _, early := range []bool{false, true} {
		p, client, server, events := told(t)
		end := func() {
			if err := server.EndRead(3, 4); err != nil {
				t.Fatal(err)
			}
		}
		if early {
			if err := server.Expect(3); err != nil {
				t.Fatal(err)
			}
			end()
		}
		client.Write(3, []byte("body"), false)
		client.EndWrite(3)
		p.run(moment)
		b := make([]byte, 10)
		if !early {
			if n, fin, _ := server.Read(3, b); n != 4 || fin {
				t.Fatalf("read %d, %v before the end was told", n, fin)
			}
			end()
			p.run(moment)
			if events["server readable 3"] != 2 {
				t.Errorf("nobody was told of the end: %v", events)
			}
		}
		if n, fin, err := server.Read(3, b); !fin || err != nil || early && n != 4 {
			t.Errorf("read %d, %v, %v", n, fin, err)
		}
	}
}

// What contradicts the stream closes the connection with the code for it.
func TestToldLies(t *testing.T) {
	for _, test := range []struct {
		what   string
		offset uint64
		code   wire.ErrorCode
	}{
		{"below what arrived", 3, wire.StreamDataAfterTermination},
		{"beyond the window", 1 << 30, wire.FlowControlReceivedTooMuchData},
		{"beyond all streams", 1 << 63, wire.StreamLengthOverflow},
	} {
		p, client, server, _ := told(t)
		client.Write(3, []byte("body"), false)
		p.run(moment)
		var local *conn.LocalError
		if err := server.EndRead(3, test.offset); !errors.As(err, &local) || local.Code != test.code {
			t.Errorf("%s: %v, want code %v", test.what, err, test.code)
		}
		p.run(moment)
		var peer *conn.PeerError
		if !errors.As(client.Err(), &peer) || peer.Code != test.code {
			t.Errorf("%s: the client heard %v, want code %v", test.what, client.Err(), test.code)
		}
	}
}

func TestExpectWrongStreams(t *testing.T) {
	_, client, server, _ := told(t)
	var local *conn.LocalError
	for _, id := range []wire.StreamID{0, 1, 2} {
		if err := server.Expect(id); !errors.As(err, &local) || local.Code != wire.InvalidStreamID {
			t.Errorf("stream %d: %v", id, err)
		}
	}
	if err := client.Expect(5); !errors.As(err, &local) {
		t.Errorf("the client's own stream: %v", err)
	}
	if err := server.EndRead(77, 5); err != nil {
		t.Errorf("the end of a stream that is over: %v", err)
	}
	if (*conn.Conn)(nil).Expect(3) != conn.ErrStaleHandle {
		t.Error("a stale handle")
	}
}

func TestHeaderListSizeParameter(t *testing.T) {
	for _, say := range []bool{false, true} {
		p := newPair(t, wire.Q044, func(c, s *conn.Config) { c.HeaderListSize, s.HeaderListSize = say, say })
		p.connect()
		for _, c := range []*conn.Conn{p.client.Conn(p.c), p.server.Conn(p.s)} {
			if params, ok := c.PeerParams(); !ok || params.HeaderListSize != say {
				t.Errorf("%v hears %v, want %v", c.Perspective(), params.HeaderListSize, say)
			}
		}
	}
}
