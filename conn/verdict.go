package conn

import "fmt"

// A Verdict says what became of a datagram. Every datagram gets exactly one, and
// the ones from DroppedMalformed on changed nothing but counters.
type Verdict uint8

const (
	// Delivered: it opened, and its frames were processed (perhaps to close the connection).
	Delivered Verdict = iota
	// Created: it opened and began a connection.
	Created
	// Kept: no key opens it yet; it is tried again when keys arrive.
	Kept
	// VersionNegotiated: a server answered it with a version negotiation packet, or a
	// client followed one.
	VersionNegotiated
	// Rejected: a server answered it with a stateless REJ.
	Rejected
	// ResetSent: it belongs to no connection; a public or stateless reset is the answer.
	ResetSent
	// ClosedAgain: it belongs to a closed connection; the CONNECTION_CLOSE is sent again.
	ClosedAgain
	// ResetReceived: it was a public or stateless reset that ended the connection.
	ResetReceived

	DroppedMalformed     // the header does not parse
	DroppedUnknown       // of no connection here, and none can begin with it
	DroppedVersion       // of another version than the connection's, or a useless version negotiation
	DroppedUndecryptable // no key opens it
	DroppedDuplicate     // its packet number was there already, or is too old
	DroppedTooLarge      // more than MaxReceivedSize
	DroppedTooSmall      // a first CHLO that is too small to be answered
	DroppedNoHello       // a first packet without a whole CHLO
	DroppedLimit         // a limit was reached: connections, half-open ones, kept packets, answers waiting
	DroppedTimeWait      // of a closed connection, and not to be answered this time
	DroppedReset         // a reset that is not for us to obey

	verdicts
)

var verdictNames = [...]string{"delivered", "created", "kept", "version negotiated", "rejected", "reset sent",
	"closed again", "reset received", "dropped: malformed", "dropped: unknown connection", "dropped: wrong version",
	"dropped: undecryptable", "dropped: duplicate", "dropped: too large", "dropped: too small", "dropped: no CHLO",
	"dropped: limit", "dropped: time-wait", "dropped: reset"}

// String returns the verdict in words.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// Dropped reports whether the datagram was dropped.
func (v Verdict) Dropped() bool { return v >= DroppedMalformed }

// A Reason says what a deadline is for.
type Reason uint8

const (
	NoReason                  Reason = iota
	ReasonHandshake                  // the handshake must be done by then
	ReasonIdle                       // nothing was heard for too long
	ReasonKeepAlive                  // a PING is due
	ReasonAck                        // a delayed ACK is due
	ReasonRetransmitHandshake        // crypto data is repeated
	ReasonLoss                       // a packet is considered lost
	ReasonTLP                        // a tail-loss probe is due
	ReasonRTO                        // a retransmission timeout
	ReasonPacing                     // the pacer lets the next packet go
	ReasonLinger                     // a closed connection's unread data is dropped
)

var reasonNames = [...]string{"none", "handshake timeout", "idle", "keep-alive", "ack", "handshake retransmission", "loss", "TLP", "RTO", "pacing", "linger"}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}
