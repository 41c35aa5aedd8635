package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	. "example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
)

// The vectors state what quic-go v0.10.2 reads and writes. This table holds the cases
// in which the reference decides otherwise, and why. TestVectorExceptions holds that
// each of them is still one.
var vectorExceptions = map[string]string{
	"header-018":              flag40,
	"header-019":              flag40,
	"header-039":              flag40,
	"header-040":              flag40,
	"header-051":              idLengths,
	"header-052":              idLengths,
	"header-053":              idLengths,
	"header-056":              keyPhase,
	"header-059":              keyPhase,
	"header-062":              keyPhase,
	"header-063":              "short header with bit 0x04: Chromium drops it, and so does section 18 (low 3 bits over 2)",
	"version_negotiation-011": idLengths + "; we never send a source ID that could come back",
	"frame-074":               packet0,
	"frame-075":               packet0,
	"frame-076":               packet0,
	"frame-080":               "RST_STREAM with an offset past 2^62-1 closes with 98 (section 18); quic-go reads it",
	"frame-081":               "RST_STREAM code 0x10006: codes are opaque 32-bit numbers (section 12.1); quic-go cuts them to 16 bits",
	"malformed-033":           "STOP_WAITING in Q044 closes with 60 (section 18); quic-go with 1",
	"malformed-040":           emptyStream,
	"malformed-041":           emptyStream,
	"malformed-042":           overflow,
	"malformed-043":           overflow,
	"malformed-087":           "public reset with a nonce proof of 4001 bytes: invalid like any other length but 8, code 11 (section 7); the limit of 4000 is quic-go's own. Dropped either way",
	"server_response-006":     idLengths,
	"server_response-010":     longQ043,
	"server_response-016":     idLengths,
	"server_response-020":     longQ043,
	"server_response-026":     idLengths,
	"server_response-030":     longQ043,
}

const (
	flag40      = "public flag 0x40: Chromium and lsquic refuse it, and section 20 says refuse; quic-go ignores it"
	idLengths   = "connection IDs other than one of 8 bytes: Chromium and lsquic drop them, and so do sections 18 and 20; quic-go decodes them"
	keyPhase    = "short header with bit 0x40: must be 0 (section 8.3); read, since a stateless reset has it, but never written"
	packet0     = "ACK of packet 0: Chromium refuses it, and so does section 20 (code 9); quic-go accepts it"
	emptyStream = "STREAM without data and FIN closes with 50 (sections 18 and 20); quic-go with 46"
	overflow    = "STREAM past 2^62-1 closes with 98 (section 18); quic-go with 46"
	longQ043    = "long header with the tag Q043: no client sends it, and sections 4 and 8 have no such packet; quic-go answers"
)

type vector struct {
	ID, Group, Note     string
	Version             string
	Versions            []string
	Op, Hex, Frame      string
	Format, Layer       string
	SentBy              string `json:"sent_by"`
	Fields              fields
	HeaderFields        fields `json:"header_fields"`
	PacketNumber        string `json:"packet_number"`
	PacketNumberLen     int    `json:"packet_number_len"`
	Frames              []json.RawMessage
	Header, Plaintext   string
	Padding             int
	Protection          string
	PlaintextLen        int    `json:"plaintext_len"`
	Decoded, Value      string // of ufloat16
	Wire                string // of packet numbers
	LargestReceived     string `json:"largest_received"`
	LeastUnacked        string `json:"least_unacked"`
	ChosenLen           int    `json:"chosen_len"`
	AltSvc              string `json:"alt_svc"`
	Response            *string
	ServerVersions      []string `json:"server_versions"`
	ThenZeroBytes, Size int
	Trace               string
	Result              struct {
		Rejected  bool
		ErrorCode *uint32 `json:"error_code"`
	}
}

// fields of a header or of a frame; those absent in a case are zero.
type fields struct {
	Form, DCID, SCID, Type string
	HeaderLen              int    `json:"header_len"`
	Truncated              string `json:"packet_number_truncated"`
	PacketNumberLen        int    `json:"packet_number_len"`
	Nonce                  string `json:"diversification_nonce"`
	VersionTag             string `json:"version_tag"`
	Reset                  bool
	Versions               []string

	StreamID       string `json:"stream_id"`
	Offset         string
	ByteOffset     string `json:"byte_offset"`
	Fin            bool
	DataLenPresent bool `json:"data_len_present"`
	Data           string
	DataLength     int         `json:"data_length"`
	LargestAcked   string      `json:"largest_acked"`
	DelayUS        string      `json:"delay_us"`
	Ranges         [][2]string `json:"ranges"`
	ErrorCode      any         `json:"error_code"`
	LastGood       string      `json:"last_good_stream_id"`
	Reason         string
	LeastUnacked   string `json:"least_unacked"`
	Length         int

	CID, RNON, RSEQ string
}

// vectorsDir finds shared/vectors beside this checkout, or skips the test.
func vectorsDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		found := filepath.Join(dir, "shared", "vectors")
		if _, err := os.Stat(filepath.Join(found, "wire.json")); err == nil {
			return found
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skip("shared/vectors is not beside this checkout; skipping the vectors")
		}
		dir = parent
	}
}

func loadJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func loadVectors(t *testing.T) []vector {
	t.Helper()
	var file struct {
		Counts map[string]int
		Cases  []vector
	}
	loadJSON(t, filepath.Join(vectorsDir(t), "wire.json"), &file)
	want := 0
	for _, n := range file.Counts {
		want += n
	}
	if want == 0 || len(file.Cases) != want {
		t.Fatalf("%d cases, want %d", len(file.Cases), want)
	}
	return file.Cases
}

// versions lists the versions for which the case holds.
func (v *vector) versions(t *testing.T) []Version {
	t.Helper()
	names := v.Versions
	if v.Version != "" {
		names = append(names, v.Version)
	}
	var list []Version
	for _, s := range names {
		version, err := ParseVersion(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, version)
	}
	return list
}

func (v *vector) sender() Perspective {
	if v.SentBy == "client" {
		return Client
	}
	return Server
}

func unhex(t fataler, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func number(t fataler, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// forms of calling ParseHeader that must all agree on a good packet of the version.
func callerVersions(sender Perspective, v Version) []Version {
	if sender == Server {
		return []Version{v}
	}
	return []Version{0, v}
}

func TestVectors(t *testing.T) {
	checks := map[string]func(*testing.T, *vector){
		"header":                    checkHeaderVector,
		"frame":                     checkFrameVector,
		"ufloat16":                  checkUfloat16Vector,
		"packet_number_reconstruct": checkReconstructVector,
		"packet_number_length":      checkLengthVector,
		"packet":                    checkPacketVector,
		"public_reset":              checkResetVector,
		"version_negotiation":       checkNegotiationVector,
		"version_tag":               checkTagVector,
		"malformed":                 checkMalformedVector,
		"datagram":                  checkDatagramVector,
		"server_response":           checkResponseVector,
	}
	// Protection belongs to package handshake.
	elsewhere := map[string]bool{"null_aead": true, "aes_128_gcm_12": true}

	seen := map[string]int{}
	cases := loadVectors(t)
	for i := range cases {
		v := &cases[i]
		if elsewhere[v.Group] || v.Layer == "null_aead" || vectorExceptions[v.ID] != "" {
			continue
		}
		check := checks[v.Group]
		if check == nil {
			t.Fatalf("%s: no check for group %s", v.ID, v.Group)
		}
		seen[v.Group]++
		t.Run(v.ID, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("%s: %s", v.Note, v.Hex)
				}
			}()
			check(t, v)
		})
	}
	for group := range checks {
		if seen[group] == 0 {
			t.Errorf("no case of group %s", group)
		}
	}
}

// TestVectorExceptions holds that every exception is a case, and is decided as the table says.
func TestVectorExceptions(t *testing.T) {
	byID := map[string]*vector{}
	cases := loadVectors(t)
	for i := range cases {
		byID[cases[i].ID] = &cases[i]
	}
	frameErrors := map[string]error{
		"frame-074": InvalidAckData, "frame-075": InvalidAckData, "frame-076": InvalidAckData,
		"frame-080":     StreamLengthOverflow,
		"malformed-033": InvalidStopWaitingData,
		"malformed-040": EmptyStreamFrameNoFin, "malformed-041": EmptyStreamFrameNoFin,
		"malformed-042": StreamLengthOverflow, "malformed-043": StreamLengthOverflow,
	}
	for id, reason := range vectorExceptions {
		v := byID[id]
		if v == nil || reason == "" {
			t.Errorf("%s: no such case, or no reason", id)
			continue
		}
		b := unhex(t, v.Hex)
		var h Header
		switch {
		case reason == keyPhase:
			if err := ParseHeader(&h, b, Server, Q044); err != nil {
				t.Errorf("%s: %v", id, err)
			}
			if got := h.Append(nil, Server); got[0] != b[0]&^0x40 || !cmp.Equal(got[1:], b[1:]) {
				t.Errorf("%s: appended %x", id, got)
			}
		case v.Group == "header":
			if err := ParseHeader(&h, b, v.sender(), v.versions(t)[0]); !errors.Is(err, InvalidPacketHeader) {
				t.Errorf("%s: read as %v", id, &h)
			}
		case v.Group == "version_negotiation":
			if err := ParseHeader(&h, b, Server, Q044); !errors.Is(err, InvalidPacketHeader) {
				t.Errorf("%s: read as %v", id, &h)
			}
		case v.Group == "server_response":
			if err := ParseHeader(&h, b, Client, 0); !errors.Is(err, InvalidPacketHeader) {
				t.Errorf("%s: read as %v", id, &h)
			}
		case v.Layer == "public_reset_message":
			var p PublicReset
			err := ParsePublicReset(&p, append(unhex(t, "0a04e51d3a0744d75e"), b...))
			if !errors.Is(err, InvalidPublicRstPacket) {
				t.Errorf("%s: %v", id, err)
			}
		case id == "frame-081":
			var r Reader
			r.Reset(b, v.context(t, Q044))
			f, err := r.Next()
			if rst, ok := f.(*RstStreamFrame); !ok || rst.Code != 0x10006 {
				t.Errorf("%s: %v, %v", id, f, err)
			}
		default:
			want := frameErrors[id]
			for _, version := range v.versions(t) {
				var r Reader
				r.Reset(b, v.context(t, version))
				if f, err := r.Next(); want == nil || !errors.Is(err, want) {
					t.Errorf("%s: %v, %v, want %v", id, f, err, want)
				}
			}
		}
	}
}
