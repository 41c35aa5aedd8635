package handshake

import (
	"bytes"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"example.com/gquic/wire"
)

type malformedCase struct {
	Name, Layer string
	Hex         hexBytes
	Encrypted   bool `json:"received_encrypted"`
	Expect      struct {
		Kind   string
		Code   *wire.ErrorCode
		Reason uint32
	}
}

func malformed(t *testing.T, layer string) (list []malformedCase) {
	var all []malformedCase
	loadVectors(t, "malformed_messages", &all)
	for _, c := range all {
		if c.Layer == layer {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no cases for %q", layer)
	}
	return list
}

func (c *malformedCase) wantError(t *testing.T, err error) {
	t.Helper()
	var e *Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("error is %v", err)
	case c.Expect.Code != nil && e.Code != *c.Expect.Code:
		t.Errorf("error is %v, want code %d", err, *c.Expect.Code)
	}
}

// TestMalformedConfig feeds server configs to what a client checks them with.
func TestMalformedConfig(t *testing.T) {
	for _, c := range malformed(t, "server config") {
		t.Run(c.Name, func(t *testing.T) {
			config, err := ParseServerConfig(c.Hex)
			if err == nil {
				_, _, _, err = config.choose([]Tag{AESG, CC20}, []Tag{C255, P256})
			}
			c.wantError(t, err)
		})
	}
}

// TestMalformedHello feeds CHLOs to a server as the vectors describe it.
func TestMalformedHello(t *testing.T) {
	leaf := loadSession(t, "session-q043").Chain[0]
	for _, c := range malformed(t, "client hello") {
		t.Run(c.Name, func(t *testing.T) {
			server := vectorServer(t, leaf)
			n, err := server.Receive(LevelNull, c.Hex, 1350, 1_555_000_000)
			switch c.Expect.Kind {
			case "error":
				c.wantError(t, err)
			case "policy": // another orbit: we do not look, as Chromium does not
				if err != nil || server.state != serverConfirmed {
					t.Errorf("not accepted: %v", err)
				}
			case "rej":
				o, ok := server.Next()
				if err != nil || n != len(c.Hex) || !ok || o.Kind != NeedSignature {
					t.Fatalf("%d bytes taken, %v; output %v", n, err, o.Kind)
				}
				if err := server.ProofSigned(1_555_000_000, []byte("signature"), nil); err != nil {
					t.Fatal(err)
				}
				o, _ = server.Next()
				m, _, err := ParseMessage(o.Data)
				if err != nil || m.Tag != REJ {
					t.Fatalf("answer: %v, %v", &m, err)
				}
				if got := rejectReasons(&m); len(got) != 1 || got[0] != c.Expect.Reason {
					t.Errorf("reasons %v, want %d", got, c.Expect.Reason)
				}
			default:
				t.Errorf("unknown kind %q", c.Expect.Kind)
			}
		})
	}
}

// vectorServer is the server of malformed_chlo_context.
func vectorServer(t *testing.T, leaf []byte) *Server {
	host, err := NewHost(&HostConfig{Certificates: []Certificate{{Chain: [][]byte{leaf}}}}, Entropy{})
	if err != nil {
		t.Fatal(err)
	}
	config, err := newHostConfig(NewEntropy([32]byte{1}), []Tag{AESG}, []Tag{C255}, 2_000_000_000)
	if err != nil {
		t.Fatal(err)
	}
	m, _, _ := ParseMessage(config.raw)
	m.Set(SCID, bytes.Repeat([]byte{0xab}, 16))
	m.Set(ORBT, []byte("orbitORB"))
	if config.ServerConfig, err = ParseServerConfig(m.Append(nil)); err != nil {
		t.Fatal(err)
	}
	host.recorded = &recording{configs: []*hostConfig{config}, goodToken: func([]byte) bool { return true }}
	return NewServer(host, ServerStart{Version: 0x51303433, Versions: []wire.Version{0x51303434, 0x51303433, 0x51303339},
		Params: Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: MinWindow, StreamWindow: MinWindow}})
}

// TestMalformedServerHello feeds SHLOs to a client that has been through the rest.
func TestMalformedServerHello(t *testing.T) {
	client := vectorClient(t)
	if err := client.Clone().complete(ptr(goodServerHello())); err != nil {
		t.Fatalf("the SHLO that the cases differ from: %v", err)
	}
	for _, c := range malformed(t, "server hello") {
		t.Run(c.Name, func(t *testing.T) {
			level := LevelNull
			if c.Encrypted {
				level = LevelInitial
			}
			_, err := client.Clone().Receive(level, c.Hex, 1_555_000_000)
			c.wantError(t, err)
		})
	}
}

func ptr[T any](v T) *T { return &v }

func goodServerHello() Message {
	m := Message{Tag: SHLO}
	p := Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: 49152, StreamWindow: 32768}
	p.AddTo(&m)
	m.Set(SNO, bytes.Repeat([]byte{8}, 32))
	m.Set(PUBS, append([]byte{9}, make([]byte, 31)...))
	m.Set(VER, []byte("Q044Q043"))
	return m
}

// vectorClient is the client of malformed_shlo_context: past a version negotiation packet
// that listed Q044 and Q043, with its full CHLO sent.
func vectorClient(t *testing.T) *Client {
	s := loadSession(t, "session-q043")
	c := &s.Connections[0]
	root, err := x509.ParseCertificate(s.Root)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &ClientConfig{Roots: x509.NewCertPool()}
	cfg.Roots.AddCert(root)
	client, err := NewClient(cfg, ClientStart{ConnectionID: wire.ConnectionID(c.ConnectionID), Version: 0x51303433,
		First: 0x51303339, Negotiated: []wire.Version{0x51303434, 0x51303433}, ServerName: s.SNI})
	if err != nil {
		t.Fatal(err)
	}
	rec := &recording{}
	for _, m := range c.Messages {
		if sessionSender(m.Dir) == wire.Client {
			rec.hellos = append(rec.hellos, m.Hex)
		}
	}
	client.draws.recorded = rec
	if err := client.Start(c.Wall); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Messages[:len(c.Messages)-1] {
		if sessionSender(m.Dir) == wire.Server {
			if _, err := client.Receive(LevelNull, m.Hex, c.Wall); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, ok := client.Next(); ok; _, ok = client.Next() {
	}
	if client.state != clientFull {
		t.Fatalf("client is in state %v", client.state)
	}
	return client
}
