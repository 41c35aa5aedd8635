package conn

// amplification bounds what a server sends to an address that has not proved itself:
// three times what came from it, repetitions included. The reference bounds only the
// first REJ so (handshake, section 13.3), and nothing after a migration.
//
//	a client's first CHLO     until it shows a token, or a forward-secure packet
//	a client's new IP address until it acknowledges what was sent there
//
// A client that has part of a long REJ has nothing to repeat, so something must make
// room again: packets that were acknowledged do (their data are never sent twice, so forged
// ACKs gain one REJ at most), and the full datagrams that our clients send then
// (nudges). At a new address every timeout makes room for a PING.
type amplification struct {
	validated               bool
	received, sent, excused int // bytes; excused: of those sent, what does not count
	least                   int // bytes that are worth a packet
}

const (
	amplificationFactor = 3
	// leastRoom is how much of a packet must be allowed for one to be sent, in bytes.
	leastRoom = 200
	// pingRoom is what a packet with an ACK and a PING takes.
	pingRoom = 64
)

// room returns how many of size bytes may be sent: 0 if they are too few for a packet.
func (a *amplification) room(size int) int {
	if a.validated {
		return size
	}
	if room := amplificationFactor*a.received + a.excused - a.sent; room < size {
		size = room
	}
	if size < a.least {
		return 0
	}
	return size
}

// allows reports whether another size bytes may be sent.
func (a *amplification) allows(size int) bool { return a.room(size) >= size }

// newAddress begins again for an address from which received bytes came.
func newAddress(received int) amplification {
	return amplification{received: received, least: pingRoom}
}

// timeout makes room for a PING to a new address: the one before may be lost.
func (a *amplification) timeout() {
	if !a.validated && a.least == pingRoom {
		a.excused += pingRoom
	}
}
