package stream_test

import (
	"fmt"

	"example.com/gquic/conn/stream"
)

// A sender cuts what was written into frames, and sends again what got lost, but not
// what was acknowledged meanwhile.
func ExampleSendBuffer() {
	var pool stream.Pool // one for each endpoint
	var s stream.SendBuffer
	s.Write(&pool, []byte("the quick brown fox"))
	s.Close()

	const room, window = 10, 1000
	send := func() {
		for {
			offset, n, fin, again, ok := s.Next(room, window)
			if !ok {
				return
			}
			fmt.Printf("at %d: %q fin=%v again=%v\n", offset, s.AppendData(nil, offset, n), fin, again)
			s.Sent(offset, n, fin)
		}
	}
	send()
	s.Lost(0, 10, false)
	s.Acked(&pool, 10, 9, true)
	send()
	s.Acked(&pool, 0, 10, false)
	fmt.Println("done:", s.AllAcked())
	// Output:
	// at 0: "the quick " fin=false again=false
	// at 10: "brown fox" fin=true again=false
	// at 0: "the quick " fin=false again=true
	// done: true
}

// A receiver puts frames in order. What comes twice is kept once.
func ExampleReceiveBuffer() {
	var pool stream.Pool
	var r stream.ReceiveBuffer
	r.Insert(&pool, 10, []byte("brown fox"), true)
	fmt.Println(r.Readable())
	r.Insert(&pool, 0, []byte("the quick brown"), false)

	b := make([]byte, 9)
	n, fin := r.Read(&pool, b) // copies
	fmt.Printf("%q %v\n", b[:n], fin)

	fmt.Printf("%q\n", r.Peek()) // does not
	r.Discard(&pool, len(r.Peek()))
	fmt.Println(r.Finished())

	fmt.Println(r.Insert(&pool, 19, []byte(" jumps"), false))
	// Output:
	// 0
	// "the quick" false
	// " brown fox"
	// true
	// STREAM_DATA_AFTER_TERMINATION: data up to 25, past the final offset 19
}
