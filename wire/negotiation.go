package wire

import "encoding/binary"

// A VersionList is the list in a version negotiation packet, as it is in the packet:
// four bytes for each version. It may hold versions that are not Known, and Reserved
// ones, to be skipped.
type VersionList []byte

// Len returns how many versions the list has.
func (l VersionList) Len() int { return len(l) / 4 }

// At returns the version at index i, 0 ≤ i < Len.
func (l VersionList) At(i int) Version { return Version(binary.BigEndian.Uint32(l[4*i:])) }

// Contains reports whether v is in the list.
func (l VersionList) Contains(v Version) bool {
	for i := range l.Len() {
		if l.At(i) == v {
			return true
		}
	}
	return false
}

// String returns the versions with spaces between them.
func (l VersionList) String() string {
	var s string
	for i := range l.Len() {
		if i > 0 {
			s += " "
		}
		s += l.At(i).String()
	}
	return s
}

// parseVersions reads a version negotiation packet from the list on, which fills the
// rest of the datagram.
func (h *Header) parseVersions(b []byte, p int) error {
	list := b[p:]
	if len(list) == 0 || len(list)%4 != 0 {
		return fail(InvalidVersionNegotiationPacket, p, "list of versions empty or cut")
	}
	h.Kind = VersionNegotiationPacket
	h.Versions = VersionList(list[:len(list):len(list)])
	h.Len = p
	return nil
}

// AppendVersionNegotiation appends a whole version negotiation packet: the answer to a
// client's packet of a version that the server does not speak. form and id are those of
// that packet. (Reference: wire, sections 6, 8.4 and 10.5.)
//
//	public     flags 1 | connection ID 8 | version 4 …
//	long       0xc0 | 0 4 | ID lengths 1 | connection ID 8 | version 4 …
//
// The caller bounds the answers: one is due only to a datagram that could have opened a
// connection, or the packet would amplify and answer closes for ever.
func AppendVersionNegotiation(b []byte, form Form, id ConnectionID, versions []Version) []byte {
	h := Header{Form: form, HasConnectionID: true, ConnectionID: id}
	b = h.appendNegotiation(b)
	for _, v := range versions {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// appendNegotiation appends what comes before the list.
func (h *Header) appendNegotiation(b []byte) []byte {
	switch h.Form {
	case PublicForm:
		if !h.HasConnectionID {
			return append(b, publicVersion)
		}
		b = append(b, publicVersion|publicID)
	case LongByteForm:
		b = append(b, 0xc0, 0, 0, 0, 0, 0, ConnectionIDLen)
	default:
		// Of the low bits only 0x40 matters, to clients of Q046 and later.
		b = append(b, 0xc0, 0, 0, 0, 0, serverIDLens)
	}
	return append(b, h.ConnectionID[:]...)
}
