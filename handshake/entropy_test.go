package handshake

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"
)

func TestEntropy(t *testing.T) {
	e := NewEntropy([32]byte{1})
	block := func(i byte) []byte {
		b := make([]byte, 41)
		b[0], b[33] = 1, i
		sum := sha256.Sum256(b)
		return sum[:]
	}
	b := make([]byte, 40)
	e.Fill(b)
	if want := append(block(0), block(1)[:8]...); !bytes.Equal(b, want) {
		t.Errorf("Fill gives %x, want %x", b, want)
	}
	twin := e
	first, again := e.Uint64(), twin.Uint64()
	if first != again {
		t.Error("a copy goes on differently")
	}
	if _, err := io.ReadFull(&e, b[:32]); err != nil || !bytes.Equal(b[:32], block(3)) {
		t.Errorf("Read gives %x, %v", b[:32], err)
	}
}

func TestEntropyDerive(t *testing.T) {
	fresh := NewEntropy([32]byte{1})
	drawn := fresh
	drawn.Uint64()
	a, b := fresh.Derive("nonce", []byte("x")), drawn.Derive("nonce", []byte("x"))
	if a != b {
		t.Error("what was drawn changes what is derived")
	}
	seen := map[uint64]string{fresh.Uint64(): "parent"}
	for _, d := range []struct{ label, context string }{
		{"nonce", "x"}, {"noncex", ""}, {"nonc", "ex"}, {"nonce", ""}, {"", ""}, {"", "nonce"},
	} {
		e := fresh.Derive(d.label, []byte(d.context))
		v := e.Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%q gives the stream of %q", d, other)
		}
		seen[v] = d.label + "/" + d.context
	}
	long, other := make([]byte, 500), make([]byte, 500)
	other[499] = 1
	if fresh.Derive("long", long) == fresh.Derive("long", other) {
		t.Error("the end of a long context does not count")
	}
}

func TestEntropyAllocations(t *testing.T) {
	e := NewEntropy([32]byte{})
	b := make([]byte, 48)
	id := make([]byte, 8)
	var sum uint64
	if n := testing.AllocsPerRun(100, func() {
		d := e.Derive("purpose", id)
		d.Fill(b)
		sum += d.Uint64()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
