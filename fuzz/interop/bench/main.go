// Command bench has gquic and quic-go v0.10.2, the last release of another gQUIC in Go, do
// the same work in turns, and prints what each needed and the ratio of every pair of runs.
// Stacks are processes of their own, server and client apart.
//
//	go run ./bench                      everything, some minutes
//	go run ./bench -work bulk -runs 9
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"example.com/gquic/adapters/bench"
	"example.com/gquic/wire"
)

func main() {
	if bench.Child(bench.GQUIC{}, quicGo{}, bench.Raw{}) {
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	works := flag.String("work", "bulk,handshakes,requests,idle", "what to measure")
	versions := flag.String("versions", "Q043,Q044", "versions to measure")
	runs := flag.Int("runs", 5, "runs of each, of which the median counts")
	asJSON := flag.Bool("json", false, "print JSON instead of tables")
	scale := flag.Float64("scale", 1, "do this part of the usual work")
	flag.Parse()
	var all []*bench.Report
	for _, name := range strings.Split(*works, ",") {
		for _, text := range strings.Split(*versions, ",") {
			v, err := wire.ParseVersion(text)
			if err != nil {
				return err
			}
			specs, err := specsFor(bench.Work(name), v, *scale)
			if err != nil {
				return err
			}
			progress := func(line string) { fmt.Fprintln(os.Stderr, v, name, line) }
			n := *runs
			if bench.Work(name) == bench.Idle {
				n = 1
			}
			r, err := bench.Compare(context.Background(), n, progress, specs...)
			if err != nil {
				return err
			}
			if !*asJSON {
				fmt.Printf("%s, %v\n", name, v)
				r.Print(os.Stdout)
				fmt.Println()
			}
			all = append(all, r)
		}
	}
	if *asJSON {
		return json.NewEncoder(os.Stdout).Encode(all)
	}
	return nil
}

// specsFor is a work for each stack, quic-go first: ratios say how many times it needs.
func specsFor(work bench.Work, v wire.Version, scale float64) ([]bench.Spec, error) {
	s := bench.Spec{Work: work, Version: v, Datagram: 1350}
	stacks := []string{quicGo{}.Name(), bench.GQUIC{}.Name()}
	switch work {
	case bench.Bulk:
		s.Size = int64(scale * (512 << 20))
	case bench.Handshakes:
		s.Count = int(scale * 1000)
	case bench.Requests:
		s.Count, s.Message, s.Pin = int(scale*10000), 100, true
		stacks = append(stacks, bench.Raw{}.Name())
	case bench.Idle:
		s.Count, s.Parallel = int(scale*2000), 8
	default:
		return nil, fmt.Errorf("%q is no work", work)
	}
	var specs []bench.Spec
	for _, name := range stacks {
		s.Stack = name
		specs = append(specs, s)
	}
	return specs, nil
}
