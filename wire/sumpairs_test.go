package wire

import (
	"testing"

	"pgregory.net/rapid"
)

// Four blocks at a time and one by one come to the same.
func TestSumPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 255).Draw(t, "blocks")
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 1, 2, 127, 128, 254, 255, 255, 255}), 2*n, 2*n).Draw(t, "bytes")
		sum, gaps := uint64(0), true
		if rapid.Bool().Draw(t, "no empty gap") {
			for i := 0; i < len(b); i += 2 {
				b[i] = max(b[i], 1)
			}
		}
		for i, c := range b {
			sum += uint64(c)
			gaps = gaps && (c > 0 || i%2 == 1)
		}
		if s, g := sumPairs(b); s != sum || g != gaps {
			t.Fatalf("sumPairs(%x) = %d, %v, want %d, %v", b, s, g, sum, gaps)
		}
	})
	all := make([]byte, 2*255)
	for i := range all {
		all[i] = 255
	}
	if s, g := sumPairs(all); s != 2*255*255 || !g {
		t.Errorf("the most of everything: %d, %v", s, g)
	}
}
