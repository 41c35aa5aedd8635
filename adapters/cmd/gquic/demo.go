package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var demoVerb = verb{
	name:    "demo",
	summary: "server and client in one process over loopback, with the handshake's packets",
	about: `
For each version: a first contact and a second one with 0-RTT, each moving -size bytes
each way over real UDP sockets, checked. It prints the packets of each handshake as the
client sees them, and one line for each run.`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		d := &demo{versions: versionList{wire.Q043, wire.Q044}, size: 16 << 20}
		fs.Var(&d.versions, "versions", "versions to show, in this order")
		fs.Var(&d.size, "size", "bytes to move each way")
		return d.run
	},
}

type demo struct {
	versions versionList
	size     size
}

// A summary is one transfer in numbers.
type summary struct {
	Version       string  `json:"version"`
	ZeroRTT       bool    `json:"zero_rtt"`
	HandshakeRTTs int     `json:"handshake_rtts"`
	HandshakeMS   float64 `json:"handshake_ms"`
	Bytes         int64   `json:"bytes"`
	Seconds       float64 `json:"seconds"`
	MBPerS        float64 `json:"mb_per_s"`
	Lost          uint64  `json:"packets_lost"`
	OK            bool    `json:"ok"`
}

func (s summary) String() string {
	contact := "first contact"
	if s.ZeroRTT {
		contact = "0-RTT"
	}
	return fmt.Sprintf("%s %s: handshake %s (%.1f ms), %d bytes in %.3f s%s, %s", s.Version, contact,
		plural(uint64(s.HandshakeRTTs), "round trip", "round trips"), s.HandshakeMS, s.Bytes, s.Seconds, rateOf(s.Bytes, s.MBPerS), plural(s.Lost, "loss", "losses"))
}

func (d *demo) run(ctx context.Context, o *output) error {
	type result struct {
		summary
		Ladder []rung `json:"ladder"`
	}
	var all struct {
		Runs []result `json:"runs"`
		OK   bool     `json:"ok"`
	}
	for _, v := range d.versions {
		cert, err := udp.SelfSigned("localhost")
		if err != nil {
			return err
		}
		pin, err := udp.Fingerprint(cert.Chain)
		if err != nil {
			return err
		}
		l, err := udp.Listen("127.0.0.1:0", &udp.Config{Conn: conn.Config{
			Versions: []wire.Version{v},
			Server:   &handshake.HostConfig{Certificates: []handshake.Certificate{cert}},
		}})
		if err != nil {
			return err
		}
		defer l.Close()
		var kept *handshake.Resumption
		for range 2 {
			steps := new(ladder)
			r := demoRun{l: l, size: int64(d.size), pin: pin, version: v, kept: kept, ladder: steps}
			s, err := r.run(ctx)
			o.printf("%v\n", steps)
			if ctx.Err() != nil {
				return errInterrupted
			}
			if err != nil {
				return fmt.Errorf("%v: %w", v, reason(err))
			}
			o.printf("%v\n\n", s)
			all.Runs = append(all.Runs, result{s, steps.rungs})
			kept = r.kept
		}
	}
	all.OK = true
	o.object(all)
	return nil
}

// A demoRun is one connection: it sends both ways on one stream and checks both.
type demoRun struct {
	l       *udp.Listener
	size    int64
	pin     [32]byte
	version wire.Version
	kept    *handshake.Resumption // in: of the run before; out: for the next
	ladder  *ladder
	lost    uint64 // packets, by the server's count
}

// The seeds of what is sent, up and down.
var upSeed, downSeed = [32]byte{'u', 'p'}, [32]byte{'d', 'o', 'w', 'n'}

func (r *demoRun) run(ctx context.Context) (summary, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- r.serve(ctx) }()

	started := time.Now()
	c, err := udp.DialEarly(ctx, r.l.Addr().String(), &udp.Config{Conn: conn.Config{
		Versions: []wire.Version{r.version},
		Client:   &handshake.ClientConfig{Pin: [][32]byte{r.pin}},
		Trace:    r.ladder.add,
	}}, udp.WithServerName("localhost"), udp.WithResumption(r.kept))
	if err != nil {
		return summary{}, err
	}
	defer c.CloseWithError(wire.PeerGoingAway, "")
	defer context.AfterFunc(ctx, func() { c.CloseWithError(wire.PeerGoingAway, "interrupted") })()
	s, err := c.OpenStream(ctx)
	if err != nil {
		return summary{}, err
	}
	if err := bothWays(s, newContent(upSeed, r.size), newContent(downSeed, r.size)); err != nil {
		return summary{}, err
	}
	if err := <-served; err != nil {
		return summary{}, fmt.Errorf("server: %w", err)
	}
	took := time.Since(started).Seconds()
	state := c.State()
	r.kept = c.Resumption()
	return summary{
		Version: state.Version.String(), ZeroRTT: state.ZeroRTT, HandshakeRTTs: state.Stats.Hellos - 1,
		HandshakeMS: milliseconds(state.Stats.HandshakeTime), Bytes: 2 * r.size, Seconds: math.Round(took*1e6) / 1e6,
		MBPerS: perSecond(2*r.size, took), Lost: r.lost + state.Stats.PacketsLost, OK: true,
	}, c.Close()
}

func (r *demoRun) serve(ctx context.Context) error {
	c, err := r.l.Accept(ctx)
	if err != nil {
		return err
	}
	s, err := c.AcceptStream(ctx)
	if err != nil {
		return err
	}
	err = bothWays(s, newContent(downSeed, r.size), newContent(upSeed, r.size))
	r.lost = c.State().Stats.PacketsLost
	return err
}

// bothWays sends one content and checks the other at once.
func bothWays(s *udp.Stream, out, in *content) error {
	nothing := func(int) {}
	sent := make(chan error, 1)
	go func() {
		err := out.send(s, nothing)
		if err == nil {
			err = s.CloseWrite()
		}
		sent <- err
	}()
	err := in.check(s, nothing)
	if err != nil {
		s.Reset(wire.StreamCancelled)
	}
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return err
}
