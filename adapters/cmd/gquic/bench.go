package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"example.com/gquic/adapters/bench"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// benchVerbs measure this library; fuzz/interop/bench does the same work over other
// stacks, too.
var benchVerbs = []verb{
	benchVerb(bench.Bulk, "CPU to move bytes from a server to a client"),
	benchVerb(bench.Handshakes, "CPU of a handshake"),
	benchVerb(bench.Requests, "CPU of a small round trip, beside raw UDP's"),
	benchVerb(bench.Idle, "memory of a server's idle connections"),
}

func benchVerb(work bench.Work, summary string) verb {
	return verb{
		name:    "bench " + string(work),
		summary: summary,
		about: `
Server and client are processes of their own, on the loopback interface. Figures are medians
of -runs; CPU is user and system time.`,
		flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
			b := &benchmark{versions: versionList{wire.Q043, wire.Q044}, spec: bench.Spec{Work: work, Stack: bench.GQUIC{}.Name()}}
			b.define(fs)
			return b.run
		},
	}
}

type benchmark struct {
	spec     bench.Spec
	versions versionList
	size     size
	runs     int
}

func (b *benchmark) define(fs *flag.FlagSet) {
	s := &b.spec
	fs.Var(&b.versions, "versions", "versions to measure, in turns")
	fs.IntVar(&b.runs, "runs", 5, "runs of each, of which the median counts")
	fs.StringVar(&s.CPUProfile, "cpuprofile", "", "`file` for CPU profiles; .server and .client are added")
	fs.StringVar(&s.HeapProfile, "memprofile", "", "`file` for heap profiles; .server and .client are added")
	fs.BoolVar(&s.NoOffload, "no-offload", false, "one system call for each datagram")
	fs.BoolVar(&s.Decimate, "decimate", false, "acknowledge every tenth packet")
	fs.IntVar(&s.Datagram, "datagram", conn.DefaultDatagramSize, "UDP payload of a full packet, in bytes")
	fs.IntVar(&s.Procs, "procs", 0, "threads that run Go code in each process, its GOMAXPROCS; 0: the default")
	switch s.Work {
	case bench.Bulk:
		b.size = 1 << 30
		fs.Var(&b.size, "size", "bytes to move")
	case bench.Handshakes:
		fs.IntVar(&s.Count, "count", 1000, "handshakes in a run")
		fs.IntVar(&s.Parallel, "parallel", 1, "handshakes at a time")
		fs.BoolVar(&s.Resume, "0rtt", false, "resume with what the connection before left")
		fs.DurationVar(&s.KeyShare, "key-share", 0, "how long the server's key share serves all connections; 0: each has its own")
		fs.BoolVar(&s.RSA, "rsa", false, "the server's key is RSA-2048, not P-256")
	case bench.Requests:
		fs.IntVar(&s.Count, "count", 20000, "round trips in a run")
		fs.IntVar(&s.Message, "message", 100, "bytes each way")
		fs.BoolVar(&s.NewStream, "new-stream", false, "each on a stream of its own")
		fs.BoolVar(&s.Pin, "pin", false, "both processes on one core (Linux)")
	case bench.Idle:
		fs.IntVar(&s.Count, "connections", 10000, "connections to hold")
		fs.IntVar(&s.Parallel, "parallel", 8, "how many are opened at a time")
		b.runs, b.versions = 1, versionList{wire.Q043}
		fs.Lookup("runs").DefValue, fs.Lookup("versions").DefValue = "1", "Q043"
	}
}

func (b *benchmark) run(ctx context.Context, o *output) error {
	b.spec.Size = int64(b.size)
	if b.runs < 1 || b.spec.Work != bench.Bulk && b.spec.Count < 1 {
		return misusef("-runs and the count must be at least 1")
	}
	if b.spec.Procs < 0 {
		return misusef("-procs must be at least 0")
	}
	var all []*bench.Report
	for _, v := range b.versions {
		s := b.spec
		s.Version = v
		specs := []bench.Spec{s}
		if s.Work == bench.Requests && !s.NewStream {
			raw := s
			raw.Stack = bench.Raw{}.Name()
			specs = []bench.Spec{raw, s}
		}
		began := time.Now()
		r, err := bench.Compare(ctx, b.runs, func(line string) { fmt.Fprintf(o.stderr, "%v %s\n", v, line) }, specs...)
		if err != nil {
			return err
		}
		o.printf("%s, %v, %d runs in %.0f s\n", s.Work, v, b.runs, time.Since(began).Seconds())
		if !o.json {
			r.Print(o.stdout)
		}
		all = append(all, r)
	}
	o.object(all)
	return nil
}
