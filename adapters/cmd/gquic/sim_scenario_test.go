package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// scenarioFile writes a scenario with the given expectation and returns its name.
func scenarioFile(t *testing.T, expectation string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "s.txt")
	text := "scenario A test\nlink d rate=10mbit delay=10ms loss=1%\nlink u delay=10ms\nhost c\nhost s\npath c s u\npath s c d\nflow f c s download=100KB\nexpect " + expectation + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestScenarioForPeople: a table, what held, and a picture of the first run.
func TestScenarioForPeople(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "run.svg")
	status, out, errs := gquic(t, "sim", "-scenario", scenarioFile(t, "done >= 100%"), "-seeds", "1:4", "-svg", svg, "-zoom", "10ms:100ms")
	if status != 0 || errs != "" {
		t.Fatalf("exit %d: %s", status, errs)
	}
	for _, want := range []string{"A test", "median", "p95", "worst", "f goodput", "d queue wait, 95%", "retransmitted", "ok      done >= 100%", "seeds 1:4"} {
		if !strings.Contains(out, want) {
			t.Errorf("the table lacks %q:\n%s", want, out)
		}
	}
	if b, err := os.ReadFile(svg); err != nil || !bytes.HasPrefix(b, []byte("<svg")) {
		t.Errorf("no picture: %v", err)
	}
}

// TestScenarioForMachines: one JSON object, the same digests whatever runs at once.
func TestScenarioForMachines(t *testing.T) {
	file := scenarioFile(t, "time f <= 10s")
	digests := func(jobs string) (all []string) {
		status, out, errs := gquic(t, "sim", "-json", "-scenario", file, "-seeds", "7:10", "-jobs", jobs)
		var r scenarioReport
		if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 || !r.OK || len(r.Rows) == 0 || len(r.Expectations) != 1 {
			t.Fatalf("exit %d, %v: %s%s", status, err, out, errs)
		}
		for _, run := range r.Runs {
			all = append(all, run.Digest)
		}
		return all
	}
	one, four := digests("1"), digests("4")
	if strings.Join(one, " ") != strings.Join(four, " ") || len(one) != 4 || one[0] == one[1] {
		t.Errorf("digests %q with one job, %q with four", one, four)
	}
}

// TestScenarioFails: what did not hold, the seed, and how to see it.
func TestScenarioFails(t *testing.T) {
	file := scenarioFile(t, "time f <= 1ms")
	status, out, errs := gquic(t, "sim", "-scenario", file, "-seeds", "5:6")
	if status != 1 || !strings.Contains(out, "FAILED  time f <= 1ms") || !strings.Contains(errs, "first with seed 5") || !strings.Contains(errs, "-svg") {
		t.Errorf("exit %d: %s%s", status, out, errs)
	}
	for _, test := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"sim", "-scenario", scenarioFile(t, "nothing")}, 1, "s.txt:9: want expect"},
		{[]string{"sim", "-scenario", "nowhere.txt"}, 1, "nowhere.txt"},
		{[]string{"sim", "-scenario", file, "-seeds", "x"}, 2, "-seeds"},
		{[]string{"sim", "-scenario", file, "-svg", "x.svg", "-zoom", "2s"}, 2, "-zoom"},
		{[]string{"sim", "-scenario", file, "-svg", filepath.Join(t.TempDir(), "x.svg"), "-zoom", "500s:600s"}, 2, "-zoom 500s:600s: the run was over at"},
		{[]string{"sim", "-scenario", file, "-jobs", "0"}, 2, "-jobs"},
		{[]string{"sim", "-seeds", "1:2"}, 2, "-scenario"},
		{[]string{"sim", "-scenario", file, "-seed", "5"}, 2, "want -seeds 5"},
		{[]string{"sim", "-scenario", file, "-rate", "3mbit"}, 2, "-rate goes with single transfers"},
		{[]string{"sim", "-scenario", file, "-early"}, 2, "-early goes with single transfers"},
	} {
		if status, _, errs := gquic(t, test.args...); status != test.status || !strings.Contains(errs, test.want) {
			t.Errorf("%q: exit %d, %q; want %d and %q", test.args, status, errs, test.status, test.want)
		}
	}
}

// TestSimJSONIsEqual: equal runs print equal JSON, byte for byte; what they took is told when asked for.
func TestSimJSONIsEqual(t *testing.T) {
	for _, args := range [][]string{
		{"sim", "-json", "-scenario", scenarioFile(t, "done >= 100%")},
		{"sim", "-json", "-size", "100kB"},
	} {
		_, one, _ := gquic(t, args...)
		_, two, errs := gquic(t, args...)
		if one != two || !strings.HasPrefix(one, "{") {
			t.Errorf("%q printed\n%s, then\n%s%s", args, one, two, errs)
		}
		if _, cost, _ := gquic(t, append(args, "-cost")...); !strings.Contains(cost, "core_seconds") && !strings.Contains(cost, "real_seconds") {
			t.Errorf("%q with -cost: %s", args, cost)
		}
	}
}

// TestSimNothingArrives: the seed is named once, and why nothing came of it.
func TestSimNothingArrives(t *testing.T) {
	status, _, errs := gquic(t, "sim", "-loss", "100%", "-seed", "7")
	if status != 1 || strings.Count(errs, "seed 7") != 1 || !strings.Contains(errs, "datagrams arrived, with -loss 1,") {
		t.Errorf("exit %d: %s", status, errs)
	}
}
