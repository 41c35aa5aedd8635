package handshake

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"

	"example.com/gquic/wire"
)

// sendInchoate sends a CHLO that asks for what is missing: the server's config, its
// proof, a token.
func (c *Client) sendInchoate() error {
	m := c.hello()
	c.share = nil
	return c.sendHello(&m)
}

// sendFull sends a CHLO that makes keys, with a new share and nonce each time.
func (c *Client) sendFull(wall int64) error {
	aead, kex, public, err := c.config.choose(c.aeads(), c.kexs())
	if err != nil {
		return err
	}
	count := uint32(c.hellos)
	if c.share, err = c.draws.share(kex, drawClientShare, count); err != nil {
		return err
	}
	shared, err := c.share.Shared(public)
	if err != nil {
		return err
	}
	// Layout of NONC: reference: handshake, section 6. The time is big-endian.
	binary.BigEndian.PutUint32(c.clientNonce[:], uint32(wall))
	copy(c.clientNonce[4:], c.config.orbit[:])
	c.draws.fill(c.clientNonce[12:], drawNonce, count)

	m := c.hello()
	m.Set(NONC, c.clientNonce[:])
	m.SetTags(TagAEAD, aead)
	m.SetTags(KEXS, kex)
	m.Set(PUBS, c.share.Public())
	m.SetUint64(XLCT, CertHash(c.proof.chain[0]))
	if err := c.sendHello(&m); err != nil {
		return err
	}
	c.initial, err = DeriveKeys(&KeyInputs{
		AEAD:         aead,
		Shared:       shared,
		ClientNonce:  c.clientNonce[:],
		ServerNonce:  c.nonce,
		ConnectionID: c.start.ConnectionID,
		CHLO:         c.chlo,
		SCFG:         c.config.raw,
		Leaf:         c.proof.chain[0],
	})
	if err != nil {
		return err
	}
	client, err := c.initial.clientAEAD()
	if err != nil {
		return err
	}
	c.hasInitial = true
	c.out.push(Output{Kind: InstallKeys, Level: LevelInitial, Seal: client})
	return nil
}

// hello begins a CHLO with what both kinds carry. Servers differ in which CHLO they read
// the transport parameters from, so each has them, with the same values.
func (c *Client) hello() Message {
	m := Message{Tag: CHLO}
	c.start.Params.AddTo(&m)
	m.Set(VER, appendVersions(nil, c.start.First))
	m.SetTags(PDMD, X509)
	if host := serverNameIndication(c.start.ServerName); host != "" {
		m.Set(SNI, []byte(host))
	}
	if sets := CommonSetHashes(); len(sets) > 0 {
		m.Set(CCS, sets)
	}
	if c.cfg.UserAgent != "" {
		m.Set(UAID, []byte(c.cfg.UserAgent))
	}
	filler := make([]byte, 32)
	c.draws.fill(filler, drawFiller, uint32(c.hellos))
	m.Set(NONP, filler)
	if c.config != nil {
		m.Set(SCID, c.config.id[:])
	}
	if len(c.token) > 0 {
		m.Set(STK, c.token)
	}
	if len(c.nonce) > 0 {
		m.Set(SNO, c.nonce)
	}
	if len(c.proof.chain) > 0 {
		var held []byte
		for _, der := range c.proof.chain {
			held = binary.LittleEndian.AppendUint64(held, CertHash(der))
		}
		m.Set(CCRT, held)
	}
	return m
}

// sendHello pads and sends a CHLO.
func (c *Client) sendHello(m *Message) error {
	m.Pad(MinCHLOSize)
	chlo := m.Append(nil)
	if c.draws.recorded != nil && c.hellos < len(c.draws.recorded.hellos) {
		chlo = c.draws.recorded.hellos[c.hellos]
	}
	if len(chlo) > maxHelloSize {
		return fault(wire.CryptoChloTooLarge, "CHLO does not fit into one packet")
	}
	c.hellos++
	c.chlo, c.chloHash = chlo, sha256.Sum256(chlo)
	c.out.push(Output{Kind: SendMessage, Level: LevelNull, Data: chlo})
	return nil
}

// serverNameIndication returns what SNI says for a host: nothing for an IP literal.
func serverNameIndication(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ""
	}
	return strings.TrimSuffix(host, ".")
}
