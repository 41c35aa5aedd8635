package flowctl

import (
	"errors"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

// The worked example of the send side: two streams on one connection, the connection's
// limit being reached second. Reference: connection, section 19.8.
func TestTwoStreamsRunIntoTheirLimits(t *testing.T) {
	conn, five, seven := NewSendWindow(24576), NewSendWindow(16384), NewSendWindow(16384)
	check := func(event string, availableOn5, availableOn7 uint64, blocked5, blocked0 bool) {
		t.Helper()
		on5, on7 := min(five.Available(), conn.Available()), min(seven.Available(), conn.Available())
		if on5 != availableOn5 || on7 != availableOn7 {
			t.Errorf("%s: %d on 5, %d on 7; want %d, %d", event, on5, on7, availableOn5, availableOn7)
		}
		if b := five.Blocked(); b != blocked5 {
			t.Errorf("%s: BLOCKED(5) %v", event, b)
		}
		if b := conn.Blocked(); b != blocked0 {
			t.Errorf("%s: BLOCKED(0) %v", event, b)
		}
	}
	send := func(stream *SendWindow, n uint64) {
		t.Helper()
		if err := errors.Join(stream.Sent(n), conn.Sent(n)); err != nil {
			t.Fatal(err)
		}
	}
	check("start", 16384, 16384, false, false)
	send(&five, 16384)
	check("16384 on 5", 0, 8192, true, false)
	check("asked again", 0, 8192, false, false)
	send(&seven, 8192)
	check("8192 on 7", 0, 0, false, true)
	five.Raise(32768)
	check("WINDOW_UPDATE(5, 32768)", 0, 0, false, false)
	if conn.Raise(20480) {
		t.Error("a lower limit was taken")
	}
	check("WINDOW_UPDATE(0, 20480)", 0, 0, false, false)
	if !conn.Raise(40960) {
		t.Error("a higher limit was not taken")
	}
	check("WINDOW_UPDATE(0, 40960)", 16384, 8192, false, false)
}

func TestSentTooMuch(t *testing.T) {
	w := NewSendWindow(100)
	w.Sent(60)
	before := w
	var e *Error
	if err := w.Sent(41); !errors.As(err, &e) || e.Code != wire.FlowControlSentTooMuchData || e.Value != 101 || e.Limit != 100 {
		t.Errorf("%v", err)
	}
	if w != before {
		t.Errorf("the refused bytes changed %+v to %+v", before, w)
	}
}

// A zero window is blocked from the first byte on, and says so once.
func TestNothingAllowed(t *testing.T) {
	var w SendWindow
	if !w.Blocked() || w.Blocked() || w.Available() != 0 {
		t.Errorf("%+v", w)
	}
}

// A sender and a receiver with WINDOW_UPDATEs that come late, in any order and more
// than once. The receiver is never overrun; BLOCKED comes once per limit; and once all
// is read and the newest update has arrived, at least half a window is open, so a
// transfer never stalls for good.
func TestTwoEndsNeverStall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Uint64Range(1, 300).Draw(t, "window")
		r := NewReceiveWindow(window, rapid.Uint64Range(0, 3000).Draw(t, "max"))
		s := NewSendWindow(window)
		var now gquic.Instant
		limits := []uint64{window} // all that the receiver ever said
		blockedAt := map[uint64]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				n := rapid.Uint64Range(0, s.Available()).Draw(t, "n")
				if err := s.Sent(n); err != nil {
					t.Fatal(err)
				}
				fresh, err := r.Receive(s.SentBytes())
				if err != nil || fresh != n {
					t.Fatal(fresh, err)
				}
			},
			"read": func(t *rapid.T) {
				r.Consume(rapid.Uint64Range(0, r.Received()-r.Consumed()).Draw(t, "n"))
			},
			"update": func(t *rapid.T) {
				now += gquic.Instant(rapid.Int64Range(0, 40).Draw(t, "later"))
				if limit, due := r.Update(now, time.Duration(rapid.IntRange(0, 20).Draw(t, "srtt"))); due {
					if last := limits[len(limits)-1]; limit <= last {
						t.Fatalf("update from %d to %d", last, limit)
					}
					limits = append(limits, limit)
				}
			},
			"deliver": func(t *rapid.T) {
				before := s.Limit()
				limit := rapid.SampledFrom(limits).Draw(t, "limit")
				if s.Raise(limit) != (limit > before) || s.Limit() != max(before, limit) {
					t.Fatalf("limit %d raised by %d to %d", before, limit, s.Limit())
				}
			},
			"blocked": func(t *rapid.T) {
				want := s.Available() == 0 && !blockedAt[s.Limit()]
				if s.Blocked() != want {
					t.Fatalf("%+v: blocked is not %v", s, want)
				}
				blockedAt[s.Limit()] = blockedAt[s.Limit()] || want
			},
			"settle": func(t *rapid.T) {
				r.Consume(r.Received())
				r.Update(now, 0)
				limits = append(limits, r.Limit())
				s.Raise(r.Limit())
				if 2*s.Available() < r.Window() || s.Available() == 0 {
					t.Fatalf("all is read and told, and %d of %d are available", s.Available(), r.Window())
				}
			},
		})
	})
}
