package sim

import "encoding/binary"

// A pattern is a stream of bytes that its key and the offset determine, so that a byte
// at the wrong place, or of another stream, is found.
type pattern uint64

// fill writes the bytes from offset on into b.
func (p pattern) fill(b []byte, offset int64) {
	if offset%8 != 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], p.word(offset/8))
		n := copy(b, word[offset%8:])
		b, offset = b[n:], offset+int64(n)
	}
	for ; len(b) >= 8; b, offset = b[8:], offset+8 {
		binary.LittleEndian.PutUint64(b, p.word(offset/8))
	}
	if len(b) > 0 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], p.word(offset/8))
		copy(b, word[:])
	}
}

// check returns the index of the first byte of b that is wrong, or -1.
func (p pattern) check(b []byte, offset int64) int {
	i := 0
	for i < len(b) && (offset+int64(i))%8 != 0 {
		if b[i] != p.byteAt(offset+int64(i)) {
			return i
		}
		i++
	}
	for word := (offset + int64(i)) / 8; i+8 <= len(b); word++ {
		if binary.LittleEndian.Uint64(b[i:]) != p.word(word) {
			break // one of the eight is wrong: find it below
		}
		i += 8
	}
	for ; i < len(b); i++ {
		if b[i] != p.byteAt(offset+int64(i)) {
			return i
		}
	}
	return -1
}

func (p pattern) byteAt(offset int64) byte { return byte(p.word(offset/8) >> (offset % 8 * 8)) }

// word is cheap: it need not look random, only differ with the key and the place.
func (p pattern) word(i int64) uint64 {
	w := uint64(p) + uint64(i)*golden
	return w ^ w>>31
}

// A request is the head of each stream that a [Client] opens, 24 bytes: the key of both
// directions' patterns, how many bytes of the pattern follow, and how many to answer.
type request struct {
	key      uint64
	up, down int64
}

const requestLen = 24

func (r request) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, r.key)
	b = binary.BigEndian.AppendUint64(b, uint64(r.up))
	return binary.BigEndian.AppendUint64(b, uint64(r.down))
}

func parseRequest(b []byte) request {
	return request{
		key:  binary.BigEndian.Uint64(b),
		up:   int64(binary.BigEndian.Uint64(b[8:])),
		down: int64(binary.BigEndian.Uint64(b[16:])),
	}
}

// upload and download are the patterns of the two directions.
func (r request) upload() pattern   { return pattern(r.key) }
func (r request) download() pattern { return pattern(mix(r.key)) }
