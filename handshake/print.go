package handshake

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"example.com/gquic/wire"
)

// Summary describes the message in one line: its tag, size and entries, and the values
// of short ones: "CHLO 1024 B: PAD SNI VER=Q043 ICSL=30".
func (m *Message) Summary() string {
	var s strings.Builder
	s.WriteString(m.Tag.String())
	s.WriteByte(' ')
	s.WriteString(strconv.Itoa(m.Size()))
	s.WriteString(" B:")
	for t, v := range m.All() {
		s.WriteByte(' ')
		s.WriteString(t.String())
		switch kindOf(t) {
		case kindUint32, kindTags, kindVersions:
			s.WriteByte('=')
			s.WriteString(strings.ReplaceAll(formatValue(t, v), " ", ","))
		}
	}
	return s.String()
}

// String describes the message in full, one line for each entry, nested messages
// indented. It is meant for people; its form may change.
func (m *Message) String() string {
	var s strings.Builder
	m.format(&s, "")
	return s.String()
}

func (m *Message) format(s *strings.Builder, indent string) {
	s.WriteString(indent + m.Tag.String() + " " + strconv.Itoa(m.Size()) + " bytes\n")
	indent += "  "
	for t, v := range m.All() {
		if kindOf(t) == kindMessage && len(indent) < 8 {
			var nested Message
			if nested.ParseWhole(v) == nil {
				nested.format(s, indent)
				continue
			}
		}
		line := indent + t.String()
		if value := formatValue(t, v); value != "" {
			line += " " + value
		}
		s.WriteString(line + "\n")
	}
}

// A kind says how an entry's value is written.
type kind uint8

const (
	kindBytes kind = iota
	kindPadding
	kindText
	kindUint32
	kindUint64
	kindUint32s
	kindTags
	kindVersions
	kindMessage
)

// kindOf is the "Type" column of reference: handshake, section 2.2.
func kindOf(t Tag) kind {
	switch t {
	case PAD:
		return kindPadding
	case SNI, UAID, ALPN, SVID, EPID:
		return kindText
	case ICSL, SCLS, MIDS, MSPC, CFCW, SFCW, SRBF, SMHL, TCID, IRTT, NCMR, FHL2, FHOL, SPSH, SWND:
		return kindUint32
	case EXPY, STTL, CTIM, RSEQ:
		return kindUint64
	case RREJ:
		return kindUint32s
	case KEXS, TagAEAD, PDMD, COPT, CLOP, CGST, TBKP:
		return kindTags
	case VER:
		return kindVersions
	case SCFG:
		return kindMessage
	}
	return kindBytes
}

// formatValue writes v as values of t are read; one that does not fit, as bytes.
func formatValue(t Tag, v []byte) string {
	switch k := kindOf(t); {
	case k == kindPadding:
		return strconv.Itoa(len(v)) + " bytes"
	case k == kindText:
		return strconv.Quote(string(v))
	case k == kindUint32 && len(v) == 4:
		return strconv.FormatUint(uint64(binary.LittleEndian.Uint32(v)), 10)
	case k == kindUint64 && len(v) == 8:
		return strconv.FormatUint(binary.LittleEndian.Uint64(v), 10)
	case k == kindUint32s && len(v)%4 == 0:
		return formatWords(v, func(b []byte) string {
			return strconv.FormatUint(uint64(binary.LittleEndian.Uint32(b)), 10)
		})
	case k == kindTags && len(v)%4 == 0:
		return formatWords(v, func(b []byte) string { return Tag(binary.LittleEndian.Uint32(b)).String() })
	case k == kindVersions && len(v)%4 == 0:
		return formatWords(v, func(b []byte) string { return wire.Version(binary.BigEndian.Uint32(b)).String() })
	}
	const most = 32
	if len(v) <= most {
		return hex.EncodeToString(v)
	}
	return hex.EncodeToString(v[:most]) + "… " + strconv.Itoa(len(v)) + " bytes"
}

// formatWords writes each 4 bytes of v with word.
func formatWords(v []byte, word func([]byte) string) string {
	words := make([]string, 0, len(v)/4)
	for ; len(v) >= 4; v = v[4:] {
		words = append(words, word(v))
	}
	return strings.Join(words, " ")
}
