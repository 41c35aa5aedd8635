package handshake

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/gquic/wire"
)

// A decoder is somebody who sees the datagrams and knows the server's private values.
type decoder struct {
	t       *testing.T
	s       *session
	c       *sessionConnection
	version wire.Version
	null    [2]AEAD
	initial []Keys // of the full CHLOs, newest last
	forward [2]AEAD
	largest [2]wire.PacketNumber
	crypto  [2][]byte // not yet read
	read    [2]int
	config  *hostConfig
	chlo    []byte
	scratch Scratch
}

// open tries all keys, the strongest first.
func (d *decoder) open(g *sessionDatagram) (level Level, plain []byte, ok bool) {
	sender := sessionSender(g.Dir)
	var h wire.Header
	if err := wire.ParseHeader(&h, g.Hex, sender, d.version); err != nil {
		d.t.Fatalf("datagram %d: %v", g.N, err)
	}
	pn := wire.DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, d.largest[sender])
	try := func(a AEAD) bool {
		if a == nil {
			return false
		}
		var err error
		plain, err = a.Open(&d.scratch, nil, g.Hex, h.Len, pn)
		return err == nil
	}
	ok = true
	switch {
	case try(d.forward[sender]):
		level = LevelForwardSecure
	case d.tryInitial(sender, h.Nonce, try):
		level = LevelInitial
	case try(d.null[sender]):
		level = LevelNull
	default:
		return 0, nil, false
	}
	if pn != g.Number || h.Len != len(g.Header) {
		d.t.Errorf("datagram %d: number %d, header of %d bytes; want %d and %d", g.N, pn, h.Len, g.Number, len(g.Header))
	}
	d.largest[sender] = max(d.largest[sender], pn)
	return level, plain, true
}

func (d *decoder) tryInitial(sender wire.Perspective, nonce []byte, try func(AEAD) bool) bool {
	for i := len(d.initial) - 1; i >= 0; i-- {
		k := d.initial[i]
		if sender == wire.Server {
			if nonce == nil {
				return false
			}
			k = k.Diversify(nonce)
		}
		client, server, err := k.AEADs()
		if err != nil {
			d.t.Fatal(err)
		}
		if sender == wire.Server && try(server) || sender == wire.Client && try(client) {
			return true
		}
	}
	return false
}

// frames reads a payload, and the crypto stream in it.
func (d *decoder) frames(g *sessionDatagram, plain []byte) {
	sender := sessionSender(g.Dir)
	var r wire.Reader
	r.Reset(plain, wire.Context{Version: d.version, PacketNumber: g.Number, PacketNumberLen: g.NumberLen})
	var streams, want []string
	for {
		f, err := r.Next()
		if err != nil {
			d.t.Errorf("datagram %d: %v", g.N, err)
			return
		}
		if f == nil {
			break
		}
		s, ok := f.(*wire.StreamFrame)
		if !ok {
			continue
		}
		streams = append(streams, fmt.Sprintf("STREAM id=%d offset=%d len=%d fin=%v", s.StreamID, s.Offset, len(s.Data), s.Fin))
		if s.StreamID != wire.CryptoStream {
			continue
		}
		if have := uint64(d.read[sender] + len(d.crypto[sender])); s.Offset == have {
			d.crypto[sender] = append(d.crypto[sender], s.Data...)
		} else if s.Offset > have {
			d.t.Fatalf("datagram %d: hole in the crypto stream", g.N)
		}
	}
	for _, f := range g.Frames {
		if strings.HasPrefix(f, "STREAM ") {
			want = append(want, f)
		}
	}
	if diff := cmp.Diff(want, streams); diff != "" {
		d.t.Errorf("datagram %d: STREAM frames (-want +got):\n%s", g.N, diff)
	}
}

// learn makes keys from the handshake messages that have become whole.
func (d *decoder) learn(messages *int) {
	for {
		advanced := false
		for _, sender := range []wire.Perspective{wire.Client, wire.Server} {
			var m Message
			n, err := m.Parse(d.crypto[sender])
			if err != nil {
				continue
			}
			raw := d.crypto[sender][:n:n]
			d.crypto[sender] = d.crypto[sender][n:]
			d.read[sender] += n
			advanced = true
			want := d.c.Messages[*messages]
			if !bytes.Equal(want.Hex, raw) || sessionSender(want.Dir) != sender {
				d.t.Errorf("message %d differs", *messages)
			}
			*messages++
			if m.Tag == CHLO && m.Has(NONC) {
				d.learnInitial(&m, raw)
			}
			if m.Tag == SHLO {
				d.learnForward(&m)
			}
		}
		if !advanced {
			return
		}
	}
}

func (d *decoder) inputs(m *Message) KeyInputs {
	in := KeyInputs{ConnectionID: wire.ConnectionID(d.c.ConnectionID), CHLO: d.chlo, SCFG: d.config.raw, Leaf: d.s.Chain[0]}
	in.ClientNonce, _ = m.Get(NONC)
	in.ServerNonce, _ = m.Get(SNO)
	aead, _, _ := m.Tags(TagAEAD)
	in.AEAD = aead.At(0)
	return in
}

func (d *decoder) learnInitial(m *Message, raw []byte) {
	id, _ := m.Get(SCID)
	d.chlo, d.config = raw, nil
	for _, c := range d.s.configs(d.t, d.c) {
		if bytes.Equal(c.id[:], id) {
			d.config = c
		}
	}
	if d.config == nil {
		d.t.Fatal("CHLO names a config that is not in the file")
	}
	in := d.inputs(m)
	kex, _, _ := m.Tags(KEXS)
	public, _ := m.Get(PUBS)
	var err error
	if in.Shared, err = d.config.share(kex.At(0)).Shared(public); err != nil {
		d.t.Fatal(err)
	}
	keys, err := DeriveKeys(&in)
	if err != nil {
		d.t.Fatal(err)
	}
	d.initial = append(d.initial, keys)
}

func (d *decoder) learnForward(shlo *Message) {
	chlo, _, err := ParseMessage(d.chlo)
	if err != nil {
		d.t.Fatal(err)
	}
	in := d.inputs(&chlo)
	in.ServerNonce, _ = shlo.Get(SNO)
	in.ForwardSecure = true
	kex, _, _ := chlo.Tags(KEXS)
	public, _ := chlo.Get(PUBS)
	share, err := NewKeyShare(kex.At(0), d.c.serverShare(d.t))
	if err != nil {
		d.t.Fatal(err)
	}
	if theirs, _ := shlo.Get(PUBS); !bytes.Equal(theirs, share.Public()) {
		d.t.Fatal("SHLO's public value is not that of the private one")
	}
	if in.Shared, err = share.Shared(public); err != nil {
		d.t.Fatal(err)
	}
	keys, err := DeriveKeys(&in)
	if err != nil {
		d.t.Fatal(err)
	}
	got := sessionKeys{keys.ClientKey, keys.ServerKey, keys.ClientIV[:], keys.ServerIV[:], nil}
	want := d.c.Forward
	want.Diversification = nil
	if diff := cmp.Diff(want, got); diff != "" {
		d.t.Errorf("forward-secure keys (-want +got):\n%s", diff)
	}
	if d.forward[wire.Client], d.forward[wire.Server], err = keys.AEADs(); err != nil {
		d.t.Fatal(err)
	}
}

// TestSessionsDecode opens every datagram of every recorded connection with nothing but
// the server's private values and what the datagrams themselves say.
func TestSessionsDecode(t *testing.T) {
	for _, name := range sessionNames {
		s := loadSession(t, name)
		for i := range s.Connections {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { decodeSession(t, s, &s.Connections[i]) })
		}
	}
}

func decodeSession(t *testing.T, s *session, c *sessionConnection) {
	d := &decoder{t: t, s: s, c: c, version: c.version(t)}
	d.null = [2]AEAD{wire.Client: NewNull(wire.Client), wire.Server: NewNull(wire.Server)}
	messages, opened := 0, 0
	for i := range c.Datagrams {
		g := &c.Datagrams[i]
		var h wire.Header
		err := wire.ParseHeader(&h, g.Hex, sessionSender(g.Dir), 0)
		if g.Kind != "data" || err == nil && h.Version != 0 && h.Version != d.version {
			continue // version negotiation, and what led to it
		}
		level, plain, ok := d.open(g)
		if !ok {
			t.Errorf("datagram %d does not open", g.N)
			continue
		}
		opened++
		if level != sessionLevel(g.Level) || !bytes.Equal(plain, g.Plaintext) {
			t.Errorf("datagram %d: level %v, want %s; plaintext equal: %v", g.N, level, g.Level, bytes.Equal(plain, g.Plaintext))
		}
		d.frames(g, plain)
		d.learn(&messages)
	}
	if messages != len(c.Messages) || opened == 0 {
		t.Errorf("%d messages, want %d; %d datagrams opened", messages, len(c.Messages), opened)
	}
}
