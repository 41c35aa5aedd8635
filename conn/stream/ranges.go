package stream

import "slices"

// A span is the byte range from start up to, not including, end.
type span struct{ start, end uint64 }

// A rangeSet is a set of offsets as spans: ascending, none empty, none touching the
// next. Adding at the end is O(1), finding is O(log n), and a change in the middle
// moves what is behind it.
//
// It has no bound of its own. In a ReceiveBuffer there are at most MaxRanges spans. In
// a SendBuffer, any two spans are parted by an edge of some packet's data, so there
// are no more than packets that are sent and not yet acknowledged or forgotten, which the
// connection bounds.
type rangeSet []span

// search returns the first span that ends at or behind offset.
func (s rangeSet) search(offset uint64) int {
	lo, hi := 0, len(s)
	if hi == 0 || s[hi-1].end < offset {
		return hi
	}
	for lo < hi {
		if mid := (lo + hi) / 2; s[mid].end < offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// touches reports whether a span overlaps start to end, or ends or starts where that
// starts or ends: adding it would not add a span.
func (s rangeSet) touches(start, end uint64) bool {
	i := s.search(start)
	return i < len(s) && s[i].start <= end
}

// add adds start to end.
func (s *rangeSet) add(start, end uint64) {
	if start >= end {
		return
	}
	set := *s
	i := set.search(start)
	j := i // set[i:j] melt into the new span
	for j < len(set) && set[j].start <= end {
		j++
	}
	if i == j {
		*s = slices.Insert(set, i, span{start, end})
		return
	}
	set[i] = span{min(start, set[i].start), max(end, set[j-1].end)}
	if j > i+1 {
		*s = slices.Delete(set, i+1, j)
	}
}

// remove removes start to end.
func (s *rangeSet) remove(start, end uint64) {
	if start >= end {
		return
	}
	set := *s
	i := set.search(start + 1) // the first that ends behind start
	if i == len(set) || set[i].start >= end {
		return
	}
	if first := set[i]; first.start < start {
		set[i].end = start
		i++
		if first.end > end {
			*s = slices.Insert(set, i, span{end, first.end})
			return
		}
	}
	j := i
	for j < len(set) && set[j].end <= end {
		j++
	}
	if j < len(set) && set[j].start < end {
		set[j].start = end
	}
	if j > i {
		*s = slices.Delete(set, i, j)
	}
}

// gap returns the first part of start to end that is not in the set.
func (s rangeSet) gap(start, end uint64) (g span, ok bool) {
	if i := s.search(start + 1); i < len(s) {
		if s[i].start <= start {
			start = s[i].end
			i++
		}
		if i < len(s) {
			end = min(end, s[i].start)
		}
	}
	return span{start, end}, start < end
}

// absorb returns where the bytes end that follow prefix without a gap, and takes them
// out of the set, together with all below them.
func (s *rangeSet) absorb(prefix uint64) uint64 {
	if len(*s) == 0 {
		return prefix // as mostly
	}
	return s.absorbSome(prefix)
}

func (s *rangeSet) absorbSome(prefix uint64) uint64 {
	n := 0
	for n < len(*s) && (*s)[n].start <= prefix {
		prefix = max(prefix, (*s)[n].end)
		n++
	}
	if n > 0 {
		*s = slices.Delete(*s, 0, n)
	}
	return prefix
}

// compact returns s without the memory of an empty set.
func (s rangeSet) compact() rangeSet {
	if len(s) == 0 {
		return nil
	}
	return s
}
