package handshake

import (
	"example.com/gquic/wire"
)

// Labels of the two derivations and of the diversification. The first two end in a zero
// byte, the third does not (reference: handshake, sections 9 and 9.1).
const (
	labelInitial       = "QUIC key expansion\x00"
	labelForwardSecure = "QUIC forward secure key expansion\x00"
	labelDiversify     = "QUIC key diversification"
)

// ivSize is the part of a packet's nonce that comes from the keys.
const ivSize = 4

// KeyInputs is all that the keys of one level are made from. Both sides have the same
// (reference: handshake, section 9).
type KeyInputs struct {
	AEAD   Tag    // AESG or CC20
	Shared []byte // result of the key exchange
	// ClientNonce is NONC. ServerNonce is, for initial keys, the SNO that the CHLO
	// echoes, if it does; for forward-secure keys, the SNO of the SHLO.
	ClientNonce, ServerNonce []byte
	ConnectionID             wire.ConnectionID // the one that the client chose
	CHLO                     []byte            // the full CHLO as sent, PAD included
	SCFG                     []byte            // the server config as sent
	Leaf                     []byte            // the server's certificate, DER
	ForwardSecure            bool
}

// Keys protect the packets of one level, a key and the first four bytes of the nonce for
// each direction.
type Keys struct {
	AEAD                 Tag // AESG or CC20
	ClientKey, ServerKey []byte
	ClientIV, ServerIV   [ivSize]byte
}

// keySize returns the key's bytes for an algorithm, 0 if it is not known.
func keySize(alg Tag) int {
	switch alg {
	case AESG:
		return 16
	case CC20:
		return 32
	}
	return 0
}

// DeriveKeys returns the keys that in makes. The server's half of initial keys is still
// to be diversified ([Keys.Diversify]). An unknown algorithm is an *[Error] with code 40.
func DeriveKeys(in *KeyInputs) (Keys, error) {
	size := keySize(in.AEAD)
	if size == 0 {
		return Keys{}, fault(wire.CryptoNoSupport, "unknown packet protection "+in.AEAD.String())
	}
	label := labelInitial
	if in.ForwardSecure {
		label = labelForwardSecure
	}
	m := newHMAC()
	prk := m.extract(in.Shared, in.ClientNonce, in.ServerNonce)
	out := make([]byte, 2*size+2*ivSize)
	m.expand(out, prk[:], []byte(label), in.ConnectionID[:], in.CHLO, in.SCFG, in.Leaf)
	k := Keys{AEAD: in.AEAD, ClientKey: out[:size:size], ServerKey: out[size : 2*size : 2*size]}
	copy(k.ClientIV[:], out[2*size:])
	copy(k.ServerIV[:], out[2*size+ivSize:])
	return k, nil
}

// Diversify returns initial keys whose server half is mixed with the nonce of 32 bytes
// that the server's packets show: a server that sees a replayed CHLO derives the same
// keys again, and must not use them for other data (reference: handshake, section 9.1).
func (k *Keys) Diversify(nonce []byte) Keys {
	d := *k
	size := len(k.ServerKey)
	secret := append(make([]byte, 0, size+ivSize), k.ServerKey...)
	secret = append(secret, k.ServerIV[:]...)
	m := newHMAC()
	prk := m.extract(secret, nonce)
	out := secret // expansion reads it no more
	m.expand(out, prk[:], []byte(labelDiversify))
	d.ServerKey = out[:size:size]
	copy(d.ServerIV[:], out[size:])
	return d
}

// AEADs returns the protection of what the client and of what the server sends.
func (k *Keys) AEADs() (client, server AEAD, err error) {
	if client, err = k.clientAEAD(); err != nil {
		return nil, nil, err
	}
	if server, err = k.serverAEAD(); err != nil {
		return nil, nil, err
	}
	return client, server, nil
}

func (k *Keys) clientAEAD() (AEAD, error) { return NewAEAD(k.AEAD, k.ClientKey, k.ClientIV[:]) }
func (k *Keys) serverAEAD() (AEAD, error) { return NewAEAD(k.AEAD, k.ServerKey, k.ServerIV[:]) }
