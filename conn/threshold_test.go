package conn_test

import (
	"net/netip"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A CHLO was answered without state, and its repetition comes when there is room for state
// again. The answers must not differ: the client may get either.
func TestRepeatedHelloAcrossTheThreshold(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		p := newPair(t, version, func(_, server *conn.Config) { server.MaxHalfOpen = 1 })
		dial := func(e *conn.Endpoint) conn.Handle {
			h, err := e.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		first := dial(p.client)
		p.carry(p.client, p.server, clientAddr) // the one half-open connection
		rej, _, _ := p.server.AppendTransmit(p.now, nil, 1)

		late := newPair(t, version, func(client, _ *conn.Config) { client.Seed = [32]byte{9} })
		lateAddr := netip.MustParseAddrPort("192.0.2.7:50000")
		second := dial(late.client)
		for late.carry(late.client, p.server, lateAddr) {
		}
		stateless, _, ok := p.server.AppendTransmit(p.now, nil, 1)
		if stats := p.server.Stats(); !ok || stats.Verdicts[conn.Rejected] != 1 {
			t.Fatal(stats.Verdicts)
		}

		// The first connection's handshake goes on, and there is room again.
		p.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: rej})
		for p.carry(p.client, p.server, clientAddr) || p.carry(p.server, p.client, serverAddr) {
		}
		if c := p.client.Conn(first); c.State() != conn.Established || p.server.Stats().HalfOpen != 0 {
			t.Fatal(c.State(), p.server.Stats())
		}

		p.now = late.client.NextTimeout() // the second one repeats its CHLO
		late.now = p.now
		if !late.carry(late.client, p.server, lateAddr) {
			t.Fatal("the CHLO was not repeated")
		}
		late.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: stateless})
		for range 100 {
			for late.carry(late.client, p.server, lateAddr) || late.carry(p.server, late.client, serverAddr) {
			}
			late.now = late.now.Add(10 * time.Millisecond)
		}
		if c := late.client.Conn(second); c.State() != conn.Established {
			t.Errorf("%v: the second client is %v: %v", version, c.State(), c.Err())
		}
	}
}
