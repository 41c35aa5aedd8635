package wire

import (
	"fmt"
	"strconv"
)

// A Version is a protocol version: its four-character tag, read as a big-endian
// number. Zero is no version; in a long header it marks version negotiation.
type Version uint32

// The Google QUIC versions that this package knows. (Reference: wire, section 2.)
const (
	Q039 Version = 0x51303339
	Q043 Version = 0x51303433
	Q044 Version = 0x51303434
	Q046 Version = 0x51303436
	Q050 Version = 0x51303530
)

// A HeaderFamily is a shape of packet headers.
type HeaderFamily uint8

// The header families. Only the first two have a codec here.
const (
	NoFamily     HeaderFamily = iota // of versions that are not known
	PublicFamily                     // public header with a byte of flags (reference: wire, section 4)
	Q044Family                       // long and short headers as of draft 11: nibble lengths, 4-byte number (section 8)
	Q046Family                       // as of draft 17: nibble lengths, 1 to 4 bytes of number (section 9)
	Q050Family                       // as of draft 22: length bytes, token, header protection (section 10)
)

// VersionFacts is what a version does differently from others.
type VersionFacts struct {
	Version Version
	Name    string       // as in the tag: "Q043"
	AltSvc  int          // its number in Alt-Svc
	Headers HeaderFamily // shape of its packet headers
	TagSize int          // bytes of an AEAD tag

	StopWaiting      bool // has STOP_WAITING frames; else old ACK state goes with acknowledged ACKs
	PublicReset      bool // resets by a public reset packet; else by a stateless reset token
	OverlappingData  bool // stream data may partly overlap what was sent before (since Q042)
	MessageFrames    bool // has MESSAGE frames
	CryptoFrames     bool // handshake bytes go in CRYPTO frames, each level from offset 0; else on stream 1
	HeaderProtection bool // masks part of the header
	ObfuscatedNull   bool // before keys exist AES-GCM with keys from the connection ID; else the FNV-1a tag

	HeadersStream StreamID // the stream of HTTP headers
}

// versions is the table of facts, oldest version first. (Reference: wire, sections 2
// and 15; the headers stream of Q050 as live peers have it.)
var versions = [...]VersionFacts{
	{Version: Q039, Name: "Q039", AltSvc: 39, Headers: PublicFamily, TagSize: 12,
		StopWaiting: true, PublicReset: true, HeadersStream: 3},
	{Version: Q043, Name: "Q043", AltSvc: 43, Headers: PublicFamily, TagSize: 12,
		StopWaiting: true, PublicReset: true, OverlappingData: true, HeadersStream: 3},
	{Version: Q044, Name: "Q044", AltSvc: 44, Headers: Q044Family, TagSize: 12,
		OverlappingData: true, HeadersStream: 3},
	{Version: Q046, Name: "Q046", AltSvc: 46, Headers: Q046Family, TagSize: 12,
		OverlappingData: true, MessageFrames: true, HeadersStream: 3},
	{Version: Q050, Name: "Q050", AltSvc: 50, Headers: Q050Family, TagSize: 16,
		OverlappingData: true, MessageFrames: true, CryptoFrames: true,
		HeaderProtection: true, ObfuscatedNull: true, HeadersStream: 1},
}

// unknownVersion holds the facts of every version that is not in the table: none.
var unknownVersion VersionFacts

func (v Version) facts() *VersionFacts {
	switch v {
	case Q039:
		return &versions[0]
	case Q043:
		return &versions[1]
	case Q044:
		return &versions[2]
	case Q046:
		return &versions[3]
	case Q050:
		return &versions[4]
	}
	return &unknownVersion
}

// Facts returns what is known of v: the zero VersionFacts if v is not Known.
func (v Version) Facts() VersionFacts { return *v.facts() }

// Known reports whether v is in the table of versions, which does not mean that it is
// Supported.
func (v Version) Known() bool { return v.facts().Headers != NoFamily }

// Supported reports whether endpoints of this library speak v.
func (v Version) Supported() bool { return v == Q043 || v == Q044 }

// Reserved reports whether v has the form 0x?a?a?a?a, which never is a real version:
// lists contain it so that readers learn to skip what they do not know.
func (v Version) Reserved() bool { return v&0x0f0f0f0f == 0x0a0a0a0a }

// UsesIETFHeader reports whether v has long and short headers instead of public ones.
func (v Version) UsesIETFHeader() bool { return v.facts().Headers >= Q044Family }

// HasStopWaiting reports whether v has STOP_WAITING frames.
func (v Version) HasStopWaiting() bool { return v.facts().StopWaiting }

// HasPublicReset reports whether v resets by public reset packets.
func (v Version) HasPublicReset() bool { return v.facts().PublicReset }

// AltSvc returns the number that stands for v in an Alt-Svc header, 43 for Q043, and 0
// for a version that is not Known.
func (v Version) AltSvc() int { return v.facts().AltSvc }

// String returns the tag of a Known version, "Q043", and hex for others, "0x1a2a3a4a".
func (v Version) String() string {
	if f := v.facts(); f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("0x%08x", uint32(v))
}

// ParseVersion reads a Known version from its tag, "Q043", or its Alt-Svc number, "43".
func ParseVersion(s string) (Version, error) {
	for i := range versions {
		if f := &versions[i]; s == f.Name || s == strconv.Itoa(f.AltSvc) {
			return f.Version, nil
		}
	}
	return 0, fmt.Errorf("wire: unknown version %q", s)
}
