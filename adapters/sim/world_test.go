package sim

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

func scenario(t *testing.T, text string) *Scenario {
	t.Helper()
	s, err := ParseScenario("test.txt", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const twoWays = `
link down rate=10mbit delay=10ms
link up rate=10mbit delay=10ms
host client
host server
path server client down
path client server up
`

func run(t *testing.T, text string, seed uint64) *Run {
	t.Helper()
	r, err := scenario(t, twoWays+text).Run(context.Background(), seed, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r
}

// TestSteadyStateAllocatesNothing: a bulk transfer on its way costs no memory, world and
// endpoints included.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	w, _, _, err := Transfer{Download: 1 << 30, Link: LinkConfig{Delay: 10 * time.Millisecond, Rate: 50_000_000, Jitter: time.Millisecond}}.World()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RunUntil(gquic.Instant(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	before := w.stats.Delivered
	const runs = 10
	allocs := testing.AllocsPerRun(runs, func() {
		for range 5000 {
			w.Step()
		}
	})
	packets := (w.stats.Delivered - before) / (runs + 1)
	if packets < 1000 {
		t.Fatalf("only %d datagrams were delivered", packets)
	}
	if allocs > float64(packets)/500 { // a buffer grows now and then
		t.Errorf("%v allocations for %d datagrams", allocs, packets)
	}
}

// TestCloneGoesOnAlike: a copy of a world in the midst of everything ends like the original.
func TestCloneGoesOnAlike(t *testing.T) {
	s, err := ReadScenario("testdata/everything.txt")
	if err != nil {
		t.Fatal(err)
	}
	st, err := s.stage(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.RunUntil(gquic.Instant(2500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	c := st.World.Clone()
	at := st.Digest()
	limit := gquic.Instant(s.Limit)
	if err := st.World.Run(limit); err != nil {
		t.Fatal(err)
	}
	if c.Digest() != at {
		t.Fatal("running the original moved the copy")
	}
	if err := c.Run(limit); err != nil {
		t.Fatal(err)
	}
	if c.Digest() != st.Digest() || c.Now() != st.Now() {
		t.Errorf("the copy ended at %v with %x, the original at %v with %x", c.Now(), c.Digest(), st.Now(), st.Digest())
	}
}

// TestWatchingChangesNothing: a run that is drawn is the same run.
func TestWatchingChangesNothing(t *testing.T) {
	s, err := ReadScenario("testdata/everything.txt")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.Run(context.Background(), 2, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rec := new(Recording)
	drawn, err := s.Run(context.Background(), 2, nil, rec)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Digest != drawn.Digest {
		t.Error("drawing changed the run")
	}
	svg := rec.SVG()
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
	for _, want := range []string{"Time and sequence, films", "Congestion window", "Round trip", "Queues", "Goodput", ">photos<", ">core<", "seed 2", "circle"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
		t.Error("the picture has places that are none")
	}
}

// TestClockJump: a client whose clock jumps over its idle timeout gives up at once; one whose
// jump is shorter goes on.
func TestClockJump(t *testing.T) {
	short := run(t, "limit 1m\nflow f client server download=2MB\nat 1s jump client 10s\n", 1)
	if f := short.Flows[0]; !f.Done {
		t.Errorf("a jump of 10s: %v", f.Err)
	}
	long := run(t, "limit 1m\nflow f client server download=2MB\nat 1s jump client 60s\n", 1)
	if f := long.Flows[0]; f.Done || !errors.Is(f.Err, conn.ErrIdleTimeout) {
		t.Errorf("a jump of 60s: done %v, %v; want an idle timeout", f.Done, f.Err)
	}
}

// TestRebinding: a NAT's new mapping begins with the client's next datagram, and what is on
// its way to the old one is lost; the server follows.
func TestRebinding(t *testing.T) {
	r := run(t, "limit 1m\nflow f client server download=2MB\nat 1s rebind client\n", 1)
	if !r.Flows[0].Done || r.Network.Unroutable == 0 {
		t.Errorf("done %v, %d unroutable", r.Flows[0].Done, r.Network.Unroutable)
	}
	s := scenario(t, twoWays+"flow f client server download=2MB\nevery 500ms until 1s move client\n")
	st, err := s.stage(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	from := map[netip.AddrPort]bool{}
	st.World.Trace = func(e TraceEvent) {
		if e.Kind == TraceSent && e.Node == "client" {
			from[e.From] = true
		}
	}
	if err := st.World.Run(gquic.Instant(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if len(from) != 3 {
		t.Errorf("the client sent from %v, want three addresses", from)
	}
}

// TestFaults: a link does what the last "set" said, and an outage is one.
func TestFaults(t *testing.T) {
	r := run(t, "limit 1m\nflow f client server download=1MB\nat 500ms set down loss=100%\nat 700ms set down loss=0%\nat 1s outage up 100ms\n", 1)
	if l := r.Links[0].Stats; l.Lost == 0 || l.OutageDropped != 0 {
		t.Errorf("down: %+v", l)
	}
	if l := r.Links[1].Stats; l.Lost != 0 || l.OutageDropped == 0 {
		t.Errorf("up: %+v", l)
	}
	if !r.Flows[0].Done {
		t.Error(r.Flows[0].Err)
	}
}

// TestMTU: a path that takes smaller datagrams than the endpoints send carries no data.
func TestMTU(t *testing.T) {
	r := run(t, "limit 30s\nflow f client server download=1MB\nat 500ms set down mtu=1300\n", 1)
	if l := r.Links[0].Stats; l.TooLarge == 0 {
		t.Errorf("%+v", l)
	}
}

// TestFlows: uploads, many streams, early data, connections that stay, and flows that a
// time ends are counted as what they are.
func TestFlows(t *testing.T) {
	up := run(t, "flow f client server upload=1MB streams=3\n", 1).Flows[0]
	if !up.Done || up.Bytes < 999_000 || up.Sender.BytesSent < 1_000_000 {
		t.Errorf("upload: %+v", up)
	}
	early := run(t, "flow f client server download=1KB early\n", 1).Flows[0]
	if !early.Done || early.Handshake != 0 && early.Handshake > 25*time.Millisecond {
		t.Errorf("early data: connected after %v: %v", early.Handshake, early.Err)
	}
	timed := run(t, "flow f client server for=2s\n", 1).Flows[0]
	if !timed.Done || timed.Time != 2*time.Second || timed.Goodput < 8_000_000 {
		t.Errorf("for two seconds: %+v", timed)
	}
	stays := run(t, "flow f client server download=1KB stay=5s\n", 1)
	if f := stays.Flows[0]; !f.Done || f.Time > time.Second || stays.Virtual < 5*time.Second {
		t.Errorf("staying: the flow took %v, the run %v", f.Time, stays.Virtual)
	}
	late := run(t, "limit 2s\nflow f client server download=100MB\n", 1).Flows[0]
	if late.Done || late.Err == nil || late.Time != 2*time.Second {
		t.Errorf("a flow that the limit ends: %+v", late)
	}
}

// TestExpectations: what holds is said to hold, and what does not is not, with the seed.
func TestExpectations(t *testing.T) {
	s := scenario(t, twoWays+`flow f client server download=1MB
expect done >= 100%
expect time f <= 1ms
expect 0% of runs: time f <= 1ms
expect goodput f >= 1mbit
expect use down >= 99.9%
expect fairness >= 1
expect handshake f <= 3 rtt
`)
	report := Report{Scenario: s}
	for seed := uint64(4); seed < 6; seed++ {
		r, err := s.Run(context.Background(), seed, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		report.Add(r)
	}
	for i, want := range []bool{true, false, true, true, false, true, true} {
		if v := &report.Verdicts[i]; v.OK() != want {
			t.Errorf("%s: %v, want %v (%s)", v.Text, v.OK(), want, v.Got)
		}
	}
	if seed, failed := report.FailingSeed(); !failed || seed != 4 {
		t.Errorf("failing seed %d, %v", seed, failed)
	}
}

// TestJain: the index of fairness.
func TestJain(t *testing.T) {
	for _, test := range []struct {
		rates []int64
		want  PPM
	}{
		{[]int64{5, 5}, 1_000_000},
		{[]int64{1e12, 0}, 500_000},
		{[]int64{3e9, 1e9}, 800_000},
		{[]int64{1, 1, 1, 0}, 750_000},
		{[]int64{0, 0}, 0},
	} {
		var flows []FlowRun
		for _, r := range test.rates {
			flows = append(flows, FlowRun{Goodput: r})
		}
		if got := jain(flows); got > test.want || got+1 < test.want {
			t.Errorf("%v: %d, want %d", test.rates, got, test.want)
		}
	}
}

// TestCubicLaw: a loss of 1% at 50 ms is in the Reno-friendly region, where the mean window is the
// root of 1.5/p packets; one of 0.001% at 100 ms in the cubic one, where it is 1.054 (RTT/p)^0.75
// (RFC 9438, section 5.1).
func TestCubicLaw(t *testing.T) {
	law := func(loss, delay string) int64 {
		s := scenario(t, "link down delay="+delay+" loss="+loss+"\nlink up delay="+delay+"\nhost c\nhost s\npath c s up\npath s c down\nflow f c s download=1\n")
		return s.law(&s.Flows[0])
	}
	packets := func(rate int64, rtt time.Duration) int64 { return rate / 8 * int64(rtt/time.Millisecond) / 1000 / 1317 }
	if got := packets(law("1%", "25ms"), 50*time.Millisecond); got != 12 {
		t.Errorf("%d packets, want 12", got)
	}
	if got := packets(law("0.001%", "50ms"), 100*time.Millisecond); got < 1050*95/100 || got > 1054*105/100 {
		t.Errorf("%d packets, want about 1054", got)
	}
}

// TestNullCipher: packets that are not sealed travel as well, and are not taken for sealed
// ones.
func TestNullCipher(t *testing.T) {
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		r := Transfer{Version: v, NullCipher: true, Download: 1 << 20, Upload: 1 << 20, Link: LinkConfig{Delay: time.Millisecond, Loss: Percent}}.Run()
		if !r.OK {
			t.Error(r.Err)
		}
	}
	r := Transfer{NullCipher: true, Server: func(c *conn.Config) { c.ReplaceCipher = nil }, Download: 1000, Link: LinkConfig{Delay: time.Millisecond}}.Run()
	if r.OK {
		t.Error("one side sealed and the other did not, and nobody noticed")
	}
}
