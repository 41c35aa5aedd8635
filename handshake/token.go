package handshake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"example.com/gquic/wire"
)

// A source-address token (STK) proves that its bearer received something at an address:
// the server seals {address, time} and remembers nothing. The client cannot read it
// (reference: handshake, section 7). Sealed by AES-128-GCM, under a key of the token's
// own epoch:
//
//	 0        12        13        21        37                  69
//	┌────────┬─────────┬─────────┬─────────┬───────────────────┬──────────┐
//	│ nonce  │ version │ seconds │ address │ resume, optional  │ tag (16) │
//	└────────┴─────────┴─────────┴─────────┴───────────────────┴──────────┘
//	         │◀────────────────── sealed ──────────────────────▶
//
// The address is IPv6 or IPv4-mapped, without a port: a NAT may change that. The nonce is
// a keyed hash of what is sealed, so equal tokens are equal bytes and nothing is drawn.
const (
	tokenPlain   = 1 // version byte
	tokenResumes = 2

	tokenNonce     = 12
	tokenTag       = 16
	tokenSize      = 1 + 8 + 16
	tokenResumeExt = 8 + 8 + 8 + 8
)

const (
	// DefaultTokenLifetime is how long a token is good (reference: handshake, section 7).
	DefaultTokenLifetime = 24 * time.Hour
	// maxTokenSkew is how far in the future a token may be, for servers whose clocks differ.
	maxTokenSkew = 3600
	// coarseTime is the step of time in tokens that have to come out equal for a
	// repeated CHLO: in seconds, longer than a client goes on repeating it (10 s).
	coarseTime = 32
)

// tokenKey seals the tokens of one epoch.
type tokenKey struct {
	epoch int64
	aead  cipher.AEAD
	nonce [32]byte // key of the hash that makes nonces
}

func newTokenKey(secret Entropy, epoch int64) *tokenKey {
	e := secret.Derive("token key", binary.LittleEndian.AppendUint64(nil, uint64(epoch)))
	k := &tokenKey{epoch: epoch}
	var key [16]byte
	e.Fill(key[:])
	e.Fill(k.nonce[:])
	block, err := aes.NewCipher(key[:])
	if err == nil {
		k.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		panic("AES-128-GCM refuses a key of 16 bytes: " + err.Error())
	}
	return k
}

// appendToken appends the token for an address at a time.
func (k *tokenKey) appendToken(b []byte, addr netip.Addr, wall int64, resume *Resume) []byte {
	var room [tokenSize + tokenResumeExt]byte
	plain := append(room[:0], tokenPlain)
	plain = binary.LittleEndian.AppendUint64(plain, uint64(wall))
	ip := addr.As16()
	plain = append(plain, ip[:]...)
	if resume != nil {
		plain[0] = tokenResumes
		plain = append(plain, resume.ConnectionID[:]...)
		plain = binary.LittleEndian.AppendUint64(plain, uint64(resume.NextPacketNumber))
		plain = binary.LittleEndian.AppendUint64(plain, resume.ClientOffset)
		plain = binary.LittleEndian.AppendUint64(plain, resume.ServerOffset)
	}
	hash := newHMAC()
	hash.setKey(k.nonce[:])
	hash.begin()
	hash.Write(plain)
	var sum [sha256.Size]byte
	nonce := hash.sum(sum[:0])[:tokenNonce]
	b = append(b, nonce...)
	return k.aead.Seal(b, nonce, plain, nil)
}

// A token is what was in a STK.
type token struct {
	resume    Resume
	hasResume bool
}

// openToken checks a client's STK entry. The reason is 0 for a good one, otherwise one of
// ReasonNoToken to ReasonTokenExpired: a bad token only costs the client a round trip.
func (h *Host) openToken(b []byte, addr netip.Addr, wall int64) (t token, reason uint32) {
	if len(b) == 0 { // some clients send an empty entry at first
		return t, ReasonNoToken
	}
	var room [tokenSize + tokenResumeExt]byte
	plain := h.decryptToken(room[:0], b, wall)
	if plain == nil {
		return t, ReasonTokenUndecryptable
	}
	switch {
	case len(plain) == tokenSize && plain[0] == tokenPlain:
	case len(plain) == tokenSize+tokenResumeExt && plain[0] == tokenResumes:
		t.hasResume = true
		r := plain[tokenSize:]
		t.resume = Resume{
			ConnectionID:     wire.ConnectionID(r[:8]),
			NextPacketNumber: wire.PacketNumber(binary.LittleEndian.Uint64(r[8:])),
			ClientOffset:     binary.LittleEndian.Uint64(r[16:]),
			ServerOffset:     binary.LittleEndian.Uint64(r[24:]),
		}
	default:
		return t, ReasonTokenMalformed
	}
	made := int64(binary.LittleEndian.Uint64(plain[1:]))
	switch {
	case addr.As16() != [16]byte(plain[9:25]):
		return t, ReasonTokenOtherAddress
	case made > wall+maxTokenSkew:
		return t, ReasonTokenFromFuture
	case wall-made > h.tokenLifetime:
		return t, ReasonTokenExpired
	}
	return t, 0
}

// decryptToken tries the keys of the current epoch, the one before, and the next, which a
// server whose clock is ahead may already use.
func (h *Host) decryptToken(dst, b []byte, wall int64) []byte {
	if len(b) < tokenNonce+tokenTag {
		return nil
	}
	now := h.tokenEpoch(wall)
	for _, epoch := range [...]int64{now, now - 1, now + 1} {
		k := h.tokenKey(epoch)
		if plain, err := k.aead.Open(dst, b[:tokenNonce], b[tokenNonce:], nil); err == nil {
			return plain
		}
	}
	return nil
}

func (h *Host) tokenEpoch(wall int64) int64 { return floorDiv(wall, h.tokenLifetime) }

// appendToken appends a token for an address, made at wall.
func (h *Host) appendToken(b []byte, addr netip.Addr, wall int64, resume *Resume) []byte {
	return h.tokenKey(h.tokenEpoch(wall)).appendToken(b, addr, wall, resume)
}

// floorDiv is a/b rounded down, for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
