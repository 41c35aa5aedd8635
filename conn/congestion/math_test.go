package congestion

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestMulDiv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64().Draw(t, "a")
		b := rapid.Uint64().Draw(t, "b")
		c := rapid.Uint64Min(1).Draw(t, "c")
		want := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
		want.Div(want, new(big.Int).SetUint64(c))
		if !want.IsUint64() {
			want.SetUint64(math.MaxUint64)
		}
		if got := mulDiv(a, b, c); got != want.Uint64() {
			t.Errorf("%d*%d/%d is %d, want %d", a, b, c, got, want)
		}
	})
}

func TestCubeRoot(t *testing.T) {
	for _, x := range []uint64{0, 1, 7, 8, 9, 26, 27, 1<<63 - 1, 1 << 63, math.MaxUint64} {
		checkCubeRoot(t, x)
	}
	rapid.Check(t, func(t *rapid.T) { checkCubeRoot(t, rapid.Uint64().Draw(t, "x")) })
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Uint64Range(1, 2642245).Draw(t, "root") // the largest whose cube fits
		checkCubeRoot(t, r*r*r)
		checkCubeRoot(t, r*r*r-1)
	})
}

func checkCubeRoot(t rapid.TB, x uint64) {
	r := new(big.Int).SetUint64(cubeRoot(x))
	cube := func(n *big.Int) *big.Int { return new(big.Int).Exp(n, big.NewInt(3), nil) }
	want := new(big.Int).SetUint64(x)
	if cube(r).Cmp(want) > 0 || cube(new(big.Int).Add(r, big.NewInt(1))).Cmp(want) <= 0 {
		t.Errorf("cube root of %d: %d", x, r)
	}
}

// The filter gives a value of the last rounds, not below the newest.
func TestMaxFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f maxFilter
		var all []filtered
		round := uint64(rapid.IntRange(0, 5).Draw(t, "first round"))
		for range rapid.IntRange(1, 100).Draw(t, "updates") {
			round += uint64(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 15}).Draw(t, "rounds"))
			v := uint64(rapid.IntRange(1, 50).Draw(t, "value"))
			all = append(all, filtered{v, round})
			f.update(v, round, filterRounds)
			found, most := false, uint64(0)
			for _, x := range all {
				if round-x.round <= filterRounds {
					most = max(most, x.value)
					found = found || x.value == f.max()
				}
			}
			if !found || f.max() < v || f.max() > most {
				t.Fatalf("%d after %v", f.max(), all)
			}
		}
	})
	// A drop is followed when the window has passed, a peak at once.
	var f maxFilter
	for round := range uint64(40) {
		value := uint64(100)
		if round >= 20 {
			value = 50
		}
		f.update(value, round, filterRounds)
		if want := uint64(100); round < 30 && f.max() != want {
			t.Errorf("round %d: %d", round, f.max())
		}
		if want := uint64(50); round > 30 && f.max() != want {
			t.Errorf("round %d: %d", round, f.max())
		}
	}
}
