package handshake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"example.com/gquic/wire"
)

// A ServerConfig is the long-lived half of a server's key exchange, the SCFG message: a
// client that holds one can send encrypted data at once. It is immutable: its exact
// bytes are signed in the proof and enter every key (reference: handshake, section 5).
type ServerConfig struct {
	raw    []byte
	id     [16]byte
	orbit  [8]byte
	expiry int64
	kexs   []Tag
	pubs   [][]byte // of kexs, same order
	aeads  []Tag
}

// Limits of what a ServerConfig may list. Servers list one or two of each.
const maxAlgorithms = 32

// ParseServerConfig reads a whole SCFG message, which it copies. Its errors are those
// that a client closes with.
func ParseServerConfig(b []byte) (*ServerConfig, error) {
	c := &ServerConfig{raw: bytes.Clone(b)}
	var m Message
	if err := m.ParseWhole(c.raw); err != nil {
		return nil, err
	}
	if m.Tag != SCFG {
		return nil, badParameter("server config is a " + m.Tag.String() + " message")
	}
	if id, ok := m.Get(SCID); !ok || len(id) != len(c.id) {
		return nil, badParameter("server config without a SCID of 16 bytes")
	} else {
		c.id = [16]byte(id)
	}
	var ok bool
	if c.kexs, ok = tagList(&m, KEXS); !ok {
		return nil, badParameter("server config without a list of key exchanges")
	}
	if c.aeads, ok = tagList(&m, TagAEAD); !ok {
		return nil, badParameter("server config without a list of AEADs")
	}
	if c.pubs, ok = publicValues(&m, len(c.kexs)); !ok {
		return nil, badParameter("server config whose public values do not fit its key exchanges")
	}
	for i, k := range c.kexs {
		if size := publicSize(k); size != 0 && len(c.pubs[i]) != size {
			return nil, badParameter("server config whose public value has the wrong length")
		}
	}
	if orbit, ok := m.Get(ORBT); !ok || len(orbit) != len(c.orbit) {
		return nil, fault(wire.CryptoMessageParameterNotFound, "server config without an orbit of 8 bytes")
	} else {
		c.orbit = [8]byte(orbit)
	}
	expiry, ok := m.Get(EXPY)
	if !ok || len(expiry) != 8 {
		return nil, badParameter("server config without an expiry of 8 bytes")
	}
	// A server that means "never" writes all ones.
	c.expiry = int64(min(binary.LittleEndian.Uint64(expiry), math.MaxInt64))
	return c, nil
}

// Bytes returns the SCFG message, not to be changed.
func (c *ServerConfig) Bytes() []byte { return c.raw }

// ID returns the server config ID.
func (c *ServerConfig) ID() [16]byte { return c.id }

// Expiry returns the time in UNIX seconds from which clients do not use the config.
func (c *ServerConfig) Expiry() int64 { return c.expiry }

// choose walks a client's preferences and takes the first that the server offers, for
// AEAD and key exchange alike; CRYPTO_NO_SUPPORT if there is none.
func (c *ServerConfig) choose(aeads, kexs []Tag) (aead, kex Tag, public []byte, err error) {
	i, ok := firstCommon(aeads, c.aeads)
	if !ok {
		return 0, 0, nil, fault(wire.CryptoNoSupport, "no AEAD in common with the server")
	}
	j, ok := firstCommon(kexs, c.kexs)
	if !ok {
		return 0, 0, nil, fault(wire.CryptoNoSupport, "no key exchange in common with the server")
	}
	return c.aeads[i], c.kexs[j], c.pubs[j], nil
}

// firstCommon returns where the first of mine that is among theirs stands there.
func firstCommon(mine, theirs []Tag) (int, bool) {
	for _, t := range mine {
		if i := slices.Index(theirs, t); i >= 0 {
			return i, true
		}
	}
	return 0, false
}

// tagList decodes an entry that lists tags; false if it is missing, empty, too long or ragged.
func tagList(m *Message, t Tag) ([]Tag, bool) {
	l, ok, err := m.Tags(t)
	if !ok || err != nil || l.Len() == 0 || l.Len() > maxAlgorithms {
		return nil, false
	}
	return slices.Collect(l.All()), true
}

// publicValues decodes SCFG's PUBS: n values, each with a 3-byte little-endian length.
func publicValues(m *Message, n int) ([][]byte, bool) {
	b, _ := m.Get(PUBS)
	list := make([][]byte, 0, n)
	for len(b) >= 3 {
		size := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		if b = b[3:]; size == 0 || size > len(b) {
			return nil, false
		}
		list = append(list, b[:size:size])
		b = b[size:]
	}
	return list, len(b) == 0 && len(list) == n
}

// publicSize is the length of a public value, 0 for a method that we do not know
// (reference: handshake, section 8).
func publicSize(kex Tag) int {
	switch kex {
	case C255:
		return 32
	case P256:
		return 65
	}
	return 0
}

// A hostConfig is a server config with its private half.
type hostConfig struct {
	*ServerConfig
	shares []*KeyShare // of kexs, same order
	epoch  int64
}

// share returns the private half for a key exchange, nil if the config does not offer it.
func (c *hostConfig) share(kex Tag) *KeyShare {
	for i, k := range c.kexs {
		if k == kex {
			return c.shares[i]
		}
	}
	return nil
}

// newHostConfig makes the server config that follows from secret.
func newHostConfig(secret Entropy, aeads, kexs []Tag, expiry int64) (*hostConfig, error) {
	c := &hostConfig{}
	m := Message{Tag: SCFG}
	var pubs []byte
	for _, k := range kexs {
		share, err := drawShare(k, secret.Derive("key share", AppendTags(nil, k)))
		if err != nil {
			return nil, err
		}
		c.shares = append(c.shares, share)
		public := share.Public()
		pubs = append(pubs, byte(len(public)), byte(len(public)>>8), byte(len(public)>>16))
		pubs = append(pubs, public...)
	}
	var orbit [8]byte
	e := secret.Derive("orbit", nil)
	e.Fill(orbit[:])
	m.Set(KEXS, AppendTags(nil, kexs...))
	m.Set(TagAEAD, AppendTags(nil, aeads...))
	m.Set(PUBS, pubs)
	m.Set(ORBT, orbit[:])
	m.Set(EXPY, binary.LittleEndian.AppendUint64(nil, uint64(expiry)))
	// The ID names the content: equal IDs, equal configs, also on another machine.
	sum := sha256.Sum256(m.Append(nil))
	m.Set(SCID, sum[:16])
	var err error
	c.ServerConfig, err = ParseServerConfig(m.Append(nil))
	return c, err
}
