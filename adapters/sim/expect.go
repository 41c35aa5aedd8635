package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Expectation is a line of a scenario that says what must hold, for a flow, a link or the
// whole, in all runs or a share of them.
type Expectation struct {
	Text string // as written
	Line int
	Runs PPM // in how many runs it must hold

	metric *metric
	name   string // of a flow or link; empty: all flows
	op     string
	value  quantity
}

// A Check is what became of an expectation in a run.
type Check struct {
	Held bool
	Got  string // what was measured, of the flow or link that was worst
}

// A subject is what a metric is of.
type subject uint8

const (
	ofFlow subject = iota
	ofLink
	ofAll
)

// A kind is what a metric is measured in.
type kind uint8

const (
	times  kind = iota // ns
	rates              // bits per second
	shares             // ppm
	counts
)

// A metric is something that expectations are about.
type metric struct {
	name  string
	of    subject
	kind  kind
	flow  func(*FlowRun) int64
	link  func(*LinkRun) int64
	whole func(*Run) int64

	windowed bool // measured in the scenario's window
}

var metrics = []metric{
	{name: "done", of: ofAll, kind: shares, whole: func(r *Run) int64 {
		n := 0
		for i := range r.Flows {
			if r.Flows[i].Done {
				n++
			}
		}
		return int64(n) * 1_000_000 / int64(len(r.Flows))
	}},
	{name: "time", of: ofFlow, kind: times, flow: func(f *FlowRun) int64 { return int64(f.Time) }},
	{name: "handshake", of: ofFlow, kind: times, flow: func(f *FlowRun) int64 { return int64(f.Handshake) }},
	{name: "goodput", windowed: true, of: ofFlow, kind: rates, flow: func(f *FlowRun) int64 { return f.Goodput }},
	{name: "stall", of: ofFlow, kind: times, flow: func(f *FlowRun) int64 { return int64(f.Stall) }},
	{name: "resume", of: ofFlow, kind: times, flow: func(f *FlowRun) int64 { return int64(f.Resume) }},
	{name: "spurious", of: ofFlow, kind: counts, flow: func(f *FlowRun) int64 { return int64(f.Sender.SpuriousLosses) }},
	{name: "answers", of: ofFlow, kind: shares, flow: func(f *FlowRun) int64 { return ratio(f.Sender.PacketsReceived, f.Sender.PacketsSent) }},
	{name: "use", windowed: true, of: ofLink, kind: shares, link: func(l *LinkRun) int64 { return int64(l.Use) }},
	{name: "wait", windowed: true, of: ofLink, kind: times, link: func(l *LinkRun) int64 { return int64(l.Wait95) }},
	{name: "dropped", of: ofLink, kind: counts, link: func(l *LinkRun) int64 { return int64(l.Stats.QueueDropped + l.Stats.CoDelDropped) }},
	{name: "retransmitted", of: ofAll, kind: shares, whole: func(r *Run) int64 { return ratio(r.Retransmitted, r.Sent) }},
	{name: "connections", of: ofAll, kind: counts, whole: func(r *Run) int64 { return int64(r.Connections) }},
	{name: "fairness", windowed: true, of: ofAll, kind: shares, whole: func(r *Run) int64 { return int64(r.Fairness) }},
}

// ratio is a/b in parts per million.
func ratio(a, b uint64) int64 {
	if b == 0 {
		return 0
	}
	return int64(a * 1_000_000 / b)
}

func metricNames() string {
	var names []string
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

// A quantity is what a metric is compared with: a number, or a multiple of something
// that was measured.
type quantity struct {
	number int64 // in the metric's unit; with a unit, millionths of it
	unit   string
}

// expect is expect [N% of runs:] METRIC [NAME] OP VALUE.
func (p *parser) expect(words []string) error {
	e := Expectation{Text: strings.Join(words, " "), Line: p.line, Runs: 100 * Percent}
	if len(words) > 3 && words[1] == "of" && words[2] == "runs:" {
		share, err := parseShare(words[0])
		if err != nil {
			return err
		}
		e.Runs = share
		words = words[3:]
	}
	if len(words) < 3 {
		return fmt.Errorf("want expect [N%% of runs:] METRIC [NAME] OP VALUE, such as expect goodput bulk >= 9mbit")
	}
	for i := range metrics {
		if metrics[i].name == words[0] {
			e.metric = &metrics[i]
		}
	}
	if e.metric == nil {
		return fmt.Errorf("unknown metric %q: want one of %s", words[0], metricNames())
	}
	words = words[1:]
	if !isOperator(words[0]) {
		e.name = words[0]
		words = words[1:]
	}
	if len(words) < 2 || !isOperator(words[0]) {
		return fmt.Errorf("want an operator and a value after the name: <=, >= or within")
	}
	e.op = words[0]
	var err error
	if e.value, err = e.parseValue(words[1:]); err != nil {
		return err
	}
	p.s.Expectations = append(p.s.Expectations, e)
	p.expectations = append(p.expectations, p.line)
	return nil
}

func isOperator(word string) bool { return word == "<=" || word == ">=" || word == "within" }

// parseValue reads what stands behind the operator.
func (e *Expectation) parseValue(words []string) (q quantity, err error) {
	if e.op == "within" {
		if len(words) != 3 || words[1] != "of" || words[2] != "cubic" || e.metric.name != "goodput" {
			return q, fmt.Errorf("want goodput FLOW within SHARE of cubic: the rate that Cubic's own law gives")
		}
		share, err := parseShare(words[0])
		return quantity{int64(share), "cubic"}, err
	}
	if len(words) == 2 {
		number := strings.TrimSuffix(words[0], "x")
		n, ok := decimal(number, 1_000_000)
		unit := words[1]
		fits := e.metric.kind == times && e.metric.of == ofFlow && (unit == "rtt" || unit == "rto") || e.metric.name == "retransmitted" && unit == "lost"
		if !ok || !fits {
			return q, fmt.Errorf("%q: want a multiple such as 3 rtt, 2 rto (times of flows) or 1.5x lost (retransmitted)", strings.Join(words, " "))
		}
		return quantity{n, unit}, nil
	}
	if len(words) != 1 {
		return q, fmt.Errorf("%q: want one value", strings.Join(words, " "))
	}
	switch e.metric.kind {
	case times:
		var d time.Duration
		d, err = parseDuration(words[0])
		q.number = int64(d)
	case rates:
		q.number, err = parseRate(words[0])
	case shares:
		var share PPM
		share, err = parseShare(words[0])
		q.number = int64(share)
	case counts:
		if q.number, err = strconv.ParseInt(words[0], 10, 64); err != nil {
			err = fmt.Errorf("%q is no number", words[0])
		}
	}
	return q, err
}

func (p *parser) checkExpectation(e *Expectation) error {
	switch e.metric.of {
	case ofAll:
		if e.name != "" {
			return fmt.Errorf("%s is of the whole run: want no name", e.metric.name)
		}
	case ofLink:
		if e.name == "" {
			return fmt.Errorf("%s is of a link: want expect %s LINK %s VALUE", e.metric.name, e.metric.name, e.op)
		}
		l := p.findLink(e.name)
		if l == nil {
			return p.unknown("link", e.name)
		}
		if l.Rate == 0 {
			return fmt.Errorf("link %s has no rate: want one for %s", e.name, e.metric.name)
		}
	case ofFlow:
		found := false
		for i := range p.s.Flows {
			if f := &p.s.Flows[i]; e.name == "" || f.Name == e.name {
				found = true
				if e.metric.name == "resume" && !p.hasOutage(f) {
					data, _ := p.s.dataPath(f)
					return fmt.Errorf("resume is of outages, and %s has none: want at TIME outage LINK TIME, with a link of its data's, %v", f.Name, data)
				}
				if e.value.unit == "cubic" && p.s.law(f) == 0 {
					data, acks := p.s.dataPath(f)
					return fmt.Errorf("by Cubic's law there is no rate for %s: want loss=SHARE on a link of %v, and delay on one of %v or %v", f.Name, data, data, acks)
				}
			}
		}
		if !found {
			return p.unknown("flow", e.name)
		}
	}
	return nil
}

// hasOutage reports whether there is an outage on the way of a flow's data.
func (p *parser) hasOutage(f *FlowSpec) bool {
	data, _ := p.s.dataPath(f)
	for _, fault := range p.s.Faults {
		if fault.Verb == "outage" && slices.Contains(data, fault.Target) {
			return true
		}
	}
	return false
}

// check holds a run against the expectation.
func (e *Expectation) check(s *Scenario, r *Run) Check {
	if e.metric.windowed && r.Window.To <= r.Window.From {
		return Check{false, fmt.Sprintf("nothing measured: the run was over at %s, measure begins at %v", formatTime(r.Virtual), time.Duration(s.Measure.From))}
	}
	worst := Check{Held: true}
	judge := func(name string, got, want int64) {
		held := got <= want
		switch e.op {
		case ">=":
			held = got >= want
		case "within":
			held = (got-want) <= want*e.value.number/1_000_000 && (want-got) <= want*e.value.number/1_000_000
		}
		text := e.metric.kind.format(got)
		if name != "" {
			text = name + " " + text
		}
		if e.value.unit != "" {
			text += fmt.Sprintf(" against %s", e.metric.kind.format(want))
		}
		if worst.Got == "" || worst.Held && !held {
			worst = Check{held, text}
		}
	}
	switch e.metric.of {
	case ofAll:
		want := e.value.number
		if e.value.unit == "lost" {
			want = ratio(r.Lost, r.Sent) * e.value.number / 1_000_000
		}
		judge("", e.metric.whole(r), want)
	case ofLink:
		for i := range r.Links {
			if l := &r.Links[i]; l.Name == e.name {
				judge("", e.metric.link(l), e.value.number)
			}
		}
	case ofFlow:
		for i := range r.Flows {
			f := &r.Flows[i]
			if e.name == "" || e.name == f.Group {
				if e.metric.name == "resume" && f.Outages == 0 {
					worst = Check{false, f.Name + " had no outage that ended between its first byte and its last"}
					break
				}
				judge(f.Name, e.metric.flow(f), e.value.of(f))
			}
		}
	}
	return worst
}

// of returns the quantity in the metric's unit, for a flow.
func (q quantity) of(f *FlowRun) int64 {
	switch q.unit {
	case "rtt":
		return int64(f.Sender.MinRTT) / 1000 * q.number / 1000
	case "rto":
		return int64(f.RTO) / 1000 * q.number / 1000
	case "cubic":
		return f.Law
	}
	return q.number
}

func (k kind) format(v int64) string {
	switch k {
	case times:
		return formatTime(time.Duration(v))
	case rates:
		return formatRate(v)
	case shares:
		return formatShare(v)
	}
	return strconv.FormatInt(v, 10)
}
