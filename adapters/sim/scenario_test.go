package sim_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gquic/adapters/sim"
)

// -scenario-seeds runs every scenario with more seeds than its file says, as CI does:
// go test ./adapters/sim -run Scenarios -scenario-seeds 1:50
var scenarioSeeds = flag.String("scenario-seeds", "", "seeds for every scenario, such as 1:50; empty: those of the files")

// TestScenarios runs every scenario of testdata and holds it against its expectations.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if *scenarioSeeds == "" { // a twentieth of the large one will do
				text = bytes.ReplaceAll(text, []byte("10000"), []byte("500"))
			}
			s, err := sim.ParseScenario(file, string(text))
			if err != nil {
				t.Fatal(err)
			}
			seeds := s.Seeds
			if *scenarioSeeds != "" && !strings.HasPrefix(filepath.Base(file), "scale") { // once is enough for that
				if seeds, err = sim.ParseSeeds(*scenarioSeeds); err != nil {
					t.Fatal(err)
				}
			}
			report := sim.Report{Scenario: s}
			for seed := seeds.First; seed <= seeds.Last; seed++ {
				run, err := s.Run(context.Background(), seed, nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				report.Add(run)
			}
			t.Log(report.String())
			if !report.OK() {
				seed, _ := report.FailingSeed()
				t.Errorf("failed, first with seed %d: gquic sim -scenario adapters/sim/%s -seeds %d", seed, file, seed)
			}
		})
	}
}

// TestNothingHappens: a fault that never happens fails the scenario, and so does what is expected of it.
func TestNothingHappens(t *testing.T) {
	for _, test := range []struct {
		lines string
		want  []string
	}{
		{"at 60s rebind a\n", []string{"FAILED  x.txt:10: at 60s rebind a  (never happened: every run was over before 1m0s)"}},
		{"at 60s outage down 3s\nexpect resume f <= 1ms\n", []string{"FAILED  x.txt:10: at 60s outage", "FAILED  resume f <= 1ms  (held in 0 of 1; seed 3: f had no outage that"}},
		{"measure 100s\nexpect wait down <= 1s\nexpect time f <= 1m\n", []string{"FAILED  wait down <= 1s  (held in 0 of 1; seed 3: nothing measured: the run was over at ", "measure begins at 1m40s)", "ok      time"}},
		{"at 50ms outage up 3ms\nat 60ms outage down 10ms\nexpect resume f <= 10s\n", nil},
	} {
		s, err := sim.ParseScenario("x.txt", small+test.lines)
		if err != nil {
			t.Fatal(err)
		}
		run, err := s.Run(context.Background(), 3, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		report := sim.Report{Scenario: s}
		report.Add(run)
		seed, failed := report.FailingSeed()
		if report.OK() != (test.want == nil) || failed != (test.want != nil) || failed && seed != 3 {
			t.Errorf("%q: OK is %v, the failing seed %d (%v)", test.lines, report.OK(), seed, failed)
		}
		for _, want := range test.want {
			if !strings.Contains(report.String(), want) {
				t.Errorf("%q: the report lacks %q:\n%v", test.lines, want, report.String())
			}
		}
	}
}

// TestUseOfChangingRate: the use of a link is of the rate that it had, not of what it began with.
func TestUseOfChangingRate(t *testing.T) {
	text := strings.Replace(small, "100KB", "4MB", 1) + "at 500ms set down rate=40mbit\nexpect use down >= 50%\n"
	s, err := sim.ParseScenario("x.txt", strings.Replace(text, " loss=0.5%", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	run, err := s.Run(context.Background(), 3, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := run.Links[0]
	passed := float64(l.Stats.BytesPassed+sim.HeaderBytes*l.Stats.Passed) * 8
	room := 10e6*0.5 + 40e6*(run.Virtual.Seconds()-0.5)
	if want := passed / room * 1e6; float64(l.Use) < want-10 || float64(l.Use) > want+10 || l.Use > 100*sim.Percent {
		t.Errorf("use is %d ppm, want %.0f", l.Use, want)
	}
}

// TestFaultsAreDrawn: every panel marks and names what was done to the world.
func TestFaultsAreDrawn(t *testing.T) {
	s, err := sim.ParseScenario("x.txt", small+"at 50ms rebind a\nat 80ms outage down 10ms\n")
	if err != nil {
		t.Fatal(err)
	}
	var rec sim.Recording
	if _, err := s.Run(context.Background(), 3, nil, &rec); err != nil {
		t.Fatal(err)
	}
	picture := string(rec.SVG())
	panels := strings.Count(picture, `font-weight="bold"`) - 1 // and the title
	if names, outages := strings.Count(picture, ">rebind a<"), strings.Count(picture, "#f6dcdc"); panels < 5 || names != panels || outages != panels {
		t.Errorf("%d panels name %d rebindings and shade %d outages", panels, names, outages)
	}
}
