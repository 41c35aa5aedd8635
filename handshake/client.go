package handshake

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"example.com/gquic/wire"
)

// A ClientConfig is what the connections of a client have in common. It must not be
// changed while in use.
type ClientConfig struct {
	// How a server is believed: the first that is set decides; a client with none
	// refuses all. The proof's signature is checked in every case.

	External bool           // the embedder does it: NeedVerification outputs
	Pin      [][32]byte     // a leaf with this SHA-256 of its SubjectPublicKeyInfo is believed, whatever its chain; others may still have one
	Insecure bool           // any chain
	Roots    *x509.CertPool // a chain to one of these, for the host's name, at the time given

	AEADs        []Tag // best first; nil: AESG, CC20
	KeyExchanges []Tag // best first; nil: C255, P256

	UserAgent string // sent as UAID if not empty
}

// A ClientStart is what one connection begins with.
type ClientStart struct {
	ConnectionID wire.ConnectionID
	// Version is the one in use, First the one tried first; they differ after version
	// negotiation. First may be left 0 otherwise.
	Version, First wire.Version
	// Negotiated are the versions of the server's version negotiation packet, without
	// reserved ones; nil if there was none.
	Negotiated []wire.Version
	// ServerName is the host: a DNS name, which is sent as SNI, or an IP literal,
	// which is not.
	ServerName string
	Params     Params
	Entropy    Entropy     // the connection's own
	Resumption *Resumption // from an earlier connection to the same host; nil: first contact
}

// MaxHellos bounds a client's CHLOs on one connection. The longest courses take three: an
// inchoate one, one with the token, a full one; or a full one that is refused (0-RTT),
// one with the new token, another full one. One more is for a server whose config changes
// meanwhile (reference: handshake, section 14).
const MaxHellos = 4

// maxHelloSize is the most bytes of a CHLO, so that it goes into one packet of 1350
// bytes of UDP payload with the largest header (reference: handshake, section 4.8).
const maxHelloSize = 1300

// A Client is the client's half of one handshake. It takes the server's messages and
// gives outputs. It is a plain value: see Clone. It is not safe for concurrent use.
type Client struct {
	cfg   *ClientConfig
	start ClientStart
	draws draws

	state  clientState
	err    *Error // why it is closed
	out    outputs
	hellos int // CHLOs sent

	config *ServerConfig // nil: none known
	expiry int64         // of config, UNIX seconds
	proof  proof         // of config if proven; the chain serves as certificates at hand anyway
	proven bool
	asked  proof         // what a verification is about
	update *ServerConfig // what a SCUP brought, while its proof is verified
	token  []byte
	nonce  []byte // SNO of the latest REJ

	chlo        []byte // the last one
	chloHash    [32]byte
	clientNonce [32]byte
	share       *KeyShare // of the last full CHLO; nil: it was inchoate
	initial     Keys      // of the last full CHLO
	hasInitial  bool

	peer       Params
	resumption *Resumption
}

// errNotAsked answers an answer that nobody asked for; it changes nothing.
var errNotAsked = errors.New("handshake: no such answer is awaited")

// errStarted answers a Start that comes twice, or a Receive before it.
var errStarted = errors.New("handshake: not in this order: Start once, then Receive")

// NewClient returns the client's half of a handshake. It fails if cfg or s cannot work.
func NewClient(cfg *ClientConfig, s ClientStart) (*Client, error) {
	for _, a := range cfg.AEADs {
		if keySize(a) == 0 {
			return nil, fmt.Errorf("handshake: unknown AEAD %s", a)
		}
	}
	for _, k := range cfg.KeyExchanges {
		if curve(k) == nil {
			return nil, fmt.Errorf("handshake: unknown key exchange %s", k)
		}
	}
	if len(s.ServerName) > maxStoredName {
		return nil, errors.New("handshake: ServerName is longer than a name can be")
	}
	if s.First == 0 {
		s.First = s.Version
	}
	// What a server alone says.
	s.Params.StatelessReset, s.Params.HasStatelessReset, s.Params.NoMigration = wire.StatelessResetToken{}, false, false
	return &Client{cfg: cfg, start: s, state: clientIdle,
		draws: draws{entropy: s.Entropy.Derive("client handshake", s.ConnectionID[:])}}, nil
}

// Clone returns a machine that goes on like c, byte for byte.
func (c *Client) Clone() *Client {
	d := *c // what c points to is never changed in place
	d.out = c.out.clone()
	return &d
}

// Start sends the first CHLO: a full one if the Resumption's config is still good at wall
// (UNIX seconds) and its proof still holds, otherwise an inchoate one.
func (c *Client) Start(wall int64) error {
	if c.state != clientIdle {
		return errStarted
	}
	in := clientStartFresh
	if r := c.start.Resumption; r != nil && r.config != nil && r.serverName == c.start.ServerName {
		c.token, c.proof.chain = r.token, r.proof.chain
		if _, _, _, err := r.config.choose(c.aeads(), c.kexs()); err == nil && r.expiry > wall {
			c.config, c.expiry, c.asked = r.config, r.expiry, r.proof
			in = clientStartStored
		}
	}
	return c.step(in, &clientEvent{wall: wall})
}

// Receive takes the crypto stream's bytes from where the last call ended, which came in
// packets of the given level, and returns how many it consumed: one whole message, or 0
// while the message is incomplete, an answer is awaited, or outputs have to be taken
// first. It keeps nothing of b. An error is an *[Error] and closes the handshake.
func (c *Client) Receive(level Level, b []byte, wall int64) (n int, err error) {
	switch {
	case c.state == clientClosed:
		return 0, c.err
	case c.state == clientIdle:
		return 0, errStarted
	case c.waiting() || c.out.full():
		return 0, nil
	}
	var m Message
	n, err = m.Parse(b)
	if err == ErrIncomplete {
		return 0, nil
	}
	if err != nil {
		return 0, c.fail(err)
	}
	return n, c.step(c.classify(level, &m), &clientEvent{message: &m, wall: wall})
}

// waiting says that a NeedVerification is unanswered.
func (c *Client) waiting() bool {
	return c.state == clientChecking || c.state == clientProving || c.state == clientUpdating
}

// ProofVerified answers the NeedVerification: nil if the server is believed.
func (c *Client) ProofVerified(wall int64, err error) error {
	if !c.waiting() {
		return errNotAsked
	}
	in := clientProofGood
	if err != nil {
		in = clientProofBad
	}
	return c.step(in, &clientEvent{wall: wall, cause: err})
}

// Next takes the oldest output; false if there is none.
func (c *Client) Next() (Output, bool) { return c.out.next() }

// Diversify returns the opener for the server's packets of the initial level that carry
// this nonce. It fails if there are no initial keys.
func (c *Client) Diversify(nonce []byte) (AEAD, error) {
	if !c.hasInitial {
		return nil, errors.New("handshake: no initial keys")
	}
	if len(nonce) != 32 {
		return nil, errors.New("handshake: diversification nonce is not 32 bytes long")
	}
	keys := c.initial.Diversify(nonce)
	return keys.serverAEAD()
}

// Resumption returns the newest state to store for the next connection to this host;
// false before ResumptionReady.
func (c *Client) Resumption() (*Resumption, bool) { return c.resumption, c.resumption != nil }

// PeerChain returns the server's certificate chain in DER, leaf first, once it is
// believed; nil before. It must not be changed.
func (c *Client) PeerChain() [][]byte {
	if !c.proven {
		return nil
	}
	return c.proof.chain
}

func (c *Client) aeads() []Tag {
	if c.cfg.AEADs == nil {
		return []Tag{AESG, CC20}
	}
	return c.cfg.AEADs
}

func (c *Client) kexs() []Tag {
	if c.cfg.KeyExchanges == nil {
		return []Tag{C255, P256}
	}
	return c.cfg.KeyExchanges
}

// A clientEvent is what came with an input.
type clientEvent struct {
	message *Message
	wall    int64
	cause   error
}

// classify tells which input of the table a message is.
func (c *Client) classify(level Level, m *Message) clientInput {
	before := c.state < clientConfirmed
	switch {
	case m.Tag == SCUP && before:
		return clientUpdateEarly
	case m.Tag == SCUP && level != LevelForwardSecure:
		return clientUpdateLevel
	case m.Tag == SCUP && (m.Has(PROF) || m.Has(CRT)):
		return clientUpdateProof
	case m.Tag == SCUP:
		return clientUpdateBare
	case !before:
		return clientLate
	case m.Tag == SHLO && level != LevelInitial:
		return clientServerHelloLevel
	case m.Tag == SHLO:
		return clientServerHello
	case m.Tag != REJ:
		return clientWrongType
	case level != LevelNull:
		return clientRejectEncrypted
	case c.hellos >= MaxHellos:
		return clientRejectTooMany
	case m.Has(PROF) || m.Has(CRT):
		return clientRejectProof
	}
	if config, ok := m.Get(SCFG); ok && c.proven && bytes.Equal(config, c.config.raw) {
		return clientRejectKnown
	}
	return clientRejectBare
}

// step carries an input through the table, and those that follow from it at once.
func (c *Client) step(in clientInput, ev *clientEvent) error {
	for in != clientNothing {
		i := find(clientTable, c.state, in)
		if i < 0 {
			return c.fail(fault(wire.CryptoInternalError, "no rule for: "+in.String()))
		}
		row := &clientTable[i]
		if c.draws.recorded != nil && c.draws.recorded.visit != nil {
			c.draws.recorded.visit(i)
		}
		if row.action == clientClose {
			return c.fail(closing(row.code, in.String(), ev.cause))
		}
		c.state = row.next
		var err error
		if in, err = c.do(row.action, ev); err != nil {
			return c.fail(err)
		}
	}
	return nil
}

// do carries out an action, and returns the input that follows from it, if one does.
func (c *Client) do(a clientAction, ev *clientEvent) (clientInput, error) {
	switch a {
	case clientSendInchoate:
		return clientNothing, c.sendInchoate()
	case clientVerifyStored:
		return c.verify(c.config, ev, true)
	case clientForget:
		c.config, c.asked = nil, proof{} // the chain stays, as certificates at hand
		return clientNothing, c.sendInchoate()
	case clientTakeAsk:
		if err := c.takeReject(ev); err != nil {
			return clientNothing, err
		}
		return clientNothing, c.sendInchoate()
	case clientTakeVerify:
		if err := c.takeReject(ev); err != nil {
			return clientNothing, err
		}
		if err := c.takeProof(ev.message); err != nil {
			return clientNothing, err
		}
		return c.verify(c.config, ev, false)
	case clientTakeHello:
		if err := c.takeReject(ev); err != nil {
			return clientNothing, err
		}
		return clientNothing, c.sendFull(ev.wall)
	case clientSendFull:
		c.proof, c.proven, c.asked = c.asked, true, proof{}
		return clientNothing, c.sendFull(ev.wall)
	case clientComplete:
		return clientNothing, c.complete(ev.message)
	case clientTakeToken:
		c.takeToken(ev.message)
		c.out.push(c.store())
	case clientVerifyUpdate:
		if err := c.takeUpdate(ev); err != nil {
			return clientNothing, err
		}
		return c.verify(c.update, ev, false)
	case clientStore:
		c.config, c.update = c.update, nil
		c.proof, c.asked = c.asked, proof{}
		c.out.push(c.store())
	}
	return clientNothing, nil
}

// fail closes the handshake.
func (c *Client) fail(err error) error {
	c.state = clientClosed
	c.err = asError(err)
	return c.err
}

// closing is the error that a row of the table closes with; a cause that has a code
// itself says more.
func closing(code wire.ErrorCode, what string, cause error) error {
	if e, ok := errors.AsType[*Error](cause); ok && (code == 0 || e.Code == code) {
		return e
	}
	return &Error{Code: code, What: what, Err: cause}
}

// asError gives every error of a machine a code to close with.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: wire.CryptoInternalError, What: "internal error", Err: err}
}

// verify asks whether config's proof in c.asked is believed, or answers that itself.
func (c *Client) verify(config *ServerConfig, ev *clientEvent, cached bool) (clientInput, error) {
	r := &VerificationRequest{
		ServerName: c.start.ServerName,
		Chain:      c.asked.chain,
		SignedData: SignedData(c.asked.chloHash, config.raw),
		Signature:  c.asked.signature,
		Cached:     cached,
	}
	if c.cfg.External {
		c.out.push(Output{Kind: NeedVerification, Verification: r})
		return clientNothing, nil
	}
	if ev.cause = c.cfg.verify(r, ev.wall); ev.cause != nil {
		return clientProofBad, nil
	}
	return clientProofGood, nil
}

func (cfg *ClientConfig) verify(r *VerificationRequest, wall int64) error {
	if len(cfg.Pin) > 0 && len(r.Chain) > 0 {
		leaf, err := x509.ParseCertificate(r.Chain[0])
		if err == nil && slices.Contains(cfg.Pin, sha256.Sum256(leaf.RawSubjectPublicKeyInfo)) {
			return r.VerifySignature()
		}
	}
	if cfg.Insecure {
		return r.VerifySignature()
	}
	return r.Verify(cfg.Roots, wall)
}
