package handshake

import (
	"encoding/binary"
	"math/bits"

	"example.com/gquic/wire"
)

// NewNull returns the protection of packets before there are keys: 12 bytes of a hash
// over header, plaintext and the sender's role, in front of the plaintext. It finds
// accidents and reflected packets, no attack (reference: wire, section 11.3).
func NewNull(sender wire.Perspective) AEAD {
	if sender == wire.Client {
		return nullClient
	}
	return nullServer
}

var (
	nullClient = &null{"Client"}
	nullServer = &null{"Server"}
)

type null struct{ role string }

func (n *null) Prefix() int   { return tagSize }
func (n *null) Overhead() int { return tagSize }

func (n *null) Seal(_ *Scratch, packet []byte, header int, _ wire.PacketNumber) []byte {
	tag := n.tag(packet[:header], packet[header+tagSize:])
	copy(packet[header:], tag[:])
	return packet
}

func (n *null) Open(_ *Scratch, dst, packet []byte, header int, _ wire.PacketNumber) ([]byte, error) {
	if len(packet) < header+tagSize {
		return dst, ErrAuthentication
	}
	plain := packet[header+tagSize:]
	if n.tag(packet[:header], plain) != [tagSize]byte(packet[header:]) {
		return dst, ErrAuthentication
	}
	return append(dst, plain...), nil
}

// tag returns the low 96 bits of the hash, least significant byte first.
func (n *null) tag(header, plain []byte) (tag [tagSize]byte) {
	h := fnvBasis.add(header).add(plain)
	for i := range len(n.role) {
		h = h.addByte(n.role[i])
	}
	binary.LittleEndian.PutUint64(tag[:], h.lo)
	binary.LittleEndian.PutUint32(tag[8:], uint32(h.hi))
	return tag
}

// fnv128 is the state of FNV-1a with 128 bits. For each byte: xor it into the low 8 bits,
// multiply by the prime 2⁸⁸ + 0x13b.
type fnv128 struct{ hi, lo uint64 }

var fnvBasis = fnv128{0x6c62272e07bb0142, 0x62b821756295c58d}

const fnvPrime = 0x13b // without its 2⁸⁸

func (h fnv128) addByte(b byte) fnv128 {
	lo := h.lo ^ uint64(b)
	carry, low := bits.Mul64(lo, fnvPrime)
	// The parentheses keep the chain from hi to hi as short as that from lo to lo, one
	// multiplication and one operation, which is what bounds the speed.
	return fnv128{h.hi*fnvPrime + (carry + lo<<24), low}
}

func (h fnv128) add(b []byte) fnv128 {
	for _, c := range b {
		h = h.addByte(c)
	}
	return h
}
