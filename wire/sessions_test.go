package wire_test

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	. "example.com/gquic/wire"
)

// TestSessions reads whole recorded connections of quic-go: every header, every frame.
// What was read is written back as the same bytes.
func TestSessions(t *testing.T) {
	for name, version := range map[string]Version{
		"session-q039.json": Q039, "session-q043.json": Q043, "session-q043-onerej.json": Q043,
		"session-q044.json": Q044, "session-q044-onerej.json": Q044,
	} {
		t.Run(name, func(t *testing.T) {
			var session struct {
				Datagrams []struct {
					N               int
					Dir             string
					Hex, Kind       string
					HeaderHex       string       `json:"header_hex"`
					PacketNumber    PacketNumber `json:"packet_number"`
					PacketNumberLen int          `json:"packet_number_length"`
					PlaintextHex    string       `json:"plaintext_hex"`
					Frames          []string
				}
			}
			loadJSON(t, filepath.Join(vectorsDir(t), name), &session)
			var largest [2]PacketNumber
			for _, d := range session.Datagrams {
				if d.Kind != "data" {
					continue
				}
				sender, caller := Client, Version(0)
				if d.Dir == "server->client" {
					sender, caller = Server, version
				}
				b, plaintext := unhex(t, d.Hex), unhex(t, d.PlaintextHex)
				var h Header
				if err := ParseHeader(&h, b, sender, caller); err != nil {
					t.Fatalf("datagram %d: %v", d.N, err)
				}
				if got := hex.EncodeToString(b[:h.Len]); got != d.HeaderHex || h.PacketNumberLen != d.PacketNumberLen {
					t.Errorf("datagram %d: header %s, want %s", d.N, got, d.HeaderHex)
				}
				pn := DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, largest[sender])
				if pn != d.PacketNumber {
					t.Errorf("datagram %d: packet %d, want %d", d.N, pn, d.PacketNumber)
				}
				largest[sender] = max(largest[sender], pn)

				c := Context{Version: version, PacketNumber: pn, PacketNumberLen: h.PacketNumberLen}
				frames, err := readAll(plaintext, c)
				if err != nil {
					t.Fatalf("datagram %d: %v", d.N, err)
				}
				again := h.Append(nil, sender)
				var got []string
				for _, f := range frames {
					again = f.Append(again, &c)
					got = append(got, sessionText(f))
				}
				if want := d.HeaderHex + d.PlaintextHex; hex.EncodeToString(again) != want {
					t.Errorf("datagram %d: appended %x, want %s", d.N, again, want)
				}
				if fmt.Sprint(got) != fmt.Sprint(d.Frames) {
					t.Errorf("datagram %d: %q, want %q", d.N, got, d.Frames)
				}
			}
			if largest[Client] < 5 || largest[Server] < 5 {
				t.Errorf("only %v packets", largest)
			}
		})
	}
}

// sessionText describes a frame as the recordings do.
func sessionText(f Frame) string {
	switch f := f.(type) {
	case *StreamFrame:
		return fmt.Sprintf("STREAM id=%d offset=%d len=%d fin=%v", f.StreamID, f.Offset, len(f.Data), f.Fin)
	case *AckFrame:
		s := fmt.Sprintf("ACK largest=%d delay=%s ranges=", f.Largest, strings.Replace(f.Delay.String(), "µ", "u", 1))
		for _, r := range rangesOf(f) {
			s += fmt.Sprintf("[%d,%d]", r.Smallest, r.Largest)
		}
		return s
	case *ConnectionCloseFrame:
		return fmt.Sprintf("CONNECTION_CLOSE error=%d reason=%q", uint32(f.Code), f.Reason)
	case *StopWaitingFrame:
		return fmt.Sprintf("STOP_WAITING least_unacked=%d", f.LeastUnacked)
	}
	return f.String()
}
