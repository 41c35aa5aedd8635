package handshake

import (
	"encoding/binary"
	"iter"
	"slices"

	"example.com/gquic/wire"
)

const (
	// MaxMessageSize is the most bytes that a handshake message may have. The largest
	// in use is a REJ with a certificate chain, 2 to 6 KB; 16 KiB is what other clients
	// accept (reference: handshake, section 19), and it bounds what a peer can make us
	// buffer.
	MaxMessageSize = 16 << 10

	// MinCHLOSize is the least size of a CHLO, reached with PAD, so that a forged
	// source address gains no attacker much (reference: handshake, section 13.1).
	MinCHLOSize = 1024

	// maxEntries is the most entries of a message (reference: handshake, section 1).
	maxEntries = 128

	messageHeader = 8 // bytes before the index
	indexEntry    = 8 // bytes of the index for each entry
)

// A Message is a handshake message, parsed or being built: a tag, and values under tags
// of their own (reference: handshake, section 1).
//
//	 0            4       6       8                8+8n
//	┌────────────┬───────┬───────┬────────────────┬────────────────────┐
//	│ tag        │ n     │ 0     │ n × (tag, end) │ values, no gaps    │
//	└────────────┴───────┴───────┴────────────────┴────────────────────┘
//	  entries by rising tag; end counts from the start of the values
//
// Values are not copied: those of a parsed message alias the bytes that were parsed,
// those that were set alias what was given to Set. A copy of a Message shares its
// entries; use one of the two only, or Clone. The zero value is an empty message.
type Message struct {
	Tag     Tag
	entries []entry // by rising tag
}

type entry struct {
	tag   Tag
	value []byte
}

// ParseMessage reads the message that b starts with. See [Message.Parse].
func ParseMessage(b []byte) (m Message, n int, err error) {
	n, err = m.Parse(b)
	return m, n, err
}

// Parse reads the message that b starts with into m and returns its length; what
// follows belongs to the next message. It uses m's room for entries again, so that a
// Message that is kept for parsing stops allocating.
//
// Errors: [ErrIncomplete] when b ends too early; otherwise an *[Error] with code
// 30 (too many entries), 43 (a tag twice), 29 (tags or ends out of order) or 31 (larger
// than MaxMessageSize). m is empty then.
func (m *Message) Parse(b []byte) (n int, err error) {
	*m = Message{entries: m.entries[:0]}
	if len(b) < messageHeader {
		return 0, ErrIncomplete
	}
	count := int(binary.LittleEndian.Uint16(b[4:]))
	if count > maxEntries {
		return 0, fault(wire.CryptoTooManyEntries, "message of more than 128 entries")
	}
	start := messageHeader + count*indexEntry
	if len(b) < start {
		return 0, ErrIncomplete
	}
	size, err := checkIndex(b[messageHeader:start])
	if err != nil {
		return 0, err
	}
	values := b[start:]
	if len(values) < size {
		return 0, ErrIncomplete
	}
	m.Tag = Tag(binary.LittleEndian.Uint32(b))
	if cap(m.entries) < count {
		m.entries = make([]entry, 0, count)
	}
	m.entries = m.entries[:count]
	from := 0
	for i := range m.entries {
		at := b[messageHeader+i*indexEntry:][:indexEntry]
		end := int(binary.LittleEndian.Uint32(at[4:]))
		m.entries[i] = entry{Tag(binary.LittleEndian.Uint32(at)), values[from:end:end]}
		from = end
	}
	return start + size, nil
}

// checkIndex returns the size of the values that the index describes.
func checkIndex(index []byte) (size int, err error) {
	tag, end := int64(-1), uint32(0)
	limit := uint32(MaxMessageSize - messageHeader - len(index))
	for ; len(index) > 0; index = index[indexEntry:] {
		t := int64(binary.LittleEndian.Uint32(index))
		e := binary.LittleEndian.Uint32(index[4:])
		switch {
		case t == tag:
			return 0, fault(wire.CryptoDuplicateTag, "tag twice in a message")
		case t < tag:
			return 0, fault(wire.CryptoTagsOutOfOrder, "tags out of order")
		case e < end:
			return 0, fault(wire.CryptoTagsOutOfOrder, "value ends before it starts")
		case e > limit:
			return 0, fault(wire.CryptoInvalidValueLength, "message larger than 16 KiB")
		}
		tag, end = t, e
	}
	return int(end), nil
}

// ParseWhole reads a message that is known to be b exactly, such as a server config
// inside a REJ. Bytes that are missing or left over are an *[Error] with code 34; other
// errors are those of Parse.
func (m *Message) ParseWhole(b []byte) error {
	n, err := m.Parse(b)
	if err == ErrIncomplete {
		return badParameter("nested message is cut short")
	}
	if err == nil && n != len(b) {
		m.Reset(0)
		return badParameter("bytes after a nested message")
	}
	return err
}

// Reset empties m and gives it a new tag; its room is used again.
func (m *Message) Reset(t Tag) { *m = Message{Tag: t, entries: m.entries[:0]} }

// Clone returns a copy with entries and values of its own.
func (m *Message) Clone() Message {
	c := Message{Tag: m.Tag, entries: slices.Clone(m.entries)}
	for i := range c.entries {
		c.entries[i].value = slices.Clone(c.entries[i].value)
	}
	return c
}

// find returns where t is, or would be put.
func (m *Message) find(t Tag) (i int, ok bool) {
	lo, hi := 0, len(m.entries)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if m.entries[mid].tag < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(m.entries) && m.entries[lo].tag == t
}

// Get returns the value of t. An entry with an empty value is there: ok.
func (m *Message) Get(t Tag) (value []byte, ok bool) {
	if i, ok := m.find(t); ok {
		return m.entries[i].value, true
	}
	return nil, false
}

// Has reports whether m has an entry t.
func (m *Message) Has(t Tag) bool {
	_, ok := m.find(t)
	return ok
}

// usualEntries is how many entries a message gets room for: more than most have.
const usualEntries = 24

// Set gives entry t the value v, which m keeps and does not copy.
func (m *Message) Set(t Tag, v []byte) {
	i, ok := m.find(t)
	if !ok {
		if m.entries == nil {
			m.entries = make([]entry, 0, usualEntries)
		}
		m.entries = slices.Insert(m.entries, i, entry{tag: t})
	}
	m.entries[i].value = v
}

// Delete takes entry t out, if it is there.
func (m *Message) Delete(t Tag) {
	if i, ok := m.find(t); ok {
		m.entries = slices.Delete(m.entries, i, i+1)
	}
}

// Len returns the number of entries.
func (m *Message) Len() int { return len(m.entries) }

// Size returns the number of bytes that Append appends.
func (m *Message) Size() int {
	n := messageHeader + len(m.entries)*indexEntry
	for i := range m.entries {
		n += len(m.entries[i].value)
	}
	return n
}

// All yields the entries by rising tag, which is the order on the wire.
func (m *Message) All() iter.Seq2[Tag, []byte] {
	return func(yield func(Tag, []byte) bool) {
		for i := range m.entries {
			if !yield(m.entries[i].tag, m.entries[i].value) {
				return
			}
		}
	}
}

// Append appends the message in its one canonical form. What Parse accepted comes out
// as it went in, but for the two padding bytes of the header, which are ignored when
// read and 0 here. A message of more than 128 entries or MaxMessageSize bytes can be
// built, and no peer will read it.
func (m *Message) Append(b []byte) []byte {
	b = slices.Grow(b, m.Size())
	b = binary.LittleEndian.AppendUint32(b, uint32(m.Tag))
	b = binary.LittleEndian.AppendUint32(b, uint32(uint16(len(m.entries))))
	end := uint32(0)
	for i := range m.entries {
		end += uint32(len(m.entries[i].value))
		b = binary.LittleEndian.AppendUint32(b, uint32(m.entries[i].tag))
		b = binary.LittleEndian.AppendUint32(b, end)
	}
	for i := range m.entries {
		b = append(b, m.entries[i].value...)
	}
	return b
}

// Pad sets PAD so that the message has size bytes, or as few more as the entry itself
// needs; a message that has them without PAD loses it.
func (m *Message) Pad(size int) {
	m.Delete(PAD)
	have := m.Size()
	if have >= size {
		return
	}
	fill := make([]byte, max(0, size-have-indexEntry))
	for i := range fill {
		fill[i] = '-'
	}
	m.Set(PAD, fill)
}
