package wire

import "encoding/binary"

// uintN reads the big-endian number in the first n bytes of b, 0 ≤ n ≤ 8. The caller
// has checked that they are there.
func uintN(b []byte, n int) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b) >> (uint(64-8*n) & 127)
	}
	var v uint64
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	return v
}

// appendUintN appends the low n bytes of v, big-endian, 0 ≤ n ≤ 8.
func appendUintN(b []byte, v uint64, n int) []byte {
	if end := len(b) + n; cap(b) >= len(b)+8 { // one store, of which n bytes are kept
		return binary.BigEndian.AppendUint64(b, v<<(uint(64-8*n)&127))[:end]
	}
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

// Packet numbers and the lengths in ACK frames have one of four sizes, coded in two
// bits. (Reference: wire, sections 4.2 and 12.3.)

// sizes gives the bytes that a code stands for.
var sizes = [4]uint8{1, 2, 4, 6}

// sizeCode returns the code of the smallest size that holds v, at most 48 bits.
func sizeCode(v uint64) uint8 {
	switch {
	case v < 1<<8:
		return 0
	case v < 1<<16:
		return 1
	case v < 1<<32:
		return 2
	}
	return 3
}
