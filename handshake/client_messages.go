package handshake

import (
	"bytes"
	"encoding/binary"
	"slices"

	"example.com/gquic/wire"
)

// maxSTTL is the longest that a server config is kept: a week (reference: handshake,
// section 2.2).
const maxSTTL = 7 * 24 * 3600

// takeReject takes what every REJ brings: config, token, nonce. It ends initial keys,
// which the server never had.
func (c *Client) takeReject(ev *clientEvent) error {
	m := ev.message
	config, expiry, err := c.serverConfig(m, ev.wall)
	if err != nil {
		return err
	}
	if c.config == nil || !bytes.Equal(config.raw, c.config.raw) {
		c.proven = false // the chain stays, as certificates at hand
	}
	c.config, c.expiry = config, expiry
	c.takeToken(m)
	if nonce, _ := m.Get(SNO); len(nonce) > 0 {
		c.nonce = bytes.Clone(nonce)
	}
	refused := c.hasInitial
	c.initial, c.hasInitial = Keys{}, false
	c.out.push(Output{Kind: Rejected, Refused: refused, Reasons: rejectReasons(m)})
	return nil
}

// serverConfig reads SCFG and STTL of a REJ or SCUP, and checks that we can use it.
func (c *Client) serverConfig(m *Message, wall int64) (*ServerConfig, int64, error) {
	raw, ok := m.Get(SCFG)
	if !ok {
		return nil, 0, fault(wire.CryptoMessageParameterNotFound, m.Tag.String()+" without a server config")
	}
	config, err := ParseServerConfig(raw)
	if err != nil {
		return nil, 0, err
	}
	expiry := config.expiry
	if ttl, ok, err := m.Uint64(STTL); err != nil {
		return nil, 0, err
	} else if ok {
		expiry = wall + int64(min(ttl, maxSTTL))
	}
	if expiry <= wall {
		return nil, 0, fault(wire.CryptoServerConfigExpired, "server config expired")
	}
	_, _, _, err = config.choose(c.aeads(), c.kexs())
	return config, expiry, err
}

func (c *Client) takeToken(m *Message) {
	if token, _ := m.Get(STK); len(token) > 0 {
		c.token = bytes.Clone(token)
	}
}

// maxReasons bounds the reasons that are told of a REJ; there are 22.
const maxReasons = 32

func rejectReasons(m *Message) []uint32 {
	b, _ := m.Get(RREJ)
	var list []uint32
	for ; len(b) >= 4 && len(list) < maxReasons; b = b[4:] {
		list = append(list, binary.LittleEndian.Uint32(b))
	}
	return list
}

// takeProof takes PROF and the chain of a REJ or SCUP. The proof is for the last CHLO.
func (c *Client) takeProof(m *Message) error {
	signature, hasProof := m.Get(PROF)
	compressed, hasChain := m.Get(CRT)
	if !hasProof || !hasChain {
		return badParameter("proof without chain, or chain without proof")
	}
	chain, err := DecompressChain(compressed, c.proof.chain)
	if err != nil {
		return err
	}
	if len(chain) == 0 {
		return badParameter("certificate chain is empty")
	}
	c.asked = proof{chain: chain, signature: bytes.Clone(signature), chloHash: c.chloHash}
	return nil
}

// complete takes the SHLO: the forward-secure keys, and what the server states.
func (c *Client) complete(m *Message) error {
	if err := c.checkVersions(m); err != nil {
		return err
	}
	nonce, _ := m.Get(SNO)
	if len(nonce) == 0 {
		return badParameter("SHLO without a server nonce")
	}
	public, ok := m.Get(PUBS)
	if !ok {
		return badParameter("SHLO without a public value")
	}
	peer, err := ParseParams(m)
	if err != nil {
		return err
	}
	peer.IdleTimeout, peer.SilentClose = settle(&c.start.Params, &peer)
	shared, err := c.share.Shared(public)
	if err != nil {
		return err
	}
	keys, err := DeriveKeys(&KeyInputs{
		AEAD:          c.initial.AEAD,
		Shared:        shared,
		ClientNonce:   c.clientNonce[:],
		ServerNonce:   nonce,
		ConnectionID:  c.start.ConnectionID,
		CHLO:          c.chlo,
		SCFG:          c.config.raw,
		Leaf:          c.proof.chain[0],
		ForwardSecure: true,
	})
	if err != nil {
		return err
	}
	seal, open, err := keys.AEADs()
	if err != nil {
		return err
	}
	c.peer = peer
	c.takeToken(m)
	c.chlo, c.share, c.start.Resumption = nil, nil, nil // of no more use
	c.out.push(Output{Kind: InstallKeys, Level: LevelForwardSecure, Seal: seal, Open: open},
		Output{Kind: Negotiated, Params: peer},
		Output{Kind: Confirmed},
		c.store())
	return nil
}

// checkVersions sees to it that nobody forced an old version: after a version
// negotiation packet, the SHLO, which is authentic, must list the same versions.
func (c *Client) checkVersions(m *Message) error {
	ver, _ := m.Get(VER)
	list, ok := versionList(ver)
	switch {
	case !ok:
		return badParameter("SHLO without a list of versions")
	case c.start.Negotiated != nil && !slices.Equal(list, c.start.Negotiated):
		return fault(wire.VersionNegotiationMismatch, "version negotiation packet had other versions than SHLO")
	case c.start.Negotiated == nil && !slices.Contains(list, c.start.Version):
		return fault(wire.VersionNegotiationMismatch, "SHLO does not list the version in use")
	}
	return nil
}

// takeUpdate takes a SCUP that has a proof.
func (c *Client) takeUpdate(ev *clientEvent) error {
	config, expiry, err := c.serverConfig(ev.message, ev.wall)
	if err != nil {
		return err
	}
	c.update, c.expiry = config, expiry
	c.takeToken(ev.message)
	return c.takeProof(ev.message)
}

// store makes a new Resumption, and the output that tells of it.
func (c *Client) store() Output {
	c.resumption = &Resumption{
		serverName: c.start.ServerName,
		config:     c.config,
		expiry:     c.expiry,
		token:      c.token,
		proof:      c.proof,
		peer: Params{
			IdleTimeout:      c.peer.IdleTimeout,
			MaxStreams:       c.peer.MaxStreams,
			ConnectionWindow: c.peer.ConnectionWindow,
			StreamWindow:     c.peer.StreamWindow,
		},
	}
	return Output{Kind: ResumptionReady}
}
