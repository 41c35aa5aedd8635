package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Each fault must still have its place: whoever changes the code moves it along.
func TestNoFaultIsStale(t *testing.T) {
	all, err := parse(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Errorf("only %d faults", len(all))
	}
	for _, m := range all {
		whole, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Errorf("%s: %v", m.what, err)
			continue
		}
		if faulty, err := m.apply(whole); err != nil || bytes.Equal(faulty, whole) {
			t.Errorf("%s: %s: not put in: %v", m.file, m.what, err)
		}
	}
}
