package handshake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/big"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
	"pgregory.net/rapid"

	"example.com/gquic/wire"
)

// seal protects plain behind header, in a buffer with no more capacity than needed.
func seal(a AEAD, header, plain []byte, pn wire.PacketNumber) []byte {
	p := make([]byte, 0, len(header)+len(plain)+a.Overhead())
	p = append(p, header...)
	p = append(p, make([]byte, a.Prefix())...)
	p = append(p, plain...)
	return a.Seal(&Scratch{}, p, len(header), pn)
}

// checkSealed demands that packet is header and sealed, and opens to plain; and that
// the packet survives both a good and a failed opening.
func checkSealed(t checker, a AEAD, header, plain, sealed []byte, pn wire.PacketNumber) {
	t.Helper()
	packet := append(slices.Clone(header), sealed...)
	if got := seal(a, header, plain, pn); !bytes.Equal(got, packet) {
		t.Fatalf("sealed\n%x, want\n%x", got, packet)
	}
	before := slices.Clone(packet)
	var s Scratch
	got, err := a.Open(&s, []byte("dst"), packet, len(header), pn)
	if err != nil || string(got[:3]) != "dst" || !bytes.Equal(got[3:], plain) {
		t.Fatalf("opened %x, %v; want %x", got, err, plain)
	}
	packet[len(packet)-1] ^= 0x80
	needRefused(t, a, packet, len(header), pn)
	packet[len(packet)-1] ^= 0x80
	if !bytes.Equal(packet, before) {
		t.Fatal("opening changed the packet")
	}
}

// needRefused demands that packet does not open, and that dst then holds what it held.
func needRefused(t checker, a AEAD, packet []byte, header int, pn wire.PacketNumber) {
	t.Helper()
	room := make([]byte, 3, 3000)
	before := slices.Clone(packet)
	got, err := a.Open(&Scratch{}, room, packet, header, pn)
	if err != ErrAuthentication || len(got) != 3 {
		t.Fatalf("opened %d bytes, %v; want ErrAuthentication", len(got)-3, err)
	}
	if !bytes.Equal(packet, before) {
		t.Fatal("failed opening changed the packet")
	}
	if slices.ContainsFunc(room[3:cap(room)], func(b byte) bool { return b != 0 }) {
		t.Fatal("failed opening left something in dst")
	}
}

func newAEAD(t testing.TB, alg Tag, key, iv []byte) AEAD {
	t.Helper()
	a, err := NewAEAD(alg, key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// allAEADs returns each kind, with keys that a test need not know.
func allAEADs(t testing.TB) map[string]AEAD {
	return map[string]AEAD{
		"null": NewNull(wire.Client),
		"AESG": newAEAD(t, AESG, make([]byte, 16), make([]byte, 4)),
		"CC20": newAEAD(t, CC20, make([]byte, 32), make([]byte, 4)),
	}
}

// AEAD_CHACHA20_POLY1305 example of RFC 7539, section 2.8.2, with the tag cut.
func TestChaChaRFC7539(t *testing.T) {
	key := unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
	plain := []byte("Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.")
	sealed := unhex(t, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e06"+
		"0b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116"+"1ae10b594f09e26a7e902ecb")
	// Nonce 07000000 4041424344454647: the last eight bytes are the packet number.
	checkSealed(t, newAEAD(t, CC20, key, unhex(t, "07000000")), unhex(t, "50515253c0c1c2c3c4c5c6c7"), plain, sealed, 0x4746454443424140)
}

// GCM test case 4 of the NIST submission, with the tag cut and the nonce split.
func TestAESGCMKnown(t *testing.T) {
	key := unhex(t, "feffe9928665731c6d6a8f9467308308")
	plain := unhex(t, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
	sealed := unhex(t, "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"+
		"5bc94fbc3221a5db94fae95a")
	checkSealed(t, newAEAD(t, AESG, key, unhex(t, "cafebabe")), unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"), plain, sealed, 0x88f8cadeaddbcefa)
}

func TestNullKnown(t *testing.T) {
	// FNV-1a with 128 bits of the text "Client": computed by the definition.
	for role, a := range map[string]AEAD{"Client": NewNull(wire.Client), "Server": NewNull(wire.Server)} {
		for _, c := range []struct{ header, plain string }{{"", "x"}, {"header", "payload"}} {
			tag := slowFNV(c.header + c.plain + role)
			checkSealed(t, a, []byte(c.header), []byte(c.plain), append(tag, c.plain...), 1)
		}
	}
	// Published FNV-1a-128 test value: "foobar".
	h := fnvBasis.add([]byte("foobar"))
	if h != (fnv128{0x343e1662793c64bf, 0x6f0d3597ba446f18}) {
		t.Errorf("FNV-1a-128 of foobar is %x", h)
	}
	needRefused(t, NewNull(wire.Server), seal(NewNull(wire.Client), []byte("h"), []byte("p"), 1), 1, 1)
}

// slowFNV is FNV-1a with 128 bits, cut to 12 bytes, by its definition.
func slowFNV(s string) []byte {
	number := func(hex string) *big.Int {
		n, _ := new(big.Int).SetString(hex, 16)
		return n
	}
	h, prime := number("6c62272e07bb014262b821756295c58d"), number("0000000001000000000000000000013b")
	mask := number("ffffffffffffffffffffffffffffffff")
	for i := range len(s) {
		h.Xor(h, big.NewInt(int64(s[i])))
		h.Mul(h, prime).And(h, mask)
	}
	b := h.FillBytes(make([]byte, 16))
	slices.Reverse(b)
	return b[:12]
}

func TestNullAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")
		cut := rapid.IntRange(0, len(b)).Draw(t, "header")
		got := nullServer.tag(b[:cut], b[cut:])
		if want := slowFNV(string(b) + "Server"); !bytes.Equal(got[:], want) {
			t.Fatalf("tag %x, want %x", got, want)
		}
	})
}

// What is sealed opens; with any bit changed, another number or header length, it does not.
func TestAEADProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesN := func(n int, label string) []byte {
			return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, label)
		}
		var a AEAD
		var want func(nonce, plain, header []byte) []byte // full tag, by the library
		iv := bytesN(4, "iv")
		switch rapid.SampledFrom([]Tag{AESG, CC20, 0}).Draw(t, "algorithm") {
		case AESG:
			key := bytesN(16, "key")
			a, _ = NewAEAD(AESG, key, iv)
			block, _ := aes.NewCipher(key)
			gcm, _ := cipher.NewGCM(block)
			want = func(nonce, plain, header []byte) []byte { return gcm.Seal(nil, nonce, plain, header) }
		case CC20:
			key := bytesN(32, "key")
			a, _ = NewAEAD(CC20, key, iv)
			full, _ := chacha20poly1305.New(key)
			want = func(nonce, plain, header []byte) []byte { return full.Seal(nil, nonce, plain, header) }
		default:
			a = NewNull(wire.Server)
		}
		header := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "header")
		plain := rapid.SliceOfN(rapid.Byte(), 0, 1600).Draw(t, "plain")
		pn := wire.PacketNumber(rapid.Uint64().Draw(t, "packet number"))
		packet := seal(a, header, plain, pn)
		if len(packet) != len(header)+len(plain)+a.Overhead() {
			t.Fatalf("%d bytes", len(packet))
		}
		if want != nil {
			nonce := slices.Clone(iv)
			for i := range 8 {
				nonce = append(nonce, byte(pn>>(8*i)))
			}
			full := want(nonce, plain, header)
			if !bytes.Equal(packet[len(header):], full[:len(full)-4]) {
				t.Fatal("differs from the library")
			}
			needRefused(t, a, packet, len(header), pn^1<<rapid.IntRange(0, 63).Draw(t, "bit of number"))
		}
		checkSealed(t, a, header, plain, packet[len(header):], pn)
		bit := rapid.IntRange(0, 8*len(packet)-1).Draw(t, "bit")
		packet[bit/8] ^= 1 << (bit % 8)
		needRefused(t, a, packet, len(header), pn)
		needRefused(t, a, packet[:rapid.IntRange(0, len(packet)-1).Draw(t, "cut")], len(header), pn)
	})
}

// TestEveryByteCounts changes each byte of a packet, the tag's too, in each of the ciphers.
func TestEveryByteCounts(t *testing.T) {
	ciphers := map[string]AEAD{"null": NewNull(wire.Server)}
	for alg, size := range map[Tag]int{AESG: 16, CC20: 32} {
		a, err := NewAEAD(alg, make([]byte, size), make([]byte, 4))
		if err != nil {
			t.Fatal(err)
		}
		ciphers[alg.String()] = a
	}
	for name, a := range ciphers {
		header := []byte("header")
		packet := seal(a, header, []byte("some bytes"), 5)
		checkSealed(t, a, header, []byte("some bytes"), packet[len(header):], 5)
		for i := range packet {
			changed := slices.Clone(packet)
			changed[i] ^= 0x10
			if _, err := a.Open(new(Scratch), nil, changed, len(header), 5); err == nil {
				t.Errorf("%s: byte %d of %d does not count", name, i, len(packet))
			}
		}
	}
}

func TestNewAEADErrors(t *testing.T) {
	for _, c := range []struct {
		alg     Tag
		key, iv int
	}{{AESG, 15, 4}, {AESG, 32, 4}, {AESG, 16, 12}, {CC20, 16, 4}, {CC20, 32, 0}, {C255, 32, 4}, {0, 0, 4}} {
		_, err := NewAEAD(c.alg, make([]byte, c.key), make([]byte, c.iv))
		needCode(t, err, 53)
	}
}

// A key may be used from several goroutines, each with its own Scratch; and nothing is
// written behind the packet that Seal returns.
func TestSealStaysInside(t *testing.T) {
	for name, a := range allAEADs(t) {
		buf := bytes.Repeat([]byte{0xaa}, 100)
		sealed := a.Seal(&Scratch{}, buf[:50], 10, 1)
		for _, b := range buf[len(sealed):] {
			if b != 0xaa {
				t.Errorf("%s: bytes behind the sealed packet changed", name)
				break
			}
		}
		if &sealed[0] != &buf[0] {
			t.Errorf("%s: not in place", name)
		}
	}
}

func TestAEADAllocations(t *testing.T) {
	for name, a := range allAEADs(t) {
		s := new(Scratch)
		buf, dst := make([]byte, 1350), make([]byte, 0, 1350)
		if n := testing.AllocsPerRun(100, func() {
			a.Seal(s, buf[:1350-a.Overhead()+a.Prefix()], 20, 1)
		}); n != 0 {
			t.Errorf("%s: Seal: %v allocations", name, n)
		}
		sealed := a.Seal(s, buf[:1350-a.Overhead()+a.Prefix()], 20, 1)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := a.Open(s, dst, sealed, 20, 1); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: Open: %v allocations", name, n)
		}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := a.Open(s, dst, sealed[:1349], 20, 1); err == nil {
				t.Fatal("opened a cut packet")
			}
		}); n != 0 {
			t.Errorf("%s: failed Open: %v allocations", name, n)
		}
	}
}

func BenchmarkAEAD(b *testing.B) {
	for _, name := range []string{"null", "AESG", "CC20"} {
		a := allAEADs(b)[name]
		s := new(Scratch)
		buf, dst := make([]byte, 1350), make([]byte, 0, 1350)
		plain := buf[:1350-a.Overhead()+a.Prefix()]
		b.Run(name+"/Seal", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1350)
			for b.Loop() {
				a.Seal(s, plain, 20, 1)
			}
		})
		sealed := a.Seal(s, plain, 20, 1)
		b.Run(name+"/Open", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(1350)
			for b.Loop() {
				if _, err := a.Open(s, dst, sealed, 20, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func number(t testing.TB, s string) wire.PacketNumber {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return wire.PacketNumber(n)
}

func TestAEADVectors(t *testing.T) {
	type vector struct {
		AAD          hexBytes `json:"aad"`
		IV           hexBytes `json:"iv"`
		Key          hexBytes `json:"key"`
		PacketNumber string   `json:"packet_number"`
		Plaintext    hexBytes `json:"plaintext"`
		Sealed       hexBytes `json:"sealed"`
		Valid        *bool    `json:"valid"`
	}
	var aes, chacha []vector
	loadVectors(t, "aesgcm12", &aes)
	loadVectors(t, "chacha20poly1305_12", &chacha)
	run := func(name string, alg Tag, cases []vector) {
		for i, c := range cases {
			t.Run(name+" "+strconv.Itoa(i), func(t *testing.T) {
				a, pn := newAEAD(t, alg, c.Key, c.IV), number(t, c.PacketNumber)
				if c.Valid != nil && !*c.Valid {
					needRefused(t, a, append(slices.Clone(c.AAD), c.Sealed...), len(c.AAD), pn)
					return
				}
				checkSealed(t, a, c.AAD, c.Plaintext, c.Sealed, pn)
			})
		}
	}
	run("aesgcm12", AESG, aes)
	run("chacha20poly1305_12", CC20, chacha)
	run("aes_128_gcm_12", AESG, loadWireVectors[vector](t, "aes_128_gcm_12"))
}

func TestNullVectors(t *testing.T) {
	type vector struct {
		ID        string   `json:"id"`
		Sender    string   `json:"sender"`
		SentBy    string   `json:"sent_by"`
		AAD       hexBytes `json:"aad"`
		Plaintext hexBytes `json:"plaintext"`
		Sealed    hexBytes `json:"sealed"`
		Header    hexBytes `json:"header"`
		Hex       hexBytes `json:"hex"`
	}
	roles := map[string]AEAD{"client": NewNull(wire.Client), "server": NewNull(wire.Server)}
	var cases []vector
	loadVectors(t, "null_fnv128a_12", &cases)
	for _, c := range append(cases, loadWireVectors[vector](t, "null_aead")...) {
		checkSealed(t, roles[c.Sender], c.AAD, c.Plaintext, c.Sealed, 1)
	}
	for _, c := range loadWireVectors[vector](t, "packet") {
		checkSealed(t, roles[c.SentBy], c.Header, c.Plaintext, c.Hex[len(c.Header):], 1)
	}
}

func TestNullMalformedVectors(t *testing.T) {
	type vector struct {
		Layer    string   `json:"layer"`
		Note     string   `json:"note"`
		Receiver string   `json:"receiver"`
		AAD      hexBytes `json:"aad"`
		Hex      hexBytes `json:"hex"`
	}
	opener := map[string]AEAD{"client": NewNull(wire.Server), "server": NewNull(wire.Client)}
	seen := 0
	for _, c := range loadWireVectors[vector](t, "malformed") {
		if c.Layer == "null_aead" {
			needRefused(t, opener[c.Receiver], append(slices.Clone(c.AAD), c.Hex...), len(c.AAD), 1)
			seen++
		}
	}
	if seen == 0 {
		t.Error("no case of layer null_aead")
	}
}
