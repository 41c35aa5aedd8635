package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// TestKeepAliveFollowsTheStreams: a stream that is opened arms the keep-alive timer,
// which is due at once after a long silence; one that is over disarms it.
func TestKeepAliveFollowsTheStreams(t *testing.T) {
	p := newPair(t, wire.Q043, func(client, _ *conn.Config) { client.KeepAlive = 5 * time.Second })
	p.connect()
	p.run(15 * time.Second)
	id, err := p.client.Conn(p.c).OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if !p.carry(p.client, p.server, clientAddr) {
		t.Error("no PING after 15 s of silence")
	}
	p.run(time.Second)
	at, why := p.client.NextTimeout(), conn.NoReason
	if _, why = p.client.TimeoutReason(); why != conn.ReasonKeepAlive || at > p.now.Add(5*time.Second) {
		t.Errorf("the timer is set to %v for %v, at %v", at, why, p.now)
	}
	p.client.Conn(p.c).Reset(id, wire.StreamCancelled)
	p.run(time.Second)
	if _, why = p.client.TimeoutReason(); why != conn.ReasonIdle {
		t.Errorf("the timer is for %v", why)
	}
	if err := p.client.Check(); err != nil {
		t.Error(err)
	}
}
