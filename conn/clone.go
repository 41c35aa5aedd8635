package conn

import (
	"maps"
	"slices"

	"example.com/gquic/conn/recovery"
	"example.com/gquic/conn/stream"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Clone returns a copy of the endpoint with all its connections, at any moment. Given
// the same inputs from here on, both give the same outputs. Nothing is shared but what
// never changes: the configuration, keys, and the payloads of waiting datagrams.
func (e *Endpoint) Clone() *Endpoint {
	d := *e
	d.pool = stream.Pool{}
	d.header, d.reader, d.report, d.build = wire.Header{}, wire.Reader{}, recovery.Report{}, packetBuilder{}
	d.parsed = handshake.Message{}
	d.byID = maps.Clone(e.byID)
	d.byAddr = maps.Clone(e.byAddr)
	d.free = slices.Clone(e.free)
	d.timers.heap = slices.Clone(e.timers.heap)
	d.ready = e.ready.clone()
	d.events = e.events.clone()
	d.replies = e.replies.clone()
	d.timeWait = e.timeWait.clone()
	d.early = e.early.clone()
	if e.host != nil {
		d.host = e.host.Clone()
	}
	d.slots = slices.Clone(e.slots)
	for i := range d.slots {
		if c := d.slots[i].conn; c != nil {
			d.slots[i].conn = c.clone(&d)
		}
	}
	return &d
}

func (c *Conn) clone(e *Endpoint) *Conn {
	d := *c
	d.e = e
	if c.client != nil {
		d.client = c.client.Clone()
	}
	if c.hs != nil {
		hs := *c.hs
		hs.kept = slices.Clone(c.hs.kept)
		if hs.server != nil {
			hs.server = hs.server.Clone(e.host)
		}
		d.hs = &hs
	}
	d.crypto.send, d.crypto.recv = c.crypto.send.Clone(), c.crypto.recv.Clone()
	d.crypto.levels = slices.Clone(c.crypto.levels)
	d.acks = c.acks.Clone()
	d.detector = c.detector.Clone()
	d.controller = c.controller.Clone()
	d.frames.frames = c.frames.frames.clone()
	t := &d.streams
	t.lastFound = nil
	t.skipped = slices.Clone(t.skipped)
	t.active, t.control = t.active.clone(), t.control.clone()
	t.all = slices.Clone(t.all)
	for i, s := range t.all {
		copied := *s
		copied.send, copied.recv = s.send.Clone(), s.recv.Clone()
		t.all[i] = &copied
	}
	return &d
}
