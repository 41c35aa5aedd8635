package wire_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"example.com/gquic/wire"
)

// A server looks at a datagram whose connection it does not know yet. (Its first packet
// is under the null protection: a tag of 12 bytes, and the plaintext as it is.)
func ExampleParseHeader() {
	datagram, _ := hex.DecodeString("ff513034345004e51d3a0744d75e00000001" + // header
		"9f68763664f0cb1451fe3855" + // tag
		"8001" + "43484c4f0900") // STREAM frame, cut short here

	var h wire.Header
	if err := wire.ParseHeader(&h, datagram, wire.Client, 0); err != nil {
		fmt.Println("dropped:", err)
		return
	}
	fmt.Println(&h)
	fmt.Println("new to us, so that it is packet", wire.DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, 0))
	fmt.Printf("associated data: %d bytes\n", h.Len)
	// Output:
	// long Initial Q044 04e51d3a0744d75e pkt 1 len 4
	// new to us, so that it is packet 1
	// associated data: 18 bytes
}

// A Reader walks the frames of a decrypted payload.
func ExampleReader() {
	payload, _ := hex.DecodeString("60162435010302110006000407a4050546000568656c6c6f00000010")

	var r wire.Reader // to be kept and used again
	r.Reset(payload, wire.Context{Version: wire.Q043, PacketNumber: 16, PacketNumberLen: 2})
	for {
		f, err := r.Next()
		if err != nil {
			var e *wire.ParseError
			errors.As(err, &e)
			fmt.Printf("close with %d %v: %s at byte %d\n", uint32(e.Code), e.Code, e.What, e.Offset)
			return
		}
		if f == nil {
			return
		}
		switch f := f.(type) {
		case *wire.StreamFrame:
			fmt.Printf("%v: %s\n", f, f.Data)
		default:
			fmt.Println(f)
		}
	}
	// Output:
	// ACK 1-17 20-22 delay 25ms
	// STOP_WAITING 12
	// PING
	// STREAM 5 [1350,1355): hello
	// PADDING 3
	// close with 4 INVALID_FRAME_DATA: unknown frame type at byte 27
}

// A packet is a header and frames, appended to one buffer. The protection comes last.
func ExampleHeader_Append() {
	h := wire.Header{
		Form:            wire.PublicForm,
		HasConnectionID: true,
		ConnectionID:    wire.ConnectionID{0x04, 0xe5, 0x1d, 0x3a, 0x07, 0x44, 0xd7, 0x5e},
		PacketNumber:    70000,
		PacketNumberLen: wire.PacketNumberLen(70000, 69990),
	}
	c := wire.Context{Version: wire.Q043, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen}

	packet := h.Append(make([]byte, 0, 1350), wire.Server)
	header := len(packet)
	packet, _ = wire.AppendAck(packet, 3*time.Millisecond, []wire.AckRange{{Smallest: 1, Largest: 9}}, 100)
	packet = wire.AppendStopWaiting(packet, &c, 69990)
	packet = (&wire.WindowUpdateFrame{StreamID: 5, Offset: 32768}).Append(packet, &c)
	packet = wire.AppendStreamHeader(packet, 5, 0, len("hello"), true, false)
	packet = append(packet, "hello"...)
	fmt.Printf("%x\n%x\n", packet[:header], packet[header:])
	// Output:
	// 1804e51d3a0744d75e1170
	// 40090bb8090006000a04000000050000000000008000c00568656c6c6f
}

// The ranges of an ACK frame go from high to low.
func ExampleAckFrame_Ranges() {
	f := wire.NewAckFrame(0, wire.AckRange{Smallest: 20, Largest: 22}, wire.AckRange{Smallest: 1, Largest: 17})

	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		fmt.Println(r.Smallest, "to", r.Largest)
	}
	// Output:
	// 20 to 22
	// 1 to 17
}

// A server answers a version that it does not speak, in the form that the client used.
func ExampleAppendVersionNegotiation() {
	datagram, _ := hex.DecodeString("0904e51d3a0744d75e5130393901" + "0000")
	var h wire.Header
	if err := wire.ParseHeader(&h, datagram, wire.Client, 0); err != nil || h.Kind != wire.UnknownVersionPacket {
		return
	}
	answer := wire.AppendVersionNegotiation(nil, h.Form, h.ConnectionID, []wire.Version{wire.Q044, wire.Q043})

	if err := wire.ParseHeader(&h, answer, wire.Server, wire.Q043); err == nil {
		fmt.Println(&h)
	}
	// Output: version negotiation 04e51d3a0744d75e: Q044 Q043
}
