package conn_test

import (
	"testing"

	"example.com/gquic/wire"
)

// Delivered tells the truth also of a connection that is over.
func TestDeliveredAfterClose(t *testing.T) {
	for _, arrived := range []bool{false, true} {
		p := newPair(t, wire.Q043, nil)
		p.connect()
		client := p.client.Conn(p.c)
		id, _ := client.OpenStream()
		client.Write(id, []byte("x"), true)
		if arrived {
			p.run(moment)
		}
		if got := client.Delivered(); got != arrived {
			t.Errorf("open: delivered is %v, want %v", got, arrived)
		}
		client.Close(wire.PeerGoingAway, "")
		if got := client.Delivered(); got != arrived {
			t.Errorf("closed: delivered is %v, want %v", got, arrived)
		}
	}
}
