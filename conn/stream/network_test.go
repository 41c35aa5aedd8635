package stream

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

type packet struct {
	sentFrame
	data []byte
}

// A link is a stream over a network that loses, repeats and reorders frames and their
// acknowledgements, with losses declared by mistake.
type link struct {
	pool    *Pool
	send    SendBuffer
	receive ReceiveBuffer
	left    []byte // to be written yet
	read    []byte
	flying  []packet
}

func (l *link) write(n int) {
	l.send.Write(l.pool, l.left[:n])
	l.left = l.left[n:]
	if len(l.left) == 0 {
		l.send.Close()
	}
}

func (l *link) transmit(room int) bool {
	offset, n, fin, _, ok := l.send.Next(room, 1<<20)
	if ok {
		l.flying = append(l.flying, packet{sentFrame{offset, n, fin}, l.send.AppendData(nil, offset, n)})
		l.send.Sent(offset, n, fin)
	}
	return ok
}

// meet lets packet i meet its fate.
func (l *link) meet(t *rapid.T, i int, arrives, acked, forgotten bool) {
	f := l.flying[i]
	if arrives {
		if err := l.receive.Insert(l.pool, f.offset, f.data, f.fin); err != nil {
			t.Fatal(err)
		}
	}
	if acked {
		l.send.Acked(l.pool, f.offset, f.n, f.fin)
	} else {
		l.send.Lost(f.offset, f.n, f.fin)
	}
	if forgotten {
		l.flying = append(l.flying[:i], l.flying[i+1:]...)
	}
}

func (l *link) readAll() {
	b := make([]byte, l.receive.Readable())
	l.receive.Read(l.pool, b)
	l.read = append(l.read, b...)
}

// What was written arrives, once and in order, and both ends let go of all memory.
func TestStreamOverABadNetwork(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const chunks = 20
		written := make([]byte, rapid.IntRange(0, 5*ChunkSize).Draw(t, "size"))
		for i := range written {
			written[i] = byte(i ^ i>>8*37)
		}
		l := &link{pool: fullPool(chunks), left: written}
		packet := func(t *rapid.T) int {
			if len(l.flying) == 0 {
				t.Skip("nothing under way")
			}
			return rapid.IntRange(0, len(l.flying)-1).Draw(t, "packet")
		}
		t.Repeat(map[string]func(*rapid.T){
			"write":         func(t *rapid.T) { l.write(rapid.IntRange(0, len(l.left)).Draw(t, "n")) },
			"transmit":      func(t *rapid.T) { l.transmit(rapid.IntRange(1, 1310).Draw(t, "room")) },
			"transmit more": func(*rapid.T) { l.transmit(1310); l.transmit(1310); l.transmit(1310) },
			"arrive":        func(t *rapid.T) { l.meet(t, packet(t), true, true, true) },
			"lose":          func(t *rapid.T) { l.meet(t, packet(t), false, false, true) },
			"lose the ack":  func(t *rapid.T) { l.meet(t, packet(t), true, false, true) },
			"delay":         func(t *rapid.T) { l.meet(t, packet(t), false, false, false) },
			"repeat":        func(t *rapid.T) { l.meet(t, packet(t), true, true, false) },
			"read":          func(*rapid.T) { l.readAll() },
		})
		// The network gets better: what flies arrives, and the rest follows.
		l.write(len(l.left))
		for {
			for len(l.flying) > 0 {
				l.meet(t, 0, true, true, true)
			}
			if !l.transmit(1310) {
				break
			}
		}
		l.readAll()
		if !l.send.AllAcked() || !l.receive.Finished() {
			t.Fatalf("stuck: %+v, %+v", l.send, l.receive)
		}
		if !bytes.Equal(l.read, written) {
			t.Fatalf("%d bytes read of %d, or others", len(l.read), len(written))
		}
		checkPool(t, l.pool, chunks)
	})
}
