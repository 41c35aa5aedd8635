package conn

import (
	"time"

	"example.com/gquic"
)

// EndpointStats are the counters of an endpoint.
type EndpointStats struct {
	Verdicts    [verdicts]uint64 // datagrams received, by verdict
	Connections int              // in existence, closed ones with unread data included
	HalfOpen    int              // accepted ones whose client has shown no valid token
	Accepted    uint64
	Dialed      uint64
	Resets      uint64 // stateless resets composed
}

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() EndpointStats {
	s := e.stats
	s.HalfOpen = e.halfOpen
	return s
}

// Dropped returns how many datagrams were dropped, for whatever reason.
func (s *EndpointStats) Dropped() (n uint64) {
	for v := DroppedMalformed; v < verdicts; v++ {
		n += s.Verdicts[v]
	}
	return n
}

// Stats are the counters and estimates of a connection.
type Stats struct {
	PacketsSent, PacketsReceived uint64 // received: those that opened and were no duplicates
	BytesSent, BytesReceived     uint64 // whole datagrams
	PacketsLost                  uint64 // declared lost
	SpuriousLosses               uint64 // of them, acknowledged later
	BytesRetransmitted           uint64 // stream data sent more than once
	AcksSent                     uint64 // ACK frames
	Timeouts                     uint64 // TLPs, RTOs and handshake retransmissions

	Hellos        int           // CHLOs sent or received: 1 is 0-RTT, 2 one round trip, 3 two
	HandshakeTime time.Duration // from the start until Connected; 0 before

	MinRTT, SmoothedRTT, LatestRTT, RTTDeviation time.Duration
	CongestionWindow, BytesInFlight              uint64
	DatagramSize                                 int // the largest sent, grown by MTU discovery
	Streams                                      int // that exist
	Controller                                   string
}

// Stats returns a snapshot.
func (c *Conn) Stats() Stats {
	if c == nil {
		return Stats{}
	}
	s := c.stats
	rtt := &c.detector.RTT
	if rtt.HasSample() {
		s.MinRTT, s.SmoothedRTT, s.LatestRTT, s.RTTDeviation = rtt.Min(), rtt.Smoothed(), rtt.Latest(), rtt.Deviation()
	}
	s.CongestionWindow = c.controller.Window()
	s.BytesInFlight = c.detector.InFlight()
	s.DatagramSize = c.mtu.Size()
	s.Streams = len(c.streams.all)
	s.Controller = c.controller.Name()
	return s
}

// since returns the time from t to the endpoint's now.
func (c *Conn) since(t gquic.Instant) time.Duration { return c.e.now.Sub(t) }
