package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"time"
)

// ServerName is what every certificate here is for.
const ServerName = "interop.gquic.test"

// A Chain is a server's certificate with its intermediates, and the roots that make a
// client accept it.
type Chain struct {
	Name  string
	TLS   tls.Certificate
	Roots *x509.CertPool
}

// Chains makes one chain of each kind: an RSA leaf, an ECDSA leaf, and an ECDSA leaf
// under intermediates of 2.6 KiB that do not compress, which fill several packets. (With
// more, quic-go's client refuses: it takes 4,000 bytes of compressed chain at most.)
func Chains() ([]Chain, error) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	var keys [3]crypto.Signer
	for i := range keys {
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	var chains []Chain
	for _, k := range []struct {
		name    string
		leaf    crypto.Signer
		ballast int
	}{{"RSA", rsaKey, 0}, {"ECDSA", keys[0], 0}, {"big", keys[0], 1300}} {
		c, err := newChain(k.name, k.leaf, keys[1], keys[2], k.ballast)
		if err != nil {
			return nil, err
		}
		chains = append(chains, c)
	}
	return chains, nil
}

// newChain signs leaf under two intermediates, each with so many random bytes in it.
func newChain(name string, leaf, middle, root crypto.Signer, ballast int) (Chain, error) {
	template := func(cn string, ca bool) *x509.Certificate {
		serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
		c := &x509.Certificate{
			SerialNumber: serial, Subject: pkix.Name{CommonName: cn},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
			BasicConstraintsValid: true, IsCA: ca,
		}
		if ca {
			c.KeyUsage = x509.KeyUsageCertSign
		} else {
			c.KeyUsage = x509.KeyUsageDigitalSignature
			c.DNSNames = []string{ServerName}
		}
		if ca && ballast > 0 {
			b := make([]byte, ballast)
			rand.Read(b)
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 55555, 1}, Value: b}}
		}
		return c
	}
	c := Chain{Name: name, Roots: x509.NewCertPool()}
	parent, signer := template("root", true), root
	der, err := x509.CreateCertificate(rand.Reader, parent, parent, root.Public(), root)
	if err != nil {
		return c, err
	}
	anchor, err := x509.ParseCertificate(der)
	if err != nil {
		return c, err
	}
	c.Roots.AddCert(anchor)
	parent = anchor
	var chain [][]byte
	for _, link := range []struct {
		cert *x509.Certificate
		key  crypto.Signer
	}{{template("first", true), middle}, {template("second", true), middle}, {template("leaf", false), leaf}} {
		der, err := x509.CreateCertificate(rand.Reader, link.cert, parent, link.key.Public(), signer)
		if err != nil {
			return c, err
		}
		if parent, err = x509.ParseCertificate(der); err != nil {
			return c, err
		}
		signer = link.key
		chain = append([][]byte{der}, chain...)
	}
	c.TLS = tls.Certificate{Certificate: chain, PrivateKey: leaf}
	return c, nil
}
