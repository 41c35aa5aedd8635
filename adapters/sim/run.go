package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// A Run is how a scenario went with a seed.
type Run struct {
	Seed    uint64
	Err     error // of the world: a wrong byte, an endpoint that spins; not that a flow is unfinished
	Flows   []FlowRun
	Links   []LinkRun
	Checks  []Check // one for each expectation
	Happens []bool  // which of the scenario's faults did, before the run was over
	Network Stats
	Virtual time.Duration // the run's time in the world
	Real    time.Duration // what it took, if a clock was given
	Digest  [32]byte

	Sent, Retransmitted, Lost uint64 // bytes: of all datagrams; of stream data sent again; of datagrams that did not arrive
	Window                    Window // in which rates were measured
	Fairness                  PPM    // Jain's index of the flows' goodput
	Connections               int    // the most that one endpoint had at once
}

// OK reports whether nothing is wrong with the run itself, expectations aside.
func (r *Run) OK() bool { return r.Err == nil }

// A FlowRun is how a flow went.
type FlowRun struct {
	Name, Group string
	Done        bool
	Err         error         // why it is not done
	Handshake   time.Duration // until connected; the scenario's limit if it never was
	Time        time.Duration // from the dial until all was acknowledged; the scenario's limit if it was not
	Bytes       int64         // that the reading side got in all
	Goodput     int64         // bits of them per second, in the window of measurement
	Stall       time.Duration // the longest time without a byte, between the first and the last
	Resume      time.Duration // the longest time from an outage's end to the next byte
	Outages     int           // of its data's way that ended after its first byte and before its last
	RTO         time.Duration // the sender's retransmission timer when an outage ended
	Sender      conn.Stats
	Law         int64 // the rate that Cubic's own law gives, bits per second; 0: not known

	delivered int64 // in the window
}

// A LinkRun is what a link did.
type LinkRun struct {
	Name   string
	Stats  LinkStats
	Use    PPM           // of the rate, in the window of measurement; 0: no rate
	Wait50 time.Duration // median of the waits in the queue, in the window
	Wait95 time.Duration
	rate   int64
}

// A snapshot is what the counters were at an instant.
type snapshot struct {
	at    gquic.Instant
	flows []int64
	links []LinkStats
	waits []histogram
}

func (st *stage) snap() snapshot {
	s := snapshot{at: st.now}
	for _, f := range st.flows {
		s.flows = append(s.flows, f.reading(st.World).bytes)
	}
	for _, l := range st.World.links {
		s.links = append(s.links, l.stats)
		if s.waits = append(s.waits, histogram{}); l.waits != nil {
			s.waits[len(s.waits)-1] = *l.waits
		}
	}
	return s
}

// Run runs the scenario with a seed. It ends early, with the context's error, when ctx
// is done. clock, if not nil, tells real time for Run.Real. rec, if not nil, is filled.
func (s *Scenario) Run(ctx context.Context, seed uint64, clock func() time.Time, rec *Recording) (*Run, error) {
	r := &Run{Seed: seed}
	var begin time.Time
	if clock != nil {
		begin = clock()
	}
	var watch func(string, *conn.Config)
	if rec != nil {
		watch = rec.watch
	}
	st, err := s.stage(seed, watch)
	if err != nil {
		return nil, err
	}
	if rec != nil {
		rec.attach(st)
	}
	var from, to snapshot
	st.At(s.Measure.From, func(*World) { from = st.snap() })
	if s.Measure.To != gquic.Never {
		st.At(s.Measure.To, func(*World) { to = st.snap() })
	}
	if err := st.run(ctx, gquic.Instant(s.Limit), rec); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, ErrLimit) && !errors.Is(err, ErrStuck) {
			r.Err = err
		}
	}
	end := st.snap()
	if from.flows == nil {
		from = end
	}
	if to.flows == nil {
		to = end
	}
	r.Window = Window{from.at, to.at}
	st.collect(r, from, to)
	for i := range s.Expectations {
		r.Checks = append(r.Checks, s.Expectations[i].check(s, r))
	}
	if clock != nil {
		r.Real = clock().Sub(begin)
	}
	if rec != nil {
		rec.finish(st)
	}
	return r, nil
}

// run moves the world until all flows are done, looking at ctx now and then.
func (st *stage) run(ctx context.Context, limit gquic.Instant, rec *Recording) error {
	if rec == nil && ctx.Done() == nil {
		return st.World.Run(limit)
	}
	st.start()
	for i := 1; !st.Done(); i++ {
		if next := st.next(); next == gquic.Never {
			return st.unfinished(ErrStuck)
		} else if next > limit {
			return st.unfinished(ErrLimit)
		}
		if !st.Step() {
			return st.err
		}
		if rec != nil {
			rec.sample(st)
		}
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return st.err
}

// collect fills r after the run.
func (st *stage) collect(r *Run, from, to snapshot) {
	s := st.scenario
	r.Network, r.Digest, r.Virtual = st.Stats(), st.Digest(), time.Duration(st.now)
	r.Sent, r.Lost = r.Network.BytesSent, r.Network.BytesUnroutable
	for i, f := range st.flows {
		r.Flows = append(r.Flows, st.flowRun(i, f, from, to))
		r.Retransmitted += r.Flows[i].Sender.BytesRetransmitted
	}
	for i, l := range st.World.links {
		waits := to.waits[i].since(&from.waits[i])
		run := LinkRun{Name: l.name, Stats: l.stats, rate: s.Links[i].Rate,
			Wait50: time.Duration(waits.quantile(50 * Percent)), Wait95: time.Duration(waits.quantile(95 * Percent))}
		if run.rate > 0 {
			a, b := &from.links[i], &to.links[i]
			passed := int64(b.BytesPassed-a.BytesPassed+HeaderBytes*(b.Passed-a.Passed)) * 8
			if us := to.at.Sub(from.at).Microseconds(); us > 0 {
				run.Use = PPM(passed * 1_000_000 / us * 1_000_000 / s.meanRate(&s.Links[i], from.at, to.at))
			}
		}
		r.Lost += l.stats.BytesLost
		r.Links = append(r.Links, run)
	}
	for _, f := range s.Faults {
		r.Happens = append(r.Happens, f.At < time.Duration(st.now))
	}
	r.Fairness = jain(r.Flows)
	for _, n := range st.World.nodes {
		r.Connections = max(r.Connections, n.app.(*host).most)
	}
}

// meanRate is the mean of a link's rate in a window, with what faults set it to.
func (s *Scenario) meanRate(l *LinkSpec, from, to gquic.Instant) (mean int64) {
	type change struct {
		at gquic.Instant
		do func(*LinkConfig)
	}
	var changes []change
	for _, f := range s.Faults {
		if f.Verb == "set" && f.Target == l.Name {
			f.times(min(s.Limit, time.Duration(to)), func(t gquic.Instant) { changes = append(changes, change{t, f.Change}) })
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	cfg, since := l.LinkConfig, from
	whole := uint64(to.Sub(from))
	add := func(until gquic.Instant) {
		if until > since { // this piece's share of the mean; what is left of a bit is lost
			high, low := bits.Mul64(uint64(cfg.Rate), uint64(until.Sub(since)))
			share, _ := bits.Div64(high, low, whole) // a piece is no longer than the whole, and a rate is below 1<<63
			mean += int64(share)
			since = until
		}
	}
	for _, c := range changes {
		add(c.at)
		c.do(&cfg)
	}
	add(to)
	return max(mean, 1)
}

func (st *stage) flowRun(i int, f *flow, from, to snapshot) FlowRun {
	if !f.client.done {
		f.ended(st.clients[i], nil)
	}
	c := f.client.result
	m := f.final
	run := FlowRun{
		Name: f.name, Group: f.Name, Done: f.client.done && f.err == nil, Err: f.err,
		Bytes: m.bytes, Stall: m.stall, Resume: m.resume, Outages: m.outages, RTO: f.rto, Sender: f.sender,
		Law: st.scenario.law(&f.FlowSpec),
	}
	end := c.Finished
	if !f.client.done {
		end = st.now
		if run.Err == nil {
			run.Err = fmt.Errorf("unfinished: %v", f.client)
		}
		if m.last != gquic.Never { // what it waits for counts as a stall
			run.Stall = max(run.Stall, end.Sub(m.last))
			for _, o := range m.ends {
				if o < end && o > m.first {
					run.Outages++
					run.Resume = max(run.Resume, end.Sub(o))
				}
			}
		}
	}
	run.Time = end.Sub(c.Dialed)
	if !run.Done { // it takes for ever, and for ever is the limit here
		run.Time = max(run.Time, st.scenario.Limit)
	}
	run.Handshake = st.scenario.Limit
	if c.Connected > 0 {
		run.Handshake = c.Connected.Sub(c.Dialed)
	}
	run.delivered = to.flows[i] - from.flows[i]
	if us := min(end, to.at).Sub(max(c.Dialed, from.at)).Microseconds(); us > 0 {
		run.Goodput = run.delivered * 8 * 1_000 / us * 1_000
		if run.delivered < 1<<40 {
			run.Goodput = run.delivered * 8 * 1_000_000 / us
		}
	}
	return run
}

// jain is Jain's index of fairness: 1 when all get the same, 1/n when one gets all.
func jain(flows []FlowRun) PPM {
	var sum, squares, top uint64
	for i := range flows {
		top = max(top, uint64(flows[i].Goodput))
	}
	for i := range flows {
		x := uint64(flows[i].Goodput) << 20 / max(top, 1) // a share of the largest: no overflow
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	high, low := bits.Mul64(sum, sum)
	index, _ := bits.Div64(high, low, uint64(len(flows))) // over squares
	if index >= squares {
		return 1_000_000
	}
	high, low = bits.Mul64(index, 1_000_000)
	ppm, _ := bits.Div64(high, low, squares)
	return PPM(ppm)
}

// law is the rate of a Cubic flow of one connection by its own law (RFC 9438, section
// 5.1), the larger of the cubic and the Reno-friendly one, for the path's loss and delay, in
// bits of stream data per second. Only expectations use it: floating point does no harm.
func (s *Scenario) law(f *FlowSpec) int64 {
	const (
		packet   = 1350.0
		overhead = 33.0 // header, tag, frame header
		unit     = 1460.0
	)
	pass, rtt := 1.0, time.Duration(0)
	data, acks := s.dataPath(f)
	for _, l := range s.Links {
		for _, name := range data {
			if name == l.Name {
				pass *= 1 - float64(l.Loss)/1e6
				rtt += l.Delay
			}
		}
		for _, name := range acks {
			if name == l.Name {
				rtt += l.Delay
			}
		}
	}
	p, seconds := 1-pass, rtt.Seconds()
	if p <= 0 || seconds <= 0 {
		return 0
	}
	cubic := math.Pow(0.4*3.7/1.2, 0.25) * math.Pow(seconds/p, 0.75) * packet
	reno := math.Sqrt(1.5/p) * math.Sqrt(packet*unit) // a window grows by alpha units, and packets are lost
	return int64(max(cubic, reno) / seconds * 8 * pass * (packet - overhead) / packet)
}
