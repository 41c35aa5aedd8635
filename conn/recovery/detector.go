package recovery

import (
	"fmt"
	"math"
	"slices"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// MaxTracked is how far above the lowest packet of unknown fate packet numbers may
// run: a peer that acknowledges nothing must not make us remember without bound.
// (Reference: connection, section 7.1.)
const MaxTracked = 10000

// A Detector is the sender's record of one connection: what is in flight, what became of
// the rest, and when to act if nothing is heard. It is a plain value; copies made with
// [Detector.Clone] go on independently.
type Detector struct {
	RTT RTT

	config Config
	ring   ring
	skip   skipper
	next   wire.PacketNumber // number of the next packet

	inFlight uint64 // bytes of outstanding retransmittable packets
	flying   int    // their number
	crypto   int    // those among them with handshake data

	largestAcked   wire.PacketNumber
	largestAckedAt gquic.Instant     // when it was sent
	ackPacket      wire.PacketNumber // newest packet that carried an ACK to us
	pathStart      wire.PacketNumber // lower ones give no RTT sample: they went another way

	cursor   wire.PacketNumber // no outstanding retransmittable packet lies below
	frames   wire.PacketNumber // no tracked packet with frames lies below
	lossTime gquic.Instant     // when the one at cursor becomes too old; Never
	shift    uint              // reordering allowed, as a power of two of the RTT below it

	confirmed  bool              // the handshake
	lastSent   gquic.Instant     // of the last retransmittable packet
	lastNumber wire.PacketNumber // its number
	lastCrypto gquic.Instant     // of the last packet with handshake data
	fired      gquic.Instant     // when a timer last fired: the next one counts from there
	cryptos    int               // handshake timeouts since the last progress
	tlps, rtos int               // the same for the others
	rtoMark    wire.PacketNumber // first number after the first of these RTOs
	timeout    gquic.Instant
	mode       Mode
}

// New returns a detector of a connection that has sent nothing.
func New(c Config) Detector {
	d := Detector{
		RTT:      NewRTT(c.InitialRTT),
		lossTime: gquic.Never,
		fired:    math.MinInt64,
		timeout:  gquic.Never,
	}
	d.skip.seed = c.SkipSeed
	d.Configure(c)
	d.StartAt(1)
	return d
}

// Configure changes the choices, as when the peer's options arrive. Packet numbers and RTT
// samples stay; SkipSeed is read by New alone.
func (d *Detector) Configure(c Config) {
	d.config = c
	d.skip.off = c.NoSkip
	d.RTT.initial = c.InitialRTT
	d.shift = timeShift
	if c.Loss == ByAdaptiveTime {
		d.shift = adaptiveShift
	}
	d.setTimer()
}

// Clone returns a copy that shares nothing with d.
func (d *Detector) Clone() Detector {
	c := *d
	c.ring = d.ring.clone()
	return c
}

// StartAt makes n the first packet number, before anything was sent. Numbers below it
// were used on this connection's behalf: they may be acknowledged without complaint.
func (d *Detector) StartAt(n wire.PacketNumber) {
	if d.ring.len() > 0 || n < d.ring.next || n == 0 {
		return
	}
	d.ring.base, d.ring.next, d.next, d.pathStart = n, n, n, n
	d.skip.restart(n)
}

// NextNumber returns the number that the next packet must have. It stays the same until
// that packet is sent.
func (d *Detector) NextNumber() wire.PacketNumber { return d.next }

// LeastUnacked returns the lowest number whose fate still matters, or the next to be
// used: what a STOP_WAITING says, and what packet numbers are shortened by.
func (d *Detector) LeastUnacked() wire.PacketNumber { return d.ring.base }

// LargestSent returns the largest number sent, or one less than the first.
func (d *Detector) LargestSent() wire.PacketNumber { return d.ring.next - 1 }

// LargestAcked returns the largest number acknowledged, 0 if there is none.
func (d *Detector) LargestAcked() wire.PacketNumber { return d.largestAcked }

// InFlight returns the bytes of the retransmittable packets that are outstanding.
func (d *Detector) InFlight() uint64 { return d.inFlight }

// Full reports whether MaxTracked is reached: the peer acknowledges nothing, and the
// connection is to be closed with TOO_MANY_OUTSTANDING_SENT_PACKETS.
func (d *Detector) Full() bool { return d.ring.len() >= MaxTracked }

// FirstFrame returns the FirstFrame of the lowest packet that may still be reported:
// the connection needs no note of a frame below it. It returns false if there is no
// such packet.
func (d *Detector) FirstFrame() (uint64, bool) {
	d.frames = max(d.frames, d.ring.base)
	for ; d.frames < d.ring.next; d.frames++ {
		s := d.ring.at(d.frames)
		if s.Frames > 0 && s.state != acked && s.state != skipped {
			return s.FirstFrame, true
		}
	}
	return 0, false
}

// Sent records a packet, whatever it holds. Its number must be NextNumber and its
// SentAt not before the last one's; one with a number already used is ignored.
func (d *Detector) Sent(p *Packet) {
	if p.Number < d.ring.next {
		return
	}
	for d.ring.next < p.Number {
		*d.ring.push() = slot{state: skipped}
		d.skip.left(d.ring.next - 1)
	}
	s := d.ring.push()
	s.Packet = *p
	s.state, s.probed, s.mark, s.lostAt = outstanding, false, 0, 0
	if p.Number >= d.skip.at {
		d.skip.restart(p.Number)
	}
	d.next = d.skip.number(d.ring.next)
	if !p.Has(Retransmittable) {
		return
	}
	d.inFlight += uint64(p.Size)
	d.flying++
	d.lastSent, d.lastNumber = p.SentAt, p.Number
	if p.Has(Crypto) {
		d.crypto++
		d.lastCrypto = p.SentAt
	}
	d.setTimer()
}

// land takes an outstanding packet out of flight.
func (d *Detector) land(s *slot) {
	d.inFlight -= uint64(s.Size)
	d.flying--
	if s.Has(Crypto) {
		d.crypto--
	}
}

// Ack processes an ACK frame that arrived in the given packet, and reports what it
// decides in r. An ACK in a packet that is not newer than the last one with an ACK
// is old news and changes nothing. An acknowledgement of a packet that was never sent is an *Error
// with code INVALID_ACK_DATA, and then nothing has changed.
//
// (Reference: connection, sections 4.1 and 4.3.)
func (d *Detector) Ack(now gquic.Instant, packet wire.PacketNumber, f *wire.AckFrame, r *Report) error {
	d.begin(r)
	if packet <= d.ackPacket {
		return nil
	}
	if f.Largest >= d.ring.next {
		return &Error{wire.InvalidAckData, fmt.Sprintf("packet %d acknowledged, which was not sent", f.Largest)}
	}
	if n := d.skip.acked(f, d.ring.base); n != 0 {
		return &Error{wire.InvalidAckData, fmt.Sprintf("packet %d acknowledged, which was left out", n)}
	}
	d.ackPacket = packet
	d.collect(now, f, r)
	if len(r.Acked) == 0 {
		return nil
	}
	newest := &r.Acked[len(r.Acked)-1]
	if newest.Number == f.Largest && newest.Number >= d.pathStart {
		r.RTTSample = d.RTT.Update(now.Sub(newest.SentAt), f.Delay)
	}
	previous := d.largestAcked
	if newest.Number > previous {
		d.largestAcked, d.largestAckedAt = newest.Number, newest.SentAt
	}
	d.detect(now, previous, false, r)
	d.progress(r)
	d.finish(r)
	return nil
}

// collect marks what f acknowledges and lists the new ones.
func (d *Detector) collect(now gquic.Instant, f *wire.AckFrame, r *Report) {
	for it := f.Ranges(); ; {
		span, ok := it.Next()
		if !ok || span.Largest < d.ring.base {
			break
		}
		low := max(span.Smallest, d.ring.base)
		for n := span.Largest; n >= low; {
			s := d.ring.at(n)
			if s.state == acked {
				next := min(n, s.mark) - 1
				s.mark = min(s.mark, low) // the whole span is acknowledged: once is enough
				n = next
				continue
			}
			d.acknowledge(now, s, r)
			s.state, s.mark = acked, low
			n--
		}
	}
	slices.Reverse(r.Acked)
}

// acknowledge adds a packet to the report.
func (d *Detector) acknowledge(now gquic.Instant, s *slot, r *Report) {
	if s.state == skipped {
		return // left out so long ago that it was forgotten
	}
	r.Acked = append(r.Acked, s.Packet)
	p := &r.Acked[len(r.Acked)-1]
	switch {
	case s.state == lost:
		p.Flags |= Lost
		r.Spurious++
		d.allowReordering(now.Sub(s.lostAt))
	case s.state == abandoned:
		p.Flags |= Abandoned
	case s.Has(Retransmittable):
		d.land(s)
	}
	r.AckedAck = max(r.AckedAck, s.AckLargest)
}

// progress ends the row of timeouts if the peer acknowledged something that asked
// for it, and judges an RTO: it was not needed if what is acknowledged was sent before it.
func (d *Detector) progress(r *Report) {
	i := len(r.Acked) - 1
	for i >= 0 && !r.Acked[i].Has(Retransmittable) {
		i--
	}
	if i < 0 {
		return
	}
	if d.rtos > 0 {
		r.RTOSpurious = r.Acked[i].Number < d.rtoMark
		r.RTOVerified = !r.RTOSpurious
		if r.RTOSpurious {
			d.RTT.Expire()
		}
	}
	d.cryptos, d.tlps, d.rtos = 0, 0, 0
}

// begin and finish are the frame of everything that fills a report.
func (d *Detector) begin(r *Report) {
	r.Reset()
	r.PriorInFlight, r.InFlight, r.LargestAcked = d.inFlight, d.inFlight, d.largestAcked
}

func (d *Detector) finish(r *Report) {
	d.retire()
	d.setTimer()
	r.InFlight, r.LargestAcked = d.inFlight, d.largestAcked
}

// retire drops the records at the low end of the ring that matter no more.
func (d *Detector) retire() {
	if d.ring.len() == 0 {
		return
	}
	for d.ring.len() > 0 {
		switch s := d.ring.at(d.ring.base); s.state {
		case lost, abandoned:
			if d.largestAcked <= s.mark {
				return
			}
		case outstanding:
			// Nobody waits for a packet that asked for no ACK once a later one is acknowledged.
			if s.Has(Retransmittable) || d.largestAcked < s.Number {
				return
			}
		}
		d.ring.base++
	}
	d.ring.emptied()
}

// Compact gives memory back. It is for a connection that falls idle.
func (d *Detector) Compact() { d.ring.compact() }

// HandshakeConfirmed ends the handshake timer: from now on handshake data is lost and
// repeated like any other.
func (d *Detector) HandshakeConfirmed() {
	d.confirmed = true
	d.setTimer()
}

// Revived notes that the peer was heard of again over another way. If timeouts have fired
// since the last progress, the backoff they caused is over, and r lists what is to be
// sent at once as they would: it was likely lost on the old way.
func (d *Detector) Revived(now gquic.Instant, r *Report) {
	d.begin(r)
	if d.flying == 0 || d.rtos+d.tlps+d.cryptos == 0 {
		return
	}
	d.cryptos, d.tlps, d.rtos = 0, 0, 0
	d.repeat(rtoPackets, r)
	r.Mode = TLP
	d.fired = now
	d.finish(r)
}

// PathChanged forgets what was learnt about the path, when the peer is reached over a new one.
func (d *Detector) PathChanged() {
	d.RTT.Reset(0)
	d.pathStart = d.ring.next
	d.cryptos, d.tlps, d.rtos = 0, 0, 0
	d.setTimer()
}
