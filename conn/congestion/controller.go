package congestion

import (
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
)

// A Controller decides how many bytes may be in flight. Packets that do not ask for
// an ACK are shown to it too and do not count.
type Controller interface {
	// Name returns the algorithm's name.
	Name() string
	// OnSent is called for every packet just before Detector.Sent, with the bytes in
	// flight without it. It may fill p.Delivery.
	OnSent(now gquic.Instant, p *recovery.Packet, inFlight uint64)
	// OnReport is called with what every Detector.Ack and OnTimeout reported.
	OnReport(now gquic.Instant, r *recovery.Report, rtt *recovery.RTT)
	// OnAppLimited is called when there is nothing more to send although CanSend.
	OnAppLimited(inFlight uint64)
	// CanSend reports whether a packet may be sent with so many bytes in flight.
	// The packet may exceed the window: its size is not known yet.
	CanSend(inFlight uint64) bool
	// Window returns the congestion window in bytes.
	Window() uint64
	// PacingRate returns how fast to send, in bytes per second; 0: do not pace.
	PacingRate(rtt *recovery.RTT) uint64
	// InSlowStart reports whether the window is still looking for its size.
	InSlowStart() bool
	// InRecovery reports whether packets sent before a loss was noticed are
	// still on their way.
	InRecovery() bool
	// OnPathChanged starts anew, when the peer is reached over another path.
	OnPathChanged()
	// Clone returns a copy that goes on independently.
	Clone() Controller
}

// Units and bounds, in bytes. (Reference: connection, section 1.)
const (
	// MSS is the unit of congestion windows, whatever the size of packets.
	MSS = 1460

	DefaultInitialWindow = 32 * MSS
	DefaultMaxWindow     = 2000 * MSS
	defaultMinWindow     = 2 * MSS
	defaultMinWindowBBR  = 4 * MSS
)

// An Algorithm names a controller.
type Algorithm uint8

const (
	Cubic Algorithm = iota
	NewReno
	BBR
)

// String returns the algorithm's name.
func (a Algorithm) String() string {
	return [...]string{"Cubic", "NewReno", "BBR"}[min(a, BBR)]
}

// New returns a controller for a connection that has sent nothing.
func New(a Algorithm, o Options) Controller {
	if a == BBR {
		return newBBR(o.withDefaults(defaultMinWindowBBR))
	}
	return newLossBased(a, o.withDefaults(defaultMinWindow))
}

// congested reports whether the loss of p is a sign of congestion.
func congested(p *recovery.Packet) bool { return p.WasInFlight() && !p.Has(recovery.Probe) }

// perSecond returns the rate of n bytes in d, at least 1 if there were any.
func perSecond(n uint64, d time.Duration) uint64 {
	if n == 0 {
		return 0
	}
	return max(1, mulDiv(n, uint64(time.Second), uint64(max(d, 1))))
}
