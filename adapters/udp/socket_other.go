//go:build !linux

package udp

import "example.com/gquic/conn"

// offload: nothing beyond the portable calls.
type offload struct{ messages, segments bool }

func (*offload) detect(*socket) {}

func (*offload) read(*socket) (received, error) { panic("not reached: messages is false") }

func (*offload) write(s *socket, b []byte, t *conn.Transmit) error { return s.writeEach(b, t) }
