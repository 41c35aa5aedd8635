package handshake_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"net/netip"
	"time"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

const now = 1_700_000_000 // wall time, UNIX seconds

var q043, _ = wire.ParseVersion("Q043")

// selfSigned makes a certificate, and the pin by which a client believes it.
func selfSigned() (handshake.Certificate, [32]byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"server.example"},
		NotBefore: time.Unix(now-1e6, 0), NotAfter: time.Unix(now+1e6, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return handshake.Certificate{Chain: [][]byte{der}, Key: key}, sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
}

// connect has a client and a server of one host shake hands, and prints what is sent.
func connect(host *handshake.Host, cfg *handshake.ClientConfig, r *handshake.Resumption) *handshake.Client {
	params := handshake.Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: 1 << 20, StreamWindow: 1 << 18}
	id := wire.ConnectionID{1, 2, 3, 4, 5, 6, 7, 8}
	client, err := handshake.NewClient(cfg, handshake.ClientStart{ConnectionID: id, Version: q043,
		ServerName: "server.example", Params: params, Entropy: handshake.NewEntropy([32]byte{1}), Resumption: r})
	if err != nil {
		log.Fatal(err)
	}
	server := handshake.NewServer(host, handshake.ServerStart{ConnectionID: id, Version: q043, Versions: []wire.Version{q043},
		ClientAddr: netip.MustParseAddr("192.0.2.1"), Params: params, Entropy: handshake.NewEntropy([32]byte{2})})
	if err := client.Start(now); err != nil {
		log.Fatal(err)
	}
	for moved := true; moved; {
		moved = false
		for o, ok := client.Next(); ok; o, ok = client.Next() {
			if o.Kind == handshake.SendMessage {
				m, _, _ := handshake.ParseMessage(o.Data)
				fmt.Printf("client sends %v of %d bytes, full: %v\n", m.Tag, len(o.Data), m.Has(handshake.NONC))
				if _, err := server.Receive(o.Level, o.Data, 1350, now); err != nil {
					log.Fatal(err)
				}
				moved = true
			} else {
				fmt.Println("client:", o.Kind)
			}
		}
		for o, ok := server.Next(); ok; o, ok = server.Next() {
			if o.Kind == handshake.SendMessage {
				m, _, _ := handshake.ParseMessage(o.Data)
				fmt.Printf("server sends %v at level %v\n", m.Tag, o.Level)
				if _, err := client.Receive(o.Level, o.Data, now); err != nil {
					log.Fatal(err)
				}
				moved = true
			}
		}
	}
	return client
}

// A client meets a server for the first time, and again with what it stored.
func Example() {
	certificate, pin := selfSigned()
	host, err := handshake.NewHost(&handshake.HostConfig{
		Certificates: []handshake.Certificate{certificate},
		Secret:       [32]byte{42},
	}, handshake.NewEntropy([32]byte{3}))
	if err != nil {
		log.Fatal(err)
	}
	cfg := &handshake.ClientConfig{Pin: [][32]byte{pin}}

	client := connect(host, cfg, nil)

	r, _ := client.Resumption()
	stored, err := r.MarshalBinary()
	if err != nil {
		log.Fatal(err)
	}
	var restored handshake.Resumption
	if err := restored.UnmarshalBinary(stored); err != nil {
		log.Fatal(err)
	}
	fmt.Println("again:")
	connect(host, cfg, &restored)
	// Output:
	// client sends CHLO of 1024 bytes, full: false
	// server sends REJ at level null
	// client: rejected
	// client sends CHLO of 1024 bytes, full: true
	// client: install keys
	// server sends SHLO at level initial
	// client: install keys
	// client: negotiated
	// client: confirmed
	// client: resumption ready
	// again:
	// client sends CHLO of 1024 bytes, full: true
	// client: install keys
	// server sends SHLO at level initial
	// client: install keys
	// client: negotiated
	// client: confirmed
	// client: resumption ready
}

// Servers with the same secret know each other's configs, also after a restart.
func ExampleNewHost() {
	certificate, _ := selfSigned()
	cfg := &handshake.HostConfig{Certificates: []handshake.Certificate{certificate}, Secret: [32]byte{42}}
	for seed := range byte(2) {
		host, err := handshake.NewHost(cfg, handshake.NewEntropy([32]byte{seed}))
		if err != nil {
			log.Fatal(err)
		}
		config, err := host.Config(now)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%x\n", config.ID())
	}
	// Output:
	// 5570bf077caa40a50552732ee5366dce
	// 5570bf077caa40a50552732ee5366dce
}

// What the client's machine may do while it waits for the server's hello.
func ExampleClientTransitions() {
	for _, t := range handshake.ClientTransitions() {
		if t.State == "full" {
			fmt.Printf("%s: %s (%s)\n", t.Input, t.Action, t.Next)
		}
	}
	// Output:
	// REJ, config not proved yet: take config and token, send inchoate CHLO with both (hello)
	// REJ with proof and chain: take config and token, verify the proof (proving)
	// REJ, config already proved: take token, send full CHLO; initial keys (full)
	// SHLO under initial keys: forward-secure keys; confirmed; store (confirmed)
}
