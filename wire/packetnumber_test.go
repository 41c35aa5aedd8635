package wire_test

import (
	"testing"

	. "example.com/gquic/wire"

	"pgregory.net/rapid"
)

func TestDecodePacketNumber(t *testing.T) {
	for _, test := range []struct {
		truncated PacketNumber
		length    int
		largest   PacketNumber
		want      PacketNumber
	}{
		{1, 1, 0, 1}, // nothing arrived: the number itself
		{0xff, 1, 0, 0xff},
		{0, 1, 0, 0}, // no packet
		{0, 1, 0xff, 0x100},
		{0xff, 1, 0x100, 0xff},
		{0x80, 1, 0x1ff, 0x280}, // as near as 0x180, which has the upper bytes of 0x1ff
		{0x81, 1, 0x100, 0x81},  // as near as 0x181, which has those of 0x100
		{0x81, 1, 0x1ff, 0x181},
		{0x7f, 1, 0x1ff, 0x27f},
		{0x8000, 2, 0xffff, 0x18000},
		{1, 2, 0xfffe, 0x10001},
		{0, 4, 0xffffffff, 0x100000000},
		{3, 6, 0x1000000000000, 0x1000000000003},
	} {
		if got := DecodePacketNumber(test.truncated, test.length, test.largest); got != test.want {
			t.Errorf("DecodePacketNumber(%#x, %d, %#x) = %#x, want %#x", test.truncated, test.length, test.largest, got, test.want)
		}
	}
}

// A number comes back whole as long as it is less than half of what its bytes can
// count from the number expected next; and with the sender's choice of length, as long
// as the receiver has all that was acknowledged and no more than what was sent.
func TestPacketNumberWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int{1, 2, 4, 6}).Draw(t, "length")
		half := uint64(1) << (8*length - 1)
		largest := rapid.Uint64Range(0, 1<<62).Draw(t, "largest") >> rapid.IntRange(0, 61).Draw(t, "shift")
		next := largest + 1
		low := uint64(1)
		if next >= half {
			low = next - half + 1
		}
		pn := rapid.Uint64Range(low, next+half-1).Draw(t, "number")
		got := DecodePacketNumber(PacketNumber(pn&(2*half-1)), length, PacketNumber(largest))
		if got != PacketNumber(pn) {
			t.Fatalf("%#x after %#x in %d bytes: %#x", pn, largest, length, got)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		unacked := PacketNumber(rapid.Uint64Range(1, 1<<40).Draw(t, "unacked"))
		pn := unacked + PacketNumber(rapid.Uint64Range(0, 1<<17).Draw(t, "in flight"))
		largest := PacketNumber(rapid.Uint64Range(uint64(unacked)-1, uint64(pn)-1).Draw(t, "largest"))
		n := PacketNumberLen(pn, unacked)
		if got := DecodePacketNumber(pn&(1<<(8*n)-1), n, largest); got != pn {
			t.Fatalf("%#x after %#x in %d bytes: %#x", pn, largest, n, got)
		}
	})
}

func TestPacketNumberLen(t *testing.T) {
	for _, test := range []struct {
		pn, unacked PacketNumber
		want        int
	}{{1, 1, 2}, {0x8000, 1, 2}, {0x8001, 1, 4}, {1 << 40, 1<<40 - 0x7fff, 2}} {
		if got := PacketNumberLen(test.pn, test.unacked); got != test.want {
			t.Errorf("PacketNumberLen(%d, %d) = %d, want %d", test.pn, test.unacked, got, test.want)
		}
	}
}
