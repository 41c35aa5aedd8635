package wire

import "encoding/binary"

// The flags of a public header. (Reference: wire, section 4.2.)
const (
	publicVersion = 0x01 // from a client: version tag; from a server: version negotiation
	publicReset   = 0x02 // from a server: public reset
	publicNonce   = 0x04 // from a server: nonce; from a client: nothing, whatever it is
	publicID      = 0x08 // connection ID
	publicSizes   = 0x30 // code of the packet number's length
	publicUnused  = 0xc0 // reserved, and refused
)

// parsePublic reads a public header, of Q039 and Q043:
//
//	flags 1 | connection ID 8 | version 4 or nonce 32 | packet number 1, 2, 4, 6
func (h *Header) parsePublic(b []byte, sender Perspective, version Version) error {
	flags := b[0]
	if flags&(publicVersion|publicReset) == publicVersion|publicReset {
		return fail(InvalidPacketHeader, 0, "flags of version and of reset together")
	}
	if sender == Client {
		switch {
		case flags&publicReset != 0:
			return fail(InvalidPacketHeader, 0, "public reset from a client")
		case flags&publicID == 0:
			return fail(InvalidPacketHeader, 0, "no connection ID in a client's public header")
		}
	}
	// A client of a version to come may give the unused flags a meaning: it gets version negotiation.
	if flags&publicUnused != 0 && (sender == Server || flags&publicVersion == 0) {
		return fail(InvalidPacketHeader, 0, "reserved public flag")
	}
	if flags&publicReset != 0 {
		return h.parseReset(b)
	}

	p := 1
	if flags&publicID != 0 {
		if len(b) < p+ConnectionIDLen {
			return fail(InvalidPacketHeader, p, "connection ID cut")
		}
		h.HasConnectionID = true
		h.ConnectionID = ConnectionID(b[p:])
		p += ConnectionIDLen
	}
	switch {
	case flags&publicVersion != 0:
		if sender == Server {
			return h.parseVersions(b, p)
		}
		if len(b) < p+4 {
			return fail(InvalidPacketHeader, p, "version cut")
		}
		h.Version = Version(binary.BigEndian.Uint32(b[p:]))
		switch h.Version.facts().Headers {
		case PublicFamily:
		case NoFamily:
			h.Kind = UnknownVersionPacket
			return nil
		default:
			return fail(InvalidPacketHeader, p, "public header of a version with long headers")
		}
		if flags&publicUnused != 0 {
			return fail(InvalidPacketHeader, 0, "reserved public flag")
		}
		p += 4
	case flags&publicNonce != 0 && sender == Server:
		if len(b) < p+NonceLen {
			return fail(InvalidPacketHeader, p, "diversification nonce cut")
		}
		h.Nonce = b[p : p+NonceLen : p+NonceLen]
		p += NonceLen
	}
	if h.Version == 0 && version.UsesIETFHeader() {
		return fail(InvalidPacketHeader, 0, "public header on a connection with long headers")
	}
	return h.parseNumber(b, p, int(sizes[flags&publicSizes>>4]))
}

// parseNumber reads the packet number in n bytes, where the header ends.
func (h *Header) parseNumber(b []byte, p, n int) error {
	if len(b) < p+n {
		return fail(InvalidPacketHeader, p, "packet number cut")
	}
	h.PacketNumber = PacketNumber(uintN(b[p:], n))
	h.PacketNumberLen = n
	h.Len = p + n
	return nil
}

func (h *Header) appendPublic(b []byte, sender Perspective) []byte {
	code := numberCode(h.PacketNumberLen)
	flags, first := code<<4, len(b)
	b = append(b, 0)
	if h.HasConnectionID {
		flags |= publicID
		b = append(b, h.ConnectionID[:]...)
	}
	switch {
	case sender == Client && h.Version != 0:
		flags |= publicVersion
		b = binary.BigEndian.AppendUint32(b, uint32(h.Version))
	case sender == Server && len(h.Nonce) == NonceLen:
		flags |= publicNonce
		b = append(b, h.Nonce...)
	}
	b[first] = flags
	return appendUintN(b, uint64(h.PacketNumber), int(sizes[code]))
}

// numberCode returns the code of a packet number length, that of 4 for what is none.
func numberCode(n int) uint8 {
	switch n {
	case 1:
		return 0
	case 2:
		return 1
	case 6:
		return 3
	}
	return 2
}
