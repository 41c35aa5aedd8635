package handshake

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/gquic/wire"
)

// A session is a recorded file: what its connections share, and the connections. Files of
// one connection have its fields at the top.
type session struct {
	sessionConnection
	Chain       []hexBytes `json:"cert_chain_der"`
	Root        hexBytes   `json:"trusted_root_der"`
	SNI         string
	AnyToken    bool     `json:"server_accepts_missing_or_any_token"`
	ProofAtOnce bool     `json:"server_sends_proof_without_token"`
	Versions    []string `json:"server_versions"`
	Configs     []struct {
		SCFG hexBytes
		Keys map[string]sessionKey
	} `json:"server_configs"`
	Tokens []struct{ Token hexBytes }

	Connections []sessionConnection
}

type sessionKey struct{ Private, Public hexBytes }

type sessionConnection struct {
	What         string
	Version      string
	Wall         int64    `json:"wall_clock_unix"`
	ConnectionID hexBytes `json:"connection_id"`
	SCFG         hexBytes
	ClientC255   []sessionKey `json:"client_ephemeral_c255"`
	ConfigC255   []sessionKey `json:"server_config_c255"`
	ServerC255   []sessionKey `json:"server_ephemeral_c255"`
	ServerP256   []sessionKey `json:"server_ephemeral_p256"`
	ClientNonce  hexBytes     `json:"client_nonce"`
	HelloNonce   hexBytes     `json:"shlo_server_nonce"`
	Initial      sessionKeys  `json:"initial_keys"`
	Forward      sessionKeys  `json:"forward_secure_keys"`
	Messages     []struct {
		Dir   string
		Level string `json:"encryption_level"`
		Hex   hexBytes
	}
	Datagrams []sessionDatagram
}

type sessionKeys struct {
	ClientKey       hexBytes `json:"client_key"`
	ServerKey       hexBytes `json:"server_key"`
	ClientIV        hexBytes `json:"client_iv"`
	ServerIV        hexBytes `json:"server_iv"`
	Diversification hexBytes `json:"diversification_nonce"`
}

type sessionDatagram struct {
	N         int
	Dir, Kind string
	Hex       hexBytes
	Header    hexBytes          `json:"header_hex"`
	Number    wire.PacketNumber `json:"packet_number"`
	NumberLen int               `json:"packet_number_length"`
	Level     string            `json:"encryption_level"`
	Plaintext hexBytes          `json:"plaintext_hex"`
	Frames    []string
	Opened    *bool `json:"opened_by_server"`
	Keys      string
}

var sessionNames = []string{"session-q039", "session-q043", "session-q044", "session-q043-onerej", "session-q044-onerej",
	"session-vn-q044-q043", "session-0rtt-q043", "session-0rtt-q044", "session-0rtt-rejected-q043", "session-cc20-p256-q043"}

func loadSession(t testing.TB, name string) *session {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorsDir(t), name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &session{}
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	if s.Connections == nil {
		s.Connections = []sessionConnection{s.sessionConnection}
	}
	return s
}

func (s *session) chain() (chain [][]byte) {
	for _, c := range s.Chain {
		chain = append(chain, c)
	}
	return chain
}

func (c *sessionConnection) version(t testing.TB) wire.Version {
	v, err := wire.ParseVersion(c.Version)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// configs are the server's configs as the server had them.
func (s *session) configs(t testing.TB, c *sessionConnection) (list []*hostConfig) {
	add := func(scfg []byte, private func(kex Tag) []byte) {
		config, err := ParseServerConfig(scfg)
		if err != nil {
			t.Fatal(err)
		}
		h := &hostConfig{ServerConfig: config}
		for i, k := range config.kexs {
			share, err := NewKeyShare(k, private(k))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(share.Public(), config.pubs[i]) {
				t.Fatal("config's public value is not that of its private one")
			}
			h.shares = append(h.shares, share)
		}
		list = append(list, h)
	}
	for _, r := range s.Configs {
		add(r.SCFG, func(k Tag) []byte { return r.Keys[k.String()].Private })
		if bytes.Equal(r.SCFG, c.SCFG) { // the later ones did not exist yet
			break
		}
	}
	if s.Configs == nil {
		add(c.SCFG, func(Tag) []byte { return c.ConfigC255[0].Private })
	}
	return list
}

func (c *sessionConnection) serverShare(t testing.TB) []byte {
	switch {
	case len(c.ServerC255) > 0:
		return c.ServerC255[0].Private
	case len(c.ServerP256) > 0:
		return c.ServerP256[0].Private
	}
	t.Fatal("no server share")
	return nil
}

func sessionSender(dir string) wire.Perspective {
	if strings.HasPrefix(dir, "client") {
		return wire.Client
	}
	return wire.Server
}

func sessionLevel(s string) Level {
	switch s {
	case "initial":
		return LevelInitial
	case "forward-secure":
		return LevelForwardSecure
	}
	return LevelNull
}

// TestSessionsServer plays the server of the recorded connections: with the same private
// values it must come to the same decisions, messages and keys.
func TestSessionsServer(t *testing.T) {
	for _, name := range sessionNames {
		s := loadSession(t, name)
		for i := range s.Connections {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { serveSession(t, s, &s.Connections[i]) })
		}
	}
}

// recordedServer is what the server of a connection drew.
func recordedServer(t *testing.T, s *session, c *sessionConnection) *recording {
	configs := s.configs(t, c)
	r := &recording{
		configs: configs[len(configs)-1:], // the server had dropped the older ones
		drawn: map[string][][]byte{
			drawServerShare:     {c.serverShare(t)},
			drawHelloNonce:      {c.HelloNonce},
			drawDiversification: {c.Initial.Diversification},
		},
	}
	good := map[string]bool{}
	for _, token := range s.Tokens {
		good[string(token.Token)] = true
	}
	for _, m := range c.Messages {
		if sessionSender(m.Dir) == wire.Client {
			continue
		}
		msg, _, err := ParseMessage(m.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if token, ok := msg.Get(STK); ok {
			r.tokens = append(r.tokens, token)
			good[string(token)] = true
		}
		if nonce, ok := msg.Get(SNO); ok && msg.Tag == REJ {
			r.drawn[drawRejectNonce] = append(r.drawn[drawRejectNonce], nonce)
		}
	}
	r.goodToken = func(token []byte) bool { return s.AnyToken || good[string(token)] }
	return r
}

// sessionParams are the parameters that the recorded server states.
func sessionParams(t *testing.T, c *sessionConnection) Params {
	last, _, err := ParseMessage(c.Messages[len(c.Messages)-1].Hex)
	if err != nil || last.Tag != SHLO {
		t.Fatalf("last message is no SHLO: %v", err)
	}
	p, err := ParseParams(&last)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func serveSession(t *testing.T, s *session, c *sessionConnection) {
	rec := recordedServer(t, s, c)
	host, err := NewHost(&HostConfig{
		Certificates: []Certificate{{Chain: s.chain()}},
		RequireToken: !s.AnyToken && !s.ProofAtOnce,
		RequireNonce: len(rec.drawn[drawRejectNonce]) > 0,
	}, Entropy{})
	if err != nil {
		t.Fatal(err)
	}
	host.recorded = rec
	shlo, _, _ := ParseMessage(c.Messages[len(c.Messages)-1].Hex)
	ver, _ := shlo.Get(VER)
	versions, _ := versionList(ver)
	server := NewServer(host, ServerStart{ConnectionID: wire.ConnectionID(c.ConnectionID), Version: c.version(t),
		Versions: versions, Params: sessionParams(t, c)})
	var keys [Levels]Output
	for i, m := range c.Messages {
		if sessionSender(m.Dir) == wire.Client {
			n, err := server.Receive(sessionLevel(m.Level), m.Hex, 1350, c.Wall)
			if err != nil || n != len(m.Hex) {
				t.Fatalf("message %d: %d bytes taken, %v", i, n, err)
			}
			continue
		}
		want, _, err := ParseMessage(m.Hex)
		if err != nil {
			t.Fatal(err)
		}
		var sent *Output
		for o, ok := server.Next(); ok; o, ok = server.Next() {
			switch o.Kind {
			case InstallKeys:
				keys[o.Level] = o
			case SendMessage:
				sent = &o
			case NeedSignature:
				proof, ok := want.Get(PROF)
				if !ok {
					t.Fatalf("message %d: the recorded server sent no proof", i)
				}
				v := VerificationRequest{Chain: o.Signature.Chain, SignedData: o.Signature.SignedData, Signature: proof}
				if err := v.VerifySignature(); err != nil {
					t.Errorf("message %d: the recorded proof is not for what we would sign: %v", i, err)
				}
				if err := server.ProofSigned(c.Wall, proof, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		if sent == nil || sent.Level != sessionLevel(m.Level) {
			t.Fatalf("message %d: sent %+v", i, sent)
		}
		compareMessages(t, i, &want, sent.Data, s.chain())
	}
	sealLike(t, c, wire.Server, keys)
}

// compareMessages holds that what we sent has all that the recorded server sent. It may
// have more (reasons, a token), and these may differ: compression, time left, and reason
// 20 where the recorded server gave 5, since we have no strike register.
func compareMessages(t *testing.T, i int, want *Message, data []byte, chain [][]byte) {
	t.Helper()
	got, _, err := ParseMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if got.Tag != want.Tag || got.Has(PROF) != want.Has(PROF) {
		t.Fatalf("message %d: sent %v", i, &got)
	}
	for tag, v := range want.All() {
		g, ok := got.Get(tag)
		switch {
		case tag == SVID || tag == STTL:
		case tag == RREJ && bytes.Equal(v, []byte{5, 0, 0, 0}):
			if !bytes.Equal(g, []byte{byte(ReasonServerNonceRequired), 0, 0, 0}) {
				t.Errorf("message %d: reasons %x", i, g)
			}
		case tag == CRT:
			back, err := DecompressChain(g, chain)
			if err != nil || !cmp.Equal(back, chain) || v[0] != g[0] {
				t.Errorf("message %d: chain differs: %v", i, err)
			}
		case !ok || !bytes.Equal(g, v):
			t.Errorf("message %d: %v is %x, want %x", i, tag, g, v)
		}
	}
}

// sealLike seals what a side sealed in a recorded connection, with the keys that a
// machine installed, and opens what the other side sealed.
func sealLike(t *testing.T, c *sessionConnection, side wire.Perspective, keys [Levels]Output) {
	t.Helper()
	var s Scratch
	counts := map[string]int{}
	for i := range c.Datagrams {
		g := &c.Datagrams[i]
		level := sessionLevel(g.Level)
		if g.Kind != "data" || level == LevelNull || g.Opened != nil && !*g.Opened {
			continue
		}
		counts[g.Dir+g.Level]++
		if sessionSender(g.Dir) == side {
			packet := append(make([]byte, 0, len(g.Hex)+16), g.Header...)
			packet = append(packet, g.Plaintext...)
			if got := keys[level].Seal.Seal(&s, packet, len(g.Header), g.Number); !bytes.Equal(got, g.Hex) {
				t.Errorf("datagram %d comes out differently", g.N)
			}
			continue
		}
		plain, err := keys[level].Open.Open(&s, nil, g.Hex, len(g.Header), g.Number)
		if err != nil || !bytes.Equal(plain, g.Plaintext) {
			t.Errorf("datagram %d does not open: %v", g.N, err)
		}
	}
	if counts["server->clientinitial"] == 0 || counts["client->serverforward-secure"] == 0 || counts["server->clientforward-secure"] == 0 {
		t.Errorf("too few packets compared: %v", counts)
	}
}

// TestSessionsClient plays the client of the recorded connections whose private values
// are known.
func TestSessionsClient(t *testing.T) {
	for _, name := range []string{"session-q039", "session-q043", "session-q044", "session-q043-onerej", "session-q044-onerej", "session-vn-q044-q043"} {
		t.Run(name, func(t *testing.T) { playClient(t, loadSession(t, name)) })
	}
}

func playClient(t *testing.T, s *session) {
	c := &s.Connections[0]
	root, err := x509.ParseCertificate(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ClientConfig{Roots: x509.NewCertPool()}
	cfg.Roots.AddCert(root)
	start := ClientStart{ConnectionID: wire.ConnectionID(c.ConnectionID), Version: c.version(t), ServerName: s.SNI,
		Params: Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: 49152, StreamWindow: 32768}}
	if strings.Contains(t.Name(), "vn") {
		start.First = 0x51303434
		for _, v := range s.Versions {
			version, err := wire.ParseVersion(v)
			if err != nil {
				t.Fatal(err)
			}
			start.Negotiated = append(start.Negotiated, version)
		}
	}
	client, err := NewClient(cfg, start)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording{drawn: map[string][][]byte{drawNonce: {c.ClientNonce[12:]}}}
	for _, k := range c.ClientC255 {
		rec.drawn[drawClientShare] = append(rec.drawn[drawClientShare], k.Private)
	}
	for _, m := range c.Messages {
		if sessionSender(m.Dir) == wire.Client {
			rec.hellos = append(rec.hellos, m.Hex)
		}
	}
	client.draws.recorded = rec
	if err := client.Start(c.Wall); err != nil {
		t.Fatal(err)
	}
	var keys [Levels]Output
	for i, m := range c.Messages {
		if sessionSender(m.Dir) == wire.Server {
			n, err := client.Receive(sessionLevel(m.Level), m.Hex, c.Wall)
			if err != nil || n != len(m.Hex) {
				t.Fatalf("message %d: %d bytes taken, %v", i, n, err)
			}
			continue
		}
		o, ok := client.Next()
		if ok && o.Kind == Rejected {
			o, ok = client.Next()
		}
		if !ok || o.Kind != SendMessage || o.Level != LevelNull || !bytes.Equal(o.Data, m.Hex) {
			t.Fatalf("message %d: the client sent %+v", i, o)
		}
	}
	for o, ok := client.Next(); ok; o, ok = client.Next() {
		if o.Kind == InstallKeys {
			keys[o.Level] = o
		}
	}
	open, err := client.Diversify(c.Initial.Diversification)
	if err != nil {
		t.Fatal(err)
	}
	keys[LevelInitial].Open = open
	sealLike(t, c, wire.Client, keys)
	if diff := cmp.Diff(s.chain(), client.PeerChain()); diff != "" {
		t.Errorf("chain (-want +got):\n%s", diff)
	}
}
