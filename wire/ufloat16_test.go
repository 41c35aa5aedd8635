package wire_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	. "example.com/gquic/wire"
)

func encode(d time.Duration) uint16 { return binary.BigEndian.Uint16(AppendUfloat16(nil, d)) }

// The checks of section 12.4, and the ends.
func TestUfloat16(t *testing.T) {
	for _, test := range []struct {
		us   int64
		want uint16
	}{
		{0, 0}, {1, 1}, {4095, 0x0fff}, {4096, 0x1000}, {4097, 0x1000}, {8191, 0x17ff}, {8192, 0x1800},
		{0x3ffc0000000, 0xffff}, {0x3ffbfffffff, 0xfffe}, {-1, 0},
	} {
		if got := encode(time.Duration(test.us) * time.Microsecond); got != test.want {
			t.Errorf("%d µs appended as %#04x, want %#04x", test.us, got, test.want)
		}
	}
	if got := encode(math.MaxInt64); got != 0xffff {
		t.Errorf("the longest Duration appended as %#04x", got)
	}
	if got := encode(1999); got != 1 {
		t.Errorf("1999 ns appended as %#04x", got)
	}
	if got := DecodeUfloat16(0xffff); got != InfiniteDelay {
		t.Errorf("0xffff read as %v", got)
	}
}

// All numbers, upwards: each stands for itself and for what lies below the next.
func TestUfloat16All(t *testing.T) {
	for v := range 0xffff {
		this, next := DecodeUfloat16(uint16(v)), DecodeUfloat16(uint16(v+1))
		if next <= this {
			t.Fatalf("%#04x is %v, and the next number %v", v, this, next)
		}
		if low, high := encode(this), encode(next-1); low != uint16(v) || high != uint16(v) {
			t.Fatalf("%v and %v appended as %#04x and %#04x, want %#04x", this, next-1, low, high, v)
		}
	}
}
