package handshake

import "example.com/gquic/wire"

// Dormant returns a stand-in for a that holds little more than the key, for a connection
// that falls idle: the tables of AES-GCM take more than a KiB. It protects the same
// packets in the same way, but sets the cipher up for each of them. [Awake] gives back what is
// fast. Where there is nothing to save it returns a itself.
func Dormant(a AEAD) AEAD {
	if g, ok := a.(*aesgcm); ok {
		return &dormant{g.gcmKey}
	}
	return a
}

// Awake returns the AEAD for which Dormant put in a, or else a itself.
func Awake(a AEAD) AEAD {
	if d, ok := a.(*dormant); ok {
		return d.awake()
	}
	return a
}

// dormant is an aesgcm without its tables.
type dormant struct{ gcmKey }

func (d *dormant) awake() *aesgcm {
	a, err := newAESGCM(d.gcmKey)
	if err != nil {
		panic(err) // a key that was good once
	}
	return a
}

func (d *dormant) Prefix() int   { return 0 }
func (d *dormant) Overhead() int { return tagSize }

func (d *dormant) Seal(s *Scratch, packet []byte, header int, pn wire.PacketNumber) []byte {
	return d.awake().Seal(s, packet, header, pn)
}

func (d *dormant) Open(s *Scratch, dst, packet []byte, header int, pn wire.PacketNumber) ([]byte, error) {
	return d.awake().Open(s, dst, packet, header, pn)
}
