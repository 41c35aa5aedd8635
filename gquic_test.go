package gquic_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"example.com/gquic"
)

func ExampleInstant() {
	start := gquic.Instant(0)
	deadline := start.Add(25 * time.Millisecond)
	fmt.Println(deadline, deadline.Sub(start), gquic.Never)
	// Output: 25ms 25ms never
}

func TestInstantStopsAtTheEndsOfItsAxis(t *testing.T) {
	for _, c := range []struct{ got, want gquic.Instant }{
		{gquic.Never.Add(-time.Hour), gquic.Never},
		{(gquic.Never - 1).Add(time.Hour), gquic.Never - 1},
		{gquic.Instant(math.MinInt64).Add(-1), math.MinInt64},
		{gquic.Instant(5).Add(-7), -2},
	} {
		if c.got != c.want {
			t.Errorf("got %d, want %d", c.got, c.want)
		}
	}
	if d := gquic.Never.Sub(math.MinInt64); d != math.MaxInt64 {
		t.Errorf("the longest difference is %d, want it cut to %d", d, int64(math.MaxInt64))
	}
	if d := gquic.Instant(math.MinInt64).Sub(gquic.Never); d != math.MinInt64 {
		t.Errorf("the longest negative difference is %d", d)
	}
}
