package wire_test

import (
	"net/netip"
	"testing"
	"time"

	. "example.com/gquic/wire"
)

// TestNoAllocations holds that nothing that reads or appends allocates, given room.
func TestNoAllocations(t *testing.T) {
	buf := make([]byte, 0, 2048)
	c := &Context{Version: Q043, PacketNumber: 20, PacketNumberLen: 2}
	check := func(name string, f func()) {
		t.Helper()
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}

	for _, test := range goodHeaders {
		b := unhex(t, test.hex)
		var h Header
		check(test.name, func() {
			if err := ParseHeader(&h, b, test.sender, test.version); err != nil {
				t.Fatal(err)
			}
		})
		check(test.name+", appended", func() { buf = h.Append(buf[:0], test.sender) })
	}

	var r Reader
	for _, f := range []Frame{
		&PaddingFrame{100}, &RstStreamFrame{5, 1234, 6}, &ConnectionCloseFrame{16, []byte("bye")},
		&GoAwayFrame{16, 7, []byte("bye")}, &WindowUpdateFrame{5, 32768}, &BlockedFrame{5}, &StopWaitingFrame{12},
		&PingFrame{}, &StreamFrame{StreamID: 5, Offset: 1 << 20, Data: make([]byte, 1000), HasLength: true},
		NewAckFrame(time.Millisecond, benchRanges(MaxAckRanges)...),
	} {
		payload := f.Append(nil, c)
		check(f.Type().String(), func() {
			r.Reset(payload, *c)
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ack, ok := got.(*AckFrame); ok {
				it := ack.Ranges()
				for _, ok := it.Next(); ok; _, ok = it.Next() {
				}
			}
			buf = got.Append(buf[:0], c)
		})
	}
	ranges := benchRanges(300)
	check("AppendAck", func() { buf, _ = AppendAck(buf[:0], time.Second, ranges, 1350) })
	check("AppendStreamHeader", func() { buf = AppendStreamHeader(buf[:0], 5, 1<<40, 1000, true, true) })
	check("AppendStopWaiting", func() { buf = AppendStopWaiting(buf[:0], c, 12) })

	versions := []Version{Q044, Q043}
	check("AppendVersionNegotiation", func() { buf = AppendVersionNegotiation(buf[:0], LongForm, testID, versions) })
	p := PublicReset{ConnectionID: testID, HasRejected: true, ClientAddress: netip.MustParseAddrPort("[2001:db8::1]:443")}
	check("PublicReset", func() {
		buf = p.Append(buf[:0])
		if err := ParsePublicReset(&p, buf); err != nil {
			t.Fatal(err)
		}
	})
	check("StatelessReset", func() {
		buf = AppendStatelessReset(buf[:0], []byte{1}, StatelessResetToken{})
		if _, ok := TrailingResetToken(buf); !ok {
			t.Fatal("no token")
		}
	})
}

// A buffer that has exactly the room needed is not left.
func TestAppendInTightBuffers(t *testing.T) {
	for _, test := range goodHeaders {
		var h Header
		if err := ParseHeader(&h, unhex(t, test.hex), test.sender, test.version); err != nil {
			t.Fatal(err)
		}
		n := len(h.Append(nil, test.sender))
		buf := make([]byte, n, n+1)[:0]
		if n := testing.AllocsPerRun(5, func() { h.Append(buf, test.sender) }); n != 0 {
			t.Errorf("%s: %v allocations", test.name, n)
		}
	}
	ack := make([]byte, 0, 100)
	ranges := benchRanges(40)
	if n := testing.AllocsPerRun(5, func() { AppendAck(ack, time.Second, ranges, cap(ack)) }); n != 0 {
		t.Errorf("AppendAck: %v allocations", n)
	}
	if n, b := StreamHeaderLen(70000, 1<<40, true), AppendStreamHeader(nil, 70000, 1<<40, 0, false, true); n != len(b) {
		t.Errorf("header of %d bytes, said to be %d", len(b), n)
	}
}
