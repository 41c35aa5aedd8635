package handshake

import (
	"crypto/sha256"
	"encoding/binary"
)

// Entropy is a stream of bytes that only its seed determines. It is the only source of
// randomness here: whoever makes an endpoint draws 32 bytes from the system, or takes
// them from a test's seed, and the rest follows.
//
// Each purpose gets a stream of its own with [Entropy.Derive], so that one more draw
// for one purpose shifts no other, and bytes that are sent in the clear say nothing
// about secret ones:
//
//	seed ─▶ Entropy ─▶ Derive("connection", id) ─▶ Derive("key share", nil) ─▶ Fill
//	                                            └▶ Derive("nonce", nil)     ─▶ Fill
//
// It is SHA-256 in counter mode: block i is SHA-256(key ‖ 0 ‖ i). An Entropy is a plain
// value; a copy goes on from where the original stood. The zero value is a stream too,
// the same for everybody.
type Entropy struct {
	key     [32]byte
	counter uint64
}

// Domains of the two uses of a key: a block of the stream, and the key of another stream.
const (
	entropyBlock  = 0
	entropyDerive = 1
)

// NewEntropy returns the stream of seed.
func NewEntropy(seed [32]byte) Entropy { return Entropy{key: seed} }

// Derive returns the stream for a purpose within e. It depends on e's seed, label and
// context, not on how much was drawn from e.
func (e *Entropy) Derive(label string, context []byte) Entropy {
	var room [128]byte
	b := append(room[:0], e.key[:]...)
	b = append(b, entropyDerive)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(label)))
	b = append(b, label...)
	b = append(b, context...)
	return Entropy{key: sha256.Sum256(b)}
}

// Fill fills b with the next bytes of the stream. Each call starts a fresh block of 32
// bytes, so two calls for 16 bytes differ from one for 32.
func (e *Entropy) Fill(b []byte) {
	for len(b) > 0 {
		block := e.next()
		b = b[copy(b, block[:]):]
	}
}

// Uint64 returns the next 64 bits of the stream.
func (e *Entropy) Uint64() uint64 {
	block := e.next()
	return binary.LittleEndian.Uint64(block[:])
}

// Read is Fill as an io.Reader, which RSA-PSS takes its salt from. It never fails.
func (e *Entropy) Read(b []byte) (int, error) {
	e.Fill(b)
	return len(b), nil
}

func (e *Entropy) next() [32]byte {
	var b [41]byte
	copy(b[:], e.key[:])
	b[32] = entropyBlock
	binary.LittleEndian.PutUint64(b[33:], e.counter)
	e.counter++
	return sha256.Sum256(b[:])
}
