package flowctl

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/wire"
)

// A ReceiveWindow is the receiver's half of flow control, for one stream or for the
// connection: how far the peer may send, and when to let it send further.
//
//	 consumed           received               limit
//	────┼───────────────────┼─────────────────────┼───▶ offset
//	    │◀─── buffered ────▶│◀── still allowed ──▶│
//	    │◀───────────── at most window ──────────▶│
//
// The peer learns a new limit from a WINDOW_UPDATE, due when less than half of the
// window is left between consumed and limit. Its offset is consumed + window.
//
// A stream needs no update once its final offset is known, and the connection must
// count what nobody will read: see reference: connection, section 14.6. Both are up to
// the caller.
type ReceiveWindow struct {
	consumed uint64 // read by the application, or given up
	received uint64 // end of the furthest byte that arrived
	limit    uint64 // the peer may send up to here
	window   uint64 // what each update opens, counted from consumed
	max      uint64 // the window never grows past this

	lastUpdate gquic.Instant // of the last new limit, or of the first bytes consumed; Never before
}

// NewReceiveWindow returns a window whose first limit is window, as announced in the
// handshake. It may grow to max; with a max of at most window it never does.
func NewReceiveWindow(window, max uint64) ReceiveWindow {
	window = min(window, wire.MaxByteOffset)
	return ReceiveWindow{
		limit:      window,
		window:     window,
		max:        min(max, wire.MaxByteOffset),
		lastUpdate: gquic.Never,
	}
}

// StartAt makes a window that was not used yet begin at offset: all before it counts as
// received and consumed.
func (w *ReceiveWindow) StartAt(offset uint64) {
	w.consumed, w.received = offset, offset
	w.limit = min(offset+w.window, wire.MaxByteOffset)
}

// Receive notes that data up to offset end arrived and returns how much of it is
// new: a stream's new bytes count against the connection's window too. For the
// connection, end is the sum over its counted streams, Received() plus the fresh bytes
// of the stream. The offset of a RST_STREAM counts as data. Data past the limit is the
// peer's fault, FLOW_CONTROL_RECEIVED_TOO_MUCH_DATA, and changes nothing.
func (w *ReceiveWindow) Receive(end uint64) (fresh uint64, err error) {
	if end > w.limit {
		return 0, &Error{Code: wire.FlowControlReceivedTooMuchData, Value: end, Limit: w.limit}
	}
	if end > w.received {
		fresh = end - w.received
		w.received = end
	}
	return fresh, nil
}

// Consume notes that n more bytes were read by the application, or will never be read.
// It never goes past what was received. Ask Update afterwards.
func (w *ReceiveWindow) Consume(n uint64) {
	w.consumed += min(n, w.received-w.consumed)
}

// Update returns the limit that a WINDOW_UPDATE has to tell the peer, if one is due. It
// may be asked at any time, and gives each new limit once.
//
// The window doubles, up to its maximum, when the update before this one (or the first
// bytes consumed) came less than two smoothed round trips ago: the peer would stall
// if the window only covered what is read in one. A smoothed of zero means that there is
// no sample, and then nothing is tuned. Reference: connection, section 14.3.
func (w *ReceiveWindow) Update(now gquic.Instant, smoothed time.Duration) (limit uint64, due bool) {
	if w.lastUpdate == gquic.Never {
		if w.consumed == 0 {
			return w.limit, false
		}
		w.lastUpdate = now
	}
	allowed := w.limit - w.consumed
	if 2*allowed >= w.window || w.limit == wire.MaxByteOffset {
		return w.limit, false
	}
	if now.Sub(w.lastUpdate)/2 < smoothed {
		w.EnsureAtLeast(2 * w.window)
	}
	w.lastUpdate = now
	w.limit = min(w.consumed+w.window, wire.MaxByteOffset)
	return w.limit, true
}

// Grant raises the limit by whatever was consumed since it was set, however little, and
// reports whether it rose: the answer to a BLOCKED, which heals a lost WINDOW_UPDATE
// (reference: connection, section 14.5). If nothing was consumed, nothing is granted.
func (w *ReceiveWindow) Grant() bool {
	limit := min(w.consumed+w.window, wire.MaxByteOffset)
	if limit <= w.limit {
		return false
	}
	w.limit = limit
	return true
}

// Widen is the answer to a BLOCKED where unread bytes wait for the application. If those
// are few then the window, not the reader, held the peer back: it is too small for what is on
// its way, for what waits behind a hole, or to do without an update that was lost. It
// doubles, up to its maximum, unless hardly any of it was used.
//
// It reports whether to tell the peer the limit: it rose, or it lies beyond what was used and
// was set a smoothed round trip ago or earlier, so that the peer should have known it
// when it sent the BLOCKED. (0: there is no sample.)
func (w *ReceiveWindow) Widen(now gquic.Instant, smoothed time.Duration, unread uint64) bool {
	if unread <= w.window/8 && w.limit-w.received <= w.window/8*7 {
		w.EnsureAtLeast(2 * w.window)
	}
	stale := w.limit > w.received && w.lastUpdate != gquic.Never && smoothed > 0 && now.Sub(w.lastUpdate) > smoothed
	if !w.Grant() && !stale {
		return false
	}
	w.lastUpdate = now
	return true
}

// EnsureAtLeast grows the window to at least window, as far as its maximum allows. It
// never shrinks. The limit follows with the next Update, which may be due at once.
func (w *ReceiveWindow) EnsureAtLeast(window uint64) {
	w.window = max(w.window, min(window, w.max))
}

// Follow grows the window of a connection to one and a half times the window of one of
// its streams, so that a stream whose window grew does not stall on the connection's.
// Reference: connection, section 14.3; the comparison is with the current window,
// not with the limit (section 21).
func (w *ReceiveWindow) Follow(stream uint64) {
	stream = min(stream, wire.MaxByteOffset)
	w.EnsureAtLeast(stream + stream/2)
}

// Limit returns how far the peer may send.
func (w *ReceiveWindow) Limit() uint64 { return w.limit }

// Received returns the end of the furthest byte that arrived.
func (w *ReceiveWindow) Received() uint64 { return w.received }

// Consumed returns how many bytes were consumed.
func (w *ReceiveWindow) Consumed() uint64 { return w.consumed }

// Window returns what each update opens, counted from what is consumed.
func (w *ReceiveWindow) Window() uint64 { return w.window }
