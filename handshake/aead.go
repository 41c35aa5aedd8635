package handshake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"example.com/gquic/wire"
)

// tagSize is the bytes of authentication tag in a packet, at every level.
const tagSize = 12

// An AEAD protects packets in one direction with one key. It is immutable and may be
// shared.
//
//	null          header │ tag │ plaintext            Prefix 12
//	AESG, CC20    header │ ciphertext │ tag           Prefix 0
//
// The header is authenticated, not encrypted; the full packet number enters the nonce
// (reference: wire, section 11).
type AEAD interface {
	// Prefix returns the bytes of tag in front of the plaintext.
	Prefix() int
	// Overhead returns the bytes by which protection makes a packet longer, Prefix included.
	Overhead() int
	// Seal protects a packet in place. packet[:header] is the header, the plaintext
	// starts at header+Prefix(). It returns the packet, grown by what is left of
	// Overhead, for which it needs capacity; without it, it allocates.
	Seal(s *Scratch, packet []byte, header int, pn wire.PacketNumber) []byte
	// Open appends the plaintext of packet to dst, which must not overlap it. It
	// leaves packet as it is, also when it fails, so that other keys can be tried. It
	// allocates only where dst has no room. A packet that this key did not seal gives
	// ErrAuthentication and dst as it was.
	Open(s *Scratch, dst, packet []byte, header int, pn wire.PacketNumber) ([]byte, error)
}

// ErrAuthentication says that a packet was not sealed with this key, or was changed.
var ErrAuthentication = errors.New("handshake: packet does not authenticate")

// Scratch is working memory for an [AEAD], so that AEADs stay immutable and their calls
// do not allocate. The zero value is ready. One is enough for an endpoint; it carries
// nothing from call to call, so a clone of the endpoint starts with a fresh one.
type Scratch struct {
	nonce [ivSize + 8]byte
	buf   []byte
}

// setNonce returns the nonce of a packet: the keys' four bytes, then the full packet
// number, little-endian (reference: wire, section 11.4).
func (s *Scratch) setNonce(iv [ivSize]byte, pn wire.PacketNumber) []byte {
	copy(s.nonce[:], iv[:])
	binary.LittleEndian.PutUint64(s.nonce[ivSize:], uint64(pn))
	return s.nonce[:]
}

// NewAEAD returns the protection that alg names, AESG or CC20, with a key of 16 or 32
// bytes and an iv of 4. An unknown algorithm or a wrong length is an *[Error] with code
// 53.
func NewAEAD(alg Tag, key, iv []byte) (AEAD, error) {
	if len(iv) != ivSize || len(key) != keySize(alg) || len(key) == 0 {
		return nil, fault(wire.CryptoSymmetricKeySetupFailed, "no packet protection "+alg.String()+" with these keys")
	}
	var err error
	if alg == AESG {
		var a *aesgcm
		if a, err = newAESGCM(gcmKey{[16]byte(key), [ivSize]byte(iv)}); err == nil {
			return a, nil
		}
	} else {
		a := &chacha{iv: [ivSize]byte(iv)}
		if a.full, err = chacha20poly1305.New(key); err == nil {
			return a, nil
		}
	}
	return nil, &Error{Code: wire.CryptoSymmetricKeySetupFailed, What: "packet protection refused", Err: err}
}

// gcmKey is what an aesgcm is made from.
type gcmKey struct {
	key [16]byte
	iv  [ivSize]byte
}

// aesgcm is AESG: AES-128-GCM with the tag cut to 12 bytes.
type aesgcm struct {
	gcm cipher.AEAD
	gcmKey
}

func newAESGCM(k gcmKey) (*aesgcm, error) {
	block, err := aes.NewCipher(k.key[:])
	if err == nil {
		var gcm cipher.AEAD
		if gcm, err = cipher.NewGCMWithTagSize(block, tagSize); err == nil {
			return &aesgcm{gcm, k}, nil
		}
	}
	return nil, err
}

func (a *aesgcm) Prefix() int   { return 0 }
func (a *aesgcm) Overhead() int { return tagSize }

func (a *aesgcm) Seal(s *Scratch, packet []byte, header int, pn wire.PacketNumber) []byte {
	nonce := s.setNonce(a.iv, pn)
	return a.gcm.Seal(packet[:header], nonce, packet[header:], packet[:header])
}

func (a *aesgcm) Open(s *Scratch, dst, packet []byte, header int, pn wire.PacketNumber) ([]byte, error) {
	if len(packet) < header+tagSize {
		return dst, ErrAuthentication
	}
	plain, err := a.gcm.Open(dst, s.setNonce(a.iv, pn), packet[header:], packet[:header])
	if err != nil {
		return dst, ErrAuthentication
	}
	return plain, nil
}

// chacha is CC20: ChaCha20-Poly1305 with the tag cut to 12 bytes. The library opens only
// with whole tags, so Open works with its Seal: that is the same cipher in both
// directions, so sealing the ciphertext gives the plaintext (and a tag of no use), and
// sealing the plaintext again gives the whole tag to compare with.
type chacha struct {
	full cipher.AEAD
	iv   [ivSize]byte
}

func (a *chacha) Prefix() int   { return 0 }
func (a *chacha) Overhead() int { return tagSize }

func (a *chacha) Seal(s *Scratch, packet []byte, header int, pn wire.PacketNumber) []byte {
	nonce := s.setNonce(a.iv, pn)
	sealed := a.full.Seal(s.room(len(packet)-header), nonce, packet[header:], packet[:header])
	return append(packet[:header], sealed[:len(packet)-header+tagSize]...)
}

func (a *chacha) Open(s *Scratch, dst, packet []byte, header int, pn wire.PacketNumber) ([]byte, error) {
	if len(packet) < header+tagSize {
		return dst, ErrAuthentication
	}
	nonce := s.setNonce(a.iv, pn)
	end := len(packet) - tagSize
	n := end - header
	buf := a.full.Seal(s.room(n), nonce, packet[header:end], nil)[:n]
	opened := append(dst, buf...)
	buf = a.full.Seal(buf[:0], nonce, buf, packet[:header])
	if subtle.ConstantTimeCompare(buf[n:n+tagSize], packet[end:]) != 1 {
		clear(opened[len(dst):])
		return dst, ErrAuthentication
	}
	return opened, nil
}

// room returns an empty slice with room for n bytes and a whole tag.
func (s *Scratch) room(n int) []byte {
	if n += chacha20poly1305.Overhead; cap(s.buf) < n {
		s.buf = make([]byte, 0, max(n, 1500))
	}
	return s.buf[:0]
}
