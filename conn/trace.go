package conn

import (
	"example.com/gquic"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A PacketTrace is one packet as it was built or opened, in plaintext, for whoever
// watches through [Config].Trace: transcripts, ladders, logs, checks. It and what
// it points to are borrowed for the call.
type PacketTrace struct {
	Now     gquic.Instant
	Conn    Handle
	Side    wire.Perspective // the side that built or opened the packet
	Sent    bool             // built; else opened
	Level   handshake.Level  // the protection it travels under
	Version wire.Version
	Header  *wire.Header // with the full packet number
	Payload []byte       // its frames
	Size    int          // of the whole datagram, in bytes
}

// Frames returns a reader over the packet's frames.
func (t *PacketTrace) Frames() wire.Reader {
	var r wire.Reader
	r.Reset(t.Payload, wire.Context{Version: t.Version, PacketNumber: t.Header.PacketNumber, PacketNumberLen: t.Header.PacketNumberLen})
	return r
}
