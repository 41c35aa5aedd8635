package wire

import (
	"encoding/binary"
	"fmt"
)

// The small frames, all with fields of fixed size. (Reference: wire, section 12.1.)

// Lengths of frames in bytes, type byte included; those with a reason without it.
const (
	RstStreamLen       = 17
	ConnectionCloseLen = 7
	GoAwayLen          = 11
	WindowUpdateLen    = 13
	BlockedLen         = 5
	PingLen            = 1
)

// MaxReasonLen is the most bytes of a reason that a frame can hold. Chromium sends no
// more than 256.
const MaxReasonLen = 1<<16 - 1

// A RstStreamFrame ends a stream, in both directions, before its end.
type RstStreamFrame struct {
	StreamID StreamID
	Offset   uint64 // bytes that the sender has sent on the stream: its final size
	Code     StreamErrorCode
}

func (f *RstStreamFrame) parse(b []byte, pos int) (end int, err error) {
	if len(b)-pos < RstStreamLen {
		return 0, fail(InvalidRstStreamData, pos, "RST_STREAM cut")
	}
	f.StreamID = StreamID(binary.BigEndian.Uint32(b[pos+1:]))
	f.Offset = binary.BigEndian.Uint64(b[pos+5:])
	f.Code = StreamErrorCode(binary.BigEndian.Uint32(b[pos+13:]))
	switch {
	case f.StreamID == 0:
		return 0, fail(InvalidStreamID, pos, "RST_STREAM on stream 0")
	case f.Offset > MaxByteOffset:
		return 0, fail(StreamLengthOverflow, pos, "RST_STREAM past the largest offset")
	}
	return pos + RstStreamLen, nil
}

// Append appends the frame, RstStreamLen bytes.
func (f *RstStreamFrame) Append(b []byte, _ *Context) []byte {
	b = append(b, byte(RstStreamType))
	b = binary.BigEndian.AppendUint32(b, uint32(f.StreamID))
	b = binary.BigEndian.AppendUint64(b, f.Offset)
	return binary.BigEndian.AppendUint32(b, uint32(f.Code))
}

// Type returns RstStreamType.
func (*RstStreamFrame) Type() FrameType { return RstStreamType }

// Retransmittable returns true.
func (*RstStreamFrame) Retransmittable() bool { return true }

// String returns "RST_STREAM 5 at 1234 code 6 STREAM_CANCELLED".
func (f *RstStreamFrame) String() string {
	return fmt.Sprintf("RST_STREAM %d at %d code %d %s", f.StreamID, f.Offset, uint32(f.Code), f.Code)
}

// A ConnectionCloseFrame ends the connection. Nothing that follows it counts.
type ConnectionCloseFrame struct {
	Code   ErrorCode
	Reason []byte // text for people; at most MaxReasonLen is sent; aliases the packet when parsed
}

func (f *ConnectionCloseFrame) parse(b []byte, pos int) (end int, err error) {
	if len(b)-pos < ConnectionCloseLen {
		return 0, fail(InvalidConnectionCloseData, pos, "CONNECTION_CLOSE cut")
	}
	f.Code = ErrorCode(binary.BigEndian.Uint32(b[pos+1:]))
	var ok bool
	if f.Reason, end, ok = parseReason(b, pos+5); !ok {
		return 0, fail(InvalidConnectionCloseData, pos+5, "reason of CONNECTION_CLOSE cut")
	}
	return end, nil
}

// Append appends the frame, ConnectionCloseLen bytes and the reason.
func (f *ConnectionCloseFrame) Append(b []byte, _ *Context) []byte {
	b = append(b, byte(ConnectionCloseType))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Code))
	return appendReason(b, f.Reason)
}

// Type returns ConnectionCloseType.
func (*ConnectionCloseFrame) Type() FrameType { return ConnectionCloseType }

// Retransmittable returns true.
func (*ConnectionCloseFrame) Retransmittable() bool { return true }

// String returns `CONNECTION_CLOSE 16 PEER_GOING_AWAY "bye"`.
func (f *ConnectionCloseFrame) String() string {
	return fmt.Sprintf("CONNECTION_CLOSE %d %s", uint32(f.Code), f.Code) + quoteReason(f.Reason)
}

// A GoAwayFrame asks the peer to open no more streams. quic-go closes the connection
// when it gets one.
type GoAwayFrame struct {
	Code           ErrorCode
	LastGoodStream StreamID // the last of the peer's streams that is dealt with
	Reason         []byte   // text for people; at most MaxReasonLen is sent; aliases the packet when parsed
}

func (f *GoAwayFrame) parse(b []byte, pos int) (end int, err error) {
	if len(b)-pos < GoAwayLen {
		return 0, fail(InvalidGoawayData, pos, "GOAWAY cut")
	}
	f.Code = ErrorCode(binary.BigEndian.Uint32(b[pos+1:]))
	f.LastGoodStream = StreamID(binary.BigEndian.Uint32(b[pos+5:]))
	var ok bool
	if f.Reason, end, ok = parseReason(b, pos+9); !ok {
		return 0, fail(InvalidGoawayData, pos+9, "reason of GOAWAY cut")
	}
	return end, nil
}

// Append appends the frame, GoAwayLen bytes and the reason.
func (f *GoAwayFrame) Append(b []byte, _ *Context) []byte {
	b = append(b, byte(GoAwayType))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Code))
	b = binary.BigEndian.AppendUint32(b, uint32(f.LastGoodStream))
	return appendReason(b, f.Reason)
}

// Type returns GoAwayType.
func (*GoAwayFrame) Type() FrameType { return GoAwayType }

// Retransmittable returns true.
func (*GoAwayFrame) Retransmittable() bool { return true }

// String returns `GOAWAY 16 PEER_GOING_AWAY last 7 "bye"`.
func (f *GoAwayFrame) String() string {
	return fmt.Sprintf("GOAWAY %d %s last %d", uint32(f.Code), f.Code, f.LastGoodStream) + quoteReason(f.Reason)
}

// parseReason reads a length of two bytes at p, which are there, and as much text.
func parseReason(b []byte, p int) (reason []byte, end int, ok bool) {
	end = p + 2 + int(binary.BigEndian.Uint16(b[p:]))
	if end > len(b) {
		return nil, 0, false
	}
	return b[p+2 : end : end], end, true
}

func appendReason(b, reason []byte) []byte {
	reason = reason[:min(len(reason), MaxReasonLen)]
	b = binary.BigEndian.AppendUint16(b, uint16(len(reason)))
	return append(b, reason...)
}

func quoteReason(reason []byte) string {
	if len(reason) == 0 {
		return ""
	}
	return fmt.Sprintf(" %q", reason)
}

// A WindowUpdateFrame lets the peer send more, on a stream or in all.
type WindowUpdateFrame struct {
	StreamID StreamID // or ConnectionStream
	Offset   uint64   // the peer may send up to here
}

func (f *WindowUpdateFrame) parse(b []byte, pos int) (end int, err error) {
	if len(b)-pos < WindowUpdateLen {
		return 0, fail(InvalidWindowUpdateData, pos, "WINDOW_UPDATE cut")
	}
	f.StreamID = StreamID(binary.BigEndian.Uint32(b[pos+1:]))
	f.Offset = binary.BigEndian.Uint64(b[pos+5:])
	return pos + WindowUpdateLen, nil
}

// Append appends the frame, WindowUpdateLen bytes.
func (f *WindowUpdateFrame) Append(b []byte, _ *Context) []byte {
	b = append(b, byte(WindowUpdateType))
	b = binary.BigEndian.AppendUint32(b, uint32(f.StreamID))
	return binary.BigEndian.AppendUint64(b, f.Offset)
}

// Type returns WindowUpdateType.
func (*WindowUpdateFrame) Type() FrameType { return WindowUpdateType }

// Retransmittable returns true.
func (*WindowUpdateFrame) Retransmittable() bool { return true }

// String returns "WINDOW_UPDATE 5 to 32768", or "connection" for the number 5.
func (f *WindowUpdateFrame) String() string {
	return fmt.Sprintf("WINDOW_UPDATE %s to %d", scope(f.StreamID), f.Offset)
}

// A BlockedFrame says that its sender has more to send than it may, on a stream or in all.
type BlockedFrame struct {
	StreamID StreamID // or ConnectionStream
}

func (f *BlockedFrame) parse(b []byte, pos int) (end int, err error) {
	if len(b)-pos < BlockedLen {
		return 0, fail(InvalidBlockedData, pos, "BLOCKED cut")
	}
	f.StreamID = StreamID(binary.BigEndian.Uint32(b[pos+1:]))
	return pos + BlockedLen, nil
}

// Append appends the frame, BlockedLen bytes.
func (f *BlockedFrame) Append(b []byte, _ *Context) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(BlockedType)), uint32(f.StreamID))
}

// Type returns BlockedType.
func (*BlockedFrame) Type() FrameType { return BlockedType }

// Retransmittable returns true.
func (*BlockedFrame) Retransmittable() bool { return true }

// String returns "BLOCKED 5", or "BLOCKED connection".
func (f *BlockedFrame) String() string { return "BLOCKED " + scope(f.StreamID) }

// scope names what a frame of flow control is about.
func scope(id StreamID) string {
	if id == ConnectionStream {
		return "connection"
	}
	return fmt.Sprint(uint32(id))
}

// A StopWaitingFrame says that its sender waits no more for acknowledgements below a
// packet number. Only Q039 and Q043 have it.
//
//	type 1 | header's packet number - least unacknowledged: as long as the number in the header
type StopWaitingFrame struct {
	LeastUnacked PacketNumber
}

func (f *StopWaitingFrame) parse(b []byte, pos int, c *Context) (end int, err error) {
	if !c.Version.HasStopWaiting() {
		return 0, fail(InvalidStopWaitingData, pos, "STOP_WAITING in a version without it")
	}
	n := int(sizes[numberCode(c.PacketNumberLen)])
	if len(b)-pos < 1+n {
		return 0, fail(InvalidStopWaitingData, pos, "STOP_WAITING cut")
	}
	delta := PacketNumber(uintN(b[pos+1:], n))
	if delta >= c.PacketNumber {
		return 0, fail(InvalidStopWaitingData, pos+1, "STOP_WAITING below packet 1")
	}
	f.LeastUnacked = c.PacketNumber - delta
	return pos + 1 + n, nil
}

// AppendStopWaiting appends a STOP_WAITING frame of 1 + c.PacketNumberLen bytes. It
// appends nothing where the version has no such frame, or where the number cannot be
// said in this packet: it must be from 1 to the packet's own, and the header's packet
// number length large enough for the distance, as PacketNumberLen(pn, leastUnacked) is.
func AppendStopWaiting(b []byte, c *Context, leastUnacked PacketNumber) []byte {
	n := int(sizes[numberCode(c.PacketNumberLen)])
	delta := c.PacketNumber - leastUnacked
	if !c.Version.HasStopWaiting() || leastUnacked == 0 || leastUnacked > c.PacketNumber || delta>>(8*n) != 0 {
		return b
	}
	return appendUintN(append(b, byte(StopWaitingType)), uint64(delta), n)
}

// Append appends what AppendStopWaiting does.
func (f *StopWaitingFrame) Append(b []byte, c *Context) []byte {
	return AppendStopWaiting(b, c, f.LeastUnacked)
}

// Type returns StopWaitingType.
func (*StopWaitingFrame) Type() FrameType { return StopWaitingType }

// Retransmittable returns false.
func (*StopWaitingFrame) Retransmittable() bool { return false }

// String returns "STOP_WAITING 12".
func (f *StopWaitingFrame) String() string { return fmt.Sprintf("STOP_WAITING %d", f.LeastUnacked) }
