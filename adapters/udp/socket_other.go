//go:build !linux

package udp

import "example.com/gquic/conn"

// offload: nothing beyond the portable calls.
type offload struct{ messages, segments, batches bool }

func (*offload) detect(*socket, Offload) {}

// dontFragment is not done here: each system has a way of its own.
func (*socket) dontFragment() {}

func (*offload) serve(*socket, sink, bool) error { panic("not reached: messages is false") }

func (*offload) write(s *socket, b []byte, t *conn.Transmit) error { return s.writeEach(b, t) }
