package wire_test

import (
	"bytes"
	"net/netip"
	"testing"

	. "example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func TestPublicReset(t *testing.T) {
	for _, test := range []struct {
		name, hex string
		want      PublicReset
		text      string
	}{
		{"the example of section 7",
			"0a" + idHex + "50525354 02000000 524e4f4e 08000000 52534551 10000000 bebafecaefbeadde 3713000000000000",
			PublicReset{ConnectionID: testID, NonceProof: 0xdeadbeefcafebabe, HasRejected: true, RejectedPacketNumber: 0x1337},
			"PUBLIC_RESET 04e51d3a0744d75e proof 16045690984503098046 rejects 4919"},
		{"nonce proof alone, with Chromium's flags",
			"0e" + idHex + "50525354 01000000 524e4f4e 08000000 b5690f0000000000",
			PublicReset{ConnectionID: testID, NonceProof: 1010101},
			"PUBLIC_RESET 04e51d3a0744d75e proof 1010101"},
		{"the one of quic-go in Q044",
			"0a 50525354 02000000 524e4f4e 08000000 52534551 10000000 0000000000000000 0000000000000000",
			PublicReset{NoConnectionID: true, HasRejected: true},
			"PUBLIC_RESET proof 0 rejects 0"},
		{"address and name of the server",
			"0a" + idHex + "50525354 03000000 45504944 02000000 524e4f4e 0a000000 43414452 12000000 6767 0100000000000000 0200 c0000201 bb01",
			PublicReset{ConnectionID: testID, NonceProof: 1, ServerID: []byte("gg"), ClientAddress: netip.MustParseAddrPort("192.0.2.1:443")},
			`PUBLIC_RESET 04e51d3a0744d75e proof 1 client 192.0.2.1:443 server "gg"`},
	} {
		b := unhex(t, test.hex)
		var p PublicReset
		if err := ParsePublicReset(&p, b); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, p, cmpAddr); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if p.String() != test.text {
			t.Errorf("%s: %s, want %s", test.name, &p, test.text)
		}
		if got := p.Append(nil); !bytes.Equal(got[1:], b[1:]) || got[0] != 0x0a {
			t.Errorf("%s: appended %x", test.name, got)
		}
	}
}

// A server whose socket takes both families may tell a client's IPv4 address as IPv6.
func TestPublicResetMappedAddress(t *testing.T) {
	var p, again PublicReset
	if err := ParsePublicReset(&p, unhex(t, "0a"+idHex+"50525354 02000000 524e4f4e 08000000 43414452 1c000000 0100000000000000 0a00 00000000000000000000ffffc0000201 bb01")); err != nil {
		t.Fatal(err)
	}
	if want := netip.MustParseAddrPort("192.0.2.1:443"); p.ClientAddress != want {
		t.Errorf("client %v, want %v", p.ClientAddress, want)
	}
	if err := ParsePublicReset(&again, p.Append(nil)); err != nil || again.ClientAddress != p.ClientAddress {
		t.Errorf("written and read: %v, %v", again.ClientAddress, err)
	}
}

func TestPublicResetRefused(t *testing.T) {
	const rnon = "524e4f4e 08000000"
	const proof = "b5690f0000000000"
	for _, test := range []struct {
		name, hex string
		code      ErrorCode
	}{
		{"empty", "", InvalidPublicRstPacket},
		{"no reset", "08" + idHex + "50525354 01000000" + rnon + proof, InvalidPublicRstPacket},
		{"version too", "0b" + idHex + "50525354 01000000" + rnon + proof, InvalidPublicRstPacket},
		{"another message", "0a" + idHex + "52454a00 01000000" + rnon + proof, InvalidPublicRstPacket},
		{"no proof", "0a" + idHex + "50525354 00000000", InvalidPublicRstPacket},
		{"cut in the ID", "0a 0102", InvalidPacketHeader},
		{"cut in the count", "0a" + idHex + "50525354 0100", InvalidPublicRstPacket},
		{"cut in the index", "0a" + idHex + "50525354 01000000 524e4f4e 0800", InvalidPublicRstPacket},
		{"cut in the value", "0a" + idHex + "50525354 01000000" + rnon + "b5690f00000000", InvalidPublicRstPacket},
		{"proof of 7 bytes", "0a" + idHex + "50525354 01000000 524e4f4e 07000000" + proof, InvalidPublicRstPacket},
		{"number of 7 bytes", "0a" + idHex + "50525354 02000000" + rnon + "52534551 0f000000" + proof + proof, InvalidPublicRstPacket},
		{"129 entries", "0a" + idHex + "50525354 81000000", CryptoTooManyEntries},
		{"2^31 entries", "0a" + idHex + "50525354 00000080", CryptoTooManyEntries},
		{"tags out of order", "0a" + idHex + "50525354 02000000 52534551 08000000 524e4f4e 10000000" + proof + proof, CryptoTagsOutOfOrder},
		{"ends out of order", "0a" + idHex + "50525354 02000000" + rnon + "52534551 07000000" + proof, CryptoTagsOutOfOrder},
		{"tag twice", "0a" + idHex + "50525354 02000000" + rnon + "524e4f4e 10000000" + proof + proof, CryptoDuplicateTag},
		{"end of 2^32-1", "0a" + idHex + "50525354 01000000 524e4f4e ffffffff" + proof, InvalidPublicRstPacket},
	} {
		var p PublicReset
		if err := ParsePublicReset(&p, unhex(t, test.hex)); wantParseError(t, err, test.code).Offset < 0 {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// What is no address is none.
	for _, cadr := range []string{"0200 c0000201 bb", "0a00 c0000201 bb01", "0300 c0000201 bb01"} {
		b := unhex(t, "0a"+idHex+"50525354 02000000"+rnon+"43414452")
		value := unhex(t, cadr)
		b = append(b, byte(8+len(value)), 0, 0, 0)
		b = append(append(b, unhex(t, proof)...), value...)
		var p PublicReset
		if err := ParsePublicReset(&p, b); err != nil || p.ClientAddress.IsValid() {
			t.Errorf("%s: %v, %v", cadr, &p, err)
		}
	}
}

func TestPublicResetRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := PublicReset{NonceProof: rapid.Uint64().Draw(t, "proof"), NoConnectionID: rapid.Bool().Draw(t, "no ID")}
		if !p.NoConnectionID {
			p.ConnectionID = genID(t)
		}
		if p.HasRejected = rapid.Bool().Draw(t, "rejected"); p.HasRejected {
			p.RejectedPacketNumber = PacketNumber(rapid.Uint64().Draw(t, "number"))
		}
		if rapid.Bool().Draw(t, "named") {
			p.ServerID = rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "name")
		}
		if n := rapid.SampledFrom([]int{0, 4, 16}).Draw(t, "address"); n > 0 {
			ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "IP"))
			p.ClientAddress = netip.AddrPortFrom(ip.Unmap(), rapid.Uint16().Draw(t, "port"))
		}
		b := p.Append(nil)
		var got PublicReset
		if err := ParsePublicReset(&got, b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got, cmpAddr); diff != "" {
			t.Fatalf("reset (-want +got):\n%s", diff)
		}
		for n := range len(b) {
			if err := ParsePublicReset(&got, b[:n:n]); err == nil {
				t.Fatalf("%x read although cut at %d", b, n)
			}
		}
		var h Header
		if err := ParseHeader(&h, b, Server, Q043); err != nil || h.HasConnectionID == p.NoConnectionID || h.Kind != PublicResetPacket {
			t.Fatalf("header %v, %v", &h, err)
		}
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_ = ParsePublicReset(&got, b) // whatever it is
		_ = got.String()
	})
}

func TestStatelessReset(t *testing.T) {
	token := StatelessResetToken{15: 0xff}
	for _, n := range []int{1, 24} {
		b := AppendStatelessReset([]byte("x"), bytes.Repeat([]byte{5}, n), token)[1:]
		if b[0] != 0x70 || len(b) != 1+n+16 {
			t.Errorf("appended %x", b)
		}
		if got, ok := TrailingResetToken(b); !ok || got != token {
			t.Errorf("token %x, %v", got, ok)
		}
		var h Header
		if err := ParseHeader(&h, b, Server, Q044); err != nil || h.Form != ShortForm {
			t.Errorf("a client cannot read %x: %v", b, err)
		}
	}
	for _, b := range [][]byte{nil, token[:], append([]byte{0xff}, token[:]...)} {
		if _, ok := TrailingResetToken(b); ok {
			t.Errorf("a token in %x", b)
		}
	}
	if got, ok := TrailingResetToken(append([]byte{0x31}, token[:]...)); !ok || got != token {
		t.Errorf("no token behind one byte")
	}
}

// A list of versions is read by a client of the family that asked.
func TestVersionNegotiation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := genID(t)
		form := rapid.SampledFrom([]Form{PublicForm, LongForm, LongByteForm}).Draw(t, "form")
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Version {
			return Version(rapid.Uint32().Draw(t, "version"))
		}), 1, 9).Draw(t, "list")
		client := Q044
		if form == PublicForm {
			client = Q043
		}
		b := AppendVersionNegotiation([]byte("x"), form, id, list)[1:]
		for _, caller := range []Version{client, 0} {
			var h Header
			if err := ParseHeader(&h, b, Server, caller); err != nil {
				t.Fatal(err)
			}
			if h.Form != form || h.Kind != VersionNegotiationPacket || h.ConnectionID != id || h.Versions.Len() != len(list) {
				t.Fatalf("header %v", &h)
			}
			for i, v := range list {
				if h.Versions.At(i) != v || !h.Versions.Contains(v) {
					t.Fatalf("%v, want %v", h.Versions, list)
				}
			}
			if got := h.Append(nil, Server); !bytes.Equal(got, b) {
				t.Fatalf("%x appended again as %x", b, got)
			}
			for n := range len(b) {
				if err := ParseHeader(&h, b[:n:n], Server, caller); err == nil && (n-h.Len)%4 != 0 {
					t.Fatalf("%x read although cut at %d", b, n)
				}
			}
		}
		if err := ParseHeader(new(Header), b, Client, 0); form != PublicForm && err == nil {
			t.Fatal("read from a client")
		}
	})
}
