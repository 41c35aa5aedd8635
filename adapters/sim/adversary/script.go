package adversary

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Do carries out one line of a script:
//
//	send FRAME; FRAME …        one packet of these frames, at the strongest level
//	null|initial|secure FRAME; …   the same at that level
//	payload HEX                one packet of these bytes
//	raw HEX                    a datagram of these bytes
//	ack                        acknowledge everything received
//	ack 7-9 1-5                acknowledge that, received or not
//	skip N                     leave out N packet numbers
//	number N                   go on with packet number N
//	repeat N                   the last N datagrams again
//	contradict ID FROM TO      stream data that differs from what "send STREAM" sends
//	stall                      hold handshake messages back
//	release                    send what was held back
//	close CODE                 CONNECTION_CLOSE
func (p *Peer) Do(line string) error {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch verb {
	case "send":
		return p.script(p.Level(), rest)
	case "null", "initial", "secure":
		return p.script(map[string]handshake.Level{"null": 0, "initial": 1, "secure": 2}[verb], rest)
	case "payload", "raw":
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil {
			return err
		}
		if verb == "raw" {
			p.Queue(b)
		} else {
			p.SendPayload(b)
		}
		return nil
	case "ack":
		if rest != "" {
			return p.script(p.Level(), line2ack(rest))
		}
		if ranges := p.Acks(); len(ranges) > 0 {
			p.Send(wire.NewAckFrame(0, ranges...))
		}
		return nil
	case "contradict":
		var id, from, to uint64
		if _, err := fmt.Sscan(rest, &id, &from, &to); err != nil || to < from || to-from > maxData {
			return fmt.Errorf("adversary: contradict %q", rest)
		}
		p.Send(&wire.StreamFrame{StreamID: wire.StreamID(id), Offset: from, HasLength: true, Data: lies[:to-from]})
		return nil
	case "stall":
		p.Mute = true
		return nil
	case "release":
		p.Mute = false
		p.Release()
		return nil
	case "close":
		rest = "CONNECTION_CLOSE " + rest
		return p.script(p.Level(), rest)
	}
	return p.count(verb, rest)
}

func line2ack(ranges string) string { return "ACK " + ranges }

// count carries out the verbs that take a number.
func (p *Peer) count(verb, rest string) error {
	n, err := strconv.ParseUint(rest, 0, 48)
	if err != nil {
		return fmt.Errorf("adversary: %s %q", verb, rest)
	}
	switch verb {
	case "skip":
		p.next += wire.PacketNumber(n)
	case "number":
		p.next = wire.PacketNumber(n)
	case "repeat":
		p.out = append(p.out, p.sent[max(0, len(p.sent)-int(n)):]...)
	default:
		return fmt.Errorf("adversary: no verb %q", verb)
	}
	return nil
}

// Script carries out lines; empty ones and those that begin with # say nothing.
func (p *Peer) Script(lines string) error {
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := p.Do(line); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
	}
	return nil
}

func (p *Peer) script(level handshake.Level, text string) error {
	c := p.Context(p.next)
	c.PacketNumberLen = 4
	var payload []byte
	for text := range strings.SplitSeq(text, ";") {
		f, err := ParseFrame(text)
		if err != nil {
			return err
		}
		payload = f.Append(payload, &c)
	}
	b, err := p.Packet(level, p.next, payload)
	if err != nil {
		return err
	}
	p.next++
	p.Queue(b)
	return nil
}

// maxData bounds the data of a STREAM frame in a script, in bytes.
const maxData = 1400

var truth, lies = [maxData]byte{}, func() (b [maxData]byte) {
	for i := range b {
		b[i] = 0xff
	}
	return b
}()

var errFrame = errors.New("adversary: no such frame")

// ParseFrame reads a frame as package wire prints it:
//
//	STREAM 5 [0,100) fin          RST_STREAM 5 at 100 code 6
//	ACK 1-5 7-9                   STOP_WAITING 5
//	WINDOW_UPDATE 5 to 32768      WINDOW_UPDATE connection to 49152
//	BLOCKED 5                     BLOCKED connection
//	GOAWAY 16 last 5              CONNECTION_CLOSE 16 reason
//	PING                          PADDING 10
//
// The data of a STREAM frame are zeros; names and quotes of codes and reasons may be left
// out. ACK ranges may stand in any order that is either rising or falling.
func ParseFrame(text string) (wire.Frame, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, errFrame
	}
	n := numbers{words: words[1:]}
	var f wire.Frame
	switch words[0] {
	case "STREAM":
		f = n.stream()
	case "RST_STREAM":
		f = &wire.RstStreamFrame{StreamID: n.id(), Offset: n.after("at"), Code: wire.StreamErrorCode(n.after("code"))}
	case "ACK":
		f = n.ack()
	case "STOP_WAITING":
		f = &wire.StopWaitingFrame{LeastUnacked: wire.PacketNumber(n.next())}
	case "WINDOW_UPDATE":
		f = &wire.WindowUpdateFrame{StreamID: n.id(), Offset: n.after("to")}
	case "BLOCKED":
		f = &wire.BlockedFrame{StreamID: n.id()}
	case "GOAWAY":
		f = &wire.GoAwayFrame{Code: wire.ErrorCode(n.next()), LastGoodStream: wire.StreamID(n.after("last"))}
	case "CONNECTION_CLOSE":
		f = &wire.ConnectionCloseFrame{Code: wire.ErrorCode(n.next()), Reason: []byte(strings.Join(n.words, " "))}
	case "PING":
		f = &wire.PingFrame{}
	case "PADDING":
		f = &wire.PaddingFrame{Length: int(min(n.next(), maxData))}
	default:
		return nil, fmt.Errorf("%w: %q", errFrame, text)
	}
	if n.err != nil || f == nil {
		return nil, fmt.Errorf("adversary: frame %q: %w", text, errors.Join(n.err))
	}
	return f, nil
}

// numbers takes the numbers out of a frame's words.
type numbers struct {
	words []string
	err   error
}

func (n *numbers) word() string {
	if len(n.words) == 0 {
		n.err = errors.Join(n.err, errors.New("something is missing"))
		return ""
	}
	w := n.words[0]
	n.words = n.words[1:]
	return w
}

func (n *numbers) parse(s string) uint64 {
	v, err := strconv.ParseUint(s, 0, 64)
	n.err = errors.Join(n.err, err)
	return v
}

func (n *numbers) next() uint64 { return n.parse(n.word()) }

// after steps over words up to this one.
func (n *numbers) after(word string) uint64 {
	for w := n.word(); w != word && n.err == nil; w = n.word() {
	}
	return n.next()
}

func (n *numbers) id() wire.StreamID {
	if len(n.words) > 0 && n.words[0] == "connection" {
		n.word()
		return wire.ConnectionStream
	}
	return wire.StreamID(n.next())
}

func (n *numbers) stream() wire.Frame {
	f := &wire.StreamFrame{StreamID: wire.StreamID(n.next()), HasLength: true}
	from, to, _ := strings.Cut(strings.Trim(n.word(), "[)"), ",")
	f.Offset = n.parse(from)
	if end := n.parse(to); end < f.Offset || end-f.Offset > maxData {
		n.err = errors.Join(n.err, errors.New("length of the data"))
	} else {
		f.Data = truth[:end-f.Offset]
	}
	f.Fin = len(n.words) > 0 && strings.EqualFold(n.words[0], "fin")
	return f
}

func (n *numbers) ack() wire.Frame {
	var ranges []wire.AckRange
	for len(n.words) > 0 && n.words[0] != "delay" {
		low, high, both := strings.Cut(n.word(), "-")
		if !both {
			high = low
		}
		r := wire.AckRange{Smallest: wire.PacketNumber(n.parse(low)), Largest: wire.PacketNumber(n.parse(high))}
		if len(ranges) > 0 && r.Largest > ranges[0].Largest {
			ranges = append([]wire.AckRange{r}, ranges...)
		} else {
			ranges = append(ranges, r)
		}
	}
	f := wire.NewAckFrame(time.Millisecond, ranges...)
	if f.Largest == 0 {
		n.err = errors.Join(n.err, errors.New("ranges"))
	}
	return f
}
