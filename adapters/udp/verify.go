package udp

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"

	"example.com/gquic/handshake"
)

// Verifying a certificate chain costs a client as much as two key exchanges, and most
// clients come back to the same few servers. So the chains that were believed are
// remembered for the whole program. What depends on the connection, the server's proof
// that it has the certificate's key, is checked each time.
var believed = verifiedChains{chains: make(map[chainID]*handshake.VerifiedChain)}

// maxBelieved is how many chains are remembered, a few KB each: more servers than a
// program talks to at a time.
const maxBelieved = 256

type verifiedChains struct {
	mu     sync.Mutex
	chains map[chainID]*handshake.VerifiedChain
}

// A chainID is everything that the answer depends on but the time. It holds on to the
// roots, so that no others can take their place in memory.
type chainID struct {
	roots *x509.CertPool
	name  string
	chain [sha256.Size]byte
}

// verify answers a request at wall, in UNIX seconds, as its Verify does.
func (b *verifiedChains) verify(r *handshake.VerificationRequest, roots *x509.CertPool, wall int64) error {
	id := chainID{roots, r.ServerName, chainHash(r.Chain)}
	b.mu.Lock()
	v := b.chains[id]
	b.mu.Unlock()
	if v != nil {
		if err := r.VerifyAgain(v, wall); err != handshake.ErrOtherChain {
			return err
		}
	}
	v, err := r.VerifyChain(roots, wall)
	if err != nil {
		return err
	}
	b.mu.Lock()
	if len(b.chains) >= maxBelieved {
		for some := range b.chains {
			delete(b.chains, some)
			break
		}
	}
	b.chains[id] = v
	b.mu.Unlock()
	return r.VerifyAgain(v, wall)
}

func chainHash(chain [][]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, der := range chain {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(der)))
		h.Write(size[:])
		h.Write(der)
	}
	h.Sum(sum[:0])
	return sum
}

// takeVerifying has the endpoint verify chains, where the core would, and returns the roots
// to do it with.
func (c *Config) takeVerifying() *x509.CertPool {
	cl := c.Conn.Client
	if cl == nil || cl.Roots == nil || cl.External || cl.Insecure || len(cl.Pin) > 0 {
		return nil
	}
	own := *cl
	own.External = true
	c.Conn.Client = &own
	return cl.Roots
}
