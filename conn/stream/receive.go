package stream

import (
	"slices"

	"example.com/gquic/wire"
)

// MaxRanges is the largest number of pieces that may wait behind holes, beyond what can
// be read. With the end of the stream that is 1000 gaps, as many as quic-go bears; an
// honest sender has no more holes than lost packets in flight. Each piece may be a
// single byte that pins a chunk, so this also limits to 8 MiB what a byte here and there
// can cost. Reference: connection, section 13.
const MaxRanges = 999

// A ReceiveBuffer is one direction of a stream at its receiver: it puts in order what
// arrives in any order, overlapping and more than once.
//
//	   read             ready                     highest   final
//	─────┼────────────────┼─────────▒▒▒▒▒▒▒▒──▒▒▒▒▒▒▒┼─ ─ ─ ─ ┼
//	     │◀── readable ──▶│◀ hole ▶│ pieces behind holes │
//
// Where two frames have the same byte, the first that came is kept, and the other
// is not compared. Data is held in chunks by offset, at most (highest - read)/ChunkSize
// + 2 of them: as the caller checks flow control before Insert, a stream never holds
// more than its window and two chunks.
//
// The zero value is an empty buffer.
type ReceiveBuffer struct {
	chunks  chunkList
	above   rangeSet // received, above ready
	read    uint64   // the application has all below
	ready   uint64   // all below was received
	highest uint64   // furthest offset known; the final offset, once known
	ended   bool     // the final offset is known
	dropped bool     // Reset: data is checked, and not kept
}

// StartAt makes an empty buffer begin at offset, as if all before it had been read.
func (r *ReceiveBuffer) StartAt(offset uint64) {
	r.read, r.ready, r.highest = offset, offset, offset
}

// Insert adds the data of a STREAM frame, copying what is new of it. fin says that the
// stream ends behind it. The caller has checked flow control. Errors are *Error, and
// change nothing: a final offset that conflicts with another or with data received, data
// past it, more than MaxRanges pieces with holes between, an offset past the largest.
func (r *ReceiveBuffer) Insert(p *Pool, offset uint64, data []byte, fin bool) error {
	end := offset + uint64(len(data))
	if end > wire.MaxByteOffset || end < offset {
		return fault(OffsetTooLarge, max(offset, end), wire.MaxByteOffset)
	}
	if err := r.checkEnd(end, fin); err != nil {
		return err
	}
	isNew := end > r.ready && len(data) > 0 && !r.dropped
	if isNew && offset > r.ready && len(r.above) >= MaxRanges && !r.above.touches(offset, end) {
		return fault(TooManyRanges, end, MaxRanges)
	}
	r.highest = max(r.highest, end)
	r.ended = r.ended || fin
	if !isNew {
		return nil
	}
	if offset < r.ready {
		data = data[r.ready-offset:]
		offset = r.ready
	}
	for at := offset; at < end; {
		g, ok := r.above.gap(at, end)
		if !ok {
			break
		}
		r.chunks.store(p, g.start, data[g.start-offset:g.end-offset])
		at = g.end
	}
	if offset > r.ready {
		r.above.add(offset, end)
	} else {
		r.ready = r.above.absorb(end)
	}
	return nil
}

// SetFinal notes the final offset that a RST_STREAM frame states. Errors are *Error, and
// change nothing.
func (r *ReceiveBuffer) SetFinal(offset uint64) error {
	if offset > wire.MaxByteOffset {
		return fault(OffsetTooLarge, offset, wire.MaxByteOffset)
	}
	if err := r.checkEnd(offset, true); err != nil {
		return err
	}
	r.highest = offset
	r.ended = true
	return nil
}

// checkEnd holds a frame's end against what is known of the stream's end.
func (r *ReceiveBuffer) checkEnd(end uint64, final bool) error {
	switch {
	case final && r.ended && end != r.highest:
		return fault(FinalOffsetMoved, end, r.highest)
	case final && end < r.highest:
		return fault(FinalOffsetTooLow, end, r.highest)
	case r.ended && end > r.highest:
		return fault(DataPastFinalOffset, end, r.highest)
	}
	return nil
}

// Readable returns how many bytes can be read now.
func (r *ReceiveBuffer) Readable() int { return int(r.ready - r.read) }

// Peek returns the next bytes to read, as many as lie in one chunk: none only if none
// are readable. They belong to the buffer and are valid until its next call. Discard
// takes them out.
func (r *ReceiveBuffer) Peek() []byte { return r.chunks.view(r.read, r.ready) }

// AppendReadable appends all readable bytes to b, also across chunks, and leaves them.
func (r *ReceiveBuffer) AppendReadable(b []byte) []byte {
	for at := r.read; at < r.ready; {
		view := r.chunks.view(at, r.ready)
		b = append(b, view...)
		at += uint64(len(view))
	}
	return b
}

// Discard takes n bytes out, at most Readable(), which thereby count as read.
func (r *ReceiveBuffer) Discard(p *Pool, n int) {
	if n <= 0 {
		return
	}
	r.read += min(uint64(n), r.ready-r.read)
	// Everything below read can go, and at the end of what is readable also the chunk
	// that read is in, unless there is something in it behind a hole.
	keep := r.read
	if r.read == r.ready {
		keep += ChunkSize - 1
		if len(r.above) > 0 {
			keep = min(keep, r.above[0].start)
		}
	}
	r.chunks.release(p, keep, false)
}

// Read copies the next bytes into dst and takes them out. fin says that the stream ends
// behind them. n is 0 without fin if there is nothing to read now.
func (r *ReceiveBuffer) Read(p *Pool, dst []byte) (n int, fin bool) {
	for n < len(dst) {
		part := copy(dst[n:], r.Peek())
		if part == 0 {
			break
		}
		n += part
		r.Discard(p, part)
	}
	return n, r.Finished()
}

// Finished reports whether everything up to the final offset was read.
func (r *ReceiveBuffer) Finished() bool { return r.ended && r.read == r.highest }

// Offset returns how many bytes were read so far.
func (r *ReceiveBuffer) Offset() uint64 { return r.read }

// Highest returns the furthest offset that the peer reached, with data or by stating
// the final offset: what counts for flow control.
func (r *ReceiveBuffer) Highest() uint64 { return r.highest }

// Final returns the final offset, if it is known.
func (r *ReceiveBuffer) Final() (offset uint64, known bool) {
	if !r.ended {
		return 0, false
	}
	return r.highest, true
}

// Reset drops all data that was not read, and all that comes later: nobody will read
// it. Offsets and the final offset are still checked and noted, since the connection's
// flow control must know how much the peer sent. Reference: connection, section 14.6.
func (r *ReceiveBuffer) Reset(p *Pool) {
	r.chunks.release(p, 0, true)
	*r = ReceiveBuffer{read: r.read, ready: r.read, highest: r.highest, ended: r.ended, dropped: true}
}

// Compact gives memory back if the buffer is empty. It is for a stream that falls idle.
func (r *ReceiveBuffer) Compact() {
	r.chunks.compact()
	r.above = r.above.compact()
}

// Clone returns a copy that shares nothing with r.
func (r *ReceiveBuffer) Clone() ReceiveBuffer {
	c := *r
	c.chunks = r.chunks.clone()
	c.above = slices.Clone(r.above)
	return c
}
