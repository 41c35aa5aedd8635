package fuzz

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// An oraclePacket is what an independent decoder says of a packet of a capture.
type oraclePacket struct {
	N         int
	Dir, Hdr  string
	Len       int
	Ver       any    // text, or 0
	ConnVer   string `json:"conn_ver"`
	CID       string
	DCID      string
	SCID      string
	Nonce     string
	PN        uint64
	PNWire    *uint64 `json:"pn_wire"`
	TruePN    *uint64 `json:"true_pn"`
	PNLen     int     `json:"pn_len"`
	HdrLen    int     `json:"hdr_len"`
	Level     string
	Null      any             // "client", "server", "plain" or nothing
	List      any             `json:"version_negotiation"`
	Reset     json.RawMessage `json:"public_reset"`
	NotGquic  any             `json:"not_gquic"`
	Plaintext string          `json:"plaintext_sha256"`
	PlainLen  int             `json:"plaintext_len"`
	Frames    []oracleFrame
	FramesPy  []oracleFrame `json:"frames_py"`
	Expert    any
}

type oracleFrame struct {
	Name                string
	Type                int
	ID, Off, Len        uint64
	Fin                 any    // bool or number
	Data                string `json:"data_sha256"`
	Largest, First      uint64
	Delay               uint16 `json:"delay_raw"`
	Blocks              [][2]uint64
	Delta, Err          uint64
	Last                uint64
	Reason              string
	Tag                 string
	TagNumber           int `json:"tag_number"`
	Tags                []oracleTag
	PaddingLen          uint64 `json:"padding_len"`
	StreamID, StreamOff uint64
}

type oracleTag struct {
	Tag, Hex, SHA256 string
	Len              int
}

// capture reads a capture and the oracle beside it.
func capture(t *testing.T, path, oracle string) (map[int]udpDatagram, []oraclePacket) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := readCapture(raw)
	if err != nil {
		t.Fatal(err)
	}
	byFrame := map[int]udpDatagram{}
	for _, d := range datagrams {
		byFrame[d.frame] = d
	}
	if raw, err = os.ReadFile(path + oracle); err != nil {
		t.Fatal(err)
	}
	var o struct{ Packets []oraclePacket }
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatal(err)
	}
	return byFrame, o.Packets
}

func captures(t *testing.T, oracle string) (paths []string) {
	dir, ok := shared("captures")
	if !ok {
		t.Skip("shared/captures is not beside this checkout; skipping the captures from the field")
	}
	all, err := filepath.Glob(filepath.Join(dir, "*"+oracle))
	if err != nil || len(all) == 0 {
		t.Fatalf("no captures in %s: %v", dir, err)
	}
	for _, path := range all {
		paths = append(paths, strings.TrimSuffix(path, oracle))
	}
	return paths
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// TestCaptures decodes packets from the field, header by header, and those without
// encryption frame by frame and message by message, and compares with what an independent
// decoder says. Of versions without codec only the version and the ID are read.
func TestCaptures(t *testing.T) {
	headers, frames, messages := 0, 0, 0
	for _, path := range captures(t, ".expected.json") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			datagrams, packets := capture(t, path, ".expected.json")
			var hello [2]assembly
			for i := range packets {
				p := &packets[i]
				d, ok := datagrams[p.N]
				if !ok || len(d.payload) != p.Len {
					t.Fatalf("frame %d: %d bytes, want %d", p.N, len(d.payload), p.Len)
				}
				if p.NotGquic != nil {
					continue
				}
				h, known := checkCapturedHeader(t, p, d.payload)
				headers++
				if h.Kind == wire.VersionNegotiationPacket { // the client begins anew
					hello = [2]assembly{}
				}
				if !known || p.Null == nil || p.Null == "plain" || h.Kind != wire.RegularPacket {
					continue
				}
				f, m := checkCapturedClear(t, p, h, d.payload, &hello[h.sender()])
				frames += f
				messages += m
			}
		})
	}
	t.Logf("compared %d headers, %d frames, %d messages", headers, frames, messages)
	if headers < 300 || frames < 20 || messages < 8 {
		t.Errorf("only %d headers, %d frames, %d messages were compared", headers, frames, messages)
	}
}

// A captured header, with who sent it.
type captured struct {
	wire.Header
	from wire.Perspective
	v    wire.Version
}

func (c *captured) sender() wire.Perspective { return c.from }

// versionOf returns the version of a packet's connection, and whether it has a codec.
func versionOf(p *oraclePacket) (wire.Version, bool) {
	name := text(p.Ver)
	if !strings.HasPrefix(name, "Q") {
		name = p.ConnVer
	}
	v, err := wire.ParseVersion(name)
	return v, err == nil && (v == wire.Q039 || v == wire.Q043 || v == wire.Q044)
}

func checkCapturedHeader(t *testing.T, p *oraclePacket, b []byte) (*captured, bool) {
	c := &captured{}
	if p.Dir == "s" {
		c.from = wire.Server
	}
	var known bool
	c.v, known = versionOf(p)
	asked := c.v
	if !known || c.from == wire.Client {
		asked = 0
	}
	err := wire.ParseHeader(&c.Header, clip(b), c.from, asked)
	h := &c.Header
	switch {
	case p.List != nil:
		if err != nil || h.Kind != wire.VersionNegotiationPacket || fmt.Sprint(p.List) != "["+h.Versions.String()+"]" && !strings.Contains(h.Versions.String(), "0x") {
			t.Errorf("frame %d: %v, %v; want the list %v", p.N, h, err, p.List)
		}
		return c, false
	case p.Reset != nil:
		if err != nil || h.Kind != wire.PublicResetPacket {
			t.Errorf("frame %d: %v, %v; want a reset", p.N, h, err)
		}
		return c, false
	case !known && text(p.Ver) != "" && p.Dir == "c":
		if err != nil || h.Kind != wire.UnknownVersionPacket || string(versionTag(h.Version)) != text(p.Ver) {
			t.Errorf("frame %d: %v, %v; want one of version %v", p.N, h, err, p.Ver)
		} else if cid := p.CID; cid != "" && h.ConnectionID.String() != cid && !strings.HasPrefix(text(p.Ver), "T") && text(p.Ver) != "Q050" {
			t.Errorf("frame %d: connection ID %v, want %s", p.N, h.ConnectionID, cid)
		}
		return c, false
	case !known:
		return c, false
	}
	pn := p.PN
	if p.TruePN != nil {
		pn = *p.TruePN
	}
	cid := p.CID + p.DCID + p.SCID
	if err != nil || h.Form.String() != p.Hdr || h.HasConnectionID != (cid != "") || cid != "" && !strings.Contains(cid, h.ConnectionID.String()) ||
		uint64(h.PacketNumber) != pn || p.PNLen != 0 && h.PacketNumberLen != p.PNLen || p.Nonce != "" && hex.EncodeToString(h.Nonce) != p.Nonce {
		t.Errorf("frame %d: %v, %v; want %+v", p.N, h, err, p)
	}
	return c, err == nil
}

func versionTag(v wire.Version) []byte {
	return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// checkCapturedClear opens a packet without encryption, and compares frames and messages.
func checkCapturedClear(t *testing.T, p *oraclePacket, h *captured, b []byte, hello *assembly) (frames, messages int) {
	var s handshake.Scratch
	plain, err := handshake.NewNull(h.from).Open(&s, nil, b, h.Len, h.PacketNumber)
	if err != nil {
		t.Errorf("frame %d: %v; the oracle says that the hash is right", p.N, err)
		return 0, 0
	}
	ctx := wire.Context{Version: h.v, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen}
	var got []string
	var r wire.Reader
	r.Reset(plain, ctx)
	for {
		f, err := r.Next()
		if err != nil {
			t.Errorf("frame %d: %v", p.N, err)
			return
		}
		if f == nil {
			break
		}
		got = append(got, describe(f, &ctx))
		if s, ok := f.(*wire.StreamFrame); ok && s.StreamID == wire.CryptoStream {
			hello.add(s.Offset, s.Data)
		}
	}
	if len(p.FramesPy) > 0 {
		want := describeOracle(p.FramesPy)
		if a, b := strings.Join(got, "; "), strings.Join(want, "; "); a != b {
			t.Errorf("frame %d: %s\nwant      %s", p.N, a, b)
		}
		frames += len(want)
	}
	for i := range p.Frames {
		f := &p.Frames[i]
		if f.Tag == "" {
			continue
		}
		frames++
		messages++
		hello.expect = append(hello.expect, expectation{p.N, f, p.Expert != nil})
	}
	hello.compare(t)
	return frames, messages
}

// describe and describeOracle print frames alike.
func describe(f wire.Frame, c *wire.Context) string {
	switch f := f.(type) {
	case *wire.StreamFrame:
		return fmt.Sprintf("STREAM %d %d+%d fin %v %x", f.StreamID, f.Offset, len(f.Data), f.Fin, sha(f.Data))
	case *wire.AckFrame:
		s := fmt.Sprintf("ACK delay %d", f.Delay.Microseconds())
		it := f.Ranges()
		for r, ok := it.Next(); ok; r, ok = it.Next() {
			s += fmt.Sprintf(" %d-%d", r.Smallest, r.Largest)
		}
		return s
	case *wire.StopWaitingFrame:
		return fmt.Sprintf("STOP_WAITING %d", c.PacketNumber-f.LeastUnacked)
	case *wire.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", f.StreamID, f.Offset)
	case *wire.BlockedFrame:
		return fmt.Sprintf("BLOCKED %d", f.StreamID)
	case *wire.RstStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %d %d", f.StreamID, f.Offset, uint32(f.Code))
	case *wire.ConnectionCloseFrame:
		return fmt.Sprintf("CONNECTION_CLOSE %d %q", uint32(f.Code), f.Reason)
	case *wire.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %d %q", uint32(f.Code), f.LastGoodStream, f.Reason)
	case *wire.PaddingFrame:
		return fmt.Sprintf("PADDING %d", f.Length)
	}
	return f.String()
}

func describeOracle(frames []oracleFrame) (all []string) {
	for i := range frames {
		f := &frames[i]
		switch f.Name {
		case "STREAM":
			fin := f.Fin == true || f.Fin == float64(1)
			all = append(all, fmt.Sprintf("STREAM %d %d+%d fin %v %s", f.ID, f.Off, f.Len, fin, f.Data))
		case "ACK":
			s := fmt.Sprintf("ACK delay %d", wire.DecodeUfloat16(f.Delay).Microseconds())
			low := f.Largest + 1 - f.First
			s += fmt.Sprintf(" %d-%d", low, f.Largest)
			for _, b := range f.Blocks {
				high := low - 1 - b[0]
				low = high + 1 - b[1]
				if b[1] > 0 {
					s += fmt.Sprintf(" %d-%d", low, high)
				}
			}
			all = append(all, s)
		case "STOP_WAITING":
			all = append(all, fmt.Sprintf("STOP_WAITING %d", f.Delta))
		case "WINDOW_UPDATE":
			all = append(all, fmt.Sprintf("WINDOW_UPDATE %d %d", f.ID, f.Off))
		case "BLOCKED":
			all = append(all, fmt.Sprintf("BLOCKED %d", f.ID))
		case "RST_STREAM":
			all = append(all, fmt.Sprintf("RST_STREAM %d %d %d", f.ID, f.Off, f.Err))
		case "CONNECTION_CLOSE":
			all = append(all, fmt.Sprintf("CONNECTION_CLOSE %d %q", f.Err, f.Reason))
		case "GOAWAY":
			all = append(all, fmt.Sprintf("GOAWAY %d %d %q", f.Err, f.Last, f.Reason))
		case "PADDING":
			all = append(all, fmt.Sprintf("PADDING %d", f.Len))
		default:
			all = append(all, f.Name)
		}
	}
	return all
}

func sha(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:16]
}

// An assembly puts the bytes of a crypto stream together.
type assembly struct {
	pieces map[uint64][]byte
	expect []expectation // messages in the order in which they begin
	read   uint64
}

type expectation struct {
	n       int
	message *oracleFrame
	cut     bool // the oracle saw only its first packet
}

func (a *assembly) add(offset uint64, data []byte) {
	if a.pieces == nil {
		a.pieces = map[uint64][]byte{}
	}
	a.pieces[offset] = bytes.Clone(data)
}

// compare reads the messages that are whole.
func (a *assembly) compare(t *testing.T) {
	for {
		var b []byte
		for p, ok := a.pieces[a.read]; ok; p, ok = a.pieces[a.read+uint64(len(b))] {
			b = append(b, p...)
		}
		m, n, err := handshake.ParseMessage(b)
		if err != nil || len(a.expect) == 0 {
			if err != nil && err != handshake.ErrIncomplete {
				t.Errorf("message at %d: %v", a.read, err)
			}
			return
		}
		want := a.expect[0]
		a.expect = a.expect[1:]
		if again := m.Append(nil); !bytes.Equal(again, b[:n]) {
			t.Errorf("frame %d: %v is written differently", want.n, m.Tag)
		}
		compareMessage(t, &want, &m)
		a.read += uint64(n)
		if rest := b[n:]; len(rest) > 0 {
			a.pieces[a.read] = rest
		}
	}
}

func compareMessage(t *testing.T, want *expectation, m *handshake.Message) {
	if m.Tag.String() != want.message.Tag || want.message.TagNumber != 0 && m.Len() != want.message.TagNumber {
		t.Errorf("frame %d: %v with %d entries, want %s with %d", want.n, m.Tag, m.Len(), want.message.Tag, want.message.TagNumber)
	}
	i := 0
	for tag, v := range m.All() {
		if i >= len(want.message.Tags) {
			if !want.cut {
				t.Errorf("frame %d: %v is not expected", want.n, tag)
			}
			return
		}
		o := want.message.Tags[i]
		i++
		name := strings.ReplaceAll(o.Tag, "\u00ff", `\xff`)
		if tag.String() != name {
			t.Errorf("frame %d: entry %v, want %s", want.n, tag, name)
		}
		sum := sha256.Sum256(v)
		same := hex.EncodeToString(v) == o.Hex
		if o.SHA256 != "" {
			same = hex.EncodeToString(sum[:]) == o.SHA256
		}
		if (len(v) != o.Len || !same) && !want.cut {
			t.Errorf("frame %d: %v has %d bytes %x, want %d, %s", want.n, tag, len(v), v, o.Len, o.Hex)
		}
	}
}
