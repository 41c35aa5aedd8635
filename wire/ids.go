package wire

import "encoding/hex"

// A Perspective is one of the two roles in a connection.
type Perspective uint8

// The roles.
const (
	Client Perspective = iota
	Server
)

// Opposite returns the other role.
func (p Perspective) Opposite() Perspective { return p ^ 1 }

// String returns "client" or "server".
func (p Perspective) String() string {
	if p == Client {
		return "client"
	}
	return "server"
}

// ConnectionIDLen is the length of every connection ID, in bytes.
const ConnectionIDLen = 8

// A ConnectionID names a connection, in both directions: opaque bytes that the client
// picked. (Reference: wire, section 1.)
type ConnectionID [ConnectionIDLen]byte

// String returns the ID in hex.
func (id ConnectionID) String() string { return hex.EncodeToString(id[:]) }

// A PacketNumber counts the packets of one direction, from 1, over all encryption
// levels. 0 is no packet.
type PacketNumber uint64

// MaxPacketNumber is the largest number that an ACK frame can hold, 6 bytes.
const MaxPacketNumber PacketNumber = 1<<48 - 1

// A StreamID names a stream of a connection.
type StreamID uint32

// Stream IDs with a meaning of their own. (Reference: wire, section 15.)
const (
	ConnectionStream StreamID = 0 // in WINDOW_UPDATE and BLOCKED: the connection
	CryptoStream     StreamID = 1 // the handshake's, up to Q046
	HeadersStream    StreamID = 3 // HTTP headers, up to Q046
)

// OpenedBy returns who may open the stream: the client those with odd IDs.
func (id StreamID) OpenedBy() Perspective {
	if id&1 == 1 {
		return Client
	}
	return Server
}

// MaxByteOffset is the largest offset of a byte in a stream. (Reference: wire, section 12.2.)
const MaxByteOffset = 1<<62 - 1

// NonceLen is the length of a diversification nonce, in bytes. (Reference: wire, section 4.4.)
const NonceLen = 32
