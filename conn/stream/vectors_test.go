package stream

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The vectors of the reassembly queue were printed by a queue that is one layer below
// ours: there, final offsets and flow control are checked before it, and the frame
// parser refuses an empty frame without FIN. So their codes are not held here but in
// TestFinalOffsetConflicts, in package flowctl and in package wire. Where that queue
// ends a connection for its gaps with code 1, ours has 93, the code made for it.
func TestStreamDataVectors(t *testing.T) {
	var file struct {
		StreamData struct {
			Cases []struct {
				Name   string
				Frames []struct {
					Offset uint64
					Data   string
					Fin    bool
				}
				Errors   []*struct{}
				Popped   []string
				Fin      bool   `json:"fin_reached"`
				Position uint64 `json:"read_position"`
			}
			Isolated int `json:"isolated_bytes_accepted_before_gap_limit"`
		} `json:"stream_data"`
	}
	vectors(t, "connection.json", &file)
	if len(file.StreamData.Cases) == 0 {
		t.Fatal("no cases in the file")
	}
	for _, c := range file.StreamData.Cases {
		var p Pool
		var r ReceiveBuffer
		for i, f := range c.Frames {
			if err := r.Insert(&p, f.Offset, []byte(f.Data), f.Fin); (err != nil) != (c.Errors[i] != nil) {
				t.Errorf("%s: frame %d: %v", c.Name, i, err)
			}
		}
		b := make([]byte, 100)
		n, fin := r.Read(&p, b)
		// Where that queue cuts what it pops depends on how it came; we join it.
		if got, want := string(b[:n]), strings.Join(c.Popped, ""); got != want {
			t.Errorf("%s: read %q, want %q", c.Name, got, want)
		}
		if fin != c.Fin || r.Offset() != c.Position {
			t.Errorf("%s: fin %v at %d, want %v at %d", c.Name, fin, r.Offset(), c.Fin, c.Position)
		}
	}

	var p Pool
	var r ReceiveBuffer
	for i := range file.StreamData.Isolated {
		if err := r.Insert(&p, uint64(2*i+1), []byte{1}, false); err != nil {
			t.Fatalf("isolated byte %d of %d: %v", i+1, file.StreamData.Isolated, err)
		}
	}
	checkFault(t, r.Insert(&p, uint64(2*file.StreamData.Isolated+1), []byte{1}, false), TooManyRanges)
}

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
	t.Skip("shared/vectors is not beside this checkout; skipping the vectors of stream data")
}
