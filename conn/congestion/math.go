package congestion

import (
	"math"
	"math/bits"
)

// mulDiv returns a*b/c, rounded down, without overflow on the way; results beyond 64 bits
// are cut to the largest. c must not be 0.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxUint64
	}
	q, _ := bits.Div64(hi, lo, c)
	return q
}

// cubeRoot returns the largest r with r*r*r <= x, bit by bit.
func cubeRoot(x uint64) uint64 {
	var r uint64
	for shift := 63; shift >= 0; shift -= 3 {
		r <<= 1
		if next := 3*r*(r+1) + 1; x>>shift >= next {
			x -= next << shift
			r++
		}
	}
	return r
}
