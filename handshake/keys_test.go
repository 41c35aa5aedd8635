package handshake

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/gquic/wire"
)

// RFC 5869, appendix A.1.
func TestHKDFKnown(t *testing.T) {
	prk := newHMAC().extract(bytes.Repeat([]byte{0x0b}, 22), unhex(t, "000102030405"), nil, unhex(t, "060708090a0b0c"))
	if want := unhex(t, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"); !bytes.Equal(prk[:], want) {
		t.Errorf("extracted %x, want %x", prk, want)
	}
	out := make([]byte, 42)
	newHMAC().expand(out, prk[:], unhex(t, "f0f1f2f3"), unhex(t, "f4f5f6f7f8f9"))
	if want := unhex(t, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"); !bytes.Equal(out, want) {
		t.Errorf("expanded %x, want %x", out, want)
	}
}

func TestHKDFAgainstLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string, most int) []byte { return rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, label) }
		secret, salt1, salt2 := draw("secret", 40), draw("salt 1", 100), draw("salt 2", 100)
		info1, info2 := draw("info 1", 200), draw("info 2", 200)
		out := make([]byte, rapid.IntRange(0, 200).Draw(t, "length"))

		prk := newHMAC().extract(secret, salt1, salt2)
		want, err := hkdf.Extract(sha256.New, secret, append(slices.Clone(salt1), salt2...))
		if err != nil || !bytes.Equal(prk[:], want) {
			t.Fatalf("extracted %x, want %x, %v", prk, want, err)
		}
		newHMAC().expand(out, prk[:], info1, info2)
		want, err = hkdf.Expand(sha256.New, prk[:], string(info1)+string(info2), len(out))
		if err != nil || !bytes.Equal(out, want) {
			t.Fatalf("expanded %x, want %x, %v", out, want, err)
		}
	})
}

func someInputs() *KeyInputs {
	return &KeyInputs{
		AEAD: AESG, Shared: make([]byte, 32), ClientNonce: make([]byte, 32), ServerNonce: bytes.Repeat([]byte{1}, 32), // HMAC ignores zeros at the end of a salt
		ConnectionID: wire.ConnectionID{1}, CHLO: make([]byte, 1024), SCFG: make([]byte, 131), Leaf: make([]byte, 820),
	}
}

// The derivation spelled out once more with the library, and every input counts.
func TestDeriveKeys(t *testing.T) {
	in := someInputs()
	k, err := DeriveKeys(in)
	if err != nil {
		t.Fatal(err)
	}
	salt := append(slices.Clone(in.ClientNonce), in.ServerNonce...)
	info := "QUIC key expansion\x00" + string(in.ConnectionID[:]) + string(in.CHLO) + string(in.SCFG) + string(in.Leaf)
	want, err := hkdf.Key(sha256.New, in.Shared, salt, info, 40)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Concat(k.ClientKey, k.ServerKey, k.ClientIV[:], k.ServerIV[:]); !bytes.Equal(got, want) {
		t.Errorf("derived %x, want %x", got, want)
	}
	for name, change := range map[string]func(*KeyInputs){
		"level":         func(in *KeyInputs) { in.ForwardSecure = true },
		"secret":        func(in *KeyInputs) { in.Shared[31] = 1 },
		"client nonce":  func(in *KeyInputs) { in.ClientNonce[0] = 1 },
		"server nonce":  func(in *KeyInputs) { in.ServerNonce = nil },
		"connection ID": func(in *KeyInputs) { in.ConnectionID[7] = 1 },
		"CHLO":          func(in *KeyInputs) { in.CHLO[1023] = 1 },
		"SCFG":          func(in *KeyInputs) { in.SCFG[0] = 1 },
		"leaf":          func(in *KeyInputs) { in.Leaf[819] = 1 },
	} {
		in := someInputs()
		change(in)
		other, err := DeriveKeys(in)
		if err != nil || bytes.Equal(other.ClientKey, k.ClientKey) || bytes.Equal(other.ServerKey, k.ServerKey) {
			t.Errorf("%s does not change the keys, or fails: %v", name, err)
		}
	}
	in.AEAD = C255
	_, err = DeriveKeys(in)
	needCode(t, err, 40)
}

func TestDiversify(t *testing.T) {
	k, err := DeriveKeys(someInputs())
	if err != nil {
		t.Fatal(err)
	}
	server, iv := slices.Clone(k.ServerKey), k.ServerIV
	d := k.Diversify(make([]byte, 32))
	want, err := hkdf.Key(sha256.New, append(slices.Clone(server), iv[:]...), make([]byte, 32), "QUIC key diversification", 20)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.ServerKey, want[:16]) || !bytes.Equal(d.ServerIV[:], want[16:]) {
		t.Errorf("diversified %x %x, want %x", d.ServerKey, d.ServerIV, want)
	}
	if !bytes.Equal(d.ClientKey, k.ClientKey) || d.ClientIV != k.ClientIV {
		t.Error("client's half changed")
	}
	if !bytes.Equal(k.ServerKey, server) || k.ServerIV != iv {
		t.Error("the original changed")
	}
}

// Both sides' protections of one derivation open each other's packets.
func TestKeysAEADs(t *testing.T) {
	for _, alg := range []Tag{AESG, CC20} {
		in := someInputs()
		in.AEAD = alg
		k, err := DeriveKeys(in)
		if err != nil {
			t.Fatal(err)
		}
		client, server, err := k.AEADs()
		if err != nil {
			t.Fatal(err)
		}
		packet := seal(client, []byte("header"), []byte("plain"), 7)
		if got, err := client.Open(&Scratch{}, nil, packet, 6, 7); err != nil || string(got) != "plain" {
			t.Errorf("%v: %q, %v", alg, got, err)
		}
		needRefused(t, server, packet, 6, 7)
	}
	if _, _, err := (&Keys{AEAD: AESG}).AEADs(); err == nil {
		t.Error("AEADs of no keys")
	}
	if _, _, err := (&Keys{AEAD: AESG, ClientKey: make([]byte, 16)}).AEADs(); err == nil {
		t.Error("AEADs of half the keys")
	}
}

func BenchmarkDeriveKeys(b *testing.B) {
	in := someInputs()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DeriveKeys(in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestKeyDerivationVectors(t *testing.T) {
	type half struct {
		SealKey hexBytes `json:"seal_key"`
		SealIV  hexBytes `json:"seal_iv"`
		OpenKey hexBytes `json:"open_key"`
		OpenIV  hexBytes `json:"open_iv"`
	}
	var cases []struct {
		Name          string   `json:"name"`
		AEAD          string   `json:"aead"`
		CHLO          hexBytes `json:"chlo"`
		SCFG          hexBytes `json:"scfg"`
		Leaf          hexBytes `json:"leaf_cert_der"`
		ClientNonce   hexBytes `json:"client_nonce"`
		ServerNonce   hexBytes `json:"server_nonce"`
		ConnectionID  hexBytes `json:"connection_id"`
		Diversify     hexBytes `json:"diversification_nonce"`
		Shared        hexBytes `json:"shared_secret"`
		ForwardSecure bool     `json:"forward_secure"`
		Output        hexBytes `json:"hkdf_output_before_diversification"`
		Client        half     `json:"client"`
		Server        half     `json:"server"`
	}
	loadVectors(t, "key_derivation", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			k, err := DeriveKeys(&KeyInputs{
				AEAD: MakeTag(c.AEAD), Shared: c.Shared, ClientNonce: c.ClientNonce, ServerNonce: c.ServerNonce,
				ConnectionID: wire.ConnectionID(c.ConnectionID), CHLO: c.CHLO, SCFG: c.SCFG, Leaf: c.Leaf,
				ForwardSecure: c.ForwardSecure,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := slices.Concat(k.ClientKey, k.ServerKey, k.ClientIV[:], k.ServerIV[:]); !bytes.Equal(got, c.Output) {
				t.Fatalf("derived %x, want %x", got, c.Output)
			}
			if !c.ForwardSecure {
				k = k.Diversify(c.Diversify)
			}
			for _, h := range []struct{ got, seal, open []byte }{
				{k.ClientKey, c.Client.SealKey, c.Server.OpenKey},
				{k.ServerKey, c.Server.SealKey, c.Client.OpenKey},
				{k.ClientIV[:], c.Client.SealIV, c.Server.OpenIV},
				{k.ServerIV[:], c.Server.SealIV, c.Client.OpenIV},
			} {
				if !bytes.Equal(h.got, h.seal) || !bytes.Equal(h.got, h.open) {
					t.Errorf("got %x, sealed with %x, opened with %x", h.got, h.seal, h.open)
				}
			}
		})
	}
}

// The library's HKDF on the same inputs, for comparison.
func BenchmarkDeriveKeysLibrary(b *testing.B) {
	in := someInputs()
	b.ReportAllocs()
	for b.Loop() {
		salt := slices.Concat(in.ClientNonce, in.ServerNonce)
		info := labelInitial + string(in.ConnectionID[:]) + string(in.CHLO) + string(in.SCFG) + string(in.Leaf)
		if _, err := hkdf.Key(sha256.New, in.Shared, salt, info, 40); err != nil {
			b.Fatal(err)
		}
	}
}
