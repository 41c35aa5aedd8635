package conn_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

// The tests here run whole transfers in the simulated network. -seeds widens them:
//
//	go test ./conn -run TestAnyWorld -seeds 1000
var e2eSeeds = flag.Int("seeds", 60, "how many seeds the end-to-end tests run")

// anyTransfer draws a transfer with any settings over any network that still lets
// something through.
func anyTransfer(seed uint64) sim.Transfer {
	r := sim.NewRand(seed, "any transfer")
	pick := func(n int) int { return int(r.Below(uint64(n))) }
	chance := func(percent sim.PPM) bool { return r.Chance(percent * sim.Percent) }
	link := func() sim.LinkConfig {
		l := sim.LinkConfig{Delay: r.Duration(100 * time.Millisecond), Jitter: r.Duration(10 * time.Millisecond)}
		if chance(70) {
			l.Rate = 500_000 << pick(8)
			l.Queue = 8<<10 + pick(100<<10)
		}
		if chance(60) {
			l.Loss = sim.PPM(pick(100_000))
		}
		if chance(20) {
			l.BurstEnter = sim.PPM(pick(10_000))
		}
		if chance(40) {
			l.Reorder = sim.PPM(pick(200_000))
		}
		if chance(30) {
			l.Duplicate = sim.PPM(pick(100_000))
		}
		if chance(30) {
			l.Corrupt = sim.PPM(pick(30_000))
		}
		if chance(20) {
			l.Truncate = sim.PPM(pick(20_000))
		}
		if chance(10) {
			l.MTU = 1350 + pick(150)
		}
		if chance(15) {
			from := gquic.Instant(r.Duration(2 * time.Second))
			l.Outages = []sim.Outage{{From: from, To: from.Add(r.Duration(3 * time.Second))}}
		}
		return l
	}
	window := func(least uint32) uint32 { return least << pick(6) }
	up, down := link(), link()
	t := sim.Transfer{
		Seed:       seed,
		Version:    []wire.Version{wire.Q043, wire.Q044}[pick(2)],
		Streams:    1 + pick(30),
		Upload:     int64(pick(400_000)),
		Download:   int64(pick(400_000)),
		Up:         &up,
		Down:       &down,
		Congestion: []congestion.Algorithm{congestion.Cubic, congestion.NewReno, congestion.BBR}[pick(3)],
		ZeroRTT:    chance(30),
		Limit:      20 * time.Minute,
	}
	both := func(c *conn.Config) {
		c.HandshakeTimeout, c.IdleTimeout = 2*time.Minute, 2*time.Minute
		c.StreamWindow, c.ConnectionWindow = window(16<<10), window(16<<10)
		if chance(50) {
			c.MaxStreamWindow, c.MaxConnectionWindow = c.StreamWindow, c.ConnectionWindow
		}
		if chance(30) {
			c.MaxStreams = uint32(1 + pick(20))
		}
		if chance(30) {
			c.SendBuffer = 1 + pick(100_000)
		}
		if chance(30) {
			c.AckMode = ack.Decimated
		}
		if chance(30) {
			c.DatagramSize = conn.MinDatagramSize + pick(conn.DefaultDatagramSize-conn.MinDatagramSize+1) // a CHLO must fit the path
		}
		if chance(40) {
			c.MTULimit = conn.MaxDatagramSize - pick(100)
		}
		if chance(20) {
			c.KeepAlive = time.Second + r.Duration(10*time.Second)
		}
	}
	t.Client = func(c *conn.Config) {
		both(c)
		c.OmitConnectionID = chance(20)
		for _, o := range []string{"NSTP", "TBBR", "RENO", "TIME", "ATIM", "NTLP", "1TLP", "1RTO", "LFAK", "CONH", "1CON", "NPRR", "SSLR", "MIN4", "IW03", "IW50"} {
			if chance(10) {
				c.Options = append(c.Options, handshake.MakeTag(o))
			}
		}
	}
	t.Server = func(c *conn.Config) {
		both(c)
		c.AlwaysStateless = chance(20)
		c.Server.RequireToken = chance(30)
		if chance(20) {
			c.Server.Certificates = []handshake.Certificate{sim.NewAuthority("gquic sim").IssueChain(pick(6000), sim.ServerName)}
		}
	}
	return t
}

// TestAnyWorld: whatever the settings and the network, every byte arrives, nobody gets
// stuck, no endpoint spins, and the books of both endpoints agree all the time.
func TestAnyWorld(t *testing.T) {
	for seed := range uint64(*e2eSeeds) {
		transfer := anyTransfer(seed)
		events := 0
		transfer.Each = func(w *sim.World) bool {
			if events++; events%11 == 0 {
				for _, n := range w.Nodes() {
					if err := n.Endpoint().Check(); err != nil {
						t.Fatalf("seed %d, at %v, %s: %v", seed, w.Now(), n.Name(), err)
					}
				}
			}
			return true
		}
		r := transfer.Run()
		if !r.OK {
			t.Errorf("seed %d: %v\n%+v", seed, r.Err, r.Network)
		}
	}
}

// TestClonedWorlds: a copy of a whole world, taken at any moment, goes on exactly like the
// original, and taking it changes nothing.
func TestClonedWorlds(t *testing.T) {
	for seed := range uint64(max(*e2eSeeds/10, 5)) {
		plain := anyTransfer(seed).Run()
		transfer := anyTransfer(seed)
		var copies []*sim.World
		events := 0
		transfer.Each = func(w *sim.World) bool {
			if events++; events%97 == 5 && len(copies) < 40 {
				copies = append(copies, w.Clone())
			}
			return true
		}
		if r := transfer.Run(); r.Digest != plain.Digest {
			t.Fatalf("seed %d: with copies taken the digest is %x, without %x", seed, r.Digest, plain.Digest)
		}
		for i, w := range copies {
			if err := w.Run(gquic.Instant(transfer.Limit)); (err == nil) != plain.OK {
				t.Fatalf("seed %d, copy %d: %v", seed, i, err)
			}
			if got := w.Digest(); got != plain.Digest {
				t.Fatalf("seed %d, copy %d: digest %x, want %x", seed, i, got, plain.Digest)
			}
		}
	}
}

// TestRebindingWorlds: a client whose address changes again and again gets everything all
// the same.
func TestRebindingWorlds(t *testing.T) {
	for seed := range uint64(max(*e2eSeeds/5, 5)) {
		transfer := sim.Transfer{
			Seed: seed, Version: []wire.Version{wire.Q043, wire.Q044}[seed%2], Streams: 4, Upload: 200_000, Download: 200_000,
			Link: sim.LinkConfig{Delay: 20 * time.Millisecond, Rate: 4_000_000, Loss: 2 * sim.Percent},
			// A client that only reads learns nothing of its new address: its PING tells the server.
			Client: func(c *conn.Config) { c.KeepAlive = time.Second },
		}
		rand := sim.NewRand(seed, "rebinding")
		next := gquic.Instant(200 * time.Millisecond)
		moves := 0
		transfer.Each = func(w *sim.World) bool {
			// Not while the handshake lasts: a server that has all its keys does not look at a
			// repeated CHLO any more.
			if c := w.Nodes()[0]; w.Now() >= next && moves < 8 && c.Conn(c.App().(*sim.Client).Handle()).HandshakeConfirmed() {
				next = w.Now().Add(50*time.Millisecond + rand.Duration(300*time.Millisecond))
				moves++
				w.Nodes()[0].Rebind(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1 + byte(rand.Below(3))}), uint16(1024+rand.Below(60000))))
			}
			return true
		}
		if r := transfer.Run(); !r.OK || moves == 0 {
			t.Errorf("seed %d, %d moves: %v", seed, moves, r.Err)
		}
	}
}

// A step of TestDrainOrder: something that happens at a time.
type step struct {
	at   time.Duration
	side int
	do   string
	id   wire.StreamID
	n    int
}

// TestDrainOrder: events drained after each input and events drained at the end are the
// same events, and the endpoints send the same bytes.
func TestDrainOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var steps []step
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			steps = append(steps, step{
				at:   time.Duration(rapid.IntRange(0, 300).Draw(t, "after")) * time.Millisecond,
				side: rapid.IntRange(0, 1).Draw(t, "side"),
				do:   rapid.SampledFrom([]string{"open", "write", "write", "write", "end", "read", "read", "reset", "reset0", "stop", "ping", "close", "goaway"}).Draw(t, "do"),
				id:   wire.StreamID(rapid.IntRange(1, 9).Draw(t, "stream")),
				n:    rapid.IntRange(0, 40000).Draw(t, "bytes"),
			})
		}
		lossy := rapid.Uint64().Draw(t, "network")
		often, seldom := drain(steps, lossy, true), drain(steps, lossy, false)
		if often != seldom {
			t.Fatalf("drained at once:\n%s\ndrained at the end:\n%s", often, seldom)
		}
	})
}

// drain runs the steps and returns the events of both sides, each in its order, and the
// digest of the datagrams. With often it drains events after every input, else only when
// all is over.
func drain(steps []step, network uint64, often bool) string {
	e := newEnv(nil, "drain order")
	cmd, _ := parseCommand([]string{"dial stream-window=16KiB conn-window=32KiB streams=3 idle=20s"})
	if err := e.execute(cmd); err != nil {
		panic(err)
	}
	rand := sim.NewRand(network, "drain order")
	var out [2]strings.Builder
	take := func() {
		for i, s := range e.sides {
			for ev, ok := s.ep.NextEvent(); ok; ev, ok = s.ep.NextEvent() {
				fmt.Fprintf(&out[i], "%v %v\n", ev.Conn, ev)
			}
		}
	}
	send := func() {
		for _, s := range e.sides {
			for b, tr, ok := s.ep.AppendTransmit(e.now, nil, 1); ok; b, tr, ok = s.ep.AppendTransmit(e.now, nil, 1) {
				e.record(s.addr, tr.To, b)
				if !rand.Chance(10 * sim.Percent) {
					e.put(datagram{from: s.index, src: s.addr, dst: tr.To, data: b, at: e.now.Add(e.delay + rand.Duration(3*time.Millisecond))})
				}
			}
		}
	}
	input := func() {
		if often {
			take()
		}
		send()
		if often {
			take()
		}
	}
	run := func(until gquic.Instant) {
		for at, s := e.next(); at <= until; at, s = e.next() {
			e.now = max(e.now, at)
			if s == nil {
				d := e.flight[0]
				e.flight = e.flight[1:]
				r := e.sides[1-d.from]
				h, _ := r.ep.Receive(e.now, conn.Datagram{From: d.src, To: r.addr, Payload: d.data})
				if !h.IsZero() && r.number(h) == 0 {
					r.adopt(h)
				}
			}
			input()
		}
		e.now = max(e.now, until)
	}
	input()
	for _, st := range steps {
		run(e.now.Add(st.at))
		apply(e.sides[st.side], st)
		input()
	}
	run(e.now.Add(time.Minute))
	take()
	return fmt.Sprintf("client:\n%sserver:\n%sdigest %x", out[0].String(), out[1].String(), e.digest.Sum(nil))
}

// apply makes a call; what it returns does not matter here.
func apply(s *side, st step) {
	c := s.conn()
	buf := make([]byte, st.n)
	switch st.do {
	case "open":
		c.OpenStream()
	case "write":
		c.Write(st.id, buf, false)
	case "end":
		c.Write(st.id, buf[:st.n%100], true)
	case "read":
		c.Read(st.id, buf)
	case "reset":
		c.Reset(st.id, wire.StreamCancelled)
	case "reset0":
		c.Reset(st.id, wire.StreamNoError)
	case "stop":
		c.StopReading(st.id)
	case "ping":
		c.Ping()
	case "goaway":
		c.GoAway(wire.PeerGoingAway, "")
	case "close":
		if st.n < 5000 {
			c.Close(wire.PeerGoingAway, "")
		}
	}
}

// TestWorldDigests: equal seeds give equal datagrams at equal times, on one processor or
// two. It prints one digest over all, which must be the same on every architecture:
//
//	go test ./conn -run TestWorldDigests -v
//	GOARCH=386 go test ./conn -run TestWorldDigests -v
func TestWorldDigests(t *testing.T) {
	const worlds = 20
	digest := func(processors int) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		all := sha256.New()
		for seed := range uint64(worlds) {
			r := anyTransfer(seed).Run()
			all.Write(r.Digest[:])
		}
		return hex.EncodeToString(all.Sum(nil))
	}
	one, two := digest(1), digest(2)
	if one != two {
		t.Errorf("on one processor %s, on two %s", one, two)
	}
	t.Logf("digest of %d worlds: %s", worlds, one)
}
