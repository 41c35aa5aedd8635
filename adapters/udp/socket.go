package udp

import (
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"example.com/gquic/conn"
)

// A socket moves datagrams, several in one call where the system can. It is the seam
// between the endpoint and the system: everything above it is portable.
//
// One goroutine at a time reads; writes are serialised by the endpoint's lock.
type socket struct {
	udp       *net.UDPConn // nil if offload has taken it over
	local     netip.AddrPort
	remote    netip.AddrPort // of a connected socket; else invalid
	offload   offload        // what the system offers, and its state
	readBuf   []byte         // of the portable way to read
	read      received       // likewise
	connected bool

	start    time.Time
	deadline atomic.Int64 // for reading, since start; 0: none

	reads, datagramsRead     atomic.Uint64
	writes, datagramsWritten atomic.Uint64
	ecn                      [4]atomic.Uint64
	readBuffer, writeBuffer  int // what the system gave, in bytes; 0: not known
}

// Sizes of the buffers for reading: coalesced holds the largest run of datagrams that the
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
	ecn      uint8  // the ECN bits, 0 also if not known
}

func (r *received) datagrams() int {
	if r.segment <= 0 {
		return 1
	}
	return (len(r.payload) + r.segment - 1) / r.segment
}

// A sink takes what a socket reads.
type sink interface {
	// arrived takes what one read brought.
	arrived(*received)
	// drained follows after one or several of them, when nothing more is there for now
	// or it is time to act on what came. It returns true to stop reading: then the socket
	// does nothing more but return.
	drained() (stop bool)
}

// socketBuffer is what is asked of the system for each direction; it gives what it
// allows. It holds what arrives while the endpoint is busy for some milliseconds.
const socketBuffer = 4 << 20

// newSocket takes a socket over. ours: nobody else has it.
func newSocket(c *net.UDPConn, how Offload, ours bool) *socket {
	s := &socket{udp: c, start: time.Now()}
	s.local = unmap(c.LocalAddr().(*net.UDPAddr).AddrPort())
	if a, ok := c.RemoteAddr().(*net.UDPAddr); ok && a != nil {
		s.remote, s.connected = unmap(a.AddrPort()), true
	}
	s.offload.detect(s, how, ours)
	if !s.offload.messages {
		c.SetReadBuffer(socketBuffer) // a wish: what the system allows is enough to run
		c.SetWriteBuffer(socketBuffer)
	}
	return s
}

// lendable reports whether there is a cheaper way to wait for one who does nothing else.
func (s *socket) lendable() bool { return s.offload.messages }

// lend says who calls serve next: one who waits in that way, or the endpoint's goroutine.
// Without a file descriptor for the change all stays as it is: that works, and costs more.
func (s *socket) lend(lent bool) {
	switch {
	case !s.offload.messages:
	case lent:
		s.offload.unpark()
	default:
		s.offload.park(s)
	}
}

// serve reads until the deadline, an error, or the sink's stop, which is a nil error. On
// a socket that is lent it also returns errSilent when it has waited in vain for a while.
func (s *socket) serve(to sink) error {
	if s.offload.messages {
		return s.offload.serve(s, to)
	}
	if s.readBuf == nil {
		s.readBuf = make([]byte, single)
	}
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(s.readBuf)
		if err != nil {
			return err
		}
		s.reads.Add(1)
		s.datagramsRead.Add(1)
		s.read = received{from: unmap(from), to: s.local, payload: s.readBuf[:n]}
		to.arrived(&s.read)
		if to.drained() {
			return nil
		}
	}
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
		s.writes.Add(1)
		s.datagramsWritten.Add(1)
		b = b[n:]
	}
	return first
}

// maxDatagrams is how many datagrams one write may take.
func (s *socket) maxDatagrams() int {
	if s.offload.segments || s.offload.batches {
		return maxSegments
	}
	return 8 // no gain from more: each is a call of its own
}

// maxSegments of 1452 bytes fit into one UDP payload; the kernel takes at most 64.
const maxSegments = 44

// setReadDeadline has serve return at t, never for the zero t.
func (s *socket) setReadDeadline(t time.Time) {
	at := int64(0)
	if !t.IsZero() {
		at = max(1, int64(t.Sub(s.start)))
	}
	s.deadline.Store(at)
	if s.offload.messages {
		s.offload.setReadDeadline(t)
	} else {
		s.udp.SetReadDeadline(t)
	}
}

// deadlineTime is the deadline as package net wants it.
func (s *socket) deadlineTime() time.Time {
	at := s.deadline.Load()
	if at == 0 {
		return time.Time{}
	}
	return s.start.Add(time.Duration(at))
}

// interrupt has serve return soon. Closing would wait for it, and the caller may be
// what serve waits for.
func (s *socket) interrupt() { s.setReadDeadline(time.Unix(1, 0)) }

// close closes the socket. Nobody may be in serve.
func (s *socket) close() error {
	if s.offload.messages {
		return s.offload.close()
	}
	return s.udp.Close()
}

// unmap turns an IPv4 address in IPv6 clothes into plain IPv4, so that a peer has one
// address whatever the socket's family.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
