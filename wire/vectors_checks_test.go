package wire_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	. "example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
)

// checkFields compares a parsed header to the fields of a vector.
func checkFields(t *testing.T, h *Header, f *fields, version Version) {
	t.Helper()
	id := f.DCID + f.SCID // one of them is empty
	want := Header{Len: f.HeaderLen, HasConnectionID: id != ""}
	switch f.Form {
	case "public":
		want.Form = PublicForm
	case "long":
		want.Form = LongForm
		want.Type = map[string]LongType{"initial": Initial, "0rtt": ZeroRTT, "handshake": Handshake}[f.Type]
	case "short":
		want.Form = ShortForm
	}
	copy(want.ConnectionID[:], unhex(t, id))
	if f.Reset {
		want.Kind = PublicResetPacket
	} else {
		want.PacketNumber = PacketNumber(number(t, f.Truncated))
		want.PacketNumberLen = f.PacketNumberLen
	}
	if f.VersionTag != "" {
		want.Version = version
	}
	if f.Nonce != "" {
		want.Nonce = unhex(t, f.Nonce)
	}
	if diff := cmp.Diff(want, *h); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func checkHeaderVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	for _, version := range v.versions(t) {
		for _, caller := range callerVersions(v.sender(), version) {
			var h Header
			if err := ParseHeader(&h, b, v.sender(), caller); err != nil {
				t.Fatal(err)
			}
			checkFields(t, &h, &v.Fields, version)
			if v.Op != "encode_decode" {
				continue
			}
			h.PacketNumber = PacketNumber(number(t, v.PacketNumber))
			if got := h.Append(nil, v.sender()); !cmp.Equal(got, b) {
				t.Errorf("appended %x", got)
			}
		}
	}
}

func (v *vector) context(t *testing.T, version Version) Context {
	c := Context{Version: version, PacketNumber: 1, PacketNumberLen: 2}
	if v.PacketNumber != "" {
		c.PacketNumber = PacketNumber(number(t, v.PacketNumber))
		c.PacketNumberLen = v.PacketNumberLen
	}
	return c
}

func checkFrameVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	for _, version := range v.versions(t) {
		c := v.context(t, version)
		var r Reader
		r.Reset(b, c)
		f, err := r.Next()
		if _, padded := f.(*PaddingFrame); padded && v.Frame != "PADDING" {
			f, err = r.Next()
		}
		if err != nil {
			t.Fatal(err)
		}
		if f.Type().String() != v.Frame {
			t.Fatalf("read a %v, want %s", f, v.Frame)
		}
		checkFrameFields(t, f, &v.Fields, v)
		if v.Op == "encode_decode" {
			if got := f.Append(nil, &c); !cmp.Equal(got, b) {
				t.Errorf("appended %x", got)
			}
		}
		if rest, err := r.Next(); rest != nil || err != nil {
			t.Errorf("then %v, %v", rest, err)
		}
	}
}

func checkFrameFields(t *testing.T, f Frame, want *fields, v *vector) {
	t.Helper()
	code := func() uint64 {
		switch c := want.ErrorCode.(type) {
		case float64:
			return uint64(c)
		case string:
			return number(t, c)
		}
		t.Fatal("no code")
		return 0
	}
	var expected Frame
	switch f := f.(type) {
	case *StreamFrame:
		data := unhex(t, want.Data)
		if want.DataLength > 0 { // only the length is given
			data = f.Data[:min(want.DataLength, len(f.Data))]
		}
		expected = &StreamFrame{StreamID: StreamID(number(t, want.StreamID)), Offset: number(t, want.Offset),
			Fin: want.Fin, HasLength: want.DataLenPresent, Data: data}
	case *AckFrame:
		ranges := rangesOf(f)
		var wantRanges []AckRange
		for _, r := range want.Ranges {
			wantRanges = append(wantRanges, AckRange{PacketNumber(number(t, r[0])), PacketNumber(number(t, r[1]))})
		}
		if diff := cmp.Diff(wantRanges, ranges); diff != "" {
			t.Errorf("ranges (-want +got):\n%s", diff)
		}
		if f.Largest != PacketNumber(number(t, want.LargestAcked)) {
			t.Errorf("largest %d", f.Largest)
		}
		if f.Delay != time.Duration(number(t, want.DelayUS))*time.Microsecond {
			t.Errorf("delay %v", f.Delay)
		}
		return
	case *RstStreamFrame:
		expected = &RstStreamFrame{StreamID(number(t, want.StreamID)), number(t, want.ByteOffset), StreamErrorCode(code())}
	case *ConnectionCloseFrame:
		expected = &ConnectionCloseFrame{ErrorCode(code()), []byte(want.Reason)}
	case *GoAwayFrame:
		expected = &GoAwayFrame{ErrorCode(code()), StreamID(number(t, want.LastGood)), []byte(want.Reason)}
	case *WindowUpdateFrame:
		expected = &WindowUpdateFrame{StreamID(number(t, want.StreamID)), number(t, want.ByteOffset)}
	case *BlockedFrame:
		expected = &BlockedFrame{StreamID(number(t, want.StreamID))}
	case *StopWaitingFrame:
		expected = &StopWaitingFrame{PacketNumber(number(t, want.LeastUnacked))}
	case *PingFrame:
		expected = &PingFrame{}
	case *PaddingFrame:
		expected = &PaddingFrame{want.Length}
	}
	if diff := cmp.Diff(expected, f); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}

func checkUfloat16Vector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	want := time.Duration(number(t, v.Decoded)) * time.Microsecond
	if got := DecodeUfloat16(binary.BigEndian.Uint16(b)); got != want {
		t.Errorf("decoded %v, want %v", got, want)
	}
	if v.Op == "encode_decode" {
		value := number(t, v.Value)
		d := time.Duration(min(value, 1<<53)) * time.Microsecond // the vectors hold more than a Duration does
		if got := AppendUfloat16(nil, d); !cmp.Equal(got, b) {
			t.Errorf("%d µs appended as %x", value, got)
		}
	}
}

func checkReconstructVector(t *testing.T, v *vector) {
	got := DecodePacketNumber(PacketNumber(number(t, v.Wire)), v.PacketNumberLen, PacketNumber(number(t, v.LargestReceived)))
	if want := PacketNumber(number(t, v.PacketNumber)); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

func checkLengthVector(t *testing.T, v *vector) {
	got := PacketNumberLen(PacketNumber(number(t, v.PacketNumber)), PacketNumber(number(t, v.LeastUnacked)))
	if got != v.ChosenLen {
		t.Errorf("got %d, want %d", got, v.ChosenLen)
	}
}

func checkPacketVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	for _, version := range v.versions(t) {
		var h Header
		if err := ParseHeader(&h, b, v.sender(), callerVersions(v.sender(), version)[0]); err != nil {
			t.Fatal(err)
		}
		checkFields(t, &h, &v.HeaderFields, version)
		if got := hex.EncodeToString(b[:h.Len]); got != v.Header {
			t.Errorf("associated data %s, want %s", got, v.Header)
		}
		var want, names []string
		for _, raw := range v.Frames {
			var name string
			if err := json.Unmarshal(raw, &name); err != nil {
				t.Fatal(err)
			}
			want = append(want, name)
		}
		if v.Padding > 0 {
			want = append(want, "PADDING")
		}
		c := Context{Version: version, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen}
		var r Reader
		r.Reset(unhex(t, v.Plaintext), c)
		var again []byte
		for {
			f, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if f == nil {
				break
			}
			names = append(names, f.Type().String())
			again = f.Append(again, &c)
		}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if got := hex.EncodeToString(again); got != v.Plaintext {
			t.Errorf("appended %s", got)
		}
	}
}

func checkResetVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	for _, version := range v.versions(t) {
		var h Header
		if err := ParseHeader(&h, b, Server, version); err != nil {
			t.Fatal(err)
		}
		if h.Kind != PublicResetPacket || h.Len != v.Fields.HeaderLen || h.ConnectionID.String() != v.Fields.CID {
			t.Errorf("header %+v", h)
		}
	}
	var p PublicReset
	if err := ParsePublicReset(&p, b); err != nil {
		t.Fatal(err)
	}
	if p.NonceProof != number(t, v.Fields.RNON) || uint64(p.RejectedPacketNumber) != number(t, v.Fields.RSEQ) ||
		p.ConnectionID.String() != v.Fields.CID {
		t.Errorf("got %+v", p)
	}
	if got := p.Append(nil); !cmp.Equal(got[1:], b[1:]) { // we have one way to set the flags
		t.Errorf("appended %x", got)
	}
}

func checkNegotiationVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	version, form := Q043, PublicForm
	if v.Format == "long" {
		version, form = Q044, LongForm
	}
	var h Header
	if err := ParseHeader(&h, b, Server, version); err != nil {
		t.Fatal(err)
	}
	id := v.Fields.DCID + v.Fields.SCID
	if h.Form != form || h.Kind != VersionNegotiationPacket || h.HasConnectionID != (id != "") ||
		h.HasConnectionID && h.ConnectionID.String() != id {
		t.Errorf("header %+v", h)
	}
	var list []Version
	for i, tag := range v.Fields.Versions {
		want := Version(binary.BigEndian.Uint32(unhex(t, tag)))
		list = append(list, want)
		if h.Versions.At(i) != want || !h.Versions.Contains(want) {
			t.Errorf("version %d: %v, want %v", i, h.Versions.At(i), want)
		}
	}
	if h.Versions.Len() != len(list) || h.Versions.Contains(Q050) {
		t.Errorf("list %v", h.Versions)
	}
	got := h.Append(nil, Server)
	if !cmp.Equal(got[1:], b[1:]) { // the first byte is free but for a bit or two
		t.Errorf("appended %x", got)
	}
	if whole := AppendVersionNegotiation(nil, form, h.ConnectionID, list); h.HasConnectionID && !cmp.Equal(whole, got) {
		t.Errorf("appended in two ways: %x, %x", whole, got)
	}
}

func checkTagVector(t *testing.T, v *vector) {
	tag := Version(binary.BigEndian.Uint32(unhex(t, v.Hex)))
	for _, s := range []string{v.Version, v.AltSvc} {
		if got, err := ParseVersion(s); err != nil || got != tag {
			t.Errorf("ParseVersion(%q) = %v, %v", s, got, err)
		}
	}
	if tag.String() != v.Version || strconv.Itoa(tag.AltSvc()) != v.AltSvc {
		t.Errorf("%v, %d", tag, tag.AltSvc())
	}
}

func checkMalformedVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	check := func(err error) {
		t.Helper()
		var e *ParseError
		if !errors.As(err, &e) {
			t.Fatalf("error %v, want a ParseError", err)
		}
		if e.Offset < 0 || e.Offset > len(b)+1+ConnectionIDLen {
			t.Errorf("offset %d", e.Offset)
		}
		if v.Result.ErrorCode != nil && uint32(e.Code) != *v.Result.ErrorCode {
			t.Errorf("%v, want code %d", err, *v.Result.ErrorCode)
		}
	}
	switch v.Layer {
	case "header":
		for _, version := range v.versions(t) {
			for _, caller := range callerVersions(v.sender(), version) {
				var h Header
				check(ParseHeader(&h, b, v.sender(), caller))
			}
		}
	case "frame", "decrypted_payload":
		for _, version := range v.versions(t) {
			var r Reader
			r.Reset(b, v.context(t, version))
			f, err := r.Next()
			for f != nil {
				f, err = r.Next()
			}
			check(err)
		}
	case "public_reset_message":
		var p PublicReset
		check(ParsePublicReset(&p, append(unhex(t, "0a04e51d3a0744d75e"), b...)))
	default:
		t.Fatalf("layer %q", v.Layer)
	}
}

func checkDatagramVector(t *testing.T, v *vector) {
	b := unhex(t, v.Hex)
	version, err := ParseVersion(strings.Fields(v.Trace)[0])
	if err != nil {
		t.Skip("a trace of no single version: " + v.Trace)
	}
	var h Header
	if err := ParseHeader(&h, b, v.sender(), callerVersions(v.sender(), version)[0]); err != nil {
		t.Fatal(err)
	}
	checkFields(t, &h, &v.HeaderFields, version)
	if v.Protection != "null" {
		return
	}
	plaintext := b[h.Len+12:]
	if len(plaintext) != v.PlaintextLen {
		t.Errorf("%d bytes of plaintext, want %d", len(plaintext), v.PlaintextLen)
	}
	c := Context{Version: version, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen}
	var r Reader
	r.Reset(plaintext, c)
	for _, raw := range v.Frames {
		var want struct {
			Frame  string
			At     int
			Fields fields
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if r.Offset() != want.At {
			t.Errorf("%s at %d, want %d", want.Frame, r.Offset(), want.At)
		}
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type().String() != want.Frame {
			t.Fatalf("read a %v, want %s", f, want.Frame)
		}
		checkFrameFields(t, f, &want.Fields, v)
	}
	if f, err := r.Next(); f != nil || err != nil {
		t.Errorf("then %v, %v", f, err)
	}
}

// checkResponseVector holds the codec against what a quic-go server answers: where it
// answers with version negotiation, an unknown version was to be seen, and the answer
// can be read, and built from what was seen.
func checkResponseVector(t *testing.T, v *vector) {
	b := append(unhex(t, v.Hex), make([]byte, v.ThenZeroBytes)...)
	var h Header
	err := ParseHeader(&h, b, Client, 0)
	if v.Response == nil {
		if strings.HasPrefix(v.Note, "public reset") != (err != nil) {
			t.Errorf("error %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	served := map[Version]bool{}
	for _, s := range v.ServerVersions {
		version, err := ParseVersion(s)
		if err != nil {
			t.Fatal(err)
		}
		served[version] = true
	}
	if served[h.Version] || h.Kind != UnknownVersionPacket && !h.Version.Known() {
		t.Errorf("header %+v", h)
	}
	response := unhex(t, *v.Response)
	client := Q043
	if h.Form == LongForm {
		client = Q044
	}
	var answer Header
	if err := ParseHeader(&answer, response, Server, client); err != nil {
		t.Fatal(err)
	}
	var list []Version
	for i := range answer.Versions.Len() {
		if version := answer.Versions.At(i); served[version] || version.Reserved() {
			list = append(list, version)
		}
	}
	if got := AppendVersionNegotiation(nil, h.Form, h.ConnectionID, list); !cmp.Equal(got[1:], response[1:]) {
		t.Errorf("appended %x, want %x", got, response)
	}
}
