package udp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A serverKey is the key of a server, and its certificate, that no authority has signed.
type serverKey struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newServerKey(t *testing.T, names ...string) serverKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(1000, 0), NotAfter: time.Unix(2000, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return serverKey{key, cert}
}

func (s serverKey) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.cert)
	return roots
}

// request is a server's proof, for a name, with its key.
func (s serverKey) request(t *testing.T, name string) *handshake.VerificationRequest {
	t.Helper()
	r := &handshake.VerificationRequest{ServerName: name, Chain: [][]byte{s.cert.Raw}, SignedData: []byte("config and CHLO")}
	digest := sha256.Sum256(r.SignedData)
	var err error
	if r.Signature, err = ecdsa.SignASN1(rand.Reader, s.key, digest[:]); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBelievedChains(t *testing.T) {
	b := verifiedChains{chains: make(map[chainID]*handshake.VerifiedChain)}
	s, other := newServerKey(t, "a", "b"), newServerKey(t, "a", "b")
	roots := s.roots()
	for range 3 {
		if err := b.verify(s.request(t, "a"), roots, 1500); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.chains) != 1 {
		t.Errorf("%d chains remembered for one", len(b.chains))
	}
	forged := s.request(t, "a")
	forged.Signature = other.request(t, "a").Signature
	for _, c := range []struct {
		name  string
		r     *handshake.VerificationRequest
		roots *x509.CertPool
		wall  int64
		ok    bool
	}{
		{"again", s.request(t, "a"), roots, 2000, true},
		{"its other name", s.request(t, "b"), roots, 1500, true},
		{"too late", s.request(t, "a"), roots, 2001, false},
		{"too early", s.request(t, "a"), roots, 999, false},
		{"other roots", s.request(t, "a"), other.roots(), 1500, false},
		{"another name", s.request(t, "c"), roots, 1500, false},
		{"another certificate", other.request(t, "a"), roots, 1500, false},
		{"another's signature", forged, roots, 1500, false},
	} {
		err := b.verify(c.r, c.roots, c.wall)
		plain := c.r.Verify(c.roots, c.wall)
		if (err == nil) != c.ok || fmt.Sprint(err) != fmt.Sprint(plain) {
			t.Errorf("%s: %v, without memory %v", c.name, err, plain)
		}
	}
}

// A chain that differs in any byte, or in where one certificate ends, is another one.
func TestBelievedChainsAreExact(t *testing.T) {
	s, middle := newServerKey(t, "a"), newServerKey(t, "a")
	r := s.request(t, "a")
	r.Chain = append(r.Chain, middle.cert.Raw)
	v, err := r.VerifyChain(s.roots(), 1500)
	if err != nil {
		t.Fatal(err)
	}
	sum := chainHash(r.Chain)
	other := func(what string, chain ...[]byte) {
		changed := *r
		changed.Chain = chain
		if chainHash(chain) == sum || changed.VerifyAgain(v, 1500) != handshake.ErrOtherChain {
			t.Errorf("%s: taken for the chain that was believed", what)
		}
	}
	a, b := r.Chain[0], r.Chain[1]
	for i := range a {
		changed := bytes.Clone(a)
		changed[i] ^= 1
		other(fmt.Sprint("leaf, byte ", i), changed, b)
	}
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 1
		other(fmt.Sprint("second, byte ", i), a, changed)
	}
	other("without the second", a)
	other("the other order", b, a)
	other("one more", a, b, b)
	both := append(bytes.Clone(a), b...)
	other("another border", both[:len(a)+1], both[len(a)+1:])
}

// Whoever names no way to judge a certificate profits too.
func TestSystemRootsAreTheSame(t *testing.T) {
	var taken [2]*x509.CertPool
	for i := range taken {
		var none *Config
		cfg, err := none.withDefaults()
		if err != nil {
			t.Skip("the system has no roots: ", err)
		}
		taken[i] = cfg.takeVerifying()
	}
	if taken[0] == nil || taken[0] != taken[1] {
		t.Error("each use of the configuration has roots of its own")
	}
}

func TestBelievedChainsAreBounded(t *testing.T) {
	b := verifiedChains{chains: make(map[chainID]*handshake.VerifiedChain)}
	s := newServerKey(t, "a")
	r := s.request(t, "a")
	for range maxBelieved + 10 {
		if err := b.verify(r, s.roots(), 1500); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.chains) != maxBelieved {
		t.Errorf("%d chains, want %d", len(b.chains), maxBelieved)
	}
}

// Connections with one configuration profit, and only what is true gets through.
func TestDialWithRoots(t *testing.T) {
	noLeaks(t)
	server, _ := serverConfig(t, wire.Q043)
	leaf, err := x509.ParseCertificate(server.Conn.Server.Certificates[0].Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, server)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	client := new(Config)
	client.Conn.Client = &handshake.ClientConfig{Roots: roots}
	for range 3 {
		c, err := Dial(patient(t), l.Addr().String(), client)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.State().PeerCertificates; len(got) != 1 || !got[0].Equal(leaf) {
			t.Errorf("certificates %v", got)
		}
		c.Close()
	}
	if client.Conn.Client.External {
		t.Error("the caller's configuration was changed")
	}
	var name *handshake.NameError
	if _, err := Dial(patient(t), l.Addr().String(), client, WithServerName("other.example")); !errors.As(err, &name) {
		t.Errorf("for another name: %v", err)
	}
	client.Conn.Client = &handshake.ClientConfig{Roots: x509.NewCertPool()}
	var untrusted *handshake.CertificateError
	if _, err := Dial(patient(t), l.Addr().String(), client); !errors.As(err, &untrusted) {
		t.Errorf("with other roots: %v", err)
	}
}
