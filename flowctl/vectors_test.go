package flowctl

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/gquic"
)

// vectors reads a file of shared/vectors, which some checkouts have beside or above
// them, into v.
func vectors(t *testing.T, name string, v any) {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		folder := filepath.Join(dir, "shared", "vectors")
		if _, statErr := os.Stat(filepath.Join(folder, "wire.json")); statErr == nil {
			b, err := os.ReadFile(filepath.Join(folder, name))
			if err == nil {
				err = json.Unmarshal(b, v)
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
		if filepath.Dir(dir) == dir {
			err = errors.New("no such folder")
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("shared/vectors is not beside this checkout; skipping the vectors of flow control")
}

func TestFormulaVectors(t *testing.T) {
	type step struct {
		AtMs       int64  `json:"at_ms"`
		Read       uint64 `json:"read"`
		Consumed   uint64 `json:"consumed"`
		Stream     uint64 `json:"stream_window_update_offset"`
		Connection uint64 `json:"connection_window_update_offset"`
		Update     uint64 `json:"window_update_offset"`
		Window     uint64 `json:"window_size"`
	}
	var file struct {
		Formula struct {
			Half struct {
				Stream     uint64 `json:"stream_window"`
				Connection uint64 `json:"connection_window"`
				Steps      []step `json:"steps"`
			} `json:"half_window_updates_chromium_rule"`
			Tuning struct {
				SRTT   int64  `json:"srtt_ms"`
				Window uint64 `json:"window"`
				Limit  uint64 `json:"limit"`
				Steps  []step `json:"steps"`
			} `json:"auto_tuning_chromium_rule"`
		} `json:"formula_examples"`
	}
	vectors(t, "connection.json", &file)
	half, tuning := file.Formula.Half, file.Formula.Tuning
	if len(half.Steps) == 0 || len(tuning.Steps) == 0 {
		t.Fatal("no steps in the file")
	}

	stream, conn := NewReceiveWindow(half.Stream, half.Stream), NewReceiveWindow(half.Connection, half.Connection)
	for _, s := range half.Steps {
		consume(t, &stream, s.Read)
		consume(t, &conn, s.Read)
		checkUpdate(t, "stream", &stream, 0, 0, s.Stream)
		checkUpdate(t, "connection", &conn, 0, 0, s.Connection)
	}

	w := NewReceiveWindow(tuning.Window, tuning.Limit)
	srtt := time.Duration(tuning.SRTT) * time.Millisecond
	for _, s := range tuning.Steps {
		consume(t, &w, s.Read)
		if w.Consumed() != s.Consumed {
			t.Fatalf("consumed %d, want %d", w.Consumed(), s.Consumed)
		}
		checkUpdate(t, "tuned", &w, gquic.Instant(s.AtMs)*ms, srtt, s.Update)
		if s.Window != 0 && w.Window() != s.Window {
			t.Errorf("at %d ms: window %d, want %d", s.AtMs, w.Window(), s.Window)
		}
	}
}

// The send side and the receive checks of quic-go, where its rules are ours too: limits
// and what counts do not depend on when updates are sent.
func TestSendSideVectors(t *testing.T) {
	var file struct {
		FlowControl struct {
			SendSide []struct {
				Event      string
				Stream5    uint64 `json:"stream5_send_window"`
				Stream7    uint64 `json:"stream7_send_window"`
				Connection uint64 `json:"connection_send_window"`
				Five       bool   `json:"stream5_newly_blocked"`
				Zero       bool   `json:"connection_newly_blocked"`
			} `json:"send_side"`
		} `json:"flow_control"`
	}
	vectors(t, "connection.json", &file)
	conn, five, seven := NewSendWindow(24576), NewSendWindow(16384), NewSendWindow(16384)
	actions := map[string]func(){
		"peer announced CFCW=24576, SFCW=16384":                       func() {},
		"16384 bytes sent on stream 5":                                func() { five.Sent(16384); conn.Sent(16384) },
		"asked again":                                                 func() {},
		"8192 bytes sent on stream 7":                                 func() { seven.Sent(8192); conn.Sent(8192) },
		"WINDOW_UPDATE stream 5 = 32768":                              func() { five.Raise(32768) },
		"WINDOW_UPDATE stream 0 = 20480 (lower than before: ignored)": func() { conn.Raise(20480) },
		"WINDOW_UPDATE stream 0 = 40960":                              func() { conn.Raise(40960) },
	}
	if len(file.FlowControl.SendSide) == 0 {
		t.Fatal("no steps in the file")
	}
	for _, s := range file.FlowControl.SendSide {
		act := actions[s.Event]
		if act == nil {
			t.Fatalf("unknown event %q", s.Event)
		}
		act()
		if got := min(five.Available(), conn.Available()); got != s.Stream5 {
			t.Errorf("%s: %d available on stream 5, want %d", s.Event, got, s.Stream5)
		}
		if got := min(seven.Available(), conn.Available()); got != s.Stream7 {
			t.Errorf("%s: %d available on stream 7, want %d", s.Event, got, s.Stream7)
		}
		if got := conn.Available(); got != s.Connection {
			t.Errorf("%s: %d available on the connection, want %d", s.Event, got, s.Connection)
		}
		if five.Blocked() != s.Five || conn.Blocked() != s.Zero {
			t.Errorf("%s: want BLOCKED(5) %v, BLOCKED(0) %v", s.Event, s.Five, s.Zero)
		}
	}
}
