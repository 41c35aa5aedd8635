package wire_test

import (
	"bytes"
	"testing"
	"time"

	. "example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// genRanges draws ranges from high to low with gaps and lengths of every size.
func genRanges(t *rapid.T, most int) []AckRange {
	spans := rapid.OneOf(rapid.Uint64Range(1, 3), rapid.Uint64Range(250, 260), rapid.Uint64Range(1, 100000))
	n := rapid.IntRange(1, most).Draw(t, "ranges")
	below := PacketNumber(0)
	var ranges []AckRange
	for range n {
		smallest := below + PacketNumber(spans.Draw(t, "gap"))
		if below == 0 && rapid.Bool().Draw(t, "far") {
			smallest += 1 << 33
		}
		largest := smallest + PacketNumber(spans.Draw(t, "length")) - 1
		ranges = append([]AckRange{{smallest, largest}}, ranges...)
		below = largest + 1
	}
	return ranges
}

// plainAck writes an ACK frame of all the ranges in the obvious way.
func plainAck(delay time.Duration, ranges []AckRange) (b []byte, blocks int) {
	size := func(v uint64) (code byte, n int) {
		switch {
		case v < 1<<8:
			return 0, 1
		case v < 1<<16:
			return 1, 2
		case v < 1<<32:
			return 2, 4
		}
		return 3, 6
	}
	put := func(b []byte, v uint64, n int) []byte {
		for ; n > 0; n-- {
			b = append(b, byte(v>>(8*(n-1))))
		}
		return b
	}
	longest := uint64(0)
	for _, r := range ranges {
		longest = max(longest, uint64(r.Largest-r.Smallest+1))
	}
	largestCode, largestLen := size(uint64(ranges[0].Largest))
	lengthCode, lengthLen := size(longest)
	var body []byte
	for i, r := range ranges[1:] {
		gap := uint64(ranges[i].Smallest - r.Largest - 1)
		for gap > 255 {
			body = put(append(body, 255), 0, lengthLen)
			blocks++
			gap -= 255
		}
		body = put(append(body, byte(gap)), uint64(r.Largest-r.Smallest+1), lengthLen)
		blocks++
	}
	t := 0x40 | largestCode<<2 | lengthCode
	if blocks > 0 {
		t |= 0x20
	}
	b = AppendUfloat16(put([]byte{t}, uint64(ranges[0].Largest), largestLen), delay)
	if blocks > 0 {
		b = append(b, byte(blocks))
	}
	b = put(b, uint64(ranges[0].Largest-ranges[0].Smallest+1), lengthLen)
	return append(append(b, body...), 0), blocks
}

// An ACK frame has as many of the ranges as fit, and no wider fields than they need.
func TestAppendAck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ranges := genRanges(t, 40)
		delay := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "delay"))
		maxLen := rapid.OneOf(rapid.IntRange(0, 100), rapid.Just(1350)).Draw(t, "max")

		b, n := AppendAck([]byte("x"), delay, ranges, maxLen)
		want := 0
		var wantBytes []byte
		for k := 1; k <= len(ranges); k++ {
			if plain, blocks := plainAck(delay, ranges[:k]); blocks <= 255 && len(plain) <= maxLen {
				want, wantBytes = k, plain
			}
		}
		if n != want || !bytes.Equal(b[1:], wantBytes) {
			t.Fatalf("%d ranges in at most %d bytes: %d as %x, want %d as %x", len(ranges), maxLen, n, b[1:], want, wantBytes)
		}
		if n == 0 {
			return
		}
		frames, err := readAll(b[1:], q043)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ranges[:n], rangesOf(frames[0].(*AckFrame))); diff != "" {
			t.Fatalf("ranges (-want +got):\n%s", diff)
		}
	})
}

// 256 ranges are the most; a gap over 255 takes one of their places.
func TestAppendAckLimits(t *testing.T) {
	var ranges []AckRange
	for pn := PacketNumber(2000); pn > 1000; pn -= 2 {
		ranges = append(ranges, AckRange{pn, pn})
	}
	if b, n := AppendAck(nil, 0, ranges, 1<<20); n != MaxAckRanges || len(b) != 1+2+2+1+1+255*2+1 {
		t.Errorf("%d ranges in %d bytes", n, len(b))
	}
	far := append([]AckRange{{2258, 2258}}, ranges...) // 257 packets above
	if _, n := AppendAck(nil, 0, far, 1<<20); n != MaxAckRanges-1 {
		t.Errorf("%d ranges", n)
	}
	// The third range is so long that it would widen all: with it they do not fit.
	wide := []AckRange{{1000, 1000}, {998, 998}, {1, 900}}
	if b, n := AppendAck(nil, 0, wide, 10); n != 2 || len(b) != 10 {
		t.Errorf("%d ranges in %d bytes", n, len(b))
	}
	if b, n := AppendAck(nil, 0, wide, 15); n != 3 || len(b) != 15 {
		t.Errorf("%d ranges in %d bytes", n, len(b))
	}
	for _, bad := range [][]AckRange{
		nil, {{0, 3}}, {{3, 2}}, {{1, MaxPacketNumber + 1}},
	} {
		if b, n := AppendAck([]byte("x"), 0, bad, 1350); n != 0 || string(b) != "x" {
			t.Errorf("%v: %d ranges as %x", bad, n, b)
		}
	}
	for _, next := range []AckRange{{5, 9}, {20, 25}, {12, 30}, {0, 3}, {7, 6}} { // 10 to 20 before
		if _, n := AppendAck(nil, 0, []AckRange{{10, 20}, next}, 1350); n != 1 {
			t.Errorf("%v below 10-20: %d ranges", next, n)
		}
	}
	if f := new(AckFrame); len(f.Append(nil, &q043)) != 0 || f.String() != "ACK " {
		t.Errorf("an empty frame: %q", f)
	}
}

// plainRanges reads blocks in the obvious way: what the ranges are, or that they are wrong.
func plainRanges(largest int64, blocks [][2]int64) ([]AckRange, bool) {
	var ranges []AckRange
	top := largest
	for i, b := range blocks {
		gap, length := b[0], b[1]
		if i > 0 && gap == 0 || i == 0 && length == 0 {
			return nil, false
		}
		if i > 0 {
			top -= gap
		}
		if length == 0 {
			continue
		}
		if top-length+1 < 1 {
			return nil, false
		}
		ranges = append(ranges, AckRange{PacketNumber(top - length + 1), PacketNumber(top)})
		top -= length
	}
	return ranges, true
}

// Blocks of any kind are judged and walked as the plain reading does.
func TestAckBlocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.IntRange(0, 3).Draw(t, "size")
		size := []int{1, 2, 4, 6}[code]
		n := rapid.IntRange(1, 20).Draw(t, "blocks")
		blocks := make([][2]int64, n)
		sum := int64(0)
		for i := range blocks {
			gap := rapid.OneOf(rapid.Int64Range(1, 3), rapid.Int64Range(0, 255)).Draw(t, "gap")
			length := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 255)).Draw(t, "length")
			blocks[i] = [2]int64{gap, length}
			sum += gap + length
		}
		sum -= blocks[0][0]
		largest := max(sum+rapid.Int64Range(-3, 3).Draw(t, "below"), 0)

		put := func(b []byte, v int64, n int) []byte {
			for ; n > 0; n-- {
				b = append(b, byte(v>>(8*(n-1))))
			}
			return b
		}
		b := put([]byte{0x60 | 0x0c | byte(code)}, largest, 6)
		b = append(b, 0, 0)
		if n == 1 {
			b[0] &^= 0x20
		} else {
			b = append(b, byte(n-1))
		}
		b = put(b, blocks[0][1], size)
		for _, block := range blocks[1:] {
			b = put(append(b, byte(block[0])), block[1], size)
		}
		b = append(b, 0)

		want, ok := plainRanges(largest, blocks)
		frames, err := readAll(b, q043)
		if !ok {
			wantParseError(t, err, InvalidAckData)
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rangesOf(frames[0].(*AckFrame))); diff != "" {
			t.Fatalf("ranges of %x (-want +got):\n%s", b, diff)
		}
	})
}
