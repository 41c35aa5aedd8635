package conn

import (
	"fmt"
	"net/netip"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Handle names a connection of an endpoint. It is a plain value that can be
// compared and used as a map key; after the connection is gone it names nothing,
// and using it is harmless. The zero Handle names nothing.
type Handle struct{ index, generation uint32 }

// IsZero reports whether h is the zero Handle.
func (h Handle) IsZero() bool { return h == Handle{} }

// String prints the handle for logs.
func (h Handle) String() string { return fmt.Sprintf("%d.%d", h.index, h.generation) }

// EventKind says what happened.
type EventKind uint8

const (
	NoEvent EventKind = iota

	// Connected: application data can flow both ways. On a server it comes when the client's
	// full CHLO was accepted, before it nothing but NeedSignature, or Closed if the handshake
	// failed; the client has yet to prove that it is not a replay, which
	// [Conn.HandshakeConfirmed] tells.
	Connected
	// NeedSignature: answer with [Conn.ProofSigned]. Event.Signature says what to sign.
	NeedSignature
	// NeedVerification: answer with [Conn.ProofVerified]. Event.Verification says what to check.
	NeedVerification
	// ZeroRTTRejected: the server did not accept the cached config. What was written is
	// sent again by itself, under new keys.
	ZeroRTTRejected
	// ResumptionReady: [Conn.Resumption] has new state to store for the next connection.
	ResumptionReady

	// StreamOpened: the peer opened Event.Stream.
	StreamOpened
	// StreamReadable: Event.Stream has data or its end to read. It comes once, and again
	// only after a Read (or Discard) found the stream empty.
	StreamReadable
	// StreamWritable: a Write that took less than all may go on.
	StreamWritable
	// StreamReset: the peer sent RST_STREAM with Event.StreamCode. With code 0 what the
	// peer sent can still be read to its end; with any other both directions are over.
	StreamReset
	// StreamDelivered: everything written on the stream, its end included, was acknowledged.
	StreamDelivered
	// StreamsAvailable: OpenStream failed for the peer's limit, and may succeed now.
	StreamsAvailable

	// GoAwayReceived: the peer accepts no new streams, and will not answer ours above
	// Event.Stream. Event.Err is a [*PeerError] with its reason.
	GoAwayReceived
	// PathChanged: the client's address changed to Event.Addr.
	PathChanged
	// Closed is a connection's last event; Event.Err says why: a [*LocalError], a
	// [*PeerError], or one of the Err values.
	Closed
)

var eventNames = [...]string{"none", "connected", "need signature", "need verification", "0-RTT rejected",
	"resumption ready", "opened", "readable", "writable", "reset", "delivered", "streams available", "go away", "path changed", "closed"}

// String returns the kind in the words of the transcripts.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("event %d", uint8(k))
}

// An Event is something the application should know. It is a flat value: which
// fields are set depends on Kind.
type Event struct {
	Kind         EventKind
	Conn         Handle
	Stream       wire.StreamID        // Stream events
	StreamCode   wire.StreamErrorCode // StreamReset
	Addr         netip.AddrPort       // PathChanged
	Err          error                // Closed
	Signature    *handshake.SignatureRequest
	Verification *handshake.VerificationRequest
}

// String prints the event on one line, without the handle.
func (e Event) String() string {
	switch e.Kind {
	case StreamOpened, StreamReadable, StreamWritable, StreamDelivered:
		return fmt.Sprintf("%v %d", e.Kind, e.Stream)
	case StreamReset:
		return fmt.Sprintf("reset %d by the peer, %d %v", e.Stream, uint32(e.StreamCode), e.StreamCode)
	case PathChanged:
		return fmt.Sprintf("path changed to %v", e.Addr)
	case Closed:
		return fmt.Sprintf("closed: %v", e.Err)
	}
	return e.Kind.String()
}
