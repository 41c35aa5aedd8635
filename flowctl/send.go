package flowctl

import "example.com/gquic/wire"

// A SendWindow is the sender's half of flow control, for one stream or for the
// connection: how many new bytes may still be sent. Retransmissions are free, and a FIN
// without data needs no window.
//
//	  sent            limit
//	────┼───────────────┼───▶ offset
//	    │◀─ available ─▶│
//
// A stream may send the smaller of what its own window and, if it is counted there,
// the connection's has available. Reference: connection, section 14.5.
type SendWindow struct {
	sent  uint64 // new bytes sent in all
	limit uint64 // what the peer allows in all
	told  bool   // Blocked reported this limit
}

// NewSendWindow returns a window that allows limit bytes: what the peer announced, or
// [MinWindow] before it did.
func NewSendWindow(limit uint64) SendWindow { return SendWindow{limit: limit} }

// Available returns how many new bytes may be sent.
func (w *SendWindow) Available() uint64 { return w.limit - w.sent }

// Sent notes that n new bytes were sent. More than available is our own fault,
// FLOW_CONTROL_SENT_TOO_MUCH_DATA, and changes nothing.
func (w *SendWindow) Sent(n uint64) error {
	if n > w.Available() {
		return &Error{Code: wire.FlowControlSentTooMuchData, Value: w.sent + n, Limit: w.limit}
	}
	w.sent += n
	return nil
}

// Raise sets the limit that a WINDOW_UPDATE or the handshake told, and reports whether
// that is higher than before. A lower or equal one is ignored: updates may be
// reordered, and what was allowed once stays so.
func (w *SendWindow) Raise(limit uint64) bool {
	if limit <= w.limit {
		return false
	}
	w.limit = limit
	w.told = false
	return true
}

// Blocked reports, once for each limit, that nothing is available. If data is waiting,
// the caller tells the peer with a BLOCKED frame; so ask only when it is.
func (w *SendWindow) Blocked() bool {
	if w.sent < w.limit || w.told {
		return false
	}
	w.told = true
	return true
}

// Limit returns how many bytes the peer allows in all.
func (w *SendWindow) Limit() uint64 { return w.limit }

// SentBytes returns how many new bytes were sent in all.
func (w *SendWindow) SentBytes() uint64 { return w.sent }
