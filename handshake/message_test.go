package handshake

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The worked example of reference: handshake, section 1.
const exampleCHLO = "43484c4f02000000" + "534e490000000000" + "4353435402000000" + "6162"

func TestMessageExample(t *testing.T) {
	m := Message{Tag: CHLO}
	m.Set(CSCT, []byte("ab"))
	m.Set(SNI, nil)
	got := m.Append(nil)
	if want := unhex(t, exampleCHLO); !bytes.Equal(got, want) {
		t.Fatalf("appended %x, want %x", got, want)
	}
	if m.Size() != len(got) {
		t.Errorf("Size %d, want %d", m.Size(), len(got))
	}
	parsed, n, err := ParseMessage(append(got, 0xee))
	if err != nil || n != len(got) {
		t.Fatalf("parsed %d bytes, %v", n, err)
	}
	if v, ok := parsed.Get(SNI); !ok || len(v) != 0 {
		t.Errorf("SNI is %q, %t; want empty and there", v, ok)
	}
	if v, ok := parsed.Get(CSCT); !ok || string(v) != "ab" {
		t.Errorf("CSCT is %q, %t", v, ok)
	}
	if _, ok := parsed.Get(VER); ok {
		t.Error("VER is there")
	}
	if err := parsed.ParseWhole(got); err != nil {
		t.Error(err)
	}
	if got, want := parsed.Summary(), "CHLO 26 B: SNI CSCT"; got != want {
		t.Errorf("Summary %q, want %q", got, want)
	}
}

func TestTags(t *testing.T) {
	for _, c := range []struct {
		tag  Tag
		wire string
		text string
	}{
		{CHLO, "CHLO", "CHLO"},
		{REJ, "REJ\x00", "REJ"},
		{CRT, "CRT\xff", `CRT\xff`},
		{ORBT, "OBIT", "OBIT"},
		{TagAEAD, "AEAD", "AEAD"},
		{MakeTag("A\x00 \\"), "A\x00 \\", `A\x00\x20\x5c`},
		{0, "\x00\x00\x00\x00", ""},
	} {
		if got := AppendTags(nil, c.tag); string(got) != c.wire {
			t.Errorf("%v is %q on the wire, want %q", c.tag, got, c.wire)
		}
		if MakeTag(c.wire) != c.tag {
			t.Errorf("MakeTag(%q) is %v, want %v", c.wire, MakeTag(c.wire), c.tag)
		}
		if c.tag.String() != c.text {
			t.Errorf("String is %q, want %q", c.tag.String(), c.text)
		}
	}
	// Order of reference: handshake, section 1.
	order := []Tag{PAD, SNI, STK, SNO, VER, CCS, NONC, TagAEAD, UAID, SCID, TCID, PDMD, SFCW, CRT}
	if !slices.IsSorted(order) {
		t.Errorf("tags do not sort as the reference says")
	}
}

func message(entries ...any) []byte { // count, then pairs of tag and end offset, then the values
	b := append([]byte("CHLO"), byte(entries[0].(int)), byte(entries[0].(int)>>8), 0, 0)
	for i := 1; i+1 < len(entries); i += 2 {
		b = AppendTags(b, entries[i].(Tag))
		b = binary.LittleEndian.AppendUint32(b, uint32(entries[i+1].(int)))
	}
	if s, ok := entries[len(entries)-1].(string); ok {
		b = append(b, s...)
	}
	return b
}

func TestMessageErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		code uint32 // 0: incomplete
	}{
		{"nothing", nil, 0},
		{"header cut", []byte("CHLO\x00\x00\x00"), 0},
		{"129 entries, no index yet", message(129), 30},
		{"128 entries, no index yet", message(128), 0},
		{"index cut", message(2, SNI, 0), 0},
		{"values cut", message(1, SNI, 5, "1234"), 0},
		{"tag twice", message(2, SNI, 0, SNI, 0), 43},
		{"tags fall", message(2, VER, 0, SNI, 0), 29},
		{"tags fall, values still missing", message(2, VER, 4, SNI, 8), 29},
		{"ends fall", message(2, SNI, 2, VER, 1, "12"), 29},
		{"first entry with tag zero twice", message(2, Tag(0), 0, Tag(0), 0), 43},
		{"larger than the limit", message(1, SNI, MaxMessageSize-15), 31},
		{"as large as the limit, values missing", message(1, SNI, MaxMessageSize-16), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, n, err := ParseMessage(c.in)
			if n != 0 || m.Len() != 0 || m.Tag != 0 {
				t.Errorf("left %d bytes and %v", n, &m)
			}
			if c.code == 0 {
				if err != ErrIncomplete {
					t.Errorf("error %v, want ErrIncomplete", err)
				}
				needCode(t, m.ParseWhole(c.in), 34)
				return
			}
			needCode(t, err, c.code)
			needCode(t, m.ParseWhole(c.in), c.code)
		})
	}
	var m Message
	needCode(t, m.ParseWhole(append(unhex(t, exampleCHLO), 0)), 34)
	if m.Len() != 0 {
		t.Error("entries left after a failed ParseWhole")
	}
}

func TestMessagePad(t *testing.T) {
	for _, c := range []struct{ size, want int }{
		{0, 26}, {26, 26}, {27, 34}, {34, 34}, {35, 35}, {1024, 1024},
	} {
		m, _, err := ParseMessage(unhex(t, exampleCHLO))
		if err != nil {
			t.Fatal(err)
		}
		m.Pad(900) // must not add up
		m.Pad(c.size)
		if got := len(m.Append(nil)); got != c.want || got != m.Size() {
			t.Errorf("Pad(%d) gives %d bytes, Size %d, want %d", c.size, got, m.Size(), c.want)
		}
	}
}

func TestMessageValues(t *testing.T) {
	m := Message{Tag: SHLO}
	m.SetUint32(ICSL, 30)
	m.SetUint64(EXPY, 1<<40)
	m.SetTags(COPT, NSTP, MakeTag("TBBR"))
	m.Set(MIDS, []byte{1, 2, 3})
	m.Set(STTL, []byte{1, 2, 3, 4})
	if v, ok, err := m.Uint32(ICSL); v != 30 || !ok || err != nil {
		t.Error(v, ok, err)
	}
	if v, ok, err := m.Uint64(EXPY); v != 1<<40 || !ok || err != nil {
		t.Error(v, ok, err)
	}
	l, ok, err := m.Tags(COPT)
	if err != nil || !ok || l.Len() != 2 || !l.Contains(NSTP) || l.Index(MakeTag("TBBR")) != 1 || l.Contains(PAD) {
		t.Error(l, ok, err)
	}
	if got := slices.Collect(l.All()); !slices.Equal(got, []Tag{NSTP, MakeTag("TBBR")}) {
		t.Error(got)
	}
	if _, ok, err := m.Uint32(SFCW); ok || err != nil {
		t.Error("absent number", ok, err)
	}
	if _, ok, err := m.Uint64(RSEQ); ok || err != nil {
		t.Error("absent number", ok, err)
	}
	if l, ok, err := m.Tags(CLOP); ok || err != nil || l.Len() != 0 {
		t.Error("absent list", l, ok, err)
	}
	_, _, err = m.Uint32(MIDS)
	needCode(t, err, 34)
	_, _, err = m.Uint64(STTL)
	needCode(t, err, 34)
	_, _, err = m.Tags(MIDS)
	needCode(t, err, 34)
	m.Delete(MIDS)
	m.Delete(MIDS)
	if m.Has(MIDS) || m.Len() != 4 {
		t.Error("MIDS not deleted")
	}
}

func TestMessageString(t *testing.T) {
	scfg := Message{Tag: SCFG}
	scfg.SetTags(KEXS, C255, P256)
	scfg.SetUint64(EXPY, 1893456000)
	m := Message{Tag: REJ}
	m.Set(SNI, []byte("a\n"))
	m.Set(VER, []byte("Q043"))
	m.SetUint32(ICSL, 30)
	m.Set(MIDS, []byte{1})
	m.Set(SCFG, scfg.Append(nil))
	m.Set(RREJ, []byte{14, 0, 0, 0, 2, 0, 0, 0})
	m.Set(STK, bytes.Repeat([]byte{7}, 40))
	m.Set(NONC, nil)
	m.Pad(200)
	want := `REJ 200 bytes
  PAD 21 bytes
  SNI "a\n"
  STK 0707070707070707070707070707070707070707070707070707070707070707… 40 bytes
  VER Q043
  NONC
  SCFG 40 bytes
    KEXS C255 P256
    EXPY 1893456000
  RREJ 14 2
  ICSL 30
  MIDS 01
`
	if diff := cmp.Diff(want, m.String()); diff != "" {
		t.Error(diff)
	}
	if got, want := m.Summary(), "REJ 200 B: PAD SNI STK VER=Q043 NONC SCFG RREJ ICSL=30 MIDS=01"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	m.Set(SCFG, []byte("broken"))
	if !strings.Contains(m.String(), "\n  SCFG 62726f6b656e\n") {
		t.Error(m.String())
	}
}

func TestMessageClone(t *testing.T) {
	b := unhex(t, exampleCHLO)
	m, _, err := ParseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Clone()
	clear(b)
	m.Set(VER, []byte("Q043"))
	if v, _ := c.Get(CSCT); string(v) != "ab" || c.Has(VER) {
		t.Errorf("clone changed with the original: %v", &c)
	}
}

// drawMessage draws a message that Parse accepts.
func drawMessage(t *rapid.T) Message {
	m := Message{Tag: Tag(rapid.Uint32().Draw(t, "message tag"))}
	tags := rapid.SliceOfNDistinct(rapid.OneOf(
		rapid.SampledFrom([]Tag{PAD, SNI, VER, STK, SCFG, COPT, CRT, 0, 0xffffffff}),
		rapid.Map(rapid.Uint32(), func(v uint32) Tag { return Tag(v) }),
	), 0, maxEntries, rapid.ID[Tag]).Draw(t, "tags")
	for _, tag := range tags {
		m.Set(tag, rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "value"))
	}
	return m
}

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		tail := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "tail")
		b := m.Append(nil)
		got, n, err := ParseMessage(append(slices.Clone(b), tail...))
		if err != nil || n != len(b) || n != m.Size() {
			t.Fatalf("%d of %d bytes, Size %d: %v", n, len(b), m.Size(), err)
		}
		if !bytes.Equal(got.Append(nil), b) || got.String() != m.String() {
			t.Fatalf("round trip gives\n%v\nfrom\n%v", &got, &m)
		}
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, n, err := ParseMessage(b[:cut]); n != 0 || err != ErrIncomplete {
			t.Fatalf("first %d bytes: %d, %v", cut, n, err)
		}
	})
}

// What Parse accepts is canonical: it comes out as it went in, but for the padding.
func TestMessageMutated(t *testing.T) {
	var reused Message
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		b := m.Append(nil)
		for range rapid.IntRange(1, 4).Draw(t, "mutations") {
			at := rapid.IntRange(0, min(len(b)-1, 8+8*m.Len())).Draw(t, "at")
			b[at] = rapid.Byte().Draw(t, "byte")
		}
		n, err := reused.Parse(b)
		if err != nil {
			if reused.Len() != 0 || n != 0 {
				t.Fatal("entries left after an error")
			}
			return
		}
		b[6], b[7] = 0, 0
		if !bytes.Equal(reused.Append(nil), b[:n]) {
			t.Fatalf("accepted but not canonical: %x", b[:n])
		}
		_ = reused.String() + reused.Summary()
	})
}

// fullCHLO has the 23 entries that a browser sends.
func fullCHLO() Message {
	m := Message{Tag: CHLO}
	for _, t := range []Tag{SNI, STK, SNO, VER, CCS, NONC, TagAEAD, SCID, TCID, PDMD, SMHL, ICSL, NONP, PUBS, MIDS,
		SCLS, KEXS, XLCT, CSCT, COPT, CFCW, SFCW} {
		m.Set(t, bytes.Repeat([]byte{1}, 4))
	}
	m.Set(SNI, []byte("www.example.org"))
	m.Set(PUBS, make([]byte, 32))
	m.Set(NONC, make([]byte, 32))
	m.Pad(1024)
	return m
}

func TestMessageAllocations(t *testing.T) {
	chlo := fullCHLO()
	b := chlo.Append(nil)
	var m Message
	out := make([]byte, 0, len(b))
	if _, err := m.Parse(b); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := m.Parse(b); err != nil {
			t.Fatal(err)
		}
		if _, ok := m.Get(PUBS); !ok {
			t.Fatal("no PUBS")
		}
		out = m.Append(out[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMessageParse(b *testing.B) {
	chlo := fullCHLO()
	in := chlo.Append(nil)
	var m Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMessageAppend(b *testing.B) {
	chlo := fullCHLO()
	out := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		out = chlo.Append(out[:0])
	}
}

func TestMessageVectors(t *testing.T) {
	var cases []struct {
		Hex        hexBytes `json:"hex"`
		MessageTag string   `json:"message_tag"`
		Tags       []struct {
			TagHex hexBytes `json:"tag_hex"`
			Value  hexBytes `json:"value"`
		} `json:"tags"`
	}
	loadVectors(t, "messages", &cases)
	for i, c := range cases {
		var m Message
		if err := m.ParseWhole(c.Hex); err != nil {
			t.Errorf("message %d: %v", i, err)
			continue
		}
		if m.Tag.String() != c.MessageTag && m.Tag.String() != strings.TrimSuffix(c.MessageTag, `\0`) {
			t.Errorf("message %d is %v, want %s", i, m.Tag, c.MessageTag)
		}
		built, k := Message{Tag: m.Tag}, 0
		for tag, v := range m.All() {
			if k >= len(c.Tags) || tag != MakeTag(string(c.Tags[k].TagHex)) || !bytes.Equal(v, c.Tags[k].Value) {
				t.Errorf("message %d: entry %d is %v %x", i, k, tag, v)
			}
			k++
		}
		if k != len(c.Tags) {
			t.Errorf("message %d has %d entries, want %d", i, k, len(c.Tags))
		}
		for _, e := range slices.Backward(c.Tags) {
			built.Set(MakeTag(string(e.TagHex)), e.Value)
		}
		if !bytes.Equal(built.Append(nil), c.Hex) {
			t.Errorf("message %d: encodes to other bytes", i)
		}
	}
}

func TestMalformedFramingVectors(t *testing.T) {
	var cases []struct {
		Hex    hexBytes `json:"hex"`
		Layer  string   `json:"layer"`
		Name   string   `json:"name"`
		Expect struct {
			Kind string  `json:"kind"`
			Code *uint32 `json:"code"`
		} `json:"expect"`
	}
	loadVectors(t, "malformed_messages", &cases)
	for _, c := range cases {
		if c.Layer != "framing" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			var m Message
			n, err := m.Parse(c.Hex)
			whole := m.ParseWhole(c.Hex)
			switch c.Expect.Kind {
			case "error":
				code := uint32(0)
				if c.Expect.Code != nil {
					code = *c.Expect.Code
				}
				needCode(t, err, code)
				needCode(t, whole, code)
			case "incomplete":
				if err != ErrIncomplete {
					t.Errorf("error %v, want ErrIncomplete", err)
				}
				needCode(t, whole, 34)
			case "trailing_data":
				if err != nil || n != len(c.Hex)-1 {
					t.Errorf("%d bytes of %d, %v", n, len(c.Hex), err)
				}
				needCode(t, whole, 34)
			case "policy": // one value of 4001 bytes: no limit for a single value here
				if err != nil || n != len(c.Hex) {
					t.Errorf("%d bytes of %d, %v", n, len(c.Hex), err)
				}
			default:
				t.Fatalf("kind %s", c.Expect.Kind)
			}
		})
	}
}
