package handshake

import "encoding/binary"

// Purposes that random bytes are drawn for. Each has a stream of its own, and each use
// within a connection a stream within that.
const (
	drawNonce           = "client nonce"          // 20 bytes of NONC
	drawFiller          = "client filler nonce"   // NONP
	drawClientShare     = "client key share"      // private value
	drawServerShare     = "server key share"      // private value
	drawRejectNonce     = "server nonce in REJ"   // SNO
	drawHelloNonce      = "server nonce in SHLO"  // SNO
	drawDiversification = "diversification nonce" // of the server's initial keys
	drawSalt            = "proof salt"            // RSA-PSS
)

// draws gives a machine its random bytes, by purpose and by a count within the purpose.
type draws struct {
	entropy  Entropy
	recorded *recording
}

// A recording holds what a recorded peer drew or decided, so that tests can have a
// machine do the same again. It is nil outside of them.
type recording struct {
	drawn     map[string][][]byte // by purpose; the last one stands for all later ones
	hellos    [][]byte            // a client's CHLOs
	tokens    [][]byte            // a server's tokens, in order
	goodToken func([]byte) bool   // a server's view of a client's token
	configs   []*hostConfig       // a server's, the primary one last
	visit     func(row int)       // told of each row of the table that is taken
}

func (d *draws) fill(b []byte, purpose string, count uint32) {
	if d.recorded != nil {
		if list := d.recorded.drawn[purpose]; len(list) > 0 {
			copy(b, list[min(int(count), len(list)-1)])
			return
		}
	}
	e := d.stream(purpose, count)
	e.Fill(b)
}

// stream returns the stream for a purpose.
func (d *draws) stream(purpose string, count uint32) Entropy {
	return d.entropy.Derive(purpose, binary.LittleEndian.AppendUint32(nil, count))
}

// share makes the key share for a purpose.
func (d *draws) share(alg Tag, purpose string, count uint32) (*KeyShare, error) {
	var private [KeyShareSize]byte
	d.fill(private[:], purpose, count)
	return NewKeyShare(alg, private[:])
}

// drawShare makes a key share from a stream.
func drawShare(alg Tag, e Entropy) (*KeyShare, error) {
	var private [KeyShareSize]byte
	e.Fill(private[:])
	return NewKeyShare(alg, private[:])
}
