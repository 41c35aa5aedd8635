package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
)

// A transfer finds out what its path carries, whatever that is, and goes on when the
// path carries less later.
func TestMTUDiscovery(t *testing.T) {
	probe := func(c *conn.Config) { c.MTULimit = conn.MaxDatagramSize }
	for _, c := range []struct{ pass, low, high int }{
		{0, 1452, 1452}, {1452, 1452, 1452}, {1400, 1390, 1400}, {1350, 1350, 1350},
	} {
		r := sim.Transfer{Seed: 1, Upload: 4 << 20, Link: sim.LinkConfig{Delay: 10 * time.Millisecond, Rate: 20e6, MTU: c.pass}, Client: probe, Server: probe}.Run()
		if !r.OK {
			t.Fatalf("MTU %d: %v", c.pass, r.Err)
		}
		if got := r.ClientStats.DatagramSize; got < c.low || got > c.high {
			t.Errorf("on a path of %d bytes the client ends with datagrams of %d, want %d to %d", c.pass, got, c.low, c.high)
		}
	}
}

func TestMTUBlackHole(t *testing.T) {
	transfer := sim.Transfer{Seed: 1, Upload: 4 << 20, Link: sim.LinkConfig{Delay: 10 * time.Millisecond, Rate: 20e6},
		Client: func(c *conn.Config) { c.MTULimit = conn.MaxDatagramSize }}
	var grown, shrunk bool
	transfer.Each = func(w *sim.World) bool {
		if !shrunk && w.Now().Sub(0) > 500*time.Millisecond {
			shrunk = true
			for c := range w.Nodes()[0].Endpoint().Connections() {
				grown = c.Stats().DatagramSize == conn.MaxDatagramSize
			}
			for _, l := range w.Links() {
				cfg := l.Config()
				cfg.MTU = 1350
				l.Set(cfg)
			}
		}
		return true
	}
	r := transfer.Run()
	if !r.OK || !shrunk || !grown {
		t.Fatalf("grown %v, shrunk %v: %v", grown, shrunk, r.Err)
	}
	if r.ClientStats.DatagramSize != 1350 {
		t.Errorf("the client goes on with datagrams of %d bytes, which vanish", r.ClientStats.DatagramSize)
	}
}
