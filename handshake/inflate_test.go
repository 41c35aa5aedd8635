package handshake

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"hash/adler32"
	"io"
	"math/rand"
	"testing"

	"pgregory.net/rapid"
)

// inflateBlocks is what an inflater makes of the blocks that in starts with: at most most
// bytes, and how many of in it took.
func inflateBlocks(in, dict []byte, most int) (out []byte, taken int, ok bool) {
	f := inflater{in: in, out: make([]byte, 0, most), dict: dict}
	ok = f.blocks()
	return f.out, f.at, ok
}

// sameAsFlate compares an inflater with the standard library's.
func sameAsFlate(t checker, in, dict []byte, most int) (ok bool) {
	t.Helper()
	r := bytes.NewReader(in)
	want, err := io.ReadAll(io.LimitReader(flate.NewReaderDict(r, dict), int64(most)+1))
	wantOK := err == nil && len(want) <= most
	got, taken, ok := inflateBlocks(in, dict, most)
	if ok != wantOK {
		t.Fatalf("taken: %v, by the standard library: %v (%v), from %x", ok, wantOK, err, in)
	}
	if ok && (!bytes.Equal(got, want) || taken != len(in)-r.Len()) {
		t.Fatalf("%x of %d bytes, want %x of %d, from %x", got, taken, want, len(in)-r.Len(), in)
	}
	return ok
}

// drawText draws bytes that repeat: themselves and the dictionary.
func drawText(t *rapid.T, dict []byte) (b []byte) {
	for range rapid.IntRange(0, 12).Draw(t, "pieces") {
		seed := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		piece := make([]byte, seed.Intn(1+1<<rapid.IntRange(0, 12).Draw(t, "size")))
		seed.Read(piece)
		switch from := rapid.IntRange(0, 3).Draw(t, "kind"); {
		case from == 0 && len(b) > 0:
			piece = b[seed.Intn(len(b)):]
		case from == 1 && len(dict) > 0:
			piece = dict[seed.Intn(len(dict)):]
			piece = piece[:seed.Intn(len(piece)+1)]
		case from == 2:
			for i := range piece {
				piece[i] &= 7
			}
		}
		b = append(b, piece...)
	}
	return b
}

// drawDict draws a dictionary from none to more than a window. (After one that is smaller
// than what follows, flate.NewWriterDict can write a stored block that begins with it.)
func drawDict(t *rapid.T) []byte {
	dict := make([]byte, rapid.SampledFrom([]int{0, len(certDictionary), 32767, 32768, 40000}).Draw(t, "dictionary"))
	rand.New(rand.NewSource(1)).Read(dict)
	return dict
}

// What the standard library deflates, at any level and in several blocks, comes out again;
// cut and changed, it comes out as the standard library says.
func TestInflateAsStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dict := drawDict(t)
		text := drawText(t, dict)
		var deflated bytes.Buffer
		w, err := flate.NewWriterDict(&deflated, rapid.IntRange(-2, 9).Draw(t, "level"), dict)
		if err != nil {
			t.Fatal(err)
		}
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "until flush")
			w.Write(rest[:n])
			w.Flush()
			rest = rest[n:]
		}
		w.Close()
		in := append(deflated.Bytes(), "what follows"...)
		if !sameAsFlate(t, in, dict, len(text)) {
			t.Fatal("not taken")
		}
		if len(text) > 0 && sameAsFlate(t, in, dict, len(text)-1) {
			t.Fatal("taken, though there is no room")
		}
		sameAsFlate(t, in[:rapid.IntRange(0, deflated.Len()-1).Draw(t, "cut")], dict, len(text))
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			in[rapid.IntRange(0, deflated.Len()-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		sameAsFlate(t, in, dict, len(text)+1000)
	})
}

// A bitWriter writes the bits of a block, the lowest first.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) write(v, n int) {
	for ; n > 0; n-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v&1) << (w.n % 8)
		w.n++
		v >>= 1
	}
}

// drawLengths draws the lengths of a code for up to n symbols: mostly of a complete one, by
// splitting codes in two, at any depth.
func drawLengths(t *rapid.T, r *rand.Rand, n, longest int) []uint8 {
	codes := []uint8{0}
	deep := rapid.Bool().Draw(t, "deep")
	for range r.Intn(n) {
		i := r.Intn(len(codes))
		if deep && r.Intn(4) > 0 {
			i = len(codes) - 1
		}
		if int(codes[i]) == longest {
			continue
		}
		codes[i]++
		codes = append(codes, codes[i])
	}
	if len(codes) == 1 {
		codes[0] = uint8(r.Intn(3)) // none, one that is right, one that is not
	}
	lengths := make([]uint8, n)
	for i, at := range r.Perm(n)[:len(codes)] {
		lengths[at] = codes[i]
	}
	if rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
		lengths[r.Intn(n)] = uint8(r.Intn(longest + 1))
	}
	return lengths
}

// Blocks with codes that no encoder makes: unbalanced, of one symbol, of none, incomplete, or
// of too many; and whatever bits in them.
func TestInflateAnyCodes(t *testing.T) {
	taken := 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		dict := drawDict(t)
		var w bitWriter
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			w.write(rapid.IntRange(0, 1).Draw(t, "last"), 1)
			kind := rapid.SampledFrom([]int{0, 1, 2, 2, 2, 2, 2, 2, 2, 3}).Draw(t, "kind")
			w.write(kind, 2)
			if kind == 2 {
				nlit, ndist := 257+r.Intn(30), 1+r.Intn(30)
				lengths := append(drawLengths(t, r, nlit, 15), drawLengths(t, r, ndist, 15)...)
				w.write(nlit-257, 5)
				w.write(ndist-1, 5)
				w.write(15, 4)
				for _, s := range codeOrder { // a flat code: 13 of 4 bits, 6 of 5
					w.write(map[bool]int{true: 4, false: 5}[s < 13], 3)
				}
				symbol := func(s int) {
					code, n := s, 4
					if s >= 13 {
						code, n = 2*13+s-13, 5
					}
					for n--; n >= 0; n-- {
						w.write(code>>n, 1)
					}
				}
				for i := 0; i < len(lengths); {
					run := 1
					for i+run < len(lengths) && lengths[i+run] == lengths[i] {
						run++
					}
					switch {
					case lengths[i] == 0 && run >= 11 && r.Intn(2) > 0:
						run = min(run, 138)
						symbol(18)
						w.write(run-11, 7)
					case lengths[i] == 0 && run >= 3 && r.Intn(2) > 0:
						run = min(run, 10)
						symbol(17)
						w.write(run-3, 3)
					case i > 0 && lengths[i-1] == lengths[i] && run >= 3 && r.Intn(2) > 0:
						run = min(run, 6)
						symbol(16)
						w.write(run-3, 2)
					default:
						run = 1
						symbol(int(lengths[i]))
					}
					i += run
				}
			}
			for range r.Intn(300) {
				w.write(r.Int(), 8)
			}
		}
		if sameAsFlate(t, w.b, dict, r.Intn(1<<17)) {
			taken++
		}
	})
	if taken == 0 {
		t.Error("none was ever taken")
	}
}

// Each byte of a zlib stream counts, and none may be missing or be too much.
func TestInflateZlib(t *testing.T) {
	dict := []byte("what both sides know")
	text := []byte("both sides know what; both know")
	for _, with := range [][]byte{nil, dict} {
		var b bytes.Buffer
		w, err := zlib.NewWriterLevelDict(&b, 9, with)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(text)
		w.Close()
		in := b.Bytes()
		if got, err := inflateZlib(in, dict, len(text)); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%q, %v", got, err)
		}
		for _, wrong := range []int{0, len(text) - 1, len(text) + 1} {
			_, err := inflateZlib(in, dict, wrong)
			needCode(t, err, 34)
		}
		_, err = inflateZlib(append(bytes.Clone(in), 0), dict, len(text))
		needCode(t, err, 34)
		for i := range in {
			_, err := inflateZlib(in[:i], dict, len(text))
			needCode(t, err, 34)
			for bit := range 8 {
				changed := bytes.Clone(in)
				changed[i] ^= 1 << bit
				got, err := inflateZlib(changed, dict, len(text))
				want, wantErr := standardZlib(changed, dict, len(text))
				if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
					t.Errorf("byte %d, bit %d: %q, %v; the standard library says %q, %v", i, bit, got, err, want, wantErr)
				}
			}
		}
	}
}

// standardZlib inflates the whole of in with the standard library.
func standardZlib(in, dict []byte, size int) ([]byte, error) {
	r := bytes.NewReader(in)
	z, err := zlib.NewReaderDict(r, dict)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(z)
	if err == nil && (len(b) != size || r.Len() > 0) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// The method and the window are what RFC 1950 knows; the two bytes are a multiple of 31.
func TestInflateZlibHeaders(t *testing.T) {
	stream := []byte{0, 0, 1, 4, 0, 0xfb, 0xff, 'c', 'e', 'r', 't'}
	stream = binary.BigEndian.AppendUint32(stream, adler32.Checksum([]byte("cert")))
	good := 0
	for header := range 1 << 16 {
		binary.BigEndian.PutUint16(stream, uint16(header))
		_, err := inflateZlib(stream, nil, 4)
		_, want := standardZlib(stream, nil, 4)
		if (err == nil) != (want == nil) {
			t.Fatalf("header %04x: %v; the standard library says %v", header, err, want)
		}
		if err == nil {
			good++
		}
	}
	if good == 0 {
		t.Error("no header is good")
	}
}
