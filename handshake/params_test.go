package handshake

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/gquic/wire"
)

func TestParamsEntries(t *testing.T) {
	p := Params{
		IdleTimeout: 1500 * time.Millisecond, MaxStreams: 100, ConnectionWindow: 49152, StreamWindow: 32768,
		SilentClose: true, OmitConnectionID: true, InitialRTT: 25 * time.Millisecond, HeaderListSize: true,
		Options: []Tag{NSTP, MakeTag("TBBR")}, ClientOptions: []Tag{MakeTag("1RTT")},
		StatelessReset: wire.StatelessResetToken{1}, HasStatelessReset: true, NoMigration: true,
	}
	m := Message{Tag: SHLO}
	p.AddTo(&m)
	want := "SHLO 168 B: TCID=0 SMHL=1 ICSL=2 CLOP=1RTT NCMR=1 MIDS=100 SCLS=1 COPT=NSTP,TBBR SRST IRTT=25000 CFCW=49152 SFCW=32768"
	if got := m.Summary(); got != want {
		t.Errorf("entries\n%s, want\n%s", got, want)
	}
	parsed, err := ParseParams(&m)
	p.IdleTimeout = 2 * time.Second // rounded up
	if diff := cmp.Diff(p, parsed); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if !p.Has(NSTP) || p.Has(MakeTag("1RTT")) {
		t.Error("Has looks at the wrong options")
	}

	zero := Message{Tag: CHLO}
	(&Params{}).AddTo(&zero)
	if got := zero.Summary(); got != "CHLO 56 B: ICSL=0 MIDS=0 CFCW=0 SFCW=0" {
		t.Errorf("zero parameters give %s", got)
	}
}

func TestParseParamsErrors(t *testing.T) {
	base := func() *Message {
		m := &Message{Tag: CHLO}
		m.SetUint32(ICSL, 30)
		m.SetUint32(MIDS, 100)
		return m
	}
	got, err := ParseParams(base())
	want := Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: MinWindow, StreamWindow: MinWindow}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, tag := range []Tag{ICSL, MIDS} {
		m := base()
		m.Delete(tag)
		_, err := ParseParams(m)
		needCode(t, err, 35)
	}
	for _, tag := range []Tag{ICSL, MIDS, CFCW, SFCW, SCLS, TCID, IRTT, SMHL, NCMR, COPT, CLOP, SRST} {
		m := base()
		m.Set(tag, make([]byte, 5))
		got, err := ParseParams(m)
		needCode(t, err, 34)
		if diff := cmp.Diff(Params{}, got); diff != "" {
			t.Errorf("%v: left after an error: %s", tag, diff)
		}
	}
	for _, tag := range []Tag{CFCW, SFCW} {
		m := base()
		m.SetUint32(tag, MinWindow-1)
		_, err := ParseParams(m)
		needCode(t, err, 64)
		m.SetUint32(tag, MinWindow)
		if _, err := ParseParams(m); err != nil {
			t.Error(err)
		}
	}
	m := base()
	m.SetUint32(TCID, 8)
	m.SetUint32(SCLS, 0)
	m.Set(COPT, nil) // a browser's Q044 sends it empty
	if got, err := ParseParams(m); err != nil || got.OmitConnectionID || got.SilentClose || got.Options != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParamsRoundTrip(t *testing.T) {
	tags := rapid.SliceOfN(rapid.Map(rapid.Uint32(), func(v uint32) Tag { return Tag(v) }), 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		p := Params{
			IdleTimeout:      time.Duration(rapid.Uint32().Draw(t, "idle")) * time.Second,
			MaxStreams:       rapid.Uint32().Draw(t, "streams"),
			ConnectionWindow: rapid.Uint32Min(MinWindow).Draw(t, "connection window"),
			StreamWindow:     rapid.Uint32Min(MinWindow).Draw(t, "stream window"),
			SilentClose:      rapid.Bool().Draw(t, "silent"),
			OmitConnectionID: rapid.Bool().Draw(t, "omit"),
			InitialRTT:       time.Duration(rapid.Uint32().Draw(t, "rtt")) * time.Microsecond,
			HeaderListSize:   rapid.Bool().Draw(t, "SMHL"),
			Options:          tags.Draw(t, "options"),
			ClientOptions:    tags.Draw(t, "client options"),
			NoMigration:      rapid.Bool().Draw(t, "no migration"),
		}
		if p.HasStatelessReset = rapid.Bool().Draw(t, "reset"); p.HasStatelessReset {
			p.StatelessReset[0] = rapid.Byte().Draw(t, "token")
		}
		p.Options, p.ClientOptions = slices.Clip(p.Options), slices.Clip(p.ClientOptions)
		m := Message{Tag: CHLO}
		p.AddTo(&m)
		got, err := ParseParams(&m)
		if err != nil {
			t.Fatal(err)
		}
		equal := func(a, b []Tag) bool { return slices.Equal(a, b) }
		if diff := cmp.Diff(p, got, cmp.Comparer(equal)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Extreme values do not wrap around.
func TestParamsRange(t *testing.T) {
	m := Message{Tag: CHLO}
	for idle, want := range map[time.Duration]uint32{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2} {
		(&Params{IdleTimeout: idle}).AddTo(&m)
		if v, _, _ := m.Uint32(ICSL); v != want {
			t.Errorf("idle timeout %v is %d s, want %d", idle, v, want)
		}
	}
	(&Params{IdleTimeout: -time.Second, InitialRTT: 2 * time.Hour}).AddTo(&m)
	if got := m.Summary(); got != "CHLO 68 B: ICSL=0 MIDS=0 IRTT=4294967295 CFCW=0 SFCW=0" {
		t.Error(got)
	}
	(&Params{IdleTimeout: 1<<63 - 1}).AddTo(&m)
	if v, _, _ := m.Uint32(ICSL); v != 1<<32-1 {
		t.Error("idle timeout wraps to", v)
	}
}

// Every message of the recorded handshakes that carries parameters reads well.
func TestParamsVectors(t *testing.T) {
	var cases []struct {
		Hex hexBytes `json:"hex"`
	}
	loadVectors(t, "messages", &cases)
	seen := 0
	for i, c := range cases {
		var m Message
		if err := m.ParseWhole(c.Hex); err != nil {
			t.Fatal(err)
		}
		if !m.Has(ICSL) || !m.Has(MIDS) {
			continue
		}
		seen++
		p, err := ParseParams(&m)
		if err != nil || p.IdleTimeout < time.Second || p.MaxStreams == 0 {
			t.Errorf("message %d: %+v, %v", i, p, err)
		}
	}
	if seen < 10 {
		t.Errorf("only %d messages with parameters", seen)
	}
}
