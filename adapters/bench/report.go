package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// A Figure is a number over several runs.
type Figure struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func figureOf(values []float64) Figure {
	if len(values) == 0 {
		return Figure{}
	}
	v := slices.Sorted(slices.Values(values))
	f := Figure{Median: v[len(v)/2], Low: v[0], High: v[len(v)-1]}
	if len(v)%2 == 0 {
		f.Median = (f.Median + v[len(v)/2-1]) / 2
	}
	return f
}

// A Row is what a stack needs for one unit of work over all runs: a GiB, a handshake, a
// round trip, a connection.
type Row struct {
	Stack  string `json:"stack"`
	Unit   string `json:"unit"`
	CPU    Figure `json:"cpu"`    // seconds, both sides (idle: of the whole process' opening)
	Server Figure `json:"server"` // seconds
	Client Figure `json:"client"` // seconds
	Wall   Figure `json:"wall"`   // seconds
	Allocs Figure `json:"allocs"` // both sides
	Heap   Figure `json:"heap"`   // idle: bytes of the server's live heap
	RSS    Figure `json:"rss"`    // idle: bytes of the server's resident set

	// Ratio is the first row's CPU over this one's, run by run: above 1, this stack needs less.
	Ratio Figure `json:"ratio"`
}

// A Report is a comparison.
type Report struct {
	Rows []Row    `json:"rows"`
	Runs []Result `json:"runs"`
}

// Compare runs each spec n times, in turns, and puts the outcomes side by side. The first spec
// is what the others are compared with.
func Compare(ctx context.Context, n int, progress func(string), specs ...Spec) (*Report, error) {
	runs := make([][]Result, len(specs))
	rep := new(Report)
	for i := range n {
		for j, s := range specs {
			r, err := Run(ctx, s)
			if err != nil {
				return nil, err
			}
			progress(fmt.Sprintf("run %d of %d: %s", i+1, n, r.line()))
			runs[j] = append(runs[j], r)
			rep.Runs = append(rep.Runs, r)
		}
	}
	for j := range specs {
		rep.Rows = append(rep.Rows, row(runs[j], runs[0]))
	}
	return rep, nil
}

// units is how many units of work a run did, and what a unit is.
func (r *Result) units() (float64, string) {
	switch r.Spec.Work {
	case Bulk:
		return float64(r.Spec.Size) / (1 << 30), "GiB"
	case Handshakes:
		return float64(r.Ops), "handshake"
	case Requests:
		return float64(r.Ops), "round trip"
	}
	return float64(r.Ops), "connection"
}

func (r *Result) line() string {
	n, unit := r.units()
	if r.Spec.Work == Idle {
		return fmt.Sprintf("%s, %.0f bytes of heap and %.0f resident per connection", r.Spec.Stack, float64(r.Server.Heap)/n, float64(r.Server.RSS)/n)
	}
	return fmt.Sprintf("%s, CPU per %s %s", r.Spec.Stack, unit, duration(r.CPU()/n))
}

func row(runs, first []Result) Row {
	_, unit := runs[0].units()
	out := Row{Stack: runs[0].Spec.Stack, Unit: unit}
	of := func(f func(*Result) float64) Figure {
		var v []float64
		for i := range runs {
			n, _ := runs[i].units()
			v = append(v, f(&runs[i])/n)
		}
		return figureOf(v)
	}
	out.CPU = of((*Result).CPU)
	out.Server = of(func(r *Result) float64 { return r.Server.CPU() })
	out.Client = of(func(r *Result) float64 { return r.Client.CPU() })
	out.Wall = of(func(r *Result) float64 { return r.Seconds })
	out.Allocs = of(func(r *Result) float64 { return float64(r.Server.Allocs + r.Client.Allocs) })
	out.Heap = of(func(r *Result) float64 { return float64(r.Server.Heap) })
	out.RSS = of(func(r *Result) float64 { return float64(r.Server.RSS) })
	var ratios []float64
	for i := range runs {
		a, _ := first[i].units()
		b, _ := runs[i].units()
		if cpu := runs[i].CPU() / b; cpu > 0 {
			ratios = append(ratios, first[i].CPU()/a/cpu)
		}
	}
	out.Ratio = figureOf(ratios)
	return out
}

// Print writes the table.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	if r.Runs[0].Spec.Work == Idle {
		fmt.Fprint(t, "stack\tserver heap per connection\tresident\tCPU to open, server\tclient\n")
		for _, row := range r.Rows {
			fmt.Fprintf(t, "%s\t%.0f bytes (%.0f to %.0f)\t%.0f bytes\t%s\t%s\n", row.Stack,
				row.Heap.Median, row.Heap.Low, row.Heap.High, row.RSS.Median, duration(row.Server.Median), duration(row.Client.Median))
		}
		return
	}
	fmt.Fprintf(t, "stack\tCPU per %s\tfrom to\tserver\tclient\twall\tallocs\tratio\tfrom to\n", r.Rows[0].Unit)
	for _, row := range r.Rows {
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t%.2f\t%.2f %.2f\n", row.Stack, duration(row.CPU.Median),
			duration(row.CPU.Low), duration(row.CPU.High), duration(row.Server.Median), duration(row.Client.Median), duration(row.Wall.Median),
			count(row.Allocs.Median), row.Ratio.Median, row.Ratio.Low, row.Ratio.High)
	}
}

// duration prints seconds with three digits that matter.
func duration(s float64) string {
	switch {
	case s >= 0.1:
		return fmt.Sprintf("%.2f s", s)
	case s >= 1e-3:
		return fmt.Sprintf("%.2f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f us", s*1e6)
}

func count(n float64) string {
	if n < 10 {
		return fmt.Sprintf("%.2g", n)
	}
	return fmt.Sprintf("%.0f", math.Round(n))
}
