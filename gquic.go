// Package gquic is Google QUIC, the protocol family that Chrome, Google, YouTube
// and LiteSpeed spoke before IETF QUIC (versions Q043 and Q044 here), as a set of
// pure, deterministic state machines.
//
// The machines take bytes and instants and give back datagrams, one deadline and
// events. They start no goroutine, open no socket, read no clock and draw no
// randomness that was not handed to them. Adapters connect them to the world:
//
//   - [example.com/gquic/wire] turns bytes into fields and back: headers, frames, codes.
//   - [example.com/gquic/handshake] is the CHLO/REJ/SHLO handshake: messages, server
//     configs, tokens, proofs, keys, and the machines of both roles.
//   - [example.com/gquic/flowctl] counts windows.
//   - [example.com/gquic/conn] is a connection, and an endpoint of many: what an
//     embedder drives.
//   - adapters/udp, adapters/sim and adapters/cmd/gquic connect an endpoint to UDP
//     sockets, to a simulated network under a test clock, and to the command line.
//
// This package holds the one word that they all share: [Instant].
package gquic

import (
	"math"
	"time"
)

// An Instant is a moment on a monotonic axis that the caller picks, in nanoseconds.
// Only differences have a meaning; zero is a moment like any other. Calls that take
// an Instant never let time run backwards: an earlier one counts as the last one.
type Instant int64

// Never is later than every other Instant: a deadline that does not come.
const Never Instant = math.MaxInt64

// Add returns the instant d after t. Never stays Never, and sums beyond the axis
// stop at its ends: just before Never, or at the earliest instant.
func (t Instant) Add(d time.Duration) Instant {
	if t == Never {
		return Never
	}
	sum := t + Instant(d)
	switch {
	case d > 0 && (sum < t || sum == Never):
		return Never - 1
	case d < 0 && sum > t:
		return math.MinInt64
	}
	return sum
}

// Sub returns how long after u t is, cut to what a Duration can hold.
func (t Instant) Sub(u Instant) time.Duration {
	d := t - u
	switch {
	case t > u && d < 0:
		return math.MaxInt64
	case t < u && d > 0:
		return math.MinInt64
	}
	return time.Duration(d)
}

// String prints t as the duration since instant zero, or "never".
func (t Instant) String() string {
	if t == Never {
		return "never"
	}
	return time.Duration(t).String()
}
