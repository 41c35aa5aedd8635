package handshake

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/gquic/wire"
)

// TestCombinations connects with everything that can be chosen.
func TestCombinations(t *testing.T) {
	for _, leaf := range []string{"P-256", "P-384", "RSA"} {
		for _, aead := range []Tag{AESG, CC20} {
			for _, kex := range []Tag{C255, P256} {
				for _, v := range []wire.Version{0x51303433, 0x51303434} {
					t.Run(fmt.Sprintf("%s %v %v %v", leaf, aead, kex, v), func(t *testing.T) {
						w := newWorld(t)
						id := testIdentity(t, leaf)
						w.hostConfig.Certificates = []Certificate{id.certificate}
						w.clientConf.Roots, w.version = id.roots, v
						w.clientConf.AEADs, w.clientConf.KeyExchanges = []Tag{aead}, []Tag{kex}
						resume(w, nil)
						w.check()
						m, _, _ := ParseMessage(w.lastHello)
						if a, _ := tagList(&m, TagAEAD); a[0] != aead {
							t.Errorf("AEAD %v", a)
						}
					})
				}
			}
		}
	}
}

// TestPreferences holds that the client's order decides.
func TestPreferences(t *testing.T) {
	w := newWorld(t)
	w.hostConfig.AEADs, w.hostConfig.KeyExchanges = []Tag{CC20, AESG}, []Tag{P256, C255}
	w.connect(nil)
	m, _, _ := ParseMessage(w.lastHello)
	a, _ := tagList(&m, TagAEAD)
	k, _ := tagList(&m, KEXS)
	if a[0] != AESG || k[0] != C255 {
		t.Errorf("chose %v and %v", a, k)
	}
	w.clientConf.AEADs = []Tag{CC20, AESG}
	w.connect(nil)
	w.check()

	w.hostConfig.AEADs, w.host = []Tag{AESG}, nil
	w.clientConf.AEADs = []Tag{CC20}
	w.connect(nil)
	w.wantClient(wire.CryptoNoSupport)
}

// TestRefusals holds that a client that does not believe its server closes with 42, gets
// no keys, and says why.
func TestRefusals(t *testing.T) {
	certificateError := func(err error) bool { return errors.As(err, new(*CertificateError)) }
	for _, c := range []struct {
		name   string
		change func(w *world)
		why    func(error) bool
	}{
		{"wrong name", func(w *world) { w.name = "elsewhere.example" },
			func(err error) bool { return errors.As(err, new(*NameError)) }},
		{"wrong address", func(w *world) { w.name = "192.0.2.77" },
			func(err error) bool { return errors.As(err, new(*NameError)) }},
		{"untrusted", func(w *world) { w.clientConf.Roots = testIdentity(t, "RSA").roots }, certificateError},
		{"no roots", func(w *world) { w.clientConf.Roots = nil },
			func(err error) bool { return errors.Is(err, ErrNoRoots) }},
		{"expired", func(w *world) { w.wall += 2e8 },
			func(err error) bool {
				var e x509.CertificateInvalidError
				return errors.As(err, &e) && e.Reason == x509.Expired
			}},
		{"bad proof", func(w *world) { w.mangleToClient = flip(PROF) },
			func(err error) bool { return errors.As(err, new(*ProofError)) }},
		{"other config", func(w *world) {
			w.mangleToClient = func(m *Message) {
				if scfg, ok := m.Get(SCFG); ok { // the orbit is what nobody else checks
					inner, _, _ := ParseMessage(bytes.Clone(scfg))
					inner.Set(ORBT, make([]byte, 8))
					m.Set(SCFG, inner.Append(nil))
				}
			}
		}, func(err error) bool { return errors.As(err, new(*ProofError)) }},
		{"insecure, bad proof", func(w *world) {
			w.clientConf = ClientConfig{Insecure: true}
			w.mangleToClient = flip(PROF)
		}, func(err error) bool { return errors.As(err, new(*ProofError)) }},
		{"another pin", func(w *world) { w.clientConf = ClientConfig{Pin: [][32]byte{{1}}} },
			func(err error) bool { return errors.Is(err, ErrNoRoots) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			w.connect(nil)
			w.wantClient(wire.ProofInvalid)
			if !c.why(w.clientErr) {
				t.Errorf("the reason is lost: %v", w.clientErr)
			}
			if w.clientKeys[LevelInitial].Seal != nil || w.hellos != 1 || w.client.PeerChain() != nil {
				t.Error("went on without a proof")
			}
			if n, err := w.client.Receive(LevelNull, nil, w.wall); n != 0 || err == nil {
				t.Error("a closed client takes messages")
			}
		})
	}
}

// flip changes a bit of an entry.
func flip(tag Tag) func(*Message) {
	return func(m *Message) {
		if v, ok := m.Get(tag); ok && len(v) > 0 {
			v = bytes.Clone(v)
			v[len(v)/2] ^= 1
			m.Set(tag, v)
		}
	}
}

// TestBelief connects with the ways to believe that need no roots.
func TestBelief(t *testing.T) {
	leaf, err := x509.ParseCertificate(testIdentity(t, "P-256").certificate.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	pin := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	for _, conf := range []ClientConfig{{Insecure: true}, {Pin: [][32]byte{{}, pin}}} {
		w := newWorld(t)
		w.clientConf, w.name = conf, "anything"
		resume(w, nil)
		w.check()
	}
}

// TestHelloEntries holds what every CHLO carries, and what only a full one does.
func TestHelloEntries(t *testing.T) {
	w := newWorld(t)
	w.hostConfig.RequireToken, w.hostConfig.RequireNonce = true, true
	w.clientConf.UserAgent = "test/1"
	w.clientPar.OmitConnectionID = true
	w.clientPar.Options = []Tag{NSTP}
	w.dial(nil)
	w.startClient()
	var hellos []Message
	for {
		m, n, err := ParseMessage(w.lastHello)
		if err != nil || n != len(w.lastHello) || n != MinCHLOSize {
			t.Fatalf("%d bytes of %d: %v", n, len(w.lastHello), err)
		}
		hellos = append(hellos, m)
		if !w.stepServer() || !w.stepClient() || len(w.toServer) == 0 {
			break
		}
	}
	w.check()
	if len(hellos) != 3 {
		t.Fatalf("%d CHLOs", len(hellos))
	}
	for i, m := range hellos {
		full := i == 2
		for tag, want := range map[Tag]bool{
			SNI: true, VER: true, PDMD: true, ICSL: true, MIDS: true, CFCW: true, SFCW: true, NONP: true, UAID: true, TCID: true, COPT: true,
			STK: i > 0, SCID: i > 0, SNO: i > 0, NONC: full, TagAEAD: full, KEXS: full, PUBS: full, XLCT: full, CCRT: full, CSCT: false, SRST: false,
		} {
			if m.Has(tag) != want {
				t.Errorf("CHLO %d: %v is there: %v", i, tag, !want)
			}
		}
		for _, tag := range []Tag{ICSL, MIDS, CFCW, SFCW, SNI} {
			a, _ := m.Get(tag)
			b, _ := hellos[0].Get(tag)
			if !bytes.Equal(a, b) {
				t.Errorf("CHLO %d states another %v", i, tag)
			}
		}
	}
	a, _ := hellos[0].Get(NONP)
	b, _ := hellos[1].Get(NONP)
	if bytes.Equal(a, b) {
		t.Error("NONP repeats")
	}
	nonc, _ := hellos[2].Get(NONC)
	config, _ := w.host.primary(w.wall)
	if binary.BigEndian.Uint32(nonc) != uint32(w.wall) || !bytes.Equal(nonc[4:12], config.orbit[:]) {
		t.Errorf("NONC is %x", nonc)
	}
	if !w.serverPeer.OmitConnectionID || !w.serverPeer.Has(NSTP) {
		t.Error("the server did not hear of TCID or NSTP")
	}
}

// TestServerName holds that names are sent and addresses are not.
func TestServerName(t *testing.T) {
	for host, want := range map[string]string{
		"server.example": "server.example", "server.example.": "server.example", "localhost": "localhost",
		"192.0.2.1": "", "2001:db8::1": "", "[2001:db8::1]": "", "": "",
	} {
		if got := serverNameIndication(host); got != want {
			t.Errorf("%q: SNI %q, want %q", host, got, want)
		}
	}
}

// TestFreshEachTime holds that a refused CHLO's share and nonce are not used again.
func TestFreshEachTime(t *testing.T) {
	w := newWorld(t)
	var hellos [][]byte
	resume(w, func() { w.hostConfig.Secret[0]++; w.host = nil })
	w.check()
	hellos = append(hellos, w.lastHello)
	first, ok := w.client.Resumption()
	if !ok {
		t.Fatal("no resumption")
	}
	w.hostConfig.Secret[0]++
	w.host = nil
	w.dial(first)
	w.startClient()
	hellos = append(hellos, w.lastHello)
	w.run()
	w.check()
	hellos = append(hellos, w.lastHello)
	for _, tag := range []Tag{NONC, PUBS, NONP} {
		seen := map[string]bool{}
		for _, h := range hellos {
			m, _, _ := ParseMessage(h)
			v, _ := m.Get(tag)
			if seen[string(v)] {
				t.Errorf("%v repeats", tag)
			}
			seen[string(v)] = true
		}
	}
}

// TestBadRejects closes on REJs that cannot be used, with the right codes.
func TestBadRejects(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   wire.ErrorCode
		change func(m *Message)
	}{
		{"no SCFG", wire.CryptoMessageParameterNotFound, func(m *Message) { m.Delete(SCFG) }},
		{"bad SCFG", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(SCFG, []byte("SCFG")) }},
		{"PROF alone", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Delete(CRT) }},
		{"CRT alone", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Delete(PROF) }},
		{"bad CRT", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(CRT, []byte{1, 0, 9}) }},
		{"empty chain", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(CRT, []byte{0}) }},
		{"STTL of 4 bytes", wire.InvalidCryptoMessageParameter, func(m *Message) { m.SetUint32(STTL, 9) }},
		{"STTL 0", wire.CryptoServerConfigExpired, func(m *Message) { m.SetUint64(STTL, 0) }},
		{"token too large", wire.CryptoChloTooLarge, func(m *Message) { m.Set(STK, make([]byte, 2000)) }},
		{"SNO too large", wire.CryptoChloTooLarge, func(m *Message) { m.Set(SNO, make([]byte, 2000)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mangleToClient = c.change
			w.connect(nil)
			w.wantClient(c.code)
			if w.clientKeys[LevelInitial].Seal != nil {
				t.Error("got keys")
			}
		})
	}
}

// TestExpiry holds that STTL counts before EXPY, and up to a week.
func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.mangleToClient = func(m *Message) {
		if m.Tag == REJ {
			m.SetUint64(STTL, 100)
		}
	}
	w.connect(nil)
	w.check()
	if r, _ := w.client.Resumption(); r.Expiry() != w.wall+100 {
		t.Errorf("expires in %d s, want 100", r.Expiry()-w.wall)
	}
	w.mangleToClient = func(m *Message) {
		if m.Tag == REJ {
			m.SetUint64(STTL, 1<<63)
		}
	}
	w.connect(nil)
	if r, _ := w.client.Resumption(); r.Expiry() != w.wall+7*24*3600 {
		t.Errorf("expires in %d s, want a week", r.Expiry()-w.wall)
	}
	w.mangleToClient = func(m *Message) { m.Delete(STTL) }
	w.connect(nil)
	if r, _ := w.client.Resumption(); r.Expiry() != r.Config().Expiry() {
		t.Errorf("expires at %d, want EXPY", r.Expiry())
	}
}

// TestBadServerHellos closes on SHLOs that cannot be used.
func TestBadServerHellos(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   wire.ErrorCode
		change func(m *Message)
	}{
		{"no VER", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Delete(VER) }},
		{"other VER", wire.VersionNegotiationMismatch, func(m *Message) { m.Set(VER, []byte("Q039")) }},
		{"no SNO", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Delete(SNO) }},
		{"empty SNO", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(SNO, nil) }},
		{"no PUBS", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Delete(PUBS) }},
		{"zero PUBS", wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(PUBS, make([]byte, 32)) }},
		{"no ICSL", wire.CryptoMessageParameterNotFound, func(m *Message) { m.Delete(ICSL) }},
		{"small window", wire.FlowControlInvalidWindow, func(m *Message) { m.SetUint32(SFCW, 16383) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.mangleToClient = func(m *Message) {
				if m.Tag == SHLO {
					c.change(m)
				}
			}
			w.connect(nil)
			w.wantClient(c.code)
			if w.clientKeys[LevelForwardSecure].Seal != nil {
				t.Error("got keys")
			}
		})
	}
	// A server that takes no minimum: not a reason to close (reference: live-checks).
	w := newWorld(t)
	w.mangleToClient = func(m *Message) {
		if m.Tag == SHLO {
			m.SetUint32(ICSL, 600)
		}
	}
	w.connect(nil)
	w.check()
	if w.clientPeer.IdleTimeout != 30*time.Second {
		t.Errorf("idle timeout %v, want our own", w.clientPeer.IdleTimeout)
	}
}

// TestVersionNegotiation holds the downgrade checks of both sides.
func TestVersionNegotiation(t *testing.T) {
	for _, c := range []struct {
		name           string
		first          wire.Version
		negotiated     []wire.Version
		client, server wire.ErrorCode
	}{
		{"none", 0x51303433, nil, 0, 0},
		{"honest", 0x51303530, []wire.Version{0x51303434, 0x51303433}, 0, 0},
		{"forged list", 0x51303530, []wire.Version{0x51303433}, wire.VersionNegotiationMismatch, 0},
		{"order", 0x51303530, []wire.Version{0x51303433, 0x51303434}, wire.VersionNegotiationMismatch, 0},
		{"forged packet", 0x51303434, []wire.Version{0x51303433}, 0, wire.VersionNegotiationMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.first, w.negotiated = c.first, c.negotiated
			w.connect(nil)
			if c.client != 0 {
				w.wantClient(c.client)
			}
			if c.server != 0 {
				w.wantServer(c.server)
			}
			if c.client == 0 && c.server == 0 {
				w.check()
			}
		})
	}
}

// TestMisuse holds that calls out of place return an error and change nothing.
func TestMisuse(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	if _, err := w.client.Receive(LevelNull, []byte("REJ"), w.wall); err == nil {
		t.Error("Receive before Start")
	}
	if err := w.client.ProofVerified(w.wall, nil); err == nil {
		t.Error("ProofVerified unasked")
	}
	if err := w.server.ProofSigned(w.wall, []byte("x"), nil); err == nil {
		t.Error("ProofSigned unasked")
	}
	if err := w.server.Update(w.wall); err == nil {
		t.Error("Update before the handshake is complete")
	}
	if _, err := w.client.Diversify(make([]byte, 32)); err == nil {
		t.Error("Diversify without keys")
	}
	if _, ok := w.client.Resumption(); ok {
		t.Error("Resumption before the handshake is complete")
	}
	w.startClient()
	if err := w.client.Start(w.wall); err == nil {
		t.Error("Start twice")
	}
	w.run()
	w.check()
	if _, err := w.client.Diversify(make([]byte, 31)); err == nil {
		t.Error("Diversify with a short nonce")
	}
	for _, cfg := range []*ClientConfig{{AEADs: []Tag{CHLO}}, {KeyExchanges: []Tag{CHLO}}} {
		if _, err := NewClient(cfg, ClientStart{}); err == nil {
			t.Error("unknown algorithm taken")
		}
	}
	if _, err := NewClient(&ClientConfig{}, ClientStart{ServerName: string(make([]byte, 300))}); err == nil {
		t.Error("long name taken")
	}
}

// TestResumptionOfAnotherHost holds that a config is used for the host that proved it.
func TestResumptionOfAnotherHost(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	w.check()
	r, _ := w.client.Resumption()
	w.clientConf.Insecure, w.name = true, "elsewhere.example"
	w.connect(r)
	w.check()
	if w.hellos != 2 {
		t.Errorf("%d CHLOs, want 2: nothing was to be resumed", w.hellos)
	}
}
