package wire

import "encoding/binary"

// The first byte of long and short headers. (Reference: wire, section 8.)
const (
	longBit   = 0x80
	shortBits = 0x30 // set in every short header of Q044
	keyPhase  = 0x40 // a stateless reset has it; to a server it is the mark of Q046 and later
)

// The byte of ID lengths in a long header: a nibble for the destination's and one for
// the source's, each the length less 3, or 0 for none. The connection's one ID is the
// destination for a client and the source for a server. Length bytes (Q050) say the
// same in two bytes around the destination's ID.
const (
	clientIDLens = 0x50
	serverIDLens = 0x05
)

// parseLong reads a long header:
//
//	type 1 | version 4 | ID lengths 1 | connection ID 8 | packet number 4 | nonce 32, of a server's 0-RTT
func (h *Header) parseLong(b []byte, sender Perspective, version Version) error {
	h.Form = LongForm
	if len(b) < 6 {
		return fail(InvalidPacketHeader, 1, "long header cut")
	}
	h.Version = Version(binary.BigEndian.Uint32(b[1:]))
	if h.Version == 0 {
		if sender == Client {
			return fail(InvalidPacketHeader, 1, "version negotiation from a client")
		}
		p, err := h.parseLongID(b, sender, true)
		if err != nil {
			return err
		}
		return h.parseVersions(b, p)
	}
	if sender == Server && version != 0 && h.Version != version {
		return fail(InvalidPacketHeader, 1, "another version than the connection's")
	}
	switch h.Version.facts().Headers {
	case PublicFamily:
		return fail(InvalidPacketHeader, 1, "long header of a version with public headers")
	case Q044Family:
	default:
		h.Kind = UnknownVersionPacket
		_, err := h.parseLongID(b, sender, true)
		return err
	}

	h.Type = LongType(b[0] &^ longBit)
	if h.Type < ZeroRTT || h.Type == Retry {
		return fail(InvalidPacketHeader, 0, "type of long header")
	}
	p, err := h.parseLongID(b, sender, false)
	if err != nil {
		return err
	}
	if err := h.parseNumber(b, p, 4); err != nil {
		return err
	}
	if h.Type == ZeroRTT && sender == Server {
		p = h.Len
		if len(b) < p+NonceLen {
			return fail(InvalidPacketHeader, p, "diversification nonce cut")
		}
		h.Len = p + NonceLen
		h.Nonce = b[p:h.Len:h.Len]
	}
	return nil
}

// parseLongID reads the lengths and the connection ID behind the version and returns
// where they end. It takes length bytes too if they may be there.
func (h *Header) parseLongID(b []byte, sender Perspective, lengthBytes bool) (end int, err error) {
	nibbles := byte(clientIDLens)
	if sender == Server {
		nibbles = serverIDLens
	}
	p := 6 // of the ID
	switch {
	case b[5] == nibbles:
		end = p + ConnectionIDLen
	case lengthBytes && sender == Client && b[5] == ConnectionIDLen:
		// An answer would have to carry a source ID, so there must be none.
		end = p + ConnectionIDLen + 1
		if len(b) >= end && b[end-1] != 0 {
			return 0, fail(InvalidPacketHeader, end-1, "source connection ID from a client")
		}
		h.Form = LongByteForm
	case lengthBytes && sender == Server && b[5] == 0 && len(b) > 6 && b[6] == ConnectionIDLen:
		p++
		end = p + ConnectionIDLen
		h.Form = LongByteForm
	default:
		return 0, fail(InvalidPacketHeader, 5, "lengths of connection IDs")
	}
	if len(b) < end {
		return 0, fail(InvalidPacketHeader, p, "connection ID cut")
	}
	h.HasConnectionID = true
	h.ConnectionID = ConnectionID(b[p:])
	return end, nil
}

// parseShort reads a short header, of Q044. A client's has the connection ID.
//
//	0x30 | code 1 | connection ID 8 | packet number 1, 2, 4
func (h *Header) parseShort(b []byte, sender Perspective, version Version) error {
	h.Form = ShortForm
	first := b[0]
	if sender == Server && version != 0 {
		first &^= keyPhase
	}
	switch {
	case first&^0x07 != shortBits:
		return fail(InvalidPacketHeader, 0, "bits of short header")
	case first&0x07 > 2:
		return fail(InvalidPacketHeader, 0, "packet number length of short header")
	case version != 0 && !version.UsesIETFHeader():
		return fail(InvalidPacketHeader, 0, "short header on a connection with public headers")
	}
	p := 1
	if sender == Client {
		if len(b) < p+ConnectionIDLen {
			return fail(InvalidPacketHeader, p, "connection ID cut")
		}
		h.HasConnectionID = true
		h.ConnectionID = ConnectionID(b[p:])
		p += ConnectionIDLen
	}
	return h.parseNumber(b, p, 1<<(first&0x07))
}

func (h *Header) appendLong(b []byte, sender Perspective) []byte {
	b = append(b, longBit|byte(h.Type))
	b = binary.BigEndian.AppendUint32(b, uint32(h.Version))
	switch {
	case h.Form == LongByteForm && sender == Client:
		b = append(b, ConnectionIDLen)
		b = append(b, h.ConnectionID[:]...)
		return append(b, 0)
	case h.Form == LongByteForm:
		b = append(b, 0, ConnectionIDLen)
		return append(b, h.ConnectionID[:]...)
	case sender == Client:
		b = append(b, clientIDLens)
	default:
		b = append(b, serverIDLens)
	}
	b = append(b, h.ConnectionID[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(h.PacketNumber))
	if sender == Server && h.Type == ZeroRTT {
		b = append(b, h.Nonce...)
	}
	return b
}

func (h *Header) appendShort(b []byte) []byte {
	code := min(numberCode(h.PacketNumberLen), 2)
	b = append(b, shortBits|code)
	if h.HasConnectionID {
		b = append(b, h.ConnectionID[:]...)
	}
	return appendUintN(b, uint64(h.PacketNumber), 1<<code)
}
