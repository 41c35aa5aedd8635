package flowctl

import "testing"

// TestWidenDoublesAWindowThatHeldThePeerBack: a peer that used up its window, with nothing
// unread but what waits behind a hole, gets another window at once, up to the maximum.
func TestWidenDoublesAWindowThatHeldThePeerBack(t *testing.T) {
	for _, test := range []struct {
		what               string
		received, consumed uint64
		unread             uint64
		window, limit      uint64 // afterwards
		raised             bool
	}{
		{"blocked behind a hole", 16000, 4000, 0, 32000, 36000, true},
		{"the last bytes are lost", 14000, 4000, 0, 32000, 36000, true},
		{"a few bytes are unread", 16000, 4000, 2000, 32000, 36000, true},
		{"a slow reader", 16000, 4000, 12000, 16000, 20000, true},
		{"not used up", 13000, 4000, 0, 16000, 20000, true},
		{"nothing was read, all is behind a hole", 16000, 0, 0, 32000, 32000, true},
		{"nothing was read, and it could be", 16000, 0, 16000, 16000, 16000, false},
	} {
		w := NewReceiveWindow(16000, 40000)
		if _, err := w.Receive(test.received); err != nil {
			t.Fatal(err)
		}
		w.Consume(test.consumed)
		if raised := w.Widen(test.unread); raised != test.raised || w.Window() != test.window || w.Limit() != test.limit {
			t.Errorf("%s: raised %v, window %d, limit %d; want %v, %d, %d", test.what, raised, w.Window(), w.Limit(), test.raised, test.window, test.limit)
		}
	}
	w := NewReceiveWindow(16000, 40000)
	for range 5 {
		w.Receive(w.Limit())
		w.Widen(0)
	}
	if w.Window() != 40000 || w.Limit() != 40000 {
		t.Errorf("the window grew to %d and the limit to %d, want the maximum of 40000", w.Window(), w.Limit())
	}
}
