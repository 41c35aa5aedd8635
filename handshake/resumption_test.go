package handshake

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func storedResumption(t testing.TB) *Resumption {
	w := newWorld(t)
	w.connect(nil)
	w.check()
	r, ok := w.client.Resumption()
	if !ok {
		t.Fatal("no resumption")
	}
	return r
}

func wantResumptionError(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error) {
	t.Helper()
	if !errors.As(err, new(*ResumptionError)) {
		t.Fatalf("error is %v, want a *ResumptionError", err)
	}
}

// TestResumptionStored goes through bytes and resumes from them.
func TestResumptionStored(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	r, _ := w.client.Resumption()
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Resumption
	if err := back.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = 0xee // it keeps nothing of its argument
	}
	if diff := cmp.Diff(r, &back, cmp.AllowUnexported(Resumption{}, ServerConfig{}, proof{}), cmp.Comparer(func(a, b Params) bool {
		return cmp.Equal(a.IdleTimeout, b.IdleTimeout) && a.MaxStreams == b.MaxStreams && a.ConnectionWindow == b.ConnectionWindow && a.StreamWindow == b.StreamWindow
	})); diff != "" {
		t.Error(diff)
	}
	if back.ServerName() != "server.example" || back.Peer().MaxStreams != 90 || back.Expiry() <= w.wall {
		t.Errorf("%q, %+v, %d", back.ServerName(), back.Peer(), back.Expiry())
	}
	w.connect(&back)
	w.check()
	if w.hellos != 1 {
		t.Errorf("%d CHLOs", w.hellos)
	}
}

// TestResumptionDamaged changes, cuts and extends every byte.
func TestResumptionDamaged(t *testing.T) {
	r := storedResumption(t)
	good, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Resumption
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		wantResumptionError(t, back.UnmarshalBinary(bad))
		wantResumptionError(t, back.UnmarshalBinary(good[:i]))
	}
	wantResumptionError(t, back.UnmarshalBinary(append(bytes.Clone(good), 0)))
	wantResumptionError(t, back.UnmarshalBinary(make([]byte, maxStored+1)))
	if back.config != nil {
		t.Error("a failed UnmarshalBinary left something")
	}
	_, err = back.MarshalBinary()
	wantResumptionError(t, err)
}

// TestResumptionForged damages what the checksum covers and makes that anew.
func TestResumptionForged(t *testing.T) {
	r := storedResumption(t)
	good, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	good = good[:len(good)-resumptionChecksum]
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(good)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			i := rapid.IntRange(1, len(b)-1).Draw(t, "at")
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				b[i] = rapid.Byte().Draw(t, "byte")
			case 1:
				b = append(b[:i], b[i+1:]...)
			case 2:
				b = append(b[:i:i], append([]byte{0xff, 0xff}, b[i:]...)...)
			}
		}
		sum := sha256.Sum256(b)
		var back Resumption
		if err := back.UnmarshalBinary(append(b, sum[:resumptionChecksum]...)); err != nil {
			wantResumptionError(t, err)
			return
		}
		// What is taken can be used: a client may believe it or not.
		again, err := back.MarshalBinary()
		if err != nil || !bytes.Equal(again[:len(again)-resumptionChecksum], b) {
			t.Fatalf("does not come back as it was: %v", err)
		}
		c, err := NewClient(&ClientConfig{}, ClientStart{ServerName: back.serverName, Resumption: &back})
		if err != nil {
			t.Fatal(err)
		}
		c.Start(worldWall)
		for o, ok := c.Next(); ok; o, ok = c.Next() {
			if o.Kind == InstallKeys {
				t.Fatal("keys from what nobody believes")
			}
		}
	})
}
