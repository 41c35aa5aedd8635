package handshake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// drawHandshake draws a message that may look like one of the handshake's.
func drawHandshake(t *rapid.T) []byte {
	tags := []Tag{PAD, SNI, STK, SNO, VER, CCS, NONC, TagAEAD, SCID, PDMD, ICSL, PUBS, MIDS, KEXS, XLCT, CCRT, CFCW, SFCW,
		PROF, SCFG, RREJ, STTL, CRT, COPT, TCID, SRST, ORBT, EXPY}
	m := Message{Tag: rapid.SampledFrom([]Tag{CHLO, REJ, SHLO, SCUP, SREJ, SCFG}).Draw(t, "tag")}
	for _, tag := range rapid.SliceOfN(rapid.SampledFrom(tags), 0, 20).Draw(t, "tags") {
		m.Set(tag, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value"))
	}
	if rapid.Bool().Draw(t, "pad") {
		m.Pad(MinCHLOSize)
	}
	return m.Append(nil)
}

// mutate changes a good message: its values, or its bytes.
func mutate(t *rapid.T, data []byte) []byte {
	m, _, err := ParseMessage(bytes.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		var tags []Tag
		for tag := range m.All() {
			tags = append(tags, tag)
		}
		if len(tags) == 0 {
			break
		}
		tag := rapid.SampledFrom(tags).Draw(t, "entry")
		v, _ := m.Get(tag)
		v = bytes.Clone(v)
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			m.Delete(tag)
		case 1:
			m.Set(tag, nil)
		case 2:
			m.Set(tag, append(v, rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "more")...))
		case 3:
			if len(v) > 0 {
				v[rapid.IntRange(0, len(v)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
				m.Set(tag, v)
			}
		case 4:
			m.Set(tag, v[:len(v)/2])
		}
	}
	if m.Tag == CHLO && rapid.IntRange(0, 9).Draw(t, "repad") > 0 {
		m.Pad(MinCHLOSize)
	}
	return m.Append(nil)
}

// hold checks what must hold of a machine's answer to anything.
func hold(t *rapid.T, input []byte, n int, err error, queue []Output) {
	if err != nil && !errors.As(err, new(*Error)) {
		t.Fatalf("error without a code: %v", err)
	}
	if n < 0 || n > len(input) {
		t.Fatalf("consumed %d of %d bytes", n, len(input))
	}
	if len(queue) > MaxOutputs {
		t.Fatalf("%d outputs", len(queue))
	}
}

// TestPropertyClient feeds a client, in all its states, the server's messages changed,
// and others. It never panics, and has no keys but with what its server signed.
func TestPropertyClient(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	w.check()
	stored, _ := w.client.Resumption()
	w.hostConfig.RequireToken, w.host = true, nil
	rapid.Check(t, func(rt *rapid.T) {
		w.log.Reset()
		if rapid.Bool().Draw(rt, "resume") {
			w.dial(stored)
		} else {
			w.dial(nil)
		}
		w.startClient()
		proved := w.clientKeys[LevelInitial].Seal != nil // by the stored proof
		for range rapid.IntRange(0, 5).Draw(rt, "good steps") {
			w.stepServer()
			w.stepClient()
		}
		for range rapid.IntRange(1, 4).Draw(rt, "bad steps") {
			w.stepServer()
			level := Level(rapid.IntRange(0, 2).Draw(rt, "level"))
			var data []byte
			changed := len(w.toClient) > 0 && rapid.IntRange(0, 3).Draw(rt, "what") > 0
			if changed {
				data, level = mutate(rt, w.toClient[0].data), w.toClient[0].level
			} else {
				data = drawHandshake(rt)
			}
			before := w.client.proven
			n, err := w.client.Receive(level, data, w.wall)
			hold(rt, data, n, err, w.client.out.list)
			if !before && w.client.proven {
				m, _, _ := ParseMessage(data)
				checkSigned(rt, w, &m)
			}
			proved = proved || w.client.proven
			w.drainClient()
			if err != nil {
				break
			}
		}
		if w.clientKeys[LevelInitial].Seal != nil && !proved {
			rt.Fatal("initial keys without a proof")
		}
		if w.clientKeys[LevelForwardSecure].Seal != nil && w.clientKeys[LevelInitial].Seal == nil {
			rt.Fatal("forward-secure keys first")
		}
		w.clientErr, w.serverErr = nil, nil
	})
}

// checkSigned holds that a REJ that a client believed has the config and proof that the
// server made.
func checkSigned(t *rapid.T, w *world, m *Message) {
	config, err := w.host.primary(w.wall)
	if err != nil {
		t.Fatal(err)
	}
	if raw, _ := m.Get(SCFG); !bytes.Equal(raw, config.raw) {
		t.Fatal("a config was believed that the server never signed")
	}
}

// TestPropertyServer feeds a server, in all its states, the client's messages changed,
// and others. It never panics, and only a full CHLO with a good token gives keys.
func TestPropertyServer(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	rapid.Check(t, func(rt *rapid.T) {
		w.log.Reset()
		w.dial(nil)
		w.startClient()
		for range rapid.IntRange(0, 3).Draw(rt, "good steps") {
			w.stepServer()
			w.stepClient()
		}
		for range rapid.IntRange(1, 6).Draw(rt, "bad steps") {
			level := LevelNull
			data := w.lastHello
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				data = drawHandshake(rt)
				level = Level(rapid.IntRange(0, 2).Draw(rt, "level"))
			case 1:
				data = rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(rt, "bytes")
			default:
				data = mutate(rt, data)
			}
			datagram := rapid.IntRange(0, 1500).Draw(rt, "datagram")
			n, err := w.server.Receive(level, data, datagram, w.wall)
			hold(rt, data, n, err, w.server.out.list)
			if w.server.state == serverConfirmed && len(w.server.out.list) > 0 {
				m, _, _ := ParseMessage(data)
				stk, _ := m.Get(STK)
				if _, reason := w.host.openToken(stk, w.addr, w.wall); reason != 0 || !m.Has(NONC) {
					rt.Fatal("accepted without a token or a nonce")
				}
			}
			w.drainServer()
			if err != nil {
				if n, again := w.server.Receive(level, data, datagram, w.wall); n != 0 || again == nil {
					rt.Fatal("a closed server takes messages")
				}
				break
			}
		}
		w.clientErr, w.serverErr = nil, nil
	})
}

// TestPropertyBytes feeds both machines arbitrary bytes, in pieces.
func TestPropertyBytes(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	rapid.Check(t, func(rt *rapid.T) {
		w.dial(nil)
		w.startClient()
		b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "bytes")
		if len(b) > 8 && rapid.Bool().Draw(rt, "message") {
			copy(b, "REJ\x00")
			binary.LittleEndian.PutUint16(b[4:], uint16(rapid.IntRange(0, 4).Draw(rt, "entries")))
		}
		n, err := w.client.Receive(LevelNull, b, w.wall)
		hold(rt, b, n, err, w.client.out.list)
		n, err = w.server.Receive(LevelNull, b, 1350, w.wall)
		hold(rt, b, n, err, w.server.out.list)
		w.host.OpenResume(b, w.addr, w.client.start.ConnectionID, w.wall)
		if _, err := w.host.StatelessReject(nil, b, w.addr, w.client.start.ConnectionID, 2, 0, w.wall); err == nil {
			rt.Fatal("less than 1024 bytes are answered")
		}
		if c, err := ParseServerConfig(b); err == nil && !bytes.Equal(c.Bytes(), b) {
			rt.Fatal("a config changes")
		}
	})
}
