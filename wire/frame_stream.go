package wire

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// MaxStreamDataLen is the most bytes of data that a STREAM frame can hold.
const MaxStreamDataLen = 1<<16 - 1

// The type byte of a STREAM frame. (Reference: wire, section 12.2.)
const (
	streamFin        = 0x40
	streamLength     = 0x20
	streamOffsetBits = 0x1c // code of the offset's size: 0, or size - 1
	streamIDBits     = 0x03 // size of the ID - 1
)

// A StreamFrame carries data of a stream.
//
//	type 1 | stream ID 1 to 4 | offset 0, 2 to 8 | data length 0 or 2 | data
type StreamFrame struct {
	StreamID  StreamID
	Offset    uint64 // of Data in the stream
	Fin       bool   // the stream ends with Data
	HasLength bool   // the length of Data is stated; else Data runs to the end of the packet
	Data      []byte // at most MaxStreamDataLen; aliases the packet when parsed
}

func (f *StreamFrame) parse(b []byte, pos int) (end int, err error) {
	t := b[pos]
	idLen := int(t&streamIDBits) + 1
	offsetLen := int(t & streamOffsetBits >> 2)
	if offsetLen > 0 {
		offsetLen++
	}
	p := pos + 1 + idLen + offsetLen
	data := p
	if t&streamLength != 0 {
		data += 2
	}
	if len(b) < data {
		return 0, fail(InvalidStreamData, pos, "STREAM cut")
	}
	f.StreamID = StreamID(uintN(b[pos+1:], idLen))
	f.Offset = uintN(b[pos+1+idLen:], offsetLen)
	f.Fin = t&streamFin != 0
	f.HasLength = t&streamLength != 0

	n := len(b) - data
	if f.HasLength {
		stated := int(binary.BigEndian.Uint16(b[p:]))
		if stated > n {
			return 0, fail(InvalidStreamData, p, "STREAM data cut")
		}
		n = stated
	} else if n > MaxStreamDataLen {
		return 0, fail(InvalidStreamData, p, "too much STREAM data")
	}
	end = data + n
	f.Data = b[data:end:end]

	switch {
	case f.StreamID == 0:
		return 0, fail(InvalidStreamID, pos, "STREAM on stream 0")
	case n == 0 && !f.Fin:
		return 0, fail(EmptyStreamFrameNoFin, pos, "STREAM without data and FIN")
	case f.Offset > MaxByteOffset-uint64(n):
		return 0, fail(StreamLengthOverflow, pos, "STREAM past the largest offset")
	}
	return end, nil
}

// StreamHeaderLen returns how many bytes AppendStreamHeader appends.
func StreamHeaderLen(id StreamID, offset uint64, hasLength bool) int {
	n := 1 + streamIDLen(id) + streamOffsetLen(offset)
	if hasLength {
		n += 2
	}
	return n
}

// AppendStreamHeader appends what comes before the data in a STREAM frame. The caller
// then appends the dataLen bytes of data, at most MaxStreamDataLen; and nothing more to
// the packet if hasLength is false.
func AppendStreamHeader(b []byte, id StreamID, offset uint64, dataLen int, fin, hasLength bool) []byte {
	idLen, offsetLen := streamIDLen(id), streamOffsetLen(offset)
	t := byte(StreamType) | byte(idLen-1)
	if offsetLen > 0 {
		t |= byte(offsetLen-1) << 2
	}
	if fin {
		t |= streamFin
	}
	if hasLength {
		t |= streamLength
	}
	b = append(b, t)
	b = appendUintN(b, uint64(id), idLen)
	b = appendUintN(b, offset, offsetLen)
	if hasLength {
		b = binary.BigEndian.AppendUint16(b, uint16(dataLen))
	}
	return b
}

// streamIDLen returns 1 to 4.
func streamIDLen(id StreamID) int { return (bits.Len32(uint32(id)|1) + 7) / 8 }

// streamOffsetLen returns 0 or 2 to 8: there is no size of 1.
func streamOffsetLen(offset uint64) int {
	if offset == 0 {
		return 0
	}
	return max((bits.Len64(offset)+7)/8, 2)
}

// Append appends the frame.
func (f *StreamFrame) Append(b []byte, _ *Context) []byte {
	b = AppendStreamHeader(b, f.StreamID, f.Offset, len(f.Data), f.Fin, f.HasLength)
	return append(b, f.Data...)
}

// Type returns StreamType.
func (*StreamFrame) Type() FrameType { return StreamType }

// Retransmittable returns true.
func (*StreamFrame) Retransmittable() bool { return true }

// String returns "STREAM 5 [0,1350) fin": the bytes from 0 up to 1350.
func (f *StreamFrame) String() string {
	s := fmt.Sprintf("STREAM %d [%d,%d)", f.StreamID, f.Offset, f.Offset+uint64(len(f.Data)))
	if f.Fin {
		s += " fin"
	}
	return s
}
