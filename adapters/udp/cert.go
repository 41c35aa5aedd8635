package udp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"example.com/gquic/handshake"
)

// Certificate turns a TLS certificate into one for [handshake.HostConfig]. The key must
// be RSA or ECDSA: gQUIC's proofs know nothing else.
func Certificate(c tls.Certificate) (handshake.Certificate, error) {
	if len(c.Certificate) == 0 {
		return handshake.Certificate{}, errors.New("the certificate has no chain")
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return handshake.Certificate{}, err
	}
	if a := leaf.PublicKeyAlgorithm; a != x509.RSA && a != x509.ECDSA {
		return handshake.Certificate{}, fmt.Errorf("the certificate's key is %v; gQUIC needs RSA or ECDSA", a)
	}
	key, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return handshake.Certificate{}, errors.New("the certificate's private key cannot sign")
	}
	return handshake.Certificate{Chain: c.Certificate, Key: key}, nil
}

// LoadCertificate reads a chain, leaf first, and its key from PEM files.
func LoadCertificate(certFile, keyFile string) (handshake.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return handshake.Certificate{}, err
	}
	return Certificate(c)
}

// LoadRoots reads certificates to trust from a PEM file.
func LoadRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in PEM form", file)
	}
	return roots, nil
}

// SelfSigned makes an ECDSA P-256 certificate for these names and IP addresses, valid
// for a year. Clients accept it by its [Fingerprint] (handshake.ClientConfig.Pin) or by
// trusting it as a root.
func SelfSigned(hosts ...string) (handshake.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return handshake.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return handshake.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{"gquic self-signed"}},
		NotBefore:             time.Now().Add(-time.Hour), // clocks differ
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return handshake.Certificate{}, err
	}
	return handshake.Certificate{Chain: [][]byte{der}, Key: key}, nil
}

// Fingerprint is the SHA-256 of the public key info of a chain's leaf: what a client
// pins.
func Fingerprint(chain [][]byte) ([32]byte, error) {
	if len(chain) == 0 {
		return [32]byte{}, errors.New("no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(leaf.RawSubjectPublicKeyInfo), nil
}
