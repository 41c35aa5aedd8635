package stream

import "slices"

// A SendBuffer is one direction of a stream at its sender. It keeps what was written
// until it is acknowledged, and says what the next STREAM frame should carry.
//
//	   acked              sent            written
//	─────┼──────────────────┼────────────────┼───▶ offset
//	     │◀── in flight, ──▶│◀──── new ─────▶│ FIN, once closed
//	     │   lost or acked  │
//	     │◀────────────── held ─────────────▶│
//
// Lost bytes go first and need no window; what was acknowledged, of whatever copy, is
// not sent again. The FIN is a bit of its own, lost and acknowledged with the frames
// that had it. Everything at or behind acked is held, in at most
// Buffered()/ChunkSize + 2 chunks, so a limit on Buffered bounds the memory.
//
// The zero value is an open, empty buffer.
type SendBuffer struct {
	chunks chunkList
	acked  uint64 // all below is acknowledged
	sent   uint64 // all below was sent at least once
	end    uint64 // what was written

	ackedAbove rangeSet // acknowledged, above acked
	lost       rangeSet // to be sent again, within acked to sent

	fin finState
}

// A finState is what became of the FIN.
type finState uint8

const (
	finOpen  finState = iota // not closed: more may be written
	finNew                   // closed, the FIN not yet sent
	finSent                  // on its way
	finLost                  // to be sent again
	finAcked                 // acknowledged
	finNever                 // the stream was reset: there will be none
)

// StartAt makes an empty buffer begin at offset, as if all before it had been
// acknowledged.
func (s *SendBuffer) StartAt(offset uint64) {
	s.acked, s.sent, s.end = offset, offset, offset
}

// Write adds b to the stream, copying it. The caller limits what it lets the application
// write by Buffered and looks at Closed: after Close or Reset nothing is added.
func (s *SendBuffer) Write(p *Pool, b []byte) {
	if s.fin != finOpen {
		return
	}
	s.chunks.store(p, s.end, b)
	s.end += uint64(len(b))
}

// Close ends the stream behind what is written: a FIN will be sent.
func (s *SendBuffer) Close() {
	if s.fin == finOpen {
		s.fin = finNew
	}
}

// CloseTold ends the stream behind what is written, without a FIN: the peer learns the
// end in another way. It counts as a FIN that was sent and acknowledged.
func (s *SendBuffer) CloseTold() {
	if s.fin == finOpen {
		s.fin = finAcked
	}
}

// CloseAtSent ends the stream behind what was sent so far, without a FIN, unless it was
// ended by one that was sent: what was written beyond is dropped.
func (s *SendBuffer) CloseAtSent() {
	if s.fin == finOpen || s.fin == finNew {
		s.end, s.fin = s.sent, finAcked
	}
}

// Closed reports whether the stream was ended, by Close, CloseTold or Reset.
func (s *SendBuffer) Closed() bool { return s.fin != finOpen }

// Buffered returns how many bytes are held: written, and not yet acknowledged together
// with all before them.
func (s *SendBuffer) Buffered() int { return int(s.end - s.acked) }

// WrittenEnd returns the end of what was written: the final offset once closed.
func (s *SendBuffer) WrittenEnd() uint64 { return s.end }

// SentEnd returns the end of what was sent so far, the offset of the next new byte. It
// is the offset that a RST_STREAM frame carries.
func (s *SendBuffer) SentEnd() uint64 { return s.sent }

// FinSent reports whether a FIN was sent, or the end told, and everything before it.
func (s *SendBuffer) FinSent() bool {
	return s.fin >= finSent && s.fin <= finAcked && s.sent == s.end
}

// FinAcked reports whether a FIN was acknowledged.
func (s *SendBuffer) FinAcked() bool { return s.fin == finAcked }

// AllAcked reports whether everything written and the FIN were acknowledged, so that
// the buffer is done. It is never true after Reset.
func (s *SendBuffer) AllAcked() bool { return s.fin == finAcked && s.acked == s.end }

// HasLost reports whether bytes or the FIN are to be sent again.
func (s *SendBuffer) HasLost() bool { return len(s.lost) > 0 || s.fin == finLost }

// HasNewData reports whether there are bytes that were never sent.
func (s *SendBuffer) HasNewData() bool { return s.sent < s.end }

// HasNew reports whether there is something never sent: bytes, which need window, or
// the FIN.
func (s *SendBuffer) HasNew() bool { return s.sent < s.end || s.fin == finNew }

// NextOffset returns where what Next returns begins.
func (s *SendBuffer) NextOffset() uint64 {
	switch {
	case len(s.lost) > 0:
		return s.lost[0].start
	case s.fin == finLost:
		return s.end
	}
	return s.sent
}

// Next returns what the next STREAM frame should carry: n bytes from offset on, at most
// max, and the FIN or not. Lost bytes come first, as retransmission. New ones are at
// most window, what flow control allows. n is 0 only with a FIN alone. Nothing changes
// until Sent; ok is false if there is nothing to send, or no room for it.
func (s *SendBuffer) Next(max int, window uint64) (offset uint64, n int, fin, retransmission, ok bool) {
	room := uint64(0)
	if max > 0 {
		room = uint64(max)
	}
	// The FIN goes with every frame that reaches the end, until it is acknowledged.
	finWanted := s.fin >= finNew && s.fin <= finLost
	switch {
	case len(s.lost) > 0:
		first := s.lost[0]
		size := min(room, first.end-first.start)
		return first.start, int(size), finWanted && first.start+size == s.end, true, size > 0
	case s.fin == finLost:
		return s.end, 0, true, true, true
	}
	size := min(room, window, s.end-s.sent)
	fin = s.fin == finNew && s.sent+size == s.end
	return s.sent, int(size), fin, false, fin || size > 0
}

// AppendData appends the n bytes from offset on to b: what Next returned, with no Acked
// or Reset between.
func (s *SendBuffer) AppendData(b []byte, offset uint64, n int) []byte {
	end := min(offset+uint64(n), s.end)
	for offset < end {
		part := s.chunks.view(offset, end)
		if len(part) == 0 {
			break
		}
		b = append(b, part...)
		offset += uint64(len(part))
	}
	return b
}

// Sent notes that a frame as Next returned it went into a packet.
func (s *SendBuffer) Sent(offset uint64, n int, fin bool) {
	end := min(offset+uint64(n), s.end)
	if len(s.lost) > 0 {
		s.lost.remove(offset, end)
	}
	s.sent = max(s.sent, end)
	if fin && (s.fin == finNew || s.fin == finLost) {
		s.fin = finSent
	}
}

// Acked notes that a packet was acknowledged that carried n bytes from offset on, with
// the FIN or not. Frames may be acknowledged, and lost, in any order, more than once
// and overlapping.
func (s *SendBuffer) Acked(p *Pool, offset uint64, n int, fin bool) {
	if s.fin == finNever {
		return
	}
	if fin && (s.fin == finSent || s.fin == finLost) {
		s.fin = finAcked
	}
	end := min(offset+uint64(n), s.sent)
	if end <= s.acked {
		return
	}
	if len(s.lost) > 0 {
		s.lost.remove(offset, end)
	}
	if offset > s.acked {
		s.ackedAbove.add(offset, end)
		return
	}
	s.acked = s.ackedAbove.absorb(end)
	s.chunks.release(p, s.acked, s.acked == s.end)
}

// Lost notes that a packet was lost, or is to be sent again for another reason, that
// carried n bytes from offset on, with the FIN or not. Of these, what was not
// acknowledged meanwhile is sent again.
func (s *SendBuffer) Lost(offset uint64, n int, fin bool) {
	if s.fin == finNever {
		return
	}
	if fin && s.fin == finSent {
		s.fin = finLost
	}
	end := min(offset+uint64(n), s.sent)
	offset = max(offset, s.acked)
	for offset < end {
		g, ok := s.ackedAbove.gap(offset, end)
		if !ok {
			break
		}
		s.lost.add(g.start, g.end)
		offset = g.end
	}
}

// Reset drops all data and what is known of it: a RST_STREAM with SentEnd as its offset
// takes the place of what is missing. Afterwards there is nothing to send, and what is
// written, acknowledged or lost is ignored.
func (s *SendBuffer) Reset(p *Pool) {
	s.chunks.release(p, 0, true)
	*s = SendBuffer{acked: s.sent, sent: s.sent, end: s.sent, fin: finNever}
}

// Compact gives memory back if the buffer is empty. It is for a stream that falls idle.
func (s *SendBuffer) Compact() {
	s.chunks.compact()
	s.ackedAbove, s.lost = s.ackedAbove.compact(), s.lost.compact()
}

// Clone returns a copy that shares nothing with s.
func (s *SendBuffer) Clone() SendBuffer {
	c := *s
	c.chunks = s.chunks.clone()
	c.ackedAbove = slices.Clone(s.ackedAbove)
	c.lost = slices.Clone(s.lost)
	return c
}
