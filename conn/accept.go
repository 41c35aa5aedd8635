package conn

import (
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// maxFirstPacket is the largest packet number with which a client may appear, as in
// Chromium's dispatcher (reference: connection, section 1).
const maxFirstPacket = 100

// A hello is a whole CHLO as it was found in a packet.
type hello struct {
	message []byte // aliases the decrypted packet
	offset  uint64 // on the crypto stream
	packet  wire.PacketNumber
}

var (
	nullFromClient = handshake.NewNull(wire.Client)
	nullFromServer = handshake.NewNull(wire.Server)
)

// accept begins a connection with the packet d if it holds a CHLO, or answers it
// without keeping anything. h is its parsed header.
func (e *Endpoint) accept(d *Datagram, h *wire.Header, v wire.Version) (Handle, Verdict) {
	hello, found, opened := e.findHello(d.Payload, h, v)
	switch {
	case !found && h.Version == 0:
		return Handle{}, e.answerReset(d, h)
	case !found && opened:
		return Handle{}, DroppedNoHello
	case !found:
		return Handle{}, e.early.keep(e, d, h.ConnectionID)
	case len(hello.message) < handshake.MinCHLOSize && len(d.Payload) < MinDatagramSize:
		return Handle{}, DroppedTooSmall // else the answer could be larger than the question
	}
	addr, id := d.From.Addr(), h.ConnectionID
	resume, resumed := e.host.OpenResume(hello.message, addr, id, e.wall())
	switch {
	case resumed && hello.offset != resume.ClientOffset, !resumed && hello.offset != 0:
		return Handle{}, DroppedNoHello
	case !resumed && h.Version == 0:
		return Handle{}, e.answerReset(d, h)
	case !resumed && e.stateless(&hello) && !e.host.TokenValid(hello.message, addr, e.wall()):
		return Handle{}, e.rejectStateless(d, id, v, hello)
	case e.stats.Connections >= e.cfg.MaxConnections:
		return Handle{}, DroppedLimit
	}
	c := e.newServerConn(d, id, v)
	if resumed {
		c.resumeFrom(resume)
	}
	e.stats.Accepted++
	c.receive(d)
	e.settle(c)
	for _, p := range e.early.take(id) {
		c.receive(&p)
		e.settle(c)
	}
	return c.handle, Created
}

// stateless reports whether a client without a valid token gets no state: always, or while
// too many have some; and if this may be a CHLO again that was answered so while it was. Its
// client may have that answer, and another at the same place would confuse it.
func (e *Endpoint) stateless(h *hello) bool {
	return e.cfg.AlwaysStateless || e.halfOpen >= e.cfg.MaxHalfOpen || h.packet > 1 && e.now < e.statelessUntil
}

// findHello opens a client's packet as one without encryption, and looks for a whole
// CHLO in it: a CHLO is never split over packets (reference: connection, section 16.3).
// opened says that it needs no key.
func (e *Endpoint) findHello(packet []byte, h *wire.Header, v wire.Version) (_ hello, found, opened bool) {
	plain, err := nullFromClient.Open(&e.scratch, e.plain[:0], packet, h.Len, 0)
	if err != nil {
		return hello{}, false, false
	}
	number := wire.DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, 0)
	if number == 0 || number > maxFirstPacket {
		return hello{}, false, true
	}
	e.reader.Reset(plain, wire.Context{Version: v, PacketNumber: number, PacketNumberLen: h.PacketNumberLen})
	for {
		f, err := e.reader.Next()
		if f == nil || err != nil {
			return hello{}, false, true
		}
		s, ok := f.(*wire.StreamFrame)
		if !ok || s.StreamID != wire.CryptoStream {
			continue
		}
		n, err := e.parsed.Parse(s.Data)
		if err != nil || e.parsed.Tag != handshake.CHLO {
			return hello{}, false, true
		}
		return hello{s.Data[:n], s.Offset, number}, true, true
	}
}
