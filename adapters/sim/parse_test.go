package sim_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const small = `scenario Small
seeds 3:5
link down rate=10mbit delay=10ms loss=0.5%
link up delay=10ms
host a
host b
path b a down
path a b up
flow f a b download=100KB
`

// TestParse: what a file says is what is run.
func TestParse(t *testing.T) {
	s, err := sim.ParseScenario("small.txt", small+"at 1s set down rate=1mbit\nexpect 99% of runs: time f <= 10s\n")
	if err != nil {
		t.Fatal(err)
	}
	want := sim.LinkSpec{Name: "down", LinkConfig: sim.LinkConfig{Rate: 10_000_000, Delay: 10 * time.Millisecond, Loss: 5000}}
	if diff := cmp.Diff(want, s.Links[0]); diff != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
	if s.Title != "Small" || s.Seeds != (sim.Seeds{First: 3, Last: 5}) || s.Flows[0].Download != 100_000 {
		t.Errorf("%+v", s)
	}
	if e := s.Expectations[0]; e.Runs != 99*sim.Percent || e.Line != 11 || e.Text != "99% of runs: time f <= 10s" {
		t.Errorf("%+v", e)
	}
}

// TestParseErrors: what is wrong is named with file and line, and what would be right.
func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"lnik x", `x.txt:10: unknown statement "lnik": want scenario, seeds, limit, measure, link, host, path, flow, at, every or expect`},
		{"link x rate=fast", `x.txt:10: rate: "fast" is no rate: want a number and its unit, such as 500kbit, 10mbit or 1gbit (bits per second)`},
		{"link x speed=1", `x.txt:10: unknown setting "speed=1": want some of rate=10mbit delay=25ms jitter=5ms queue=64KiB codel[=5ms[/100ms]] mtu=1400 loss=1% burst=ENTER/LEAVE[/LOSS] reorder=1%[/10ms] duplicate=1% corrupt=1% truncate=1%`},
		{"link down", `x.txt:10: there is a "down" already: names of links, hosts and flows differ`},
		{"link x burst=1%", `x.txt:10: burst: "1%": want ENTER/LEAVE or ENTER/LEAVE/LOSS, such as 0.1%/20%: how likely a burst begins and ends with a datagram, and what it loses`},
		{"host x cc=vegas", `x.txt:10: cc: "vegas" is no congestion control: want cubic, newreno or bbr`},
		{"host x datagram=9000", `x.txt:10: datagram is 9000, want 1200 to 1452`},
		{"host x version=Q099", `x.txt:10: version: "Q099" is no version: want Q043, Q044 or Q044,Q043`},
		{"path a c up", `x.txt:10: there is no host "c": want one of [a b]`},
		{"path b b side", `x.txt:10: there is no link "side": want one of [down up]`},
		{"flow g a", `x.txt:10: want flow NAME CLIENT SERVER, then download=SIZE, upload=SIZE or for=TIME`},
		{"flow g a a download=1", `x.txt:10: datagrams have no way between a and a: want path a a and path a a, each with its links`},
		{"flow g a b download=1XB", `x.txt:10: download: "1XB" is no size: want one such as 100, 64KiB, 16MiB or 1.5GB`},
		{"at 3s", `x.txt:10: want at TIME FAULT, such as at 3s outage down 2s`},
		{"at soon rebind a", `x.txt:10: "soon" is no time: want one such as 50ms, 3s or 2m`},
		{"at 3s explode a", `x.txt:10: unknown fault "explode": want outage LINK TIME, set LINK SETTING..., rebind HOST, move HOST or jump HOST TIME`},
		{"at 3s outage a 1s", `x.txt:10: there is no link "a": want one of [down up]`},
		{"at 3s outage down", `x.txt:10: want outage LINK TIME`},
		{"every 0s rebind a", `x.txt:10: every 0s is too often: want 1us or more`},
		{"every 1s rebind down", `x.txt:10: there is no host "down": want one of [a b]`},
		{"expect speed f >= 1", `x.txt:10: unknown metric "speed": want one of done, time, handshake, goodput, stall, resume, spurious, answers, use, wait, dropped, retransmitted, connections, fairness`},
		{"expect time g <= 1s", `x.txt:10: there is no flow "g": want one of [f]`},
		{"expect time f = 1s", `x.txt:10: want an operator and a value after the name: <=, >= or within`},
		{"expect time f <= fast", `x.txt:10: "fast" is no time: want one such as 50ms, 3s or 2m`},
		{"expect use up >= 90%", `x.txt:10: link up has no rate: want one for use`},
		{"expect goodput f >= 3 rtt", `x.txt:10: "3 rtt": want a multiple such as 3 rtt, 2 rto (times of flows) or 1.5x lost (retransmitted)`},
		{"expect time f within 15% of cubic", `x.txt:10: want goodput FLOW within SHARE of cubic: the rate that Cubic's own law gives`},
		{"expect fairness all >= 0.9", `x.txt:10: fairness is of the whole run: want no name`},
		{"expect resume f <= 1ms", `x.txt:10: resume is of outages, and f has none: want at TIME outage LINK TIME, with a link of its data's, [down]`},
		{"every 1s until 0s rebind a", `x.txt:10: until 0s is before the first time, 1s: it would never happen`},
		{"every 1s from 3s until 2s rebind a", `x.txt:10: until 2s is before the first time, 3s: it would never happen`},
		{"at 61m rebind a", `x.txt:10: 1h1m0s is after the limit of 1h0m0s: it would never happen`},
		{"measure 3s 2s", `x.txt:10: the window ends at 2s, before it begins`},
		{"seed 9", `x.txt:10: unknown statement "seed": want scenario, seeds, limit, measure, link, host, path, flow, at, every or expect`},
		{"link x rate=3", `x.txt:10: rate: "3" is no rate: want a number and its unit, such as 500kbit, 10mbit or 1gbit (bits per second)`},
		{"link x rate=0bit", `x.txt:10: rate: "0bit": want more than 0; a link without a rate has no limit`},
		{"at 1s set down rate=0", `x.txt:10: rate: "0" is no rate: want a number and its unit, such as 500kbit, 10mbit or 1gbit (bits per second)`},
		{"link x delay=1ms delay=2ms", `x.txt:10: delay=1ms and delay=2ms: want delay once`},
		{"host x idle=1s idle=1s", `x.txt:10: idle=1s and idle=1s: want idle once`},
		{"flow g a b early early", `x.txt:10: early and early: want early once`},
		{"at 1s set down loss=1% loss=2%", `x.txt:10: loss=1% and loss=2%: want loss once`},
		{"path a b up up", `x.txt:10: path a b was said in line 8 already: want it once`},
		{"scenario Other", `x.txt:10: scenario was said in line 1 already: want it once`},
		{"seeds 1:100", `x.txt:10: seeds was said in line 2 already: want it once`},
		{"host x idle=1h", `x.txt:10: idle (in ms) is 3600000, want 1000 to 600000`},
		{"host x window=1", `x.txt:10: window is 1, want 16384 to 4294967295`},
		{"expect use >= 3%", `x.txt:10: use is of a link: want expect use LINK >= VALUE`},
		{"seeds 9:1", `x.txt:10: "9:1" are no seeds: want one such as 7, or a range such as 1:200`},
	} {
		text := small
		if test.line == "seeds 9:1" {
			text = strings.Replace(small, "seeds 3:5", "", 1)
		}
		_, err := sim.ParseScenario("x.txt", text+test.line+"\n")
		var wrong *sim.ScenarioError
		if !errors.As(err, &wrong) {
			t.Errorf("%q: %v, want a ScenarioError", test.line, err)
			continue
		}
		if err.Error() != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.line, err, test.want)
		}
		if wrong.File != "x.txt" || wrong.Line != 10 {
			t.Errorf("%q: at %s:%d, want x.txt:10", test.line, wrong.File, wrong.Line)
		}
	}
	lossless := strings.Replace(small, " loss=0.5%", "", 1) + "expect goodput within 80% of cubic\n"
	want := `x.txt:10: by Cubic's law there is no rate for f: want loss=SHARE on a link of [down], and delay on one of [down] or [up]`
	if _, err := sim.ParseScenario("x.txt", lossless); err == nil || err.Error() != want {
		t.Errorf("Cubic's law without loss:\n got %v\nwant %s", err, want)
	}
	if _, err := sim.ParseScenario("empty.txt", "host a\n"); err == nil || !strings.Contains(err.Error(), "nothing flows") {
		t.Errorf("a scenario without a flow: %v", err)
	}
}

// TestParseAnything: no text makes the parser fall over, and every refusal is a ScenarioError.
func TestParseAnything(t *testing.T) {
	words := rapid.SampledFrom(strings.Fields(small + ` at every expect outage set rebind jump within of cubic lost rtt = / % : -1 1e9 99999999999999999999
		0.0000001% 1:2 <= >= limit measure early codel burst=1%/2%/3% options=1CON count=3 for=1s stay=2s every=0s streams=0 mtu=0 window=1 x=`))
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString(small)
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			b.WriteString(strings.Join(rapid.SliceOfN(words, 1, 6).Draw(t, "words"), " ") + "\n")
		}
		_, err := sim.ParseScenario("x.txt", b.String())
		var wrong *sim.ScenarioError
		if err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%v is no ScenarioError", err)
		}
	})
}

// TestDocs: the scenario that docs/simulation.md shows is one, and every word of the language is
// explained there.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/simulation.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	_, example, _ := strings.Cut(text, "This is all of one:\n")
	example, _, _ = strings.Cut(example, "\nRun it")
	s, err := sim.ParseScenario("simulation.md", example)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Flows) != 1 || len(s.Faults) != 2 || len(s.Expectations) != 2 {
		t.Errorf("the example has %d flows, %d faults, %d expectations", len(s.Flows), len(s.Faults), len(s.Expectations))
	}
	for _, word := range sim.Words() {
		if !strings.Contains(text, "`"+word) {
			t.Errorf("docs/simulation.md does not explain %q", word)
		}
	}
}
