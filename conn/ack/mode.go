package ack

import "time"

// A Mode says how many packets one ACK may answer.
type Mode uint8

const (
	// EverySecond answers every second retransmittable packet at once, and what
	// arrives out of order or above a new gap too. It is what most peers saw.
	EverySecond Mode = iota
	// Decimated does the same up to packet number 100. Beyond, it answers every
	// tenth packet, and lets a gap wait for an eighth of the minimal round trip.
	Decimated
)

// String returns the mode's name.
func (m Mode) String() string {
	if m == Decimated {
		return "decimated"
	}
	return "every second"
}

// Limits and delays (reference: connection, sections 1 and 2.2).
const (
	// MaxRanges bounds the list of ranges: the most that one ACK frame reports.
	MaxRanges = 255
	// MaxDelay is the longest that a retransmittable packet waits for its ACK.
	MaxDelay = 25 * time.Millisecond

	everySecond     = 2   // packets an ACK answers
	everyTenth      = 10  // the same when decimated
	decimationAfter = 100 // packet numbers up to here are never decimated
	nearGap         = 4   // packets above a new gap that still hurry the ACK

	// decimatedFloor keeps the decimated delay from shrinking below what timers
	// can tell apart: on a short path the tenth packet comes sooner anyway.
	decimatedFloor = time.Millisecond
)

// decimatedDelay is how long a packet waits when decimated: a quarter of the
// minimal round trip, or MaxDelay while that is unknown.
func decimatedDelay(minRTT time.Duration) time.Duration {
	if minRTT <= 0 {
		return MaxDelay
	}
	return min(MaxDelay, max(minRTT/4, decimatedFloor))
}

// Tags of the connection options that choose a mode: the little-endian image of
// four ASCII bytes (reference: connection, section 2.2).
const (
	tagACKD = 'A' | 'C'<<8 | 'K'<<16 | 'D'<<24
	tagAKD2 = 'A' | 'K'<<8 | 'D'<<16 | '2'<<24
	tagAKD3 = 'A' | 'K'<<8 | 'D'<<16 | '3'<<24
	tagAKD4 = 'A' | 'K'<<8 | 'D'<<16 | '4'<<24
	tagACD0 = 'A' | 'C'<<8 | 'D'<<16 | '0'<<24
)

// ModeFromOptions returns the mode that the client's connection options (COPT)
// ask both ends for, or m if they ask for none. The last one that fits wins.
func ModeFromOptions[T ~uint32](copt []T, m Mode) Mode {
	for _, t := range copt {
		switch t {
		case tagACKD, tagAKD2, tagAKD3, tagAKD4:
			m = Decimated
		case tagACD0:
			m = EverySecond
		}
	}
	return m
}
