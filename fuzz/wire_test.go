package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"example.com/gquic/wire"

	"github.com/google/go-cmp/cmp"
)

// headerContext makes what ParseHeader is told besides the bytes from one byte.
func headerContext(how byte) (wire.Perspective, wire.Version) {
	return wire.Perspective(how & 1), [...]wire.Version{0, wire.Q039, wire.Q043, wire.Q044}[how>>1&3]
}

// FuzzHeader: a header that parses is written back byte for byte, but for the bits that
// readers ignore; it is read the same again, whatever follows; nothing outside it is used.
func FuzzHeader(f *testing.F) {
	for _, v := range versions[1:] {
		datagrams, senders := Recording(v)
		for i, d := range datagrams {
			f.Add(d[:min(len(d), 80)], byte(senders[i]))
			f.Add(d[:min(len(d), 80)], byte(senders[i])|map[wire.Version]byte{wire.Q043: 4, wire.Q044: 6}[v])
		}
	}
	f.Add(wire.AppendVersionNegotiation(nil, wire.LongByteForm, wire.ConnectionID{1}, []wire.Version{wire.Q043, 0x1a2a3a4a}), byte(wire.Server))
	f.Add((&wire.PublicReset{ConnectionID: wire.ConnectionID{7}}).Append(nil), byte(wire.Server))
	for _, group := range []string{"header", "malformed", "datagram"} {
		for _, c := range wireVectors(f, group) {
			b := c.bytes(f)
			f.Add(b[:min(len(b), 80)], byte(0))
			f.Add(b[:min(len(b), 80)], byte(1))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		sender, version := headerContext(how)
		b := clip(data)
		var h wire.Header
		err := wire.ParseHeader(&h, b, sender, version)
		if !bytes.Equal(b, data) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			var parse *wire.ParseError
			if !errors.As(err, &parse) || parse.Offset < 0 || parse.Offset > len(b) {
				t.Fatalf("error %#v for %d bytes", err, len(b))
			}
			return
		}
		checkHeader(t, &h, b, sender, version)
	})
}

func checkHeader(t *testing.T, h *wire.Header, b []byte, sender wire.Perspective, version wire.Version) {
	if h.Len < 0 || h.Len > len(b) {
		t.Fatalf("header of %d bytes in %d", h.Len, len(b))
	}
	if !within(h.Nonce, b) || !within(h.Versions, b) {
		t.Fatal("a field lies outside of the input")
	}
	if h.Nonce != nil && (len(h.Nonce) != wire.NonceLen || sender == wire.Client) {
		t.Fatalf("nonce of %d bytes from a %v", len(h.Nonce), sender)
	}
	if h.String() == "" {
		t.Fatal("no text")
	}
	if h.Kind == wire.UnknownVersionPacket {
		if h.Version.Facts().Headers == wire.PublicFamily || h.Version.Facts().Headers == wire.Q044Family {
			t.Fatalf("%v is unknown", h.Version)
		}
		return
	}
	again := h.Append(nil, sender)
	if h.Kind == wire.RegularPacket {
		if len(again) != h.Len {
			t.Fatalf("%x written as %x", b[:h.Len], again)
		}
		ignored := ignoredBits(h, sender, version)
		if again[0]&^ignored != b[0]&^ignored || !bytes.Equal(again[1:], b[1:h.Len]) {
			t.Fatalf("%x written as %x", b[:h.Len], again)
		}
	}
	if h.Kind == wire.PublicResetPacket {
		if !bytes.HasPrefix(b[h.Len:], []byte("PRST")) {
			return // whether there is an ID shows only in the message behind it
		}
		again = append(again, b[h.Len:]...)
		if at := 1 + wire.ConnectionIDLen; !h.HasConnectionID && bytes.HasPrefix(again[min(at, len(again)):], []byte("PRST")) {
			return // and here a message is in both places: quic-go's flags do not say which
		}
	}
	var twice wire.Header
	if err := wire.ParseHeader(&twice, clip(again), sender, version); err != nil {
		t.Fatalf("%v written as %x: %v", h, again, err)
	}
	if diff := cmp.Diff(*h, twice); diff != "" {
		t.Fatalf("read differently from %x than from %x (-first +again):\n%s", again, b, diff)
	}
}

// ignoredBits are the bits of the first byte that a reader does not look at.
func ignoredBits(h *wire.Header, sender wire.Perspective, version wire.Version) byte {
	switch {
	case h.Form == wire.PublicForm && sender == wire.Client:
		return 0x04 // a nonce's flag, which Chromium sets
	case h.Form == wire.ShortForm && sender == wire.Server && version != 0:
		return 0x40 // as in a stateless reset
	}
	return 0
}

// FuzzFrames: frames cover the payload without gaps; what is read and written is read the
// same again, in no more bytes; what we write is canonical: read and written once more it
// has the same bytes; errors repeat themselves; every ACK range is in order.
func FuzzFrames(f *testing.F) {
	c := wire.Context{Version: wire.Q043, PacketNumber: 300, PacketNumberLen: 2}
	for i := range 64 {
		in := NewInput(bytes.Repeat([]byte{byte(i), byte(3 * i), byte(7 * i), 200}, 20))
		f.Add(in.Payload(nil, &c, &Hint{Streams: []wire.StreamID{3, 5}, Sent: 50, Offset: 1 << 14}, 400), byte(i), uint64(300))
	}
	for _, group := range []string{"frame", "malformed"} {
		for _, v := range wireVectors(f, group) {
			f.Add(v.bytes(f), byte(5), uint64(0x123456))
			f.Add(v.bytes(f), byte(6), uint64(20))
		}
	}
	var r, second wire.Reader
	f.Fuzz(func(t *testing.T, data []byte, how byte, number uint64) {
		c := wire.Context{Version: versions[int(how)%3], PacketNumber: wire.PacketNumber(number) % (wire.MaxPacketNumber + 1),
			PacketNumberLen: [...]int{1, 2, 4, 6}[how>>2&3]}
		b := clip(data)
		r.Reset(b, c)
		for steps := 0; ; steps++ {
			before := r.Offset()
			frame, err := r.Next()
			if err != nil {
				checkFrameError(t, &r, err, before, len(b))
				return
			}
			if frame == nil {
				if before != len(b) || len(b) == 0 {
					t.Fatalf("the end at %d of %d", before, len(b))
				}
				break
			}
			if r.Offset() <= before || r.Offset() > len(b) || steps > len(b) {
				t.Fatalf("a frame from %d to %d of %d", before, r.Offset(), len(b))
			}
			checkFrame(t, frame, b[before:r.Offset()], &c, &second)
		}
		if !bytes.Equal(b, data) {
			t.Fatal("the input was changed")
		}
	})
}

func checkFrameError(t *testing.T, r *wire.Reader, err error, before, size int) {
	var parse *wire.ParseError
	if !errors.As(err, &parse) || parse.Code == 0 || parse.Offset < before || parse.Offset > size {
		t.Fatalf("error %#v behind %d of %d", err, before, size)
	}
	if frame, again := r.Next(); frame != nil || again == nil || again.Error() != err.Error() {
		t.Fatalf("error %v, then %v, %v", err, frame, again)
	}
}

func checkFrame(t *testing.T, frame wire.Frame, b []byte, c *wire.Context, r *wire.Reader) {
	text := frame.String()
	written := clip(frame.Append(nil, c))
	if len(written) > len(b) && !isLengthless(frame) {
		t.Fatalf("%s: %x written as %x", text, b, written)
	}
	switch f := frame.(type) {
	case *wire.StreamFrame:
		if !within(f.Data, b) {
			t.Fatal("data outside of the frame")
		}
		if f.Offset > wire.MaxByteOffset-uint64(len(f.Data)) {
			t.Fatalf("%s passes the largest offset", text)
		}
	case *wire.AckFrame:
		checkRanges(t, f)
	}
	r.Reset(written, *c)
	again, err := r.Next()
	if err != nil || again == nil || again.String() != text || r.Offset() != len(written) {
		t.Fatalf("%s: %x written as %x, read as %v, %v", text, b, written, again, err)
	}
	if twice := again.Append(nil, c); !bytes.Equal(twice, written) {
		t.Fatalf("%s: written as %x and then as %x", text, written, twice)
	}
}

// isLengthless reports whether f is a STREAM frame to the end of its packet: its Append
// may do with the same bytes.
func isLengthless(f wire.Frame) bool {
	s, ok := f.(*wire.StreamFrame)
	return ok && !s.HasLength
}

func checkRanges(t *testing.T, f *wire.AckFrame) {
	below, n := f.Largest+2, 0
	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		if r.Smallest < 1 || r.Smallest > r.Largest || r.Largest+2 > below || n == 0 && r.Largest != f.Largest {
			t.Fatalf("%v: range %v at %d, below %d", f, r, n, below)
		}
		below = r.Smallest
		if n++; n > wire.MaxAckRanges {
			t.Fatalf("%d ranges", n)
		}
	}
	if n == 0 {
		t.Fatal("an ACK of nothing")
	}
}

// FuzzVersionNegotiation: what AppendVersionNegotiation writes is read back as it was; and
// what is read as a list lies in the packet and is written back as it was.
func FuzzVersionNegotiation(f *testing.F) {
	f.Add([]byte("Q043Q044"), uint64(0x04e51d3a0744d75e), byte(0))
	f.Add([]byte("Q043\x1a\x2a\x3a\x4aQ039Q050"), uint64(1), byte(1))
	f.Add([]byte("T050"), uint64(0), byte(3))
	for _, c := range wireVectors(f, "version_negotiation") {
		f.Add(c.bytes(f), uint64(0), byte(4))
	}
	f.Fuzz(func(t *testing.T, data []byte, id uint64, how byte) {
		var list []wire.Version
		for b := data; len(b) >= 4; b = b[4:] {
			list = append(list, wire.Version(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])))
		}
		form := [...]wire.Form{wire.PublicForm, wire.LongForm, wire.LongForm, wire.LongByteForm}[how&3]
		var cid wire.ConnectionID
		for i := range cid {
			cid[i] = byte(id >> (56 - 8*i))
		}
		packet := clip(wire.AppendVersionNegotiation(nil, form, cid, list))
		var h wire.Header
		err := wire.ParseHeader(&h, packet, wire.Server, 0)
		if len(list) == 0 {
			if err == nil {
				t.Fatal("an empty list was taken")
			}
			return
		}
		if err != nil || h.Kind != wire.VersionNegotiationPacket || h.Form != form || h.ConnectionID != cid || h.Versions.Len() != len(list) {
			t.Fatalf("%x read as %v, %v", packet, &h, err)
		}
		for i, v := range list {
			if h.Versions.At(i) != v || !h.Versions.Contains(v) {
				t.Fatalf("version %d of %x is %v, not %v", i, packet, h.Versions.At(i), v)
			}
		}
		if again := h.Append(nil, wire.Server); !bytes.Equal(again, packet) {
			t.Fatalf("%x written as %x", packet, again)
		}
	})
}

// FuzzPublicReset: a reset that parses is written to what parses to the same, and that is
// canonical; and ParseHeader finds it to be one.
func FuzzPublicReset(f *testing.F) {
	f.Add((&wire.PublicReset{ConnectionID: wire.ConnectionID{1, 2}, HasRejected: true, RejectedPacketNumber: 9, ClientAddress: ClientAddr}).Append(nil))
	f.Add((&wire.PublicReset{NoConnectionID: true, NonceProof: 1010101, ServerID: []byte("cache")}).Append(nil))
	for _, group := range []string{"public_reset", "server_response"} {
		for _, c := range wireVectors(f, group) {
			f.Add(c.bytes(f))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := clip(data)
		var p, twice wire.PublicReset
		if err := wire.ParsePublicReset(&p, b); err != nil {
			var parse *wire.ParseError
			if !errors.As(err, &parse) || parse.Offset > len(b) {
				t.Fatalf("error %#v", err)
			}
			return
		}
		if !within(p.ServerID, b) {
			t.Fatal("the server's ID lies outside of the packet")
		}
		var h wire.Header
		if err := wire.ParseHeader(&h, b, wire.Server, wire.Q043); err != nil || h.Kind != wire.PublicResetPacket {
			t.Fatalf("%x is a %v to ParseHeader", b, &h)
		}
		written := clip(p.Append(nil))
		if err := wire.ParsePublicReset(&twice, written); err != nil || p.String() != twice.String() {
			t.Fatalf("%v written as %x, read as %v, %v", &p, written, &twice, err)
		}
		if again := twice.Append(nil); !bytes.Equal(again, written) {
			t.Fatalf("%v written as %x and then as %x", &p, written, again)
		}
	})
}

// FuzzPacketNumber: a truncated number is completed to the one sent, if that is within
// half of what the length can tell of the next expected; and to none farther away.
func FuzzPacketNumber(f *testing.F) {
	f.Add(uint64(1), uint64(0), byte(0))
	f.Add(uint64(0x10000), uint64(0xffff), byte(1))
	f.Add(uint64(1)<<47, uint64(1)<<47-3, byte(2))
	f.Fuzz(func(t *testing.T, number, largest uint64, how byte) {
		length := [...]int{1, 2, 4, 6}[how&3]
		pn := wire.PacketNumber(number) & wire.MaxPacketNumber
		last := wire.PacketNumber(largest) & wire.MaxPacketNumber
		space := wire.PacketNumber(1) << (8 * length)
		got := wire.DecodePacketNumber(pn%space, length, last)
		if got%space != pn%space {
			t.Fatalf("%d of %d bytes after %d became %d", pn, length, last, got)
		}
		distance := func(n wire.PacketNumber) wire.PacketNumber { return max(n, last+1) - min(n, last+1) }
		if distance(pn) < space/2 && got != pn {
			t.Fatalf("%d of %d bytes after %d became %d", pn, length, last, got)
		}
		if distance(got) > distance(pn) {
			t.Fatalf("%d of %d bytes after %d became %d, which is farther away", pn, length, last, got)
		}
		if least := wire.PacketNumber(largest)&wire.MaxPacketNumber + 1; pn >= least {
			// Whoever has everything below least, and perhaps more, understands the length chosen.
			n := wire.PacketNumberLen(pn, least)
			if d := pn - least; n == 2 && d >= 1<<15 || n == 4 && d < 1<<15 {
				t.Fatalf("%d bytes for %d with %d unacknowledged", n, pn, least)
			}
		}
	})
}
