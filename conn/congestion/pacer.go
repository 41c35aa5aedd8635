package congestion

import (
	"time"

	"example.com/gquic"
)

// How much may leave at once. (Reference: connection, section 9.)
const (
	// Granularity is what timers can tell apart: what is due within it goes out now.
	Granularity = time.Millisecond
	// MinQuantum and MaxQuantum bound, in packets, what may leave at one instant,
	// which is what the rate allows in Granularity. Two is the least that a batch can
	// save anything with. 64 fit into a receiver's socket buffer of usual size
	// (208 KiB, over 2 KiB booked per packet) if it looks away for a moment.
	MinQuantum = 2
	MaxQuantum = 64
	// BurstPackets leave unpaced when nothing was in flight.
	BurstPackets = 10
)

// A Pacer spreads packets over time. It is a bucket of bytes that fills at the rate and
// holds a quantum: a late wake-up finds more in it, so that its time is not lost, and an idle time
// never more than the quantum.
//
//	bytes   ╭─────── quantum ───────────╮
//	     ───╯ full: idle    ╲   ╱╲   ╱╲   wakes at half a quantum or one packet
//	                         ╲ ╱  ╲ ╱
//	      0 ──────────────────▔────▔──────▶ time
//
// The zero Pacer is not ready for use; it is a plain value.
type Pacer struct {
	packet  uint64 // bytes of a full packet
	rate    uint64 // bytes per second; 0: not paced
	quantum uint64 // bytes that the bucket holds, at this rate
	bytes   uint64 // in the bucket at the instant at
	at      gquic.Instant
	burst   int // packets that may leave unpaced
	began   bool
}

// NewPacer returns a pacer for packets of at most packetSize bytes, without a rate: it lets everything
// out until it has one.
func NewPacer(packetSize int) Pacer {
	packet := uint64(max(packetSize, 1))
	return Pacer{packet: packet, quantum: quantum(0, packet)}
}

// Quantum returns the most bytes that may leave at one instant, but for the burst after
// quiescence and the rest of the last packet.
func (p *Pacer) Quantum() uint64 { return p.quantum }

// quantum returns the Quantum of a rate.
func quantum(rate, packet uint64) uint64 {
	n := mulDiv(rate, uint64(Granularity), uint64(time.Second))
	return min(max(n, MinQuantum*packet), MaxQuantum*packet)
}

// level returns what is in the bucket at now.
func (p *Pacer) level(now gquic.Instant) uint64 {
	switch {
	case !p.began:
		return p.quantum
	case now <= p.at:
		return p.bytes
	}
	more := mulDiv(p.rate, uint64(now.Sub(p.at)), uint64(time.Second))
	if more >= p.quantum-p.bytes {
		return p.quantum
	}
	return p.bytes + more
}

// Ready reports whether a packet may leave now, with so many bytes in flight.
func (p *Pacer) Ready(now gquic.Instant, inFlight uint64) bool {
	return p.rate == 0 || inFlight == 0 || p.burst > 0 || p.level(now) >= p.packet
}

// Next returns when to look again, if a packet is not ready: when half a quantum may leave, and at
// least one packet.
func (p *Pacer) Next() gquic.Instant {
	want := max(p.quantum/2, p.packet)
	if p.rate == 0 || p.bytes >= want {
		return p.at
	}
	wait := mulDiv(want-p.bytes, uint64(time.Second), p.rate) + 1
	return p.at.Add(time.Duration(min(wait, uint64(time.Hour))))
}

// Sent notes that a packet of size bytes left at the given rate; inFlight is without it.
// ACK-only packets and those that a Report's Probes allow are not paced, and not shown.
func (p *Pacer) Sent(now gquic.Instant, size, rate, inFlight uint64, inRecovery bool) {
	p.SetRate(now, rate)
	if inFlight == 0 && !inRecovery {
		p.burst = BurstPackets
	}
	if p.burst > 0 {
		p.burst--
		return
	}
	p.bytes -= min(p.bytes, size)
}

// SetRate changes the rate, in bytes per second; 0: do not pace.
func (p *Pacer) SetRate(now gquic.Instant, rate uint64) {
	switch level := p.level(now); {
	case !p.began || p.rate == 0 || level == p.quantum:
		p.bytes, p.at = level, now
	case level > p.bytes:
		// Only whole bytes were added: the rest of the time still counts.
		p.at = p.at.Add(time.Duration(mulDiv(level-p.bytes, uint64(time.Second), p.rate) + 1))
		p.bytes = level
	}
	p.began = true
	if rate != p.rate {
		p.rate, p.quantum = rate, quantum(rate, p.packet)
		p.bytes = min(p.bytes, p.quantum)
	}
}

// OnLoss ends an unpaced burst.
func (p *Pacer) OnLoss() { p.burst = 0 }
