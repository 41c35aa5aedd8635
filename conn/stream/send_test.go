package stream

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// fullPool returns a pool with n chunks, so that a test sees at its end whether all
// came back, and none twice.
func fullPool(n int) *Pool {
	p := new(Pool)
	for range n {
		p.put(new(chunk))
	}
	return p
}

func checkPool(t interface{ Fatalf(string, ...any) }, p *Pool, want int) {
	seen := map[*chunk]bool{}
	for _, c := range p.free {
		if seen[c] {
			t.Fatalf("a chunk is in the pool twice")
		}
		seen[c] = true
	}
	if len(seen) != want {
		t.Fatalf("%d chunks in the pool, want %d", len(seen), want)
	}
}

// sizes draws lengths that are small, about a datagram, or about a chunk or two.
func sizes(t *rapid.T, label string) int {
	switch rapid.IntRange(0, 2).Draw(t, label+" kind") {
	case 0:
		return rapid.IntRange(0, 20).Draw(t, label)
	case 1:
		return rapid.IntRange(1000, 1400).Draw(t, label)
	default:
		return rapid.IntRange(ChunkSize-2, 2*ChunkSize+2).Draw(t, label)
	}
}

type sentFrame struct {
	offset uint64
	n      int
	fin    bool
}

// A sendModel is a SendBuffer told plainly: all bytes, and flags for each of them.
type sendModel struct {
	data              []byte
	sent              int
	acked, lost       []bool // by offset
	closed, reset     bool
	finSent, finAcked bool
	finLost           bool
	frames            []sentFrame // all that were ever sent
}

func (m *sendModel) write(b []byte) {
	if m.closed || m.reset {
		return
	}
	m.data = append(m.data, b...)
	m.acked = append(m.acked, make([]bool, len(b))...)
	m.lost = append(m.lost, make([]bool, len(b))...)
}

func (m *sendModel) prefix() int {
	for i, a := range m.acked {
		if !a {
			return i
		}
	}
	return len(m.acked)
}

func (m *sendModel) firstLost() int {
	for i, l := range m.lost {
		if l {
			return i
		}
	}
	return -1
}

// next is the rule of Next, read off the flags.
func (m *sendModel) next(maximum, window int) (f sentFrame, retransmission, ok bool) {
	if m.reset {
		return sentFrame{offset: uint64(m.sent)}, false, false
	}
	if first := m.firstLost(); first >= 0 {
		end := first
		for end < len(m.lost) && m.lost[end] && end-first < maximum {
			end++
		}
		f = sentFrame{offset: uint64(first), n: end - first}
		f.fin = f.n > 0 && end == len(m.data) && m.closed && !m.finAcked
		return f, true, f.n > 0
	}
	if m.finLost {
		return sentFrame{offset: uint64(len(m.data)), fin: true}, true, true
	}
	n := max(0, min(maximum, window, len(m.data)-m.sent))
	f = sentFrame{offset: uint64(m.sent), n: n}
	f.fin = m.closed && !m.finSent && m.sent+n == len(m.data)
	return f, false, n > 0 || f.fin
}

func (m *sendModel) send(f sentFrame) {
	for i := int(f.offset); i < int(f.offset)+f.n; i++ {
		m.lost[i] = false
	}
	m.sent = max(m.sent, int(f.offset)+f.n)
	if f.fin {
		m.finSent, m.finLost = true, false
	}
	m.frames = append(m.frames, f)
}

func (m *sendModel) ack(f sentFrame) {
	if m.reset {
		return
	}
	for i := int(f.offset); i < min(int(f.offset)+f.n, m.sent); i++ {
		m.acked[i], m.lost[i] = true, false
	}
	if f.fin && m.finSent {
		m.finAcked, m.finLost = true, false
	}
}

func (m *sendModel) lose(f sentFrame) {
	if m.reset {
		return
	}
	for i := int(f.offset); i < min(int(f.offset)+f.n, m.sent); i++ {
		m.lost[i] = !m.acked[i]
	}
	if f.fin && m.finSent && !m.finAcked {
		m.finLost = true
	}
}

func (m *sendModel) drop() {
	*m = sendModel{data: m.data[:m.sent], sent: m.sent, reset: true, frames: m.frames}
}

func (m *sendModel) buffered() int {
	if m.reset {
		return 0
	}
	return len(m.data) - m.prefix()
}

// check compares everything that can be asked.
func (m *sendModel) check(t *rapid.T, s *SendBuffer) {
	if int(s.WrittenEnd()) != len(m.data) || int(s.SentEnd()) != m.sent || s.Buffered() != m.buffered() {
		t.Fatalf("written %d, sent %d, buffered %d; want %d, %d, %d",
			s.WrittenEnd(), s.SentEnd(), s.Buffered(), len(m.data), m.sent, m.buffered())
	}
	if got, want := s.HasLost(), !m.reset && (m.firstLost() >= 0 || m.finLost); got != want {
		t.Fatalf("HasLost: %v, want %v", got, want)
	}
	if got, want := s.HasNew(), !m.reset && (m.sent < len(m.data) || m.closed && !m.finSent); got != want {
		t.Fatalf("HasNew: %v, want %v", got, want)
	}
	if got, want := s.AllAcked(), !m.reset && m.finAcked && m.prefix() == len(m.data); got != want {
		t.Fatalf("AllAcked: %v, want %v", got, want)
	}
	if s.Closed() != (m.closed || m.reset) || s.FinSent() != m.finSent || s.FinAcked() != m.finAcked {
		t.Fatalf("closed %v, FIN sent %v, acked %v", s.Closed(), s.FinSent(), s.FinAcked())
	}
	wellFormed(t, s.ackedAbove)
	wellFormed(t, s.lost)
	most := 0
	if b := s.Buffered(); b > 0 {
		most = b/ChunkSize + 2
	}
	if n := s.chunks.len(); n > most {
		t.Fatalf("%d chunks for %d bytes", n, s.Buffered())
	}
}

// step asks for the next frame and, if do is set, sends it, checking all of it.
func (m *sendModel) step(t *rapid.T, s *SendBuffer, maximum, window int, do bool) bool {
	want, wantAgain, wantOK := m.next(maximum, window)
	offset, n, fin, again, ok := s.Next(maximum, uint64(window))
	got := sentFrame{offset, n, fin}
	if ok != wantOK || ok && (got != want || again != wantAgain) {
		t.Fatalf("Next(%d, %d): %+v again %v ok %v, want %+v %v %v", maximum, window, got, again, ok, want, wantAgain, wantOK)
	}
	if !ok || !do {
		return ok
	}
	for i := int(offset); i < int(offset)+n; i++ {
		if m.acked[i] {
			t.Fatalf("byte %d was acknowledged and is sent again", i)
		}
	}
	data := s.AppendData([]byte("header"), offset, n)
	if !bytes.Equal(data, append([]byte("header"), m.data[offset:int(offset)+n]...)) {
		t.Fatalf("other data at %d", offset)
	}
	s.Sent(offset, n, fin)
	m.send(got)
	return true
}

// frame draws what a packet carried: one that was sent, or any part of what was sent.
func (m *sendModel) frame(t *rapid.T) sentFrame {
	if len(m.frames) > 0 && rapid.IntRange(0, 3).Draw(t, "which") > 0 {
		return rapid.SampledFrom(m.frames).Draw(t, "frame")
	}
	start := rapid.IntRange(0, m.sent).Draw(t, "start")
	return sentFrame{uint64(start), rapid.IntRange(0, m.sent-start+3).Draw(t, "n"), rapid.Bool().Draw(t, "fin")}
}

func TestSendBufferAgainstFlags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := 200
		p := fullPool(chunks)
		var s SendBuffer
		var m sendModel
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				b := make([]byte, sizes(t, "size"))
				for i := range b {
					at := len(m.data) + i
					b[i] = byte(at ^ at>>8*37)
				}
				s.Write(p, b)
				m.write(b)
				clear(b) // it was copied
			},
			"close": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "really") > 0 {
					return
				}
				s.Close()
				m.closed = m.closed || !m.reset
			},
			"peek": func(t *rapid.T) { m.step(t, &s, rapid.IntRange(-1, 1400).Draw(t, "max"), 10000, false) },
			"send": func(t *rapid.T) {
				m.step(t, &s, rapid.IntRange(-1, 1400).Draw(t, "max"), rapid.IntRange(0, 20000).Draw(t, "window"), true)
			},
			"send much": func(t *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(t, "frames") {
					m.step(t, &s, 1310, 1<<20, true)
				}
			},
			"ack": func(t *rapid.T) {
				f := m.frame(t)
				s.Acked(p, f.offset, f.n, f.fin)
				m.ack(f)
			},
			"ack in order": func(t *rapid.T) {
				for _, f := range m.frames[:len(m.frames)/2] {
					s.Acked(p, f.offset, f.n, f.fin)
					m.ack(f)
				}
			},
			"lose": func(t *rapid.T) {
				f := m.frame(t)
				s.Lost(f.offset, f.n, f.fin)
				m.lose(f)
			},
			"reset": func(t *rapid.T) {
				if rapid.IntRange(0, 20).Draw(t, "really") > 0 {
					return
				}
				s.Reset(p)
				m.drop()
			},
			"clone": func(*rapid.T) { // go on with the clone, and spoil all that s had
				c := s.Clone()
				chunks += c.chunks.len()
				s.Acked(p, 0, m.sent, true)
				s.Reset(p)
				for _, c := range p.free {
					clear(c[:])
				}
				s = c
			},
			"": func(t *rapid.T) { m.check(t, &s) },
		})
		// Whatever happened, it ends when everything is sent and acknowledged.
		s.Close()
		m.closed = m.closed || !m.reset
		for m.step(t, &s, 1310, 1<<20, true) {
		}
		for _, f := range m.frames {
			s.Acked(p, f.offset, f.n, f.fin)
			m.ack(f)
		}
		m.check(t, &s)
		if !m.reset && !s.AllAcked() {
			t.Fatalf("not done: %+v", s)
		}
		checkPool(t, p, chunks)
	})
}

func TestFinAlone(t *testing.T) {
	var p Pool
	var s SendBuffer
	if _, _, _, _, ok := s.Next(100, 100); ok {
		t.Error("something to send before anything was written")
	}
	s.Close()
	offset, n, fin, again, ok := s.Next(0, 0) // a FIN needs neither room nor window
	if offset != 0 || n != 0 || !fin || again || !ok {
		t.Fatal(offset, n, fin, again, ok)
	}
	s.Sent(0, 0, true)
	s.Lost(0, 0, true)
	if _, n, fin, again, ok := s.Next(0, 0); n != 0 || !fin || !again || !ok {
		t.Fatal(n, fin, again, ok)
	}
	s.Sent(0, 0, true)
	s.Acked(&p, 0, 0, true)
	s.Lost(0, 0, true) // another copy
	if !s.AllAcked() || s.HasLost() || s.HasNew() {
		t.Errorf("%+v", s)
	}
}

// What was acknowledged is gone: asked for by mistake, it is left out.
func TestAppendDataOfWhatIsGone(t *testing.T) {
	var p Pool
	var s SendBuffer
	s.Write(&p, make([]byte, 2*ChunkSize+10))
	s.Sent(0, 2*ChunkSize+10, false)
	s.Acked(&p, 0, ChunkSize, false)
	if b := s.AppendData(nil, 10, 20); len(b) != 0 {
		t.Errorf("%d bytes", len(b))
	}
	if b := s.AppendData(nil, 2*ChunkSize, 20); len(b) != 10 {
		t.Errorf("%d bytes of the last 10", len(b))
	}
}

// CloseAtSent drops what was not sent, keeps what was until it is acknowledged, and leaves
// a FIN alone that is on its way.
func TestSendCloseAtSent(t *testing.T) {
	var p Pool
	var s SendBuffer
	s.Write(&p, []byte("sent, unsent"))
	s.Sent(0, 4, false)
	s.CloseAtSent()
	if s.HasNew() || s.WrittenEnd() != 4 || !s.FinSent() || s.AllAcked() {
		t.Fatalf("new %v, end %d, FIN sent %v, all acked %v", s.HasNew(), s.WrittenEnd(), s.FinSent(), s.AllAcked())
	}
	s.Lost(0, 4, false)
	if offset, n, fin, _, ok := s.Next(100, 0); offset != 0 || n != 4 || fin || !ok {
		t.Fatal(offset, n, fin, ok)
	}
	s.Sent(0, 4, false)
	s.Acked(&p, 0, 4, false)
	if !s.AllAcked() || p.Free() != 1 {
		t.Errorf("all acked %v, %d chunks given back", s.AllAcked(), p.Free())
	}

	s = SendBuffer{}
	s.Write(&p, []byte("x"))
	s.Close()
	s.Sent(0, 1, true)
	s.CloseAtSent()
	if s.FinAcked() {
		t.Error("a FIN on its way counts as acknowledged")
	}
}
