package handshake

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/adler32"
	"hash/fnv"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// The embedded data are those of the reference: handshake, section 11.3.
func TestCertificateData(t *testing.T) {
	if len(certDictionary) != 1484 || adler32.Checksum(certDictionary) != 0x22517eb1 ||
		sha256Hex(certDictionary) != "fbb45ae4cd390c4384cd107aefc7f6d51c325e210234997da4dc481475e6e3c9" {
		t.Errorf("dictionary of %d bytes, Adler-32 %x, SHA-256 %s", len(certDictionary), adler32.Checksum(certDictionary), sha256Hex(certDictionary))
	}
	if got := sha256Hex(commonData); got != "527dc4a2c85d29e7a9b9a0a800f4d1222bdd3698b3150d23a24383450d511f8a" {
		t.Errorf("common certificates have SHA-256 %s", got)
	}
	both := 0
	for _, c := range []struct {
		name uint64
		size int
		sum  string
	}{
		{commonSet2, 54, "51a9cf1cd5b382f6d53fad5515fed0afb865e7249830fbf780cd58e2c792755a"},
		{commonSet3, 52, "e92594d64de2d553de0187d893f0fa6dcbe3466b3333031b1ec93647f469bca7"},
	} {
		set := commonSet(c.name)
		h := fnv.New64a()
		for _, der := range set {
			binary.Write(h, binary.LittleEndian, uint32(len(der)))
			h.Write(der)
			if _, ok := slices.BinarySearchFunc(commonSet(commonSet2^commonSet3^c.name), der, bytes.Compare); ok {
				both++
			}
		}
		if len(set) != c.size || h.Sum64() != c.name || !slices.IsSortedFunc(set, bytes.Compare) {
			t.Errorf("set %x has %d certificates and hash %x", c.name, len(set), h.Sum64())
		}
		if got := sha256Hex(slices.Concat(set...)); got != c.sum {
			t.Errorf("set %x has SHA-256 %s, want %s", c.name, got, c.sum)
		}
	}
	if both != 2*35 {
		t.Errorf("%d certificates are in both sets, want 35", both/2)
	}
	if got := hex.EncodeToString(CommonSetHashes()); got != "01e8816092921ae87eed8086a2158291" {
		t.Errorf("CCS %s", got)
	}
}

func hashes(certs ...[]byte) []byte {
	var b []byte
	for _, c := range certs {
		b = binary.LittleEndian.AppendUint64(b, CertHash(c))
	}
	return b
}

// Published FNV-1a values.
func TestCertHash(t *testing.T) {
	for s, want := range map[string]uint64{"": 0xcbf29ce484222325, "a": 0xaf63dc4c8601ec8c, "foobar": 0x85944171f73967e8} {
		if got := CertHash([]byte(s)); got != want {
			t.Errorf("hash of %q is %x, want %x", s, got, want)
		}
	}
}

func TestCompressChain(t *testing.T) {
	common := commonCerts3[26] // in set 2 too, at 24
	cert, other := []byte("a certificate"), []byte("another certificate")
	set := func(hash uint64, index uint32) string {
		return "03" + hex.EncodeToString(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(nil, hash), index))
	}
	for _, c := range []struct {
		name      string
		chain     [][]byte
		ccs, ccrt []byte
		entries   string
	}{
		{"empty", nil, CommonSetHashes(), nil, "00"},
		{"compressed", [][]byte{cert, other}, nil, nil, "010100"},
		{"cached", [][]byte{cert}, nil, hashes(other, cert), "02" + hex.EncodeToString(hashes(cert)) + "00"},
		{"cached before common", [][]byte{common}, CommonSetHashes(), hashes(common), "02" + hex.EncodeToString(hashes(common)) + "00"},
		{"common, client's order", [][]byte{cert, common}, CommonSetHashes(), nil, "01" + set(commonSet2, 24) + "00"},
		{"common, other order", [][]byte{common}, append(CommonSetHashes()[8:], CommonSetHashes()[:8]...), nil, set(commonSet3, 26) + "00"},
		{"unknown set first", [][]byte{common}, append(make([]byte, 8), CommonSetHashes()...), nil, set(commonSet2, 24) + "00"},
		{"CCS of 15 bytes", [][]byte{common}, CommonSetHashes()[:15], nil, "0100"},
		{"CCRT of 9 bytes", [][]byte{cert}, nil, append(hashes(cert), 0), "0100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := CompressChain([]byte("dst"), c.chain, c.ccs, c.ccrt)
			if err != nil || !bytes.HasPrefix(b, append([]byte("dst"), unhex(t, c.entries)...)) {
				t.Fatalf("%x, %v, want it to start with %s", b, err, c.entries)
			}
			got, err := DecompressChain(b[3:], [][]byte{other, cert, common})
			if err != nil || !slices.EqualFunc(got, c.chain, bytes.Equal) {
				t.Fatalf("decompressed %q, %v", got, err)
			}
		})
	}
}

func TestCompressChainLimits(t *testing.T) {
	_, err := CompressChain(nil, make([][]byte, maxChain+1), nil, nil)
	needCode(t, err, 38)
	_, err = CompressChain(nil, [][]byte{make([]byte, maxInflated-3)}, nil, nil)
	needCode(t, err, 38)
	for _, chain := range [][][]byte{{make([]byte, maxInflated-4)}, make([][]byte, maxChain)} {
		b, err := CompressChain(nil, chain, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecompressChain(b, nil); err != nil || !slices.EqualFunc(got, chain, bytes.Equal) {
			t.Errorf("%d certificates, %v", len(got), err)
		}
	}
}

// drawChain draws a chain with certificates of every kind, and the client's cache.
func drawChain(t *rapid.T) (chain, cached [][]byte, ccs []byte) {
	own := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 5).Draw(t, "certificates")
	for range rapid.IntRange(0, maxChain).Draw(t, "chain length") {
		switch rapid.SampledFrom([]string{"own", "set 2", "set 3"}).Draw(t, "kind") {
		case "own":
			chain = append(chain, rapid.SampledFrom(own).Draw(t, "own"))
		case "set 2":
			chain = append(chain, rapid.SampledFrom(commonCerts2).Draw(t, "common"))
		case "set 3":
			chain = append(chain, rapid.SampledFrom(commonCerts3).Draw(t, "common"))
		}
	}
	for _, c := range chain {
		if rapid.Bool().Draw(t, "is cached") {
			cached = append(cached, c)
		}
	}
	ccs = CommonSetHashes()[8*rapid.IntRange(0, 1).Draw(t, "from set"):]
	return chain, cached, ccs[:8*rapid.IntRange(0, len(ccs)/8).Draw(t, "sets")]
}

func TestChainRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain, cached, ccs := drawChain(t)
		b, err := CompressChain(nil, chain, ccs, hashes(cached...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecompressChain(b, cached)
		if err != nil || !slices.EqualFunc(got, chain, bytes.Equal) {
			t.Fatalf("%d of %d certificates, %v", len(got), len(chain), err)
		}
		// Nothing may be missing, and nothing left over.
		_, err = DecompressChain(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")], cached)
		needCode(t, err, 34)
		_, err = DecompressChain(append(b, 0), cached)
		needCode(t, err, 34)
	})
}

func TestDecompressMutated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain, cached, ccs := drawChain(t)
		b, err := CompressChain(nil, chain, ccs, hashes(cached...))
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 4).Draw(t, "mutations") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		if _, err := DecompressChain(b, cached); err != nil {
			needCode(t, err, 34)
		}
	})
}

// packed is one compressed entry with this length and this stream.
func packed(length uint32, stream []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte{entryCompressed, entryEnd}, length), stream...)
}

// A truthful stream of 128 KiB is taken, one of a byte more is not.
func TestDecompressLimit(t *testing.T) {
	for _, size := range []uint32{131072, 131073} {
		plain := append(binary.LittleEndian.AppendUint32(nil, size-4), make([]byte, size-4)...)
		stream, err := deflate(nil, plain, certDictionary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecompressChain(packed(size, stream), nil); size == 131072 && err != nil {
			t.Error(err)
		} else if size > 131072 {
			needCode(t, err, 34)
		}
	}
}

// A small stream that inflates to much more than it says, or says much, takes no more
// memory than what the limit allows.
func TestDecompressBomb(t *testing.T) {
	stream, err := deflate(nil, make([]byte, 16<<20), certDictionary)
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []uint32{0, 8, maxInflated, maxInflated + 1, 1<<32 - 1} {
		in := packed(length, stream)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecompressChain(in, nil)
		runtime.ReadMemStats(&after)
		needCode(t, err, 34)
		// The output, and little else.
		if got := after.TotalAlloc - before.TotalAlloc; got > maxInflated+16<<10 {
			t.Errorf("announcing %d: %d bytes allocated", length, got)
		}
	}
	_, err = DecompressChain(append(bytes.Repeat([]byte{entryCompressed}, 1<<20), entryEnd), nil)
	needCode(t, err, 34)
}

// A stream without the dictionary's mark is a valid zlib stream, and C takes it too.
func TestDecompressStreams(t *testing.T) {
	plain := append([]byte{4, 0, 0, 0}, "cert"...)
	var without bytes.Buffer
	z := zlib.NewWriter(&without)
	z.Write(plain)
	z.Close()
	if got, err := DecompressChain(packed(8, without.Bytes()), nil); err != nil || len(got) != 1 || string(got[0]) != "cert" {
		t.Errorf("without dictionary: %q, %v", got, err)
	}
	_, err := DecompressChain(packed(9, without.Bytes()), nil)
	needCode(t, err, 34)
}

func BenchmarkDecompressChain(b *testing.B) {
	chain := [][]byte{commonCerts2[3], commonCerts3[5]}
	in, err := CompressChain(nil, chain, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecompressChain(in, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompressChain(b *testing.B) {
	chain := [][]byte{commonCerts2[3], commonCerts3[5]}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := CompressChain(nil, chain, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCertHashVectors(t *testing.T) {
	var cases []struct {
		Data hexBytes `json:"data"`
		Wire hexBytes `json:"xlct_wire_le"`
	}
	loadVectors(t, "leaf_hash_fnv1a64", &cases)
	for _, c := range cases {
		if got := hashes(c.Data); !bytes.Equal(got, c.Wire) {
			t.Errorf("hash %x, want %x", got, c.Wire)
		}
	}
}

func toBytes(h []hexBytes) [][]byte {
	b := make([][]byte, len(h))
	for i := range h {
		b[i] = h[i]
	}
	return b
}

func TestChainVectors(t *testing.T) {
	var cases []struct {
		Name               string     `json:"name"`
		Chain              []hexBytes `json:"chain_der"`
		CCS                hexBytes   `json:"ccs"`
		CCRT               hexBytes   `json:"ccrt"`
		EntryList          hexBytes   `json:"entry_list"`
		Compressed         hexBytes   `json:"compressed"`
		UncompressedLength uint32     `json:"uncompressed_length"`
		Inflated           hexBytes   `json:"inflated"`
		DictionarySHA256   string     `json:"zlib_dictionary_sha256"`
	}
	loadVectors(t, "cert_compression", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			chain := toBytes(c.Chain)
			got, err := DecompressChain(c.Compressed, chain)
			if err != nil || !slices.EqualFunc(got, chain, bytes.Equal) {
				t.Errorf("decompressed %d of %d certificates, %v", len(got), len(chain), err)
			}
			b, err := CompressChain(nil, chain, c.CCS, c.CCRT)
			if err != nil || !bytes.HasPrefix(b, c.EntryList) {
				t.Fatalf("compressed to %x, %v; want it to start with %x", b, err, c.EntryList)
			}
			rest := b[len(c.EntryList):]
			if c.UncompressedLength == 0 {
				if len(rest) > 0 {
					t.Errorf("%x after the entries", rest)
				}
				return
			}
			var known [][]byte
			for _, der := range chain {
				if _, _, ok := findCommon(c.CCS, der); ok || containsHash(c.CCRT, CertHash(der)) {
					known = append(known, der)
				}
			}
			if got := sha256Hex(dictionary(known)); got != c.DictionarySHA256 {
				t.Errorf("dictionary %s, want %s", got, c.DictionarySHA256)
			}
			if got := binary.LittleEndian.Uint32(rest); got != c.UncompressedLength {
				t.Errorf("length %d, want %d", got, c.UncompressedLength)
			}
			plain, err := inflate(rest, known)
			if err != nil || !bytes.Equal(plain, c.Inflated) {
				t.Errorf("inflates to other bytes, %v", err)
			}
		})
	}
}

func TestMalformedChainVectors(t *testing.T) {
	var cases []struct {
		Name       string     `json:"name"`
		Cached     []hexBytes `json:"client_cached_certs_der"`
		Compressed hexBytes   `json:"compressed"`
	}
	loadVectors(t, "cert_compression_malformed", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			chain, err := DecompressChain(c.Compressed, toBytes(c.Cached))
			if err == nil {
				t.Fatalf("accepted, %d certificates", len(chain))
			}
			needCode(t, err, 34)
		})
	}
}
