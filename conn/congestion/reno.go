package congestion

// A renoCount counts packets in congestion avoidance.
// (Reference: connection, section 7.6.)
type renoCount uint64

// afterAck returns the window after one more packet was acknowledged: an MSS more for
// every window's worth, shared by n connections.
func (c *renoCount) afterAck(window, n uint64) uint64 {
	*c++
	if uint64(*c)*n >= window/MSS {
		*c = 0
		window += MSS
	}
	return window
}
