package fuzz

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"

	"pgregory.net/rapid"
)

// A scenario is how a schedule begins.
type scenario struct {
	name    string
	version wire.Version
	change  func(*conn.Config)
	zeroRTT bool
	connect bool // complete the handshake first
}

var scenarios = []scenario{
	{name: "first contact", version: wire.Q043},
	{name: "first contact, Q044", version: wire.Q044},
	{name: "0-RTT", version: wire.Q043, zeroRTT: true},
	{name: "0-RTT, Q044", version: wire.Q044, zeroRTT: true},
	{name: "connected", version: wire.Q043, connect: true},
	{name: "connected, Q044", version: wire.Q044, connect: true},
	{name: "stateless first answer", version: wire.Q043, change: func(c *conn.Config) { c.AlwaysStateless = true }},
	{name: "stateless first answer, Q044", version: wire.Q044, change: func(c *conn.Config) { c.AlwaysStateless = true }},
	{name: "version negotiation", version: wire.Q044, change: disagree},
	{name: "no connection ID, BBR", version: wire.Q043, connect: true, change: func(c *conn.Config) {
		c.OmitConnectionID = c.Client != nil
		c.Options = []handshake.Tag{handshake.MakeTag("TBBR")}
	}},
	{name: "keep-alive, silent", version: wire.Q044, connect: true, change: func(c *conn.Config) {
		c.KeepAlive, c.SilentClose = 5*time.Second, true
	}},
	{name: "0-RTT, version negotiation", version: wire.Q044, zeroRTT: true, change: disagree},
}

// disagree has a client prefer a version that its server does not have.
func disagree(c *conn.Config) {
	c.Versions = []wire.Version{wire.Q043}
	if c.Client != nil {
		c.Versions = []wire.Version{wire.Q044, wire.Q043}
	}
}

func (s *scenario) world() *World {
	w := NewWorld(s.version, s.change)
	w.warm()
	var o conn.DialOptions
	if s.zeroRTT {
		first := NewWorld(s.version, s.change)
		first.must(first.Dial(o))
		first.must(first.Finish())
		o.Resumption = first.resumption
	}
	w.must(w.Dial(o))
	if s.connect {
		w.must(w.Finish())
	}
	w.watch.off = true // clones cannot share it: see TestPacketNumbers
	return w
}

// warm lets the server make what all its connections share, its config and compressed
// chain, so that not every input has to: by a connection of somebody else, long over.
func (w *World) warm() {
	cfg := ClientConfig(wire.Q044, wire.Q043)
	cfg.Seed[0] = 99
	p := &Pair{Client: MustEndpoint(cfg), Server: w.Ends[wire.Server], Now: w.Now}
	w.must(p.Connect())
	p.Server.Conn(p.S).Close(wire.PeerGoingAway, "")
	p.Run(p.Now.Add(300 * time.Second))
	w.Now = p.Now
}

func (w *World) must(err error) {
	if err != nil {
		panic(err)
	}
}

// step makes one move of a schedule.
func (w *World) step(in *Input) string {
	side := wire.Perspective(in.Byte() & 1)
	switch c := in.Byte(); {
	case c < 0x40: // the network's most usual move
		w.Deliver(side, 0, false)
		return "deliver"
	case c < 0x50:
		w.Deliver(side, in.Below(len(w.Wire[side])), false)
		return "deliver another"
	case c < 0x58:
		w.Deliver(side, in.Below(len(w.Wire[side])), true)
		return "deliver and keep"
	case c < 0x70:
		w.Drop(side, in.Below(len(w.Wire[side])))
		return "drop"
	case c < 0x76:
		if i := in.Below(len(w.Wire[side])); i < len(w.Wire[side]) {
			d := in.Mutate(w.Wire[side][i])
			w.Receive(side, d)
		}
		return "deliver damaged"
	case c < 0x78:
		w.Rebind(in.Bool())
		return "rebind"
	case c < 0x90:
		w.Advance(time.Duration(1+in.Byte()) * time.Millisecond)
		return "advance"
	case c < 0x98:
		w.Advance(time.Duration(1+in.Byte()) * 100 * time.Millisecond)
		return "advance far"
	case c < 0xa8:
		w.Open(side)
		return "open"
	case c < 0xd0:
		w.Write(side, int(in.Byte()), int(in.Number()%50000), in.Byte()&7 == 0)
		return "write"
	case c < 0xf0:
		w.Read(side, int(in.Byte()), int(in.Number()%50000))
		return "read"
	case c < 0xf8:
		w.Reset(side, int(in.Byte()), wire.StreamErrorCode(in.Byte()&3))
		return "reset"
	case c < 0xfa:
		w.Ping(side)
	case c < 0xfc:
		w.GoAway(side)
	case c < 0xfd:
		w.Close(side)
	}
	return "call"
}

// repro runs a script again and prints it as a test that does the same without it.
func repro(s int, base *World, script []byte) string {
	var moves []string
	w := base.Clone()
	w.Moves = &moves
	in := NewInput(script)
	for n := 0; !in.Empty() && n < 200 && w.Check() == nil; n++ {
		w.step(in)
	}
	return program(s, moves)
}

// program is a test that makes these moves. It can be pasted into this file.
func program(s int, moves []string) string {
	return fmt.Sprintf("func TestRepro(t *testing.T) { // %s\n\tw := scenarios[%d].world()\n\t%s\n"+
		"\tfor _, err := range []error{w.Check(), w.Finish()} {\n\t\tif err != nil {\n\t\t\tt.Fatal(err)\n\t\t}\n\t}\n}", scenarios[s].name, s, strings.Join(moves, "\n\t"))
}

// digest sums up a world: what is on its way, and what each side knows.
func (w *World) digest() [32]byte {
	h := sha256.New()
	fmt.Fprint(h, w.Now, w.Wire, w.Apps, w.Ends[0].NextTimeout(), w.Ends[1].NextTimeout(), w.Conn(0).Stats(), w.Conn(1).Stats())
	return [32]byte(h.Sum(nil))
}

// FuzzSchedule: a network and two applications whose every decision is read from the
// input. Invariants hold after each step; what is read is what was written; when the input
// ends and the network is good, everything arrives. An odd third byte has a clone of the
// world, made halfway, fed the same: it must do the same, byte for byte.
func FuzzSchedule(f *testing.F) {
	worlds := make([]*World, len(scenarios))
	for i := range scenarios {
		worlds[i] = scenarios[i].world()
		f.Add([]byte{byte(i), 0})
		f.Add(append([]byte{byte(i), 1, 0, 0xa0, 1, 0xa0}, schedule(uint32(i)*3+1, 120)...))
		f.Add(append([]byte{byte(i), 0, 0, 0xa0, 0, 0xb0, 0, 0xc4, 0xff, 0}, schedule(uint32(i)*3+2, 200)...))
		f.Add(append([]byte{byte(i), 0}, schedule(uint32(i)*3+3, 60)...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		in := NewInput(script)
		s := in.Below(len(worlds))
		w := worlds[s].Clone()
		var twin *World
		twins := in.Bool()
		rest := in.b
		for n := 0; !in.Empty() && n < 200; n++ {
			if twins && n == 8 {
				twin = w.Clone()
			}
			again := *in
			what := w.step(in)
			if err := w.Check(); err != nil {
				t.Fatalf("step %d, %s: %v\n\n%s", n, what, err, repro(s, worlds[s], rest))
			}
			if twin != nil {
				twin.step(&again)
			}
		}
		if twin != nil && w.digest() != twin.digest() {
			t.Fatal("a clone that was fed the same did something else")
		}
		if err := w.Finish(); err != nil {
			t.Fatalf("at the end: %v\n\n%s", err, repro(s, worlds[s], rest))
		}
		if twin != nil {
			twin.Finish()
			if w.digest() != twin.digest() {
				t.Fatal("a clone that was fed the same ended differently")
			}
		}
	})
}

// schedule is a run of random moves.
func schedule(seed uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

// TestPacketNumbers: no packet number is used twice on a connection, over random schedules.
func TestPacketNumbers(t *testing.T) {
	for i := range scenarios {
		w := scenarios[i].world()
		w.watch.off = false
		in := NewInput(schedule(uint32(i)+99, 600))
		for n := 0; !in.Empty(); n++ {
			what := w.step(in)
			if err := w.Check(); err != nil {
				t.Fatalf("%s: step %d, %s: %v", scenarios[i].name, n, what, err)
			}
		}
		if err := w.Finish(); err != nil {
			t.Fatalf("%s: %v", scenarios[i].name, err)
		}
	}
}

// TestScheduleMachine holds the same as FuzzSchedule, with moves that rapid draws: what
// fails is cut down to a few of them, and printed as a test that can be pasted here.
func TestScheduleMachine(t *testing.T) {
	worlds := make([]*World, len(scenarios))
	for i := range scenarios {
		worlds[i] = scenarios[i].world()
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.IntRange(0, len(worlds)-1).Draw(t, "scenario")
		w := worlds[s].Clone()
		var moves []string
		w.Moves = &moves
		check := func(err error) {
			if err != nil {
				t.Fatalf("%v\n\n%s", err, program(s, moves))
			}
		}
		w.Open(wire.Client)
		for range rapid.IntRange(0, 60).Draw(t, "moves") {
			drawMove(t, w)
			check(w.Check())
		}
		check(w.Finish())
	})
}

// drawMove makes one move, which rapid draws.
func drawMove(t *rapid.T, w *World) {
	side := wire.Perspective(rapid.IntRange(0, 1).Draw(t, "side"))
	waiting := max(0, len(w.Wire[side])-1)
	which := func() int { return rapid.IntRange(0, 3).Draw(t, "which") }
	switch rapid.IntRange(0, 11).Draw(t, "move") {
	case 0, 1, 2:
		w.Deliver(side, 0, false)
	case 3:
		w.Deliver(side, rapid.IntRange(0, waiting).Draw(t, "datagram"), rapid.Bool().Draw(t, "keep"))
	case 4:
		w.Drop(side, rapid.IntRange(0, waiting).Draw(t, "datagram"))
	case 5:
		w.Advance(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
	case 6:
		w.Open(side)
	case 7, 8:
		w.Write(side, which(), rapid.IntRange(0, 40000).Draw(t, "bytes"), rapid.Bool().Draw(t, "fin"))
	case 9, 10:
		w.Read(side, which(), rapid.IntRange(1, 40000).Draw(t, "bytes"))
	case 11:
		w.Reset(side, which(), wire.StreamErrorCode(rapid.IntRange(0, 2).Draw(t, "code")))
	}
}
