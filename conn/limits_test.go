package conn_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// The farthest stream IDs are skipped streams like others, also where an int has 32 bits.
func TestFarthestStream(t *testing.T) {
	for _, id := range []wire.StreamID{1<<31 - 1, 1<<31 + 1, math.MaxUint32} {
		p := newPair(t, wire.Q043, nil)
		p.connect()
		server := p.server.Conn(p.s)
		b := p.client.Conn(p.c).Inject(p.now, handshake.LevelForwardSecure, 0, func(*wire.Context) []byte {
			return append(wire.AppendStreamHeader(nil, id, 0, 1, false, true), 'x')
		})
		p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: b})
		var local *conn.LocalError
		if err := server.Err(); !errors.As(err, &local) || local.Code != wire.TooManyAvailableStreams {
			t.Errorf("stream %d: %v, want TOO_MANY_AVAILABLE_STREAMS", id, err)
		}
	}
}

// A peer that sends and sends, and acknowledges nothing, must not make us remember what
// we answered without bound, nor keep the connection for ever.
func TestPeerThatNeverAcknowledges(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	server, client := p.server.Conn(p.s), p.client.Conn(p.c)
	ping := func(ctx *wire.Context) []byte {
		f := wire.PingFrame{}
		return f.Append(nil, ctx)
	}
	for n := wire.PacketNumber(1000); server.Err() == nil && n < 4000+3*recovery.MaxTracked; n++ {
		b := client.Inject(p.now, handshake.LevelForwardSecure, n, ping)
		if _, v := p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: b}); v != conn.Delivered {
			t.Fatalf("packet %d: %v", n, v)
		}
		p.lose(p.server)
		p.now = p.now.Add(time.Millisecond)
	}
	var local *conn.LocalError
	if err := server.Err(); !errors.As(err, &local) || local.Code != wire.TooManyOutstandingSentPackets {
		t.Errorf("the server ended with %v, want TOO_MANY_OUTSTANDING_SENT_PACKETS", err)
	}
}
