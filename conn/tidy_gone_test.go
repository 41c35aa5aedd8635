package conn_test

import (
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// When the last connection is gone there is nothing to tidy any more: a caller that wakes
// for it would never sleep again.
func TestNothingToTidyWithoutConnections(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	for range 3 {
		p.connect()
		p.client.Conn(p.c).Close(wire.PeerGoingAway, "")
		p.run(conn.Linger + time.Second)
		for name, e := range map[string]*conn.Endpoint{"client": p.client, "server": p.server} {
			if n := e.Stats().Connections; n != 0 {
				t.Fatalf("the %s still has %d connections", name, n)
			}
			if e.NextTidy() != gquic.Never || e.NextTimeout() != gquic.Never {
				t.Errorf("the %s wants to be called at %v (tidy) and %v, and it is %v", name, e.NextTidy(), e.NextTimeout(), p.now)
			}
		}
	}
}

// A caller that wakes for every deadline and for tidying is never told to wake in the past
// twice: each call moves it on.
func TestTidyingMovesOn(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	for range 1000 {
		next := min(p.server.NextTimeout(), p.server.NextTidy())
		if next == gquic.Never {
			return
		}
		p.now = max(p.now, next)
		for _, _, more := p.server.AppendTransmit(p.now, p.buf[:0], 16); more; _, _, more = p.server.AppendTransmit(p.now, p.buf[:0], 16) {
		}
		for range p.server.Events() {
		}
		if after := min(p.server.NextTimeout(), p.server.NextTidy()); after <= p.now {
			t.Fatalf("at %v the server still wants to be called at %v", p.now, after)
		}
	}
	t.Fatal("a thousand calls did not bring an idle server to rest")
}
