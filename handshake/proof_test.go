package handshake

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// The known value of reference: handshake, section 11.1.
func TestSignedData(t *testing.T) {
	b := SignedData(sha256.Sum256([]byte("CHLO")), []byte("SCFG"))
	sum := sha256.Sum256(b)
	if got := hex.EncodeToString(sum[:]); got != "57a6fcdec7d23e63e6b5f609719e7c3c7e31a33301ca3d19bdc1e4b0ba9b1625" {
		t.Errorf("SHA-256 of the signed data is %s", got)
	}
	if len(b) != 38+4+32+4 || !strings.HasPrefix(string(b), "QUIC CHLO and server config signature\x00\x20\x00\x00\x00") {
		t.Errorf("signed data %q", b)
	}
}

// testWall lies inside the validity of the test certificates.
const testWall = 1700000000

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes a certificate with key, signed by a; a nil one signs itself.
func (a *authority) issue(t testing.TB, key crypto.Signer, change func(*x509.Certificate)) *authority {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "gquic test"},
		NotBefore:    time.Unix(testWall-1000, 0),
		NotAfter:     time.Unix(testWall+1000, 0),
		DNSNames:     []string{"server.test", "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP("2001:db8::1")},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	if a == nil {
		a = &authority{c, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func asCA(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.BasicConstraintsValid = name, true, true
		c.DNSNames, c.IPAddresses, c.ExtKeyUsage = nil, nil, nil
	}
}

func ecdsaKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestVerify(t *testing.T) {
	root := (*authority)(nil).issue(t, ecdsaKey(t, elliptic.P256()), asCA("root"))
	middle := root.issue(t, ecdsaKey(t, elliptic.P256()), asCA("middle"))
	key := ecdsaKey(t, elliptic.P256())
	leaf := middle.issue(t, key, nil)
	client := middle.issue(t, key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	data := SignedData([32]byte{1}, []byte("config"))
	e := NewEntropy([32]byte{})
	signature, err := (&SignatureRequest{SignedData: data}).Sign(key, &e)
	if err != nil {
		t.Fatal(err)
	}
	chain := [][]byte{leaf.cert.Raw, middle.cert.Raw}
	const ok, certificate, name, proof = "ok", "certificate", "name", "proof"
	believed, err := (&VerificationRequest{ServerName: "server.test", Chain: chain}).VerifyChain(roots, testWall)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(r *VerificationRequest) (*x509.CertPool, int64)
		want   string
	}{
		{"good", func(r *VerificationRequest) (*x509.CertPool, int64) { return roots, testWall }, ok},
		{"localhost", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "localhost"
			return roots, testWall
		}, ok},
		{"IPv4", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "127.0.0.1"
			return roots, testWall
		}, ok},
		{"IPv6", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "2001:db8::1"
			return roots, testWall
		}, ok},
		{"root in the chain", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Chain = append(r.Chain[:2:2], root.cert.Raw)
			return roots, testWall
		}, ok},
		{"last second", func(r *VerificationRequest) (*x509.CertPool, int64) { return roots, testWall + 1000 }, ok},
		{"expired", func(r *VerificationRequest) (*x509.CertPool, int64) { return roots, testWall + 1001 }, certificate},
		{"not yet valid", func(r *VerificationRequest) (*x509.CertPool, int64) { return roots, testWall - 1001 }, certificate},
		{"at the epoch", func(r *VerificationRequest) (*x509.CertPool, int64) { return roots, 0 }, certificate},
		{"no roots", func(r *VerificationRequest) (*x509.CertPool, int64) { return nil, testWall }, certificate},
		{"other roots", func(r *VerificationRequest) (*x509.CertPool, int64) { return x509.NewCertPool(), testWall }, certificate},
		{"no intermediate", func(r *VerificationRequest) (*x509.CertPool, int64) { r.Chain = r.Chain[:1]; return roots, testWall }, certificate},
		{"empty chain", func(r *VerificationRequest) (*x509.CertPool, int64) { r.Chain = nil; return roots, testWall }, certificate},
		{"broken leaf", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Chain = [][]byte{leaf.cert.Raw[1:], r.Chain[1]}
			return roots, testWall
		}, certificate},
		{"broken intermediate", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Chain = append(r.Chain[:2:2], []byte("x"))
			return roots, testWall
		}, certificate},
		{"for clients only", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Chain = [][]byte{client.cert.Raw, r.Chain[1]}
			return roots, testWall
		}, certificate},
		{"other name", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "evil.test"
			return roots, testWall
		}, name},
		{"other address", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "127.0.0.2"
			return roots, testWall
		}, name},
		{"no name", func(r *VerificationRequest) (*x509.CertPool, int64) { r.ServerName = ""; return roots, testWall }, name},
		{"common name does not count", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.ServerName = "gquic test"
			return roots, testWall
		}, name},
		{"other data", func(r *VerificationRequest) (*x509.CertPool, int64) { r.SignedData = data[1:]; return roots, testWall }, proof},
		{"signature cut", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Signature = signature[1:]
			return roots, testWall
		}, proof},
		{"no signature", func(r *VerificationRequest) (*x509.CertPool, int64) { r.Signature = nil; return roots, testWall }, proof},
		{"the intermediate's key", func(r *VerificationRequest) (*x509.CertPool, int64) {
			r.Signature, _ = (&SignatureRequest{SignedData: data}).Sign(middle.key, &e)
			return roots, testWall
		}, proof},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &VerificationRequest{ServerName: "server.test", Chain: chain, SignedData: data, Signature: signature}
			pool, wall := c.change(r)
			err := r.Verify(pool, wall)
			var ce *CertificateError
			var ne *NameError
			var pe *ProofError
			got := ok
			switch {
			case errors.As(err, &ce):
				got = certificate
			case errors.As(err, &ne):
				got = name
			case errors.As(err, &pe):
				got = proof
			case err != nil:
				got = "untyped"
			}
			if got != c.want {
				t.Errorf("%s: %v, want %s", got, err, c.want)
			}
			if err != nil {
				needCode(t, err, 42)
			}
			// One that was believed before helps with nothing that is not believed now.
			switch again := r.VerifyAgain(believed, wall); {
			case again == ErrOtherChain:
				if c.name == "good" || c.name == "last second" || c.want == proof {
					t.Errorf("verified again: %v", again)
				}
			case again == nil && pool == roots && c.want != ok, again != nil && c.want != proof:
				t.Errorf("verified again: %v", again)
			}
			if onlySignature := r.VerifySignature(); c.want == ok && onlySignature != nil || c.want == proof && onlySignature == nil {
				t.Errorf("VerifySignature: %v", onlySignature)
			}
		})
	}
	err = (&VerificationRequest{Chain: chain}).Verify(nil, testWall)
	if !errors.Is(err, ErrNoRoots) {
		t.Errorf("without roots: %v", err)
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError]((&VerificationRequest{Chain: chain}).Verify(roots, 0)); !ok {
		t.Error("x509's error is not inside")
	}
}

// What was believed holds as long as every certificate on the way to the root.
func TestVerifiedChainEndsWithItsFirst(t *testing.T) {
	for late, change := range []func(*x509.Certificate){
		func(c *x509.Certificate) { c.NotAfter = time.Unix(testWall+10, 0) },
		func(c *x509.Certificate) { c.NotBefore = time.Unix(testWall-10, 0) },
	} {
		for short := range 3 {
			only := func(i int, and func(*x509.Certificate)) func(*x509.Certificate) {
				return func(c *x509.Certificate) {
					if and != nil {
						and(c)
					}
					if i == short {
						change(c)
					}
				}
			}
			root := (*authority)(nil).issue(t, ecdsaKey(t, elliptic.P256()), only(0, asCA("root")))
			middle := root.issue(t, ecdsaKey(t, elliptic.P256()), only(1, asCA("middle")))
			key := ecdsaKey(t, elliptic.P256())
			leaf := middle.issue(t, key, only(2, nil))
			roots := x509.NewCertPool()
			roots.AddCert(root.cert)
			e := NewEntropy([32]byte{})
			r := &VerificationRequest{ServerName: "localhost", Chain: [][]byte{leaf.cert.Raw, middle.cert.Raw}, SignedData: []byte("data")}
			r.Signature, _ = (&SignatureRequest{SignedData: r.SignedData}).Sign(key, &e)
			v, err := r.VerifyChain(roots, testWall)
			if err != nil {
				t.Fatal(err)
			}
			inside, outside := int64(testWall+10), int64(testWall+11)
			if late == 1 {
				inside, outside = testWall-10, testWall-11
			}
			if err := r.VerifyAgain(v, inside); err != nil {
				t.Errorf("certificate %d, inside: %v", short, err)
			}
			if err := r.VerifyAgain(v, outside); err != ErrOtherChain || r.Verify(roots, outside) == nil {
				t.Errorf("certificate %d, outside: %v", short, err)
			}
		}
	}
}

// Equal keys, data and entropy give equal signatures, which verify; RSA's change with the
// entropy alone.
func TestSign(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	data := SignedData([32]byte{2}, []byte("config"))
	for name, key := range map[string]crypto.Signer{
		"RSA": rsaKey, "P-256": ecdsaKey(t, elliptic.P256()), "P-384": ecdsaKey(t, elliptic.P384()), "P-521": ecdsaKey(t, elliptic.P521()),
	} {
		t.Run(name, func(t *testing.T) {
			leaf := (*authority)(nil).issue(t, key, nil)
			r := &SignatureRequest{Chain: [][]byte{leaf.cert.Raw}, SignedData: data}
			sign := func(seed byte, key crypto.Signer) []byte {
				e := NewEntropy([32]byte{seed})
				s, err := r.Sign(key, &e)
				if err != nil {
					t.Fatal(err)
				}
				v := &VerificationRequest{Chain: r.Chain, SignedData: data, Signature: s}
				if err := v.VerifySignature(); err != nil {
					t.Fatal(err)
				}
				return s
			}
			first := sign(1, key)
			for range 10 { // a source read at random would show
				if !bytes.Equal(sign(1, key), first) {
					t.Fatal("not deterministic")
				}
			}
			if same := bytes.Equal(sign(2, key), first); same != (name != "RSA") {
				t.Errorf("another seed gives the same signature: %t", same)
			}
			sign(3, foreign{key}) // any crypto.Signer does
		})
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEntropy([32]byte{})
	_, err = (&SignatureRequest{SignedData: data}).Sign(ed, &e)
	needCode(t, err, 28)
	_, err = (&SignatureRequest{SignedData: data}).Sign(failing{rsaKey}, &e)
	needCode(t, err, 28)
	leaf := (*authority)(nil).issue(t, ed, nil)
	err = (&VerificationRequest{Chain: [][]byte{leaf.cert.Raw}, SignedData: data}).VerifySignature()
	needCode(t, err, 42)
}

// The salt has 32 bytes: a PSS signature with another salt does not pass.
func TestRSASaltLength(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	leaf := (*authority)(nil).issue(t, key, nil)
	digest := sha256.Sum256([]byte("data"))
	for _, salt := range []int{20, 32} {
		s, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		err = (&VerificationRequest{Chain: [][]byte{leaf.cert.Raw}, SignedData: []byte("data"), Signature: s}).VerifySignature()
		if (err == nil) != (salt == 32) {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
	}
	s, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	err = (&VerificationRequest{Chain: [][]byte{leaf.cert.Raw}, SignedData: []byte("data"), Signature: s}).VerifySignature()
	needCode(t, err, 42)
}

// foreign hides the key's type, as a hardware module would.
type foreign struct{ crypto.Signer }

type failing struct{ crypto.Signer }

func (failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("out of order")
}

func BenchmarkVerifySignature(b *testing.B) {
	key := ecdsaKey(b, elliptic.P256())
	leaf := (*authority)(nil).issue(b, key, nil)
	e := NewEntropy([32]byte{})
	s, err := (&SignatureRequest{SignedData: []byte("data")}).Sign(key, &e)
	if err != nil {
		b.Fatal(err)
	}
	r := &VerificationRequest{Chain: [][]byte{leaf.cert.Raw}, SignedData: []byte("data"), Signature: s}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.VerifySignature(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestProofVectors(t *testing.T) {
	var cases []struct {
		Name       string   `json:"name"`
		Algorithm  string   `json:"algorithm"`
		CHLO       hexBytes `json:"chlo"`
		SCFG       hexBytes `json:"scfg"`
		Leaf       hexBytes `json:"leaf_cert_der"`
		Signature  hexBytes `json:"signature"`
		SignedData hexBytes `json:"signed_data"`
		Valid      bool     `json:"valid"`
	}
	loadVectors(t, "proof", &cases)
	for _, c := range cases {
		t.Run(c.Algorithm+" "+c.Name, func(t *testing.T) {
			data := SignedData(sha256.Sum256(c.CHLO), c.SCFG)
			if c.Valid && !bytes.Equal(data, c.SignedData) {
				t.Errorf("signed data %x, want %x", data, c.SignedData)
			}
			err := (&VerificationRequest{Chain: [][]byte{c.Leaf}, SignedData: data, Signature: c.Signature}).VerifySignature()
			if c.Valid {
				if err != nil {
					t.Error(err)
				}
				return
			}
			needCode(t, err, 42)
			if _, ok := errors.AsType[*ProofError](err); !ok {
				t.Errorf("%v is no ProofError", err)
			}
		})
	}
}
