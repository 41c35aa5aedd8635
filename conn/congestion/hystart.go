package congestion

import (
	"time"

	"example.com/gquic/wire"
)

// When slow start has filled the path. (Reference: connection, section 7.3.)
const (
	hystartSamples   = 8
	hystartMinWindow = 16 * MSS
	hystartMinDelay  = 4 * time.Millisecond
	hystartMaxDelay  = 16 * time.Millisecond
)

// A hystart ends slow start before packets are lost: when even the shortest of
// the first samples of a round is well above the minimal round trip, a queue has built up.
type hystart struct {
	started bool
	found   bool
	end     wire.PacketNumber // the round lasts until a later packet is acknowledged
	samples int
	lowest  time.Duration // of the round's first samples
}

// exit takes a sample and reports whether slow start should end. sent is the largest number sent.
func (h *hystart) exit(sent wire.PacketNumber, latest, minRTT time.Duration, window uint64) bool {
	if !h.started {
		*h = hystart{started: true, found: h.found, end: sent}
	}
	if h.found {
		return true
	}
	h.samples++
	if h.samples == 1 || h.samples <= hystartSamples && latest < h.lowest {
		h.lowest = latest
	}
	delay := min(max(minRTT/8, hystartMinDelay), hystartMaxDelay)
	h.found = h.samples == hystartSamples && h.lowest > minRTT+delay
	return h.found && window >= hystartMinWindow
}

// onAcked ends the round if pn was sent after it began.
func (h *hystart) onAcked(pn wire.PacketNumber) {
	if pn > h.end {
		h.started = false
	}
}
