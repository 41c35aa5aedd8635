package wire_test

import (
	"bytes"
	"testing"

	. "example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const idHex = "04e51d3a0744d75e"

var testID = ConnectionID{0x04, 0xe5, 0x1d, 0x3a, 0x07, 0x44, 0xd7, 0x5e}

const nonceHex = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"

// goodHeaders are headers as they stand in the reference, wire, sections 4, 8 and 19,
// and the page of live checks.
var goodHeaders = []struct {
	name, hex string
	sender    Perspective
	version   Version // of the caller
	want      Header  // without the connection ID and the nonce's bytes
	text      string
	lossy     bool // Append writes it in another way
}{
	{name: "quic-go's first packet, Q043", hex: "19" + idHex + "51303433 0001", sender: Client,
		want: Header{Form: PublicForm, HasConnectionID: true, Version: Q043, PacketNumber: 1, PacketNumberLen: 2, Len: 15},
		text: "public Q043 04e51d3a0744d75e pkt 1 len 2"},
	{name: "Chromium's CHLO, with the flag that is no nonce", hex: "0d" + idHex + "51303433 01", sender: Client,
		want:  Header{Form: PublicForm, HasConnectionID: true, Version: Q043, PacketNumber: 1, PacketNumberLen: 1, Len: 14},
		text:  "public Q043 04e51d3a0744d75e pkt 1 len 1",
		lossy: true},
	{name: "Chromium's later packets", hex: "2c" + idHex + "00012345", sender: Client, version: Q043,
		want:  Header{Form: PublicForm, HasConnectionID: true, PacketNumber: 0x12345, PacketNumberLen: 4, Len: 13},
		text:  "public 04e51d3a0744d75e pkt 74565 len 4",
		lossy: true},
	{name: "number of 6 bytes", hex: "38" + idHex + "010203040506", sender: Client,
		want: Header{Form: PublicForm, HasConnectionID: true, PacketNumber: 0x010203040506, PacketNumberLen: 6, Len: 15},
		text: "public 04e51d3a0744d75e pkt 1108152157446 len 6"},
	{name: "Q039", hex: "09" + idHex + "51303339 07", sender: Client,
		want: Header{Form: PublicForm, HasConnectionID: true, Version: Q039, PacketNumber: 7, PacketNumberLen: 1, Len: 14},
		text: "public Q039 04e51d3a0744d75e pkt 7 len 1"},
	{name: "server's SHLO", hex: "1c" + idHex + nonceHex + "0003", sender: Server, version: Q043,
		want: Header{Form: PublicForm, HasConnectionID: true, Nonce: []byte{}, PacketNumber: 3, PacketNumberLen: 2, Len: 43},
		text: "public 04e51d3a0744d75e nonce pkt 3 len 2"},
	{name: "server that may leave the ID out", hex: "10 0102", sender: Server, version: Q043,
		want: Header{Form: PublicForm, PacketNumber: 0x102, PacketNumberLen: 2, Len: 3},
		text: "public pkt 258 len 2"},
	{name: "bits of a Q044 short header, but the client knows better", hex: "30 000000000009", sender: Server, version: Q043,
		want: Header{Form: PublicForm, PacketNumber: 9, PacketNumberLen: 6, Len: 7},
		text: "public pkt 9 len 6"},
	{name: "the same seen by an observer", hex: "30 07", sender: Server,
		want: Header{Form: ShortForm, PacketNumber: 7, PacketNumberLen: 1, Len: 2},
		text: "short pkt 7 len 1"},

	{name: "the packet of section 19", hex: "ff 51303434 50" + idHex + "00000001", sender: Client,
		want: Header{Form: LongForm, Type: Initial, HasConnectionID: true, Version: Q044, PacketNumber: 1, PacketNumberLen: 4, Len: 18},
		text: "long Initial Q044 04e51d3a0744d75e pkt 1 len 4"},
	{name: "client's 0-RTT has no nonce", hex: "fc 51303434 50" + idHex + "00000002", sender: Client, version: Q044,
		want: Header{Form: LongForm, Type: ZeroRTT, HasConnectionID: true, Version: Q044, PacketNumber: 2, PacketNumberLen: 4, Len: 18},
		text: "long 0-RTT Q044 04e51d3a0744d75e pkt 2 len 4"},
	{name: "server's REJ", hex: "fd 51303434 05" + idHex + "00000001", sender: Server, version: Q044,
		want: Header{Form: LongForm, Type: Handshake, HasConnectionID: true, Version: Q044, PacketNumber: 1, PacketNumberLen: 4, Len: 18},
		text: "long Handshake Q044 04e51d3a0744d75e pkt 1 len 4"},
	{name: "server's SHLO in Q044", hex: "fc 51303434 05" + idHex + "00000003" + nonceHex, sender: Server, version: Q044,
		want: Header{Form: LongForm, Type: ZeroRTT, HasConnectionID: true, Version: Q044, Nonce: []byte{}, PacketNumber: 3, PacketNumberLen: 4, Len: 50},
		text: "long 0-RTT Q044 04e51d3a0744d75e nonce pkt 3 len 4"},
	{name: "server of 2019 marks all Initial", hex: "ff 51303434 05" + idHex + "00000001", sender: Server, version: Q044,
		want: Header{Form: LongForm, Type: Initial, HasConnectionID: true, Version: Q044, PacketNumber: 1, PacketNumberLen: 4, Len: 18},
		text: "long Initial Q044 04e51d3a0744d75e pkt 1 len 4"},
	{name: "client's short header", hex: "31" + idHex + "0102", sender: Client, version: Q044,
		want: Header{Form: ShortForm, HasConnectionID: true, PacketNumber: 0x102, PacketNumberLen: 2, Len: 11},
		text: "short 04e51d3a0744d75e pkt 258 len 2"},
	{name: "server's short header", hex: "32 01020304", sender: Server, version: Q044,
		want: Header{Form: ShortForm, PacketNumber: 0x01020304, PacketNumberLen: 4, Len: 5},
		text: "short pkt 16909060 len 4"},
	{name: "stateless reset of 2018 looks like one", hex: "70 05 000102030405060708090a0b0c0d0e0f", sender: Server, version: Q044,
		want:  Header{Form: ShortForm, PacketNumber: 5, PacketNumberLen: 1, Len: 2},
		text:  "short pkt 5 len 1",
		lossy: true},

	{name: "version to come, public", hex: "09" + idHex + "51303939", sender: Client,
		want: Header{Form: PublicForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: 0x51303939},
		text: "public unknown 0x51303939 04e51d3a0744d75e", lossy: true},
	{name: "version to come, with a flag to come", hex: "49" + idHex + "51303939 01", sender: Client,
		want: Header{Form: PublicForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: 0x51303939},
		text: "public unknown 0x51303939 04e51d3a0744d75e", lossy: true},
	{name: "Q046, which has no codec", hex: "c3 51303436 50" + idHex + "00000001", sender: Client,
		want: Header{Form: LongForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: Q046},
		text: "long unknown Q046 04e51d3a0744d75e", lossy: true},
	{name: "Q050, with length bytes", hex: "c0 51303530 08" + idHex + "00", sender: Client,
		want: Header{Form: LongByteForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: Q050},
		text: "long (length bytes) unknown Q050 04e51d3a0744d75e", lossy: true},
	{name: "reserved version", hex: "ff 1a2a3a4a 50" + idHex, sender: Client,
		want: Header{Form: LongForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: 0x1a2a3a4a},
		text: "long unknown 0x1a2a3a4a 04e51d3a0744d75e", lossy: true},
	{name: "a server of an unknown version, to an observer", hex: "c0 1a2a3a4a 05" + idHex, sender: Server,
		want: Header{Form: LongForm, Kind: UnknownVersionPacket, HasConnectionID: true, Version: 0x1a2a3a4a},
		text: "long unknown 0x1a2a3a4a 04e51d3a0744d75e", lossy: true},

	{name: "public reset", hex: "0a" + idHex + "50525354", sender: Server, version: Q043,
		want: Header{Form: PublicForm, Kind: PublicResetPacket, HasConnectionID: true, Len: 9},
		text: "public reset 04e51d3a0744d75e", lossy: true},
	{name: "public reset of quic-go in Q044, no ID in spite of the flag", hex: "0a 50525354", sender: Server, version: Q044,
		want: Header{Form: PublicForm, Kind: PublicResetPacket, Len: 1},
		text: "public reset", lossy: true},
	{name: "the same with ID", hex: "0a" + idHex + "50525354", sender: Server, version: Q044,
		want: Header{Form: PublicForm, Kind: PublicResetPacket, HasConnectionID: true, Len: 9},
		text: "public reset 04e51d3a0744d75e", lossy: true},
	{name: "public reset without flag of the ID", hex: "02 50525354", sender: Server, version: Q043,
		want: Header{Form: PublicForm, Kind: PublicResetPacket, Len: 1},
		text: "public reset", lossy: true},

	{name: "version negotiation", hex: "09" + idHex + "1a2a3a4a 51303433", sender: Server, version: Q039,
		want: Header{Form: PublicForm, Kind: VersionNegotiationPacket, HasConnectionID: true,
			Versions: VersionList("\x1a\x2a\x3a\x4aQ043"), Len: 9},
		text: "version negotiation 04e51d3a0744d75e: 0x1a2a3a4a Q043"},
	{name: "version negotiation, long", hex: "c0 00000000 05" + idHex + "51303434", sender: Server, version: Q044,
		want: Header{Form: LongForm, Kind: VersionNegotiationPacket, HasConnectionID: true,
			Versions: VersionList("Q044"), Len: 14},
		text: "version negotiation 04e51d3a0744d75e: Q044"},
	{name: "version negotiation, length bytes", hex: "c0 00000000 0008" + idHex + "51303530", sender: Server,
		want: Header{Form: LongByteForm, Kind: VersionNegotiationPacket, HasConnectionID: true,
			Versions: VersionList("Q050"), Len: 15},
		text: "version negotiation 04e51d3a0744d75e: Q050"},
}

func TestHeaders(t *testing.T) {
	for _, test := range goodHeaders {
		t.Run(test.name, func(t *testing.T) {
			b := unhex(t, test.hex)
			want := test.want
			if want.HasConnectionID {
				want.ConnectionID = testID
			}
			if want.Nonce != nil {
				want.Nonce = unhex(t, nonceHex)
			}
			var h Header
			if err := ParseHeader(&h, b, test.sender, test.version); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, h); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if h.String() != test.text {
				t.Errorf("String() = %q, want %q", h.String(), test.text)
			}
			if got := h.Append(nil, test.sender); bytes.Equal(got, b) == test.lossy {
				t.Errorf("appended %x", got)
			}
		})
	}
}

// TestHeadersRefused goes through what section 18 drops, and what stands in sections 4 and 8.
func TestHeadersRefused(t *testing.T) {
	for _, test := range []struct {
		name, hex string
		sender    Perspective
		version   Version
		offset    int
	}{
		{"empty", "", Client, 0, 0},
		{"version and reset", "0b" + idHex + "51303433", Server, Q043, 0},
		{"reset from a client", "0a" + idHex + "50525354", Client, 0, 0},
		{"client without ID", "00 01", Client, 0, 0},
		{"client without ID, with version", "01 51303433 01", Client, 0, 0},
		{"flag 0x40", "48" + idHex + "01", Client, 0, 0},
		{"flag 0x40 of a server", "48" + idHex + "01", Server, Q043, 0},
		{"flag 0x40 and a version that we run", "49" + idHex + "51303433 01", Client, 0, 0},
		{"flag 0x80 of a server", "88" + idHex + "01", Server, Q043, 0},
		{"public header with Q044", "09" + idHex + "51303434 01", Client, 0, 9},
		{"public header on a connection of Q044", "08" + idHex + "01", Client, Q044, 0},
		{"public header of a server in Q044", "08" + idHex + "01", Server, Q044, 0},
		{"short header of Q046", "40" + idHex + "01", Client, 0, 0},
		{"short header with bit 0x04", "34" + idHex + "01", Client, 0, 0},
		{"short header with number length 3", "33" + idHex + "01020304", Client, 0, 0},
		{"short header with bit 0x40", "70" + idHex + "01", Client, 0, 0},
		{"short header with bit 0x10 clear", "20 01", Server, Q044, 0},
		{"short header on a connection of Q043", "30" + idHex + "01", Client, Q043, 0},
		{"Retry", "fe 51303434 50" + idHex + "00000001", Client, 0, 0},
		{"type 0x7b", "fb 51303434 50" + idHex + "00000001", Client, 0, 0},
		{"server's ID lengths from a client", "ff 51303434 05" + idHex + "00000001", Client, 0, 5},
		{"client's ID lengths from a server", "fd 51303434 50" + idHex + "00000001", Server, Q044, 5},
		{"length bytes in Q044", "ff 51303434 08" + idHex + "00 00000001", Client, 0, 5},
		{"long header with Q043", "ff 51303433 50" + idHex + "00000001", Client, 0, 1},
		{"another version than the client's", "ff 51303436 05" + idHex + "00000001", Server, Q044, 1},
		{"version negotiation from a client", "ff 00000000 50" + idHex + "51303433", Client, 0, 1},
		{"ID of 9 bytes", "c0 1a2a3a4a 09" + idHex + "0000", Client, 0, 5},
		{"source ID", "c0 1a2a3a4a 08" + idHex + "08" + idHex, Client, 0, 14},
		{"version without codec", "c3", Server, Q046, 0},
	} {
		var h Header
		err := ParseHeader(&h, unhex(t, test.hex), test.sender, test.version)
		code := InvalidPacketHeader
		if test.version == Q046 {
			code = InvalidVersion
		}
		if e := wantParseError(t, err, code); e.Offset != test.offset {
			t.Errorf("%s: %v, want offset %d", test.name, err, test.offset)
		}
	}
	for _, hex := range []string{"09" + idHex, "09" + idHex + "5130343351"} {
		var h Header
		e := wantParseError(t, ParseHeader(&h, unhex(t, hex), Server, Q043), InvalidVersionNegotiationPacket)
		if e.Offset != 9 {
			t.Errorf("offset %d, want 9", e.Offset)
		}
	}
}

func genID(t *rapid.T) ConnectionID {
	return ConnectionID(rapid.SliceOfN(rapid.Byte(), ConnectionIDLen, ConnectionIDLen).Draw(t, "id"))
}

// genHeader draws the header of a regular packet of the version, as it is to be appended.
func genHeader(t *rapid.T, v Version, sender Perspective) Header {
	h := Header{HasConnectionID: true, ConnectionID: genID(t)}
	nonce := rapid.SliceOfN(rapid.Byte(), NonceLen, NonceLen).Draw(t, "nonce")
	lengths := []int{1, 2, 4}
	switch {
	case v != Q044:
		h.Form = PublicForm
		lengths = append(lengths, 6)
		if sender == Client && rapid.Bool().Draw(t, "with version") {
			h.Version = v
		}
		if sender == Server && rapid.Bool().Draw(t, "with nonce") {
			h.Nonce = nonce
		}
		if sender == Server && rapid.Bool().Draw(t, "without ID") {
			h.HasConnectionID, h.ConnectionID = false, ConnectionID{}
		}
	case rapid.Bool().Draw(t, "long"):
		h.Form, h.Version = LongForm, v
		h.Type = rapid.SampledFrom([]LongType{Initial, Handshake, ZeroRTT}).Draw(t, "type")
		lengths = []int{4}
		if sender == Server && h.Type == ZeroRTT {
			h.Nonce = nonce
		}
	default:
		h.Form = ShortForm
		if sender == Server {
			h.HasConnectionID, h.ConnectionID = false, ConnectionID{}
		}
	}
	h.PacketNumberLen = rapid.SampledFrom(lengths).Draw(t, "number length")
	h.PacketNumber = PacketNumber(rapid.Uint64Range(1, 1<<62).Draw(t, "number"))
	return h
}

var codecVersions = []Version{Q039, Q043, Q044}

// A header that is appended is read back, and no part of it is.
func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(codecVersions).Draw(t, "version")
		sender := rapid.SampledFrom([]Perspective{Client, Server}).Draw(t, "sender")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "payload")
		h := genHeader(t, v, sender)

		before := []byte("before")
		b := h.Append(bytes.Clone(before), sender)
		if !bytes.HasPrefix(b, before) {
			t.Fatalf("what was there became %x", b)
		}
		b = b[len(before):]
		want := h
		want.PacketNumber &= 1<<(8*h.PacketNumberLen) - 1
		want.Len = len(b)
		b = append(b, payload...)

		for _, caller := range callerVersions(sender, v) {
			got := Header{Form: 77, Versions: VersionList("rest")} // of an earlier packet
			if err := ParseHeader(&got, b, sender, caller); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("header (-want +got):\n%s", diff)
			}
			again := got.Append(nil, sender)
			if !bytes.Equal(again, b[:want.Len]) {
				t.Fatalf("%x appended again as %x", b[:want.Len], again)
			}
			for n := range want.Len {
				err := ParseHeader(&got, b[:n:n], sender, caller)
				wantParseError(t, err, InvalidPacketHeader)
			}
		}
	})
}

// Whatever arrives is read within its bounds, and what was understood is written back
// so that it is understood in the same way.
func TestHeaderOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sender := rapid.SampledFrom([]Perspective{Client, Server}).Draw(t, "sender")
		caller := rapid.SampledFrom([]Version{0, Q039, Q043, Q044, Q046, Q050, 0x1a2a3a4a}).Draw(t, "version")
		var b []byte
		if rapid.Bool().Draw(t, "mutated") {
			test := rapid.SampledFrom(goodHeaders).Draw(t, "header")
			b = unhex(t, test.hex)
			i := rapid.IntRange(0, min(len(b)-1, 8)).Draw(t, "at")
			b[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		} else {
			b = rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(t, "bytes")
		}
		b = b[:len(b):len(b)]
		var h Header
		err := ParseHeader(&h, b, sender, caller)
		_ = h.String()
		if err != nil {
			return
		}
		if h.Len > len(b) {
			t.Fatalf("a header of %d in %d bytes", h.Len, len(b))
		}
		if h.Kind == UnknownVersionPacket && h.Version == 0 {
			return // a tag of zeros, which is not written
		}
		var again Header
		written := h.Append(nil, sender)
		if h.Kind == PublicResetPacket {
			if want := append([]byte{0x0a}, h.ConnectionID[:]...)[:h.Len]; !bytes.Equal(written, want) {
				t.Fatalf("%x appended as %x", b, written)
			}
			return
		}
		if err := ParseHeader(&again, written, sender, caller); err != nil {
			t.Fatalf("%x appended as %x: %v", b, written, err)
		}
		if diff := cmp.Diff(h, again); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
	})
}

func TestHeaderNames(t *testing.T) {
	for got, want := range map[string]string{
		PublicForm.String(): "public", Form(9).String(): "form 9",
		Retry.String(): "Retry", LongType(1).String(): "type 0x01", FrameType(9).String(): "frame type 0x09",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
