package handshake

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"time"

	"example.com/gquic/wire"
)

// A server proves that it owns its certificate, and that the server config is its own, by
// a signature over the config and the hash of the CHLO that it answers.

// proofLabel begins what a proof signs; the zero byte belongs to it.
const proofLabel = "QUIC CHLO and server config signature\x00"

// SignedData returns the bytes that the proof of a server config signs, for the SHA-256 of
// the CHLO that the REJ answers (reference: handshake, section 11.1).
func SignedData(chloHash [32]byte, scfg []byte) []byte {
	b := make([]byte, 0, len(proofLabel)+4+len(chloHash)+len(scfg))
	b = append(b, proofLabel...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(chloHash)))
	b = append(b, chloHash[:]...)
	return append(b, scfg...)
}

// pssOptions are what RSA proofs use (reference: handshake, section 11.1).
var pssOptions = rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256}

// A SignatureRequest asks for the proof of a server config. The answer is a signature over
// the SHA-256 of SignedData with the key of Chain's first certificate: RSA-PSS with
// SHA-256 and 32 bytes of salt, or ECDSA in DER. It is immutable.
type SignatureRequest struct {
	ServerName string   // as the client named the server; empty when it did not
	Chain      [][]byte // DER, leaf first
	SignedData []byte
}

// Sign answers the request with a key at hand. It is deterministic for the keys of
// crypto/ecdsa (RFC 6979) and crypto/rsa (the salt is drawn from e). Other signers are
// given e as their source of randomness; what they do with it is theirs. A key that is
// neither RSA nor ECDSA, or fails, is an *[Error] with code 28.
func (r *SignatureRequest) Sign(key crypto.Signer, e *Entropy) ([]byte, error) {
	var (
		digest                    = sha256.Sum256(r.SignedData)
		random  io.Reader         = e
		options crypto.SignerOpts = crypto.SHA256
	)
	switch key.Public().(type) {
	case *ecdsa.PublicKey:
		if _, ok := key.(*ecdsa.PrivateKey); ok {
			random = nil
		}
	case *rsa.PublicKey:
		options = &rsa.PSSOptions{SaltLength: pssOptions.SaltLength, Hash: pssOptions.Hash}
	default:
		return nil, fault(wire.HandshakeFailed, "certificate key is neither RSA nor ECDSA")
	}
	signature, err := key.Sign(random, digest[:], options)
	if err != nil {
		return nil, &Error{Code: wire.HandshakeFailed, What: "signing failed", Err: err}
	}
	return signature, nil
}

// A VerificationRequest asks whether a server is who the client wanted. It is immutable.
// The answer is nil or the error of Verify, or of checks of the embedder's own.
type VerificationRequest struct {
	ServerName string   // DNS name or IP address that the client wanted
	Chain      [][]byte // DER, leaf first
	SignedData []byte
	Signature  []byte
	Cached     bool // a proof from an earlier connection is checked again
}

// The causes of a refusal. Verify wraps them into an *[Error] with code 42, PROOF_INVALID;
// tell them apart with errors.As.
type (
	// A CertificateError says that the chain does not lead to a trusted root, is out of
	// date, not for servers, or does not parse. Err is x509's error.
	CertificateError struct{ Err error }
	// A NameError says that the certificate is for other names. Err is x509's error.
	NameError struct {
		ServerName string
		Err        error
	}
	// A ProofError says that the signature is not that of the certificate's key over this
	// config and CHLO.
	ProofError struct{ What string }
)

// ErrNoRoots is the cause in a CertificateError when no roots were given: the system's
// are not used unless somebody says so.
var ErrNoRoots = errors.New("no trusted roots given")

func (e *CertificateError) Error() string { return "certificate: " + e.Err.Error() }
func (e *CertificateError) Unwrap() error { return e.Err }
func (e *NameError) Error() string {
	return "certificate is not for " + e.ServerName + ": " + e.Err.Error()
}
func (e *NameError) Unwrap() error  { return e.Err }
func (e *ProofError) Error() string { return "proof: " + e.What }

func refused(cause error) *Error {
	return &Error{Code: wire.ProofInvalid, What: "server not accepted", Err: cause}
}

// parse returns the chain's certificates, at least one.
func (r *VerificationRequest) parse() ([]*x509.Certificate, error) {
	if len(r.Chain) == 0 {
		return nil, refused(&CertificateError{errors.New("empty chain")})
	}
	certs := make([]*x509.Certificate, 0, len(r.Chain))
	for _, der := range r.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, refused(&CertificateError{err})
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// VerifySignature checks the proof alone: that the owner of the leaf's key signed the
// config and the CHLO. It says nothing about who that is. The error is an *[Error] with
// code 42 around a *[CertificateError] or a *[ProofError].
func (r *VerificationRequest) VerifySignature() error {
	certs, err := r.parse()
	if err != nil {
		return err
	}
	return r.verifySignature(certs[0])
}

func (r *VerificationRequest) verifySignature(leaf *x509.Certificate) error {
	digest := sha256.Sum256(r.SignedData)
	valid := false
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		options := pssOptions
		valid = rsa.VerifyPSS(key, crypto.SHA256, digest[:], r.Signature, &options) == nil
	case *ecdsa.PublicKey:
		valid = ecdsa.VerifyASN1(key, digest[:], r.Signature)
	default:
		return refused(&ProofError{"certificate key is neither RSA nor ECDSA"})
	}
	if !valid {
		return refused(&ProofError{"signature does not verify"})
	}
	return nil
}

// Verify checks everything: that the chain leads to one of roots and holds at wall, in
// UNIX seconds, for a TLS server; that the leaf names ServerName, a DNS name or an IP
// address; and the proof. Intermediates come from the chain. The error is an *[Error]
// with code 42 around a *[CertificateError], a *[NameError] or a *[ProofError].
func (r *VerificationRequest) Verify(roots *x509.CertPool, wall int64) error {
	v, err := r.VerifyChain(roots, wall)
	if err != nil {
		return err
	}
	return r.verifySignature(v.leaf)
}

// A VerifiedChain is a chain that was believed, for a name. It spares verifying the same
// chain again: see VerifyAgain. It is immutable.
type VerifiedChain struct {
	serverName  string
	chain       [][]byte
	leaf        *x509.Certificate
	from, until int64 // UNIX seconds in which each certificate on the way to the root holds
}

// VerifyChain is Verify without the proof.
func (r *VerificationRequest) VerifyChain(roots *x509.CertPool, wall int64) (*VerifiedChain, error) {
	if roots == nil {
		return nil, refused(&CertificateError{ErrNoRoots})
	}
	certs, err := r.parse()
	if err != nil {
		return nil, err
	}
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	built, err := certs[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   time.Unix(wall, 0),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, refused(&CertificateError{err})
	}
	if err := certs[0].VerifyHostname(r.ServerName); err != nil {
		return nil, refused(&NameError{r.ServerName, err})
	}
	v := &VerifiedChain{serverName: r.ServerName, chain: r.Chain, leaf: certs[0], from: math.MinInt64, until: math.MaxInt64}
	for _, c := range built[0] {
		v.from, v.until = max(v.from, c.NotBefore.Unix()), min(v.until, c.NotAfter.Unix())
	}
	return v, nil
}

// ErrOtherChain says that a VerifiedChain says nothing about a request.
var ErrOtherChain = errors.New("not the chain and the name that were believed, or not at this time")

// VerifyAgain is Verify, against the same roots, for a chain that was believed before. The
// proof is checked each time. It returns [ErrOtherChain], and has checked nothing, unless v
// is of this chain and this name and all of it still holds at wall.
func (r *VerificationRequest) VerifyAgain(v *VerifiedChain, wall int64) error {
	if v.serverName != r.ServerName || wall < v.from || wall > v.until || !slices.EqualFunc(v.chain, r.Chain, bytes.Equal) {
		return ErrOtherChain
	}
	return r.verifySignature(v.leaf)
}
