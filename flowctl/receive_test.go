package flowctl

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

const ms = gquic.Instant(time.Millisecond)

// The worked example of the half-window rule: a stream of 16384 in a connection of
// 24576, and no tuning for want of a sample. Reference: connection, section 19.8.
func TestUpdateIsDueWhenLessThanHalfIsLeft(t *testing.T) {
	stream, conn := NewReceiveWindow(16384, 1<<24), NewReceiveWindow(24576, 1<<24)
	for _, step := range []struct{ read, stream, conn uint64 }{
		{read: 8192},
		{read: 1, stream: 24577},
		{read: 4095},
		{read: 4096, conn: 40960},
		{read: 1},
		{read: 8192, stream: 40961},
		{read: 8192, conn: 57345},
	} {
		fresh, err := stream.Receive(stream.Consumed() + step.read)
		if err != nil || fresh != step.read {
			t.Fatalf("stream.Receive: %d, %v", fresh, err)
		}
		if _, err := conn.Receive(conn.Received() + fresh); err != nil {
			t.Fatal(err)
		}
		stream.Consume(step.read)
		conn.Consume(step.read)
		checkUpdate(t, "stream", &stream, 0, 0, step.stream)
		checkUpdate(t, "connection", &conn, 0, 0, step.conn)
	}
}

// checkUpdate asks twice: want is the limit due the first time (0: none), and nothing
// is due the second.
func checkUpdate(t *testing.T, name string, w *ReceiveWindow, now gquic.Instant, srtt time.Duration, want uint64) {
	t.Helper()
	limit, due := w.Update(now, srtt)
	if due != (want != 0) || due && limit != want {
		t.Errorf("%s, %d consumed: update to %d (due: %v), want %d", name, w.Consumed(), limit, due, want)
	}
	if limit != w.Limit() {
		t.Errorf("%s: Update says limit %d, Limit says %d", name, limit, w.Limit())
	}
	if limit, due := w.Update(now, srtt); due {
		t.Errorf("%s, %d consumed: update to %d given twice", name, w.Consumed(), limit)
	}
}

func TestReceiveChecksTheLimit(t *testing.T) {
	w := NewReceiveWindow(32768, 32768)
	if fresh, err := w.Receive(20000); fresh != 20000 || err != nil {
		t.Fatal(fresh, err)
	}
	if fresh, err := w.Receive(100); fresh != 0 || err != nil { // late, or a duplicate
		t.Fatal(fresh, err)
	}
	before := w
	_, err := w.Receive(32769)
	var e *Error
	if !errors.As(err, &e) || e.Code != wire.FlowControlReceivedTooMuchData || e.Value != 32769 || e.Limit != 32768 {
		t.Fatalf("one byte too much: %v", err)
	}
	if !strings.Contains(err.Error(), "1 bytes past the limit 32768") {
		t.Error(err)
	}
	if w != before {
		t.Errorf("the refused data changed %+v to %+v", before, w)
	}
	if fresh, err := w.Receive(32768); fresh != 12768 || err != nil {
		t.Fatal(fresh, err)
	}
}

func TestConsumeStopsAtWhatWasReceived(t *testing.T) {
	w := NewReceiveWindow(16384, 0)
	w.Receive(10)
	w.Consume(11)
	if w.Consumed() != 10 {
		t.Errorf("consumed %d of 10 bytes", w.Consumed())
	}
}

// Two smoothed round trips are the border between growing and not.
func TestTuningNeedsASampleAndAFastReader(t *testing.T) {
	const srtt = 100 * time.Millisecond
	for _, c := range []struct {
		name   string
		srtt   time.Duration
		second gquic.Instant // of the second update, the first being at 0
		max    uint64
		window uint64
	}{
		{"just below two round trips", srtt, 200*ms - 1, 1 << 20, 32768},
		{"two round trips", srtt, 200 * ms, 1 << 20, 16384},
		{"at once", srtt, 0, 1 << 20, 32768},
		{"no sample", 0, 0, 1 << 20, 16384},
		{"at its maximum", srtt, 0, 16384, 16384},
		{"near its maximum", srtt, 0, 20000, 20000},
		{"maximum below the window", srtt, 0, 1000, 16384},
	} {
		w := NewReceiveWindow(16384, c.max)
		consume(t, &w, 10000)
		checkUpdate(t, c.name, &w, 0, 0, 26384)
		consume(t, &w, 10000)
		checkUpdate(t, c.name, &w, c.second, c.srtt, 20000+c.window)
		if w.Window() != c.window {
			t.Errorf("%s: window %d, want %d", c.name, w.Window(), c.window)
		}
	}
}

func consume(t *testing.T, w *ReceiveWindow, n uint64) {
	t.Helper()
	if _, err := w.Receive(w.Received() + n); err != nil {
		t.Fatal(err)
	}
	w.Consume(n)
}

func TestConnectionFollowsItsStreams(t *testing.T) {
	w := NewReceiveWindow(49152, 1<<20)
	w.Follow(32768) // 1.5 times that is what there is
	if w.Window() != 49152 {
		t.Errorf("window %d, want 49152", w.Window())
	}
	checkUpdate(t, "unchanged", &w, 0, 0, 0)
	consume(t, &w, 20000)
	checkUpdate(t, "more than half left", &w, 0, 0, 0)
	w.Follow(65536)
	checkUpdate(t, "grown: 29152 is less than half of it", &w, 0, 0, 20000+98304)
	w.Follow(16384)
	if w.Window() != 98304 {
		t.Errorf("the window shrank to %d", w.Window())
	}
	w.Follow(1 << 63)
	if w.Window() != 1<<20 {
		t.Errorf("window %d grew past its maximum", w.Window())
	}
}

func TestLimitStopsAtTheLargestOffset(t *testing.T) {
	w := NewReceiveWindow(wire.MaxByteOffset+1, 1<<63)
	if w.Limit() != wire.MaxByteOffset {
		t.Fatalf("limit %d", w.Limit())
	}
	consume(t, &w, wire.MaxByteOffset)
	checkUpdate(t, "at the end of the axis", &w, 0, time.Second, 0)
}

func TestCheckAnnounced(t *testing.T) {
	var e *Error
	if err := CheckAnnounced(MinWindow); err != nil {
		t.Error(err)
	}
	err := CheckAnnounced(MinWindow - 1)
	if !errors.As(err, &e) || e.Code != wire.FlowControlInvalidWindow {
		t.Errorf("%v", err)
	}
	if !strings.Contains(err.Error(), "1 below the minimum of 16384") {
		t.Error(err)
	}
}

// A spec of the receive window in terms of its history alone: every question is
// answered by going through all that happened, in exact fractions.
type history struct {
	events []event
}

type event struct {
	kind    string // "window" (the first), "receive", "consume", "update", "atleast"
	n       uint64
	max     uint64
	now     gquic.Instant
	updated bool // an update that was due: limit and window after it
	limit   uint64
	window  uint64
}

func (h *history) received() (most uint64) {
	for _, e := range h.events {
		if e.kind == "receive" {
			most = max(most, e.n)
		}
	}
	return most
}

func (h *history) consumed() (sum uint64) {
	for _, e := range h.events {
		if e.kind == "consume" {
			sum += e.n
		}
	}
	return sum
}

func (h *history) limit() (limit uint64) {
	for _, e := range h.events {
		if e.kind == "window" || e.updated {
			limit = e.limit
		}
	}
	return limit
}

func (h *history) window() (window uint64) {
	limit := h.events[0].max
	for _, e := range h.events {
		switch {
		case e.kind == "window" || e.updated:
			window = e.window
		case e.kind == "atleast" && e.n > window:
			window = max(window, min(e.n, limit))
		}
	}
	return window
}

// previous returns when the last update was, or when first an update was asked for
// after bytes had been consumed.
func (h *history) previous(now gquic.Instant) gquic.Instant {
	at, consumed := now, false
	first := true
	for _, e := range h.events {
		if e.kind == "consume" && e.n > 0 {
			consumed = true
		}
		if e.kind == "update" && consumed && (first || e.updated) {
			at, first = e.now, false
		}
	}
	return at
}

func (h *history) update(now gquic.Instant, srtt time.Duration) (limit uint64, due bool) {
	e := event{kind: "update", now: now, window: h.window()}
	left := new(big.Rat).SetInt(new(big.Int).SetUint64(h.limit() - h.consumed()))
	half := big.NewRat(int64(e.window), 2)
	if h.consumed() > 0 && left.Cmp(half) < 0 {
		e.updated = true
		if srtt > 0 && now.Sub(h.previous(now)) < 2*srtt {
			e.window = max(e.window, min(2*e.window, h.events[0].max))
		}
		e.limit = h.consumed() + e.window
	}
	h.events = append(h.events, e)
	return h.limit(), e.updated
}

func TestReceiveWindowAgainstItsHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Uint64Range(1, 200).Draw(t, "window")
		maximum := rapid.Uint64Range(0, 1000).Draw(t, "max")
		w := NewReceiveWindow(window, maximum)
		h := history{[]event{{kind: "window", limit: window, window: window, max: maximum}}}
		now := gquic.Instant(rapid.Int64Range(-1000, 1000).Draw(t, "start"))
		t.Repeat(map[string]func(*rapid.T){
			"receive": func(t *rapid.T) {
				end := rapid.Uint64Range(0, h.limit()+5).Draw(t, "end")
				fresh, err := w.Receive(end)
				if end > h.limit() {
					var e *Error
					if !errors.As(err, &e) || e.Value-e.Limit != end-h.limit() {
						t.Fatalf("%d with a limit of %d: %v", end, h.limit(), err)
					}
					return
				}
				before := h.received()
				h.events = append(h.events, event{kind: "receive", n: end})
				if err != nil || fresh != h.received()-before {
					t.Fatalf("fresh %d, %v", fresh, err)
				}
			},
			"consume": func(t *rapid.T) {
				n := rapid.Uint64Range(0, h.received()-h.consumed()).Draw(t, "n")
				w.Consume(n)
				h.events = append(h.events, event{kind: "consume", n: n})
			},
			"update": func(t *rapid.T) {
				now += gquic.Instant(rapid.Int64Range(0, 50).Draw(t, "later"))
				srtt := time.Duration(rapid.Int64Range(0, 30).Draw(t, "srtt"))
				limit, due := w.Update(now, srtt)
				if wantLimit, wantDue := h.update(now, srtt); limit != wantLimit || due != wantDue {
					t.Fatalf("Update: %d %v, want %d %v", limit, due, wantLimit, wantDue)
				}
				if _, again := w.Update(now, srtt); again {
					t.Fatal("the same update again")
				}
				h.update(now, srtt)
			},
			"grow": func(t *rapid.T) {
				n := rapid.Uint64Range(0, 1200).Draw(t, "at least")
				w.EnsureAtLeast(n)
				h.events = append(h.events, event{kind: "atleast", n: n})
			},
			"": func(t *rapid.T) {
				if w.Limit() != h.limit() || w.Received() != h.received() || w.Consumed() != h.consumed() || w.Window() != h.window() {
					t.Fatalf("%+v, want limit %d received %d consumed %d window %d", w, h.limit(), h.received(), h.consumed(), h.window())
				}
			},
		})
	})
}

func TestGrantGivesWhatWasConsumed(t *testing.T) {
	w := NewReceiveWindow(20000, 20000)
	w.Receive(20000)
	if w.Grant() {
		t.Fatal("granted credit although nothing was consumed")
	}
	w.Consume(100)
	if _, due := w.Update(0, 0); due {
		t.Fatal("an update was due after 100 of 20000 bytes")
	}
	if !w.Grant() || w.Limit() != 20100 {
		t.Fatalf("limit %d after 100 consumed bytes were granted, want 20100", w.Limit())
	}
	if w.Grant() {
		t.Fatal("granted the same bytes twice")
	}
}

func TestStartAt(t *testing.T) {
	w := NewReceiveWindow(20000, 20000)
	w.StartAt(1024)
	if fresh, err := w.Receive(2048); err != nil || fresh != 1024 {
		t.Fatalf("Receive(2048) = %d, %v; want 1024 fresh bytes", fresh, err)
	}
	if _, err := w.Receive(21025); err == nil {
		t.Fatal("a byte past the limit was accepted")
	}
}
