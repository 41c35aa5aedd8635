package handshake

import (
	"crypto/hmac"
	"crypto/sha256"
)

// HKDF with SHA-256 (RFC 5869), input in pieces: the largest one, a CHLO, a server config
// and a certificate, is hashed where it lies.

// hkdfExtract returns the pseudorandom key of secret under the salt, in pieces.
func hkdfExtract(secret []byte, salt ...[]byte) (prk [sha256.Size]byte) {
	var room [128]byte
	key := room[:0]
	for _, s := range salt {
		key = append(key, s...)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(secret)
	mac.Sum(prk[:0])
	return prk
}

// hkdfExpand fills out, at most 255 blocks of 32 bytes, from the pseudorandom key and the
// info, in pieces.
func hkdfExpand(out, prk []byte, info ...[]byte) {
	mac := hmac.New(sha256.New, prk)
	block := make([]byte, 0, sha256.Size)
	counter := [1]byte{}
	for len(out) > 0 {
		mac.Reset()
		mac.Write(block)
		for _, s := range info {
			mac.Write(s)
		}
		counter[0]++
		mac.Write(counter[:])
		block = mac.Sum(block[:0])
		out = out[copy(out, block):]
	}
}
