package handshake

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Certificate is a server's identity for the names in its leaf.
type Certificate struct {
	Chain [][]byte      // DER, leaf first; the root may be left out
	Key   crypto.Signer // of the leaf, RSA or ECDSA; nil: signatures are asked for by NeedSignature
}

// Defaults of a [HostConfig].
const (
	// DefaultRotation keeps a stolen config key from being of use for long.
	DefaultRotation = 24 * time.Hour
	// DefaultConfigLifetime is a week: clients cap STTL at that (reference: handshake, section 2.2).
	DefaultConfigLifetime = 7 * 24 * time.Hour

	// maxConfigs bounds the configs that are accepted at once, each a few hundred bytes:
	// ConfigLifetime may be at most so many times Rotation.
	maxConfigs = 64
	// maxChains bounds the compressed chains that are kept: for each certificate the one
	// for strangers, and one for each combination of CCS and CCRT that clients have.
	maxChains = 32
	// maxChainKey bounds the CCS and CCRT of a chain that is kept: both sets and 14
	// certificates. Longer lists are rare, and compressed anew each time.
	maxChainKey = 128
)

// A HostConfig is what the connections of a server have in common. It must not be changed
// while in use.
type HostConfig struct {
	// Certificates are matched by the client's SNI, in order; the first one serves
	// clients that name no host, or another one.
	Certificates []Certificate

	// Secret is what token keys and server configs follow from, with the time: servers
	// with equal secrets, on several machines or after a restart, accept each other's. It
	// must come from a secure source: whoever knows it can read 0-RTT data, and can be
	// the server to clients that come back.
	Secret [32]byte

	AEADs        []Tag // offered, best first; nil: AESG, CC20
	KeyExchanges []Tag // offered, best first; nil: C255, P256

	ConfigLifetime time.Duration // how long clients may use a server config; 0: a week
	Rotation       time.Duration // how often a new one is given out; 0: a day
	TokenLifetime  time.Duration // how long a token proves an address; 0: a day

	// RequireToken answers clients that have not proved their address with a small REJ:
	// that costs them a round trip, and an attacker gains nothing by forging addresses.
	// Without it they get the proof at once if it is not much larger than their CHLO.
	RequireToken bool
	// RequireNonce has each client echo a nonce of its own connection, so that nobody
	// can repeat another's hello, and nobody has 0-RTT.
	RequireNonce bool

	// KeyShareLifetime is how long an ephemeral key share serves all connections; 0:
	// each has its own. Sharing costs forward secrecy for that time.
	KeyShareLifetime time.Duration
}

// A Host is what a server's connections share: server configs, token keys and
// certificates. All of it follows from its configuration and the time; what it keeps
// besides is only there to not be computed again. It is not safe for concurrent use.
type Host struct {
	cfg   *HostConfig
	certs []hostCertificate
	aeads []Tag
	kexs  []Tag

	secret    Entropy // of Secret: known to all servers that share it
	ephemeral Entropy // of this host alone

	rotation, lifetime, tokenLifetime, shareLifetime int64 // seconds

	configs memo[hostConfig]
	tokens  memo[tokenKey]
	shares  memo[epochShare]
	chains  memo[compressedChain]
	parsed  Message // room for the CHLO at hand

	recorded *recording
}

type hostCertificate struct {
	*Certificate
	leaf     *x509.Certificate
	leafHash uint64 // CertHash of the leaf
	maxProof int    // bytes of the largest signature
}

type epochShare struct {
	*KeyShare
	epoch int64
}

type compressedChain struct {
	certificate int
	ccs, ccrt   string
	data        []byte
}

// NewHost checks cfg and returns a host for it. e is where key shares come from that
// serve several connections: it must be the host's own, never one of another host or run.
func NewHost(cfg *HostConfig, e Entropy) (*Host, error) {
	h := &Host{cfg: cfg, secret: NewEntropy(cfg.Secret), ephemeral: e.Derive("host", nil),
		aeads: cfg.AEADs, kexs: cfg.KeyExchanges}
	if h.aeads == nil {
		h.aeads = []Tag{AESG, CC20}
	}
	if h.kexs == nil {
		h.kexs = []Tag{C255, P256}
	}
	h.rotation = seconds(cfg.Rotation, DefaultRotation)
	h.lifetime = seconds(cfg.ConfigLifetime, DefaultConfigLifetime)
	h.tokenLifetime = seconds(cfg.TokenLifetime, DefaultTokenLifetime)
	h.shareLifetime = seconds(cfg.KeyShareLifetime, 0)
	if h.lifetime < h.rotation || h.lifetime > (maxConfigs-4)*h.rotation {
		return nil, fmt.Errorf("handshake: ConfigLifetime must be 1 to %d times Rotation", maxConfigs-4)
	}
	h.configs.max, h.tokens.max, h.chains.max = maxConfigs, 3, maxChains
	h.shares.max = len(h.kexs)
	if len(cfg.Certificates) == 0 {
		return nil, errors.New("handshake: a host needs a certificate")
	}
	for i := range cfg.Certificates {
		c := hostCertificate{Certificate: &cfg.Certificates[i]}
		if err := c.inspect(); err != nil {
			return nil, fmt.Errorf("handshake: certificate %d: %w", i, err)
		}
		h.certs = append(h.certs, c)
	}
	// Fails here rather than at the first client if an algorithm is unknown.
	if _, err := newHostConfig(h.secret, h.aeads, h.kexs, 0); err != nil {
		return nil, fmt.Errorf("handshake: KeyExchanges: %w", err)
	}
	for _, a := range h.aeads {
		if a != AESG && a != CC20 {
			return nil, fmt.Errorf("handshake: AEADs: %s is unknown", a)
		}
	}
	return h, nil
}

func seconds(d, otherwise time.Duration) int64 {
	if d <= 0 {
		d = otherwise
	}
	return int64((d + time.Second - 1) / time.Second)
}

func (c *hostCertificate) inspect() (err error) {
	if len(c.Chain) == 0 {
		return errors.New("no chain")
	}
	if c.leaf, err = x509.ParseCertificate(c.Chain[0]); err != nil {
		return err
	}
	c.leafHash = CertHash(c.Chain[0])
	switch key := c.leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		c.maxProof = key.Size()
	case *ecdsa.PublicKey:
		// SEQUENCE of two INTEGERs, each with a sign byte and headers.
		c.maxProof = 2*((key.Curve.Params().BitSize+7)/8+1+3) + 3
	default:
		return errors.New("its key is neither RSA nor ECDSA")
	}
	if c.Key != nil {
		public, ok := c.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !public.Equal(c.leaf.PublicKey) {
			return errors.New("its key does not fit")
		}
	}
	return nil
}

// Clone returns a host that goes on like h.
func (h *Host) Clone() *Host {
	c := *h
	c.configs = h.configs.clone()
	c.tokens = h.tokens.clone()
	c.shares = h.shares.clone()
	c.chains = h.chains.clone()
	c.parsed = Message{}
	return &c
}

// certificate returns the index of the certificate for a name.
func (h *Host) certificate(name string) int {
	if len(h.certs) == 1 {
		return 0
	}
	name = strings.TrimSuffix(name, ".")
	for i := range h.certs {
		if name != "" && h.certs[i].leaf.VerifyHostname(name) == nil {
			return i
		}
	}
	return 0
}

// Config returns the server config that is given to clients at wall, in UNIX seconds.
func (h *Host) Config(wall int64) (*ServerConfig, error) {
	c, err := h.primary(wall)
	if err != nil {
		return nil, err
	}
	return c.ServerConfig, nil
}

// primary is the config that is given out at wall: that of the current epoch.
func (h *Host) primary(wall int64) (*hostConfig, error) {
	if h.recorded != nil && len(h.recorded.configs) > 0 {
		return h.recorded.configs[len(h.recorded.configs)-1], nil
	}
	return h.config(floorDiv(wall, h.rotation))
}

// config makes the server config of an epoch.
func (h *Host) config(epoch int64) (*hostConfig, error) {
	return h.configs.get(
		func(c *hostConfig) bool { return c.epoch == epoch },
		func() (*hostConfig, error) {
			secret := h.secret.Derive("server config", binary.LittleEndian.AppendUint64(nil, uint64(epoch)))
			c, err := newHostConfig(secret, h.aeads, h.kexs, max(0, epoch*h.rotation+h.lifetime))
			if err == nil {
				c.epoch = epoch
			}
			return c, err
		})
}

// configByID finds a config that clients may still use at wall; nil if there is none. One
// that was over lately is accepted too, for clients with slow clocks, and the next one,
// for servers with fast ones.
func (h *Host) configByID(id []byte, wall int64) *hostConfig {
	if h.recorded != nil && len(h.recorded.configs) > 0 {
		for _, c := range h.recorded.configs {
			if bytes.Equal(c.id[:], id) {
				return c
			}
		}
		return nil
	}
	now := floorDiv(wall, h.rotation)
	last := floorDiv(wall-h.lifetime, h.rotation) - 1
	for epoch := now + 1; epoch >= last; epoch-- {
		if c, err := h.config(epoch); err == nil && bytes.Equal(c.id[:], id) {
			return c
		}
	}
	return nil
}

func (h *Host) tokenKey(epoch int64) *tokenKey {
	k, _ := h.tokens.get(
		func(k *tokenKey) bool { return k.epoch == epoch },
		func() (*tokenKey, error) { return newTokenKey(h.secret, epoch), nil })
	return k
}

// share returns the ephemeral key share of a connection whose own draws are d.
func (h *Host) share(kex Tag, d *draws, wall int64) (*KeyShare, error) {
	if h.shareLifetime == 0 || d.recorded != nil {
		return d.share(kex, drawServerShare, 0)
	}
	epoch := floorDiv(wall, h.shareLifetime)
	s, err := h.shares.get(
		func(s *epochShare) bool { return s.epoch == epoch && s.Algorithm() == kex },
		func() (*epochShare, error) {
			context := binary.LittleEndian.AppendUint64(AppendTags(nil, kex), uint64(epoch))
			share, err := drawShare(kex, h.ephemeral.Derive("key share", context))
			return &epochShare{share, epoch}, err
		})
	if err != nil {
		return nil, err
	}
	return s.KeyShare, nil
}

// chain returns certificate i's chain, compressed for a client that has what its CCS and
// CCRT entries list.
func (h *Host) chain(i int, ccs, ccrt []byte) ([]byte, error) {
	compress := func() (*compressedChain, error) {
		data, err := CompressChain(nil, h.certs[i].Chain, ccs, ccrt)
		return &compressedChain{i, string(ccs), string(ccrt), data}, err
	}
	if len(ccs)+len(ccrt) > maxChainKey {
		c, err := compress()
		return c.data, err
	}
	c, err := h.chains.get(func(c *compressedChain) bool {
		return c.certificate == i && c.ccs == string(ccs) && c.ccrt == string(ccrt)
	}, compress)
	if err != nil {
		return nil, err
	}
	return c.data, nil
}

// A memo keeps the results of a computation that gives the same each time: up to max,
// then the oldest goes.
type memo[T any] struct {
	list []*T
	next int // to go
	max  int
}

func (m *memo[T]) get(match func(*T) bool, make func() (*T, error)) (*T, error) {
	for _, v := range m.list {
		if match(v) {
			return v, nil
		}
	}
	v, err := make()
	if err != nil {
		return v, err
	}
	if len(m.list) < m.max {
		m.list = append(m.list, v)
		return v, nil
	}
	m.list[m.next] = v
	m.next = (m.next + 1) % m.max
	return v, nil
}

func (m *memo[T]) clone() memo[T] {
	c := *m
	c.list = append([]*T(nil), m.list...)
	return c
}
