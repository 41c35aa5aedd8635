package conn

import (
	"example.com/gquic"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Inject builds a packet that looks like one of c's, with frames of the test's choice:
// misbehaviour of a peer that owns the keys. With number 0 the packet takes c's next
// number, and c remembers it as sent; with another it knows nothing of it.
func (c *Conn) Inject(now gquic.Instant, level handshake.Level, number wire.PacketNumber, frames func(*wire.Context) []byte) []byte {
	c.e.advance(now)
	var p packetBuilder
	seal := c.seal
	if seal[level] == nil && level == handshake.LevelNull {
		c.seal[level] = nullFromClient
		if c.side == wire.Server {
			c.seal[level] = nullFromServer
		}
	}
	defer func() { c.seal = seal }()
	if c.seal[level] == nil {
		return nil
	}
	if number != 0 {
		var h wire.Header
		c.setHeader(&h, level, number)
		b := h.Append(make([]byte, 0, MaxReceivedSize), c.side)
		header := len(b)
		b = append(b, make([]byte, c.seal[level].Prefix())...)
		b = append(b, frames(&wire.Context{Version: c.version, PacketNumber: number, PacketNumberLen: h.PacketNumberLen})...)
		return c.seal[level].Seal(&c.e.scratch, b, header, number)
	}
	p.begin(c, make([]byte, 0, 2*MaxReceivedSize), level, MaxReceivedSize)
	before := len(p.b)
	p.b = append(p.b, frames(&p.context)...)
	var r wire.Reader
	r.Reset(p.b[before:], p.context)
	for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
		if f.Retransmittable() {
			p.carry(c, sentPing, wire.ConnectionStream)
		}
	}
	b := c.finish(&p)
	c.e.settle(c)
	return b
}

// CryptoEnd returns the offset behind everything written on the crypto stream.
func (c *Conn) CryptoEnd() uint64 { return c.crypto.send.WrittenEnd() }

// Crowd adds n idle connections that are copies of h but for their IDs.
func (e *Endpoint) Crowd(h Handle, n int) {
	for i := range n {
		d := e.Conn(h).clone(e)
		d.id = wire.ConnectionID{1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		d.queued = false
		e.add(d)
		e.byID[d.id] = d.handle.index
		d.rest()
		e.schedule(d)
	}
}

// Stored is how many bytes of streams were copied into buffers.
func (e *Endpoint) Stored() uint64 { return e.pool.Stored() }
