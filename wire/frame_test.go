package wire_test

import (
	"bytes"
	"testing"
	"time"

	. "example.com/gquic/wire"

	"pgregory.net/rapid"
)

var q043 = Context{Version: Q043, PacketNumber: 20, PacketNumberLen: 2}

// TestFrames holds frames against bytes worked out by hand from section 12.
func TestFrames(t *testing.T) {
	const us = time.Microsecond
	for _, test := range []struct {
		hex   string
		frame Frame
		text  string
	}{
		{"00000000", &PaddingFrame{4}, "PADDING 4"},
		{"01 00000005 00000000000004d2 00000006", &RstStreamFrame{5, 1234, StreamCancelled},
			"RST_STREAM 5 at 1234 code 6 STREAM_CANCELLED"},
		{"01 00000005 3fffffffffffffff 00010006", &RstStreamFrame{5, MaxByteOffset, 0x10006},
			"RST_STREAM 5 at 4611686018427387903 code 65542 STREAM_ERROR_65542"},
		{"02 00000010 0003 627965", &ConnectionCloseFrame{PeerGoingAway, []byte("bye")},
			`CONNECTION_CLOSE 16 PEER_GOING_AWAY "bye"`},
		{"02 000000c8 0000", &ConnectionCloseFrame{200, nil}, "CONNECTION_CLOSE 200 ERROR_200"},
		{"03 00000010 00000007 0001 0a", &GoAwayFrame{PeerGoingAway, 7, []byte("\n")},
			`GOAWAY 16 PEER_GOING_AWAY last 7 "\n"`},
		{"04 00000005 0000000000008000", &WindowUpdateFrame{5, 32768}, "WINDOW_UPDATE 5 to 32768"},
		{"04 00000000 000000000000c000", &WindowUpdateFrame{ConnectionStream, 49152}, "WINDOW_UPDATE connection to 49152"},
		{"05 00000005", &BlockedFrame{5}, "BLOCKED 5"},
		{"05 00000000", &BlockedFrame{ConnectionStream}, "BLOCKED connection"},
		{"06 0008", &StopWaitingFrame{12}, "STOP_WAITING 12"},
		{"06 0000", &StopWaitingFrame{20}, "STOP_WAITING 20"},
		{"07", &PingFrame{}, "PING"},

		{"80 01 43484c4f", &StreamFrame{StreamID: 1, Data: []byte("CHLO")}, "STREAM 1 [0,4)"},
		{"a0 05 0001 61", &StreamFrame{StreamID: 5, HasLength: true, Data: []byte("a")}, "STREAM 5 [0,1)"},
		{"e4 05 0546 0000", &StreamFrame{StreamID: 5, Offset: 1350, Fin: true, HasLength: true}, "STREAM 5 [1350,1350) fin"},
		{"c5 0100 0001", &StreamFrame{StreamID: 256, Offset: 1, Fin: true}, "STREAM 256 [1,1) fin"},
		{"aa 010000 010000 0001 61", &StreamFrame{StreamID: 65536, Offset: 65536, HasLength: true, Data: []byte("a")}, "STREAM 65536 [65536,65537)"},
		{"bf 01000000 3ffffffffffffffe 0001 61", &StreamFrame{StreamID: 1 << 24, Offset: MaxByteOffset - 1, HasLength: true, Data: []byte("a")},
			"STREAM 16777216 [4611686018427387902,4611686018427387903)"},

		{"40 11 0000 11 00", NewAckFrame(0, AckRange{1, 17}), "ACK 1-17"},
		// 25 ms: 25000 = 3125 << 3, exponent 4, mantissa 3125 - 2048.
		{"60 16 2435 01 03 02 11 00", NewAckFrame(25*time.Millisecond, AckRange{20, 22}, AckRange{1, 17}), "ACK 1-17 20-22 delay 25ms"},
		// The example of section 12.3.
		{"64 03e9 0000 02 02 ff00 012c 00", NewAckFrame(0, AckRange{1000, 1001}, AckRange{700, 743}), "ACK 700-743 1000-1001"},
		// A gap of exactly 255 takes no filler, and one long range makes all lengths long.
		{"65 0400 0001 01 0001 ff0300 00", NewAckFrame(us, AckRange{1024, 1024}, AckRange{1, 768}), "ACK 1-768 1024 delay 1µs"},
		{"44 0100 0000 01 00", NewAckFrame(0, AckRange{256, 256}), "ACK 256"},
		{"4f 000100000000 ffff 000100000000 00", NewAckFrame(InfiniteDelay, AckRange{1, 1 << 32}), "ACK 1-4294967296 delay infinite"},
		{"4c ffffffffffff 0000 01 00", NewAckFrame(-us, AckRange{MaxPacketNumber, MaxPacketNumber}), "ACK 281474976710655"},
	} {
		b := unhex(t, test.hex)
		if got := test.frame.Append(nil, &q043); !bytes.Equal(got, b) {
			t.Errorf("%v appended as %x, want %x", test.frame, got, b)
		}
		frames, err := readAll(b, q043)
		if err != nil || len(frames) != 1 {
			t.Errorf("%x: %v, %v", b, frames, err)
			continue
		}
		f := frames[0]
		if f.String() != test.text || !sameFrame(f, test.frame) {
			t.Errorf("%x read as %v, want %s", b, f, test.text)
		}
		eliciting := f.Type() != AckType && f.Type() != StopWaitingType && f.Type() != PaddingType
		if f.Retransmittable() != eliciting {
			t.Errorf("%v: Retransmittable() = %v", f, f.Retransmittable())
		}
	}
}

// TestWideFrames reads what is coded with more bytes than needed, or with what we never send.
func TestWideFrames(t *testing.T) {
	for _, test := range []struct{ hex, text, narrow string }{
		{"bf 00000005 0000000000000000 0001 61", "STREAM 5 [0,1)", "a0 05 0001 61"},
		{"a8 05 000001 0001 62", "STREAM 5 [1,2)", "a4 05 0001 0001 62"},
		{"4f 000000000010 0000 000000000004 00", "ACK 13-16", "40 10 0000 04 00"},
		{"50 10 0000 01 00", "ACK 16", "40 10 0000 01 00"}, // the unused bit
		{"40 10 0000 10 01 00 00010203", "ACK 1-16", "40 10 0000 10 00"},
		{"40 10 0000 10 03 00 00010203 01 07d0 05 1000", "ACK 1-16", "40 10 0000 10 00"},
		{"60 14 0000 02 05 0200 0103", "", ""},                                           // no timestamp count
		{"60 14 0000 02 05 0200 0103 00", "ACK 10-12 16-20", "60 14 0000 01 05 0303 00"}, // a short filler
		{"60 14 0000 01 05 ff00 00", "ACK 16-20", "40 14 0000 05 00"},                    // a filler at the end
		{"60 14 0000 03 05 0103 ff00 ff00 00", "ACK 12-14 16-20", "60 14 0000 01 05 0103 00"},
		{"60 14 0000 01 05 0f00 00", "ACK 16-20", "40 14 0000 05 00"}, // down to packet 0, and it is none
	} {
		frames, err := readAll(unhex(t, test.hex), q043)
		if test.text == "" {
			wantParseError(t, err, InvalidAckData)
			continue
		}
		if err != nil || len(frames) != 1 || frames[0].String() != test.text {
			t.Errorf("%s: %v, %v, want %s", test.hex, frames, err, test.text)
			continue
		}
		if got := frames[0].Append(nil, &q043); !bytes.Equal(got, unhex(t, test.narrow)) {
			t.Errorf("%v appended as %x", frames[0], got)
		}
	}
}

// TestFrameErrors goes through what section 18 says of frames.
func TestFrameErrors(t *testing.T) {
	for _, test := range []struct {
		name, hex string
		code      ErrorCode
		offset    int
	}{
		{"nothing", "", MissingPayload, 0},
		{"unknown type", "08", InvalidFrameData, 0},
		{"unknown type behind a PING and padding", "07 0000 1f", InvalidFrameData, 3},
		{"CONGESTION_FEEDBACK, or MESSAGE", "20 00", InvalidFrameData, 0},
		{"type 0x3f", "3f", InvalidFrameData, 0},
		{"RST_STREAM cut", "01 00000005 0000000000000000 000000", InvalidRstStreamData, 0},
		{"RST_STREAM on stream 0", "01 00000000 0000000000000000 00000000", InvalidStreamID, 0},
		{"RST_STREAM past the largest offset", "01 00000005 4000000000000000 00000000", StreamLengthOverflow, 0},
		{"CONNECTION_CLOSE cut", "02 00000010 00", InvalidConnectionCloseData, 0},
		{"reason of CONNECTION_CLOSE cut", "02 00000010 0002 61", InvalidConnectionCloseData, 5},
		{"GOAWAY cut", "03 00000010 00000005 00", InvalidGoawayData, 0},
		{"reason of GOAWAY cut", "03 00000010 00000005 0001", InvalidGoawayData, 9},
		{"WINDOW_UPDATE cut", "04 00000005 00000000000000", InvalidWindowUpdateData, 0},
		{"BLOCKED cut", "05 000000", InvalidBlockedData, 0},
		{"STOP_WAITING cut", "06 00", InvalidStopWaitingData, 0},
		{"STOP_WAITING for packet 0", "06 0014", InvalidStopWaitingData, 1},
		{"STOP_WAITING below 0", "06 ffff", InvalidStopWaitingData, 1},
		{"STREAM cut", "a4 05 0001 00", InvalidStreamData, 0},
		{"data cut", "07 a4 05 0001 0002 61", InvalidStreamData, 5},
		{"STREAM on stream 0", "80 00 61", InvalidStreamID, 0},
		{"STREAM without data and FIN", "80 05", EmptyStreamFrameNoFin, 0},
		{"the same with length", "a0 05 0000", EmptyStreamFrameNoFin, 0},
		{"one byte past the largest offset", "bc 05 3fffffffffffffff 0001 61", StreamLengthOverflow, 0},
		{"offset of 2^64-1", "bc 05 ffffffffffffffff 0001 61", StreamLengthOverflow, 0},
		{"ACK cut", "40 05 0000", InvalidAckData, 0},
		{"ACK of nothing", "40 05 0000 00 00", InvalidAckData, 4},
		{"ACK of packet 0", "40 00 0000 01 00", InvalidAckData, 4},
		{"ACK down to packet 0", "40 05 0000 06 00", InvalidAckData, 4},
		{"announced blocks missing", "60 05 0000 00 05 00", InvalidAckData, 4},
		{"blocks cut", "60 05 0000 02 01 0101 01", InvalidAckData, 6},
		{"gap 0", "60 14 0000 01 05 0003 00", InvalidAckData, 6},
		{"second block down to packet 0", "60 14 0000 02 05 0103 010b 00", InvalidAckData, 8},
		{"block behind a filler below packet 0", "60 14 0000 02 05 ff00 0101 00", InvalidAckData, 8},
		{"first block of 2 bytes empty", "61 14 0000 01 0000 010001 00", InvalidAckData, 5},
		{"second block of 2 bytes down to packet 0", "61 14 0000 01 0005 01000f 00", InvalidAckData, 7},
		{"timestamps missing", "40 05 0000 05", InvalidAckData, 5},
		{"timestamps cut", "40 05 0000 05 02 00 00000000 0001", InvalidAckData, 5},
	} {
		b := unhex(t, test.hex)
		var r Reader
		r.Reset(b[:len(b):len(b)], q043)
		f, err := r.Next()
		for f != nil {
			f, err = r.Next()
		}
		e := wantParseError(t, err, test.code)
		if test.code != InvalidAckData && e.Offset != test.offset {
			t.Errorf("%s: %v, want offset %d", test.name, err, test.offset)
		}
		if test.code == InvalidAckData && (e.Offset < test.offset-1 || e.Offset > test.offset) { // a block or its length
			t.Errorf("%s: %v, want offset %d", test.name, err, test.offset)
		}
		if _, again := r.Next(); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: first %v, then %v", test.name, err, again)
		}
	}
	c := Context{Version: Q044, PacketNumber: 20, PacketNumberLen: 4}
	_, err := readAll(unhex(t, "06 00000001"), c)
	wantParseError(t, err, InvalidStopWaitingData)
	long := append(unhex(t, "80 05"), make([]byte, MaxStreamDataLen+1)...)
	_, err = readAll(long, q043)
	wantParseError(t, err, InvalidStreamData)
	if frames, err := readAll(long[:len(long)-1], q043); err != nil || len(frames) != 1 {
		t.Errorf("data of the largest length: %v", err)
	}
}

func TestStopWaitingThatCannotBeSaid(t *testing.T) {
	for _, test := range []struct {
		c     Context
		least PacketNumber
		n     int
	}{
		{Context{Q043, 20, 2}, 20, 3},
		{Context{Q039, 300, 1}, 45, 2},
		{Context{Q043, 300, 1}, 44, 0}, // too far for one byte
		{Context{Q043, 20, 2}, 21, 0},  // yet to be sent
		{Context{Q043, 20, 2}, 0, 0},
		{Context{Q044, 20, 4}, 1, 0}, // has no such frame
		{Context{Q043, 1 << 40, 6}, 1, 7},
	} {
		f := StopWaitingFrame{test.least}
		b := f.Append(nil, &test.c)
		if len(b) != test.n {
			t.Errorf("%v in packet %d: %x", &f, test.c.PacketNumber, b)
		}
		if test.n == 0 {
			continue
		}
		if frames, err := readAll(b, test.c); err != nil || !sameFrame(frames[0], &f) {
			t.Errorf("%v read as %v, %v", &f, frames, err)
		}
	}
}

func TestLongReasonIsCut(t *testing.T) {
	reason := bytes.Repeat([]byte("r"), MaxReasonLen+10)
	for _, f := range []Frame{
		&ConnectionCloseFrame{NoError, reason}, &GoAwayFrame{NoError, 0, reason},
	} {
		frames, err := readAll(f.Append(nil, &q043), q043)
		if err != nil || len(frames) != 1 {
			t.Errorf("%d frames, %v", len(frames), err)
		}
	}
}

func genFrame(t *rapid.T, c *Context, last bool) Frame {
	id := StreamID(rapid.Uint32Range(1, 1<<32-1).Draw(t, "stream"))
	if rapid.Bool().Draw(t, "low") {
		id = id&0xff | 1
	}
	any64 := rapid.Uint64().Draw(t, "number") >> rapid.IntRange(0, 63).Draw(t, "shift")
	data := rapid.SliceOfN(rapid.Byte(), 1, 12).Draw(t, "data")
	kinds := []FrameType{RstStreamType, ConnectionCloseType, GoAwayType, WindowUpdateType, BlockedType, PingType, AckType, StreamType}
	if c.Version.HasStopWaiting() {
		kinds = append(kinds, StopWaitingType)
	}
	switch rapid.SampledFrom(kinds).Draw(t, "type") {
	case RstStreamType:
		return &RstStreamFrame{id, any64 >> 2, StreamErrorCode(any64)}
	case ConnectionCloseType:
		return &ConnectionCloseFrame{ErrorCode(any64), data}
	case GoAwayType:
		return &GoAwayFrame{ErrorCode(any64), id, data[1:]}
	case WindowUpdateType:
		return &WindowUpdateFrame{id - 1, any64}
	case BlockedType:
		return &BlockedFrame{id - 1}
	case PingType:
		return &PingFrame{}
	case StopWaitingType:
		most := min(uint64(c.PacketNumber)-1, 1<<(8*c.PacketNumberLen)-1)
		return &StopWaitingFrame{c.PacketNumber - PacketNumber(rapid.Uint64Range(0, most).Draw(t, "delta"))}
	case AckType:
		return NewAckFrame(time.Duration(any64>>20)*time.Microsecond, genRanges(t, 20)...)
	}
	f := &StreamFrame{StreamID: id, Offset: any64 >> 3, Data: data, Fin: rapid.Bool().Draw(t, "fin")}
	if f.Fin && rapid.Bool().Draw(t, "empty") {
		f.Data = nil
	}
	f.HasLength = !last || rapid.Bool().Draw(t, "length")
	return f
}

func genContext(t *rapid.T) Context {
	return Context{
		Version:         rapid.SampledFrom(codecVersions).Draw(t, "version"),
		PacketNumber:    PacketNumber(rapid.Uint64Range(1, 1<<40).Draw(t, "packet number")),
		PacketNumberLen: rapid.SampledFrom([]int{1, 2, 4, 6}).Draw(t, "number length"),
	}
}

// Frames that are appended are read back; what was read is appended as the same bytes;
// and a payload that is cut gives the frames before the cut and at most one more.
func TestFrameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genContext(t)
		var frames []Frame
		var payload []byte
		var ends []int
		n := rapid.IntRange(1, 6).Draw(t, "frames")
		for i := range n {
			if rapid.IntRange(0, 4).Draw(t, "pad") == 0 {
				frames = append(frames, &PaddingFrame{rapid.IntRange(1, 200).Draw(t, "padding")})
				payload = frames[len(frames)-1].Append(payload, &c)
				ends = append(ends, len(payload))
			}
			f := genFrame(t, &c, i == n-1)
			frames = append(frames, f)
			payload = f.Append(payload, &c)
			ends = append(ends, len(payload))
		}
		for cut := len(payload); cut > 0; cut-- {
			got, err := readAll(payload[:cut:cut], c)
			whole := 0
			for whole < len(ends) && ends[whole] <= cut {
				whole++
			}
			if len(got) < whole || len(got) > whole+1 {
				t.Fatalf("cut at %d of %v: %v, %v", cut, frames, got, err)
			}
			for i := range whole {
				if !sameFrame(got[i], frames[i]) {
					t.Fatalf("frame %d is %v, want %v", i, got[i], frames[i])
				}
			}
			if cut == len(payload) {
				if err != nil || len(got) != len(frames) {
					t.Fatalf("%v, %v, want %v", got, err, frames)
				}
				var again []byte
				for _, f := range got {
					again = f.Append(again, &c)
				}
				if !bytes.Equal(again, payload) {
					t.Fatalf("%x appended again as %x", payload, again)
				}
			}
		}
	})
}

// Whatever a payload holds, it is read within its bounds, and each frame read is
// written in no more bytes, and read again as the same.
func TestFramesOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := genContext(t)
		payload := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "payload")
		for range rapid.IntRange(0, 2).Draw(t, "frames") {
			payload = genFrame(t, &c, false).Append(payload, &c)
		}
		if len(payload) > 0 {
			payload[rapid.IntRange(0, len(payload)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		var r Reader
		r.Reset(payload[:len(payload):len(payload)], c)
		for {
			begin := r.Offset()
			f, err := r.Next()
			if err != nil || f == nil {
				return
			}
			if r.Offset() <= begin || r.Offset() > len(payload) {
				t.Fatalf("%v goes from %d to %d of %d", f, begin, r.Offset(), len(payload))
			}
			b := f.Append(nil, &c)
			if len(b) > r.Offset()-begin {
				t.Fatalf("%x appended as %x", payload[begin:r.Offset()], b)
			}
			again, err := readAll(b, c)
			if err != nil || len(again) != 1 || !sameFrame(again[0], f) {
				t.Fatalf("%v read again as %v, %v", f, again, err)
			}
			if twice := again[0].Append(nil, &c); !bytes.Equal(twice, b) {
				t.Fatalf("%v appended as %x and %x", f, b, twice)
			}
		}
	})
}
