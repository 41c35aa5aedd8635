package main

import (
	"encoding/binary"
	"fmt"
	"strings"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A ladder is a handshake as a client sees it, packet by packet:
//
//	server                       client
//	                          <- 1  CHLO (1350 B)
//	REJ  1 (798 B), ACK [1-1] ->
//	                          <- 2  CHLO (1350 B), ACK [1-1]
//
// Sizes are of the datagrams that carry handshake messages, as UDP payload.
type ladder struct {
	rungs  []rung
	closed bool
	names  [2]string // of the message under way on the crypto stream, by sender
}

// A rung is one packet, or a run of them that only carry stream data.
type rung struct {
	FromClient  bool   `json:"from_client"`
	First       uint64 `json:"first"` // packet number
	Last        uint64 `json:"last"`
	Level       string `json:"level"`
	What        string `json:"what"`  // the most important thing in it
	Text        string `json:"text"`  // and the rest
	Bytes       int    `json:"bytes"` // of the datagrams
	data        bool   // nothing but data of one stream
	stream      wire.StreamID
	begin, stop uint64
}

// maxRungs ends a ladder whose handshake never does.
const maxRungs = 40

// add is a trace for the client's configuration.
func (l *ladder) add(p *conn.PacketTrace) {
	if l.closed || len(l.rungs) >= maxRungs {
		return
	}
	r := rung{FromClient: p.Sent, First: uint64(p.Header.PacketNumber), Last: uint64(p.Header.PacketNumber), Level: p.Level.String(), Bytes: p.Size, data: true}
	var parts []string
	frames := p.Frames()
	for f, err := frames.Next(); f != nil && err == nil; f, err = frames.Next() {
		switch f := f.(type) {
		case *wire.PaddingFrame, *wire.StopWaitingFrame:
			// no part of the story
		case *wire.StreamFrame:
			if f.StreamID == wire.CryptoStream {
				r.data = false
				parts = append([]string{fmt.Sprintf("%s (%d B)", l.message(p.Sent, f), p.Size)}, parts...)
				continue
			}
			r.stream, r.begin, r.stop = f.StreamID, f.Offset, f.Offset+uint64(len(f.Data))
			parts = append(parts, dataText(&r))
		case *wire.AckFrame:
			r.data = false
			parts = append(parts, ackText(f))
		default:
			r.data = false
			parts = append(parts, f.String())
		}
	}
	r.data = r.data && len(parts) == 1
	if n := len(l.rungs); n > 0 && r.data && l.rungs[n-1].takes(&r) {
		return
	}
	r.What, r.Text, _ = strings.Cut(strings.Join(parts, ", "), " ")
	l.rungs = append(l.rungs, r)
	// The handshake is over for the client when it answers under forward-secure keys.
	if p.Sent && p.Level == handshake.LevelForwardSecure {
		l.closed = true
	}
}

// takes adds a packet to a run that it goes on with.
func (r *rung) takes(next *rung) bool {
	if !r.data || r.FromClient != next.FromClient || r.Level != next.Level || r.stream != next.stream || r.stop != next.begin {
		return false
	}
	r.Last, r.stop, r.Bytes = next.Last, next.stop, r.Bytes+next.Bytes
	_, r.Text, _ = strings.Cut(dataText(r), " ")
	return true
}

func ackText(f *wire.AckFrame) string {
	var ranges []string
	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		ranges = append(ranges, fmt.Sprintf("%d-%d", r.Smallest, r.Largest))
	}
	return fmt.Sprintf("ACK [%s]", strings.Join(ranges, " "))
}

func dataText(r *rung) string { return fmt.Sprintf("STREAM %d [%d,%d)", r.stream, r.begin, r.stop) }

// message names the handshake message that a frame of the crypto stream begins or goes on
// with.
func (l *ladder) message(fromClient bool, f *wire.StreamFrame) string {
	side := 0
	if fromClient {
		side = 1
	}
	if len(f.Data) >= 4 {
		switch tag := handshake.Tag(binary.LittleEndian.Uint32(f.Data)); tag {
		case handshake.CHLO, handshake.REJ, handshake.SHLO, handshake.SCUP:
			l.names[side] = tag.String()
			return l.names[side]
		}
	}
	if l.names[side] == "" {
		return "…"
	}
	return l.names[side] + "…"
}

// String draws the ladder.
func (l *ladder) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "    %-40s%s\n", "server", "client")
	for _, r := range l.rungs {
		number := fmt.Sprint(r.First)
		if r.Last > r.First {
			number = fmt.Sprintf("%d..%d", r.First, r.Last)
		}
		if r.FromClient {
			fmt.Fprintf(&b, "    %-37s<- %-2s %s %s\n", "", number, r.What, r.Text)
		} else {
			fmt.Fprintf(&b, "    %-37s->\n", fmt.Sprintf("%-4s %s %s", r.What, number, r.Text))
		}
	}
	return b.String()
}
