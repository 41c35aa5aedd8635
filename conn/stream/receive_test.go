package stream

import (
	"bytes"
	"errors"
	"testing"

	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

// A receiveModel is a ReceiveBuffer told plainly: a map of the bytes that came first.
type receiveModel struct {
	got     map[uint64]byte
	read    uint64
	highest uint64
	final   uint64
	ended   bool
	dropped bool
}

// conflict is the middle column of reference: connection, section 12.5, row by row.
func (m *receiveModel) conflict(end uint64, fin bool) Fault {
	if m.ended && fin && end != m.final {
		return FinalOffsetMoved
	}
	if m.ended && end > m.final {
		return DataPastFinalOffset
	}
	if fin && end < m.highest {
		return FinalOffsetTooLow
	}
	return 0
}

func (m *receiveModel) note(end uint64, fin bool) {
	m.highest = max(m.highest, end)
	if fin {
		m.ended, m.final = true, end
	}
}

func (m *receiveModel) insert(offset uint64, data []byte, fin bool) Fault {
	end := offset + uint64(len(data))
	if f := m.conflict(end, fin); f != 0 {
		return f
	}
	m.note(end, fin)
	for i, b := range data {
		at := offset + uint64(i)
		if _, there := m.got[at]; !there && at >= m.read && !m.dropped {
			m.got[at] = b
		}
	}
	return 0
}

func (m *receiveModel) readable() (b []byte) {
	for at := m.read; ; at++ {
		next, there := m.got[at]
		if !there {
			return b
		}
		b = append(b, next)
	}
}

func (m *receiveModel) take(n int) {
	for range n {
		delete(m.got, m.read)
		m.read++
	}
}

func (m *receiveModel) check(t *rapid.T, r *ReceiveBuffer) {
	readable := m.readable()
	if r.Readable() != len(readable) || r.Offset() != m.read || r.Highest() != m.highest {
		t.Fatalf("readable %d, offset %d, highest %d; want %d, %d, %d",
			r.Readable(), r.Offset(), r.Highest(), len(readable), m.read, m.highest)
	}
	if final, known := r.Final(); known != m.ended || final != m.final {
		t.Fatalf("final offset %d %v, want %d %v", final, known, m.final, m.ended)
	}
	if r.Finished() != (m.ended && m.read == m.final) {
		t.Fatalf("Finished: %v", r.Finished())
	}
	part := r.Peek()
	if !bytes.HasPrefix(readable, part) || len(part) == 0 && len(readable) > 0 {
		t.Fatalf("Peek gives %d other bytes", len(part))
	}
	wellFormed(t, r.above)
	most := 0
	if len(m.got) > 0 {
		most = int(m.highest-m.read)/ChunkSize + 2
	}
	if n := r.chunks.len(); n > most {
		t.Fatalf("%d chunks from %d to %d", n, m.read, m.highest)
	}
}

func checkFault(t interface{ Fatalf(string, ...any) }, err error, want Fault) {
	var e *Error
	switch {
	case want == 0 && err == nil:
	case !errors.As(err, &e) || e.Fault != want || e.Code != faults[want].code:
		t.Fatalf("%v, want fault %d", err, want)
	}
}

func TestReceiveBufferAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := 200
		p := fullPool(chunks)
		var r ReceiveBuffer
		m := receiveModel{got: map[uint64]byte{}}
		salt := byte(0)
		fragment := func(n int) []byte { // a different one each time
			b := make([]byte, n)
			salt++
			for i := range b {
				b[i] = byte(i) + salt*53
			}
			return b
		}
		insert := func(t *rapid.T, offset uint64, n int, fin bool) {
			b := fragment(n)
			want := m.insert(offset, b, fin)
			checkFault(t, r.Insert(p, offset, b, fin), want)
			clear(b) // it was copied
		}
		rare := func(t *rapid.T) bool { return rapid.IntRange(0, 15).Draw(t, "rare") == 0 }
		t.Repeat(map[string]func(*rapid.T){
			"in order": func(t *rapid.T) {
				insert(t, m.read+uint64(len(m.readable())), sizes(t, "n"), rare(t))
			},
			"near": func(t *rapid.T) {
				from := m.read - min(m.read, 100)
				insert(t, rapid.Uint64Range(from, from+10000).Draw(t, "offset"), sizes(t, "n"), rare(t))
			},
			"far": func(t *rapid.T) {
				insert(t, m.read+rapid.Uint64Range(0, 20*ChunkSize).Draw(t, "offset"), sizes(t, "n"), rare(t))
			},
			"read": func(t *rapid.T) {
				want := m.readable()
				dst := make([]byte, rapid.IntRange(0, len(want)+10).Draw(t, "room"))
				n, fin := r.Read(p, dst)
				want = want[:min(len(dst), len(want))]
				m.take(len(want))
				if !bytes.Equal(dst[:n], want) || fin != (m.ended && m.read == m.final) {
					t.Fatalf("Read: %d bytes, fin %v; want %d", n, fin, len(want))
				}
			},
			"discard": func(t *rapid.T) {
				n := rapid.IntRange(-1, len(m.readable())).Draw(t, "n")
				r.Discard(p, n)
				m.take(max(0, n))
			},
			"discard all": func(*rapid.T) {
				r.Discard(p, r.Readable()+1) // no more than there is
				m.take(len(m.readable()))
			},
			"final": func(t *rapid.T) {
				if !rare(t) {
					return
				}
				final := m.highest + rapid.Uint64Range(0, 3).Draw(t, "more") - min(m.highest, 1)
				want := m.conflict(final, true)
				checkFault(t, r.SetFinal(final), want)
				if want == 0 {
					m.note(final, true)
				}
			},
			"reset": func(t *rapid.T) {
				if rare(t) {
					r.Reset(p)
					m.got, m.dropped = map[uint64]byte{}, true
				}
			},
			"clone": func(*rapid.T) { // go on with the clone, and spoil all that r had
				c := r.Clone()
				chunks += c.chunks.len()
				if n := int(m.highest - m.read); n > 0 {
					r.Insert(p, m.read+uint64(n/2), fragment(n/2), false)
					r.Insert(p, m.read, fragment(n), false)
				}
				r.Reset(p)
				for _, c := range p.free {
					clear(c[:])
				}
				r = c
			},
			"": func(t *rapid.T) { m.check(t, &r) },
		})
		// Fill the holes, and read to the end.
		if n := int(m.highest - m.read); n > 0 {
			insert(t, m.read, n, true)
		}
		if want := m.readable(); !m.dropped {
			got := make([]byte, len(want))
			r.Read(p, got)
			m.take(len(want))
			if !bytes.Equal(got, want) || m.read != m.highest {
				t.Fatalf("read %d to %d of %d, or other bytes", r.Offset(), m.read, m.highest)
			}
		}
		m.check(t, &r)
		checkPool(t, p, chunks)
	})
}

// Reference: connection, section 12.5, and the checks of 19.8.
func TestFinalOffsetConflicts(t *testing.T) {
	type step struct {
		end  uint64
		fin  bool
		want Fault
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"FIN again", []step{{100, true, 0}, {100, true, 0}}},
		{"FIN lower", []step{{100, true, 0}, {99, true, FinalOffsetMoved}}},
		{"FIN higher", []step{{100, true, 0}, {101, true, FinalOffsetMoved}}},
		{"data behind it", []step{{100, true, 0}, {101, false, DataPastFinalOffset}}},
		{"data late", []step{{100, true, 0}, {50, false, 0}}},
		{"FIN below data", []step{{100, false, 0}, {50, true, FinalOffsetTooLow}}},
		{"FIN far beyond data", []step{{100, false, 0}, {20000, true, 0}}},
	} {
		var p Pool
		var frames, resets ReceiveBuffer
		for _, s := range c.steps {
			checkFault(t, frames.Insert(&p, s.end-10, make([]byte, 10), s.fin), s.want)
			if s.fin {
				checkFault(t, resets.SetFinal(s.end), s.want)
			} else {
				checkFault(t, resets.Insert(&p, s.end-10, make([]byte, 10), false), s.want)
			}
		}
		if frames.Highest() != resets.Highest() {
			t.Errorf("%s: highest %d by FIN, %d by RST_STREAM", c.name, frames.Highest(), resets.Highest())
		}
	}
}

func TestFaultsHaveTheirCodes(t *testing.T) {
	for f, code := range map[Fault]wire.ErrorCode{
		FinalOffsetMoved: 2, DataPastFinalOffset: 2, FinalOffsetTooLow: 2, TooManyRanges: 93, OffsetTooLarge: 98,
	} {
		var e *Error
		if err := fault(f, 7, 9); !errors.As(err, &e) || e.Code != code {
			t.Errorf("fault %d: %v, want code %d", f, err, code)
		}
	}
}

func TestOffsetPastTheLargest(t *testing.T) {
	var p Pool
	var r ReceiveBuffer
	const last = wire.MaxByteOffset
	checkFault(t, r.Insert(&p, last, []byte{1}, false), OffsetTooLarge)
	checkFault(t, r.Insert(&p, 1<<64-1, []byte{1, 2}, false), OffsetTooLarge)
	checkFault(t, r.SetFinal(last+1), OffsetTooLarge)
	if r.Highest() != 0 || r.chunks.len() != 0 {
		t.Errorf("refused data left %+v", r)
	}
	checkFault(t, r.Insert(&p, last-1, []byte{1}, true), 0)
	if r.chunks.len() != 1 {
		t.Errorf("%d chunks for one byte", r.chunks.len())
	}
}

// One byte in each of many chunks: as many pieces as allowed, a chunk each, and not one
// more; what touches a piece, or fills a hole, is welcome still.
func TestPiecesAreBounded(t *testing.T) {
	const step = 2 * ChunkSize
	var p Pool
	var r ReceiveBuffer
	for i := range uint64(MaxRanges) {
		checkFault(t, r.Insert(&p, (MaxRanges-i)*step, []byte{1}, false), 0)
	}
	if r.chunks.len() != MaxRanges {
		t.Fatalf("%d chunks for %d pieces", r.chunks.len(), MaxRanges)
	}
	highest := r.Highest()
	checkFault(t, r.Insert(&p, highest+1, []byte{1}, true), TooManyRanges)
	if _, known := r.Final(); known || r.Highest() != highest || len(r.above) != MaxRanges {
		t.Fatalf("the refused piece left its mark: highest %d, was %d", r.Highest(), highest)
	}
	checkFault(t, r.Insert(&p, 3*step+1, []byte{1}, false), 0)
	checkFault(t, r.Insert(&p, 3*step-1, []byte{1}, false), 0)
	checkFault(t, r.Insert(&p, 0, []byte{1}, false), 0)
	checkFault(t, r.Insert(&p, 5*step+1, make([]byte, step-1), false), 0) // joins two
	checkFault(t, r.Insert(&p, highest+1, []byte{1}, false), 0)
	checkFault(t, r.Insert(&p, highest+3, []byte{1}, false), TooManyRanges)
	r.Reset(&p)
	if r.chunks.len() != 0 || p.Free() < MaxRanges {
		t.Errorf("%d chunks kept, %d free", r.chunks.len(), p.Free())
	}
}

func TestPoolIsBounded(t *testing.T) {
	var p Pool
	for range MaxFree + 10 {
		p.put(new(chunk))
	}
	if p.Free() != MaxFree {
		t.Errorf("%d chunks kept, want %d", p.Free(), MaxFree)
	}
}

// Bytes that come again keep what came first, in whatever number, whether it has been
// read or not.
func TestOverlaps(t *testing.T) {
	for _, read := range []bool{false, true} {
		for overlap := range uint64(4) {
			var p Pool
			var r ReceiveBuffer
			got := make([]byte, 0, 16)
			buf := make([]byte, 16)
			if err := r.Insert(&p, 0, []byte("abcdef"), false); err != nil {
				t.Fatal(err)
			}
			if read {
				n, _ := r.Read(&p, buf)
				got = append(got, buf[:n]...)
			}
			again := append(bytes.Repeat([]byte("X"), int(overlap)), "ghi"...)
			if err := r.Insert(&p, 6-overlap, again, true); err != nil {
				t.Fatal(err)
			}
			n, fin := r.Read(&p, buf)
			if got = append(got, buf[:n]...); string(got) != "abcdefghi" || !fin {
				t.Errorf("%d bytes again, read before %v: %q, end %v", overlap, read, got, fin)
			}
		}
	}
}
