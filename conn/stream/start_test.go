package stream_test

import (
	"testing"

	"example.com/gquic/conn/stream"
)

func TestStartAt(t *testing.T) {
	var p stream.Pool
	var s stream.SendBuffer
	s.StartAt(1000)
	s.Write(&p, []byte("hello"))
	offset, n, _, again, ok := s.Next(100, 100)
	if offset != 1000 || n != 5 || again || !ok {
		t.Fatalf("Next = %d, %d, again %v, %v; want the 5 new bytes at 1000", offset, n, again, ok)
	}
	var r stream.ReceiveBuffer
	r.StartAt(1000)
	if err := r.Insert(&p, 1000, s.AppendData(nil, offset, n), false); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Peek()); got != "hello" {
		t.Fatalf("read %q, want hello", got)
	}
}

func TestAppendReadableCrossesChunks(t *testing.T) {
	var p stream.Pool
	var r stream.ReceiveBuffer
	data := make([]byte, 3*stream.ChunkSize)
	for i := range data {
		data[i] = byte(i * 7)
	}
	if err := r.Insert(&p, 0, data, false); err != nil {
		t.Fatal(err)
	}
	if len(r.Peek()) == len(data) {
		t.Fatal("Peek showed bytes of several chunks")
	}
	if got := r.AppendReadable(nil); string(got) != string(data) {
		t.Fatalf("AppendReadable gave %d bytes that differ from the %d inserted", len(got), len(data))
	}
}
