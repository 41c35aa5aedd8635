package h2

import (
	"golang.org/x/net/http2/hpack"

	"example.com/gquic/wire"
)

// Limits of a [Decoder].
const (
	// DefaultMaxHeaderList bounds a header list, in bytes as [ListSize] counts: what
	// Chromium 78 announces.
	DefaultMaxHeaderList = 256 << 10
	// blockFactor times the list's limit bounds the encoded block. HPACK rarely makes a
	// list larger, and what is over the list's limit must be decoded all the same, to
	// keep the table right: so a peer that is somewhat over it loses a request, one that
	// is far over it the connection.
	blockFactor = 2
	// maxContinuations bounds the frames of one block, which may be empty.
	maxContinuations = 64
	// maxSettings bounds the entries of one SETTINGS frame; there are six.
	maxSettings = 64
	// decoderTable is the HPACK table that we decode with: HTTP/2's default.
	decoderTable = 4096
	// gather is how many bytes of a block that comes in crumbs are collected before
	// they are decoded: the decoder copies what it holds with each piece it gets.
	gather = 4096
)

// EventKind says what a [Decoder] found.
type EventKind uint8

const (
	NoEvent      EventKind = iota
	HeadersEvent           // a whole header list
	PushEvent              // a whole PUSH_PROMISE; only to a client
	PriorityEvent
	SettingEvent // one entry of a SETTINGS frame
)

// An Event is something complete that arrived on the headers stream.
type Event struct {
	Kind     EventKind
	Stream   wire.StreamID       // Headers, Push, Priority
	Promised wire.StreamID       // Push
	Fields   []hpack.HeaderField // Headers, Push: owned by the Decoder, valid until its next call
	TooLarge bool                // Headers, Push: the list is over the limit, and Fields is its beginning
	End      bool                // Headers: END_STREAM
	Priority Priority            // Headers (Weight 0: none), Priority
	Setting  Setting
}

// A Decoder takes apart what one side receives on the headers stream. It keeps the HPACK
// context of that direction. It is a state machine without I/O: it holds at most one
// block's undecoded end and one header list.
//
//	frame header ──▶ prefix (padding length, priority, promised ID) ──▶ block ──▶ padding ─┐
//	  ▲        └───▶ fixed part of PRIORITY, entries of SETTINGS ──────────────────────────┤
//	  │        └───▶ payload of an unknown type, skipped ──────────────────────────────────┤
//	  └────────────────────────────────────────────────────────────────────────────────────┘
type Decoder struct {
	side  wire.Perspective
	limit int // of the list
	hpack *hpack.Decoder
	err   error // what ended it

	state decoderState
	small []byte // the frame header or fixed part, as far as it is there
	need  int    // how long small is to get
	kind  byte
	flags byte
	id    wire.StreamID
	left  int // of the frame's payload, behind small
	pad   int // of left, at its end

	inBlock       bool // a block has begun, and CONTINUATION must follow until it ends
	continuations int
	blockLen      int
	crumbs        []byte // of the block, not yet decoded
	listLen       int
	event         Event // under construction
	fields        []hpack.HeaderField
}

type decoderState uint8

const (
	readHeader decoderState = iota
	readPrefix              // of HEADERS and PUSH_PROMISE
	readBlock
	readFixed // PRIORITY, or one entry of SETTINGS
	skipPayload
)

// NewDecoder returns the Decoder of a client or a server. maxList bounds a header list in
// bytes; 0 stands for DefaultMaxHeaderList.
func NewDecoder(side wire.Perspective, maxList int) *Decoder {
	if maxList <= 0 {
		maxList = DefaultMaxHeaderList
	}
	d := &Decoder{side: side, limit: maxList, small: make([]byte, 0, frameHeaderLen), need: frameHeaderLen}
	d.hpack = hpack.NewDecoder(decoderTable, d.emit)
	d.hpack.SetMaxStringLength(blockFactor * maxList)
	return d
}

// Decode takes bytes from p until an event is complete or p is used up, and returns how
// many it took. An *[Error] is final: the connection is to be closed with its code.
func (d *Decoder) Decode(p []byte) (n int, ev Event, err error) {
	for n < len(p) && d.err == nil {
		took, done := d.step(p[n:])
		n += took
		if done {
			return n, d.event, nil
		}
	}
	return n, Event{}, d.err
}

// Between reports whether the stream could end here: no frame has begun and no block.
func (d *Decoder) Between() bool { return d.state == readHeader && len(d.small) == 0 && !d.inBlock }

// step takes some bytes. done: d.event is complete.
func (d *Decoder) step(p []byte) (n int, done bool) {
	switch d.state {
	case readBlock, skipPayload:
		n = min(len(p), d.left)
		d.left -= n
		if d.state == readBlock {
			if data := min(n, max(0, n+d.left-d.pad)); data > 0 {
				d.err = d.fragment(p[:data], d.left <= d.pad)
			}
		}
		if d.left == 0 && d.err == nil {
			done = d.payloadEnds()
		}
		return n, done
	}
	n = min(len(p), d.need-len(d.small))
	d.small = append(d.small, p[:n]...)
	if len(d.small) < d.need {
		return n, false
	}
	switch d.state {
	case readHeader:
		d.err = d.frameBegins()
	case readPrefix:
		d.err = d.prefix()
	case readFixed:
		done, d.err = d.fixed()
	}
	if d.err == nil && d.left == 0 && (d.state == readBlock || d.state == skipPayload) {
		done = d.payloadEnds()
	}
	return n, done && d.err == nil
}

// want makes the next state one that collects n bytes.
func (d *Decoder) want(s decoderState, n int) {
	d.state, d.need, d.small = s, n, d.small[:0]
}

// frameBegins looks at a frame header.
func (d *Decoder) frameBegins() error {
	h := d.small
	d.left, d.kind, d.flags = int(h[0])<<16|int(h[1])<<8|int(h[2]), h[3], h[4]
	d.id = wire.StreamID(h[5]&0x7f)<<24 | wire.StreamID(h[6])<<16 | wire.StreamID(h[7])<<8 | wire.StreamID(h[8])
	d.pad = 0
	if d.inBlock != (d.kind == frameContinuation) {
		return misframed("frame of type %d where the block of headers %s", d.kind, map[bool]string{true: "goes on", false: "has ended"}[d.inBlock])
	}
	switch d.kind {
	case frameHeaders:
		d.event = Event{Kind: HeadersEvent, Stream: d.id, End: d.flags&flagEndStream != 0}
		return d.blockBegins()
	case framePushPromise:
		if d.side == wire.Server {
			return misframed("PUSH_PROMISE from a client")
		}
		d.event = Event{Kind: PushEvent, Stream: d.id}
		return d.blockBegins()
	case frameContinuation:
		if d.continuations++; d.id != d.event.Stream || d.continuations > maxContinuations {
			return misframed("CONTINUATION number %d of stream %d is for stream %d", d.continuations, d.event.Stream, d.id)
		}
		d.state = readBlock
		return d.countBlock()
	case framePriority:
		if d.side == wire.Client || d.left != priorityLen {
			return misframed("PRIORITY of %d bytes from a %v", d.left, d.side.Opposite())
		}
		d.left = 0
		d.want(readFixed, priorityLen)
	case frameSettings:
		if d.id != 0 || d.left%settingLen != 0 || d.left > maxSettings*settingLen {
			return misframed("SETTINGS of %d bytes on stream %d", d.left, d.id)
		}
		if d.state = skipPayload; d.left > 0 {
			d.left -= settingLen
			d.want(readFixed, settingLen)
		}
	case frameData, frameRstStream, framePing, frameGoAway, frameWindowUpdate:
		return misframed("frame of type %d has no place here", d.kind)
	default:
		d.state = skipPayload
	}
	return nil
}

func (d *Decoder) blockBegins() error {
	d.inBlock, d.continuations, d.blockLen, d.listLen = true, 0, 0, 0
	clear(d.fields)
	d.fields = d.fields[:0]
	if cap(d.fields) > 256 {
		d.fields = nil // one large list should not be paid for ever after
	}
	n := 0
	if d.flags&flagPadded != 0 {
		n++
	}
	if d.kind == framePushPromise {
		n += 4
	} else if d.flags&flagPriority != 0 {
		n += priorityLen
	}
	if n > d.left {
		return misframed("frame of type %d with only %d bytes", d.kind, d.left)
	}
	d.left -= n
	if n == 0 {
		d.state = readBlock
		return d.countBlock()
	}
	d.want(readPrefix, n)
	return nil
}

// prefix looks at what stands before a block.
func (d *Decoder) prefix() error {
	b := d.small
	if d.flags&flagPadded != 0 {
		if d.pad = int(b[0]); d.pad > d.left {
			return misframed("%d bytes of padding in %d", d.pad, d.left)
		}
		b = b[1:]
	}
	if d.kind == framePushPromise {
		d.event.Promised = wire.StreamID(b[0]&0x7f)<<24 | wire.StreamID(b[1])<<16 | wire.StreamID(b[2])<<8 | wire.StreamID(b[3])
	} else if d.flags&flagPriority != 0 {
		d.event.Priority = parsePriority(b)
	}
	d.state = readBlock
	return d.countBlock()
}

func (d *Decoder) countBlock() error {
	if d.blockLen += d.left - d.pad; d.blockLen > blockFactor*d.limit {
		return misframed("a block of %d bytes of headers", d.blockLen)
	}
	return nil
}

// fragment decodes a part of a block; last: it is the frame's last.
func (d *Decoder) fragment(b []byte, last bool) error {
	if len(d.crumbs) > 0 || !last {
		d.crumbs = append(d.crumbs, b...)
		if !last && len(d.crumbs) < gather {
			return nil
		}
		b = d.crumbs
		d.crumbs = d.crumbs[:0]
	}
	if _, err := d.hpack.Write(b); err != nil {
		return &Error{wire.HeadersStreamDataDecompressFailure, err.Error()}
	}
	return nil
}

// emit takes a decoded field.
func (d *Decoder) emit(f hpack.HeaderField) {
	if d.listLen += int(f.Size()); d.listLen > d.limit {
		d.event.TooLarge = true
		d.hpack.SetEmitEnabled(false)
		return
	}
	d.fields = append(d.fields, f)
}

// payloadEnds is the end of a frame that is skipped or part of a block. done: an event is
// complete.
func (d *Decoder) payloadEnds() (done bool) {
	block := d.state == readBlock
	d.want(readHeader, frameHeaderLen)
	if !block || d.flags&flagEndHeaders == 0 {
		return false
	}
	d.inBlock = false
	if err := d.hpack.Close(); err != nil {
		d.err = &Error{wire.HeadersStreamDataDecompressFailure, err.Error()}
		return false
	}
	d.hpack.SetEmitEnabled(true)
	d.event.Fields = d.fields
	return true
}

// fixed looks at the payload of PRIORITY or an entry of SETTINGS.
func (d *Decoder) fixed() (done bool, err error) {
	b := d.small
	if d.kind == framePriority {
		d.event = Event{Kind: PriorityEvent, Stream: d.id, Priority: parsePriority(b)}
		d.want(readHeader, frameHeaderLen)
		return true, nil
	}
	s := Setting{SettingID(b[0])<<8 | SettingID(b[1]), uint32(b[2])<<24 | uint32(b[3])<<16 | uint32(b[4])<<8 | uint32(b[5])}
	if d.left > 0 {
		d.left -= settingLen
		d.want(readFixed, settingLen)
	} else {
		d.want(readHeader, frameHeaderLen)
	}
	switch s.ID {
	case SettingHeaderTableSize, SettingMaxHeaderListSize:
	case SettingEnablePush:
		if d.side == wire.Client || s.Value > 1 {
			return false, misframed("ENABLE_PUSH of %d from a %v", s.Value, d.side.Opposite())
		}
	case SettingMaxConcurrentStreams, SettingInitialWindowSize, SettingMaxFrameSize:
		return false, misframed("setting %d has no place here", s.ID)
	default:
		return false, nil
	}
	d.event = Event{Kind: SettingEvent, Setting: s}
	return true, nil
}
