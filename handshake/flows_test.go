package handshake

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gquic/wire"
)

var update = flag.Bool("update", false, "rewrite testdata and docs from what the code does")

var errTest = errors.New("refused by the test")

// A flow is a course that a handshake can take. Its transcript stands in testdata/flows;
// run the tests with -update to rewrite it.
type flow struct {
	name string
	tell string // what happens, for the transcript's head
	run  func(w *world)
}

// resume connects twice: the second time with what the first left.
func resume(w *world, between func()) {
	w.connect(nil)
	w.check()
	r, ok := w.client.Resumption()
	if !ok {
		w.t.Fatal("nothing to resume")
	}
	w.logf("")
	w.logf("(a new connection, from what the first one left)")
	if between != nil {
		between()
	}
	w.connect(r)
}

// raw gives the client or server a message that the other would not send.
func (w *world) rawToClient(level Level, m *Message) {
	w.toClient = append([]carried{{level, m.Append(nil)}}, w.toClient...)
	w.logf("test   > client %-8v %v", level, m.Tag)
	w.stepClient()
}

func (w *world) rawToServer(level Level, data []byte) {
	w.toServer = append([]carried{{level, data}}, w.toServer...)
	m, _, _ := ParseMessage(data)
	w.logf("test   > server %-8v %v", level, m.Tag)
	w.stepServer()
}

// changed is the client's last CHLO with a change.
func (w *world) changed(change func(m *Message)) []byte {
	m, _, err := ParseMessage(w.lastHello)
	if err != nil {
		w.t.Fatal(err)
	}
	change(&m)
	return m.Append(nil)
}

var flows = []flow{
	{"two-hellos", "First contact. The server sends its proof at once.", func(w *world) {
		w.connect(nil)
		w.check()
		if w.hellos != 2 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"three-hellos", "First contact. The server wants the address proved before it sends its proof.", func(w *world) {
		w.hostConfig.RequireToken = true
		w.connect(nil)
		w.check()
		if w.hellos != 3 || !w.server.TokenValid() {
			w.t.Errorf("%d CHLOs, token valid: %v", w.hellos, w.server.TokenValid())
		}
	}},
	{"three-hellos-long-chain", "First contact. The chain is too large for an address that is not proved.", func(w *world) {
		id := testIdentity(w.t, "long")
		w.hostConfig.Certificates, w.clientConf.Roots = []Certificate{id.certificate}, id.roots
		w.connect(nil)
		w.check()
		if w.hellos != 3 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"0-rtt", "The config is known: data goes with the first CHLO.", func(w *world) {
		resume(w, nil)
		w.check()
		if w.hellos != 1 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"0-rtt-config-gone", "0-RTT refused: the server has another secret, so other configs.", func(w *world) {
		resume(w, func() { w.hostConfig.Secret[0]++; w.host = nil })
		w.check()
	}},
	{"0-rtt-config-over", "No 0-RTT: the client's config is over. It asks for a new one, with token and chain at hand.", func(w *world) {
		resume(w, func() { w.wall += 8 * 24 * 3600 })
		w.check()
	}},
	{"0-rtt-other-address", "0-RTT refused: the client came to another address.", func(w *world) {
		resume(w, func() { w.addr = netip.MustParseAddr("192.0.2.2") })
		w.check()
	}},
	{"0-rtt-other-address-token-first", "0-RTT refused by a server that sends no proof without a token: the client has it already.", func(w *world) {
		w.hostConfig.RequireToken = true
		resume(w, func() { w.addr = netip.MustParseAddr("192.0.2.2") })
		w.check()
	}},
	{"0-rtt-config-gone-token-first", "0-RTT refused: config and address changed, and no proof without a token.", func(w *world) {
		w.hostConfig.RequireToken = true
		resume(w, func() {
			w.addr = netip.MustParseAddr("192.0.2.2")
			w.hostConfig.Secret[0]++
			w.host = nil
		})
		w.check()
		if w.hellos != 3 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"0-rtt-other-leaf", "0-RTT refused: the server has a new certificate.", func(w *world) {
		resume(w, func() {
			id := testIdentity(w.t, "RSA")
			w.hostConfig.Certificates, w.clientConf.Roots = []Certificate{id.certificate}, nil
			w.clientConf.Insecure, w.host = true, nil
		})
		w.check()
	}},
	{"0-rtt-proof-bad", "The client no longer believes the stored proof, and starts afresh.", func(w *world) {
		resume(w, func() { w.clientConf.Roots = testIdentity(w.t, "RSA").roots })
		w.wantClient(wire.ProofInvalid)
	}},
	{"nonce-required", "The server has each client echo a nonce.", func(w *world) {
		w.hostConfig.RequireNonce = true
		resume(w, nil)
		w.check()
		if w.hellos != 2 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"external", "Signing and verifying are done elsewhere.", func(w *world) {
		id := testIdentity(w.t, "P-256")
		w.hostConfig.Certificates = []Certificate{{Chain: id.certificate.Chain}}
		w.clientConf = ClientConfig{External: true}
		e := NewEntropy([32]byte{9})
		w.sign = func(r *SignatureRequest) ([]byte, error) { return r.Sign(id.certificate.Key, &e) }
		w.verify = func(r *VerificationRequest) error { return r.Verify(id.roots, w.wall) }
		resume(w, nil)
		w.check()
	}},
	{"external-refused", "Whoever verifies says no.", func(w *world) {
		w.clientConf = ClientConfig{External: true}
		w.verify = func(*VerificationRequest) error { return errTest }
		w.connect(nil)
		w.wantClient(wire.ProofInvalid)
		if !errors.Is(w.clientErr, errTest) {
			w.t.Error("the cause is lost")
		}
	}},
	{"external-unsigned", "Whoever signs cannot.", func(w *world) {
		w.hostConfig.Certificates = []Certificate{{Chain: testIdentity(w.t, "P-256").certificate.Chain}}
		w.sign = func(*SignatureRequest) ([]byte, error) { return nil, errTest }
		w.connect(nil)
		w.wantServer(wire.HandshakeFailed)
	}},
	{"impatient", "The client repeats its CHLO, and then sends another, while the server waits for a signature.", func(w *world) {
		w.hostConfig.Certificates = []Certificate{{Chain: testIdentity(w.t, "P-256").certificate.Chain}}
		w.connect(nil)
		w.rawToServer(LevelNull, w.lastHello)
		if w.serverErr != nil {
			w.t.Error(w.serverErr)
		}
		w.rawToServer(LevelNull, w.changed(func(m *Message) { m.Set(NONP, make([]byte, 32)) }))
		w.wantServer(wire.CryptoMessageWhileValidatingClientHello)
	}},
	{"update", "After the handshake the server sends a newer config.", func(w *world) {
		w.connect(nil)
		w.check()
		before, _ := w.client.Resumption()
		w.wall += 24 * 3600
		if err := w.server.Update(w.wall); err != nil {
			w.t.Fatal(err)
		}
		w.drainServer()
		w.rawToServer(LevelNull, w.lastHello) // ignored
		w.run()
		after, _ := w.client.Resumption()
		if after.config.id == before.config.id {
			w.t.Error("the client has the old config")
		}
		w.logf("")
		w.logf("(a new connection, from what the update left)")
		w.connect(after)
		w.check()
		if w.hellos != 1 {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"update-external", "Updates whose signature or verification is done elsewhere: one is not signed, one is, one is not believed.", func(w *world) {
		id := testIdentity(w.t, "P-256")
		w.hostConfig.Certificates = []Certificate{{Chain: id.certificate.Chain}}
		w.clientConf = ClientConfig{External: true}
		e := NewEntropy([32]byte{9})
		w.sign = func(r *SignatureRequest) ([]byte, error) { return r.Sign(id.certificate.Key, &e) }
		w.verify = func(r *VerificationRequest) error { return r.Verify(id.roots, w.wall) }
		w.connect(nil)
		w.check()
		good := w.sign
		w.sign = nil
		w.server.Update(w.wall)
		w.drainServer()
		w.rawToServer(LevelNull, w.lastHello) // ignored
		w.server.ProofSigned(w.wall, nil, errTest)
		w.sign = good
		w.server.Update(w.wall)
		w.drainServer()
		w.run()
		w.verify = func(*VerificationRequest) error { return errTest }
		w.server.Update(w.wall)
		w.drainServer()
		w.run()
		w.wantClient(wire.ProofInvalid)
	}},
	{"update-bare", "An update with a token and no proof.", func(w *world) {
		w.connect(nil)
		m := Message{Tag: SCUP}
		m.Set(STK, []byte("token"))
		w.rawToClient(LevelForwardSecure, &m)
		if r, _ := w.client.Resumption(); string(r.token) != "token" {
			w.t.Error("token not taken")
		}
	}},
	{"update-level", "An update that is not forward-secure.", func(w *world) {
		w.connect(nil)
		w.rawToClient(LevelInitial, &Message{Tag: SCUP})
		w.wantClient(wire.CryptoEncryptionLevelIncorrect)
	}},
	{"update-early", "An update before the handshake is complete.", func(w *world) {
		w.dial(nil)
		w.startClient()
		w.rawToClient(LevelNull, &Message{Tag: SCUP})
		w.wantClient(wire.CryptoUpdateBeforeHandshakeComplete)
	}},
	{"rejected-for-ever", "A server that is never content.", func(w *world) {
		w.hostConfig.RequireToken = true
		w.mangleToClient = func(m *Message) { m.Set(STK, []byte("no token")) }
		w.connect(nil)
		w.wantClient(wire.CryptoTooManyRejects)
		if w.hellos != MaxHellos {
			w.t.Errorf("%d CHLOs", w.hellos)
		}
	}},
	{"hellos-for-ever", "A client that never makes progress.", func(w *world) {
		w.dial(nil)
		w.startClient()
		w.stepServer()
		for i := byte(0); w.serverErr == nil; i++ {
			w.rawToServer(LevelNull, w.changed(func(m *Message) { m.Set(NONP, append(make([]byte, 31), i)) }))
		}
		w.wantServer(wire.CryptoTooManyRejects)
	}},
	{"levels", "Messages at the wrong level.", func(w *world) {
		w.connect(nil)
		w.dial(nil)
		w.startClient()
		w.rawToClient(LevelInitial, &Message{Tag: REJ})
		w.wantClient(wire.CryptoEncryptionLevelIncorrect)
		w.rawToServer(LevelInitial, w.lastHello)
		w.wantServer(wire.CryptoEncryptionLevelIncorrect)
		w.dial(nil)
		w.startClient()
		w.rawToClient(LevelNull, &Message{Tag: SHLO})
		w.wantClient(wire.CryptoEncryptionLevelIncorrect)
	}},
	{"wrong-messages", "Messages that do not belong where they come.", func(w *world) {
		w.dial(nil)
		w.startClient()
		w.rawToClient(LevelNull, &Message{Tag: CHLO})
		w.wantClient(wire.InvalidCryptoMessageType)
		w.rawToServer(LevelNull, (&Message{Tag: SHLO}).Append(nil))
		w.wantServer(wire.InvalidCryptoMessageType)
		w.dial(nil)
		w.startClient()
		w.rawToClient(LevelInitial, &Message{Tag: SHLO})
		w.wantClient(wire.InvalidCryptoMessageType)
		w.connect(nil)
		w.rawToClient(LevelForwardSecure, &Message{Tag: SHLO})
		w.wantClient(wire.CryptoMessageAfterHandshakeComplete)
		w.rawToServer(LevelForwardSecure, (&Message{Tag: SHLO}).Append(nil))
		w.wantServer(wire.CryptoMessageAfterHandshakeComplete)
	}},
	{"bad-hellos", "CHLOs that no REJ can mend.", func(w *world) {
		for _, c := range []struct {
			code   wire.ErrorCode
			change func(m *Message)
		}{
			{wire.CryptoInvalidValueLength, func(m *Message) { m.Pad(1000) }},
			{wire.VersionNegotiationMismatch, func(m *Message) { m.Set(VER, []byte("Q044")) }},
			{wire.UnsupportedProofDemand, func(m *Message) { m.Set(PDMD, []byte("X50Y")) }},
			{wire.InvalidCryptoMessageParameter, func(m *Message) { m.Set(SNI, []byte("192.0.2.1")); m.Pad(1024) }},
		} {
			w.dial(nil)
			w.startClient()
			w.rawToServer(LevelNull, w.changed(c.change))
			w.wantServer(c.code)
		}
	}},
}

func TestFlows(t *testing.T) {
	var clientRows, serverRows [64]int
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			w := newWorld(t)
			w.visit = func(server bool, row int) {
				if server {
					serverRows[row]++
				} else {
					clientRows[row]++
				}
			}
			f.run(w)
			golden(t, filepath.Join("testdata", "flows", f.name+".txt"),
				fmt.Sprintf("# %s\n\n%s", f.tell, w.log.String()))
		})
	}
	if t.Failed() || onlySome() {
		return
	}
	for i, tr := range ClientTransitions() {
		if clientRows[i] == 0 {
			t.Errorf("no flow takes the client from %q by %q", tr.State, tr.Input)
		}
	}
	for i, tr := range ServerTransitions() {
		if serverRows[i] == 0 {
			t.Errorf("no flow takes the server from %q by %q", tr.State, tr.Input)
		}
	}
}

// onlySome says that -run left flows out, so that coverage cannot be judged.
func onlySome() bool {
	return strings.Contains(flag.Lookup("test.run").Value.String(), "/")
}

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if string(want) != got {
		t.Errorf("%s differs (run with -update to rewrite it); now:\n%s", file, got)
	}
}
