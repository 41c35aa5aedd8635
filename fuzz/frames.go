package fuzz

import (
	"slices"
	"time"

	"example.com/gquic/wire"
)

// A Hint is what a generator of frames may know about a connection, so that what it makes
// is near to what matters: existing streams, numbers in flight, offsets at a limit.
type Hint struct {
	Streams []wire.StreamID   // that exist, or could
	Sent    wire.PacketNumber // the peer's largest packet number, which an ACK may name
	Offset  uint64            // where something interesting lies on a stream
}

// Frame makes a frame from the input: of any kind, with values that are likely to mean
// something. What it returns can be appended; whether it is legal is another question.
func (in *Input) Frame(h *Hint) wire.Frame {
	switch in.Byte() % 16 {
	case 0:
		return &wire.PaddingFrame{Length: 1 + in.Below(40)}
	case 1:
		return &wire.RstStreamFrame{StreamID: in.stream(h), Offset: in.offset(h), Code: wire.StreamErrorCode(in.Number())}
	case 2:
		return &wire.ConnectionCloseFrame{Code: wire.ErrorCode(in.Number()), Reason: in.Bytes(in.Below(20))}
	case 3:
		return &wire.GoAwayFrame{Code: wire.ErrorCode(in.Number()), LastGoodStream: in.stream(h), Reason: in.Bytes(in.Below(20))}
	case 4, 5:
		return &wire.WindowUpdateFrame{StreamID: in.stream(h), Offset: in.offset(h)}
	case 6:
		return &wire.BlockedFrame{StreamID: in.stream(h)}
	case 7:
		return &wire.StopWaitingFrame{LeastUnacked: wire.PacketNumber(in.Number())}
	case 8:
		return &wire.PingFrame{}
	case 9, 10, 11:
		return in.ack(h)
	}
	f := &wire.StreamFrame{StreamID: in.stream(h), Offset: in.offset(h)}
	flags := in.Byte()
	f.HasLength, f.Fin = true, flags&1 != 0
	f.Data = filler[:int(flags>>1)*8]
	if !f.Fin && len(f.Data) == 0 {
		f.Data = filler[:1]
	}
	return f
}

// filler is the data of generated STREAM frames: its content does not matter.
var filler [1024]byte

func (in *Input) stream(h *Hint) wire.StreamID {
	c := in.Byte()
	if int(c) < len(h.Streams)*24 {
		return h.Streams[int(c)%len(h.Streams)]
	}
	if c < 0xf0 {
		return wire.StreamID(c & 0x0f)
	}
	return wire.StreamID(in.Number())
}

func (in *Input) offset(h *Hint) uint64 {
	switch c := in.Byte(); {
	case c < 0x60:
		return uint64(c) * 8
	case c < 0x90:
		return h.Offset
	case c < 0xb0:
		return h.Offset + uint64(c-0xa0)
	}
	return in.Number()
}

// ack makes an ACK of up to eight ranges below a largest near what was sent.
func (in *Input) ack(h *Hint) wire.Frame {
	c := in.Byte()
	largest := h.Sent
	switch {
	case c < 0x80:
		largest -= min(largest, wire.PacketNumber(c&0x0f))
	case c < 0xc0:
		largest += wire.PacketNumber(c & 3)
	default:
		largest = wire.PacketNumber(in.Number())
	}
	largest = min(max(largest, 1), wire.MaxPacketNumber)
	ranges := make([]wire.AckRange, 0, 8)
	for range 1 + in.Below(8) {
		length := 1 + wire.PacketNumber(in.Byte()&0x0f)
		smallest := largest - min(largest-1, length-1)
		ranges = append(ranges, wire.AckRange{Smallest: smallest, Largest: largest})
		gap := 2 + wire.PacketNumber(in.Byte()&0x07)
		if smallest <= gap {
			break
		}
		largest = smallest - gap
	}
	return wire.NewAckFrame(time.Duration(in.Uint(2))*time.Microsecond, ranges...)
}

// Payload appends a payload of up to max bytes to b: frames, and now and then raw bytes.
func (in *Input) Payload(b []byte, c *wire.Context, h *Hint, max int) []byte {
	end := len(b) + max
	for range 1 + in.Below(6) {
		before := len(b)
		if in.Byte() >= 0xf8 {
			b = append(b, in.Bytes(1+in.Below(24))...)
		} else {
			b = in.Frame(h).Append(b, c)
		}
		if len(b) > end {
			return b[:before]
		}
		if in.Empty() {
			break
		}
	}
	return b
}

// Mutate changes b by what the input says: bytes set, cut, doubled, inserted. It returns
// a new slice.
func (in *Input) Mutate(b []byte) []byte {
	b = slices.Clone(b)
	for range in.Below(4) {
		if len(b) == 0 {
			return b
		}
		at := in.Below(len(b))
		switch in.Byte() % 8 {
		case 0, 1:
			b[at] ^= 1 << (in.Byte() & 7)
		case 2, 3:
			b[at] = in.Byte()
		case 4:
			b = b[:at]
		case 5:
			b = slices.Delete(b, at, min(len(b), at+1+in.Below(16)))
		case 6:
			b = slices.Insert(b, at, in.Bytes(1+in.Below(16))...)
		case 7:
			b = slices.Insert(b, at, slices.Clone(b[at:min(len(b), at+1+in.Below(32))])...)
		}
	}
	return b
}
