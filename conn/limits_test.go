package conn_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/conn/congestion"
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

// A peer that acknowledges all but the first byte of a stream keeps us from letting go of
// what is behind it, but not without bound.
func TestHeldBehindAHole(t *testing.T) {
	const window = 64 << 20
	first := false // the packet that was just built has the first byte of the stream
	p := newPair(t, wire.Q043, func(client, server *conn.Config) {
		client.StreamWindow, client.ConnectionWindow = window, window
		server.Congestion = congestion.BBR // as a client may ask for: losses do not stop it
		server.Trace = func(packet *conn.PacketTrace) {
			first = false
			r := packet.Frames()
			for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
				s, ok := f.(*wire.StreamFrame)
				first = first || ok && s.StreamID == 2 && s.Offset == 0
			}
		}
	})
	p.connect()
	server := p.server.Conn(p.s)
	id, _ := server.OpenStream()
	written, data := 0, make([]byte, 1<<20)
	var flight [][]byte
	for range 8000 {
		n, err := server.Write(id, data, false)
		if written += n; err != nil {
			t.Fatal(err)
		}
		for b, _, ok := p.server.AppendTransmit(p.now, nil, 1); ok; b, _, ok = p.server.AppendTransmit(p.now, nil, 1) {
			if !first {
				flight = append(flight, b)
			}
		}
		p.now = p.now.Add(5 * time.Millisecond)
		for _, b := range flight {
			p.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: b})
		}
		flight = flight[:0]
		for p.carry(p.client, p.server, clientAddr) {
		}
	}
	if server.Err() != nil {
		t.Fatal(server.Err())
	}
	if limit := conn.DefaultSendBuffer + conn.MaxUnacknowledged; written < 2<<20 || written > limit {
		t.Errorf("%d bytes written, want at most %d", written, limit)
	}
}
