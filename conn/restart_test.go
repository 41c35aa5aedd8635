package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// What a client sent beside its 0-RTT data in a version that the server does not speak is
// said again in the one that it does.
func TestRestartSaysAgainWhatWasOwed(t *testing.T) {
	p := newPair(t, wire.Q043, func(client, _ *conn.Config) { client.Versions = []wire.Version{wire.Q044, wire.Q043} })
	goAway := false
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		goAway = goAway || e == p.server && ev.Kind == conn.GoAwayReceived
	}
	var resumption *handshake.Resumption
	for range 2 {
		h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example", Resumption: resumption})
		if err != nil {
			t.Fatal(err)
		}
		c := p.client.Conn(h)
		if resumption != nil {
			if err := c.GoAway(wire.PeerGoingAway, "soon"); err != nil {
				t.Fatal(err)
			}
		}
		p.run(time.Second)
		if c.State() != conn.Established || c.Version() != wire.Q043 {
			t.Fatal(c.State(), c.Version(), c.Err())
		}
		resumption = c.Resumption()
		c.Close(wire.PeerGoingAway, "")
		p.run(time.Second)
	}
	if !goAway {
		t.Error("the GOAWAY was lost with the version")
	}
}
