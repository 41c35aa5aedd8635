package conn_test

import (
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A forward-secure packet that is there before the CHLO that its keys come from: no
// network brings that about, but whoever replays a recording can. Trying it again ends the
// handshake in the middle of reading the CHLO.
func TestKeptPacketEndsTheHandshake(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	if h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"}); err != nil {
		t.Fatal(err)
	} else {
		p.c = h
	}
	p.carry(p.client, p.server, clientAddr)
	p.carry(p.server, p.client, serverAddr)
	again := p.server.Clone()

	hello, _, _ := p.client.AppendTransmit(p.now, nil, 1) // full CHLO
	p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: hello})
	p.carry(p.server, p.client, serverAddr)
	later := p.client.Conn(p.c).Inject(p.now, handshake.LevelForwardSecure, 9, func(ctx *wire.Context) []byte {
		f := wire.PingFrame{}
		return f.Append(nil, ctx)
	})

	var verdicts []conn.Verdict
	for _, b := range [][]byte{later, hello} {
		_, v := again.Receive(p.now, conn.Datagram{From: clientAddr, Payload: b})
		verdicts = append(verdicts, v)
	}
	if verdicts[0] != conn.Kept || verdicts[1] != conn.Delivered {
		t.Error(verdicts)
	}
	for c := range again.Connections() {
		if !c.HandshakeConfirmed() || c.Err() != nil {
			t.Errorf("confirmed: %v, %v", c.HandshakeConfirmed(), c.Err())
		}
	}
	stats := again.Stats()
	var n uint64
	for _, k := range stats.Verdicts {
		n += k
	}
	if n != 3 {
		t.Errorf("%d verdicts on 3 datagrams", n)
	}
}
