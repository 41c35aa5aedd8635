package handshake_test

import (
	"bytes"
	"fmt"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Build a message, send it, read it.
func ExampleMessage() {
	chlo := handshake.Message{Tag: handshake.CHLO}
	chlo.Set(handshake.SNI, []byte("www.example.org"))
	chlo.Set(handshake.VER, []byte("Q043"))
	chlo.SetTags(handshake.PDMD, handshake.X509)
	chlo.Pad(handshake.MinCHLOSize)
	b := chlo.Append(nil)

	m, n, err := handshake.ParseMessage(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	name, _ := m.Get(handshake.SNI)
	fmt.Printf("%d of %d bytes for %s\n", n, len(b), name)
	fmt.Print(m.String())
	fmt.Println(m.Summary())
	// Output:
	// 1024 of 1024 bytes for www.example.org
	// CHLO 1024 bytes
	//   PAD 961 bytes
	//   SNI "www.example.org"
	//   VER Q043
	//   PDMD X509
	// CHLO 1024 B: PAD SNI VER=Q043 PDMD=X509
}

// A message may still be on its way, or wrong for good.
func ExampleParseMessage_errors() {
	_, _, err := handshake.ParseMessage([]byte("CHLO\x01"))
	fmt.Println(err == handshake.ErrIncomplete)
	_, _, err = handshake.ParseMessage([]byte("CHLO\xff\xff\x00\x00"))
	fmt.Println(err)
	// Output:
	// true
	// CRYPTO_TOO_MANY_ENTRIES: message of more than 128 entries
}

// One seed, a stream for each purpose.
func ExampleEntropy() {
	seed := [32]byte{1}
	for range 2 {
		e := handshake.NewEntropy(seed)
		nonces := e.Derive("nonce", nil)
		keys := e.Derive("key share", nil)
		fmt.Println(nonces.Uint64() != keys.Uint64(), nonces.Uint64())
	}
	// Output:
	// true 3536334499601393939
	// true 3536334499601393939
}

// From two key shares to a packet that opens: what both sides do for forward-secure keys.
func ExampleDeriveKeys() {
	client, _ := handshake.NewKeyShare(handshake.C255, bytes.Repeat([]byte{1}, 32))
	server, _ := handshake.NewKeyShare(handshake.C255, bytes.Repeat([]byte{2}, 32))

	keys := func(own *handshake.KeyShare, peer []byte) handshake.Keys {
		secret, err := own.Shared(peer)
		if err != nil {
			panic(err)
		}
		k, err := handshake.DeriveKeys(&handshake.KeyInputs{
			AEAD: handshake.AESG, Shared: secret, ForwardSecure: true,
			ClientNonce: []byte("NONC"), ServerNonce: []byte("SNO"),
			ConnectionID: wire.ConnectionID{1, 2, 3, 4, 5, 6, 7, 8},
			CHLO:         []byte("CHLO"), SCFG: []byte("SCFG"), Leaf: []byte("leaf"),
		})
		if err != nil {
			panic(err)
		}
		return k
	}
	atClient, atServer := keys(client, server.Public()), keys(server, client.Public())

	seal, _, _ := atClient.AEADs()
	open, _, _ := atServer.AEADs()
	var scratch handshake.Scratch
	header := "header "
	packet := append(make([]byte, 0, 100), header+"what the client says"...)
	packet = seal.Seal(&scratch, packet, len(header), 1)
	plain, err := open.Open(&scratch, nil, packet, len(header), 1)
	fmt.Printf("%d bytes on the wire: %q, %v\n", len(packet), plain, err)
	_, err = open.Open(&scratch, nil, packet, len(header), 2)
	fmt.Println(err)
	// Output:
	// 39 bytes on the wire: "what the client says", <nil>
	// handshake: packet does not authenticate
}

// Before there are keys, a checksum stands in front of the plaintext.
func ExampleNewNull() {
	null := handshake.NewNull(wire.Client)
	header := []byte("header ")
	packet := append(append(header, make([]byte, null.Prefix())...), "CHLO"...)
	packet = null.Seal(nil, packet, len(header), 1)
	plain, err := null.Open(nil, nil, packet, len(header), 1)
	fmt.Printf("%q, %v\n", plain, err)
	_, err = handshake.NewNull(wire.Server).Open(nil, nil, packet, len(header), 1)
	fmt.Println("reflected:", err)
	// Output:
	// "CHLO", <nil>
	// reflected: handshake: packet does not authenticate
}

// The client has one certificate of the chain, so only its hash is sent.
func ExampleCompressChain() {
	leaf, intermediate := bytes.Repeat([]byte("leaf "), 200), bytes.Repeat([]byte("intermediate "), 100)
	ccrt := make([]byte, 0, 8)
	for i := range 8 { // little-endian
		ccrt = append(ccrt, byte(handshake.CertHash(intermediate)>>(8*i)))
	}
	crt, err := handshake.CompressChain(nil, [][]byte{leaf, intermediate}, handshake.CommonSetHashes(), ccrt)
	if err != nil {
		fmt.Println(err)
		return
	}
	chain, err := handshake.DecompressChain(crt, [][]byte{intermediate})
	fmt.Println(len(crt) < 100, len(chain), bytes.Equal(chain[0], leaf), bytes.Equal(chain[1], intermediate), err)
	_, err = handshake.DecompressChain(crt, nil)
	fmt.Println(err)
	// Output:
	// true 2 true true <nil>
	// INVALID_CRYPTO_MESSAGE_PARAMETER: cached certificate was not offered
}

// Transport parameters travel as entries of CHLO and SHLO.
func ExampleParams() {
	p := handshake.Params{IdleTimeout: 30e9, MaxStreams: 100, ConnectionWindow: 1 << 20, StreamWindow: 1 << 16}
	shlo := handshake.Message{Tag: handshake.SHLO}
	p.AddTo(&shlo)
	fmt.Println(shlo.Summary())
	peer, err := handshake.ParseParams(&shlo)
	fmt.Println(peer.IdleTimeout, peer.MaxStreams, err)
	// Output:
	// SHLO 56 B: ICSL=30 MIDS=100 CFCW=1048576 SFCW=65536
	// 30s 100 <nil>
}

// A proof is made with the certificate's key and checked with the certificate.
func ExampleVerificationRequest_Verify() {
	r := handshake.VerificationRequest{ServerName: "www.example.org"}
	fmt.Println(r.Verify(nil, 1700000000))
	// Output:
	// PROOF_INVALID: server not accepted: certificate: no trusted roots given
}
