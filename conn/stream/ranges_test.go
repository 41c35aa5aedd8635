package stream

import (
	"testing"

	"pgregory.net/rapid"
)

// wellFormed checks what every rangeSet keeps: ascending, not empty, not touching.
func wellFormed(t interface{ Fatalf(string, ...any) }, s rangeSet) {
	for i, r := range s {
		if r.start >= r.end || i > 0 && s[i-1].end >= r.start {
			t.Fatalf("ranges %v are not in order", s)
		}
	}
}

// Against one flag for each offset.
func TestRangeSetAgainstFlags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 64
		var s rangeSet
		var in [size + 1]bool
		offset := rapid.Uint64Range(0, size)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				start, end := offset.Draw(t, "start"), offset.Draw(t, "end")
				s.add(start, end)
				for i := start; i < end; i++ {
					in[i] = true
				}
			},
			"remove": func(t *rapid.T) {
				start, end := offset.Draw(t, "start"), offset.Draw(t, "end")
				s.remove(start, end)
				for i := start; i < end; i++ {
					in[i] = false
				}
			},
			"gap": func(t *rapid.T) {
				start, end := offset.Draw(t, "start"), offset.Draw(t, "end")
				want := span{start, end}
				for want.start < end && in[want.start] {
					want.start++
				}
				for i := want.start; i < end; i++ {
					if in[i] {
						want.end = i
						break
					}
				}
				g, ok := s.gap(start, end)
				if ok != (want.start < want.end) || ok && g != want {
					t.Fatalf("gap of %v in %d to %d: %v %v, want %v", s, start, end, g, ok, want)
				}
			},
			"touches": func(t *rapid.T) {
				start, end := offset.Draw(t, "start"), offset.Draw(t, "end")
				if start >= end {
					return
				}
				added := append(rangeSet(nil), s...)
				added.add(start, end)
				if s.touches(start, end) != (len(added) <= len(s)) {
					t.Fatalf("%v touches %d to %d: %v, but adding gives %v", s, start, end, s.touches(start, end), added)
				}
			},
			"absorb": func(t *rapid.T) {
				prefix := offset.Draw(t, "prefix")
				want := prefix
				for want < size && in[want] {
					want++
				}
				for i := range want {
					in[i] = false
				}
				if got := s.absorb(prefix); got != want {
					t.Fatalf("absorb(%d) = %d, want %d", prefix, got, want)
				}
			},
			"": func(t *rapid.T) {
				wellFormed(t, s)
				var got [size + 1]bool
				for _, r := range s {
					for i := r.start; i < r.end; i++ {
						got[i] = true
					}
				}
				if got != in {
					t.Fatalf("%v is not what was added", s)
				}
			},
		})
	})
}
