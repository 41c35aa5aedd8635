package sim

import "math/bits"

// A histogram counts numbers in classes that are a sixteenth wide, so that any share of
// them can be told in constant space.
type histogram struct {
	count [61 * 16]uint32
	n     uint64
}

func class(v uint64) int {
	if v < 16 {
		return int(v)
	}
	shift := bits.Len64(v) - 5
	return 16*shift + int(v>>shift)
}

// top returns the largest number of a class.
func top(class int) uint64 {
	if class < 32 {
		return uint64(class)
	}
	shift := class/16 - 1
	return (uint64(class%16+17))<<shift - 1
}

func (h *histogram) add(v uint64) {
	h.count[class(v)]++
	h.n++
}

// since returns what was added after an earlier state of the same histogram.
func (h histogram) since(before *histogram) histogram {
	for i := range h.count {
		h.count[i] -= before.count[i]
	}
	h.n -= before.n
	return h
}

// quantile returns what the given share of the numbers did not exceed, rounded up to
// the end of its class.
func (h *histogram) quantile(share PPM) uint64 {
	want := (h.n*uint64(share) + 999_999) / 1_000_000
	var seen uint64
	for i, n := range h.count {
		if seen += uint64(n); seen >= want && seen > 0 {
			return top(i)
		}
	}
	return 0
}
