package udp

import (
	"golang.org/x/sys/unix"
)

// offload is what Linux adds. Each thing is asked for at run time; what the kernel refuses,
// or the configuration forbids, is not used.
//
//	out  UDP_SEGMENT: several datagrams of one size in one sendmsg; else sendmmsg
//	in   UDP_GRO: such a run in one piece; recvmmsg takes several pieces
//	     PKTINFO: the local address of each datagram, on a wildcard socket
//	     RECVTOS, RECVTCLASS: its ECN bits
type offload struct {
	messages  bool // use any of this
	segments  bool // UDP_SEGMENT works
	coalesces bool // UDP_GRO works
	batches   bool // recvmmsg and sendmmsg work
	pktinfo   bool // local addresses come and go as control data
	v6        bool // the socket's family is AF_INET6

	out  [128]byte // control data for writing, reused
	many *writeBatch

	attempt func(fd uintptr) bool // what is given to the poller, for the one sink there is
	failed  unix.Errno            // of the last read
	quickly bool                  // try with quick first
	quick   quickWait
}

func (o *offload) detect(s *socket, how Offload) {
	if how == OffloadNone {
		return
	}
	s.raw.Control(func(fd uintptr) {
		f := int(fd)
		_, err := unix.GetsockoptInt(f, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		o.segments = how&NoSegmentation == 0 && err == nil
		o.coalesces = how&NoCoalescing == 0 && unix.SetsockoptInt(f, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
		o.batches = how&NoBatches == 0
		if domain, err := unix.GetsockoptInt(f, unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil {
			o.v6 = domain == unix.AF_INET6
		}
		if s.local.Addr().IsUnspecified() {
			if o.v6 {
				err = unix.SetsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
			} else {
				err = unix.SetsockoptInt(f, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			}
			o.pktinfo = err == nil
		}
		// Each family's option fails on the other's sockets, but that IPv4 comes through
		// IPv6 sockets too.
		unix.SetsockoptInt(f, unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
		unix.SetsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
		// Beyond net.core.rmem_max, where the process may.
		unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer)
		unix.SetsockoptInt(f, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBuffer)
		// The kernel tells twice of what it was asked for: its own records count too.
		s.readBuffer, _ = unix.GetsockoptInt(f, unix.SOL_SOCKET, unix.SO_RCVBUF)
		s.writeBuffer, _ = unix.GetsockoptInt(f, unix.SOL_SOCKET, unix.SO_SNDBUF)
		s.readBuffer /= 2
		s.writeBuffer /= 2
	})
	o.messages = true
}

// dontFragment has oversized datagrams lost on the way instead of cut into pieces, so
// that a search for the largest size finds the path's, and not the system's idea of it.
func (s *socket) dontFragment() {
	s.raw.Control(func(fd uintptr) { // each family's option fails on the other's sockets
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
}
