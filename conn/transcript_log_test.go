package conn_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A log is what a command prints. Packets that follow each other and look alike are
// one line: it stays open until something else is printed.
type log struct {
	lines        []string
	muted        bool
	times        bool // each line begins with the time
	sizes        bool // packets show the size of their datagrams
	run          *packetLine
	built        []packetLine // by the AppendTransmit at work
	descriptions descriptions // of sent CONNECTION_CLOSE packets, to know them again
}

type description struct{ data, text string }

type descriptions []description

func (d descriptions) clone() descriptions { return slices.Clone(d) }

func (d descriptions) find(data []byte) string {
	for i := range d {
		if d[i].data == string(data) {
			return d[i].text
		}
	}
	return ""
}

func (l *log) begin() {
	l.lines, l.run = nil, nil
	l.muted, l.times, l.sizes = false, false, false
}

func (l *log) end() []string {
	l.flush()
	if len(l.lines) == 0 {
		return []string{"(nothing)"}
	}
	return l.lines
}

func (l *log) print(format string, args ...any) {
	l.flush()
	if !l.muted {
		l.lines = append(l.lines, fmt.Sprintf(format, args...))
	}
}

func (l *log) at(now gquic.Instant) string {
	if !l.times {
		return ""
	}
	return fmt.Sprintf("%-10v", time.Duration(now).Round(time.Microsecond))
}

// note prints a line about one side.
func (l *log) note(now gquic.Instant, s *side, what, text string, h conn.Handle) {
	if n := s.number(h); len(s.conns) > 1 && n > 0 {
		text += fmt.Sprintf("   (connection %d)", n)
	}
	l.print("%s%-16s %s", l.at(now), s.name()+" "+what, text)
}

// sent prints a datagram that s sent. p is its packet, nil if no connection stands behind it.
func (l *log) sent(now gquic.Instant, s *side, p *packetLine, data []byte, note string) {
	if p == nil {
		p = &packetLine{side: s, text: l.stateless(s, data)}
	} else if strings.Contains(p.frames.String(), "CONNECTION_CLOSE") {
		l.descriptions = append(l.descriptions, description{string(data), fmt.Sprintf("pkt %d", p.first)})
	}
	q := *p
	q.now, q.note, q.size = now, note, len(data)
	if l.run != nil && l.run.merge(&q) {
		return
	}
	l.flush()
	l.run = &q
}

// flush prints the open line of packets.
func (l *log) flush() {
	r := l.run
	l.run = nil
	if r == nil || l.muted {
		return
	}
	s := l.at(r.now) + fmt.Sprintf("%-16s ", r.side.name()+" > "+[...]string{"server", "client"}[r.side.index])
	if r.text != "" {
		s += r.text
	} else {
		number := fmt.Sprintf("pkt %d", r.first)
		if r.last != r.first {
			number = fmt.Sprintf("pkt %d..%d", r.first, r.last)
		}
		if r.conn > 1 {
			number = fmt.Sprintf("#%d %s", r.conn, number)
		}
		s += fmt.Sprintf("%-11s ", number)
		if r.header != "" {
			s += "[" + r.header + "] "
		}
		s += r.frames.String()
	}
	if l.sizes {
		s += fmt.Sprintf(", %d bytes", r.size)
	}
	if r.note != "" {
		s += "   " + r.note
	}
	l.lines = append(l.lines, strings.TrimRight(s, " "))
}

// stateless describes a datagram without a connection.
func (l *log) stateless(s *side, data []byte) string {
	if text := l.descriptions.find(data); text != "" {
		return "the CONNECTION_CLOSE of " + text + " again"
	}
	var h wire.Header
	if data[0]&0xc0 == 0x40 {
		return fmt.Sprintf("stateless reset, %d bytes", len(data))
	}
	if err := wire.ParseHeader(&h, data, wire.Perspective(s.index), 0); err != nil {
		return "??? " + err.Error()
	}
	switch h.Kind {
	case wire.VersionNegotiationPacket:
		text := "version negotiation:"
		for i := range h.Versions.Len() {
			text += " " + h.Versions.At(i).String()
		}
		return text
	case wire.PublicResetPacket:
		var r wire.PublicReset
		if err := wire.ParsePublicReset(&r, data); err != nil {
			return "??? " + err.Error()
		}
		if r.HasRejected {
			return fmt.Sprintf("public reset, rejects pkt %d", r.RejectedPacketNumber)
		}
		return "public reset"
	}
	var scratch handshake.Scratch
	payload, err := handshake.NewNull(wire.Perspective(s.index)).Open(&scratch, nil, data, h.Len, h.PacketNumber)
	if err != nil {
		return fmt.Sprintf("a protected packet, %d bytes", len(data))
	}
	var r wire.Reader
	r.Reset(payload, wire.Context{Version: h.Version, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen})
	return fmt.Sprintf("%-11s [null, stateless] %v", fmt.Sprintf("pkt %d", h.PacketNumber), describeFrames(&r))
}

// A packetLine is a packet, or a run of packets that look alike.
type packetLine struct {
	now         gquic.Instant
	side        *side
	conn        int // number of the connection, if there are several
	first, last wire.PacketNumber
	header      string // what is special about it: protection, form
	frames      frameList
	text        string // in place of all that, without connection
	note        string
	size        int
}

func describePacket(s *side, p *conn.PacketTrace) packetLine {
	r := p.Frames()
	line := packetLine{side: s, first: p.Header.PacketNumber, last: p.Header.PacketNumber, frames: describeFrames(&r)}
	if n := s.number(p.Conn); n > 1 {
		line.conn = n
	}
	var notes []string
	if p.Level != handshake.LevelForwardSecure {
		notes = append(notes, p.Level.String())
	}
	switch h := p.Header; h.Form {
	case wire.PublicForm:
		if h.Version != 0 {
			notes = append(notes, h.Version.String())
		}
		if !h.HasConnectionID {
			notes = append(notes, "no ID")
		}
	case wire.LongForm:
		notes = append(notes, h.Type.String())
	}
	if p.Header.Nonce != nil {
		notes = append(notes, "nonce")
	}
	line.header = strings.Join(notes, ", ")
	return line
}

// merge adds the packet q to the run, if it looks like those in it and follows them.
func (r *packetLine) merge(q *packetLine) bool {
	if r.side != q.side || r.conn != q.conn || r.header != q.header || r.text != "" || q.text != "" || r.note != q.note ||
		len(r.frames) != len(q.frames) || q.first <= r.last {
		return false
	}
	merged := make(frameList, len(r.frames))
	for i := range r.frames {
		f, ok := r.frames[i].merge(q.frames[i])
		if !ok {
			return false
		}
		merged[i] = f
	}
	r.frames, r.last = merged, q.last
	return true
}

// A frameText is a frame in words. Stream frames whose data follow each other merge, and
// so do ACKs, of which the last one is shown.
type frameText struct {
	kind       string // STREAM, ACK, …
	stream     wire.StreamID
	start, end uint64
	text       string // the whole of it, but for STREAM and its range
}

func (f frameText) merge(g frameText) (frameText, bool) {
	if f.kind != g.kind {
		return f, false
	}
	switch f.kind {
	case "STREAM":
		if f.stream != g.stream || f.end != g.start || f.text != "" {
			return f, false
		}
		f.end, f.text = g.end, g.text
		return f, true
	case "ACK", "STOP_WAITING":
		return g, true
	}
	return f, f.text == g.text
}

type frameList []frameText

func (l frameList) String() string {
	var parts []string
	for _, f := range l {
		text := f.text
		if f.kind == "STREAM" {
			text = strings.TrimRight(fmt.Sprintf("STREAM %d [%d,%d) %s", f.stream, f.start, f.end, f.text), " ")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func describeFrames(r *wire.Reader) (list frameList) {
	for {
		f, err := r.Next()
		if err != nil {
			return append(list, frameText{kind: "error", text: "MALFORMED " + err.Error()})
		}
		if f == nil {
			return list
		}
		list = append(list, describeFrame(f))
	}
}

func describeFrame(f wire.Frame) frameText {
	switch f := f.(type) {
	case *wire.StreamFrame:
		t := frameText{kind: "STREAM", stream: f.StreamID, start: f.Offset, end: f.Offset + uint64(len(f.Data))}
		if f.StreamID == wire.CryptoStream {
			t.text = describeHello(f.Data)
		}
		if f.Fin {
			t.text = "FIN"
		}
		return t
	case *wire.AckFrame:
		t := frameText{kind: "ACK", text: "ACK"}
		ranges := f.Ranges()
		for r, ok := ranges.Next(); ok; r, ok = ranges.Next() {
			t.text += " " + r.String()
		}
		if d := f.Delay.Round(time.Millisecond); d > 0 {
			t.text += " after " + d.String()
		}
		return t
	case *wire.PaddingFrame:
		return frameText{kind: "PADDING", text: "PADDING"}
	}
	kind, _, _ := strings.Cut(f.String(), " ")
	return frameText{kind: kind, text: f.String()}
}

// describeHello names the handshake message that begins in data, with what matters in it.
func describeHello(data []byte) string {
	m, _, err := handshake.ParseMessage(data)
	if err != nil {
		if len(data) >= 4 {
			if tag := handshake.MakeTag(string(data[:4])); tag == handshake.REJ || tag == handshake.CHLO || tag == handshake.SHLO {
				return tag.String() + " begins"
			}
		}
		return "goes on"
	}
	has := func(tags ...handshake.Tag) (out []string) {
		for _, t := range tags {
			if v, ok := m.Get(t); ok && len(v) > 0 {
				out = append(out, t.String())
			}
		}
		return out
	}
	var with []string
	switch m.Tag {
	case handshake.CHLO:
		with = has(handshake.SNI, handshake.STK, handshake.SCID, handshake.NONC, handshake.PUBS)
		if len(has(handshake.PUBS)) == 0 {
			return "inchoate CHLO " + strings.Join(with, " ")
		}
		return "full CHLO " + strings.Join(with, " ")
	case handshake.REJ:
		with = has(handshake.SCFG, handshake.STK, handshake.PROF, handshake.MakeTag("CRT\xff"))
		for i := range with {
			with[i] = strings.ReplaceAll(with[i], "CRT\\xff", "CRT")
		}
		reasons := describeReasons(&m)
		return strings.TrimRight("REJ "+strings.Join(with, " ")+reasons, " ")
	}
	return m.Tag.String()
}

func describeReasons(m *handshake.Message) string {
	v, _ := m.Get(handshake.RREJ)
	var s []string
	for ; len(v) >= 4; v = v[4:] {
		s = append(s, handshake.ReasonString(uint32(v[0])|uint32(v[1])<<8|uint32(v[2])<<16|uint32(v[3])<<24))
	}
	if len(s) == 0 {
		return ""
	}
	return " (" + strings.Join(s, ", ") + ")"
}
