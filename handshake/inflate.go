package handshake

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
)

// An inflater reads a zlib stream (RFC 1950, RFC 1951) that is there as a whole. The
// standard library's needs a window of 32 KiB and a reader for each stream; what it inflates
// to here is its own window, and is most often smaller than 1 KB.
type inflater struct {
	in   []byte
	at   int    // next byte of in
	bits uint64 // taken from in, the next one lowest
	n    uint   // how many
	out  []byte // its capacity is the most that may come
	dict []byte // what out[0] follows
}

const (
	endOfBlock = 256
	maxCode    = 15  // bits
	literals   = 286 // symbols of literals, the end and lengths; two more have only a code
	distances  = 30  // symbols of distances; two more have only a code

	zlibDeflate    = 8    // method
	zlibDictionary = 0x20 // flag
)

// Lengths and distances: a base for each symbol, to which the value of some more bits is
// added (RFC 1951, section 3.2.5).
var (
	lengthBase = [literals - endOfBlock - 1]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31,
		35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [len(lengthBase)]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}

	distanceBase = [distances]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distanceBits = [distances]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}

	// codeOrder is the order in which a block states the lengths of the code of lengths.
	codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

	fixedLiterals, fixedDistances = fixedCodes()
)

// fixedCodes makes the codes of blocks of type 1 (RFC 1951, section 3.2.6).
func fixedCodes() (lit, dist *prefixCode) {
	var lengths [literals + 2]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	lit, dist = new(prefixCode), new(prefixCode)
	lit.build(lengths[:])
	for i := range distances + 2 {
		lengths[i] = 5
	}
	dist.build(lengths[:distances+2])
	return lit, dist
}

// A prefixCode is a canonical Huffman code.
type prefixCode struct {
	quick   [1 << quickBits]uint16 // by the next bits: symbol<<4 | length of its code; 0: look it up
	count   [maxCode + 1]uint16    // of codes, by length
	symbols [literals + 2]uint16   // in the order of their codes
}

// quickBits is what most codes of a certificate have at most.
const quickBits = 8

// build makes the code with these lengths, 0 for symbols without; false if there is none.
// Codes that leave bits unused are none, except one of a single code of one bit, and that
// without any, in which nothing can be read.
func (c *prefixCode) build(lengths []uint8) bool {
	*c = prefixCode{}
	for _, n := range lengths {
		c.count[n]++
	}
	used := len(lengths) - int(c.count[0])
	c.count[0] = 0
	var next, place [maxCode + 1]uint16 // by length: the next code, and its place in symbols
	free := 1
	for n := 1; n <= maxCode; n++ {
		next[n] = (next[n-1] + c.count[n-1]) << 1
		place[n] = place[n-1] + c.count[n-1]
		if free = free<<1 - int(c.count[n]); free < 0 {
			return false
		}
	}
	if free > 0 && used > 0 && !(used == 1 && c.count[1] == 1) {
		return false
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		c.symbols[place[n]] = uint16(symbol)
		place[n]++
		if n <= quickBits { // codes come with their highest bit first
			for i := int(bits.Reverse16(next[n]) >> (16 - n)); i < len(c.quick); i += 1 << n {
				c.quick[i] = uint16(symbol)<<4 | uint16(n)
			}
			next[n]++
		}
	}
	return true
}

// inflateZlib inflates a stream, the whole of in, that gives size bytes. dict is its preset
// dictionary, if it says that it has one. Faults are an *[Error] with code 34. It allocates
// the size bytes.
func inflateZlib(in, dict []byte, size int) ([]byte, error) {
	if len(in) < 2 || in[0]&0xf != zlibDeflate || in[0]>>4 > 7 || binary.BigEndian.Uint16(in)%31 != 0 {
		return nil, badParameter("certificate stream is not zlib")
	}
	f := inflater{in: in, at: 2}
	if in[1]&zlibDictionary != 0 {
		if len(in) < 6 || binary.BigEndian.Uint32(in[2:]) != adler32.Checksum(dict) {
			return nil, badParameter("certificate stream has another dictionary")
		}
		f.at, f.dict = 6, dict
	}
	f.out = make([]byte, 0, size)
	if !f.blocks() {
		return nil, badParameter("certificate stream does not inflate to what it should")
	}
	switch rest := f.in[f.at:]; {
	case len(f.out) < size:
		return nil, badParameter("certificates inflate to less than announced")
	case len(rest) < 4 || binary.BigEndian.Uint32(rest) != adler32.Checksum(f.out):
		return nil, badParameter("certificate stream has another checksum")
	case len(rest) > 4:
		return nil, badParameter("bytes after the certificate stream")
	}
	return f.out, nil
}

// fill sees to it that there are 56 bits, unless in ends.
func (f *inflater) fill() {
	for f.n <= 56 && f.at < len(f.in) {
		f.bits |= uint64(f.in[f.at]) << f.n
		f.at++
		f.n += 8
	}
}

// take reads n bits, at most 16; -1 if they are not there.
func (f *inflater) take(n uint) int {
	if f.n < n {
		if f.fill(); f.n < n {
			return -1
		}
	}
	v := int(f.bits & (1<<n - 1))
	f.bits >>= n
	f.n -= n
	return v
}

// align goes on at the next whole byte.
func (f *inflater) align() {
	f.at -= int(f.n / 8)
	f.bits, f.n = 0, 0
}

// symbol reads a symbol; -1 if there is none.
func (f *inflater) symbol(c *prefixCode) int {
	if f.n < maxCode {
		f.fill()
	}
	if e := c.quick[f.bits&(1<<quickBits-1)]; e != 0 && uint(e&15) <= f.n {
		f.bits >>= e & 15
		f.n -= uint(e & 15)
		return int(e >> 4)
	}
	code, first, place := 0, 0, 0 // first is the first code of n bits, place that of its symbol
	for n := uint(1); n <= min(maxCode, f.n); n++ {
		code = code<<1 | int(f.bits>>(n-1)&1)
		count := int(c.count[n])
		if code-first < count {
			f.bits >>= n
			f.n -= n
			return int(c.symbols[place+code-first])
		}
		first, place = (first+count)<<1, place+count
	}
	return -1
}

// blocks reads everything up to the end of the last block, and of its last byte; false if it
// is faulty or too long.
func (f *inflater) blocks() bool {
	for last := false; !last; {
		last = f.take(1) == 1
		if !f.block() {
			return false
		}
	}
	f.align()
	return true
}

// block reads the rest of a block; false if it is faulty or too long.
func (f *inflater) block() bool {
	switch f.take(2) {
	case 0:
		return f.stored()
	case 1:
		return f.coded(fixedLiterals, fixedDistances)
	case 2:
		var lit, dist prefixCode
		return f.codes(&lit, &dist) && f.coded(&lit, &dist)
	}
	return false
}

func (f *inflater) stored() bool {
	f.align()
	rest := f.in[f.at:]
	if len(rest) < 4 {
		return false
	}
	n, check := int(binary.LittleEndian.Uint16(rest)), binary.LittleEndian.Uint16(rest[2:])
	if check != ^uint16(n) || n > len(rest)-4 || n > cap(f.out)-len(f.out) {
		return false
	}
	f.out = append(f.out, rest[4:4+n]...)
	f.at += 4 + n
	return true
}

// codes reads the codes of a block of type 2 (RFC 1951, section 3.2.7).
func (f *inflater) codes(lit, dist *prefixCode) bool {
	counts := f.take(5 + 5 + 4)
	nlit, ndist, nlengths := counts&31+257, counts>>5&31+1, counts>>10+4
	if counts < 0 || nlit > literals || ndist > distances {
		return false
	}
	var lengths [literals + distances]uint8
	for _, symbol := range codeOrder[:nlengths] {
		n := f.take(3)
		if n < 0 {
			return false
		}
		lengths[symbol] = uint8(n)
	}
	if !lit.build(lengths[:len(codeOrder)]) { // lit serves for the code of lengths, too
		return false
	}
	clear(lengths[:len(codeOrder)])
	for i := 0; i < nlit+ndist; {
		s := f.symbol(lit)
		if 0 <= s && s < 16 {
			lengths[i] = uint8(s)
			i++
			continue
		}
		again, least := -1, 0
		var n uint8
		switch {
		case s == 16 && i > 0:
			n, again, least = lengths[i-1], f.take(2), 3
		case s == 17:
			again, least = f.take(3), 3
		case s == 18:
			again, least = f.take(7), 11
		}
		if again < 0 || again+least > nlit+ndist-i {
			return false
		}
		for range again + least {
			lengths[i] = n
			i++
		}
	}
	return lit.build(lengths[:nlit]) && dist.build(lengths[nlit:nlit+ndist])
}

// coded reads symbols up to the end of the block.
func (f *inflater) coded(lit, dist *prefixCode) bool {
	for {
		s := f.symbol(lit)
		switch {
		case s < 0 || s >= literals:
			return false
		case s == endOfBlock:
			return true
		case s < endOfBlock:
			if len(f.out) == cap(f.out) {
				return false
			}
			f.out = append(f.out, byte(s))
			continue
		}
		s -= endOfBlock + 1
		more := f.take(uint(lengthBits[s]))
		d := f.symbol(dist)
		if more < 0 || d < 0 || d >= distances {
			return false
		}
		back := f.take(uint(distanceBits[d]))
		if back < 0 || !f.repeat(int(lengthBase[s])+more, int(distanceBase[d])+back) {
			return false
		}
	}
}

// repeat appends n bytes from so far back.
func (f *inflater) repeat(n, back int) bool {
	if n > cap(f.out)-len(f.out) || back > len(f.out)+len(f.dict) {
		return false
	}
	if before := back - len(f.out); before > 0 { // it begins in the dictionary
		d := f.dict[len(f.dict)-before:]
		d = d[:min(n, len(d))]
		f.out = append(f.out, d...)
		n -= len(d)
	}
	for n > 0 { // as much as is there; twice as much the next time
		from := f.out[len(f.out)-back:]
		from = from[:min(n, len(from))]
		f.out = append(f.out, from...)
		n -= len(from)
	}
	return true
}
