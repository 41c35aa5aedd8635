package conn_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// forgeVerbs put datagrams into the network that no endpoint sent.
var forgeVerbs = map[string]func(*env, *command) error{
	"inject":              (*env).injectVerb,
	"raw":                 (*env).rawVerb,
	"public-reset":        (*env).publicResetVerb,
	"stateless-reset":     (*env).statelessResetVerb,
	"version-negotiation": (*env).versionNegotiationVerb,
}

// inject client [level=null|initial|forward-secure] [number=N]: a packet of the client with
// the frames of the input, one a line; see parseFrame. Without number it takes the next one,
// and the client remembers having sent it.
func (e *env) injectVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	level := handshake.LevelForwardSecure
	if name, ok := c.values["level"]; ok {
		for level = 0; level.String() != name; level++ {
			if level == handshake.Levels {
				return fmt.Errorf("no level %q", name)
			}
		}
	}
	number, err := c.number("number", 0)
	if err != nil {
		return err
	}
	if s.conn() == nil {
		e.log.print("the connection is gone")
		return nil
	}
	var bad error
	e.log.built = e.log.built[:0]
	var by packetLine
	data := s.conn().Inject(e.now, level, wire.PacketNumber(number), func(ctx *wire.Context) (b []byte) {
		for _, line := range c.input {
			line = strings.Replace(line, "at end", fmt.Sprint("at ", s.conn().CryptoEnd()), 1)
			if b, err = appendFrame(b, ctx, line); err != nil {
				bad = fmt.Errorf("%q: %w", line, err)
			}
		}
		var r wire.Reader
		r.Reset(b, *ctx)
		by = packetLine{side: s, first: ctx.PacketNumber, last: ctx.PacketNumber, frames: describeFrames(&r)}
		if level != handshake.LevelForwardSecure {
			by.header = level.String()
		}
		return b
	})
	if bad != nil || data == nil {
		return errors.Join(bad, errIf(data == nil, "no key of that level"))
	}
	e.log.sent(e.now, s, &by, data, "(injected)")
	e.post(s, data)
	e.transmit(s)
	return nil
}

func errIf(is bool, text string) error {
	if is {
		return errors.New(text)
	}
	return nil
}

// post puts a datagram into the network as if s had sent it.
func (e *env) post(s *side, data []byte) {
	to := e.sides[s.other()].addr
	e.record(s.addr, to, data)
	e.put(datagram{from: s.index, src: s.addr, dst: to, data: slices.Clone(data), at: e.now.Add(e.delay)})
}

// raw client: a datagram from the hexadecimal input. "ID" stands for the connection's ID,
// and "*N" after a byte for N of it.
func (e *env) rawVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	var b []byte
	for _, word := range strings.Fields(strings.Join(c.input, " ")) {
		if word == "ID" {
			id := e.anyConn(s).ConnectionID()
			b = append(b, id[:]...)
			continue
		}
		word, times, repeated := strings.Cut(word, "*")
		piece, err := hex.DecodeString(word)
		if err != nil {
			return err
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(times); err != nil {
				return err
			}
		}
		b = append(b, slices.Repeat(piece, n)...)
	}
	e.post(s, b)
	return nil
}

// anyConn is the connection of s, or else the other side's.
func (e *env) anyConn(s *side) *conn.Conn {
	if k := s.conn(); k != nil {
		return k
	}
	return e.sides[s.other()].conn()
}

// public-reset server [id=wrong]: a forged public reset.
func (e *env) publicResetVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	r := wire.PublicReset{ConnectionID: e.sides[s.other()].conn().ConnectionID()}
	if c.values["id"] == "wrong" {
		r.ConnectionID[0] ^= 1
	}
	if from, ok := c.values["from"]; ok && from == "elsewhere" {
		addr := s.addr
		defer func() { s.addr = addr }()
		s.addr = elsewhere
	}
	e.post(s, r.Append(nil))
	return nil
}

// stateless-reset server token=right|wrong: a forged stateless reset.
func (e *env) statelessResetVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	params, _ := e.sides[s.other()].conn().PeerParams()
	token := params.StatelessReset
	if c.values["token"] == "wrong" {
		token[0] ^= 1
	}
	e.post(s, wire.AppendStatelessReset(nil, make([]byte, 24), token))
	return nil
}

// version-negotiation server versions=Q043,…: a forged version negotiation packet.
func (e *env) versionNegotiationVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	list, err := parseVersions(c.values["versions"])
	k := e.sides[s.other()].conn()
	form := wire.PublicForm
	if k.Version().UsesIETFHeader() {
		form = wire.LongForm
	}
	e.post(s, wire.AppendVersionNegotiation(nil, form, k.ConnectionID(), list))
	return err
}

// appendFrame appends the frame that a line describes:
//
//	STREAM 5 [0,100) [FIN]        RST_STREAM 5 at 100 code 6
//	ACK 7-9 1-5                   STOP_WAITING 5
//	WINDOW_UPDATE 5 to 32768      BLOCKED 5
//	GOAWAY 16 last 5              CONNECTION_CLOSE 16 reason
//	PING                          PADDING 10
//	hex 0f                        CHLO | SHLO | REJ | SCUP at 2000, a message without entries,
//	                              or "at end", after all that was written
func appendFrame(b []byte, ctx *wire.Context, line string) ([]byte, error) {
	f := strings.Fields(line)
	for len(f) < 6 {
		f = append(f, "")
	}
	if f[0] == "hex" {
		piece, err := hex.DecodeString(strings.Join(f[1:], ""))
		return append(b, piece...), err
	}
	var bad error
	number := func(s string) uint64 {
		n, err := strconv.ParseUint(s, 0, 64)
		bad = errors.Join(bad, err)
		return n
	}
	var frame wire.Frame
	switch f[0] {
	case "STREAM":
		from, to, _ := strings.Cut(strings.Trim(f[2], "[)"), ",")
		start, end := number(from), number(to)
		frame = &wire.StreamFrame{StreamID: wire.StreamID(number(f[1])), Offset: start, Fin: f[3] == "FIN", HasLength: true, Data: make([]byte, end-start)}
	case "CHLO", "SHLO", "REJ", "SCUP":
		m := handshake.Message{Tag: handshake.MakeTag(f[0])}
		frame = &wire.StreamFrame{StreamID: wire.CryptoStream, Offset: number(f[2]), HasLength: true, Data: m.Append(nil)}
	case "RST_STREAM":
		frame = &wire.RstStreamFrame{StreamID: wire.StreamID(number(f[1])), Offset: number(f[3]), Code: wire.StreamErrorCode(number(f[5]))}
	case "ACK":
		var ranges []wire.AckRange
		for _, r := range f[1:] {
			if low, high, ok := strings.Cut(r, "-"); ok {
				ranges = append(ranges, wire.AckRange{Smallest: wire.PacketNumber(number(low)), Largest: wire.PacketNumber(number(high))})
			}
		}
		frame = wire.NewAckFrame(time.Millisecond, ranges...)
	case "STOP_WAITING":
		frame = &wire.StopWaitingFrame{LeastUnacked: wire.PacketNumber(number(f[1]))}
	case "WINDOW_UPDATE":
		frame = &wire.WindowUpdateFrame{StreamID: wire.StreamID(number(f[1])), Offset: number(f[3])}
	case "BLOCKED":
		frame = &wire.BlockedFrame{StreamID: wire.StreamID(number(f[1]))}
	case "GOAWAY":
		frame = &wire.GoAwayFrame{Code: wire.ErrorCode(number(f[1])), LastGoodStream: wire.StreamID(number(f[3]))}
	case "CONNECTION_CLOSE":
		frame = &wire.ConnectionCloseFrame{Code: wire.ErrorCode(number(f[1])), Reason: []byte(f[2])}
	case "PING":
		frame = &wire.PingFrame{}
	case "PADDING":
		frame = &wire.PaddingFrame{Length: int(number(f[1]))}
	default:
		return b, errors.New("no such frame")
	}
	if bad != nil {
		return b, bad
	}
	return frame.Append(b, ctx), nil
}
