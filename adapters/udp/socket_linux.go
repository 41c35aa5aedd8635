package udp

import (
	"syscall"
	"time"

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

	fd      int                   // the socket
	parked  parked                // what Go's poller knows of it, while whoever serves may wait there; else nil
	same    bool                  // fd is parked's own, and not a duplicate
	raw     syscall.RawConn       // parked's
	attempt func(fd uintptr) bool // what is given to the poller
	failed  unix.Errno            // of the last read

	to4 unix.SockaddrInet4 // for writing, reused
	to6 unix.SockaddrInet6
}

// detect finds out what there is, and takes the socket over from package net if any of
// it is to be used.
func (o *offload) detect(s *socket, how Offload, ours bool) {
	if how == OffloadNone {
		return
	}
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		f := int(fd)
		if !ours { // who made it may close it
			if f, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err != nil {
				return
			}
		}
		o.fd, o.messages = f, true
		o.parked, o.raw, o.same = s.udp, raw, ours // as it comes, it is parked
		_, err = unix.GetsockoptInt(f, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
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
		unix.SetsockoptInt(f, unix.IPPROTO_IP, unix.IP_RECVTOS, 1) // IPv4 comes through IPv6 sockets too
		if o.v6 {
			unix.SetsockoptInt(f, unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, 1)
		}
		s.readBuffer = setBuffer(f, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
		s.writeBuffer = setBuffer(f, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	})
	if o.messages {
		s.udp = nil
	}
}

// setBuffer asks for a buffer of socketBuffer, beyond net.core.rmem_max where the process may,
// and returns what the system gave.
func setBuffer(fd, force, option int) int {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, socketBuffer) == nil {
		return socketBuffer
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, socketBuffer)
	given, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	return given / 2 // the kernel tells twice of what it was asked for: its own records count too
}

// dontFragment has oversized datagrams lost on the way instead of cut into pieces, so
// that a search for the largest size finds the path's, and not the system's idea of it.
func (s *socket) dontFragment() {
	set := func(fd uintptr) { // each family's option fails on the other's sockets
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}
	if s.offload.messages {
		set(uintptr(s.offload.fd))
	} else if raw, err := s.udp.SyscallConn(); err == nil {
		raw.Control(set)
	}
}

// setReadDeadline, close: what socket's do for a socket that was taken over.
func (o *offload) setReadDeadline(t time.Time) {
	if o.parked != nil {
		o.parked.SetReadDeadline(t)
	}
}

func (o *offload) close() error {
	if o.same {
		return o.parked.Close()
	}
	if o.parked != nil {
		o.parked.Close()
	}
	return unix.Close(o.fd)
}
