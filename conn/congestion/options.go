package congestion

import "example.com/gquic/wire"

// Options are the choices of a controller. The zero value is the usual one.
type Options struct {
	// Connections is how many connections one behaves like; 0 means 2 (1CON: 1).
	Connections int
	// InitialWindow, MinWindow and MaxWindow are in bytes; 0: 32, 2 (BBR 4) and 2000 MSS.
	InitialWindow, MinWindow, MaxWindow uint64
	// NoPRR leaves sending in recovery to the window alone (NPRR).
	NoPRR bool
	// LargeReduction makes losses in slow start take only what was lost off the
	// window, down to half of it (SSLR).
	LargeReduction bool

	// The rest is BBR's. (Reference: connection, section 8.1.)

	StartupRounds int    // rounds without growth that end startup; 0: 3 (1RTT, 2RTT)
	LowGain       bool   // a gain of 2.773 instead of 2.885 (BBQ1)
	SlowDrain     bool   // drain at 0.75 of the bandwidth (BBQ4)
	SlowStartup   bool   // after a loss start up at 1.5 times the bandwidth (BBRS)
	LargeProbeRTT bool   // 0.75 BDP while the minimal RTT is measured (BBR6)
	Seed          uint64 // chooses the first phase of the bandwidth probing
}

// maxConnections bounds Options.Connections. (Reference: connection, section 7.5.)
const maxConnections = 5

func (o Options) withDefaults(minWindow uint64) Options {
	if o.Connections <= 0 {
		o.Connections = 2
	}
	o.Connections = min(o.Connections, maxConnections)
	if o.MinWindow == 0 {
		o.MinWindow = minWindow
	}
	if o.MaxWindow == 0 {
		o.MaxWindow = DefaultMaxWindow
	}
	o.MaxWindow = max(o.MaxWindow, o.MinWindow)
	if o.InitialWindow == 0 {
		o.InitialWindow = DefaultInitialWindow
	}
	o.InitialWindow = min(max(o.InitialWindow, o.MinWindow), o.MaxWindow)
	if o.StartupRounds <= 0 {
		o.StartupRounds = 3
	}
	return o
}

// Tags of connection options: the little-endian image of four ASCII bytes.
const (
	tagTBBR = 'T' | 'B'<<8 | 'B'<<16 | 'R'<<24
	tagRENO = 'R' | 'E'<<8 | 'N'<<16 | 'O'<<24
	tagBYTE = 'B' | 'Y'<<8 | 'T'<<16 | 'E'<<24
	tagQBIC = 'Q' | 'B'<<8 | 'I'<<16 | 'C'<<24
	tagIW03 = 'I' | 'W'<<8 | '0'<<16 | '3'<<24
	tagIW10 = 'I' | 'W'<<8 | '1'<<16 | '0'<<24
	tagIW20 = 'I' | 'W'<<8 | '2'<<16 | '0'<<24
	tagIW50 = 'I' | 'W'<<8 | '5'<<16 | '0'<<24
	tagMIN1 = 'M' | 'I'<<8 | 'N'<<16 | '1'<<24
	tagMIN4 = 'M' | 'I'<<8 | 'N'<<16 | '4'<<24
	tag1CON = '1' | 'C'<<8 | 'O'<<16 | 'N'<<24
	tagNPRR = 'N' | 'P'<<8 | 'R'<<16 | 'R'<<24
	tagSSLR = 'S' | 'S'<<8 | 'L'<<16 | 'R'<<24
	tag1RTT = '1' | 'R'<<8 | 'T'<<16 | 'T'<<24
	tag2RTT = '2' | 'R'<<8 | 'T'<<16 | 'T'<<24
	tagBBQ1 = 'B' | 'B'<<8 | 'Q'<<16 | '1'<<24
	tagBBQ4 = 'B' | 'B'<<8 | 'Q'<<16 | '4'<<24
	tagBBRS = 'B' | 'B'<<8 | 'R'<<16 | 'S'<<24
	tagBBR6 = 'B' | 'B'<<8 | 'R'<<16 | '6'<<24
)

// FromOptions returns the algorithm and options that the client's connection options choose
// for the endpoint in role p, starting from a and o: copt and clop are the tags of COPT and CLOP.
// Most are each end's own: COPT for the server, CLOP for the client. 1CON in COPT holds for
// both, and NPRR, SSLR, MIN1 and MIN4 for the server alone. Unknown ones are ignored.
// (Reference: connection, section 7.8.)
func FromOptions[T ~uint32](p wire.Perspective, copt, clop []T, a Algorithm, o Options) (Algorithm, Options) {
	own := copt
	if p == wire.Client {
		own = clop
	}
	for _, t := range own {
		switch t {
		case tagTBBR:
			a = BBR
		case tagRENO:
			a = NewReno
		case tagBYTE, tagQBIC:
			a = Cubic
		default:
			o.own(uint32(t))
		}
	}
	for _, t := range copt {
		switch {
		case t == tag1CON:
			o.Connections = 1
		case p == wire.Server:
			o.server(uint32(t))
		}
	}
	return a, o
}

// own applies an option of this end.
func (o *Options) own(t uint32) {
	switch t {
	case tagIW03:
		o.InitialWindow = 3 * MSS
	case tagIW10:
		o.InitialWindow = 10 * MSS
	case tagIW20:
		o.InitialWindow = 20 * MSS
	case tagIW50:
		o.InitialWindow = 50 * MSS
	case tag1RTT:
		o.StartupRounds = 1
	case tag2RTT:
		o.StartupRounds = 2
	case tagBBQ1:
		o.LowGain = true
	case tagBBQ4:
		o.SlowDrain = true
	case tagBBRS:
		o.SlowStartup = true
	case tagBBR6:
		o.LargeProbeRTT = true
	}
}

// server applies an option that only servers obey.
func (o *Options) server(t uint32) {
	switch t {
	case tagMIN1:
		o.MinWindow = MSS
	case tagMIN4:
		o.MinWindow = 4 * MSS
	case tagNPRR:
		o.NoPRR = true
	case tagSSLR:
		o.LargeReduction = true
	}
}
