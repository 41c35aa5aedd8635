package flowctl

import (
	"testing"
	"time"

	"example.com/gquic"
)

// TestWidenDoublesAWindowThatHeldThePeerBack: a peer that is held back, with nothing unread but
// what waits behind a hole, gets another window at once, up to the maximum.
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
		{"hardly used at all", 1000, 1000, 0, 16000, 17000, true},
		{"a slow reader", 16000, 4000, 12000, 16000, 20000, true},
		{"an update was lost", 13000, 4000, 0, 32000, 36000, true},
		{"nothing was read, all is behind a hole", 16000, 0, 0, 32000, 32000, true},
		{"nothing was read, and it could be", 16000, 0, 16000, 16000, 16000, false},
	} {
		w := NewReceiveWindow(16000, 40000)
		if _, err := w.Receive(test.received); err != nil {
			t.Fatal(err)
		}
		w.Consume(test.consumed)
		if raised := w.Widen(0, 0, test.unread); raised != test.raised || w.Window() != test.window || w.Limit() != test.limit {
			t.Errorf("%s: raised %v, window %d, limit %d; want %v, %d, %d", test.what, raised, w.Window(), w.Limit(), test.raised, test.window, test.limit)
		}
	}
	w := NewReceiveWindow(16000, 40000)
	for range 5 {
		w.Receive(w.Limit())
		w.Widen(0, 0, 0)
	}
	if w.Window() != 40000 || w.Limit() != 40000 {
		t.Errorf("the window grew to %d and the limit to %d, want the maximum of 40000", w.Window(), w.Limit())
	}
}

// TestWidenTellsAgain: a peer that is held back, though it was given more a round trip ago, is told
// again; one whose BLOCKED crossed the update is not.
func TestWidenTellsAgain(t *testing.T) {
	const rtt = 50 * time.Millisecond
	w := NewReceiveWindow(16000, 16000)
	w.Receive(16000)
	w.Consume(1)
	w.Update(0, rtt)
	w.Consume(9999)
	if limit, due := w.Update(0, rtt); !due || limit != 26000 {
		t.Fatalf("limit %d, due %v", limit, due)
	}
	at := func(d time.Duration) gquic.Instant { return gquic.Instant(0).Add(d) }
	if w.Widen(at(rtt), rtt, 0) {
		t.Error("told again what is on its way")
	}
	if w.Widen(at(2*rtt), 0, 0) {
		t.Error("told again without a sample of the round trip")
	}
	if !w.Widen(at(2*rtt), rtt, 0) || w.Limit() != 26000 {
		t.Errorf("not told again; limit %d", w.Limit())
	}
	if w.Widen(at(3*rtt), rtt, 0) {
		t.Error("told a third time within a round trip")
	}
	w.Receive(26000)
	if w.Widen(at(9*rtt), rtt, 0) {
		t.Error("told again although all was used")
	}
}
