package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"example.com/gquic/adapters/sim"
)

// scenarios runs one scenario with many seeds.
type scenarios struct {
	file, seeds, svg, zoom string
	jobs                   int
	cost                   bool
}

// What a machine reads of a scenario.
type (
	scenarioReport struct {
		Title        string          `json:"title"`
		File         string          `json:"file"`
		Seeds        string          `json:"seeds"`
		OK           bool            `json:"ok"`
		FailingSeed  *uint64         `json:"failing_seed,omitempty"`
		Rows         []scenarioRow   `json:"rows"`
		Expectations []scenarioCheck `json:"expectations"`
		Faults       []scenarioFault `json:"faults,omitempty"`
		Broken       []string        `json:"broken,omitempty"`
		Runs         []scenarioRun   `json:"runs"`
		Packets      uint64          `json:"packets"`
		VirtualS     float64         `json:"virtual_seconds"`
		Cost         *scenarioCost   `json:"cost,omitempty"` // with -cost: all else is equal for equal runs
	}
	scenarioCost struct {
		CoreS       float64 `json:"core_seconds"`
		PacketsPerS float64 `json:"packets_per_core_second"`
		HeapBytes   uint64  `json:"peak_heap_bytes"`
	}
	scenarioRow struct {
		Metric string `json:"metric"`
		Name   string `json:"name,omitempty"`
		Unit   string `json:"unit"`
		Median int64  `json:"median"`
		P95    int64  `json:"p95"`
		Worst  int64  `json:"worst"`
	}
	scenarioCheck struct {
		Text      string `json:"text"`
		OK        bool   `json:"ok"`
		Held      int    `json:"held"`
		Runs      int    `json:"runs"`
		Got       string `json:"got"`
		FirstSeed uint64 `json:"first_failing_seed,omitempty"`
	}
	scenarioFault struct {
		Text     string `json:"text"`
		Happened int    `json:"happened"` // in so many runs
		Runs     int    `json:"runs"`
	}
	scenarioRun struct {
		Seed     uint64  `json:"seed"`
		VirtualS float64 `json:"virtual_seconds"`
		Digest   string  `json:"digest"`
	}
)

func (c *scenarios) run(ctx context.Context, o *output) error {
	s, err := sim.ReadScenario(c.file)
	if err != nil {
		if bad := new(sim.ScenarioError); errors.As(err, &bad) {
			return err
		}
		return fmt.Errorf("-scenario: %w", err)
	}
	seeds := s.Seeds
	if c.seeds != "" {
		if seeds, err = sim.ParseSeeds(c.seeds); err != nil {
			return misusef("-seeds: %w", err)
		}
	}
	if c.jobs < 1 {
		return misusef("-jobs is %d, want 1 or more", c.jobs)
	}
	rec, err := c.recording()
	if err != nil {
		return err
	}
	started := time.Now()
	heap := watchHeap()
	runs, err := c.all(ctx, o.stderr, s, seeds, rec)
	peak := heap()
	if err != nil {
		return err
	}
	report := &sim.Report{Scenario: s}
	for _, r := range runs {
		report.Add(r)
	}
	speed := float64(report.Packets) / max(report.Real.Seconds(), 1e-9)
	o.printf("%v", report)
	o.printf("  seeds %v: %.1f s simulated in %.1f s, %.1f million datagrams at %.0f a second and core, heap up to %.0f MB\n",
		seeds, report.Virtual.Seconds(), time.Since(started).Seconds(), float64(report.Packets)/1e6, speed, float64(peak)/1e6)
	object := c.object(report, runs, seeds)
	if c.cost {
		object.Cost = &scenarioCost{report.Real.Seconds(), speed, peak}
	}
	o.object(object)
	if seed, failed := report.FailingSeed(); failed {
		return fmt.Errorf("%s failed, first with seed %d: see it with gquic sim -scenario %s -seeds %d -svg run.svg", c.file, seed, c.file, seed)
	}
	return nil
}

func (c *scenarios) object(r *sim.Report, runs []*sim.Run, seeds sim.Seeds) scenarioReport {
	out := scenarioReport{
		Title: r.Scenario.Title, File: c.file, Seeds: seeds.String(), OK: r.OK(), Packets: r.Packets,
		VirtualS: r.Virtual.Seconds(),
	}
	if seed, failed := r.FailingSeed(); failed {
		out.FailingSeed = &seed
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		out.Rows = append(out.Rows, scenarioRow{row.Metric, row.Name, row.Kind.String(), row.Median(), row.P95(), row.Worst()})
	}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		out.Expectations = append(out.Expectations, scenarioCheck{v.Text, v.OK(), v.Held, v.Runs, v.Got, v.FirstSeed})
	}
	for i := range r.Faults {
		out.Faults = append(out.Faults, scenarioFault{r.Faults[i].Text, r.Faults[i].Happened, r.Runs})
	}
	for _, run := range r.Broken {
		out.Broken = append(out.Broken, run.Err.Error())
	}
	for _, run := range runs {
		out.Runs = append(out.Runs, scenarioRun{run.Seed, run.Virtual.Seconds(), hex.EncodeToString(run.Digest[:])})
	}
	return out
}

// recording returns what is to be drawn, nil if nothing is.
func (c *scenarios) recording() (*sim.Recording, error) {
	if c.svg == "" {
		if c.zoom != "" {
			return nil, misusef("-zoom goes with -svg")
		}
		return nil, nil
	}
	rec := new(sim.Recording)
	if c.zoom == "" {
		return rec, nil
	}
	from, to, both := strings.Cut(c.zoom, ":")
	var err, err2 error
	rec.From, err = time.ParseDuration(from)
	rec.To, err2 = time.ParseDuration(to)
	if !both || err != nil || err2 != nil || rec.From < 0 || rec.To <= rec.From {
		return nil, misusef("-zoom %q: want a part of the run such as 1s:1.5s", c.zoom)
	}
	return rec, nil
}

// all runs every seed, some at once, and returns the runs in the order of the seeds.
func (c *scenarios) all(ctx context.Context, stderr io.Writer, s *sim.Scenario, seeds sim.Seeds, rec *sim.Recording) ([]*sim.Run, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	runs := make([]*sim.Run, seeds.Count())
	var next, done, failed int
	var mu sync.Mutex
	show := isTerminal(stderr) && len(runs) > 1
	worker := func() {
		for {
			mu.Lock()
			i := next
			next++
			mu.Unlock()
			if i >= len(runs) || ctx.Err() != nil {
				return
			}
			drawn := rec
			if i > 0 {
				drawn = nil
			}
			r, err := s.Run(ctx, seeds.First+uint64(i), time.Now, drawn)
			if err == nil && drawn != nil && drawn.From >= r.Virtual {
				err = misusef("-zoom %s: the run was over at %v", c.zoom, r.Virtual)
			}
			if err == nil && drawn != nil {
				if err = os.WriteFile(c.svg, drawn.SVG(), 0o644); err != nil {
					err = fmt.Errorf("-svg: %w", err)
				}
			}
			if err != nil {
				cancel(err)
				return
			}
			mu.Lock()
			runs[i] = r
			done++
			if !held(r) {
				failed++
			}
			if show {
				fmt.Fprintf(stderr, "\r\033[K%d of %d runs, %d with something that did not hold", done, len(runs), failed)
			}
			mu.Unlock()
		}
	}
	var all sync.WaitGroup
	for range min(c.jobs, len(runs)) {
		all.Add(1)
		go func() { defer all.Done(); worker() }()
	}
	all.Wait()
	if show {
		fmt.Fprint(stderr, "\r\033[K")
	}
	if ctx.Err() != nil {
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, fmt.Errorf("interrupted")
	}
	return runs, nil
}

func held(r *sim.Run) bool {
	for _, c := range r.Checks {
		if !c.Held {
			return false
		}
	}
	return r.Err == nil
}

// watchHeap looks at the heap now and then. What it returns ends that and tells the most.
func watchHeap() (end func() uint64) {
	stop, done := make(chan struct{}), make(chan struct{})
	var most uint64
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				look()
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		look()
		return most
	}
}
