package stream

import (
	"fmt"
	"testing"
)

const frame = 1310 // the data that a 1350-byte datagram carries

// bulk moves one frame after the other from application to application, the
// acknowledgements coming ten frames later.
type bulk struct {
	pool    Pool
	send    SendBuffer
	receive ReceiveBuffer
	piece   []byte
	packet  []byte
	read    []byte
	acked   uint64
}

func newBulk() *bulk {
	b := &bulk{piece: make([]byte, frame), packet: make([]byte, 0, frame), read: make([]byte, 64<<10)}
	for range 100 {
		b.step()
	}
	return b
}

func (b *bulk) step() {
	b.send.Write(&b.pool, b.piece)
	offset, n, fin, _, _ := b.send.Next(frame, 1<<20)
	b.packet = b.send.AppendData(b.packet[:0], offset, n)
	b.send.Sent(offset, n, fin)
	if err := b.receive.Insert(&b.pool, offset, b.packet, fin); err != nil {
		panic(err)
	}
	b.receive.Read(&b.pool, b.read)
	if b.send.SentEnd() > b.acked+10*frame {
		b.send.Acked(&b.pool, b.acked, frame, false)
		b.acked += frame
	}
}

func TestBulkDoesNotAllocate(t *testing.T) {
	b := newBulk()
	if n := testing.AllocsPerRun(1000, b.step); n != 0 {
		t.Errorf("%v allocations for a frame in order", n)
	}
	// Nor does it for a list that creeps on for ever.
	if n := max(cap(b.send.chunks.items), cap(b.receive.chunks.items)); n > 64 {
		t.Errorf("the list of some 5 chunks has grown to %d places", n)
	}
}

func BenchmarkBulk(b *testing.B) {
	s := newBulk()
	b.SetBytes(frame)
	b.ReportAllocs()
	for b.Loop() {
		s.step()
	}
}

// lossy sends a window of frames, of which every fifth is lost and sent again, and
// which arrive with neighbours exchanged.
type lossy struct {
	bulk
	frames [100]struct {
		offset uint64
		n      int
	}
}

func newLossy() *lossy {
	l := &lossy{bulk: *newBulk()}
	l.send.Acked(&l.pool, 0, int(l.send.SentEnd()), false)
	l.step()
	return l
}

func (l *lossy) step() {
	for range l.frames {
		l.send.Write(&l.pool, l.piece)
	}
	for i := range l.frames {
		offset, n, _, _, _ := l.send.Next(frame, 1<<20)
		l.send.Sent(offset, n, false)
		l.frames[i].offset, l.frames[i].n = offset, n
	}
	for i := range l.frames {
		if j := i ^ 1; j%5 != 0 {
			l.arrive(l.frames[j].offset, l.frames[j].n)
		}
	}
	for i, f := range l.frames {
		if i%5 == 0 {
			l.send.Lost(f.offset, f.n, false)
		}
	}
	for l.send.HasLost() {
		offset, n, _, _, _ := l.send.Next(frame, 0)
		l.send.Sent(offset, n, false)
		l.arrive(offset, n)
	}
	l.bulk.receive.Read(&l.pool, l.read)
	for l.receive.Readable() > 0 {
		l.receive.Read(&l.pool, l.read)
	}
}

func (l *lossy) arrive(offset uint64, n int) {
	l.packet = l.send.AppendData(l.packet[:0], offset, n)
	if err := l.receive.Insert(&l.pool, offset, l.packet, false); err != nil {
		panic(err)
	}
	l.send.Acked(&l.pool, offset, n, false)
}

func TestLossDoesNotAllocate(t *testing.T) {
	l := newLossy()
	if n := testing.AllocsPerRun(100, l.step); n != 0 {
		t.Errorf("%v allocations for a window with losses", n)
	}
	if l.send.Buffered() != 0 || l.receive.Offset() != l.send.WrittenEnd() {
		t.Errorf("%d bytes left, %d of %d read", l.send.Buffered(), l.receive.Offset(), l.send.WrittenEnd())
	}
}

func BenchmarkLossy(b *testing.B) {
	l := newLossy()
	b.SetBytes(frame * int64(len(l.frames)))
	b.ReportAllocs()
	for b.Loop() {
		l.step()
	}
}

// In order, an insert or an acknowledgement costs the same however much is buffered;
// and so it does, about, with as many holes as there may be.
func BenchmarkInOrder(b *testing.B) {
	for _, size := range []int{16 << 10, 16 << 20} {
		b.Run(fmt.Sprintf("insert-behind-%dK", size>>10), func(b *testing.B) {
			var p Pool
			var r ReceiveBuffer
			r.Insert(&p, 0, make([]byte, size), false)
			data := make([]byte, frame)
			for b.Loop() {
				r.Insert(&p, r.Highest(), data, false)
				r.Discard(&p, frame)
			}
		})
		b.Run(fmt.Sprintf("ack-before-%dK", size>>10), func(b *testing.B) {
			var p Pool
			var s SendBuffer
			s.Write(&p, make([]byte, size))
			s.Sent(0, size, false)
			data := make([]byte, frame)
			for acked := uint64(0); b.Loop(); acked += frame {
				s.Write(&p, data)
				s.Sent(s.SentEnd(), frame, false)
				s.Acked(&p, acked, frame, false)
			}
		})
	}
	b.Run("holes", func(b *testing.B) {
		var p Pool
		for b.Loop() {
			var r ReceiveBuffer
			for i := range uint64(MaxRanges) {
				r.Insert(&p, 2*(MaxRanges-i)*frame, make([]byte, frame), false)
			}
			r.Reset(&p)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxRanges, "ns/frame")
	})
}
