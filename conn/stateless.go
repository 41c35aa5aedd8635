package conn

import (
	"math/bits"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A reply is a datagram that no connection stands behind.
type reply struct {
	to, from netip.AddrPort
	payload  []byte
}

// MaxReplies is how many answers without a connection wait to be sent at most; what
// comes in beyond them is dropped, as it could be by any network.
const MaxReplies = 64

// MinNegotiatedSize is the least a datagram must have to be answered with a version
// negotiation packet. Smaller ones may be the CONNECTION_CLOSE of a client that does not
// switch (120 to 204 bytes; reference: live checks). Chromium wants 1200 bytes, but
// quic-go's first datagrams have 1069 and more: what holds a CHLO gets an answer.
const MinNegotiatedSize = handshake.MinCHLOSize

func (e *Endpoint) reply(d *Datagram, payload []byte, v Verdict) Verdict {
	if e.replies.len() >= MaxReplies {
		return DroppedLimit
	}
	e.replies.push(reply{d.From, d.To, payload})
	return v
}

func (e *Endpoint) negotiateVersion(d *Datagram, h *wire.Header) Verdict {
	if len(d.Payload) < MinNegotiatedSize {
		return DroppedVersion
	}
	return e.reply(d, wire.AppendVersionNegotiation(nil, h.Form, h.ConnectionID, e.cfg.Versions), VersionNegotiated)
}

// answerReset tells the sender of a packet of no connection that there is none: by a
// public reset, which nobody answers, or the stateless reset of the IETF-like versions.
// That looks like any packet, so it is smaller than the one it answers: two endpoints
// cannot keep each other busy.
func (e *Endpoint) answerReset(d *Datagram, h *wire.Header) Verdict {
	var answer []byte
	limit := len(d.Payload) - 1
	if h.Form == wire.PublicForm {
		reset := wire.PublicReset{ConnectionID: h.ConnectionID, RejectedPacketNumber: h.PacketNumber, HasRejected: true, ClientAddress: d.From}
		answer = reset.Append(nil)
		limit = len(d.Payload) * amplificationFactor
	} else {
		e.stats.Resets++
		random := e.entropy.Derive("reset filler", h.ConnectionID[:])
		var filler [24]byte // as many as Chromium sends since 2019
		random.Fill(filler[:])
		token := e.resetToken(h.ConnectionID)
		room := limit - 1 - len(token)
		answer = wire.AppendStatelessReset(nil, filler[:max(1, min(room, len(filler)))], token)
	}
	if len(answer) > limit {
		return DroppedUnknown
	}
	return e.reply(d, answer, ResetSent)
}

// resetToken is what a client must see at the end of a packet to believe that its
// connection is lost. It depends on the server's secret alone, so that a server that
// was restarted still knows it.
func (e *Endpoint) resetToken(id wire.ConnectionID) (token wire.StatelessResetToken) {
	secret := handshake.NewEntropy(e.cfg.Server.Secret)
	derived := secret.Derive("stateless reset token", id[:])
	derived.Fill(token[:])
	return token
}

// Packet numbers of a server that answers without state (reference: handshake, section
// 13.2): its answer to the client's packet n is packet min(n, lastStateless), and the
// connection that a client with the token gets goes on behind all of them.
const (
	lastStateless  wire.PacketNumber = 16
	firstAfterThem                   = lastStateless + 1
)

// rejectStateless answers a CHLO with a small REJ whose token holds what the
// connection needs to go on. Nothing is kept.
func (e *Endpoint) rejectStateless(d *Datagram, id wire.ConnectionID, v wire.Version, chlo hello) Verdict {
	if chlo.offset != 0 {
		return DroppedNoHello
	}
	rej, err := e.host.StatelessReject(nil, chlo.message, d.From.Addr(), id, firstAfterThem, uint64(len(chlo.message)), e.wall())
	if err != nil {
		return DroppedNoHello
	}
	number := min(chlo.packet, lastStateless)
	h := wire.Header{Form: wire.PublicForm, HasConnectionID: true, ConnectionID: id, PacketNumber: number, PacketNumberLen: 2}
	if v.UsesIETFHeader() {
		h = wire.Header{Form: wire.LongForm, Type: wire.Handshake, Version: v, HasConnectionID: true, ConnectionID: id, PacketNumber: number, PacketNumberLen: 4}
	}
	b := h.Append(make([]byte, 0, len(d.Payload)), wire.Server)
	header := len(b)
	b = append(b, make([]byte, nullFromServer.Prefix())...)
	b, _ = wire.AppendAck(b, 0, []wire.AckRange{{Smallest: chlo.packet, Largest: chlo.packet}}, 64)
	b = wire.AppendStreamHeader(b, wire.CryptoStream, 0, len(rej), false, false)
	b = append(b, rej...)
	b = nullFromServer.Seal(&e.scratch, b, header, number)
	if len(b) > len(d.Payload) {
		return DroppedTooSmall
	}
	verdict := e.reply(d, b, Rejected)
	if verdict == Rejected {
		e.statelessUntil = e.now.Add(DefaultHandshakeTimeout) // the client's: all have this one
	}
	return verdict
}

// timeWait remembers the IDs of closed connections, so that late packets are neither
// taken for new connections nor answered every time (reference: connection, section
// 10.6). Entries are kept in the order in which they expire.
type timeWait struct {
	entries queue[closedID]
	first   uint64                       // number of the oldest entry
	byID    map[wire.ConnectionID]uint64 // to the entry's number
}

type closedID struct {
	id      wire.ConnectionID
	expires gquic.Instant
	packets uint32 // that arrived since
	close   []byte // the CONNECTION_CLOSE packet that was sent, nil if none
	told    bool   // the peer knows: it closed the connection itself
}

func (t *timeWait) add(e *Endpoint, c *Conn, close []byte) {
	if t.entries.len() >= e.cfg.MaxTimeWait {
		t.drop()
	}
	_, told := c.err.(*PeerError)
	t.byID[c.id] = t.first + uint64(t.entries.len())
	t.entries.push(closedID{id: c.id, expires: e.now.Add(e.cfg.TimeWait), close: close, told: told})
}

func (t *timeWait) drop() {
	entry, _ := t.entries.pop()
	if t.byID[entry.id] == t.first {
		delete(t.byID, entry.id)
	}
	t.first++
}

func (t *timeWait) expire(now gquic.Instant) {
	for t.entries.len() > 0 && t.entries.at(0).expires <= now {
		t.drop()
	}
}

// packet handles a datagram for a closed connection, if h names one: the first, second,
// fourth, eighth … is answered with the CONNECTION_CLOSE, or with a reset if the
// connection ended without one from either side.
func (t *timeWait) packet(e *Endpoint, d *Datagram, h *wire.Header) (Verdict, bool) {
	number, ok := t.byID[h.ConnectionID]
	if !ok {
		return 0, false
	}
	entry := t.entries.at(int(number - t.first))
	entry.packets++
	switch {
	case bits.OnesCount32(entry.packets) != 1 || len(entry.close) > len(d.Payload)*3:
		return DroppedTimeWait, true
	case entry.close != nil:
		return e.reply(d, entry.close, ClosedAgain), true
	case h.Version == 0 && !entry.told:
		return e.answerReset(d, h), true
	}
	return DroppedTimeWait, true
}

func (t *timeWait) clone() timeWait {
	c := timeWait{entries: t.entries.clone(), first: t.first, byID: make(map[wire.ConnectionID]uint64, len(t.byID))}
	for i := range c.entries.len() {
		c.byID[c.entries.at(i).id] = c.first + uint64(i)
	}
	return c
}

// Packets that come before their CHLO (0-RTT data that overtook it) wait for it: a few
// each for a few connections, and not for long (reference: connection, section 16.2).
const (
	MaxEarlyConnections = 64
	EarlyExpiry         = 5 * time.Second
)

type earlyPackets struct{ waiting []earlyConn }

type earlyConn struct {
	id      wire.ConnectionID
	expires gquic.Instant
	packets []Datagram // with payloads of their own
}

func (w *earlyPackets) keep(e *Endpoint, d *Datagram, id wire.ConnectionID) Verdict {
	i := 0
	for i < len(w.waiting) && w.waiting[i].id != id {
		i++
	}
	if i == len(w.waiting) {
		if i == MaxEarlyConnections {
			return DroppedLimit
		}
		w.waiting = append(w.waiting, earlyConn{id: id, expires: e.now.Add(EarlyExpiry)})
	}
	c := &w.waiting[i]
	if len(c.packets) == MaxKeptPackets {
		return DroppedLimit
	}
	c.packets = append(c.packets, d.copy())
	return Kept
}

func (w *earlyPackets) take(id wire.ConnectionID) []Datagram {
	for i := range w.waiting {
		if w.waiting[i].id == id {
			packets := w.waiting[i].packets
			w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
			return packets
		}
	}
	return nil
}

func (w *earlyPackets) expire(now gquic.Instant) {
	for len(w.waiting) > 0 && w.waiting[0].expires <= now {
		w.waiting = w.waiting[1:]
	}
}

// clone shares the payloads, which nobody writes to.
func (w *earlyPackets) clone() earlyPackets {
	c := earlyPackets{append([]earlyConn(nil), w.waiting...)}
	for i := range c.waiting {
		c.waiting[i].packets = append([]Datagram(nil), c.waiting[i].packets...)
	}
	return c
}

// copy returns d with a payload of its own.
func (d *Datagram) copy() Datagram {
	c := *d
	c.Payload = append([]byte(nil), d.Payload...)
	return c
}
