package wire

import "fmt"

// A Form is a shape of header.
type Form uint8

// The forms. A LongByteForm header states the lengths of its connection IDs in a byte
// each (Q050 and later) and not in a nibble each; only packets of unknown versions and
// version negotiation have it here.
const (
	PublicForm Form = iota
	LongForm
	ShortForm
	LongByteForm
)

// String returns the name of the form.
func (f Form) String() string {
	switch f {
	case PublicForm:
		return "public"
	case LongForm:
		return "long"
	case ShortForm:
		return "short"
	case LongByteForm:
		return "long (length bytes)"
	}
	return fmt.Sprintf("form %d", uint8(f))
}

// A PacketKind says what follows a header.
type PacketKind uint8

// The kinds of packets.
const (
	RegularPacket            PacketKind = iota // a protected payload
	VersionNegotiationPacket                   // a list of versions, from a server
	PublicResetPacket                          // see ParsePublicReset; from a server
	UnknownVersionPacket                       // something of a version that has no codec here
)

// A LongType is the type in a Q044 long header. It does not tell how the payload is
// protected. (Reference: wire, section 8.)
type LongType uint8

// The types of long headers.
const (
	ZeroRTT   LongType = 0x7c // from a server: with a diversification nonce
	Handshake LongType = 0x7d
	Retry     LongType = 0x7e // never sent, refused
	Initial   LongType = 0x7f
)

// String returns the name of the type.
func (t LongType) String() string {
	switch t {
	case ZeroRTT:
		return "0-RTT"
	case Handshake:
		return "Handshake"
	case Retry:
		return "Retry"
	case Initial:
		return "Initial"
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// A Header is the unprotected beginning of a datagram, of either family.
type Header struct {
	Form Form
	Kind PacketKind
	Type LongType // of a long header of a regular packet

	HasConnectionID bool
	ConnectionID    ConnectionID // the connection's one ID, whichever field carried it

	Version      Version      // 0 when the packet carries none
	Nonce        []byte       // the diversification nonce, NonceLen bytes that alias the packet; nil when absent
	PacketNumber PacketNumber // parsed: truncated, as in the packet; to append: in full

	// PacketNumberLen is 1, 2, 4 or 6, or 1, 2 or 4 in a short header and 4 in a long one.
	// What else it may be appends 4 bytes. No peer sends 6, and quic-go cannot read it.
	PacketNumberLen int

	Versions VersionList // of a version negotiation packet; aliases the packet

	// Len is the length of the header in bytes. They are the payload's associated data,
	// and the payload follows them. Append does not look at it.
	Len int
}

// ParseHeader reads the header of the datagram b into h, without keeping or copying b:
// h.Nonce and h.Versions alias it. sender is who sent it.
//
// A client passes the version that it runs: its server's packets have the forms of that
// version. A server passes 0 while it does not know the connection, and the connection's
// version when it does; the bits of the first byte decide, and a version tag, if there is
// one, the rest. What carries the tag of a version without codec becomes an
// UnknownVersionPacket, of which only Form, Version and the connection ID are set. A tag
// of another version than a server's connection has is not an error here. An observer
// that passes 0 for a server's packets gets what the bits say.
//
// Any error, a *ParseError, means that the datagram is to be dropped. But at a client of
// a version without public reset it may still be a stateless reset, see TrailingResetToken.
// (Reference: wire, sections 3, 4, 8 and 18.)
func ParseHeader(h *Header, b []byte, sender Perspective, version Version) error {
	*h = Header{}
	if len(b) == 0 {
		return fail(InvalidPacketHeader, 0, "empty datagram")
	}
	first := b[0]
	if sender == Server && version != 0 {
		switch version.facts().Headers {
		case PublicFamily:
			return h.parsePublic(b, sender, version)
		case Q044Family:
			if first&longBit != 0 {
				return h.parseLong(b, sender, version)
			}
			if first&^publicNonce == publicReset|publicID && isReset(b) {
				return h.parseReset(b)
			}
			return h.parseShort(b, sender, version)
		}
		return fail(InvalidVersion, 0, "header of a version without codec")
	}
	switch {
	case first&longBit != 0:
		return h.parseLong(b, sender, version)
	case first&publicID != 0:
		return h.parsePublic(b, sender, version)
	case first&0x70 == shortBits:
		return h.parseShort(b, sender, version)
	}
	return h.parsePublic(b, sender, version)
}

// Append appends the header of a packet from sender: for regular packets all of it, for
// the other kinds what a ParseHeader of that kind reads. A server's headers have no
// version but in long headers, and a client's no nonce.
func (h *Header) Append(b []byte, sender Perspective) []byte {
	switch {
	case h.Kind == VersionNegotiationPacket:
		return append(h.appendNegotiation(b), h.Versions...)
	case h.Kind == PublicResetPacket:
		return appendResetHeader(b, h.ConnectionID, h.HasConnectionID)
	case h.Form == PublicForm:
		return h.appendPublic(b, sender)
	case h.Form == ShortForm:
		return h.appendShort(b)
	}
	return h.appendLong(b, sender)
}

// String describes the header in one line, such as
//
//	public Q043 04e51d3a0744d75e pkt 1 len 2
//	long Handshake Q044 04e51d3a0744d75e pkt 2 len 4
//	short pkt 17 len 2
//	version negotiation 04e51d3a0744d75e: Q044 Q043
func (h *Header) String() string {
	s := h.Form.String()
	switch h.Kind {
	case VersionNegotiationPacket:
		s = "version negotiation"
	case PublicResetPacket:
		s = "public reset"
	case UnknownVersionPacket:
		s += " unknown"
	default:
		if h.Form == LongForm {
			s += " " + h.Type.String()
		}
	}
	if h.Version != 0 {
		s += " " + h.Version.String()
	}
	if h.HasConnectionID {
		s += " " + h.ConnectionID.String()
	}
	switch h.Kind {
	case VersionNegotiationPacket:
		s += ": " + h.Versions.String()
	case RegularPacket:
		if h.Nonce != nil {
			s += " nonce"
		}
		s += fmt.Sprintf(" pkt %d len %d", h.PacketNumber, h.PacketNumberLen)
	}
	return s
}
