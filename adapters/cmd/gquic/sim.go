package main

import (
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"runtime"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/wire"
)

var simVerb = verb{
	name:    "sim",
	summary: "transfers and scenarios in a simulated network, the same for the same seed",
	about: `
One client gets -size bytes from one server over a link that -loss, -delay and -rate
describe, in virtual time. The digest is over every datagram: it is the same again for
the same flags, on every machine.

With -scenario it runs a world that a text file describes (docs/simulation.md), once for
each of -seeds, prints what came of it over all of them, and names the first seed with
which an expectation failed. -svg draws the run of the first seed.`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		s := &simulation{delay: 50 * time.Millisecond, rate: 10e6, size: 16 << 20, versions: versionList{wire.Q043}}
		fs.Uint64Var(&s.seed, "seed", 1, "what all randomness comes from")
		fs.Var(&s.loss, "loss", "`probability` that a datagram is lost, such as 0.02 or 2%")
		fs.DurationVar(&s.delay, "delay", s.delay, "one way")
		fs.Var(&s.rate, "rate", "of the link each way, such as 10mbit; 0: no limit")
		fs.Var(&s.size, "size", "bytes to move, such as 16MiB")
		fs.Var(&s.versions, "version", "of the protocol, one")
		fs.BoolVar(&s.null, "null-cipher", false, "leave out the encryption, to see what it costs")
		fs.BoolVar(&s.early, "early", false, "resume an earlier connection (0-RTT)")
		c := &scenarios{jobs: runtime.GOMAXPROCS(0)}
		fs.StringVar(&c.file, "scenario", "", "`file` with a scenario to run; the flags of single transfers do not matter then")
		fs.StringVar(&c.seeds, "seeds", "", "one seed or a `range` such as 1:200 to run a scenario with; empty: those of the file")
		fs.IntVar(&c.jobs, "jobs", c.jobs, "runs of a scenario at once")
		fs.StringVar(&c.svg, "svg", "", "`file` to draw a scenario's first run into")
		fs.StringVar(&c.zoom, "zoom", "", "`part` of the run to draw, such as 1s:1.5s; empty: all of it")
		cost := false
		fs.BoolVar(&cost, "cost", false, "with -json: tell what the run took too, which differs from run to run")
		return func(ctx context.Context, o *output) error {
			s.cost, c.cost = cost, cost
			if c.file != "" {
				if err := onlyScenario(fs); err != nil {
					return err
				}
				return c.run(ctx, o)
			}
			if c.svg != "" || c.seeds != "" || c.zoom != "" {
				return misusef("-svg, -zoom and -seeds go with -scenario")
			}
			return s.run(ctx, o)
		}
	},
}

// onlyScenario refuses the flags of single transfers, which a scenario's file decides.
func onlyScenario(fs *flag.FlagSet) (err error) {
	fs.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "seed":
			err = misusef("-seed goes with single transfers: want -seeds %v with -scenario", f.Value)
		case "loss", "delay", "rate", "size", "version", "null-cipher", "early":
			err = misusef("-%s goes with single transfers: with -scenario the file says it", f.Name)
		}
	})
	return err
}

type simulation struct {
	seed     uint64
	loss     probability
	delay    time.Duration
	rate     rate
	size     size
	versions versionList
	early    bool
	null     bool
	cost     bool
}

func (s *simulation) run(ctx context.Context, o *output) error {
	if s.delay < 0 {
		return misusef("-delay is negative")
	}
	if len(s.versions) != 1 {
		return misusef("-version takes one version")
	}
	started := time.Now()
	r := sim.Transfer{
		Seed: s.seed, Version: s.versions[0], Download: int64(s.size), ZeroRTT: s.early, NullCipher: s.null,
		Link:  sim.LinkConfig{Delay: s.delay, Rate: int64(s.rate), Loss: sim.PPM(s.loss)},
		Limit: 1000 * time.Hour,
		Each:  func(*sim.World) bool { return ctx.Err() == nil },
	}.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted")
	}
	report := struct {
		summary
		Seed        uint64  `json:"seed"`
		RealSeconds float64 `json:"real_seconds,omitempty"` // with -cost
		Digest      string  `json:"digest"`
		Error       string  `json:"error,omitempty"`
	}{
		summary: summary{
			Version: r.Version.String(), ZeroRTT: r.ZeroRTT, HandshakeRTTs: r.HandshakeRTTs,
			HandshakeMS: milliseconds(r.HandshakeTime), Bytes: r.Bytes, Seconds: r.Duration.Seconds(),
			MBPerS: perSecond(r.Bytes, r.Duration.Seconds()), Lost: r.PacketsLost, OK: r.OK,
		},
		Seed: s.seed, Digest: hex.EncodeToString(r.Digest[:]),
	}
	if s.cost {
		report.RealSeconds = time.Since(started).Seconds()
	}
	if r.Err != nil && r.Network.Sent > 0 && r.Network.Delivered == 0 {
		r.Err = fmt.Errorf("%w: none of %d datagrams arrived, with -loss %v, -rate %v and -delay %v", r.Err, r.Network.Sent, s.loss, s.rate, s.delay)
	}
	if r.Err != nil {
		report.Error = r.Err.Error()
	}
	o.object(report)
	if r.Err != nil {
		return r.Err // it names the seed
	}
	o.printf("%v\n", report.summary)
	o.printf("digest %s\n", report.Digest)
	return nil
}
