package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"example.com/gquic"
)

// A digest sums up datagrams: four lanes of 64 bits take in eight bytes each, by
// multiplication and rotation, which costs a twentieth of what hashing does. It is to
// notice differences, not to resist people. It is a plain value.
type digest struct {
	lanes [4]uint64
	count uint64
}

// add takes in a datagram.
func (d *digest) add(now gquic.Instant, from, to netip.AddrPort, data []byte) {
	d.count++
	d.word(0, uint64(now))
	d.word(1, uint64(from.Port())<<32|uint64(to.Port())<<16|uint64(len(data)))
	a, b := from.Addr().As16(), to.Addr().As16()
	d.block(&a, &b)
	for len(data) >= 32 {
		d.block((*[16]byte)(data), (*[16]byte)(data[16:]))
		data = data[32:]
	}
	if len(data) > 0 {
		var rest [32]byte
		copy(rest[:], data)
		d.block((*[16]byte)(rest[:]), (*[16]byte)(rest[16:]))
	}
}

func (d *digest) block(a, b *[16]byte) {
	d.word(0, binary.LittleEndian.Uint64(a[:]))
	d.word(1, binary.LittleEndian.Uint64(a[8:]))
	d.word(2, binary.LittleEndian.Uint64(b[:]))
	d.word(3, binary.LittleEndian.Uint64(b[8:]))
}

func (d *digest) word(lane int, w uint64) {
	d.lanes[lane] = bits.RotateLeft64((d.lanes[lane]^w)*golden, 29) + w
}

// sum returns the digest of what was added, in 32 bytes.
func (d *digest) sum() [32]byte {
	b := binary.BigEndian.AppendUint64(nil, d.count)
	for _, l := range d.lanes {
		b = binary.BigEndian.AppendUint64(b, l)
	}
	return sha256.Sum256(b)
}
