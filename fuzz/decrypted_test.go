package fuzz

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// capturedKeys is one derivation of keys as the oracle knows it.
type capturedKeys struct {
	Level, CID               string
	Shared                   string `json:"shared_secret"`
	Nonces, CHLO, SCFG, Cert string
	Nonce                    string `json:"div_nonce"`
	ClientKey                string `json:"client_key"`
	ClientIV                 string `json:"client_iv"`
	ServerKey                string `json:"server_key"`
	ServerIV                 string `json:"server_iv"`
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDecryptedCaptures derives the keys of captured connections, opens every packet with
// them, and compares levels, plaintexts, frames and messages with the oracle's.
func TestDecryptedCaptures(t *testing.T) {
	opened := 0
	for _, path := range captures(t, ".decrypted.json") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			datagrams, packets := capture(t, path, ".decrypted.json")
			keys := deriveCaptured(t, path)
			var largest [2]wire.PacketNumber
			var hello [2]assembly
			for i := range packets {
				p := &packets[i]
				d := datagrams[p.N]
				c := &captured{}
				if p.Dir == "s" {
					c.from = wire.Server
				}
				c.v, _ = versionOf(p)
				if c.v == 0 {
					c.v = wire.Q043
					if p.Hdr != "public" {
						c.v = wire.Q044
					}
				}
				asked := c.v
				if p.List != nil {
					asked = 0
				}
				if err := wire.ParseHeader(&c.Header, clip(d.payload), c.from, asked); err != nil {
					t.Fatalf("frame %d: %v", p.N, err)
				}
				if p.List != nil {
					if c.Kind != wire.VersionNegotiationPacket {
						t.Errorf("frame %d is %v", p.N, &c.Header)
					}
					largest, hello = [2]wire.PacketNumber{}, [2]assembly{}
					continue
				}
				pn := wire.DecodePacketNumber(c.PacketNumber, c.PacketNumberLen, largest[c.from])
				if uint64(pn) != p.PN || p.HdrLen != 0 && c.Len != p.HdrLen || c.Nonce != nil && hex.EncodeToString(c.Nonce) != p.Nonce {
					t.Errorf("frame %d: packet %d, %v; want %+v", p.N, pn, &c.Header, p)
				}
				largest[c.from] = max(largest[c.from], pn)
				plain, ok := openCaptured(keys, c, d.payload, p.Level, pn)
				if !ok || len(plain) != p.PlainLen || hex.EncodeToString(sha(plain)) != p.Plaintext {
					t.Fatalf("frame %d does not open at level %s", p.N, p.Level)
				}
				opened++
				c.PacketNumber = pn
				compareDecrypted(t, p, c, plain, &hello[c.from])
			}
		})
	}
	t.Logf("opened %d packets", opened)
	if opened < 400 {
		t.Errorf("only %d packets were opened", opened)
	}
}

// deriveCaptured derives the keys that the oracle lists, and compares them.
func deriveCaptured(t *testing.T, path string) map[string][2]handshake.AEAD {
	raw, err := os.ReadFile(path + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []capturedKeys
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	all := map[string][2]handshake.AEAD{}
	for _, k := range list {
		nonces := unhex(t, k.Nonces)
		in := handshake.KeyInputs{AEAD: handshake.AESG, Shared: unhex(t, k.Shared), ClientNonce: nonces[:32], ServerNonce: nonces[32:],
			ConnectionID: wire.ConnectionID(unhex(t, k.CID)), CHLO: unhex(t, k.CHLO), SCFG: unhex(t, k.SCFG), Leaf: unhex(t, k.Cert),
			ForwardSecure: k.Level == "forward_secure"}
		keys, err := handshake.DeriveKeys(&in)
		if err != nil {
			t.Fatal(err)
		}
		if !in.ForwardSecure {
			keys = keys.Diversify(unhex(t, k.Nonce))
		}
		for _, pair := range [][2]string{{hex.EncodeToString(keys.ClientKey), k.ClientKey}, {hex.EncodeToString(keys.ServerKey), k.ServerKey},
			{hex.EncodeToString(keys.ClientIV[:]), k.ClientIV}, {hex.EncodeToString(keys.ServerIV[:]), k.ServerIV}} {
			if pair[0] != pair[1] {
				t.Errorf("%s key %s, want %s", k.Level, pair[0], pair[1])
			}
		}
		client, server, err := keys.AEADs()
		if err != nil {
			t.Fatal(err)
		}
		all[k.Level] = [2]handshake.AEAD{client, server}
	}
	return all
}

func openCaptured(keys map[string][2]handshake.AEAD, c *captured, packet []byte, level string, pn wire.PacketNumber) ([]byte, bool) {
	key := handshake.NewNull(c.from)
	if level != "null" {
		key = keys[level][c.from]
	}
	if key == nil {
		return nil, false
	}
	var s handshake.Scratch
	plain, err := key.Open(&s, nil, packet, c.Len, pn)
	return plain, err == nil
}

func compareDecrypted(t *testing.T, p *oraclePacket, c *captured, plain []byte, hello *assembly) {
	ctx := wire.Context{Version: c.v, PacketNumber: c.PacketNumber, PacketNumberLen: c.PacketNumberLen}
	var r wire.Reader
	r.Reset(plain, ctx)
	var got []string
	for f, err := r.Next(); f != nil || err != nil; f, err = r.Next() {
		if err != nil {
			t.Errorf("frame %d: %v", p.N, err)
			return
		}
		got = append(got, describe(f, &ctx))
		if s, ok := f.(*wire.StreamFrame); ok && s.StreamID == wire.CryptoStream {
			hello.add(s.Offset, s.Data)
		}
	}
	for i := range p.Frames {
		if p.Frames[i].Tag != "" {
			hello.expect = append(hello.expect, expectation{p.N, &p.Frames[i], true})
		}
	}
	if a, b := strings.Join(got, "; "), strings.Join(describeOracle(p.Frames), "; "); a != b {
		t.Errorf("frame %d: %s\nwant      %s", p.N, a, b)
	}
	hello.compare(t)
}
