package sim_test

import (
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
)

// BenchmarkTransfer moves 64 MiB over a fast link: how many datagrams are delivered in a
// second of real time, everything included.
func BenchmarkTransfer(b *testing.B) {
	for b.Loop() {
		r := sim.Transfer{Download: 64 << 20, Link: sim.LinkConfig{Delay: 5 * time.Millisecond, Rate: 1_000_000_000, Queue: 1 << 20}}.Run()
		if !r.OK {
			b.Fatal(r.Err)
		}
		b.ReportMetric(float64(r.Network.Delivered), "packets")
		b.ReportMetric(float64(r.Network.Delivered)*float64(b.N)/b.Elapsed().Seconds(), "packets/s")
	}
}
