package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// Rand is a small deterministic generator (SplitMix64), equal on every architecture. It
// is a plain value: a copy goes on from where the original stood. It is not for secrets.
type Rand struct{ state uint64 }

// NewRand returns the generator of a seed for a purpose: generators of one seed with
// different names have nothing to do with each other.
func NewRand(seed uint64, name string) Rand {
	sum := seedFor(seed, name)
	return Rand{binary.LittleEndian.Uint64(sum[:])}
}

// seedFor expands a world's seed for one purpose.
func seedFor(seed uint64, name string) [32]byte {
	return sha256.Sum256(append(binary.LittleEndian.AppendUint64(nil, seed), name...))
}

// Uint64 returns the next 64 bits.
func (r *Rand) Uint64() uint64 {
	r.state += golden
	return mix(r.state)
}

// Below returns a number from 0 to n-1; 0 if n is 0.
func (r *Rand) Below(n uint64) uint64 {
	high, _ := bits.Mul64(r.Uint64(), n)
	return high
}

// Chance reports true with probability p. It draws once, whatever p is, so that another
// probability shifts no later draw.
func (r *Rand) Chance(p PPM) bool { return r.Below(1_000_000) < uint64(p) }

// Duration returns a duration from 0 to d, both included; 0 if d is negative.
func (r *Rand) Duration(d time.Duration) time.Duration {
	return time.Duration(r.Below(uint64(max(d, 0)) + 1))
}

const golden = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// PPM is a probability in parts per million.
type PPM uint32

// Percent is a probability of 0.01.
const Percent PPM = 10_000
