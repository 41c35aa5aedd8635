package handshake

import (
	"crypto/sha256"
	"hash"
)

// HKDF with SHA-256 (RFC 5869), input in pieces: the largest one, a CHLO, a server config
// and a certificate, is hashed where it lies. It keeps its own HMAC (RFC 2104), since that
// of the standard library makes five objects for each of the four that a handshake needs.

// An hmac computes HMAC-SHA-256: setKey, begin, Write the message, sum. Its one
// SHA-256 state serves for both of the hashes.
type hmac struct {
	hash.Hash
	inner, outer [sha256.BlockSize]byte
	digest       [sha256.Size]byte
	counter      [1]byte // of expand
}

func newHMAC() *hmac { return &hmac{Hash: sha256.New()} }

// setKey sets the key, in pieces.
func (m *hmac) setKey(key ...[]byte) {
	clear(m.inner[:])
	n := 0
	for _, k := range key {
		n += len(k)
	}
	if n > len(m.inner) {
		m.Reset()
		for _, k := range key {
			m.Write(k)
		}
		m.Sum(m.inner[:0])
	} else {
		b := m.inner[:0]
		for _, k := range key {
			b = append(b, k...)
		}
	}
	for i, k := range m.inner {
		m.inner[i], m.outer[i] = k^0x36, k^0x5c
	}
}

func (m *hmac) begin() {
	m.Reset()
	m.Write(m.inner[:])
}

// sum appends the MAC of what was written to b.
func (m *hmac) sum(b []byte) []byte {
	digest := m.Sum(m.digest[:0])
	m.Reset()
	m.Write(m.outer[:])
	m.Write(digest)
	return m.Sum(b)
}

// extract returns the pseudorandom key of secret under the salt, in pieces.
func (m *hmac) extract(secret []byte, salt ...[]byte) (prk [sha256.Size]byte) {
	m.setKey(salt...)
	m.begin()
	m.Write(secret)
	copy(prk[:], m.sum(m.digest[:0]))
	return prk
}

// expand fills out, at most 255 blocks of 32 bytes, from the pseudorandom key and the
// info, in pieces.
func (m *hmac) expand(out, prk []byte, info ...[]byte) {
	m.setKey(prk)
	var block []byte
	for counter := 1; len(out) > 0; counter++ {
		m.begin()
		m.Write(block)
		for _, s := range info {
			m.Write(s)
		}
		m.counter[0] = byte(counter)
		m.Write(m.counter[:])
		block = m.sum(m.digest[:0])
		out = out[copy(out, block):]
	}
}
