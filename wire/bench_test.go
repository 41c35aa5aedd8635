package wire_test

import (
	"testing"
	"time"

	. "example.com/gquic/wire"
)

var benchID = ConnectionID{1, 2, 3, 4, 5, 6, 7, 8}

// benchHeaders are the headers of data packets: what matters for speed.
var benchHeaders = []struct {
	name    string
	sender  Perspective
	version Version
	header  Header
}{
	{"public/client", Client, 0, Header{Form: PublicForm, HasConnectionID: true, ConnectionID: benchID, PacketNumber: 0x1234, PacketNumberLen: 2}},
	{"public/server", Server, Q043, Header{Form: PublicForm, HasConnectionID: true, ConnectionID: benchID, PacketNumber: 0x1234, PacketNumberLen: 2}},
	{"short/client", Client, 0, Header{Form: ShortForm, HasConnectionID: true, ConnectionID: benchID, PacketNumber: 0x1234, PacketNumberLen: 2}},
	{"short/server", Server, Q044, Header{Form: ShortForm, PacketNumber: 0x1234, PacketNumberLen: 2}},
	{"long/client", Client, 0, Header{Form: LongForm, Type: Handshake, Version: Q044, HasConnectionID: true, ConnectionID: benchID, PacketNumber: 0x1234, PacketNumberLen: 4}},
}

func BenchmarkHeaderParse(b *testing.B) {
	for _, bb := range benchHeaders {
		b.Run(bb.name, func(b *testing.B) {
			packet := append(bb.header.Append(nil, bb.sender), make([]byte, 1000)...)
			var h Header
			b.ReportAllocs()
			for b.Loop() {
				if err := ParseHeader(&h, packet, bb.sender, bb.version); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHeaderAppend(b *testing.B) {
	for _, bb := range benchHeaders {
		b.Run(bb.name, func(b *testing.B) {
			buf := make([]byte, 0, 1500)
			b.ReportAllocs()
			for b.Loop() {
				buf = bb.header.Append(buf[:0], bb.sender)
			}
		})
	}
}

func BenchmarkStreamParse(b *testing.B) {
	f := StreamFrame{StreamID: 5, Offset: 1 << 20, Data: make([]byte, 1300)}
	payload := f.Append(nil, nil)
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(payload, Context{Version: Q043, PacketNumber: 1, PacketNumberLen: 2})
		if _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamAppendHeader(b *testing.B) {
	buf := make([]byte, 0, 1500)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendStreamHeader(buf[:0], 5, 1<<20, 1300, false, true)
	}
}

func benchRanges(n int) []AckRange {
	ranges := make([]AckRange, n)
	top := PacketNumber(100000)
	for i := range ranges {
		ranges[i] = AckRange{top - 10, top}
		top -= 20
	}
	return ranges
}

func BenchmarkAckParse(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(map[int]string{1: "1 range", 32: "32 ranges"}[n], func(b *testing.B) {
			payload, _ := AppendAck(nil, 25*time.Millisecond, benchRanges(n), 1500)
			var r Reader
			var sum PacketNumber
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(payload, Context{Version: Q043, PacketNumber: 1, PacketNumberLen: 2})
				f, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				it := f.(*AckFrame).Ranges()
				for r, ok := it.Next(); ok; r, ok = it.Next() {
					sum += r.Smallest
				}
			}
			if sum == 0 {
				b.Fatal("nothing walked")
			}
		})
	}
}

func BenchmarkAckAppend(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(map[int]string{1: "1 range", 32: "32 ranges"}[n], func(b *testing.B) {
			ranges := benchRanges(n)
			buf := make([]byte, 0, 1500)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = AppendAck(buf[:0], 25*time.Millisecond, ranges, 1350)
			}
		})
	}
}
