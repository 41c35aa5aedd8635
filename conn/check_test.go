package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/wire"
)

// TestInvariantsInSimulation checks all invariants after every event of transfers over
// bad networks.
func TestInvariantsInSimulation(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		for seed := range uint64(12) {
			link := sim.LinkConfig{Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Rate: 5e6,
				Loss: sim.PPM(seed) * sim.Percent, Duplicate: sim.Percent, Corrupt: sim.Percent, Reorder: 2 * sim.Percent}
			var failed error
			r := sim.Transfer{Seed: seed, Version: version, Streams: 1 + int(seed), Upload: 20 << 10, Download: 200 << 10, Link: link,
				ZeroRTT: seed%2 == 1, Limit: 10 * time.Minute,
				Each: func(w *sim.World) bool {
					for _, n := range w.Nodes() {
						if failed = n.Endpoint().Check(); failed != nil {
							return false
						}
					}
					return true
				}}.Run()
			if failed != nil {
				t.Fatalf("%v, seed %d: %v", version, seed, failed)
			}
			if r.Err != nil {
				t.Errorf("%v, seed %d: %v", version, seed, r.Err)
			}
		}
	}
}
