package conn_test

import (
	"errors"
	"math"
	"testing"

	"example.com/gquic/conn"
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
