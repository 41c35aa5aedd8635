package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// A PublicReset is a packet by which a server of Q039 or Q043 says that it does not
// know a connection. It proves nothing: anybody can send it who saw a packet.
// (Reference: wire, section 7.)
type PublicReset struct {
	ConnectionID   ConnectionID
	NoConnectionID bool // quic-go leaves the ID out in Q044

	NonceProof           uint64         // 0 from quic-go, 1010101 from Chromium; nobody checks it
	RejectedPacketNumber PacketNumber   // of the packet that was answered
	HasRejected          bool           // RejectedPacketNumber is there
	ClientAddress        netip.AddrPort // as the server saw it; the zero AddrPort: not there
	ServerID             []byte         // names the kind of server, nil: not there; aliases a parsed packet
}

// The tags in a public reset: they go out in reading order, and into the order of their
// little-endian numbers.
const (
	tagPRST = 'P' | 'R'<<8 | 'S'<<16 | 'T'<<24
	tagEPID = 'E' | 'P'<<8 | 'I'<<16 | 'D'<<24
	tagRNON = 'R' | 'N'<<8 | 'O'<<16 | 'N'<<24
	tagRSEQ = 'R' | 'S'<<8 | 'E'<<16 | 'Q'<<24
	tagCADR = 'C' | 'A'<<8 | 'D'<<16 | 'R'<<24
)

// maxResetEntries is the most entries that a tagged message may have. (Reference: wire, section 7.)
const maxResetEntries = 128

// The families of addresses in a CADR value.
const (
	cadrIPv4 = 2
	cadrIPv6 = 10
)

// resetBody returns where the message of a public reset begins: behind flags and
// connection ID, or behind the flags alone, where quic-go put it in Q044 although its
// flags promise an ID.
func resetBody(b []byte) int {
	switch {
	case b[0]&publicID == 0:
		return 1
	case !prstAt(b, 1+ConnectionIDLen) && prstAt(b, 1):
		return 1
	}
	return 1 + ConnectionIDLen
}

// isReset reports whether there is a message of a public reset where there may be one.
func isReset(b []byte) bool { return prstAt(b, resetBody(b)) }

func prstAt(b []byte, p int) bool {
	return len(b) >= p+4 && binary.LittleEndian.Uint32(b[p:]) == tagPRST
}

// parseReset reads the header of a public reset.
func (h *Header) parseReset(b []byte) error {
	h.Form, h.Kind = PublicForm, PublicResetPacket
	h.Len = resetBody(b)
	if h.Len > len(b) {
		return fail(InvalidPacketHeader, 1, "connection ID cut")
	}
	if h.Len > 1 {
		h.HasConnectionID = true
		h.ConnectionID = ConnectionID(b[1:])
	}
	return nil
}

// ParsePublicReset reads the public reset b, a whole datagram, into p. It takes every
// form that peers send; what matters is that the nonce proof is there. An error, a
// *ParseError, means that the datagram is to be ignored.
func ParsePublicReset(p *PublicReset, b []byte) error {
	*p = PublicReset{}
	if len(b) == 0 || b[0]&(publicReset|publicVersion|publicUnused) != publicReset {
		return fail(InvalidPublicRstPacket, 0, "flags of public reset")
	}
	var h Header
	if err := h.parseReset(b); err != nil {
		return err
	}
	p.ConnectionID, p.NoConnectionID = h.ConnectionID, !h.HasConnectionID

	at := h.Len
	if !prstAt(b, at) || len(b) < at+8 {
		return fail(InvalidPublicRstPacket, at, "message of public reset")
	}
	n := binary.LittleEndian.Uint32(b[at+4:])
	if n > maxResetEntries {
		return fail(CryptoTooManyEntries, at+4, "too many entries in public reset")
	}
	index := at + 8
	values := index + 8*int(n)
	if len(b) < values {
		return fail(InvalidPublicRstPacket, index, "index of public reset cut")
	}
	return p.parseEntries(b, index, values)
}

// parseEntries reads the entries of the message, whose index is b[index:values].
func (p *PublicReset) parseEntries(b []byte, index, values int) error {
	var last, begin uint32
	var hasProof bool
	for i := index; i < values; i += 8 {
		tag, end := binary.LittleEndian.Uint32(b[i:]), binary.LittleEndian.Uint32(b[i+4:])
		switch {
		case i > index && tag == last:
			return fail(CryptoDuplicateTag, i, "tag twice in public reset")
		case i > index && tag < last, end < begin:
			return fail(CryptoTagsOutOfOrder, i, "tags or ends of public reset out of order")
		case uint64(end) > uint64(len(b)-values):
			return fail(InvalidPublicRstPacket, i, "value of public reset cut")
		}
		value := b[values+int(begin) : values+int(end) : values+int(end)]
		last, begin = tag, end
		switch tag {
		case tagRNON:
			if len(value) != 8 {
				return fail(InvalidPublicRstPacket, i, "length of nonce proof")
			}
			hasProof = true
			p.NonceProof = binary.LittleEndian.Uint64(value)
		case tagRSEQ:
			if len(value) != 8 {
				return fail(InvalidPublicRstPacket, i, "length of rejected packet number")
			}
			p.HasRejected = true
			p.RejectedPacketNumber = PacketNumber(binary.LittleEndian.Uint64(value))
		case tagCADR:
			p.ClientAddress = parseCADR(value)
		case tagEPID:
			p.ServerID = value
		}
	}
	if !hasProof {
		return fail(InvalidPublicRstPacket, index, "no nonce proof")
	}
	return nil
}

// parseCADR reads an address: family, IP, port. What is not one is no address: nobody
// needs it. IPv4 in IPv6 clothes, as dual-stack sockets show it, is IPv4.
func parseCADR(b []byte) netip.AddrPort {
	if len(b) != 8 && len(b) != 20 {
		return netip.AddrPort{}
	}
	ip, ok := netip.AddrFromSlice(b[2 : len(b)-2])
	family := binary.LittleEndian.Uint16(b)
	if !ok || ip.Is4() != (family == cadrIPv4) || ip.Is6() != (family == cadrIPv6) {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip.Unmap(), binary.LittleEndian.Uint16(b[len(b)-2:]))
}

// Append appends the whole packet.
func (p *PublicReset) Append(b []byte) []byte {
	b = appendResetHeader(b, p.ConnectionID, !p.NoConnectionID)
	ip := p.ClientAddress.Addr().WithZone("").Unmap()

	le := binary.LittleEndian
	b = le.AppendUint32(b, tagPRST)
	count := len(b)
	b = le.AppendUint32(b, 0)
	var n, end int
	entry := func(present bool, tag uint32, length int) {
		if present {
			n++
			end += length
			b = le.AppendUint32(le.AppendUint32(b, tag), uint32(end))
		}
	}
	entry(p.ServerID != nil, tagEPID, len(p.ServerID))
	entry(true, tagRNON, 8)
	entry(p.HasRejected, tagRSEQ, 8)
	entry(ip.IsValid(), tagCADR, 4+ip.BitLen()/8)
	le.PutUint32(b[count:], uint32(n))

	b = append(b, p.ServerID...)
	b = le.AppendUint64(b, p.NonceProof)
	if p.HasRejected {
		b = le.AppendUint64(b, uint64(p.RejectedPacketNumber))
	}
	switch {
	case ip.Is4():
		a := ip.As4()
		b = append(le.AppendUint16(b, cadrIPv4), a[:]...)
	case ip.Is6():
		a := ip.As16()
		b = append(le.AppendUint16(b, cadrIPv6), a[:]...)
	}
	if ip.IsValid() {
		b = le.AppendUint16(b, p.ClientAddress.Port())
	}
	return b
}

// appendResetHeader appends the flags of quic-go's and lsquic's resets. (The ID is left
// out without a change of flags.)
func appendResetHeader(b []byte, id ConnectionID, hasID bool) []byte {
	b = append(b, publicReset|publicID)
	if hasID {
		b = append(b, id[:]...)
	}
	return b
}

// String describes the reset in one line.
func (p *PublicReset) String() string {
	s := "PUBLIC_RESET"
	if !p.NoConnectionID {
		s += " " + p.ConnectionID.String()
	}
	s += fmt.Sprintf(" proof %d", p.NonceProof)
	if p.HasRejected {
		s += fmt.Sprintf(" rejects %d", p.RejectedPacketNumber)
	}
	if p.ClientAddress.IsValid() {
		s += " client " + p.ClientAddress.String()
	}
	if p.ServerID != nil {
		s += fmt.Sprintf(" server %q", p.ServerID)
	}
	return s
}

// A StatelessResetToken ends a datagram by which a server of Q044 or later says that it
// does not know a connection. The server gave the token to the client in the handshake.
// (Reference: wire, section 8.5.)
type StatelessResetToken [16]byte

// AppendStatelessReset appends a whole stateless reset. random is what comes before the
// token: 1 byte, not 0, or 24 bytes from peers.
func AppendStatelessReset(b []byte, random []byte, token StatelessResetToken) []byte {
	b = append(b, shortBits|keyPhase)
	b = append(b, random...)
	return append(b, token[:]...)
}

// TrailingResetToken returns the last 16 bytes of the datagram b if it can be a
// stateless reset. A client that cannot decrypt or parse b compares them to its token.
func TrailingResetToken(b []byte) (StatelessResetToken, bool) {
	n := len(b) - len(StatelessResetToken{})
	if n < 1 || b[0]&longBit != 0 {
		return StatelessResetToken{}, false
	}
	return StatelessResetToken(b[n:]), true
}
