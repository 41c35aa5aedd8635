package fuzz

import (
	"encoding/binary"
	"slices"

	"example.com/gquic/handshake"
)

// tags are the entries that handshake messages are changed in.
var tags = []handshake.Tag{
	handshake.PAD, handshake.SNI, handshake.VER, handshake.CCS, handshake.CCRT, handshake.XLCT, handshake.STK,
	handshake.SNO, handshake.NONC, handshake.NONP, handshake.SCID, handshake.KEXS, handshake.TagAEAD, handshake.PUBS,
	handshake.ORBT, handshake.EXPY, handshake.PDMD, handshake.PROF, handshake.CRT, handshake.CSCT, handshake.RREJ,
	handshake.STTL, handshake.UAID, handshake.ALPN, handshake.COPT, handshake.CLOP, handshake.ICSL, handshake.SCLS,
	handshake.MIDS, handshake.MSPC, handshake.CFCW, handshake.SFCW, handshake.SMHL, handshake.TCID, handshake.IRTT,
	handshake.SRST, handshake.NCMR, handshake.CADR, handshake.SCFG, handshake.CETV,
}

// Message appends to b a message made from the template by a few changes: entries set,
// cut, taken out, taken from donor, nested messages changed in turn; the message's type
// changed; and now and then raw bytes. Without input it is the template as it is.
func (in *Input) Message(b []byte, template, donor *handshake.Message) []byte {
	m := template.Clone()
	changes := in.Below(5)
	for range changes {
		tag := tags[in.Below(len(tags))]
		if in.Bool() && m.Len() > 0 { // one that is there
			i, n := in.Below(m.Len()), 0
			for t := range m.All() {
				if n == i {
					tag = t
				}
				n++
			}
		}
		in.change(&m, donor, tag)
	}
	start := len(b)
	b = m.Append(b)
	if changes > 0 && in.Byte() >= 0xf0 {
		b = append(b[:start], in.Mutate(b[start:])...)
	}
	return b
}

func (in *Input) change(m, donor *handshake.Message, tag handshake.Tag) {
	old, _ := m.Get(tag)
	switch in.Byte() % 9 {
	case 0:
		m.Delete(tag)
	case 1:
		m.SetUint32(tag, uint32(in.Number()))
	case 2:
		m.Set(tag, binary.LittleEndian.AppendUint64(nil, in.Number()))
	case 3:
		m.SetTags(tag, tags[in.Below(len(tags))], []handshake.Tag{handshake.AESG, handshake.CC20, handshake.C255, handshake.P256, handshake.X509, handshake.NSTP}[in.Below(6)])
	case 4:
		m.Set(tag, in.Bytes(in.Below(70)))
	case 5:
		if v, ok := donor.Get(tag); ok {
			m.Set(tag, v)
		}
	case 6:
		m.Set(tag, in.Mutate(old))
	case 7:
		var nested handshake.Message
		if nested.ParseWhole(old) == nil {
			m.Set(tag, in.Message(nil, &nested, donor))
		}
	case 8:
		m.Tag = []handshake.Tag{handshake.CHLO, handshake.REJ, handshake.SHLO, handshake.SCUP, handshake.SREJ, handshake.SCFG, 0}[in.Below(7)]
	}
}

// MustMessage parses a whole message that is known to be one.
func MustMessage(b []byte) *handshake.Message {
	var m handshake.Message
	if err := m.ParseWhole(slices.Clone(b)); err != nil {
		panic(err)
	}
	return &m
}
