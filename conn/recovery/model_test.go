package recovery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A fate is what a plain model knows of a packet.
type fate struct {
	Packet
	state   string // "out", "acked", "lost", "abandoned"
	ended   int    // how often it left the flight
	reports int    // how often it was reported acknowledged
}

// A model is a detector without rules of its own: it knows what was sent and believes
// reports only as far as they are consistent with it.
type model struct {
	packets map[wire.PacketNumber]*fate
	skipped []wire.PacketNumber
	largest wire.PacketNumber // acknowledged
	last    wire.PacketNumber // sent
}

func (m *model) inFlight() (bytes uint64, count int) {
	for _, p := range m.packets {
		if p.state == "out" && p.Has(Retransmittable) {
			bytes += uint64(p.Size)
			count++
		}
	}
	return bytes, count
}

// lost returns what the rules make lost at now, each packet judged by itself, and when the
// first of the others becomes too old. previous is the largest acknowledged before.
// (Reference: connection, section 5.2.)
func (m *machine) lost(now gquic.Instant, previous wire.PacketNumber) (lost []wire.PacketNumber, next gquic.Instant) {
	rtt := max(m.d.RTT.previous, m.d.RTT.latest)
	if !m.d.RTT.HasSample() {
		rtt = m.d.RTT.Smoothed()
	}
	delay := max(minLossDelay, rtt+rtt>>m.d.shift)
	rule := m.d.config.Loss
	var last wire.PacketNumber
	for n, p := range m.packets {
		if p.Has(Retransmittable) {
			last = max(last, n)
		}
	}
	next = gquic.Never
	for n, p := range m.packets {
		if p.state != "out" || !p.Has(Retransmittable) || n >= m.largest {
			continue
		}
		tooFar := rule == ByDistance && m.largest-n >= 3 ||
			rule == LazyDistance && m.largest > previous && previous > n && previous-n >= 2
		byTime := rule == ByTime || rule == ByAdaptiveTime || last <= m.largest
		when := p.SentAt.Add(delay)
		switch {
		case tooFar,
			byTime && when <= now,
			!byTime && p.SentAt.Add(m.d.RTT.Smoothed()) < m.packets[m.largest].SentAt:
			lost = append(lost, n)
		case byTime:
			next = min(next, when)
		}
	}
	slices.Sort(lost)
	return lost, next
}

// machine is the world of a model-based test.
type machine struct {
	world
	model
}

func (m *machine) check(t *rapid.T) {
	bytes, count := m.model.inFlight()
	if m.d.InFlight() != bytes || m.d.flying != count {
		t.Fatalf("%d bytes, %d packets in flight, want %d, %d", m.d.InFlight(), m.d.flying, bytes, count)
	}
	if armed := m.d.Timeout() != gquic.Never; armed != (count > 0) {
		t.Fatalf("timer armed %v with %d in flight", armed, count)
	}
	if armed := m.d.TimeoutMode() != NoTimer; armed != (count > 0) {
		t.Fatalf("mode %v with %d in flight", m.d.TimeoutMode(), count)
	}
	for n, p := range m.packets {
		if p.state == "out" && p.Has(Retransmittable) && n < m.d.LeastUnacked() {
			t.Fatalf("packet %d is in flight below least unacked %d", n, m.d.LeastUnacked())
		}
		if p.ended > 1 || p.reports > 1 {
			t.Fatalf("packet %d left the flight %d times, was acknowledged %d times", n, p.ended, p.reports)
		}
	}
	if least := m.d.LeastUnacked(); least > m.d.NextNumber() {
		t.Fatalf("least unacked %d above next %d", least, m.d.NextNumber())
	}
}

// end takes packets out of flight in the model.
func (m *machine) end(t *rapid.T, packets []Packet, state string) {
	for i := range packets {
		p := m.packets[packets[i].Number]
		if p == nil || p.state != "out" || !p.Has(Retransmittable) {
			t.Fatalf("packet %d is %s, but was %+v", packets[i].Number, state, p)
		}
		p.state = state
		p.ended++
	}
	if !slices.IsSortedFunc(packets, func(a, b Packet) int { return int(a.Number) - int(b.Number) }) {
		t.Fatalf("%s not ascending: %v", state, numbers(packets))
	}
}

func (m *machine) doSend(t *rapid.T) {
	n := m.d.NextNumber()
	if n != m.last+1 && n != m.last+2 {
		t.Fatalf("number %d after %d", n, m.last)
	}
	if n == m.last+2 {
		m.skipped = append(m.skipped, m.last+1)
	}
	m.last = n
	flags := rapid.SampledFrom([]Flags{0, Retransmittable, Retransmittable, Retransmittable,
		Retransmittable | Crypto, Retransmittable | Probe}).Draw(t, "flags")
	p := Packet{
		Number: n, SentAt: m.now, Size: uint32(rapid.IntRange(1, 1400).Draw(t, "size")), Flags: flags,
		Level: uint8(rapid.IntRange(0, 1).Draw(t, "level")), FirstFrame: uint64(n) * 7, Frames: uint32(flags & 1),
	}
	m.d.Sent(&p)
	m.packets[n] = &fate{Packet: p, state: "out"}
}

// doAck acknowledges a random subset, built as a peer would from what arrived.
func (m *machine) doAck(t *rapid.T) {
	if m.last == 0 {
		t.Skip("nothing sent")
	}
	var ranges []wire.AckRange
	high := m.last - wire.PacketNumber(rapid.IntRange(0, int(min(m.last-1, 6))).Draw(t, "below the last"))
	for n := high; n >= 1 && len(ranges) < 20; n-- {
		if m.packets[n] == nil {
			continue
		}
		old := m.packets[n].reports > 0
		if !old && rapid.IntRange(0, 3).Draw(t, "arrived") == 0 {
			continue
		}
		if last := len(ranges) - 1; last >= 0 && ranges[last].Smallest == n+1 {
			ranges[last].Smallest = n
		} else {
			ranges = append(ranges, span(n, n))
		}
	}
	if len(ranges) == 0 {
		t.Skip("nothing arrived")
	}
	m.acks++
	prior, _ := m.model.inFlight()
	if err := m.d.Ack(m.now, m.acks, wire.NewAckFrame(time.Duration(rapid.IntRange(0, 30).Draw(t, "delay"))*time.Millisecond, ranges...), &m.r); err != nil {
		t.Fatal(err)
	}
	m.afterAck(t, prior, func(n wire.PacketNumber) bool {
		for _, r := range ranges {
			if n >= r.Smallest && n <= r.Largest {
				return true
			}
		}
		return false
	})
}

func (m *machine) afterAck(t *rapid.T, prior uint64, covered func(wire.PacketNumber) bool) {
	if m.r.PriorInFlight != prior {
		t.Fatalf("prior in flight %d, want %d", m.r.PriorInFlight, prior)
	}
	spurious, previous := 0, m.largest
	for i := range m.r.Acked {
		got := &m.r.Acked[i]
		p := m.packets[got.Number]
		if p == nil || !covered(got.Number) {
			t.Fatalf("packet %d acknowledged, which the ACK does not cover", got.Number)
		}
		want := p.Packet
		switch p.state {
		case "out":
			if p.Has(Retransmittable) {
				p.ended++
			}
		case "lost":
			want.Flags |= Lost
			spurious++
		case "abandoned":
			want.Flags |= Abandoned
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Fatalf("packet %d: %s", got.Number, diff)
		}
		p.state = "acked"
		p.reports++
		m.largest = max(m.largest, got.Number)
	}
	if spurious != m.r.Spurious {
		t.Fatalf("%d spurious, want %d", m.r.Spurious, spurious)
	}
	for n, p := range m.packets { // nothing that is in flight was overlooked
		if p.state == "out" && p.Has(Retransmittable) && covered(n) {
			t.Fatalf("packet %d is acknowledged and still in flight", n)
		}
	}
	if len(m.r.Acked) > 0 && !m.r.RTOSpurious { // which changes the round trip afterwards
		lost, next := m.lost(m.now, previous)
		if diff := cmp.Diff(lost, numbers(m.r.Lost)); diff != "" {
			t.Fatalf("lost: %s", diff)
		}
		if m.d.lossTime != next {
			t.Fatalf("loss time %v, want %v", m.d.lossTime, next)
		}
	}
	m.end(t, m.r.Lost, "lost")
	if bytes, _ := m.model.inFlight(); m.r.InFlight != bytes {
		t.Fatalf("in flight %d, want %d", m.r.InFlight, bytes)
	}
}

func (m *machine) doTimeout(t *rapid.T) {
	early := rapid.IntRange(0, 3).Draw(t, "early") == 0
	if !early && m.d.Timeout() != gquic.Never {
		m.now = max(m.now, m.d.Timeout())
	}
	due := m.d.Timeout() <= m.now
	mode := m.d.TimeoutMode()
	_, count := m.model.inFlight()
	if err := m.d.OnTimeout(m.now, &m.r); err != nil {
		t.Fatal(err)
	}
	if !due {
		if m.r.Mode != NoTimer || len(m.r.Lost)+len(m.r.Retransmit)+m.r.Probes > 0 {
			t.Fatalf("not due, but %+v", m.r)
		}
		return
	}
	if m.r.Mode != mode || m.d.Timeout() <= m.now {
		t.Fatalf("mode %v fired as %v, next at %v, now %v", mode, m.r.Mode, m.d.Timeout(), m.now)
	}
	for i := range m.r.Retransmit {
		if p := m.packets[m.r.Retransmit[i].Number]; p.state != "out" || !p.Has(Retransmittable) {
			t.Fatalf("%v repeats %+v", mode, p)
		}
	}
	switch mode {
	case HandshakeTimer:
		for i := range m.r.Retransmit {
			if !m.r.Retransmit[i].Has(Crypto) {
				t.Fatal("not handshake data")
			}
		}
		m.end(t, m.r.Retransmit, "abandoned")
		m.end(t, m.r.Lost, "lost")
	case LossTimer:
		m.end(t, m.r.Lost, "lost")
	case TLP:
		if len(m.r.Retransmit) != 1 || m.r.Probes != 1 {
			t.Fatalf("TLP repeats %v", numbers(m.r.Retransmit))
		}
	case RTO:
		if len(m.r.Retransmit) != min(2, count) || m.r.Probes != 2 {
			t.Fatalf("RTO repeats %v of %d", numbers(m.r.Retransmit), count)
		}
	}
}

func TestDetectorModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := Config{
			Loss:      LossRule(rapid.IntRange(0, 3).Draw(t, "rule")),
			NoTLP:     rapid.Bool().Draw(t, "NoTLP"),
			LossInRTO: rapid.Bool().Draw(t, "LossInRTO"),
			SkipSeed:  [32]byte{byte(rapid.IntRange(0, 255).Draw(t, "seed"))},
		}
		m := &machine{world: world{d: New(config)}, model: model{packets: map[wire.PacketNumber]*fate{}}}
		if rapid.Bool().Draw(t, "skip soon") {
			m.d.skip.at = 4
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "packets") {
					m.doSend(t)
				}
			},
			"wait": func(t *rapid.T) {
				m.now += gquic.Instant(rapid.IntRange(1, 300).Draw(t, "ms")) * ms
			},
			"ack":     m.doAck,
			"timeout": m.doTimeout,
			"bad ack": func(t *rapid.T) {
				n := m.last + 1
				if k := len(m.skipped); k > 0 && m.skipped[k-1] >= m.d.LeastUnacked() && rapid.Bool().Draw(t, "skipped") {
					n = m.skipped[k-1]
				}
				before := m.d.Clone()
				if err := m.d.Ack(m.now, m.acks+1, wire.NewAckFrame(0, span(1, n)), &m.r); err == nil {
					t.Fatalf("ACK of %d accepted", n)
				}
				if fmt.Sprint(before) != fmt.Sprint(m.d) {
					t.Fatal("a bad ACK changed the detector")
				}
			},
			"abandon": func(t *rapid.T) {
				level := uint8(rapid.IntRange(0, 1).Draw(t, "level"))
				m.d.Abandon(level, &m.r)
				for i := range m.r.Lost {
					if m.r.Lost[i].Level != level {
						t.Fatal("another level was abandoned")
					}
				}
				m.end(t, m.r.Lost, "abandoned")
				for n, p := range m.packets {
					if p.state == "out" && p.Level == level && p.Has(Retransmittable) {
						t.Fatalf("packet %d is still in flight", n)
					}
				}
			},
			"confirm": func(t *rapid.T) { m.d.HandshakeConfirmed() },
			"compact": func(t *rapid.T) { m.d.Compact() },
			"clone": func(t *rapid.T) {
				c := m.d.Clone()
				m.d.Sent(&Packet{Number: m.d.NextNumber(), SentAt: m.now, Size: 1, Flags: Retransmittable})
				m.d = c // what happened to the original must not show
			},
			"": m.check,
		})
		// At rest: the peer acknowledges everything.
		if m.last > 0 {
			m.now += ms
			m.acks++
			skips := slices.DeleteFunc(m.skipped, func(n wire.PacketNumber) bool { return n > m.last })
			if err := m.d.Ack(m.now, m.acks, wire.NewAckFrame(0, rangesWithout(m.last, skips)...), &m.r); err != nil {
				t.Fatal(err)
			}
			if m.d.InFlight() != 0 || m.d.Timeout() != gquic.Never {
				t.Fatalf("%d in flight at rest, timer at %v", m.d.InFlight(), m.d.Timeout())
			}
		}
	})
}
