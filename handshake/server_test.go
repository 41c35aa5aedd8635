package handshake

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/gquic/wire"
)

// lastReject reads the REJ that was sent last.
func (w *world) lastReject() Message {
	w.t.Helper()
	if len(w.toClient) == 0 {
		w.t.Fatalf("no answer\n%s", w.log.String())
	}
	m, _, err := ParseMessage(w.toClient[len(w.toClient)-1].data)
	if err != nil || m.Tag != REJ {
		w.t.Fatalf("answer is %v, %v", &m, err)
	}
	return m
}

// fullHello runs a client until its full CHLO is on the way, and takes that away.
func (w *world) fullHello() {
	w.t.Helper()
	w.dial(nil)
	w.startClient()
	for {
		if m, _, _ := ParseMessage(w.lastHello); m.Has(NONC) {
			break
		}
		if !w.stepServer() || !w.stepClient() {
			w.t.Fatalf("no full CHLO\n%s", w.log.String())
		}
	}
	w.toServer, w.toClient = nil, nil
}

// TestFullHello feeds a server changed full CHLOs: reasons of a REJ, or codes.
func TestFullHello(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(m *Message)
		code    wire.ErrorCode
		reasons []uint32
	}{
		{"unchanged", func(m *Message) {}, 0, nil},
		{"VER 0", func(m *Message) { m.Set(VER, make([]byte, 4)) }, 0, nil},
		{"VER of a version we do not have", func(m *Message) { m.Set(VER, []byte("Q099")) }, 0, nil},
		{"little-endian time in NONC", func(m *Message) {
			v, _ := m.Get(NONC)
			v = bytes.Clone(v)
			slices.Reverse(v[:4])
			m.Set(NONC, v)
		}, 0, nil},
		{"another orbit in NONC", func(m *Message) {
			v, _ := m.Get(NONC)
			m.Set(NONC, append(bytes.Clone(v[:4]), make([]byte, 28)...))
		}, 0, nil},
		{"empty SNO", func(m *Message) { m.Set(SNO, nil) }, 0, nil},
		{"SNO unasked", func(m *Message) { m.Set(SNO, []byte("any")) }, 0, nil},
		{"no CCRT", func(m *Message) { m.Delete(CCRT) }, 0, nil},
		{"ragged CCS and CCRT", func(m *Message) { m.Set(CCS, make([]byte, 9)); m.Set(CCRT, make([]byte, 7)) }, 0, nil},
		{"unknown and empty entries", func(m *Message) { m.Set(MakeTag("ZZZZ"), []byte("z")); m.Set(CSCT, nil); m.Set(CETV, []byte("x")) }, 0, nil},
		{"windows missing", func(m *Message) { m.Delete(CFCW); m.Delete(SFCW) }, 0, nil},
		{"SNI missing", func(m *Message) { m.Delete(SNI) }, 0, nil},
		{"SNI unknown", func(m *Message) { m.Set(SNI, []byte("nobody.example")) }, 0, nil},
		{"SNI without a dot", func(m *Message) { m.Set(SNI, []byte("localhost")) }, 0, nil},

		{"STK missing", func(m *Message) { m.Delete(STK) }, 0, []uint32{ReasonNoToken}},
		{"STK empty", func(m *Message) { m.Set(STK, nil) }, 0, []uint32{ReasonNoToken}},
		{"STK strange", flip(STK), 0, []uint32{ReasonTokenUndecryptable}},
		{"SCID missing", func(m *Message) { m.Delete(SCID) }, 0, []uint32{ReasonInchoate}},
		{"SCID unknown", flip(SCID), 0, []uint32{ReasonUnknownConfig}},
		{"SCID unknown, STK missing", func(m *Message) { flip(SCID)(m); m.Delete(STK) }, 0, []uint32{ReasonUnknownConfig, ReasonNoToken}},
		{"NONC missing", func(m *Message) { m.Delete(NONC) }, 0, []uint32{ReasonInchoate}},
		{"NONC short", func(m *Message) { m.Set(NONC, make([]byte, 31)) }, 0, []uint32{ReasonNonceLength}},
		{"XLCT missing", func(m *Message) { m.Delete(XLCT) }, 0, []uint32{ReasonOtherLeaf}},
		{"XLCT wrong", flip(XLCT), 0, []uint32{ReasonOtherLeaf}},
		{"XLCT short", func(m *Message) { m.Set(XLCT, make([]byte, 7)) }, 0, []uint32{ReasonOtherLeaf}},
		{"all at once", func(m *Message) { m.Delete(STK); m.Delete(XLCT); m.Set(NONC, nil) }, 0,
			[]uint32{ReasonNoToken, ReasonOtherLeaf, ReasonNonceLength}},

		{"two AEADs", func(m *Message) { m.SetTags(TagAEAD, AESG, CC20) }, wire.InvalidCryptoMessageParameter, nil},
		{"no AEAD", func(m *Message) { m.Delete(TagAEAD) }, wire.InvalidCryptoMessageParameter, nil},
		{"ragged KEXS", func(m *Message) { m.Set(KEXS, []byte("C25")) }, wire.InvalidCryptoMessageParameter, nil},
		{"KEXS not offered", func(m *Message) { m.SetTags(KEXS, MakeTag("P999")) }, wire.CryptoNoSupport, nil},
		{"PUBS missing", func(m *Message) { m.Delete(PUBS) }, wire.InvalidCryptoMessageParameter, nil},
		{"PUBS zero", func(m *Message) { m.Set(PUBS, make([]byte, 32)) }, wire.InvalidCryptoMessageParameter, nil},
		{"PUBS of the other method", func(m *Message) { m.SetTags(KEXS, P256) }, wire.InvalidCryptoMessageParameter, nil},
		{"ICSL missing", func(m *Message) { m.Delete(ICSL) }, wire.CryptoMessageParameterNotFound, nil},
		{"MIDS missing", func(m *Message) { m.Delete(MIDS) }, wire.CryptoMessageParameterNotFound, nil},
		{"SFCW small", func(m *Message) { m.SetUint32(SFCW, 16383) }, wire.FlowControlInvalidWindow, nil},
		{"CFCW small", func(m *Message) { m.SetUint32(CFCW, 0) }, wire.FlowControlInvalidWindow, nil},
		{"VER missing", func(m *Message) { m.Delete(VER) }, wire.InvalidCryptoMessageParameter, nil},
		{"VER of a version we have", func(m *Message) { m.Set(VER, []byte("Q044")) }, wire.VersionNegotiationMismatch, nil},
		{"SNI empty", func(m *Message) { m.Set(SNI, nil) }, wire.InvalidCryptoMessageParameter, nil},
		{"SNI an address", func(m *Message) { m.Set(SNI, []byte("2001:db8::1")) }, wire.InvalidCryptoMessageParameter, nil},
		{"SNI with a NUL", func(m *Message) { m.Set(SNI, []byte("server.example\x00")) }, wire.InvalidCryptoMessageParameter, nil},
		{"PDMD missing", func(m *Message) { m.Delete(PDMD) }, wire.UnsupportedProofDemand, nil},
		{"PDMD ragged", func(m *Message) { m.Set(PDMD, []byte("X50")) }, wire.UnsupportedProofDemand, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.fullHello()
			w.rawToServer(LevelNull, w.changed(func(m *Message) { c.change(m); m.Pad(MinCHLOSize) }))
			if c.code != 0 {
				w.wantServer(c.code)
				if w.serverKeys[LevelInitial].Seal != nil || len(w.toClient) != 0 {
					t.Error("answered all the same")
				}
				return
			}
			if w.serverErr != nil {
				t.Fatal(w.serverErr)
			}
			if c.reasons == nil {
				if !w.confirmed[1] {
					m := w.lastReject()
					t.Fatalf("not accepted: %v", rejectReasons(&m))
				}
				return
			}
			m := w.lastReject()
			if got := rejectReasons(&m); !slices.Equal(got, c.reasons) {
				t.Errorf("reasons %v, want %v", got, c.reasons)
			}
			for _, tag := range []Tag{SCFG, STK, STTL, PROF, CRT} {
				if !m.Has(tag) {
					t.Errorf("REJ without %v", tag)
				}
			}
			if m.Has(SNO) || w.serverKeys[LevelInitial].Seal != nil {
				t.Error("REJ with SNO, or keys")
			}
		})
	}
}

// TestAmplification holds that an address that is not proved gets no large answer.
func TestAmplification(t *testing.T) {
	for _, v := range []wire.Version{0x51303433, 0x51303434} {
		w := newWorld(t)
		w.version = v
		w.dial(nil)
		w.startClient()
		m, _, _ := ParseMessage(w.lastHello)
		ccs, _ := m.Get(CCS)
		chain, err := w.host.chain(0, ccs, nil)
		if err != nil {
			t.Fatal(err)
		}
		// The smallest datagram that is answered with proof and chain.
		overhead := 48
		if v == 0x51303434 {
			overhead = 55
		}
		least := (w.host.certs[0].maxProof+len(chain)+166)/3 + overhead + 1
		for size, want := range map[int]bool{least: true, least - 1: false, 1350: true, 0: false} {
			s := w.server.Clone(w.host)
			if _, err := s.Receive(LevelNull, w.lastHello, size, w.wall); err != nil {
				t.Fatal(err)
			}
			o, _ := s.Next()
			rej, _, _ := ParseMessage(o.Data)
			if rej.Has(PROF) != want {
				t.Errorf("%v, datagram of %d bytes: proof is there: %v", v, size, !want)
			}
			if !want && len(o.Data) > MinCHLOSize {
				t.Errorf("small REJ has %d bytes", len(o.Data))
			}
		}
	}
}

// TestCertificateChoice holds that SNI decides, and the first certificate is the default.
func TestCertificateChoice(t *testing.T) {
	one, other := testIdentity(t, "P-256"), testIdentity(t, "other")
	h, err := NewHost(&HostConfig{Certificates: []Certificate{one.certificate, other.certificate}}, Entropy{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"server.example": 0, "SERVER.example": 0, "server.example.": 0, "other.example": 1, "OTHER.EXAMPLE": 1, "a.wild.example": 0,
		"": 0, "nobody.example": 0, "localhost": 0,
	} {
		if got := h.certificate(name); got != want {
			t.Errorf("%q: certificate %d, want %d", name, got, want)
		}
	}
	w := newWorld(t)
	w.hostConfig.Certificates = []Certificate{one.certificate, other.certificate}
	w.clientConf.Roots, w.name = other.roots, "other.example"
	resume(w, nil)
	w.check()
}

// TestNegotiated holds what both sides settle on, and that each hears the other's values.
func TestNegotiated(t *testing.T) {
	w := newWorld(t)
	w.clientPar.SilentClose, w.serverPar.SilentClose = true, true
	w.serverPar.Options = []Tag{NSTP} // not a server's to send
	w.serverPar.StatelessReset, w.serverPar.HasStatelessReset = wire.StatelessResetToken{7}, true
	w.connect(nil)
	w.check()
	if w.clientPeer.IdleTimeout != 30*time.Second || w.serverPeer.IdleTimeout != 30*time.Second {
		t.Errorf("idle timeouts %v and %v, want the lower one", w.clientPeer.IdleTimeout, w.serverPeer.IdleTimeout)
	}
	if !w.clientPeer.SilentClose || !w.serverPeer.SilentClose {
		t.Error("no silent close though both asked")
	}
	if w.clientPeer.MaxStreams != 90 || w.serverPeer.MaxStreams != 100 ||
		w.clientPeer.ConnectionWindow != 1<<19 || w.serverPeer.StreamWindow != 1<<18 {
		t.Errorf("client heard %+v, server %+v", w.clientPeer, w.serverPeer)
	}
	if !w.clientPeer.HasStatelessReset || w.clientPeer.StatelessReset[0] != 7 || w.clientPeer.Options != nil {
		t.Errorf("client heard %+v", w.clientPeer)
	}
	w.serverPar.IdleTimeout, w.serverPar.SilentClose = 5*time.Second, false
	w.connect(nil)
	if w.clientPeer.IdleTimeout != 5*time.Second || w.serverPeer.IdleTimeout != 5*time.Second || w.serverPeer.SilentClose {
		t.Errorf("client heard %+v, server %+v", w.clientPeer, w.serverPeer)
	}
}

// TestKeyShareLifetime holds that a share serves its time and no longer, and that none is
// shared unless that is wanted.
func TestKeyShareLifetime(t *testing.T) {
	share := func(w *world) string {
		w.dial(nil)
		var public []byte
		w.mangleToClient = func(m *Message) {
			if m.Tag == SHLO {
				public, _ = m.Get(PUBS)
			}
		}
		w.startClient()
		w.run()
		w.check()
		return string(public)
	}
	w := newWorld(t)
	if first, second := share(w), share(w); first == second {
		t.Error("a share serves two connections")
	}
	w = newWorld(t)
	w.hostConfig.KeyShareLifetime = time.Minute
	w.wall -= w.wall % 60
	a := share(w)
	w.wall += 59
	b := share(w)
	w.wall++
	if c := share(w); a != b || b == c {
		t.Error("shares do not live for a minute")
	}
	// It is not a matter of Secret: another host has another.
	w.wall--
	w.host, _ = NewHost(&w.hostConfig, NewEntropy([32]byte{99}))
	if share(w) == b {
		t.Error("another host has the same ephemeral share")
	}
}

// TestConfigRotation holds that each epoch has its config, that servers with the same
// secret have the same, and which are accepted when.
func TestConfigRotation(t *testing.T) {
	cfg := HostConfig{Certificates: []Certificate{testIdentity(t, "P-256").certificate}, Secret: [32]byte{5},
		Rotation: 100 * time.Second, ConfigLifetime: 250 * time.Second}
	h, err := NewHost(&cfg, NewEntropy([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := NewHost(&cfg, NewEntropy([32]byte{2}))
	cfg2 := cfg
	cfg2.Secret[0]++
	stranger, _ := NewHost(&cfg2, NewEntropy([32]byte{1}))
	primary := func(h *Host, wall int64) *hostConfig {
		c, err := h.primary(wall)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := primary(h, 1000)
	if !bytes.Equal(c.raw, primary(again, 1099).raw) {
		t.Error("same secret and epoch, other config")
	}
	if c.id == primary(h, 1100).id || c.id == primary(stranger, 1000).id || c.orbit == primary(h, 1100).orbit {
		t.Error("configs repeat")
	}
	if c.expiry != 1250 {
		t.Errorf("expires at %d, want 1250", c.expiry)
	}
	for wall, want := range map[int64]bool{800: false, 899: false, 900: true, 1000: true, 1250: true, 1349: true, 1450: false, 2000: false} {
		if got := h.configByID(c.id[:], wall) != nil; got != want {
			t.Errorf("at %d: accepted %v", wall, got)
		}
	}
	if stranger.configByID(c.id[:], 1000) != nil || h.configByID(nil, 1000) != nil || h.configByID(c.id[:15], 1000) != nil {
		t.Error("another's ID, or none, accepted")
	}
	for wall := int64(0); wall < 100_000; wall += 100 {
		primary(h, wall)
	}
	if len(h.configs.list) > maxConfigs {
		t.Errorf("%d configs kept", len(h.configs.list))
	}
}

// TestHostConfig holds that what cannot work is refused at once.
func TestHostConfig(t *testing.T) {
	good := testIdentity(t, "P-256").certificate
	for name, cfg := range map[string]HostConfig{
		"no certificate":  {},
		"no chain":        {Certificates: []Certificate{{}}},
		"bad certificate": {Certificates: []Certificate{{Chain: [][]byte{{1}}}}},
		"another's key":   {Certificates: []Certificate{{Chain: good.Chain, Key: testIdentity(t, "RSA").certificate.Key}}},
		"unknown AEAD":    {Certificates: []Certificate{good}, AEADs: []Tag{CHLO}},
		"unknown KEXS":    {Certificates: []Certificate{good}, KeyExchanges: []Tag{CHLO}},
		"lifetime":        {Certificates: []Certificate{good}, ConfigLifetime: time.Hour, Rotation: 2 * time.Hour},
		"too many":        {Certificates: []Certificate{good}, ConfigLifetime: 1000 * time.Hour, Rotation: time.Hour},
	} {
		if _, err := NewHost(&cfg, Entropy{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestChainMemo reaches the bound of kept chains: what is beyond comes out the same.
func TestChainMemo(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	first, err := w.host.chain(0, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(3 * maxChains) {
		if _, err := w.host.chain(0, nil, binary.LittleEndian.AppendUint64(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.host.chains.list) != maxChains {
		t.Errorf("%d chains kept, want %d", len(w.host.chains.list), maxChains)
	}
	if _, err := w.host.chain(0, make([]byte, 16), make([]byte, maxChainKey)); err != nil {
		t.Fatal(err)
	}
	last, _ := w.host.chain(0, nil, nil)
	if !bytes.Equal(first, last) {
		t.Error("the chain changed")
	}
}

// TestUndrained reaches the bound of outputs: a machine whose outputs nobody takes
// waits, and goes on when they are taken.
func TestUndrained(t *testing.T) {
	w := newWorld(t)
	w.hostConfig.RequireToken = true
	w.connect(nil)
	w.check()
	m := Message{Tag: SCUP}
	m.Set(STK, []byte("token"))
	update := m.Append(nil)
	taken := 0
	for ; taken < 1000; taken++ {
		if n, err := w.client.Receive(LevelForwardSecure, update, w.wall); err != nil || n == 0 {
			break
		}
	}
	if taken > MaxOutputs || len(w.client.out.list) > MaxOutputs {
		t.Fatalf("%d messages taken", taken)
	}
	w.drainClient()
	if n, err := w.client.Receive(LevelForwardSecure, update, w.wall); err != nil || n != len(update) {
		t.Errorf("%d, %v after the outputs were taken", n, err)
	}
}

// TestPieces holds that a message is taken when its last byte is there, and one at a time.
func TestPieces(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	w.startClient()
	hello := w.lastHello
	for i := range hello {
		if n, err := w.server.Receive(LevelNull, hello[:i], 1350, w.wall); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v", i, n, err)
		}
	}
	n, err := w.server.Receive(LevelNull, append(bytes.Clone(hello), hello...), 1350, w.wall)
	if n != len(hello) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	w.drainServer()
	rej := w.toClient[0].data
	for i := range rej {
		if n, err := w.client.Receive(LevelNull, rej[:i], w.wall); n != 0 || err != nil {
			t.Fatalf("%d bytes: %d, %v", i, n, err)
		}
	}
	w.run()
}

// brokenSigner is a key that does not sign.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, errTest }

// TestBrokenSigner closes with 28, and an update is just not sent.
func TestBrokenSigner(t *testing.T) {
	w := newWorld(t)
	good := w.hostConfig.Certificates[0]
	w.hostConfig.Certificates = []Certificate{{Chain: good.Chain, Key: brokenSigner{good.Key}}}
	w.connect(nil)
	w.wantServer(wire.HandshakeFailed)
	if !errors.Is(w.serverErr, errTest) {
		t.Errorf("the cause is lost: %v", w.serverErr)
	}
}

// TestZeroConfig holds that a client refuses a server config that forces the shared
// secret to zero, though it is signed.
func TestZeroConfig(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	good, err := w.host.primary(w.wall)
	if err != nil {
		t.Fatal(err)
	}
	m, _, _ := ParseMessage(good.raw)
	m.SetTags(KEXS, C255)
	m.Set(PUBS, append([]byte{32, 0, 0}, make([]byte, 32)...))
	bad := &hostConfig{shares: good.shares[:1]}
	if bad.ServerConfig, err = ParseServerConfig(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	w.host.recorded = &recording{configs: []*hostConfig{bad}}
	w.connect(nil)
	w.wantClient(wire.InvalidCryptoMessageParameter)
	if w.clientKeys[LevelInitial].Seal != nil {
		t.Error("keys from a zero secret")
	}
}

// TestVersionInUse holds that SHLO always lists it.
func TestVersionInUse(t *testing.T) {
	w := newWorld(t)
	w.versions = nil
	w.connect(nil)
	w.check()
}

// TestEarlyClocks holds that a wall clock at zero or before, as in a simulation, works.
func TestEarlyClocks(t *testing.T) {
	for _, wall := range []int64{0, 1, -1, -1e6} {
		w := newWorld(t)
		w.clientConf = ClientConfig{Insecure: true} // the certificates are not yet valid
		w.wall = wall
		w.connect(nil)
		w.check()
	}
	for a, want := range map[int64]int64{0: 0, 9: 0, 10: 1, -1: -1, -10: -1, -11: -2} {
		if got := floorDiv(a, 10); got != want {
			t.Errorf("%d/10 is %d, want %d", a, got, want)
		}
	}
}

// TestWords holds that everything in a table and in outputs has a name.
func TestWords(t *testing.T) {
	for k := NoOutput; k <= ResumptionReady; k++ {
		if strings.HasPrefix(k.String(), "invalid") {
			t.Errorf("output %d has no name", k)
		}
	}
	for _, tr := range append(ClientTransitions(), ServerTransitions()...) {
		for _, s := range []string{tr.State, tr.Input, tr.Next, tr.Action} {
			if s == "invalid" || s == "" {
				t.Errorf("row without a word: %+v", tr)
			}
		}
	}
	if got := (ResumptionReady + 1).String(); got != "invalid output" {
		t.Error(got)
	}
	if ReasonString(21) == ReasonString(22) || ReasonString(22) != "unknown reason" {
		t.Error("reasons")
	}
}
