package handshake

import (
	"encoding/binary"
	"iter"
)

// The typed values of entries (reference: handshake, section 1, "Value types"). A value
// of the wrong length is an *Error with code 34; ok is false when there is no entry.

// Uint32 returns the value of t as a number of 4 bytes.
func (m *Message) Uint32(t Tag) (v uint32, ok bool, err error) {
	b, ok := m.Get(t)
	if !ok {
		return 0, false, nil
	}
	if len(b) != 4 {
		return 0, true, badParameter(t.String() + " is not 4 bytes long")
	}
	return binary.LittleEndian.Uint32(b), true, nil
}

// Uint64 returns the value of t as a number of 8 bytes.
func (m *Message) Uint64(t Tag) (v uint64, ok bool, err error) {
	b, ok := m.Get(t)
	if !ok {
		return 0, false, nil
	}
	if len(b) != 8 {
		return 0, true, badParameter(t.String() + " is not 8 bytes long")
	}
	return binary.LittleEndian.Uint64(b), true, nil
}

// Tags returns the value of t as a list of tags.
func (m *Message) Tags(t Tag) (l TagList, ok bool, err error) {
	b, ok := m.Get(t)
	if len(b)%4 != 0 {
		return nil, true, badParameter(t.String() + " is not a list of tags")
	}
	return TagList(b), ok, nil
}

// SetUint32 gives entry t a number of 4 bytes.
func (m *Message) SetUint32(t Tag, v uint32) {
	m.Set(t, binary.LittleEndian.AppendUint32(nil, v))
}

// SetUint64 gives entry t a number of 8 bytes.
func (m *Message) SetUint64(t Tag, v uint64) {
	m.Set(t, binary.LittleEndian.AppendUint64(nil, v))
}

// SetTags gives entry t a list of tags.
func (m *Message) SetTags(t Tag, tags ...Tag) {
	m.Set(t, AppendTags(make([]byte, 0, 4*len(tags)), tags...))
}

// AppendTags appends tags as they stand in a value.
func AppendTags(b []byte, tags ...Tag) []byte {
	for _, t := range tags {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return b
}

// A TagList is a list of tags in wire form; its length is a multiple of 4.
type TagList []byte

// Len returns the number of tags.
func (l TagList) Len() int { return len(l) / 4 }

// At returns tag i.
func (l TagList) At(i int) Tag { return Tag(binary.LittleEndian.Uint32(l[4*i:])) }

// Index returns where t is in the list, or -1.
func (l TagList) Index(t Tag) int {
	for i := range l.Len() {
		if l.At(i) == t {
			return i
		}
	}
	return -1
}

// Contains reports whether t is in the list.
func (l TagList) Contains(t Tag) bool { return l.Index(t) >= 0 }

// All yields the tags in order.
func (l TagList) All() iter.Seq[Tag] {
	return func(yield func(Tag) bool) {
		for i := range l.Len() {
			if !yield(l.At(i)) {
				return
			}
		}
	}
}
