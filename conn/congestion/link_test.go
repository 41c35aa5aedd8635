package congestion_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

const packetSize = 1350

// A link is a sender and a receiver with a bottleneck between them: a rate, a delay, a queue that drops
// what does not fit, and random loss. ACKs come back without loss after half the round trip.
type link struct {
	rate  uint64 // bytes per second
	rtt   time.Duration
	queue uint64  // bytes
	loss  float64 // of packets
	limit uint64  // what the application has to send; 0: no end

	controller congestion.Controller
	detector   recovery.Detector
	pacer      congestion.Pacer
	tracker    ack.Tracker
	report     recovery.Report
	random     *rand.Rand

	now      gquic.Instant
	free     gquic.Instant // when the bottleneck has sent all that waits
	arriving []event       // packets on their way, and
	acks     []event       // ACKs
	sent     uint64
	got      uint64 // bytes that arrived
	drops    int
	maxQueue time.Duration // longest wait
	rtts     time.Duration
	samples  int
	ackCount wire.PacketNumber
	watch    func(*link)
}

type event struct {
	at     gquic.Instant
	number wire.PacketNumber
	ack    *wire.AckFrame
}

func newLink(c congestion.Controller, rate uint64, rtt time.Duration, queue uint64) *link {
	l := &link{rate: rate, rtt: rtt, queue: queue, controller: c, random: rand.New(rand.NewPCG(1, 2))}
	l.detector = recovery.New(recovery.Config{})
	l.detector.HandshakeConfirmed()
	l.pacer = congestion.NewPacer(packetSize)
	l.tracker = ack.NewTracker(ack.EverySecond)
	return l
}

// run goes on for d.
func (l *link) run(t *testing.T, d time.Duration) {
	t.Helper()
	end := l.now.Add(d)
	for steps := 0; ; steps++ {
		if steps > 20_000_000 {
			t.Fatal("the link does not come to an end")
		}
		l.send()
		next := l.next()
		if next > end {
			l.now = end
			return
		}
		if next < l.now {
			next = l.now
		}
		l.now = next
		l.receive(t)
		if l.detector.Timeout() <= l.now {
			if err := l.detector.OnTimeout(l.now, &l.report); err != nil {
				t.Fatal(err)
			}
			l.reported()
			for range l.report.Probes {
				l.transmit()
			}
		}
		if l.watch != nil {
			l.watch(l)
		}
	}
}

func (l *link) next() gquic.Instant {
	next := min(l.detector.Timeout(), l.tracker.Timeout())
	if len(l.arriving) > 0 {
		next = min(next, l.arriving[0].at)
	}
	if len(l.acks) > 0 {
		next = min(next, l.acks[0].at)
	}
	if l.wants() && l.controller.CanSend(l.detector.InFlight()) {
		next = min(next, l.pacer.Next()) // not ready, or it would have been sent
	}
	return next
}

func (l *link) wants() bool { return l.limit == 0 || l.sent < l.limit }

func (l *link) send() {
	for l.controller.CanSend(l.detector.InFlight()) {
		if !l.wants() {
			l.controller.OnAppLimited(l.detector.InFlight())
			return
		}
		if !l.pacer.Ready(l.now, l.detector.InFlight()) {
			return
		}
		before := l.detector.InFlight()
		l.transmit()
		l.pacer.Sent(l.now, packetSize, l.controller.PacingRate(&l.detector.RTT), before, l.controller.InRecovery())
	}
}

func (l *link) transmit() {
	p := recovery.Packet{Number: l.detector.NextNumber(), SentAt: l.now, Size: packetSize, Flags: recovery.Retransmittable}
	l.controller.OnSent(l.now, &p, l.detector.InFlight())
	l.detector.Sent(&p)
	l.sent += packetSize

	l.free = max(l.free, l.now)
	wait := l.free.Sub(l.now)
	if uint64(wait)*l.rate/uint64(time.Second) > l.queue {
		l.drops++
		return
	}
	l.maxQueue = max(l.maxQueue, wait)
	l.free = l.free.Add(time.Duration(packetSize * uint64(time.Second) / l.rate))
	if l.random.Float64() < l.loss {
		l.drops++
		return
	}
	l.arriving = append(l.arriving, event{at: l.free.Add(l.rtt / 2), number: p.Number})
}

func (l *link) receive(t *testing.T) {
	for len(l.arriving) > 0 && l.arriving[0].at <= l.now {
		l.tracker.Received(l.now, l.arriving[0].number, true, 0)
		l.got += packetSize
		l.arriving = l.arriving[1:]
	}
	if l.tracker.Due(l.now) {
		f := wire.NewAckFrame(l.tracker.Delay(l.now), l.tracker.Ranges()...)
		l.tracker.Sent(l.now)
		l.acks = append(l.acks, event{at: l.now.Add(l.rtt / 2), ack: f})
	}
	for len(l.acks) > 0 && l.acks[0].at <= l.now {
		l.ackCount++
		if err := l.detector.Ack(l.now, l.ackCount, l.acks[0].ack, &l.report); err != nil {
			t.Fatal(err)
		}
		l.tracker.Forget(l.detector.LeastUnacked()) // STOP_WAITING, sooner than a real one
		l.reported()
		l.acks = l.acks[1:]
		if l.report.RTTSample {
			l.rtts += l.detector.RTT.Latest()
			l.samples++
		}
	}
}

func (l *link) reported() {
	if len(l.report.Lost) > 0 {
		l.pacer.OnLoss()
	}
	l.controller.OnReport(l.now, &l.report, &l.detector.RTT)
	l.pacer.SetRate(l.now, l.controller.PacingRate(&l.detector.RTT))
}

// share returns which part of the link was used in d.
func (l *link) share(d time.Duration) float64 {
	return float64(l.got) / (float64(l.rate) * d.Seconds())
}

func TestControllersFillALink(t *testing.T) {
	const mbit = 1e6 / 8
	for _, x := range []struct {
		name     string
		rate     uint64
		rtt      time.Duration
		queueBDP float64
		loss     float64
		atLeast  map[congestion.Algorithm]float64
	}{
		{"10 Mbit/s", 10 * mbit, 40 * time.Millisecond, 1, 0,
			map[congestion.Algorithm]float64{congestion.Cubic: 0.9, congestion.NewReno: 0.9, congestion.BBR: 0.85}},
		{"200 Mbit/s", 200 * mbit, 20 * time.Millisecond, 1, 0,
			map[congestion.Algorithm]float64{congestion.Cubic: 0.9, congestion.NewReno: 0.9, congestion.BBR: 0.85}},
		{"small queue", 20 * mbit, 50 * time.Millisecond, 0.2, 0,
			map[congestion.Algorithm]float64{congestion.Cubic: 0.75, congestion.NewReno: 0.7, congestion.BBR: 0.8}},
		{"1% loss", 20 * mbit, 50 * time.Millisecond, 1, 0.01,
			map[congestion.Algorithm]float64{congestion.Cubic: 0.15, congestion.NewReno: 0.15, congestion.BBR: 0.8}},
	} {
		for a, atLeast := range x.atLeast {
			t.Run(x.name+"/"+a.String(), func(t *testing.T) {
				queue := uint64(float64(x.rate) * x.rtt.Seconds() * x.queueBDP)
				l := newLink(congestion.New(a, congestion.Options{}), x.rate, x.rtt, queue)
				l.loss = x.loss
				const length = 20 * time.Second
				l.run(t, length)
				share := l.share(length)
				t.Logf("%.3f of the link, window %d, %d drops, longest queue %v, mean RTT %v",
					share, l.controller.Window(), l.drops, l.maxQueue, l.rtts/time.Duration(max(l.samples, 1)))
				if share < atLeast {
					t.Errorf("%.3f of the link used, want %.2f", share, atLeast)
				}
				if a == congestion.BBR && x.queueBDP >= 1 && l.rtts/time.Duration(l.samples) > x.rtt*3/2 {
					t.Errorf("BBR keeps a queue: mean RTT %v of %v", l.rtts/time.Duration(l.samples), x.rtt)
				}
			})
		}
	}
}
