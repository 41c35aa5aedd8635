package recovery

import (
	"time"

	"example.com/gquic/wire"
)

// A LossRule says when a packet below the largest acknowledged is lost.
// (Reference: connection, section 5.2.)
type LossRule uint8

const (
	ByDistance     LossRule = iota // three above it are acknowledged, or it is old (the default)
	LazyDistance                   // the same, but only by the second ACK in order (LFAK)
	ByTime                         // only when it is 1.25 round trips old (TIME)
	ByAdaptiveTime                 // 1 + 1/16 round trips, and more once that was too short (ATIM)
)

// A Config holds the choices of a detector. The zero value is the usual one, but for
// SkipSeed, which should be secret.
type Config struct {
	InitialRTT time.Duration // 0: DefaultInitialRTT
	Loss       LossRule
	NoTLP      bool // no tail-loss probe before an RTO (NTLP)
	OneTLP     bool // one instead of two (1TLP)
	OneRTO     bool // an RTO sends one packet instead of two (1RTO)
	FiveRTO    bool // the fifth RTO in a row closes the connection (5RTO)
	LossInRTO  bool // losses found while an RTO is outstanding count as congestion (NRTO)
	SlowCrypto bool // a longer handshake timer (CONH)

	SkipSeed [32]byte // randomness for the packet numbers left out
	NoSkip   bool     // leave none out
}

func (c *Config) maxTLPs() int {
	switch {
	case c.NoTLP:
		return 0
	case c.OneTLP:
		return 1
	}
	return 2
}

// Tags of connection options: the little-endian image of four ASCII bytes.
const (
	tagTIME = 'T' | 'I'<<8 | 'M'<<16 | 'E'<<24
	tagATIM = 'A' | 'T'<<8 | 'I'<<16 | 'M'<<24
	tagLFAK = 'L' | 'F'<<8 | 'A'<<16 | 'K'<<24
	tagNTLP = 'N' | 'T'<<8 | 'L'<<16 | 'P'<<24
	tag1TLP = '1' | 'T'<<8 | 'L'<<16 | 'P'<<24
	tag1RTO = '1' | 'R'<<8 | 'T'<<16 | 'O'<<24
	tag5RTO = '5' | 'R'<<8 | 'T'<<16 | 'O'<<24
	tagNRTO = 'N' | 'R'<<8 | 'T'<<16 | 'O'<<24
	tagCONH = 'C' | 'O'<<8 | 'N'<<16 | 'H'<<24
)

// WithOptions returns c with the choices that the client's options make for the endpoint
// in role p: copt and clop are the tags of COPT and CLOP. Most hold for both ends if they are in
// COPT; how loss is detected is each end's own: COPT for the server, CLOP for the client.
// Unknown ones are ignored. (Reference: connection, section 7.8.)
func WithOptions[T ~uint32](c Config, p wire.Perspective, copt, clop []T) Config {
	own := copt
	if p == wire.Client {
		own = clop
	}
	for _, t := range own {
		switch t {
		case tagTIME:
			c.Loss = ByTime
		case tagATIM:
			c.Loss = ByAdaptiveTime
		case tagLFAK:
			c.Loss = LazyDistance
		}
	}
	for _, t := range copt {
		switch t {
		case tagNTLP:
			c.NoTLP = true
		case tag1TLP:
			c.OneTLP = true
		case tag1RTO:
			c.OneRTO = true
		case tag5RTO:
			c.FiveRTO = true
		case tagNRTO:
			c.LossInRTO = true
		case tagCONH:
			c.SlowCrypto = true
		}
	}
	return c
}
