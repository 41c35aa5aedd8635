package mtu_test

import (
	"fmt"
	"testing"

	"example.com/gquic/conn/mtu"
	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

// search runs a discovery on a path that carries up to pass bytes, and returns it and
// how many probes it took.
func search(d *mtu.Discovery, pass int) (probes int) {
	for n := wire.PacketNumber(1); n < 100_000; n++ {
		size := d.Target(n)
		if size == 0 {
			continue
		}
		probes++
		d.Sent(n, size)
		if size <= pass {
			d.Acked(size)
		} else {
			d.Lost()
		}
	}
	return probes
}

func ExampleDiscovery() {
	d := mtu.New(1350, 1452)
	search(&d, 1400)
	fmt.Println(d.Size() > 1390 && d.Size() <= 1400)
	// Output: true
}

func TestNothingIsProbedBeforePacket100OrWithoutRoom(t *testing.T) {
	d := mtu.New(1350, 1452)
	for n := wire.PacketNumber(1); n < 100; n++ {
		if size := d.Target(n); size != 0 {
			t.Fatalf("a probe of %d bytes as packet %d", size, n)
		}
	}
	if d.Target(100) != 1452 {
		t.Fatalf("the first probe has %d bytes, want the limit", d.Target(100))
	}
	d = mtu.New(1350, 1350)
	if n := search(&d, 9000); n != 0 {
		t.Fatalf("%d probes although the limit is the base", n)
	}
}

func TestALostProbeIsTriedAgain(t *testing.T) {
	d := mtu.New(1350, 1452)
	d.Sent(100, 1452)
	d.Lost()
	if d.Target(199) != 0 || d.Target(200) != 1452 {
		t.Fatalf("after one loss packet 199 probes %d and 200 %d bytes, want 0 and 1452", d.Target(199), d.Target(200))
	}
	d.Sent(200, 1452)
	if !d.Acked(1452) || d.Size() != 1452 {
		t.Fatalf("size %d after the second probe arrived", d.Size())
	}
}

func TestBlackHoleFallsBackForGood(t *testing.T) {
	d := mtu.New(1350, 1452)
	search(&d, 9000)
	if d.Timeout() || d.Size() != 1452 {
		t.Fatal("one timeout was taken for a black hole")
	}
	d.Acked(1452)
	if d.Timeout() {
		t.Fatal("timeouts with an acknowledgement between count together")
	}
	if !d.Timeout() || d.Size() != 1350 {
		t.Fatalf("size %d after two timeouts in a row, want 1350", d.Size())
	}
	if n := search(&d, 9000); n != 0 {
		t.Fatalf("%d probes into a black hole", n)
	}
	d.PathChanged(1000)
	if search(&d, 9000); d.Size() != 1452 {
		t.Fatalf("size %d on a new path, want 1452", d.Size())
	}
}

// Whatever the path carries, the search ends near it, never above it, in few probes.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.IntRange(1200, 1400).Draw(t, "base")
		limit := rapid.IntRange(1200, 1472).Draw(t, "limit")
		pass := rapid.IntRange(base, 1500).Draw(t, "pass")
		d := mtu.New(base, limit)
		probes := search(&d, pass)
		want := max(base, min(limit, pass))
		if d.Size() > want || d.Size() < want-8 {
			t.Fatalf("found %d on a path of %d with a limit of %d", d.Size(), pass, limit)
		}
		if probes > 24 {
			t.Fatalf("%d probes", probes)
		}
	})
}
