package recovery

import (
	"crypto/sha256"
	"encoding/binary"

	"example.com/gquic/wire"
)

const (
	// skipPeriod is the mean distance between two packet numbers left out.
	skipPeriod = 500
	// maxSkips is how many of them are remembered: more than are in flight in
	// any but the largest windows.
	maxSkips = 16
)

// A skipper leaves packet numbers out, now and then and unpredictably, never two in a
// row, and remembers the last ones. (Reference: connection, section 6.3.)
type skipper struct {
	seed  [32]byte
	draws uint32
	off   bool
	at    wire.PacketNumber           // the next one to leave out
	past  [maxSkips]wire.PacketNumber // a ring of those left out; 0: none
	count int
}

// restart picks the next number to leave out, when the next to use is next.
func (s *skipper) restart(next wire.PacketNumber) {
	s.at = skipAfter(next, s.draw())
}

// skipAfter is the rule: two numbers at least are used, and at most about 1000.
func skipAfter(next wire.PacketNumber, draw uint16) wire.PacketNumber {
	return next + 2 + wire.PacketNumber(draw)*(skipPeriod-1)/(1<<15-1)
}

// draw returns sixteen bits that whoever does not know the seed cannot predict.
func (s *skipper) draw() uint16 {
	var b [len(s.seed) + 4]byte
	copy(b[:], s.seed[:])
	binary.BigEndian.PutUint32(b[len(s.seed):], s.draws)
	s.draws++
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint16(sum[:])
}

// number returns next, or the number after it if next is to be left out.
func (s *skipper) number(next wire.PacketNumber) wire.PacketNumber {
	if next == s.at && !s.off {
		return next + 1
	}
	return next
}

// left notes that number n was left out.
func (s *skipper) left(n wire.PacketNumber) {
	s.past[s.count%maxSkips] = n
	s.count++
}

// acked returns one of the numbers left out that f acknowledges, or 0.
func (s *skipper) acked(f *wire.AckFrame, base wire.PacketNumber) wire.PacketNumber {
	i := s.count - 1 // newest first, as the ranges come high to low
	oldest := max(0, s.count-maxSkips)
	for it := f.Ranges(); i >= oldest && s.past[i%maxSkips] >= base; {
		r, ok := it.Next()
		if !ok {
			return 0
		}
		for i >= oldest && s.past[i%maxSkips] > r.Largest {
			i--
		}
		if n := i % maxSkips; i >= oldest && s.past[n] >= max(r.Smallest, base) {
			return s.past[n]
		}
	}
	return 0
}
