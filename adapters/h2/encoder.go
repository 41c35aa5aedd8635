package h2

import (
	"bytes"
	"fmt"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/wire"
)

// An Encoder builds the frames that one side sends on the headers stream. It keeps the
// HPACK context of that direction: frames must be sent in the order in which they were
// built, each of them. It is a state machine without I/O.
type Encoder struct {
	block bytes.Buffer
	hpack *hpack.Encoder
	limit uint64 // the peer's header list size; 0: not known
}

// maxEncoderTable is the most of the peer's HPACK table that the Encoder makes use of:
// the default of HTTP/2. A larger one would only cost memory.
const maxEncoderTable = 4096

// NewEncoder returns an Encoder with HTTP/2's defaults.
func NewEncoder() *Encoder {
	e := new(Encoder)
	e.hpack = hpack.NewEncoder(&e.block)
	e.hpack.SetMaxDynamicTableSizeLimit(maxEncoderTable)
	return e
}

// Apply takes a setting of the peer into account.
func (e *Encoder) Apply(s Setting) {
	switch s.ID {
	case SettingHeaderTableSize:
		e.hpack.SetMaxDynamicTableSize(min(s.Value, maxEncoderTable))
	case SettingMaxHeaderListSize:
		e.limit = uint64(s.Value)
	}
}

// A ListSizeError says that a header list is larger than the peer takes. Nothing was
// encoded.
type ListSizeError struct{ Size, Limit uint64 }

func (e *ListSizeError) Error() string {
	return fmt.Sprintf("the headers have %d bytes, the peer takes %d", e.Size, e.Limit)
}

// AppendHeaders appends one HEADERS frame with all fields, whose names must be in lower
// case, and pseudo-headers first. end says that no body follows. A client gives a
// priority, a server the zero one. The error is a *[ListSizeError].
func (e *Encoder) AppendHeaders(b []byte, id wire.StreamID, fields []hpack.HeaderField, end bool, p Priority) ([]byte, error) {
	size := ListSize(fields)
	// The worst that Huffman coding leaves is less than the list's own count of bytes.
	if limit := e.limit; limit != 0 && size > limit || size > maxFrameLen-priorityLen {
		if limit == 0 {
			limit = maxFrameLen - priorityLen
		}
		return b, &ListSizeError{size, limit}
	}
	e.block.Reset()
	for _, f := range fields {
		e.hpack.WriteField(f) // a bytes.Buffer takes everything
	}
	flags, length := byte(flagEndHeaders), e.block.Len()
	if end {
		flags |= flagEndStream
	}
	if p.Weight != 0 {
		flags |= flagPriority
		length += priorityLen
	}
	b = appendFrameHeader(b, length, frameHeaders, flags, id)
	if p.Weight != 0 {
		b = appendPriority(b, p)
	}
	b = append(b, e.block.Bytes()...)
	if e.block.Cap() > 64<<10 { // one large list should not be paid for ever after
		e.block = bytes.Buffer{}
	}
	return b, nil
}
