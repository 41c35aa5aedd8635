package h2

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"example.com/gquic/wire"
)

// decodeAll feeds p in pieces of at most size, and returns copies of the events.
func decodeAll(d *Decoder, p []byte, size int) (events []Event, err error) {
	for len(p) > 0 {
		piece := p[:min(size, len(p))]
		p = p[len(piece):]
		for len(piece) > 0 {
			n, ev, err := d.Decode(piece)
			piece = piece[n:]
			if err != nil {
				return events, err
			}
			if ev.Kind != NoEvent {
				ev.Fields = append([]hpack.HeaderField(nil), ev.Fields...)
				events = append(events, ev)
			}
		}
	}
	return events, nil
}

// frame is a frame as it stands on the wire.
func frame(kind, flags byte, id wire.StreamID, payload ...byte) []byte {
	return append(appendFrameHeader(nil, len(payload), kind, flags, id), payload...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// block encodes fields with an encoder of its own, without Huffman codes or table.
func block(pairs ...string) (b []byte) {
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, 0, byte(len(pairs[i])))
		b = append(b, pairs[i]...)
		b = append(b, byte(len(pairs[i+1])))
		b = append(b, pairs[i+1]...)
	}
	return b
}

// A request and a response as they stand on the wire, by hand (RFC 7541, appendix C.3.1
// and C.5.1 give the blocks).
func TestKnownBytes(t *testing.T) {
	request := append([]byte{0, 0, 25, 1, 0x25, 0, 0, 0, 5, 0, 0, 0, 0, 146, 0x82, 0x86, 0x84, 0x41, 0x0f}, "www.example.com"...)
	got, err := decodeAll(NewDecoder(wire.Server, 0), request, 7)
	want := []Event{{Kind: HeadersEvent, Stream: 5, End: true, Priority: Priority{Weight: 147}, Fields: []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "www.example.com"}}}}
	if !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if p := AppendSettings(nil, Setting{SettingMaxHeaderListSize, 16384}); !bytes.Equal(p, []byte{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0x40, 0}) {
		t.Errorf("SETTINGS are % x", p)
	}
	if p := AppendPriority(nil, 7, Priority{DependsOn: 5, Exclusive: true, Weight: 256}); !bytes.Equal(p, []byte{0, 0, 5, 2, 0, 0, 0, 0, 7, 0x80, 0, 0, 5, 255}) {
		t.Errorf("PRIORITY is % x", p)
	}
	e := NewEncoder()
	p, err := e.AppendHeaders(nil, 5, []hpack.HeaderField{{Name: ":method", Value: "GET"}}, true, Priority{Weight: 1})
	if want := []byte{0, 0, 6, 1, 0x25, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0x82}; !bytes.Equal(p, want) || err != nil {
		t.Errorf("a request's HEADERS are % x, %v", p, err)
	}
	p, err = e.AppendHeaders(nil, 5, []hpack.HeaderField{{Name: ":status", Value: "200"}}, false, Priority{})
	if want := []byte{0, 0, 1, 1, 4, 0, 0, 0, 5, 0x88}; !bytes.Equal(p, want) || err != nil {
		t.Errorf("a response's HEADERS are % x, %v", p, err)
	}
}

// What an Encoder builds a Decoder takes apart, however the bytes arrive.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := NewEncoder()
		var stream []byte
		var want []Event
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			id := wire.StreamID(rapid.IntRange(2, 100).Draw(t, "stream")*2 + 1)
			p := Priority{Weight: rapid.IntRange(1, 256).Draw(t, "weight")}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				stream = AppendPriority(stream, id, p)
				want = append(want, Event{Kind: PriorityEvent, Stream: id, Priority: p})
			case 1:
				s := Setting{SettingMaxHeaderListSize, rapid.Uint32().Draw(t, "value")}
				stream = AppendSettings(stream, s, Setting{ID: 0x77, Value: 1})
				want = append(want, Event{Kind: SettingEvent, Setting: s})
			case 2:
				stream = append(stream, frame(0x20+byte(rapid.IntRange(0, 200).Draw(t, "type")), 0xff, id, make([]byte, rapid.IntRange(0, 50).Draw(t, "skipped"))...)...)
			default:
				var fields []hpack.HeaderField
				for range rapid.IntRange(0, 6).Draw(t, "fields") {
					fields = append(fields, hpack.HeaderField{
						Name:  rapid.StringMatching(`[a-z-]{1,12}`).Draw(t, "name"),
						Value: rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "value")})
				}
				end := rapid.Bool().Draw(t, "end")
				var err error
				if stream, err = e.AppendHeaders(stream, id, fields, end, p); err != nil {
					t.Fatal(err)
				}
				want = append(want, Event{Kind: HeadersEvent, Stream: id, Fields: fields, End: end, Priority: p})
			}
		}
		d := NewDecoder(wire.Server, 0)
		got, err := decodeAll(d, stream, rapid.IntRange(1, 40).Draw(t, "piece"))
		if err != nil || !d.Between() {
			t.Fatalf("%v, between frames: %v", err, d.Between())
		}
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("event %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// HEADERS with padding, without priority, in pieces: what peers are known to accept, and
// what HTTP/2 allows.
func TestHeadersForms(t *testing.T) {
	b := block("name", "value")
	priority := []byte{0, 0, 0, 3, 9}
	padded := append(append([]byte{3}, b...), 0, 0, 0)
	both := append(append(append([]byte{2}, priority...), b...), 0, 0)
	for name, p := range map[string][]byte{
		"plain":         frame(frameHeaders, flagEndHeaders, 5, b...),
		"priority":      frame(frameHeaders, flagEndHeaders|flagPriority, 5, append(priority, b...)...),
		"padded":        frame(frameHeaders, flagEndHeaders|flagPadded, 5, padded...),
		"padded only":   join(frame(frameHeaders, flagPadded, 5, 2, 0, 0), frame(frameContinuation, flagEndHeaders, 5, b...)),
		"both":          frame(frameHeaders, flagEndHeaders|flagPadded|flagPriority, 5, both...),
		"split":         join(frame(frameHeaders, 0, 5, b[:3]...), frame(frameContinuation, 0, 5, b[3:7]...), frame(frameContinuation, flagEndHeaders, 5, b[7:]...)),
		"empty pieces":  join(frame(frameHeaders, 0, 5), frame(frameContinuation, 0, 5), frame(frameContinuation, flagEndHeaders, 5, b...)),
		"reserved bits": frame(frameHeaders, flagEndHeaders, 1<<31|5, b...),
	} {
		for size := range 30 {
			got, err := decodeAll(NewDecoder(wire.Server, 0), p, size+1)
			if err != nil || len(got) != 1 || got[0].Stream != 5 || got[0].End || !reflect.DeepEqual(got[0].Fields, []hpack.HeaderField{{Name: "name", Value: "value"}}) {
				t.Fatalf("%s in pieces of %d: %+v, %v", name, size+1, got, err)
			}
		}
	}
}

// Each thing that has no place on the headers stream, and the code it closes with.
func TestFaults(t *testing.T) {
	b := block("name", "value")
	h := frame(frameHeaders, 0, 5, b...)
	const limit = 1000
	for _, test := range []struct {
		what   string
		side   wire.Perspective // who reads it
		stream []byte
		code   wire.ErrorCode
	}{
		{"DATA", wire.Server, frame(frameData, 0, 5, 1), wire.InvalidHeadersStreamData},
		{"RST_STREAM", wire.Server, frame(frameRstStream, 0, 5, 0, 0, 0, 0), wire.InvalidHeadersStreamData},
		{"PING", wire.Client, frame(framePing, 0, 0, make([]byte, 8)...), wire.InvalidHeadersStreamData},
		{"GOAWAY", wire.Client, frame(frameGoAway, 0, 0, make([]byte, 8)...), wire.InvalidHeadersStreamData},
		{"WINDOW_UPDATE", wire.Server, frame(frameWindowUpdate, 0, 0, 0, 0, 0, 1), wire.InvalidHeadersStreamData},
		{"PUSH_PROMISE from a client", wire.Server, frame(framePushPromise, flagEndHeaders, 5, 0, 0, 0, 2), wire.InvalidHeadersStreamData},
		{"PUSH_PROMISE too short", wire.Client, frame(framePushPromise, flagEndHeaders, 5, 0, 0, 0), wire.InvalidHeadersStreamData},
		{"PRIORITY from a server", wire.Client, AppendPriority(nil, 5, Priority{Weight: 1}), wire.InvalidHeadersStreamData},
		{"PRIORITY too long", wire.Server, frame(framePriority, 0, 5, make([]byte, 6)...), wire.InvalidHeadersStreamData},
		{"SETTINGS of odd length", wire.Server, frame(frameSettings, 0, 0, 0, 6, 0), wire.InvalidHeadersStreamData},
		{"SETTINGS on a stream", wire.Server, frame(frameSettings, 0, 5, 0, 6, 0, 0, 0, 1), wire.InvalidHeadersStreamData},
		{"SETTINGS without end", wire.Server, appendFrameHeader(nil, 6*65, frameSettings, 0, 0), wire.InvalidHeadersStreamData},
		{"ENABLE_PUSH 2", wire.Server, AppendSettings(nil, Setting{SettingEnablePush, 2}), wire.InvalidHeadersStreamData},
		{"ENABLE_PUSH from a server", wire.Client, AppendSettings(nil, Setting{SettingEnablePush, 1}), wire.InvalidHeadersStreamData},
		{"MAX_CONCURRENT_STREAMS", wire.Server, AppendSettings(nil, Setting{SettingMaxConcurrentStreams, 1}), wire.InvalidHeadersStreamData},
		{"INITIAL_WINDOW_SIZE", wire.Server, AppendSettings(nil, Setting{SettingInitialWindowSize, 1}), wire.InvalidHeadersStreamData},
		{"MAX_FRAME_SIZE", wire.Server, AppendSettings(nil, Setting{SettingMaxFrameSize, 1}), wire.InvalidHeadersStreamData},
		{"CONTINUATION alone", wire.Server, frame(frameContinuation, flagEndHeaders, 5, b...), wire.InvalidHeadersStreamData},
		{"CONTINUATION of another", wire.Server, join(h, frame(frameContinuation, flagEndHeaders, 7)), wire.InvalidHeadersStreamData},
		{"something within a block", wire.Server, join(h, AppendPriority(nil, 5, Priority{Weight: 1})), wire.InvalidHeadersStreamData},
		{"the unknown within a block", wire.Server, join(h, frame(0x55, 0, 0)), wire.InvalidHeadersStreamData},
		{"CONTINUATIONs without end", wire.Server, join(h, bytes.Repeat(frame(frameContinuation, 0, 5), 65)), wire.InvalidHeadersStreamData},
		{"a block far over the limit", wire.Server, appendFrameHeader(nil, 2*limit+1, frameHeaders, flagEndHeaders, 5), wire.InvalidHeadersStreamData},
		{"such a block in pieces", wire.Server, join(frame(frameHeaders, 0, 5, make([]byte, limit)...)[:9], bytes.Repeat(block("n", "v"), 200)[:limit],
			appendFrameHeader(nil, limit+1, frameContinuation, 0, 5)), wire.InvalidHeadersStreamData},
		{"more padding than there is", wire.Server, frame(frameHeaders, flagEndHeaders|flagPadded, 5, 9, 1), wire.InvalidHeadersStreamData},
		{"no room for the priority", wire.Server, frame(frameHeaders, flagEndHeaders|flagPriority, 5, 0, 0), wire.InvalidHeadersStreamData},
		{"an index outside of the table", wire.Server, frame(frameHeaders, flagEndHeaders, 5, 0xff, 0x80, 0x01), wire.HeadersStreamDataDecompressFailure},
		{"index 0", wire.Server, frame(frameHeaders, flagEndHeaders, 5, 0x80), wire.HeadersStreamDataDecompressFailure},
		{"a field that is cut off", wire.Server, frame(frameHeaders, flagEndHeaders, 5, b[:5]...), wire.HeadersStreamDataDecompressFailure},
		{"a table over the limit", wire.Server, frame(frameHeaders, flagEndHeaders, 5, 0x3f, 0xff, 0xff, 0x03), wire.HeadersStreamDataDecompressFailure},
		{"bad Huffman code", wire.Server, frame(frameHeaders, flagEndHeaders, 5, 0, 1, 'a', 0x84, 0xff, 0xff, 0xff, 0xff), wire.HeadersStreamDataDecompressFailure},
		{"an endless number", wire.Server, frame(frameHeaders, flagEndHeaders, 5, append([]byte{0x7f}, bytes.Repeat([]byte{0xff}, 20)...)...), wire.HeadersStreamDataDecompressFailure},
	} {
		for _, size := range []int{1, 1 << 20} {
			d := NewDecoder(test.side, limit)
			_, err := decodeAll(d, test.stream, size)
			var fault *Error
			if !errors.As(err, &fault) || fault.Code != test.code {
				t.Errorf("%s in pieces of %d: %v, want %v", test.what, size, err, test.code)
			}
			if _, _, again := d.Decode([]byte{0}); again != err {
				t.Errorf("%s: afterwards %v", test.what, again)
			}
		}
	}
}

// A list over the limit costs its stream only: the table stays right. Nothing over the
// limit is kept.
func TestListOverTheLimit(t *testing.T) {
	const limit = 1000
	e, d := NewEncoder(), NewDecoder(wire.Server, limit)
	mark := hpack.HeaderField{Name: "mark", Value: "in the table"}
	large := []hpack.HeaderField{{Name: "first", Value: "1"}, {Name: "large", Value: strings.Repeat("x", limit)}, mark}
	var stream []byte
	stream, _ = e.AppendHeaders(stream, 5, large, false, Priority{})
	stream, _ = e.AppendHeaders(stream, 7, []hpack.HeaderField{mark}, false, Priority{})
	got, err := decodeAll(d, stream, 1<<20)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if !got[0].TooLarge || len(got[0].Fields) != 1 || got[0].Fields[0].Name != "first" {
		t.Errorf("the large one: %+v", got[0])
	}
	if got[1].TooLarge || !reflect.DeepEqual(got[1].Fields, []hpack.HeaderField{mark}) {
		t.Errorf("the next: %+v", got[1])
	}
}

// A few bytes that unpack to very many: each refers to an entry of the table of 4 KB.
func TestBomb(t *testing.T) {
	d := NewDecoder(wire.Server, DefaultMaxHeaderList)
	entry := append([]byte{0x40, 1, 'a', 0x7f, 0xa1, 0x1e}, bytes.Repeat([]byte{'x'}, 0x7f+0x21+0x1e<<7)...) // 4000 of them
	bomb := append(entry, bytes.Repeat([]byte{0xbe}, 500_000)...)
	p := append(appendFrameHeader(nil, len(bomb), frameHeaders, flagEndHeaders, 5), bomb...)
	events, err := decodeAll(d, p, 1350)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || !events[0].TooLarge || ListSize(events[0].Fields) > DefaultMaxHeaderList {
		t.Errorf("%d events, %v, %d fields", len(events), err, len(d.fields))
	}
	if cap(d.crumbs) > 2*gather {
		t.Errorf("it holds %d bytes of crumbs", cap(d.crumbs))
	}
}

func TestEncoderObeysThePeer(t *testing.T) {
	e := NewEncoder()
	e.Apply(Setting{SettingMaxHeaderListSize, 100})
	fields := []hpack.HeaderField{{Name: "name", Value: strings.Repeat("x", 64)}}
	p, err := e.AppendHeaders(nil, 5, fields, false, Priority{})
	if err != nil {
		t.Fatalf("exactly at the limit: %v", err)
	}
	fields[0].Value += "x"
	q, err := e.AppendHeaders(p, 5, fields, false, Priority{})
	var size *ListSizeError
	if !errors.As(err, &size) || size.Size != 101 || size.Limit != 100 || len(q) != len(p) {
		t.Errorf("over it: %v", err)
	}
	// Without a table, nothing later may refer to one.
	e.Apply(Setting{SettingHeaderTableSize, 0})
	fields[0].Value = "y"
	d := NewDecoder(wire.Client, 0)
	var stream []byte
	for range 3 {
		stream, _ = e.AppendHeaders(stream, 5, fields, false, Priority{})
	}
	if got, err := decodeAll(d, append(p, stream...), 100); err != nil || len(got) != 4 || got[3].Fields[0] != fields[0] {
		t.Errorf("%+v, %v", got, err)
	}
}

// FuzzDecoder: no input makes it panic, read past its limits, or depend on how the bytes
// are cut.
func FuzzDecoder(f *testing.F) {
	b := block("name", "value")
	f.Add(frame(frameHeaders, flagEndHeaders|flagPadded, 5, append([]byte{0}, b...)...), true)
	f.Add(join(frame(frameHeaders, 0, 5, b[:3]...), frame(frameContinuation, flagEndHeaders, 5, b[3:]...)), true)
	f.Add(join(AppendSettings(nil, Setting{6, 7}), AppendPriority(nil, 5, Priority{Weight: 1}), frame(0x99, 1, 2, 3)), true)
	f.Add(frame(framePushPromise, flagEndHeaders, 5, append([]byte{0, 0, 0, 2}, b...)...), false)
	f.Fuzz(func(t *testing.T, p []byte, server bool) {
		side := wire.Client
		if server {
			side = wire.Server
		}
		const limit = 500
		whole, err := decodeAll(NewDecoder(side, limit), p, 1<<20)
		for _, ev := range whole {
			if ListSize(ev.Fields) > limit {
				t.Fatalf("a list of %d bytes", ListSize(ev.Fields))
			}
		}
		cut, again := decodeAll(NewDecoder(side, limit), p, 1)
		if fmt.Sprint(whole) != fmt.Sprint(cut) {
			t.Fatalf("%v, cut %v", whole, cut)
		}
		code := func(err error) (c wire.ErrorCode) {
			if e := (*Error)(nil); errors.As(err, &e) {
				c = e.Code
			}
			return c
		}
		if code(err) != code(again) {
			t.Fatalf("%v, cut %v", err, again)
		}
	})
}
