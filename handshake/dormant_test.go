package handshake

import (
	"bytes"
	"testing"
	"unsafe"
)

// A dormant AEAD protects as the one that it stands for, and is small.
func TestDormantProtectsTheSame(t *testing.T) {
	for _, alg := range []Tag{AESG, CC20} {
		key := make([]byte, keySize(alg))
		key[3] = 7
		whole, err := NewAEAD(alg, key, []byte("salt"))
		if err != nil {
			t.Fatal(err)
		}
		asleep := Dormant(whole)
		for name, a := range map[string]AEAD{"dormant": asleep, "awake again": Awake(asleep), "awake all the time": Awake(whole)} {
			var s Scratch
			seal := func(a AEAD) []byte { return a.Seal(&s, append(make([]byte, 0, 100), "headplaintext"...), 4, 9) }
			sealed := seal(a)
			if want := seal(whole); !bytes.Equal(sealed, want) {
				t.Errorf("%v, %s: sealed to %x, want %x", alg, name, sealed, want)
			}
			plain, err := a.Open(&s, nil, sealed, 4, 9)
			if err != nil || string(plain) != "plaintext" {
				t.Errorf("%v, %s: opened to %q, %v", alg, name, plain, err)
			}
			sealed[5]++
			if _, err := a.Open(&s, nil, sealed, 4, 9); err != ErrAuthentication {
				t.Errorf("%v, %s: a changed packet gave %v", alg, name, err)
			}
		}
		if _, ok := asleep.(*dormant); ok && unsafe.Sizeof(dormant{}) > 32 {
			t.Errorf("a dormant AEAD takes %d bytes", unsafe.Sizeof(dormant{}))
		}
	}
}
