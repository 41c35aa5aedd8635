package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"example.com/gquic/handshake"
)

// An Authority is a certificate authority for simulations and tests: equal names give
// equal keys and certificates, byte by byte (for one version of Go). Its private keys
// are known to everybody; it is worth nothing outside of a test.
type Authority struct {
	Pool *x509.CertPool // trusts this authority

	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Certificates are valid for ten years around [WallStart].
var (
	notBefore = time.Unix(WallStart, 0).UTC().AddDate(-5, 0, 0)
	notAfter  = time.Unix(WallStart, 0).UTC().AddDate(5, 0, 0)
)

// NewAuthority returns the authority of a name. It panics if crypto/x509 refuses to work.
func NewAuthority(name string) *Authority {
	a := &Authority{name: name, key: testKey("authority " + name), Pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber:          serial("authority " + name),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, a.key)
	a.Pool.AddCert(a.cert)
	return a
}

// Issue returns a certificate and key for host names and IP addresses, for a server.
func (a *Authority) Issue(hosts ...string) handshake.Certificate {
	return a.IssueChain(0, hosts...)
}

// IssueChain returns a certificate whose chain is about size bytes longer than need be:
// its leaf has an extension of noise, which no compression shortens.
func (a *Authority) IssueChain(size int, hosts ...string) handshake.Certificate {
	name := fmt.Sprint(a.name, " ", hosts)
	key := testKey(name)
	template := &x509.Certificate{
		SerialNumber: serial(name),
		Subject:      pkix.Name{CommonName: fmt.Sprint(hosts)},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	if size > 0 {
		var noise []byte
		for i := uint64(0); len(noise) < size; i++ {
			noise = binary.LittleEndian.AppendUint64(noise, mix(1+i*golden))
		}
		noise = noise[:size]
		template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Value: noise}}
	}
	leaf := a.sign(template, a.cert, key)
	return handshake.Certificate{Chain: [][]byte{leaf.Raw}, Key: key}
}

func (a *Authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(nil, template, parent, key.Public(), deterministic{a.key})
	if err == nil {
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(der); err == nil {
			return cert
		}
	}
	panic("sim: no certificate: " + err.Error())
}

// deterministic signs by RFC 6979, whatever reader it is given.
type deterministic struct{ key *ecdsa.PrivateKey }

func (d deterministic) Public() crypto.PublicKey { return d.key.Public() }

func (d deterministic) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return d.key.Sign(nil, digest, opts)
}

// testKey returns the P-256 key of a name: the first hash of it that is a private key.
func testKey(name string) *ecdsa.PrivateKey {
	for i := uint64(0); ; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("key "+name), i))
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), sum[:]); err == nil {
			return key
		}
	}
}

func serial(name string) *big.Int {
	sum := sha256.Sum256([]byte("serial " + name))
	sum[0] &= 0x7f
	return new(big.Int).SetBytes(sum[:16])
}
