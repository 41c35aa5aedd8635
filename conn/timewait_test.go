package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A server whose connection ended silently tells a client that does not know: the first,
// second and fourth packet is answered with a reset, which the client obeys.
func TestLatePacketsOfASilentCloseAreReset(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		p := newPair(t, version, func(c, s *conn.Config) { c.SilentClose, s.SilentClose = true, true })
		p.connect()
		sleeping := p.client.Clone() // its clock stands still from here on
		p.now = p.now.Add(time.Minute)
		p.server.AppendTransmit(p.now, nil, 1)
		for range p.server.Events() {
		}
		if c := p.server.Conn(p.s); c != nil {
			t.Fatalf("%v: the server's connection is still %v", version, c.State())
		}
		var verdicts []conn.Verdict
		for range 4 {
			sleeping.Conn(p.c).Ping()
			ping, _, _ := sleeping.AppendTransmit(0, nil, 1)
			_, v := p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: ping})
			verdicts = append(verdicts, v)
		}
		want := []conn.Verdict{conn.ResetSent, conn.ResetSent, conn.DroppedTimeWait, conn.ResetSent}
		for i := range want {
			if verdicts[i] != want[i] {
				t.Errorf("%v: packet %d was %v, want %v", version, i+1, verdicts[i], want[i])
			}
		}
		reset, _, ok := p.server.AppendTransmit(p.now, nil, 1)
		if !ok {
			t.Fatalf("%v: nothing was sent", version)
		}
		if _, v := sleeping.Receive(0, conn.Datagram{From: serverAddr, Payload: reset}); v != conn.ResetReceived {
			t.Errorf("%v: the client took the reset for: %v", version, v)
		}
		if err := sleeping.Conn(p.c).Err(); err != conn.ErrReset {
			t.Errorf("%v: the client's connection ended with %v", version, err)
		}
	}
}

// What arrives for a connection that the client itself has closed needs no answer.
func TestLatePacketsOfAPeersCloseAreDropped(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	p.client.Conn(p.c).Ping()
	late, _, _ := p.client.AppendTransmit(p.now, nil, 1)
	p.client.Conn(p.c).Close(wire.PeerGoingAway, "")
	p.run(time.Millisecond)
	if _, v := p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: late}); v != conn.DroppedTimeWait {
		t.Errorf("a late packet was %v", v)
	}
}
