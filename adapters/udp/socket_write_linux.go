package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/gquic/conn"
)

func (o *offload) write(s *socket, b []byte, t *conn.Transmit) error {
	several := t.Segment > 0 && t.Segment < len(b)
	control := o.out[:0]
	if several && !o.segments {
		return o.writeMany(s, o.address(control, t), b, t)
	}
	if several {
		var size [2]byte
		binary.NativeEndian.PutUint16(size[:], uint16(t.Segment))
		control = appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size[:])
	}
	control = o.address(control, t)
	err := o.send(s, b, control, t.To)
	if err != nil && several && segmentationFailed(err) {
		// The interface cannot do it (EIO: no checksum offload), or not at this size.
		o.segments = !errors.Is(err, unix.EIO)
		return o.writeMany(s, o.address(o.out[:0], t), b, t)
	}
	if several {
		s.datagramsWritten.Add(uint64((len(b) + t.Segment - 1) / t.Segment))
	} else {
		s.datagramsWritten.Add(1)
	}
	return err
}

// send sends a datagram, or a run of them that control tells how to cut.
func (o *offload) send(s *socket, b, control []byte, to netip.AddrPort) (err error) {
	for range 2 {
		s.writes.Add(1)
		switch {
		case !s.connected:
			_, err = unix.SendmsgN(o.fd, b, control, o.sockaddr(to), 0)
		case len(control) > 0:
			_, err = unix.SendmsgN(o.fd, b, control, nil, 0)
		default:
			_, err = unix.Write(o.fd, b)
		}
		switch err {
		case unix.EAGAIN:
			o.waitToWrite()
		case unix.EINTR:
		default:
			return err
		}
	}
	return unix.ENOBUFS // it is lost
}

// sockaddr is an address as the system wants it, valid until the next one.
func (o *offload) sockaddr(to netip.AddrPort) unix.Sockaddr {
	if !o.v6 {
		o.to4.Port, o.to4.Addr = int(to.Port()), to.Addr().Unmap().As4()
		return &o.to4
	}
	o.to6.Port, o.to6.Addr, o.to6.ZoneId = int(to.Port()), to.Addr().As16(), scope(to.Addr())
	return &o.to6
}

// sendEach sends datagrams one by one.
func (o *offload) sendEach(s *socket, control, b []byte, t *conn.Transmit) (first error) {
	for len(b) > 0 {
		size := min(len(b), t.Segment)
		if err := o.send(s, b[:size], control, t.To); err != nil && first == nil {
			first = err
		}
		s.datagramsWritten.Add(1)
		b = b[size:]
	}
	return first
}

// address appends the control message that names the local address, where there is a
// choice, and the one that sets the ECN bits, where there are any.
func (o *offload) address(control []byte, t *conn.Transmit) []byte {
	if from := t.From.Addr(); o.pktinfo && from.IsValid() && !from.IsUnspecified() {
		switch {
		case o.v6:
			var info [unix.SizeofInet6Pktinfo]byte
			*(*[16]byte)(info[:]) = from.As16()
			control = appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, info[:])
		case from.Is4():
			var info [unix.SizeofInet4Pktinfo]byte
			*(*[4]byte)(info[4:]) = from.As4()
			control = appendControl(control, unix.IPPROTO_IP, unix.IP_PKTINFO, info[:])
		}
	}
	if t.ECN != 0 {
		var tos [4]byte
		binary.NativeEndian.PutUint32(tos[:], uint32(t.ECN))
		if o.v6 && !t.To.Addr().Is4() {
			control = appendControl(control, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, tos[:])
		} else {
			control = appendControl(control, unix.IPPROTO_IP, unix.IP_TOS, tos[:])
		}
	}
	return control
}

// A writeBatch is what one sendmmsg takes.
type writeBatch struct {
	headers [maxSegments]messageHeader
	pieces  [maxSegments]unix.Iovec
	to      unix.RawSockaddrInet6
}

// writeMany sends datagrams with as few calls as there are without segmentation.
func (o *offload) writeMany(s *socket, control, b []byte, t *conn.Transmit) error {
	if !o.batches {
		return o.sendEach(s, control, b, t)
	}
	if o.many == nil {
		o.many = new(writeBatch)
	}
	n := o.many.fill(s, control, b, t)
	sent, waited := 0, false
	for sent < n {
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(o.fd), uintptr(unsafe.Pointer(&o.many.headers[sent])), uintptr(n-sent), 0, 0, 0)
		s.writes.Add(1)
		switch {
		case errno == 0:
			sent += int(k)
			s.datagramsWritten.Add(uint64(k))
		case errno == unix.EINTR:
		case errno == unix.EAGAIN && !waited:
			o.waitToWrite()
			waited = true
		case errno == unix.EAGAIN:
			return unix.ENOBUFS // the rest is lost
		case errno == unix.ENOSYS || errno == unix.EPERM && sent == 0: // also what a sandbox says
			o.batches = false
			return o.sendEach(s, control, b, t)
		default:
			return errno
		}
	}
	return nil
}

// fill lays out the datagrams of b and returns how many they are.
func (w *writeBatch) fill(s *socket, control, b []byte, t *conn.Transmit) (n int) {
	for ; len(b) > 0 && n < len(w.headers); n++ {
		size := min(len(b), t.Segment)
		w.pieces[n].Base = &b[0]
		w.pieces[n].SetLen(size)
		b = b[size:]
		h := &w.headers[n].Msghdr
		*h = unix.Msghdr{Iov: &w.pieces[n]}
		h.SetIovlen(1)
		if !s.connected {
			h.Name = (*byte)(unsafe.Pointer(&w.to))
			h.Namelen = putAddress(&w.to, t.To, s.offload.v6)
		}
		if len(control) > 0 {
			h.Control = &control[0]
			h.SetControllen(len(control))
		}
	}
	return n
}

// putAddress writes a socket address and returns its length.
func putAddress(a *unix.RawSockaddrInet6, to netip.AddrPort, v6 bool) uint32 {
	if !v6 {
		a4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		*a4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().Unmap().As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a4.Port))[:], to.Port())
		return unix.SizeofSockaddrInet4
	}
	*a = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16(), Scope_id: scope(to.Addr())}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.Port))[:], to.Port())
	return unix.SizeofSockaddrInet6
}

// scope is the number of the interface that a link-local address names.
func scope(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	if i, err := net.InterfaceByName(a.Zone()); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.Atoi(a.Zone())
	return uint32(n)
}

func segmentationFailed(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EMSGSIZE)
}

// appendControl appends one control message. b's array must have the room.
func appendControl(b []byte, level, kind int32, data []byte) []byte {
	at := len(b)
	b = b[:at+unix.CmsgSpace(len(data))]
	clear(b[at:])
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[at]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(data)))
	copy(b[at+unix.CmsgLen(0):], data)
	return b
}
