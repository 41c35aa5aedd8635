//go:build linux

package sim_test

import (
	"syscall"
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
)

// cpu is the time that this process used up, which other processes do not change.
func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTransfer moves 64 MiB over a fast link: how many datagrams are delivered in a
// second of one core, with endpoints, links, contents checked, and the digest.
func BenchmarkTransfer(b *testing.B) {
	b.Run("AEAD", func(b *testing.B) { transfer(b, false) })
	b.Run("null", func(b *testing.B) { transfer(b, true) })
}

func transfer(b *testing.B, null bool) {
	var packets uint64
	began := cpu()
	for b.Loop() {
		r := sim.Transfer{Download: 64 << 20, NullCipher: null,
			Link: sim.LinkConfig{Delay: 5 * time.Millisecond, Rate: 1_000_000_000, Queue: 1 << 20}}.Run()
		if !r.OK {
			b.Fatal(r.Err)
		}
		packets += r.Network.Delivered
	}
	b.ReportMetric(float64(packets)/(cpu()-began).Seconds(), "packets/core-s")
}
