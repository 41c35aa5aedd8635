package fuzz

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// serverStems are handshakes at every stage, against hosts with every policy.
func serverStems() (all []*machines) {
	for _, change := range []func(*handshake.HostConfig){
		nil,
		func(c *handshake.HostConfig) { c.RequireToken = true },
		func(c *handshake.HostConfig) { c.RequireNonce = true },
	} {
		all = append(all, stages(newHost(change), wire.Q043)...)
	}
	return all
}

// A serverCheck watches one server's machine.
type serverCheck struct {
	t      *testing.T
	m      *machines
	tokens [][]byte // that were given out, to the machine's address
	hello  []byte   // the message that was just taken
	level  handshake.Level
	size   int // of the datagram it came in
	closed error
	keys   [handshake.Levels]handshake.Output
	proved bool
	order  []handshake.OutputKind
}

// FuzzServerHandshake: CHLOs made from real ones, at any stage, level and time. Keys only
// for a client that showed a token that was given to its address; then exactly what a
// server says, in that order, and with keys that the genuine client has if and only if the
// CHLO is its own; answers to others are bounded by what came; errors are final.
func FuzzServerHandshake(f *testing.F) {
	stems := serverStems()
	for i := range stems {
		f.Add([]byte{byte(i), 3, 0, 0, 0})
		f.Add([]byte{byte(i), 2, 0, 1, 0, 0, 0, 0, 1})
		for j := range 8 {
			f.Add(append([]byte{byte(i), 3, 0, byte(j)}, bytes.Repeat([]byte{byte(2 + j), byte(31 * j), byte(i * 7), 1, byte(j)}, 8)...))
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		in := NewInput(script)
		m := stems[in.Below(len(stems))].clone()
		c := serverCheck{t: t, m: m, proved: m.server.TokenValid()}
		c.noteTokens(m.fromServer)
		donor := MustMessage(append(m.fromServer[:len(m.fromServer):len(m.fromServer)], m.fromClient[0])[0].data)
		wall := sim.WallStart
		for range 1 + in.Below(4) {
			level := handshake.LevelNull
			if in.Byte() >= 0xe0 {
				level = handshake.Level(in.Below(handshake.Levels))
			}
			template := m.fromClient[(len(m.fromClient)-1+in.Below(4))%len(m.fromClient)]
			b := in.Message(nil, MustMessage(template.data), donor)
			size := max(len(b), min(1350, len(b)+in.Below(400)))
			if in.Byte() >= 0xf0 {
				wall += int64(in.Number())
			}
			c.receive(level, b, size, wall)
			if in.Empty() {
				break
			}
		}
	})
}

func (c *serverCheck) noteTokens(all []said) {
	for _, s := range all {
		if stk, ok := MustMessage(s.data).Get(handshake.STK); ok {
			c.tokens = append(c.tokens, stk)
		}
	}
}

func (c *serverCheck) receive(level handshake.Level, b []byte, size int, wall int64) {
	t := c.t
	before := c.m.server.TokenValid()
	n, err := c.m.server.Receive(level, clip(b), size, wall)
	if n < 0 || n > len(b) {
		t.Fatalf("%d of %d bytes taken", n, len(b))
	}
	c.hello, c.level, c.size = b[:n], level, size // what follows the message is not signed
	if c.closed != nil && (err == nil || err.Error() != c.closed.Error()) {
		t.Fatalf("closed with %v, and then %v", c.closed, err)
	}
	if err != nil {
		var e *handshake.Error
		if !errors.As(err, &e) || e.Code == 0 {
			t.Fatalf("error %#v", err)
		}
		c.closed = err
	}
	if now := c.m.server.TokenValid(); now && !before {
		stk, _ := MustMessage(b[:n]).Get(handshake.STK)
		if !slices.ContainsFunc(c.tokens, func(g []byte) bool { return bytes.Equal(g, stk) }) {
			t.Fatalf("token %x was never given out", stk)
		}
	}
	c.drain(wall)
}

func (c *serverCheck) drain(wall int64) {
	t := c.t
	for outputs := 0; ; outputs++ {
		o, ok := c.m.server.Next()
		if !ok {
			return
		}
		if outputs > handshake.MaxOutputs {
			t.Fatal("too many outputs")
		}
		c.order = append(c.order, o.Kind)
		switch o.Kind {
		case handshake.SendMessage:
			c.sent(&o)
		case handshake.InstallKeys:
			if !c.m.server.TokenValid() {
				t.Fatal("keys for a client that has not proved its address")
			}
			if c.level != handshake.LevelNull {
				t.Fatalf("keys for a message of level %v", c.level)
			}
			c.keys[o.Level] = o
			if o.Level == handshake.LevelInitial {
				// The client's newest CHLO, unchanged, and no other gives the keys that it has.
				genuine := c.m.clientKeys[handshake.LevelInitial].Seal
				last := c.m.fromClient[len(c.m.fromClient)-1].data
				if fit := keysFit(genuine, o.Open); fit != bytes.Equal(c.hello, last) {
					t.Fatalf("the client's keys fit: %v", fit)
				}
			}
		case handshake.Negotiated:
			checkParams(t, &o.Params, handshake.CHLO)
		case handshake.Confirmed:
			want := []handshake.OutputKind{handshake.InstallKeys, handshake.Negotiated, handshake.SendMessage, handshake.InstallKeys, handshake.Confirmed}
			if got := c.order[max(0, len(c.order)-len(want)):]; !slices.Equal(got, want) {
				t.Fatalf("outputs %v", got)
			}
		}
	}
}

func (c *serverCheck) sent(o *handshake.Output) {
	t := c.t
	m := MustMessage(o.Data)
	c.noteTokens([]said{{o.Level, bytes.Clone(o.Data)}})
	switch {
	case m.Tag == handshake.REJ && o.Level == handshake.LevelNull:
		if !c.m.server.TokenValid() && len(o.Data) > 3*c.size {
			t.Fatalf("a REJ of %d bytes for %d", len(o.Data), c.size)
		}
		if sig, ok := m.Get(handshake.PROF); ok {
			config, _ := m.Get(handshake.SCFG)
			if !signed(c.hello, config, sig) {
				t.Fatal("the proof is wrong")
			}
		}
	case m.Tag == handshake.SHLO && o.Level == handshake.LevelInitial:
		if c.keys[handshake.LevelInitial].Open == nil {
			t.Fatal("SHLO without keys")
		}
	default:
		t.Fatalf("a server says %v at level %v", m.Tag, o.Level)
	}
}

// signed checks a proof by itself.
func signed(chlo, config, signature []byte) bool {
	data := append([]byte("QUIC CHLO and server config signature\x00"), 32, 0, 0, 0)
	hash := sha256.Sum256(chlo)
	digest := sha256.Sum256(append(append(data, hash[:]...), config...))
	return ecdsa.VerifyASN1(Certificate.Key.Public().(*ecdsa.PublicKey), digest[:], signature)
}

// FuzzClientHandshake: REJ, SHLO and SCUP made from real ones. A full CHLO, and keys, only
// for a config that the server's key has signed for this client's own CHLO; completion
// only by a SHLO under the initial keys, with forward-secure keys that fit the server's
// only if its values are the server's; errors are final.
func FuzzClientHandshake(f *testing.F) {
	stems := serverStems()
	for i := range stems {
		f.Add([]byte{byte(i), 3, 0, 0, 0})
		f.Add([]byte{byte(i), 2, 0, 1, 0, 0, 0, 0, 1})
		for j := range 8 {
			f.Add(append([]byte{byte(i), 3, 0, byte(j)}, bytes.Repeat([]byte{byte(2 + j), byte(31 * j), byte(i * 7), 1, byte(j)}, 8)...))
		}
	}
	// Messages of other handshakes are true, and not for this client.
	strange := stages(newHost(func(c *handshake.HostConfig) { c.Secret[0] = 77 }), wire.Q043)
	f.Fuzz(func(t *testing.T, script []byte) {
		in := NewInput(script)
		stem := stems[in.Below(len(stems))]
		m := stem.clone()
		if len(m.fromServer) == 0 {
			return
		}
		c := clientCheck{t: t, m: m, hellos: len(m.fromClient)}
		c.started = m.clientKeys[handshake.LevelInitial].Seal != nil
		donor := MustMessage(strange[len(strange)-1].fromServer[in.Below(2)].data)
		wall := sim.WallStart
		for range 1 + in.Below(4) {
			template := m.fromServer[(len(m.fromServer)-1+in.Below(4))%len(m.fromServer)]
			level := template.level
			if in.Byte() >= 0xe0 {
				level = handshake.Level(in.Below(handshake.Levels))
			}
			c.receive(level, in.Message(nil, MustMessage(template.data), donor), wall)
			if in.Empty() {
				break
			}
			if in.Byte() >= 0xf0 {
				wall += int64(in.Number())
			}
		}
	})
}

// A clientCheck watches one client's machine.
type clientCheck struct {
	t       *testing.T
	m       *machines
	hellos  int
	started bool // it has sent a full CHLO
	closed  error
}

func (c *clientCheck) receive(level handshake.Level, b []byte, wall int64) {
	t := c.t
	chlo := c.m.fromClient[len(c.m.fromClient)-1].data
	n, err := c.m.client.Receive(level, clip(b), wall)
	if n < 0 || n > len(b) {
		t.Fatalf("%d of %d bytes taken", n, len(b))
	}
	if c.closed != nil && (err == nil || err.Error() != c.closed.Error()) {
		t.Fatalf("closed with %v, and then %v", c.closed, err)
	}
	if err != nil {
		var e *handshake.Error
		if !errors.As(err, &e) || e.Code == 0 {
			t.Fatalf("error %#v", err)
		}
		c.closed = err
	}
	for o, ok := c.m.client.Next(); ok; o, ok = c.m.client.Next() {
		switch o.Kind {
		case handshake.SendMessage:
			c.hellos++
			m := MustMessage(o.Data)
			if m.Tag != handshake.CHLO || len(o.Data) < handshake.MinCHLOSize || c.hellos > handshake.MaxHellos || o.Level != handshake.LevelNull {
				t.Fatalf("CHLO %d of %d bytes, %v", c.hellos, len(o.Data), m.Tag)
			}
			if m.Has(handshake.PUBS) {
				c.believed(b[:n], chlo)
			}
			c.m.fromClient = append(c.m.fromClient, said{o.Level, bytes.Clone(o.Data)})
		case handshake.InstallKeys:
			if o.Level == handshake.LevelForwardSecure && (level != handshake.LevelInitial || MustMessage(b[:n]).Tag != handshake.SHLO || !c.started) {
				t.Fatalf("forward-secure keys by %v at level %v", MustMessage(b[:n]).Tag, level)
			}
			c.started = true
		}
	}
}

// believed holds that the client had reason to go on: what it just read, or read before,
// is a config that the server has signed for a CHLO of this connection.
func (c *clientCheck) believed(b, chlo []byte) {
	m := MustMessage(b)
	config, _ := m.Get(handshake.SCFG)
	if sig, ok := m.Get(handshake.PROF); ok {
		if !signed(chlo, config, sig) {
			c.t.Fatal("it believed a config that was not signed for it")
		}
		return
	}
	if !c.started { // only a proof can start it, and a bare REJ has none
		c.t.Fatal("it believed a server without proof")
	}
	if len(config) > 0 && !bytes.Equal(config, serverConfigOf(c.m)) {
		c.t.Fatal("it believed another config without proof")
	}
}

func serverConfigOf(m *machines) []byte {
	c, err := m.host.Config(sim.WallStart)
	if err != nil {
		panic(err)
	}
	return c.Bytes()
}
