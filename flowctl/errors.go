package flowctl

import (
	"fmt"

	"example.com/gquic/wire"
)

// MinWindow is the smallest window that either side may announce, for a stream or for
// the connection, and the one to assume of the peer until it announces its own.
// Reference: connection, section 14.1.
const MinWindow = 16384

// An Error is a breach of flow control. Which stream it happened on, or whether on the
// connection, is known to the caller only.
type Error struct {
	Code  wire.ErrorCode // what the connection closes with
	Value uint64         // the offset reached, or the window announced
	Limit uint64         // what Value must not pass, or must not stay below
}

// Error says by how many bytes the limit was missed.
func (e *Error) Error() string {
	if e.Value < e.Limit {
		return fmt.Sprintf("%v: a window of %d bytes, %d below the minimum of %d", e.Code, e.Value, e.Limit-e.Value, e.Limit)
	}
	return fmt.Sprintf("%v: offset %d is %d bytes past the limit %d", e.Code, e.Value, e.Value-e.Limit, e.Limit)
}

// CheckAnnounced returns an error, FLOW_CONTROL_INVALID_WINDOW, if the window that a
// peer announced in its handshake (SFCW or CFCW) is below [MinWindow].
func CheckAnnounced(window uint64) error {
	if window < MinWindow {
		return &Error{Code: wire.FlowControlInvalidWindow, Value: window, Limit: MinWindow}
	}
	return nil
}
