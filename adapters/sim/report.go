package sim

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Report is how a scenario went over many seeds. The zero value with a Scenario is empty; Add runs
// to it in the order of their seeds.
type Report struct {
	Scenario *Scenario
	Runs     int
	Rows     []Row
	Verdicts []Verdict // one for each expectation
	Broken   []*Run    // whose world failed
	Faults   []FaultReport
	Packets  uint64 // delivered in all
	Virtual  time.Duration
	Real     time.Duration // of all runs, added up

	first uint64 // seed
}

// A Row is a metric over all runs: of each flow of a kind, or of each link.
type Row struct {
	Metric, Name string
	Kind         kind
	MoreIsBetter bool
	values       []int64
}

// A Verdict is an expectation over all runs.
type Verdict struct {
	*Expectation
	Held      int
	Runs      int
	FirstSeed uint64 // the first that failed
	Got       string // with it; with the last run, if none failed
}

// A FaultReport is in how many runs a fault happened. A run may be over before.
type FaultReport struct {
	*FaultSpec
	Happened int
}

// OK reports whether it held in as many runs as it should.
func (v *Verdict) OK() bool {
	return uint64(v.Held)*1_000_000 >= uint64(v.Expectation.Runs)*uint64(v.Runs)
}

// OK reports whether all expectations held, every fault happened in some run, and no world failed.
func (r *Report) OK() bool {
	for i := range r.Faults {
		if r.Faults[i].Happened == 0 {
			return false
		}
	}
	for i := range r.Verdicts {
		if !r.Verdicts[i].OK() {
			return false
		}
	}
	return len(r.Broken) == 0
}

// Add takes in a run.
func (r *Report) Add(run *Run) {
	r.Runs++
	r.Packets += run.Network.Delivered
	r.Virtual += run.Virtual
	r.Real += run.Real
	if run.Err != nil {
		r.Broken = append(r.Broken, run)
	}
	for i := range run.Flows {
		f := &run.Flows[i]
		r.row("goodput", f.Group, rates, true, f.Goodput)
		r.row("time", f.Group, times, false, int64(f.Time))
		r.row("handshake", f.Group, times, false, int64(f.Handshake))
		r.row("stall", f.Group, times, false, int64(f.Stall))
		r.row("spurious losses", f.Group, counts, false, int64(f.Sender.SpuriousLosses))
		r.row("answers", f.Group, shares, false, ratio(f.Sender.PacketsReceived, f.Sender.PacketsSent))
		if f.RTO > 0 {
			r.row("resume", f.Group, times, false, int64(f.Resume))
		}
	}
	for i := range run.Links {
		if l := &run.Links[i]; l.rate > 0 {
			r.row("use", l.Name, shares, true, int64(l.Use))
			r.row("queue wait, median", l.Name, times, false, int64(l.Wait50))
			r.row("queue wait, 95%", l.Name, times, false, int64(l.Wait95))
		}
	}
	r.row("retransmitted", "", shares, false, ratio(run.Retransmitted, run.Sent))
	r.row("lost", "", shares, false, ratio(run.Lost, run.Sent))
	if len(run.Flows) > 1 {
		r.row("fairness", "", shares, true, int64(run.Fairness))
	}
	if run.Connections > 1 {
		r.row("connections", "", counts, true, int64(run.Connections))
	}
	if r.Verdicts == nil {
		for i := range r.Scenario.Expectations {
			r.Verdicts = append(r.Verdicts, Verdict{Expectation: &r.Scenario.Expectations[i]})
		}
	}
	if r.Faults == nil {
		for i := range r.Scenario.Faults {
			r.Faults = append(r.Faults, FaultReport{FaultSpec: &r.Scenario.Faults[i]})
		}
		r.first = run.Seed
	}
	for i := range r.Faults {
		if run.Happens[i] {
			r.Faults[i].Happened++
		}
	}
	for i := range r.Verdicts {
		v, c := &r.Verdicts[i], run.Checks[i]
		v.Runs++
		if c.Held {
			v.Held++
		}
		if v.Held == v.Runs || !c.Held && v.Held == v.Runs-1 {
			v.Got = c.Got
			if !c.Held {
				v.FirstSeed = run.Seed
			}
		}
	}
}

func (r *Report) row(metric, name string, k kind, more bool, value int64) {
	for i := range r.Rows {
		if row := &r.Rows[i]; row.Metric == metric && row.Name == name {
			row.values = append(row.values, value)
			return
		}
	}
	r.Rows = append(r.Rows, Row{metric, name, k, more, []int64{value}})
}

// quantile returns what the share of the values is as good as, or better.
func (r *Row) quantile(share PPM) int64 {
	sorted := slices.Clone(r.values)
	slices.Sort(sorted)
	if r.MoreIsBetter {
		slices.Reverse(sorted)
	}
	return sorted[(uint64(len(sorted))*uint64(share)+999_999)/1_000_000-1]
}

// Median returns the middle value.
func (r *Row) Median() int64 { return r.quantile(50 * Percent) }

// P95 returns what 95% of the values are as good as, or better.
func (r *Row) P95() int64 { return r.quantile(95 * Percent) }

// Worst returns the worst value.
func (r *Row) Worst() int64 { return r.quantile(100 * Percent) }

// Format prints a value of the row for people.
func (r *Row) Format(v int64) string { return r.Kind.format(v) }

// String prints the kind's unit: of a row's values as numbers.
func (k kind) String() string { return [...]string{"ns", "bit/s", "ppm", "count"}[k] }

// String prints the report as a table for people.
func (r *Report) String() string {
	var b strings.Builder
	title := r.Scenario.Title
	if title == "" {
		title = r.Scenario.File
	}
	fmt.Fprintf(&b, "%s\n", title)
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\tmedian\tp95\tworst\t\n")
	for i := range r.Rows {
		row := &r.Rows[i]
		label := row.Metric
		if row.Name != "" {
			label = row.Name + " " + row.Metric
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t\n", label, row.Format(row.Median()), row.Format(row.P95()), row.Format(row.Worst()))
	}
	t.Flush()
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		word := "ok    "
		if !v.OK() {
			word = "FAILED"
		}
		fmt.Fprintf(&b, "  %s  %s", word, v.Text)
		switch {
		case v.Held == v.Runs:
			fmt.Fprintf(&b, "  (%s)\n", v.Got)
		default:
			fmt.Fprintf(&b, "  (held in %d of %d; seed %d: %s)\n", v.Held, v.Runs, v.FirstSeed, v.Got)
		}
	}
	for i := range r.Faults {
		switch f := &r.Faults[i]; {
		case f.Happened == 0:
			fmt.Fprintf(&b, "  FAILED  %s:%d: %s  (never happened: every run was over before %v)\n", r.Scenario.File, f.Line, f.Text, f.At)
		case f.Happened < r.Runs:
			fmt.Fprintf(&b, "  note    %s:%d: %s  (happened in %d of %d: the others were over before %v)\n", r.Scenario.File, f.Line, f.Text, f.Happened, r.Runs, f.At)
		}
	}
	for _, run := range r.Broken {
		fmt.Fprintf(&b, "  BROKEN  %v\n", run.Err)
	}
	return b.String()
}

// FailingSeed returns the first seed with which something failed that should not.
func (r *Report) FailingSeed() (uint64, bool) {
	seed, any := uint64(0), false
	for _, run := range r.Broken {
		if !any || run.Seed < seed {
			seed, any = run.Seed, true
		}
	}
	for i := range r.Faults {
		if r.Faults[i].Happened == 0 && (!any || r.first < seed) {
			seed, any = r.first, true
		}
	}
	for i := range r.Verdicts {
		if v := &r.Verdicts[i]; !v.OK() && (!any || v.FirstSeed < seed) {
			seed, any = v.FirstSeed, true
		}
	}
	return seed, any
}
