package handshake

import (
	"crypto/ecdh"
	"crypto/sha256"
)

// A KeyShare is one side's half of a key exchange: a private value and what the peer is
// shown of it. It is immutable and may be shared (reference: handshake, section 8).
type KeyShare struct {
	algorithm Tag
	private   *ecdh.PrivateKey
	public    []byte
}

// KeyShareSize is the number of bytes of a private value, for both algorithms.
const KeyShareSize = 32

// NewKeyShare makes the share of a private value of 32 random bytes. For C255 they are
// the X25519 private key, for P256 the scalar, big-endian. One scalar in 2³² is out of
// range; its SHA-256 hash is taken instead, as often as needed, so that any 32 bytes
// make a share and equal ones an equal share.
func NewKeyShare(alg Tag, private []byte) (*KeyShare, error) {
	c := curve(alg)
	if c == nil {
		return nil, badParameter("unknown key exchange " + alg.String())
	}
	if len(private) != KeyShareSize {
		return nil, badParameter("private value is not 32 bytes long")
	}
	key, err := c.NewPrivateKey(private)
	for err != nil {
		next := sha256.Sum256(private)
		private = next[:]
		key, err = c.NewPrivateKey(private)
	}
	return &KeyShare{alg, key, key.PublicKey().Bytes()}, nil
}

// curve returns nil for an algorithm that is not known.
func curve(alg Tag) ecdh.Curve {
	switch alg {
	case C255:
		return ecdh.X25519()
	case P256:
		return ecdh.P256()
	}
	return nil
}

// Algorithm returns C255 or P256.
func (k *KeyShare) Algorithm() Tag { return k.algorithm }

// Public returns the public value as it goes on the wire: 32 bytes for C255; for P256 an
// uncompressed point of 65 bytes. It is shared: do not change it.
func (k *KeyShare) Public() []byte { return k.public }

// Shared returns the secret of 32 bytes that k's private value and the peer's public
// value make. A public value of the wrong length, off the curve, or one that forces the
// secret to zero is an *[Error] with code 34.
func (k *KeyShare) Shared(peer []byte) ([]byte, error) {
	public, err := curve(k.algorithm).NewPublicKey(peer)
	if err != nil {
		return nil, badShare(err)
	}
	secret, err := k.private.ECDH(public)
	if err != nil {
		return nil, badShare(err)
	}
	return secret, nil
}

func badShare(err error) *Error {
	e := badParameter("public value not acceptable")
	e.Err = err
	return e
}
