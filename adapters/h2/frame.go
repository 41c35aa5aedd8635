package h2

import (
	"fmt"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/wire"
)

// The HTTP/2 frame types that occur on the headers stream (RFC 7540, section 6). The
// others have no place there: QUIC's own frames do their work.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameRstStream    = 0x3
	frameSettings     = 0x4
	framePushPromise  = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9
)

const (
	flagEndStream  = 0x01 // HEADERS
	flagAck        = 0x01 // SETTINGS
	flagEndHeaders = 0x04
	flagPadded     = 0x08
	flagPriority   = 0x20

	frameHeaderLen = 9
	priorityLen    = 5
	settingLen     = 6

	maxFrameLen = 1<<24 - 1 // what the length field can say; no smaller limit is agreed on
)

// A SettingID names a setting (RFC 7540, section 6.5.2).
type SettingID uint16

// The settings that mean something on the headers stream (reference: connection,
// section 17.3).
const (
	SettingHeaderTableSize      SettingID = 1 // bytes of the HPACK table that its sender decodes with
	SettingEnablePush           SettingID = 2 // 0: its sender, a client, wants no pushes
	SettingMaxConcurrentStreams SettingID = 3 // not used: an error
	SettingInitialWindowSize    SettingID = 4 // not used: an error
	SettingMaxFrameSize         SettingID = 5 // not used: an error
	SettingMaxHeaderListSize    SettingID = 6 // bytes of the largest header list that its sender takes
)

// A Setting is one entry of a SETTINGS frame.
type Setting struct {
	ID    SettingID
	Value uint32
}

// Priority are the priority fields of HEADERS and PRIORITY frames. Only the weight means
// something in gQUIC (reference: connection, section 17.4).
type Priority struct {
	DependsOn wire.StreamID
	Exclusive bool
	Weight    int // 1 to 256; 0 stands for no priority fields
}

// DefaultPriority is the middle of SPDY's classes: the weight of class 3, which browsers
// give to what they load for a page.
var DefaultPriority = Priority{Weight: 147}

func appendFrameHeader(b []byte, length int, kind, flags byte, id wire.StreamID) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), kind, flags,
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

func appendPriority(b []byte, p Priority) []byte {
	d := uint32(p.DependsOn)
	if p.Exclusive {
		d |= 1 << 31
	}
	return append(b, byte(d>>24), byte(d>>16), byte(d>>8), byte(d), byte(p.Weight-1))
}

func parsePriority(b []byte) Priority {
	d := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return Priority{DependsOn: wire.StreamID(d &^ (1 << 31)), Exclusive: d>>31 != 0, Weight: int(b[4]) + 1}
}

// AppendPriority appends a PRIORITY frame, which only a client sends.
func AppendPriority(b []byte, id wire.StreamID, p Priority) []byte {
	return appendPriority(appendFrameHeader(b, priorityLen, framePriority, 0, id), p)
}

// AppendSettings appends a SETTINGS frame. It may be sent only to a peer whose hello had
// SMHL (handshake.Params.HeaderListSize).
func AppendSettings(b []byte, settings ...Setting) []byte {
	b = appendFrameHeader(b, len(settings)*settingLen, frameSettings, 0, 0)
	for _, s := range settings {
		b = append(b, byte(s.ID>>8), byte(s.ID), byte(s.Value>>24), byte(s.Value>>16), byte(s.Value>>8), byte(s.Value))
	}
	return b
}

// ListSize is the size of a header list as the limits count it: the bytes of names and
// values, and 32 for each field (RFC 7540, section 6.5.2).
func ListSize(fields []hpack.HeaderField) (n uint64) {
	for _, f := range fields {
		n += uint64(f.Size())
	}
	return n
}

// An Error is a fault on the headers stream with which the connection is to be closed.
type Error struct {
	Code wire.ErrorCode
	What string
}

func (e *Error) Error() string { return fmt.Sprintf("headers stream: %s (%v)", e.What, e.Code) }

// misframed is a breach of the framing (reference: connection, section 17.1).
func misframed(format string, args ...any) error {
	return &Error{wire.InvalidHeadersStreamData, fmt.Sprintf(format, args...)}
}

// Fields makes a header list of names and values in turn.
func Fields(pairs ...string) []hpack.HeaderField {
	list := make([]hpack.HeaderField, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}
