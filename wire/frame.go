package wire

import (
	"encoding/binary"
	"fmt"
)

// A FrameType is a kind of frame: its type byte, for ACK and STREAM without the bits
// that say how it is coded. (Reference: wire, section 12.)
type FrameType uint8

// The frame types of Q039, Q043 and Q044. STOP_WAITING is none in Q044.
const (
	PaddingType         FrameType = 0x00
	RstStreamType       FrameType = 0x01
	ConnectionCloseType FrameType = 0x02
	GoAwayType          FrameType = 0x03
	WindowUpdateType    FrameType = 0x04
	BlockedType         FrameType = 0x05
	StopWaitingType     FrameType = 0x06
	PingType            FrameType = 0x07
	AckType             FrameType = 0x40
	StreamType          FrameType = 0x80
)

// String returns the name of the type: "RST_STREAM".
func (t FrameType) String() string {
	switch t {
	case PaddingType:
		return "PADDING"
	case RstStreamType:
		return "RST_STREAM"
	case ConnectionCloseType:
		return "CONNECTION_CLOSE"
	case GoAwayType:
		return "GOAWAY"
	case WindowUpdateType:
		return "WINDOW_UPDATE"
	case BlockedType:
		return "BLOCKED"
	case StopWaitingType:
		return "STOP_WAITING"
	case PingType:
		return "PING"
	case AckType:
		return "ACK"
	case StreamType:
		return "STREAM"
	}
	return fmt.Sprintf("frame type 0x%02x", uint8(t))
}

// A Context is what frames need to know of the packet that holds them.
type Context struct {
	Version         Version
	PacketNumber    PacketNumber // in full
	PacketNumberLen int          // in the header: 1, 2, 4 or 6
}

// A Frame is one frame of a payload: a pointer to one of this package's frame structs.
type Frame interface {
	// Append appends the frame to b in the smallest form that holds it.
	Append(b []byte, c *Context) []byte

	// Type returns the kind of frame.
	Type() FrameType

	// Retransmittable reports whether the frame makes its receiver acknowledge the packet,
	// so that what it says can be sent again if the packet is lost. (Reference: wire, section 13.)
	Retransmittable() bool

	// String describes the frame in one line.
	String() string
}

// A Reader walks the frames of a decrypted payload. It owns the frames that it returns:
// each is valid until the next call, and what it holds of the payload (stream data,
// reasons, ranges) aliases that. A Reader is reused with Reset, and allocates only errors.
//
//	r.Reset(payload, context)
//	for {
//		f, err := r.Next()
//		if err != nil { … close with the code of err … }
//		if f == nil { break }
//		switch f := f.(type) { … }
//	}
type Reader struct {
	b   []byte
	pos int
	c   Context

	padding         PaddingFrame
	rstStream       RstStreamFrame
	connectionClose ConnectionCloseFrame
	goAway          GoAwayFrame
	windowUpdate    WindowUpdateFrame
	blocked         BlockedFrame
	stopWaiting     StopWaitingFrame
	ping            PingFrame
	ack             AckFrame
	stream          StreamFrame
}

// Reset begins with the payload of the packet that c describes.
func (r *Reader) Reset(payload []byte, c Context) { r.b, r.pos, r.c = payload, 0, c }

// Offset returns where in the payload the next frame begins.
func (r *Reader) Offset() int { return r.pos }

// Next returns the next frame, or nil, nil at the end of the payload. The error is a
// *ParseError with the code that closes the connection, and further calls return it
// again. A payload without frames is an error too, MISSING_PAYLOAD. A run of PADDING
// is one frame.
func (r *Reader) Next() (Frame, error) {
	b, pos := r.b, r.pos
	if pos >= len(b) {
		if pos == 0 {
			return nil, fail(MissingPayload, 0, "no frames")
		}
		return nil, nil
	}
	var frame Frame
	var end int
	var err error
	switch t := b[pos]; {
	case t&byte(StreamType) != 0:
		frame = &r.stream
		end, err = r.stream.parse(b, pos)
	case t&byte(AckType) != 0:
		frame = &r.ack
		end, err = r.ack.parse(b, pos)
	default:
		frame, end, err = r.control(FrameType(t))
	}
	if err != nil {
		return nil, err
	}
	r.pos = end
	return frame, nil
}

// control reads a frame whose type is the whole type byte.
func (r *Reader) control(t FrameType) (frame Frame, end int, err error) {
	b, pos := r.b, r.pos
	switch t {
	case PaddingType:
		frame = &r.padding
		end = pos + r.padding.parse(b[pos:])
	case RstStreamType:
		frame = &r.rstStream
		end, err = r.rstStream.parse(b, pos)
	case ConnectionCloseType:
		frame = &r.connectionClose
		end, err = r.connectionClose.parse(b, pos)
	case GoAwayType:
		frame = &r.goAway
		end, err = r.goAway.parse(b, pos)
	case WindowUpdateType:
		frame = &r.windowUpdate
		end, err = r.windowUpdate.parse(b, pos)
	case BlockedType:
		frame = &r.blocked
		end, err = r.blocked.parse(b, pos)
	case StopWaitingType:
		frame = &r.stopWaiting
		end, err = r.stopWaiting.parse(b, pos, &r.c)
	case PingType:
		frame = &r.ping
		end = pos + 1
	default:
		err = fail(InvalidFrameData, pos, "unknown frame type")
	}
	return frame, end, err
}

// A PaddingFrame is a run of PADDING, which says nothing.
type PaddingFrame struct {
	Length int // bytes
}

// parse counts the zeros at the start of b.
func (f *PaddingFrame) parse(b []byte) int {
	n := 0
	for len(b)-n >= 8 && binary.NativeEndian.Uint64(b[n:]) == 0 {
		n += 8
	}
	for n < len(b) && b[n] == 0 {
		n++
	}
	f.Length = n
	return n
}

// Append appends Length zeros.
func (f *PaddingFrame) Append(b []byte, _ *Context) []byte {
	var zeros [64]byte
	for n := f.Length; n > 0; n -= len(zeros) {
		b = append(b, zeros[:min(n, len(zeros))]...)
	}
	return b
}

// Type returns PaddingType.
func (*PaddingFrame) Type() FrameType { return PaddingType }

// Retransmittable returns false.
func (*PaddingFrame) Retransmittable() bool { return false }

// String returns "PADDING 7".
func (f *PaddingFrame) String() string { return fmt.Sprintf("PADDING %d", f.Length) }

// A PingFrame asks for an acknowledgement and nothing else.
type PingFrame struct{}

// Append appends the frame, one byte.
func (*PingFrame) Append(b []byte, _ *Context) []byte { return append(b, byte(PingType)) }

// Type returns PingType.
func (*PingFrame) Type() FrameType { return PingType }

// Retransmittable returns true.
func (*PingFrame) Retransmittable() bool { return true }

// String returns "PING".
func (*PingFrame) String() string { return "PING" }
