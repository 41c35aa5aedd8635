package conn_test

import (
	"testing"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// TestEarlyPacketsAreBounded: packets that come before their CHLO are kept for so many
// connections, so many for each, for so long, and no more.
func TestEarlyPacketsAreBounded(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	now := gquic.Instant(0)
	send := func(id, number byte) conn.Verdict {
		h := wire.Header{HasConnectionID: true, ConnectionID: wire.ConnectionID{id, 1}, Version: wire.Q043, PacketNumber: wire.PacketNumber(number), PacketNumberLen: 1}
		_, v := p.server.Receive(now, conn.Datagram{From: clientAddr, Payload: append(h.Append(nil, wire.Client), make([]byte, 100)...)})
		if err := p.server.Check(); err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := func(got, want conn.Verdict, what string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	for id := range byte(conn.MaxEarlyConnections) {
		want(send(id, 1), conn.Kept, "a connection's first packet")
	}
	want(send(conn.MaxEarlyConnections, 1), conn.DroppedLimit, "one connection too many")
	for n := byte(2); n <= conn.MaxKeptPackets; n++ {
		want(send(0, n), conn.Kept, "a connection's next packet")
	}
	want(send(0, conn.MaxKeptPackets+1), conn.DroppedLimit, "one packet too many")
	now = now.Add(conn.EarlyExpiry)
	want(send(conn.MaxEarlyConnections, 1), conn.Kept, "after the first are forgotten")
}
