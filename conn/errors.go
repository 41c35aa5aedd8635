package conn

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"example.com/gquic/wire"
)

// A LocalError is why this side closed a connection: because of what the peer did
// (Code says which rule was broken), or because the application asked for it.
type LocalError struct {
	Code   wire.ErrorCode
	Reason string
	Err    error // what caused it, if another package found it; for errors.As
}

func (e *LocalError) Error() string {
	return closeText("closed locally", e.Code, e.Reason)
}

// Unwrap returns the cause.
func (e *LocalError) Unwrap() error { return e.Err }

// A PeerError is a CONNECTION_CLOSE that the peer sent.
type PeerError struct {
	Code   wire.ErrorCode
	Reason string
}

// Error quotes a reason that has unprintable characters: it is the peer's text, and
// may be meant for a terminal.
func (e *PeerError) Error() string {
	reason := e.Reason
	if !isPrintable(reason) {
		reason = strconv.Quote(reason)
	}
	return closeText("closed by the peer", e.Code, reason)
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

func closeText(who string, code wire.ErrorCode, reason string) string {
	if reason == "" {
		return fmt.Sprintf("%s: %d %v", who, uint32(code), code)
	}
	return fmt.Sprintf("%s: %d %v: %s", who, uint32(code), code, reason)
}

// A StreamError is the end of a stream by RST_STREAM.
type StreamError struct {
	Stream wire.StreamID
	Code   wire.StreamErrorCode
	Remote bool // the peer sent it
}

func (e *StreamError) Error() string {
	who := "reset"
	if e.Remote {
		who = "reset by the peer"
	}
	return fmt.Sprintf("stream %d %s: %d %v", e.Stream, who, uint32(e.Code), e.Code)
}

// Errors of connections that end without a CONNECTION_CLOSE from either side's
// application, and errors of calls, which change nothing.
var (
	ErrIdleTimeout      = errors.New("idle timeout")                    // closes with NETWORK_IDLE_TIMEOUT
	ErrHandshakeTimeout = errors.New("the handshake took too long")     // closes with HANDSHAKE_TIMEOUT
	ErrReset            = errors.New("the server has lost the state")   // a public or stateless reset
	ErrNoCommonVersion  = errors.New("no version in common")            // after a version negotiation; nothing is sent
	ErrStaleHandle      = errors.New("the connection is gone")          // a Handle that names nothing
	ErrClosed           = errors.New("the connection is closed")        // calls on a closed connection
	ErrUnknownStream    = errors.New("no such stream")                  // never opened, or over
	ErrStreamLimit      = errors.New("the peer allows no more streams") // StreamsAvailable follows
	ErrStreamClosed     = errors.New("the stream is closed for writing")
	ErrGoingAway        = errors.New("the peer is going away")
	ErrNotClient        = errors.New("the endpoint has no client configuration")
	ErrTooManyConns     = errors.New("the endpoint's limit of connections is reached")
	ErrNotAsked         = errors.New("there was no such question to answer")
	// ErrAddressInUse: a Q044 server's packets carry no connection ID, so one local
	// address can have only one such connection to a server address.
	ErrAddressInUse = errors.New("another connection to this address needs the local address for itself: use another local address")
)
