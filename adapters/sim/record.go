package sim

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// Limits of a recording: what can be told apart in a picture.
const (
	maxDrawnFlows   = 8
	maxSamples      = 4000  // then every other is dropped, and samples come half as often
	maxMarks        = 20000 // retransmissions and drops
	firstSampleStep = 100 * time.Microsecond
)

// A Recording is what is drawn of a run: samples of flows and queues, and what was sent
// when. Give one to [Scenario.Run], then take its SVG.
type Recording struct {
	From, To time.Duration // the part to draw; To 0: to the end

	scenario *Scenario
	seed     uint64
	end      gquic.Instant
	step     time.Duration
	next     gquic.Instant
	at       []gquic.Instant // of the samples
	flows    []flowTrace     // the first few
	queues   []queueTrace    // of links with a rate
	marks    []mark          // retransmissions of the first flow, and drops
	first    sequence
}

// A flowTrace is a flow in samples.
type flowTrace struct {
	name                           string
	window, inFlight, srtt, latest []int64
	read                           []int64
}

// A queueTrace is a link's queue in samples, each the most since the one before.
type queueTrace struct {
	name  string
	index int
	size  int
	bytes []int64
	most  int64
}

// A mark is something at an instant: of the first flow a retransmission at a place of its
// sequence, or of a queue (its number is place) a datagram that was lost.
type mark struct {
	at    gquic.Instant
	place int64
	queue bool
}

// A sequence follows what the first flow's sender sends, by Config.Trace.
type sequence struct {
	host  string // the sender's
	h     conn.Handle
	known bool
	ends  map[wire.StreamID]uint64
	total int64
	sent  []int64 // in samples
}

// watch makes a host's endpoint show its packets.
func (rec *Recording) watch(host string, c *conn.Config) {
	c.Trace = func(p *conn.PacketTrace) {
		if p.Sent && host == rec.first.host && rec.first.known && p.Conn == rec.first.h {
			rec.packet(p)
		}
	}
}

// packet notes the stream data of a packet of the first flow.
func (rec *Recording) packet(p *conn.PacketTrace) {
	s := &rec.first
	frames := p.Frames()
	for f, err := frames.Next(); f != nil && err == nil; f, err = frames.Next() {
		data, ok := f.(*wire.StreamFrame)
		if !ok || data.StreamID == wire.CryptoStream || len(data.Data) == 0 {
			continue
		}
		end, before := data.Offset+uint64(len(data.Data)), s.ends[data.StreamID]
		if end <= before {
			rec.mark(mark{at: p.Now, place: s.total - int64(before-data.Offset)})
			continue
		}
		s.ends[data.StreamID] = end
		s.total += int64(end - before)
	}
}

func (rec *Recording) mark(m mark) {
	if len(rec.marks) < maxMarks && rec.within(m.at) {
		rec.marks = append(rec.marks, m)
	}
}

func (rec *Recording) within(t gquic.Instant) bool {
	return time.Duration(t) >= rec.From && (rec.To == 0 || time.Duration(t) <= rec.To)
}

// attach begins the recording of a world.
func (rec *Recording) attach(st *stage) {
	*rec = Recording{From: rec.From, To: rec.To, scenario: st.scenario, seed: st.seed, step: firstSampleStep}
	for _, f := range st.flows[:min(len(st.flows), maxDrawnFlows)] {
		rec.flows = append(rec.flows, flowTrace{name: f.name})
	}
	for i, l := range st.World.links {
		if l.cfg.Rate > 0 {
			rec.queues = append(rec.queues, queueTrace{name: l.name, index: i, size: l.cfg.Queue})
		}
	}
	rec.first.ends = map[wire.StreamID]uint64{}
	rec.first.host = st.World.nodes[st.flows[0].server].name
	if st.flows[0].upload() {
		rec.first.host = st.clients[0].name
	}
	st.World.Trace = func(e TraceEvent) {
		if e.Kind != TraceDropped {
			return
		}
		for i := range rec.queues {
			if rec.queues[i].name == e.Link {
				rec.mark(mark{at: e.Now, place: int64(i), queue: true})
			}
		}
	}
}

// sample is called after every event.
func (rec *Recording) sample(st *stage) {
	for i := range rec.queues {
		q := &rec.queues[i]
		if now := int64(st.World.links[q.index].bytes); now > q.most || !rec.within(st.now) {
			q.most = now
		}
	}
	if !rec.first.known {
		rec.identify(st)
	}
	if st.now < rec.next || !rec.within(st.now) {
		return
	}
	rec.next = st.now.Add(rec.step)
	rec.at = append(rec.at, st.now)
	for i := range rec.flows {
		t, f := &rec.flows[i], st.flows[i]
		c := f.senderConn(st.World, st.clients[i])
		var s conn.Stats
		if c != nil && !f.client.done {
			s = c.Stats()
		}
		t.window = append(t.window, int64(s.CongestionWindow))
		t.inFlight = append(t.inFlight, int64(s.BytesInFlight))
		t.srtt = append(t.srtt, int64(s.SmoothedRTT))
		t.latest = append(t.latest, int64(s.LatestRTT))
		t.read = append(t.read, f.reading(st.World).bytes)
	}
	for i := range rec.queues {
		q := &rec.queues[i]
		q.bytes = append(q.bytes, q.most)
		q.most = 0
	}
	rec.first.sent = append(rec.first.sent, rec.first.total)
	if len(rec.at) >= maxSamples {
		rec.thin()
	}
}

// identify finds the first flow's sender, once there is one.
func (rec *Recording) identify(st *stage) {
	if c := st.flows[0].senderConn(st.World, st.clients[0]); c != nil {
		rec.first.h, rec.first.known = c.Handle(), true
	}
}

// thin drops every other sample.
func (rec *Recording) thin() {
	half := func(v []int64, join func(a, b int64) int64) []int64 {
		for i := range len(v) / 2 {
			v[i] = join(v[2*i], v[2*i+1])
		}
		return v[:len(v)/2]
	}
	last := func(_, b int64) int64 { return b }
	for i := range len(rec.at) / 2 {
		rec.at[i] = rec.at[2*i+1]
	}
	rec.at = rec.at[:len(rec.at)/2]
	for i := range rec.flows {
		t := &rec.flows[i]
		t.window, t.inFlight, t.srtt = half(t.window, last), half(t.inFlight, last), half(t.srtt, last)
		t.latest, t.read = half(t.latest, last), half(t.read, last)
	}
	for i := range rec.queues {
		rec.queues[i].bytes = half(rec.queues[i].bytes, func(a, b int64) int64 { return max(a, b) })
	}
	rec.first.sent = half(rec.first.sent, last)
	rec.step *= 2
}

// finish ends the recording.
func (rec *Recording) finish(st *stage) {
	rec.end = st.now
	if rec.To > 0 {
		rec.end = min(rec.end, gquic.Instant(rec.To))
	}
	rec.end = max(rec.end, gquic.Instant(rec.From)+1)
}
