package sim_test

import (
	"flag"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// -seeds widens or narrows the tests over bad networks: go test ./adapters/sim -seeds 3000
var seeds = flag.Int("seeds", 300, "how many seeds the tests over bad networks run")

// bad is a network that does everything to datagrams.
var bad = sim.LinkConfig{
	Delay: 20 * time.Millisecond, Jitter: 5 * time.Millisecond, Rate: 20_000_000,
	Loss: 5 * sim.Percent, Reorder: 5 * sim.Percent, Duplicate: 2 * sim.Percent, Corrupt: 1 * sim.Percent,
}

func version(seed int) wire.Version {
	return [...]wire.Version{wire.Q043, wire.Q044}[seed%2]
}

// TestBadNetwork moves 1 MiB each way on 10 streams over a bad network: no byte may be
// wrong, and no connection may get stuck.
func TestBadNetwork(t *testing.T) {
	for seed := range *seeds {
		r := sim.Transfer{Seed: uint64(seed), Version: version(seed), Streams: 10, Upload: 1 << 20, Download: 1 << 20, Link: bad}.Run()
		if !r.OK {
			t.Errorf("seed %d, %v: %v", seed, version(seed), r.Err)
			continue
		}
		if r.Network.Lost == 0 || r.Network.Duplicated == 0 || r.Network.Corrupted == 0 {
			t.Errorf("seed %d: the network was not bad: %+v", seed, r.Network)
		}
		if seed < 3 {
			t.Log(r)
		}
	}
}

// TestSameSeed: equal seeds give equal datagrams at equal times, other seeds others.
func TestSameSeed(t *testing.T) {
	transfer := func(seed uint64) sim.Result {
		return sim.Transfer{Seed: seed, Streams: 3, Upload: 200_000, Download: 100_000, Link: bad}.Run()
	}
	a, b, c := transfer(1), transfer(1), transfer(2)
	if a.Digest != b.Digest {
		t.Errorf("digests of one seed: %x and %x", a.Digest, b.Digest)
	}
	if a.Digest == c.Digest {
		t.Error("two seeds have one digest")
	}
}

// TestLuckIsIndependent: what one link draws does not depend on another link's settings.
func TestLuckIsIndependent(t *testing.T) {
	run := func(name string, other sim.LinkConfig) sim.LinkStats {
		w := sim.New(7)
		l := w.Link(name, sim.LinkConfig{Loss: 20 * sim.Percent})
		w.Link("other", other)
		return l.Stats()
	}
	if a, b := run("x", sim.LinkConfig{}), run("x", sim.LinkConfig{Loss: sim.Percent}); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
}

// TestZeroRTT: a client that was there before sends its request with the first flight.
func TestZeroRTT(t *testing.T) {
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		link := sim.LinkConfig{Delay: 50 * time.Millisecond}
		first := sim.Transfer{Version: v, Download: 1000, Link: link}.Run()
		second := sim.Transfer{Version: v, Download: 1000, Link: link, ZeroRTT: true}.Run()
		if !first.OK || !second.OK {
			t.Fatal(first.Err, second.Err)
		}
		if first.HandshakeRTTs != 1 || first.ZeroRTT || second.HandshakeRTTs != 0 || !second.ZeroRTT {
			t.Errorf("%v: %d round trips (0-RTT %v), then %d (0-RTT %v)", v, first.HandshakeRTTs, first.ZeroRTT, second.HandshakeRTTs, second.ZeroRTT)
		}
		if saved := first.Duration - second.Duration; saved != 100*time.Millisecond {
			t.Errorf("%v: 0-RTT saved %v of %v, want one round trip of 100ms", v, saved, first.Duration)
		}
	}
}

// TestRate: a transfer over a bottleneck takes the time that its rate gives, and not
// much more.
func TestRate(t *testing.T) {
	const size, rate = 4 << 20, 10_000_000
	r := sim.Transfer{Download: size, Link: sim.LinkConfig{Delay: 20 * time.Millisecond, Rate: rate}}.Run()
	if !r.OK {
		t.Fatal(r.Err)
	}
	least := time.Duration(size) * 8 * time.Second / rate
	if r.Duration < least || r.Duration > least*5/4 {
		t.Errorf("%d bytes at %d bit/s took %v, want %v and up to a quarter more", size, rate, r.Duration, least)
	}
}

// TestLongRoundTrips: with hours of delay nothing depends on a hidden clock.
func TestLongRoundTrips(t *testing.T) {
	r := sim.Transfer{
		Upload: 100_000, Download: 100_000,
		Link:   sim.LinkConfig{Delay: 90 * time.Second},
		Client: patient, Server: patient,
		Limit: 24 * time.Hour,
	}.Run()
	if !r.OK {
		t.Fatal(r.Err)
	}
	if r.Duration < 3*180*time.Second {
		t.Errorf("three round trips of 180 s took %v", r.Duration)
	}
}

func patient(c *conn.Config) {
	c.IdleTimeout = conn.MaxIdleTimeout
	c.HandshakeTimeout = conn.MaxIdleTimeout
}

// TestOutage: a connection gets over a network that is gone for ten seconds.
func TestOutage(t *testing.T) {
	link := sim.LinkConfig{Delay: 10 * time.Millisecond, Rate: 10_000_000, Outages: []sim.Outage{{From: gquic.Instant(time.Second), To: gquic.Instant(11 * time.Second)}}}
	r := sim.Transfer{Download: 4 << 20, Link: link}.Run()
	if !r.OK {
		t.Fatal(r.Err)
	}
	if r.Duration < 11*time.Second {
		t.Errorf("it was over after %v, in the midst of the outage", r.Duration)
	}
}

// TestStuck: a world says so when nothing will ever happen, and who waits.
func TestStuck(t *testing.T) {
	r := sim.Transfer{Download: 1 << 20, Link: sim.LinkConfig{Loss: 100 * sim.Percent}}.Run()
	if r.OK || r.Err == nil {
		t.Fatal("a transfer through nothing succeeded")
	}
	t.Log(r.Err)
}
