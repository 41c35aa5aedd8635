package handshake

import (
	"errors"
	"net/netip"

	"example.com/gquic/wire"
)

// A server can answer clients that have not proved their address without keeping
// anything of them: what the next step needs rides in the token, sealed.
//
//	client ── CHLO ───────────────▶ StatelessReject     nothing kept
//	       ◀─ REJ: config, token ── (the token holds a Resume)
//	       ── CHLO with token ────▶ OpenResume          now a connection is made,
//	                                                    which goes on from there
//
// A client that repeats its CHLO must get the same bytes again, since the first answer
// may have arrived: so the REJ is made from the CHLO and a coarse time alone, and is
// small enough for one packet (reference: handshake, section 13.2).

// A Resume is where a connection goes on that was begun by a stateless REJ.
type Resume struct {
	ConnectionID     wire.ConnectionID
	NextPacketNumber wire.PacketNumber // of the server's next packet
	ClientOffset     uint64            // on the crypto stream, of the client's next message
	ServerOffset     uint64            // on the crypto stream, of the server's next message
}

// ErrNoReject says that a CHLO carries a good token, so that its client deserves a
// connection and not a stateless REJ.
var ErrNoReject = errors.New("handshake: the client's address is proved")

// StatelessReject appends to b the REJ for a client at addr whose CHLO is at the start of
// the crypto stream: server config, token, reasons, no proof. next is the number of the
// first packet that a connection from this would send, clientOffset where the client's
// next message starts. Equal arguments give equal bytes within one step of 32 seconds.
//
// A CHLO that is no whole, acceptable one is an *[Error]; one that needs no REJ of this
// kind is [ErrNoReject].
func (h *Host) StatelessReject(b, chlo []byte, addr netip.Addr, id wire.ConnectionID, next wire.PacketNumber, clientOffset uint64, wall int64) ([]byte, error) {
	m := &h.parsed
	if err := m.ParseWhole(chlo); err != nil {
		return b, err
	}
	if m.Tag != CHLO {
		return b, fault(wire.InvalidCryptoMessageType, "first message is "+m.Tag.String()+", not CHLO")
	}
	if len(chlo) < MinCHLOSize {
		return b, fault(wire.CryptoInvalidValueLength, "CHLO of less than 1024 bytes")
	}
	var reasons []uint32
	id16, hasID := m.Get(SCID)
	if _, hasNonce := m.Get(NONC); !hasID || !hasNonce {
		reasons = append(reasons, ReasonInchoate)
	} else if h.configByID(id16, wall) == nil {
		reasons = append(reasons, ReasonUnknownConfig)
	}
	stk, _ := m.Get(STK)
	_, reason := h.openToken(stk, addr, wall)
	if reason == 0 {
		return b, ErrNoReject
	}
	reasons = append(reasons, reason)

	coarse := floorDiv(wall, coarseTime) * coarseTime
	config, err := h.primary(coarse)
	if err != nil {
		return b, err
	}
	resume := Resume{id, next, clientOffset, 0}
	rej := reject{config: config, reasons: reasons}
	// The token's size does not depend on what is in it, so a first try tells the length.
	msg := rej.message(h.appendToken(nil, addr, coarse, &resume), coarse)
	resume.ServerOffset = uint64(msg.Size())
	msg.Set(STK, h.appendToken(nil, addr, coarse, &resume))
	return msg.Append(b), nil
}

// OpenResume returns what a StatelessReject left in the token of a CHLO, if that is good
// for this address and connection. A connection made from it must start at the offsets
// and packet number that it names.
func (h *Host) OpenResume(chlo []byte, addr netip.Addr, id wire.ConnectionID, wall int64) (Resume, bool) {
	t, good := h.helloToken(chlo, addr, wall)
	if !good || !t.hasResume || t.resume.ConnectionID != id {
		return Resume{}, false
	}
	return t.resume, true
}

// TokenValid reports whether a CHLO shows a token that proves addr, so that its client
// may have state.
func (h *Host) TokenValid(chlo []byte, addr netip.Addr, wall int64) bool {
	_, good := h.helloToken(chlo, addr, wall)
	return good
}

func (h *Host) helloToken(chlo []byte, addr netip.Addr, wall int64) (token, bool) {
	m := &h.parsed
	if _, err := m.Parse(chlo); err != nil || m.Tag != CHLO {
		return token{}, false
	}
	stk, _ := m.Get(STK)
	t, reason := h.openToken(stk, addr, wall)
	return t, reason == 0
}
