package congestion

import (
	"fmt"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A machine drives a controller with random reports.
type machine struct {
	*harness
	t   *rapid.T
	o   Options
	out []wire.PacketNumber // in flight, ascending
	old []wire.PacketNumber // lost
}

func (m *machine) window() uint64 { return m.c.Window() }

// take removes a random number of packets from the oldest ones in flight.
func (m *machine) take(name string) (n []wire.PacketNumber) {
	k := rapid.IntRange(0, min(len(m.out), 12)).Draw(m.t, name)
	n, m.out = m.out[:k:k], m.out[k:]
	return n
}

func (m *machine) step(t *rapid.T) {
	m.t = t
	m.now += gquic.Instant(rapid.IntRange(0, 40).Draw(t, "ms")) * instant(1)
	for range rapid.IntRange(0, 20).Draw(t, "packets") {
		if !m.c.CanSend(m.inFlight) {
			break
		}
		m.out = append(m.out, m.send(1))
	}
	if rapid.Bool().Draw(t, "app limited") {
		m.c.OnAppLimited(m.inFlight)
	}
	acked, lost := m.take("acked"), []wire.PacketNumber(nil)
	if rapid.IntRange(0, 3).Draw(t, "losses") == 0 {
		lost = m.take("lost")
	}
	if len(m.old) > 0 && rapid.IntRange(0, 4).Draw(t, "late") == 0 {
		acked = append([]wire.PacketNumber{m.old[0]}, acked...)
		m.old = m.old[1:]
	}
	if len(acked) > 0 {
		m.rtt.Update(time.Duration(rapid.IntRange(1, 300_000).Draw(t, "rtt"))*time.Microsecond, 0)
	}
	m.old = append(m.old, lost...)
	prior, window, slow := m.inFlight, m.window(), m.c.InSlowStart()
	late := len(acked) > 0 && m.packets[acked[0]].Flags&recovery.Lost != 0
	m.report(0, acked, lost, func(r *recovery.Report) {
		r.RTTSample = len(acked) > 0
		if rapid.IntRange(0, 20).Draw(t, "verdict") == 0 {
			r.RTOVerified = true
		}
		r.IgnoreLoss = rapid.IntRange(0, 10).Draw(t, "ignore") == 0
	})
	m.check(t, prior, window, slow, late)
}

func (m *machine) check(t *rapid.T, prior, window uint64, slow, late bool) {
	now := m.window()
	if now < m.o.MinWindow || now > m.o.MaxWindow {
		t.Fatalf("window %d, bounds %d to %d", now, m.o.MinWindow, m.o.MaxWindow)
	}
	if _, ok := m.c.(*lossBased); ok && now > window && !late {
		if unused := prior+3*MSS < window && !(slow && prior > window/2); unused {
			t.Fatalf("window grew from %d to %d with %d in flight", window, now, prior)
		}
	}
	if rate := m.c.PacingRate(&m.rtt); rate == 0 {
		t.Fatal("no pacing rate")
	}
}

func TestControllerProperties(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		t.Run(a.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				o := Options{
					Connections:    rapid.IntRange(0, 2).Draw(t, "connections"),
					NoPRR:          rapid.Bool().Draw(t, "NoPRR"),
					LargeReduction: rapid.Bool().Draw(t, "LargeReduction"),
					LargeProbeRTT:  rapid.Bool().Draw(t, "LargeProbeRTT"),
					Seed:           rapid.Uint64().Draw(t, "seed"),
					MaxWindow:      uint64(rapid.SampledFrom([]int{0, 40 * MSS}).Draw(t, "max")),
				}
				m := &machine{harness: newHarness(New(a, o), 0)}
				m.o = o.withDefaults(map[bool]uint64{false: defaultMinWindow, true: defaultMinWindowBBR}[a == BBR])
				t.Repeat(map[string]func(*rapid.T){
					"step":  m.step,
					"step2": m.step,
					"step3": m.step,
					"clone": func(*rapid.T) {
						c := m.c.Clone()
						m.c.OnPathChanged() // what happens to the original must not show
						m.c = c
					},
					"path": func(t *rapid.T) {
						m.c.OnPathChanged()
						if m.window() != m.o.InitialWindow {
							t.Fatalf("window %d on a new path", m.window())
						}
					},
					"idle": func(t *rapid.T) { m.now += instant(12_000) },
				})
			})
		})
	}
}

// Equal inputs give equal states, and a clone goes on alike.
func TestDeterminism(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		first, second := newHarness(New(a, Options{Seed: 3}), 0), newHarness(New(a, Options{Seed: 3}), 0)
		run := func(h *harness, from int) {
			for i := from; i < from+300; i++ {
				h.now += instant(int64(i % 17))
				h.rtt.Update(time.Duration(20_000+i*7919%5000)*time.Microsecond, 0)
				n := h.send(3)
				if i%41 == 0 {
					h.lose(0, n-2)
				} else {
					h.report(0, span(n-2, n), nil, func(r *recovery.Report) { r.RTTSample = true })
				}
			}
		}
		run(first, 0)
		run(second, 0)
		if diff := cmp.Diff(fmt.Sprintf("%+v", first.c), fmt.Sprintf("%+v", second.c)); diff != "" {
			t.Errorf("%v: %s", a, diff)
		}
		second.c = first.c.Clone()
		run(first, 300)
		run(second, 300)
		if diff := cmp.Diff(fmt.Sprintf("%+v", first.c), fmt.Sprintf("%+v", second.c)); diff != "" {
			t.Errorf("%v after cloning: %s", a, diff)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		s := newStream(New(a, Options{}))
		for range 100 {
			s.step()
		}
		if got := testing.AllocsPerRun(1000, s.step); got != 0 {
			t.Errorf("%v: %v allocations", a, got)
		}
	}
}

// A stream sends two packets and has the two oldest acknowledged, again and again.
type stream struct {
	c      Controller
	pacer  Pacer
	rtt    recovery.RTT
	now    gquic.Instant
	next   wire.PacketNumber
	flying [32]recovery.Packet
	report recovery.Report
}

func newStream(c Controller) *stream {
	s := &stream{c: c, next: 1, pacer: NewPacer(MSS)}
	s.rtt.Update(50*time.Millisecond, 0)
	for range s.flying {
		s.send()
	}
	return s
}

func (s *stream) send() {
	p := &s.flying[int(s.next)%len(s.flying)]
	*p = recovery.Packet{Number: s.next, SentAt: s.now, Size: MSS, Flags: recovery.Retransmittable}
	s.c.OnSent(s.now, p, uint64(len(s.flying)-1)*MSS)
	s.pacer.Sent(s.now, MSS, s.c.PacingRate(&s.rtt), 1, false)
	s.next++
}

func (s *stream) step() {
	s.now += instant(1)
	s.report.Reset()
	s.report.PriorInFlight = uint64(len(s.flying)) * MSS
	s.report.InFlight = s.report.PriorInFlight - 2*MSS
	s.report.RTTSample = s.rtt.Update(50*time.Millisecond, 0)
	for i := range wire.PacketNumber(2) {
		s.report.Acked = append(s.report.Acked, s.flying[int(s.next+i)%len(s.flying)])
	}
	s.c.OnReport(s.now, &s.report, &s.rtt)
	s.pacer.SetRate(s.now, s.c.PacingRate(&s.rtt))
	s.send()
	s.send()
}

func BenchmarkController(b *testing.B) {
	for _, a := range []Algorithm{Cubic, NewReno, BBR} {
		b.Run(a.String(), func(b *testing.B) {
			s := newStream(New(a, Options{}))
			b.ReportAllocs()
			for b.Loop() {
				s.step()
			}
		})
	}
}
