package wire_test

import (
	"encoding/binary"
	"strconv"
	"testing"

	. "example.com/gquic/wire"
)

func TestVersions(t *testing.T) {
	for _, test := range []struct {
		name                                          string
		v                                             Version
		ietf, stopWaiting, publicReset, supported     bool
		crypto, message, overlap, protection, obscure bool
		family                                        HeaderFamily
		tag                                           int
		headers                                       StreamID
	}{
		{name: "Q039", v: Q039, family: PublicFamily, tag: 12, headers: 3, stopWaiting: true, publicReset: true},
		{name: "Q043", v: Q043, family: PublicFamily, tag: 12, headers: 3, stopWaiting: true, publicReset: true, overlap: true, supported: true},
		{name: "Q044", v: Q044, family: Q044Family, tag: 12, headers: 3, ietf: true, overlap: true, supported: true},
		{name: "Q046", v: Q046, family: Q046Family, tag: 12, headers: 3, ietf: true, overlap: true, message: true},
		{name: "Q050", v: Q050, family: Q050Family, tag: 16, headers: 1, ietf: true, overlap: true, message: true, crypto: true, protection: true, obscure: true},
	} {
		v, f := test.v, test.v.Facts()
		if tag := binary.BigEndian.AppendUint32(nil, uint32(v)); string(tag) != test.name || v.String() != test.name {
			t.Errorf("%v has the tag %s, want %s", v, tag, test.name)
		}
		want := VersionFacts{Version: v, Name: test.name, AltSvc: v.AltSvc(), Headers: test.family, TagSize: test.tag,
			StopWaiting: test.stopWaiting, PublicReset: test.publicReset, OverlappingData: test.overlap,
			MessageFrames: test.message, CryptoFrames: test.crypto, HeaderProtection: test.protection,
			ObfuscatedNull: test.obscure, HeadersStream: test.headers}
		if f != want {
			t.Errorf("%v: facts %+v, want %+v", v, f, want)
		}
		if v.UsesIETFHeader() != test.ietf || v.HasStopWaiting() != test.stopWaiting || v.HasPublicReset() != test.publicReset ||
			v.Supported() != test.supported || !v.Known() || v.Reserved() {
			t.Errorf("%v: wrong answers", v)
		}
		if "Q0"+strconv.Itoa(v.AltSvc()) != test.name {
			t.Errorf("%v: number %d", v, v.AltSvc())
		}
		for _, s := range []string{test.name, test.name[2:]} {
			if got, err := ParseVersion(s); err != nil || got != v {
				t.Errorf("ParseVersion(%q) = %v, %v", s, got, err)
			}
		}
	}
	for _, s := range []string{"", "0", "Q44", "Q999", "q043", "044"} {
		if v, err := ParseVersion(s); err == nil {
			t.Errorf("ParseVersion(%q) = %v", s, v)
		}
	}
	reserved := Version(0x1a2a3a4a)
	if !reserved.Reserved() || reserved.Known() || reserved.Supported() || reserved.AltSvc() != 0 || reserved.String() != "0x1a2a3a4a" {
		t.Errorf("%v: wrong answers", reserved)
	}
	if Version(0x1a2a3a4b).Reserved() || Version(0).Known() {
		t.Error("not each version is reserved or known")
	}
}

func TestCodes(t *testing.T) {
	for code, name := range map[ErrorCode]string{
		NoError: "NO_ERROR", 4: "INVALID_FRAME_DATA", PeerGoingAway: "PEER_GOING_AWAY",
		19: "PUBLIC_RESET", NetworkIdleTimeout: "NETWORK_IDLE_TIMEOUT",
		59: "FLOW_CONTROL_RECEIVED_TOO_MUCH_DATA", 98: "STREAM_LENGTH_OVERFLOW", 124: "TOO_MANY_BUFFERED_CONTROL_FRAMES",
		15: "ERROR_15", 125: "ERROR_125", 1<<32 - 1: "ERROR_4294967295",
	} {
		if code.String() != name || code.Error() != name {
			t.Errorf("code %d: %q, want %q", uint32(code), code.String(), name)
		}
	}
	for code, name := range map[StreamErrorCode]string{
		StreamNoError: "STREAM_NO_ERROR", RstAcknowledgement: "RST_ACKNOWLEDGEMENT", 8: "REFUSED_STREAM",
		16: "STREAM_TTL_EXPIRED", 17: "STREAM_ERROR_17",
	} {
		if code.String() != name {
			t.Errorf("stream code %d: %q, want %q", uint32(code), code.String(), name)
		}
	}
	// All numbers have a name of their own, but for the retired ones.
	seen := map[string]ErrorCode{}
	for code := range ErrorCode(125) {
		name := code.String()
		retired := code == 15 || code == 21 || code == 47 || code == 66
		if other, twice := seen[name]; twice || retired != (name == "ERROR_"+strconv.Itoa(int(code))) {
			t.Errorf("code %d has the name %s (as has %d)", uint32(code), name, uint32(other))
		}
		seen[name] = code
	}
}

func TestIDs(t *testing.T) {
	if CryptoStream.OpenedBy() != Client || StreamID(2).OpenedBy() != Server {
		t.Error("odd streams are the client's, even ones the server's")
	}
	if Client.Opposite() != Server || Server.Opposite() != Client || Client.String() != "client" || Server.String() != "server" {
		t.Error("wrong perspectives")
	}
}
