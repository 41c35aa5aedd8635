//go:build !linux

package udp

import (
	"errors"
	"time"

	"example.com/gquic/conn"
)

// offload: nothing beyond the portable calls. messages stays false, so that its methods
// are not reached.
type offload struct{ messages, segments, batches bool }

var errSilent = errors.New("udp: not used here")

func (*offload) detect(*socket, Offload, bool) {}

// dontFragment is not done here: each system has a way of its own.
func (*socket) dontFragment() {}

func (*offload) park(*socket) error                                { return nil }
func (*offload) unpark() error                                     { return nil }
func (*offload) serve(*socket, sink) error                         { return nil }
func (*offload) write(s *socket, b []byte, t *conn.Transmit) error { return nil }
func (*offload) setReadDeadline(time.Time)                         {}
func (*offload) close() error                                      { return nil }
