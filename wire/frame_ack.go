package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// The type byte of an ACK frame. (Reference: wire, section 12.3.)
const (
	ackBlocks      = 0x20
	ackLargestBits = 0x0c // size code of the largest acknowledged
	ackLengthBits  = 0x03 // size code of every block's length
)

// maxAckBlocks is the most blocks that an ACK frame can count, without the first.
const maxAckBlocks = 255

// MaxAckRanges is the most ranges that an ACK frame can hold.
const MaxAckRanges = 1 + maxAckBlocks

// An AckRange is a run of packets, both ends included.
type AckRange struct {
	Smallest, Largest PacketNumber
}

// String returns "3-7", or "3" for a single packet.
func (r AckRange) String() string {
	if r.Smallest == r.Largest {
		return fmt.Sprint(uint64(r.Largest))
	}
	return fmt.Sprintf("%d-%d", r.Smallest, r.Largest)
}

// An AckFrame acknowledges packets: ranges from high to low, of which all but the first
// are coded as the gap to the one before and a length. A gap over 255 takes further
// blocks, fillers, of length 0.
//
//	type 1 | largest 1, 2, 4, 6 | delay 2 | count 0 or 1 | first length 1, 2, 4, 6 | blocks | timestamps
//	block: gap 1 | length 1, 2, 4, 6
//
// Timestamps are read over, and never written.
type AckFrame struct {
	Largest PacketNumber  // acknowledged
	Delay   time.Duration // from its arrival to the ACK, in microseconds; InfiniteDelay: unknown

	// blocks are the gaps and lengths as in the packet. So that the first length has a gap
	// like the others, the byte before it, whatever it is, belongs to them, and above is
	// as far above Largest as that byte says.
	blocks []byte
	above  PacketNumber
	size   int // bytes of a length
}

// NewAckFrame returns a frame with the ranges, given from high to low with at least one
// packet between them, as many of them as fit. It allocates: it is for tests and tools.
func NewAckFrame(delay time.Duration, ranges ...AckRange) *AckFrame {
	f := new(AckFrame)
	if b, n := AppendAck(nil, delay, ranges, math.MaxInt); n > 0 {
		f.parse(b, 0) // cannot fail
	}
	return f
}

func (f *AckFrame) parse(b []byte, pos int) (end int, err error) {
	t := b[pos]
	largestLen := int(sizes[t&ackLargestBits>>2])
	f.size = int(sizes[t&ackLengthBits])

	p := pos + 1
	first := p + largestLen + 2
	if t&ackBlocks != 0 {
		first++
	}
	if len(b) < first+f.size {
		return 0, fail(InvalidAckData, pos, "ACK cut")
	}
	f.Largest = PacketNumber(uintN(b[p:], largestLen))
	f.Delay = DecodeUfloat16(binary.BigEndian.Uint16(b[p+largestLen:]))
	f.above = f.Largest + PacketNumber(b[first-1])
	end = first + f.size
	if t&ackBlocks != 0 {
		count := int(b[first-1])
		if count == 0 {
			return 0, fail(InvalidAckData, first-1, "ACK without the blocks that it announces")
		}
		end += count * (1 + f.size)
		if len(b) < end {
			return 0, fail(InvalidAckData, first+f.size, "ACK blocks cut")
		}
	}
	f.blocks = b[first-1 : end : end]
	if bad := f.checkBlocks(); bad >= 0 {
		return 0, fail(InvalidAckData, first-1+bad, "ACK block empty or below packet 1")
	}
	return skipTimestamps(b, end)
}

// checkBlocks returns where among the blocks the first wrong one begins, or -1.
func (f *AckFrame) checkBlocks() int {
	b := f.blocks
	if f.size == 1 && b[1] > 0 {
		// In the usual case all blocks together stay above packet 0, and so does each.
		// The first gap is none, and may be 0.
		used, gaps := sumPairs(b[2:])
		if used += uint64(b[0]) + uint64(b[1]); gaps && used <= uint64(f.above) {
			return -1
		}
	}
	below := int64(f.above) // the next range ends at it less the gap
	for i := 0; i < len(b); i += 1 + f.size {
		gap, length := int64(b[i]), int64(uintN(b[i+1:], f.size))
		below -= gap + length
		switch {
		case i == 0 && length == 0, i > 0 && gap == 0:
			return i
		case length > 0 && below < 0: // fillers at the end may go below packet 1
			return i
		}
	}
	return -1
}

// sumPairs adds up the bytes of at most 255 blocks, each a gap and a length, and reports
// whether no gap is 0. It takes four blocks at a time.
func sumPairs(b []byte) (sum uint64, gaps bool) {
	const (
		low   = 0x00ff00ff00ff00ff // the gaps of four blocks; 64 such words cannot overflow 16 bits
		carry = 0x0100010001000100
	)
	lanes, present := uint64(0), uint64(carry)
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		lanes += x&low + x>>8&low
		present &= x&low + low // carries where a gap is not 0
	}
	gaps = present&carry == carry
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(b[0]) + uint64(b[1])
		gaps = gaps && b[0] > 0
	}
	return sum + lanes&0xffff + lanes>>16&0xffff + lanes>>32&0xffff + lanes>>48, gaps
}

// skipTimestamps returns where the timestamps end whose count is at p.
//
//	count 1 | distance from largest 1, microseconds 4 | (count - 1) times: distance 1, ufloat16 2
func skipTimestamps(b []byte, p int) (end int, err error) {
	if p >= len(b) {
		return 0, fail(InvalidAckData, p, "ACK timestamps cut")
	}
	end = p + 1
	if n := int(b[p]); n > 0 {
		end += 5 + 3*(n-1)
	}
	if end > len(b) {
		return 0, fail(InvalidAckData, p, "ACK timestamps cut")
	}
	return end, nil
}

// Ranges returns a cursor over the ranges, valid as long as the frame.
//
//	it := f.Ranges() // outside of the loop, or each round copies it
//	for r, ok := it.Next(); ok; r, ok = it.Next() { … }
func (f *AckFrame) Ranges() AckRanges { return AckRanges{frame: f, below: f.above} }

// AckRanges is a cursor over the ranges of an ACK frame, from high to low. It comes from
// AckFrame.Ranges.
type AckRanges struct {
	frame *AckFrame
	pos   int          // of the next block
	below PacketNumber // the next range ends at it less the next gap
}

// Next returns the next range, and false when there is none.
func (it *AckRanges) Next() (AckRange, bool) {
	b, p := it.frame.blocks, it.pos
	if it.frame.size == 1 && p < len(b) && b[p+1] > 0 { // the usual case
		top := it.below - PacketNumber(b[p])
		it.below, it.pos = top-PacketNumber(b[p+1]), p+2
		return AckRange{it.below + 1, top}, true
	}
	return it.slow()
}

// slow is Next for every case.
func (it *AckRanges) slow() (AckRange, bool) {
	b, size := it.frame.blocks, it.frame.size
	for p := it.pos; p < len(b); {
		top := it.below - PacketNumber(b[p])
		length := PacketNumber(uintN(b[p+1:], size))
		p += 1 + size
		it.below, it.pos = top-length, p
		if length > 0 {
			return AckRange{it.below + 1, top}, true
		}
	}
	return AckRange{}, false
}

// AppendAck appends an ACK frame of at most maxLen bytes with the first of the ranges,
// as many as fit in that and in the count of blocks, and says how many. Ranges go from
// high to low with at least one packet between two, all from 1 to MaxPacketNumber: it
// stops before what is not so. If not even one range can be written, written is 0 and b
// comes back as it was.
func AppendAck(b []byte, delay time.Duration, ranges []AckRange, maxLen int) (_ []byte, written int) {
	if len(ranges) == 0 || ranges[0].Largest > MaxPacketNumber {
		return b, 0
	}
	n, blocks, longest := fitAck(ranges, maxLen)
	if n == 0 {
		return b, 0
	}
	largest := uint64(ranges[0].Largest)
	largestCode, lengthCode := sizeCode(largest), sizeCode(longest)
	size := int(sizes[lengthCode])

	t := byte(AckType) | largestCode<<2 | lengthCode
	if blocks > 0 {
		t |= ackBlocks
	}
	b = append(b, t)
	b = appendUintN(b, largest, int(sizes[largestCode]))
	b = AppendUfloat16(b, delay)
	if blocks > 0 {
		b = append(b, byte(blocks))
	}
	b = appendUintN(b, ranges[0].length(), size)
	for i := 1; i < n; i++ {
		gap := ranges[i].gapBelow(ranges[i-1])
		for ; gap > 255; gap -= 255 {
			b = append(b, 255)
			b = appendUintN(b, 0, size)
		}
		b = append(b, byte(gap))
		b = appendUintN(b, ranges[i].length(), size)
	}
	return append(b, 0), n // no timestamps
}

// fitAck returns how many of the ranges fit, the number of blocks that they take without
// the first, and the length of the longest.
func fitAck(ranges []AckRange, maxLen int) (n int, blocks, longest uint64) {
	fixed := 1 + int(sizes[sizeCode(uint64(ranges[0].Largest))]) + 2 + 1 // type, largest, delay, no timestamps
	for n < len(ranges) {
		r := ranges[n]
		if r.Smallest < 1 || r.Smallest > r.Largest {
			break
		}
		more := blocks
		if n > 0 {
			above := ranges[n-1]
			if r.Largest+1 >= above.Smallest {
				break
			}
			more += (r.gapBelow(above) + 254) / 255
		}
		if more > maxAckBlocks {
			break
		}
		length := max(longest, r.length())
		size := int(sizes[sizeCode(length)])
		total := fixed + size + int(more)*(1+size)
		if more > 0 {
			total++ // count
		}
		if total > maxLen {
			break
		}
		n, blocks, longest = n+1, more, length
	}
	return n, blocks, longest
}

// length returns the number of packets in the range.
func (r AckRange) length() uint64 { return uint64(r.Largest-r.Smallest) + 1 }

// gapBelow returns the number of packets between r and the next range above.
func (r AckRange) gapBelow(above AckRange) uint64 { return uint64(above.Smallest-r.Largest) - 1 }

// Append appends the frame, without timestamps. AppendAck is the faster way.
func (f *AckFrame) Append(b []byte, _ *Context) []byte {
	var all [MaxAckRanges]AckRange
	ranges := all[:0]
	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		ranges = append(ranges, r)
	}
	b, _ = AppendAck(b, f.Delay, ranges, math.MaxInt)
	return b
}

// Type returns AckType.
func (*AckFrame) Type() FrameType { return AckType }

// Retransmittable returns false.
func (*AckFrame) Retransmittable() bool { return false }

// String returns "ACK 1-17 20-22 delay 25ms", without the delay if there was none.
func (f *AckFrame) String() string {
	var ranges []string
	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		ranges = append(ranges, r.String())
	}
	slices.Reverse(ranges)
	s := "ACK " + strings.Join(ranges, " ")
	switch f.Delay {
	case 0:
		return s
	case InfiniteDelay:
		return s + " delay infinite"
	}
	return s + " delay " + f.Delay.String()
}
