package stream

import "slices"

// ChunkSize is the size of the pieces that buffers borrow, six datagrams' data. Measured
// (BenchmarkBulk of conn: a full packet, both ends with cipher), chunks of 4, 8 and 16 KiB
// cost 831, 810 and 806 ns: that a chunk ends is hard to foresee for a processor, which
// so does wrong things for a while, at each of four places. Larger ones gain hardly more, while a
// stream with one byte waiting, and each byte that a peer puts behind a hole, pins a whole chunk.
const ChunkSize = 8 << 10

// MaxFree is the largest number of unused chunks that a Pool keeps, 16 MiB: about the
// largest window that a peer is known to open, so that one stream's full buffer can
// empty and fill again without allocating. Any more is left to the garbage collector.
const MaxFree = 16 << 20 / ChunkSize

type chunk [ChunkSize]byte

// A Pool is the store of unused chunks that all buffers of one endpoint share. The
// zero value is ready and empty; chunks are allocated when there is none left. A clone
// of an endpoint starts with an empty one.
type Pool struct {
	free   []*chunk
	stored uint64
}

// Stored returns how many bytes have been copied into chunks: each byte of a stream once
// at its sender, and once at its receiver.
func (p *Pool) Stored() uint64 { return p.stored }

// Free returns how many unused chunks the pool holds, at most [MaxFree].
func (p *Pool) Free() int { return len(p.free) }

func (p *Pool) get() *chunk {
	n := len(p.free)
	if n == 0 {
		return new(chunk)
	}
	c := p.free[n-1]
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	return c
}

func (p *Pool) put(c *chunk) {
	Poison(c[:])
	if len(p.free) < MaxFree {
		p.free = append(p.free, c)
	}
}

// A chunkList holds the chunks of one buffer, ascending by index: chunk i has the
// bytes at offsets from i*ChunkSize to (i+1)*ChunkSize. Indices may be missing, as a
// receiver's data has holes; mostly they are not, and then finding one is O(1).
type chunkList struct {
	items []item // items[:head] are spent
	head  int
}

type item struct {
	index uint64
	*chunk
}

func (l *chunkList) len() int { return len(l.items) - l.head }

// find returns where chunk index is in l.items or, if it is not, would have to be.
func (l *chunkList) find(index uint64) (pos int, ok bool) {
	if live := l.items[l.head:]; len(live) > 0 {
		// Without holes below it, it is as far from the first as their indices are.
		if d := index - live[0].index; d < uint64(len(live)) && live[d].index == index {
			return l.head + int(d), true
		}
	}
	return l.search(index)
}

// search is find where there are holes, or no such chunk.
func (l *chunkList) search(index uint64) (pos int, ok bool) {
	if l.len() == 0 || index > l.items[len(l.items)-1].index {
		return len(l.items), false
	}
	if index < l.items[l.head].index {
		return l.head, false
	}
	lo, hi := l.head+1, len(l.items)-1 // the one to find is in items[lo:hi+1]
	for lo < hi {
		if mid := (lo + hi) / 2; l.items[mid].index < index {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, l.items[lo].index == index
}

// store copies data to offset, borrowing the chunks that are not there.
func (l *chunkList) store(p *Pool, offset uint64, data []byte) {
	for len(data) > 0 {
		index := offset / ChunkSize
		pos, ok := l.find(index)
		if !ok {
			pos = l.insert(pos, item{index, p.get()})
		}
		n := copy(l.items[pos].chunk[offset%ChunkSize:], data)
		data = data[n:]
		offset += uint64(n)
		p.stored += uint64(n)
	}
}

// insert puts it before items[pos] and returns where it is then.
func (l *chunkList) insert(pos int, it item) int {
	if l.head > 0 {
		if pos == l.head {
			l.head--
			l.items[l.head] = it
			return l.head
		}
		// Use the spent places again rather than grow, once they are half of the list:
		// then moving the others costs no more than what was spent since.
		if len(l.items) == cap(l.items) && 2*l.head >= len(l.items) {
			n := copy(l.items, l.items[l.head:])
			clear(l.items[n:])
			l.items = l.items[:n]
			pos -= l.head
			l.head = 0
		}
	}
	if pos == len(l.items) {
		l.items = append(l.items, it)
	} else {
		l.items = slices.Insert(l.items, pos, it)
	}
	return pos
}

// view returns the stored bytes from offset to the end of its chunk, but not past end.
// There are none if the chunk is missing.
func (l *chunkList) view(offset, end uint64) []byte {
	pos, ok := l.find(offset / ChunkSize)
	if !ok || offset >= end {
		return nil
	}
	at := offset % ChunkSize
	return l.items[pos].chunk[at:min(at+end-offset, ChunkSize)]
}

// release gives back the chunks that lie wholly below offset, and with all set, every
// chunk.
func (l *chunkList) release(p *Pool, offset uint64, all bool) {
	for l.head < len(l.items) && (all || l.items[l.head].index < offset/ChunkSize) {
		p.put(l.items[l.head].chunk)
		l.items[l.head] = item{}
		l.head++
	}
	if l.head == len(l.items) {
		l.items, l.head = l.items[:0], 0
	}
}

// compact gives an empty list's memory back.
func (l *chunkList) compact() {
	if len(l.items) == 0 {
		l.items = nil
	}
}

// clone copies the list and its chunks.
func (l *chunkList) clone() chunkList {
	items := slices.Clone(l.items[l.head:])
	for i := range items {
		c := *items[i].chunk
		items[i].chunk = &c
	}
	return chunkList{items: items}
}
