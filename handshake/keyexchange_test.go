package handshake

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// RFC 7748, section 6.1, and the key pairs of RFC 5903, section 8.1.
func TestKeyExchangeKnown(t *testing.T) {
	for _, c := range []struct {
		alg                            Tag
		aPrivate, aPublic, bPrivate, s string
	}{
		{
			C255,
			"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
			"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
		},
		{
			P256,
			"c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
			"04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
			"c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
			"d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
		},
	} {
		a, err := NewKeyShare(c.alg, unhex(t, c.aPrivate))
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewKeyShare(c.alg, unhex(t, c.bPrivate))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Public(), unhex(t, c.aPublic)) {
			t.Errorf("%v: public %x", c.alg, a.Public())
		}
		s, err := a.Shared(b.Public())
		if err != nil || !bytes.Equal(s, unhex(t, c.s)) {
			t.Errorf("%v: shared %x, %v", c.alg, s, err)
		}
	}
}

func TestKeyShareErrors(t *testing.T) {
	for _, alg := range []Tag{AESG, 0} {
		_, err := NewKeyShare(alg, make([]byte, 32))
		needCode(t, err, 34)
	}
	for _, alg := range []Tag{C255, P256} {
		for _, n := range []int{0, 31, 33} {
			_, err := NewKeyShare(alg, make([]byte, n))
			needCode(t, err, 34)
		}
		k, err := NewKeyShare(alg, bytes.Repeat([]byte{1}, 32))
		if err != nil {
			t.Fatal(err)
		}
		if k.Algorithm() != alg {
			t.Errorf("algorithm %v, want %v", k.Algorithm(), alg)
		}
		offCurve := bytes.Clone(k.Public())
		offCurve[len(offCurve)-1] ^= 1
		peers := map[string][]byte{"nothing": nil, "one byte short": k.Public()[1:], "one byte long": append(bytes.Clone(k.Public()), 0)}
		if alg == C255 {
			peers["zero"] = make([]byte, 32)
			peers["of order two"] = append([]byte{1}, make([]byte, 31)...)
		} else {
			peers["off the curve"] = offCurve
			peers["compressed"] = append([]byte{2}, k.Public()[1:33]...)
			peers["infinity"] = []byte{0}
			peers["zero"] = make([]byte, 65)
		}
		for name, peer := range peers {
			if s, err := k.Shared(peer); err == nil {
				t.Errorf("%v: %s gives %x", alg, name, s)
			} else {
				needCode(t, err, 34)
			}
		}
	}
}

// Scalars out of range are hashed until they fit.
func TestKeyShareP256Range(t *testing.T) {
	order := "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
	seen := map[string]string{}
	for _, private := range []string{strings.Repeat("00", 32), order, strings.Repeat("ff", 32)} {
		k, err := NewKeyShare(P256, unhex(t, private))
		if err != nil {
			t.Fatal(err)
		}
		again, err := NewKeyShare(P256, unhex(t, private))
		if err != nil || !bytes.Equal(again.Public(), k.Public()) {
			t.Errorf("%s: not the same share again, %v", private, err)
		}
		if other, ok := seen[string(k.Public())]; ok {
			t.Errorf("%s and %s make the same share", private, other)
		}
		seen[string(k.Public())] = private
	}
}

func TestKeyExchangeAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alg := rapid.SampledFrom([]Tag{C255, P256}).Draw(t, "algorithm")
		private := rapid.SliceOfN(rapid.Byte(), 32, 32)
		a, err := NewKeyShare(alg, private.Draw(t, "a"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := NewKeyShare(alg, private.Draw(t, "b"))
		if err != nil {
			t.Fatal(err)
		}
		ab, err1 := a.Shared(b.Public())
		ba, err2 := b.Shared(a.Public())
		if err1 != nil || err2 != nil || len(ab) != 32 || !bytes.Equal(ab, ba) {
			t.Fatalf("%x and %x, %v, %v", ab, ba, err1, err2)
		}
	})
}

func BenchmarkKeyShare(b *testing.B) {
	private := bytes.Repeat([]byte{1}, 32)
	for _, alg := range []Tag{C255, P256} {
		k, err := NewKeyShare(alg, private)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg.String()+"/New", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				NewKeyShare(alg, private)
			}
		})
		b.Run(alg.String()+"/Shared", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Shared(k.Public())
			}
		})
	}
}

func TestKeyExchangeVectors(t *testing.T) {
	var cases []struct {
		KEXS     string   `json:"kexs"`
		APrivate hexBytes `json:"a_private"`
		APublic  hexBytes `json:"a_public"`
		BPrivate hexBytes `json:"b_private"`
		BPublic  hexBytes `json:"b_public"`
		Shared   hexBytes `json:"shared_secret"`
		Invalid  bool     `json:"invalid"`
		Reason   string   `json:"reason"`
	}
	loadVectors(t, "key_exchange", &cases)
	for i, c := range cases {
		alg := MakeTag(c.KEXS)
		if c.Invalid {
			k, err := NewKeyShare(alg, bytes.Repeat([]byte{1}, 32))
			if err != nil {
				t.Fatal(err)
			}
			_, err = k.Shared(c.BPublic)
			needCode(t, err, 34)
			continue
		}
		for _, side := range []struct{ private, public, peer []byte }{{c.APrivate, c.APublic, c.BPublic}, {c.BPrivate, c.BPublic, c.APublic}} {
			k, err := NewKeyShare(alg, side.private)
			if err != nil {
				t.Fatal(err)
			}
			s, err := k.Shared(side.peer)
			if err != nil || !bytes.Equal(k.Public(), side.public) || !bytes.Equal(s, c.Shared) {
				t.Errorf("case %d: public %x, shared %x, %v", i, k.Public(), s, err)
			}
		}
	}
}
