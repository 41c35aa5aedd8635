package conn_test

import (
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A public reset without a connection ID ends a handshake, as quic-go sends it, but not a
// connection that both sides have keys for: anybody who knows the addresses can write one.
func TestPublicResetWithoutID(t *testing.T) {
	reset := wire.PublicReset{NoConnectionID: true}
	datagram := conn.Datagram{From: serverAddr, Payload: reset.Append(nil)}
	p := newPair(t, wire.Q044, nil)
	h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, v := p.client.Receive(p.now, datagram); v != conn.ResetReceived || p.client.Conn(h).Err() != conn.ErrReset {
		t.Errorf("in the handshake: %v, %v", v, p.client.Conn(h).Err())
	}
	p = newPair(t, wire.Q044, nil)
	p.connect()
	if _, v := p.client.Receive(p.now, datagram); v != conn.DroppedReset || p.client.Conn(p.c).Err() != nil {
		t.Errorf("after the handshake: %v, %v", v, p.client.Conn(p.c).Err())
	}
}
