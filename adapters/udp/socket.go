package udp

import (
	"net"
	"net/netip"
	"time"

	"example.com/gquic/conn"
)

// A socket moves datagrams, several in one call where the system can. It is the seam
// between the endpoint and the system: everything above it is portable.
//
// One goroutine reads; writes are serialised by the endpoint's lock.
type socket struct {
	udp       *net.UDPConn
	local     netip.AddrPort
	remote    netip.AddrPort // of a connected socket; else invalid
	offload   offload        // what the system offers, and its state
	readBuf   []byte
	connected bool
}

// Sizes of the buffer for reading: coalesced holds the largest run of datagrams that the
// system puts together, single more than any one that a peer may send.
const (
	coalesced = 1 << 16
	single    = 2048
)

// received is one read: one datagram, or several of a size from one sender.
type received struct {
	from, to netip.AddrPort
	payload  []byte // valid until the next read
	segment  int    // > 0: payload is datagrams of this size, the last may be shorter
}

// socketBuffer is what is asked of the system for each direction; it gives what it
// allows. It holds what arrives while the endpoint is busy for some milliseconds.
const socketBuffer = 4 << 20

func newSocket(c *net.UDPConn, how Offload) *socket {
	c.SetReadBuffer(socketBuffer) // a wish: what the system allows is enough to run
	c.SetWriteBuffer(socketBuffer)
	s := &socket{udp: c}
	s.local = unmap(c.LocalAddr().(*net.UDPAddr).AddrPort())
	if a, ok := c.RemoteAddr().(*net.UDPAddr); ok && a != nil {
		s.remote, s.connected = unmap(a.AddrPort()), true
	}
	if how == OffloadAuto {
		s.offload.detect(s)
	}
	size := single
	if s.offload.coalesces {
		size = coalesced
	}
	s.readBuf = make([]byte, size)
	return s
}

// read waits for a datagram until the deadline set on the socket.
func (s *socket) read() (received, error) {
	if s.offload.messages {
		return s.offload.read(s)
	}
	n, from, err := s.udp.ReadFromUDPAddrPort(s.readBuf)
	if err != nil {
		return received{}, err
	}
	return received{from: unmap(from), to: s.local, payload: s.readBuf[:n]}, nil
}

// write sends the datagrams that b holds.
func (s *socket) write(b []byte, t *conn.Transmit) error {
	if s.offload.messages {
		return s.offload.write(s, b, t)
	}
	return s.writeEach(b, t)
}

// writeEach sends them one by one.
func (s *socket) writeEach(b []byte, t *conn.Transmit) error {
	var first error
	for len(b) > 0 {
		n := len(b)
		if t.Segment > 0 {
			n = min(n, t.Segment)
		}
		var err error
		if s.connected {
			_, err = s.udp.Write(b[:n])
		} else {
			_, err = s.udp.WriteToUDPAddrPort(b[:n], t.To)
		}
		if err != nil && first == nil {
			first = err
		}
		b = b[n:]
	}
	return first
}

// maxDatagrams is how many datagrams one write may take.
func (s *socket) maxDatagrams() int {
	if s.offload.segments {
		return maxSegments
	}
	return 8 // no gain from more: each is a call of its own
}

// maxSegments of 1452 bytes fit into one UDP payload; the kernel takes at most 64.
const maxSegments = 44

func (s *socket) setReadDeadline(t time.Time) { s.udp.SetReadDeadline(t) }

func (s *socket) close() error { return s.udp.Close() }

// unmap turns an IPv4 address in IPv6 clothes into plain IPv4, so that a peer has one
// address whatever the socket's family.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
