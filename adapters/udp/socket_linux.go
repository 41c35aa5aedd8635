package udp

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"example.com/gquic/conn"
)

// offload is what Linux adds: several datagrams of one size in one call (UDP_SEGMENT
// out, UDP_GRO in), and the local address of each datagram on a wildcard socket
// (PKTINFO). Each is asked for at run time; what the kernel refuses is not used.
type offload struct {
	messages  bool // use sendmsg and recvmsg with control data
	segments  bool // UDP_SEGMENT works
	coalesces bool // UDP_GRO works
	pktinfo   bool // local addresses come and go as control data
	v6        bool // the socket's family is AF_INET6

	in, out [128]byte // control data, reused
}

func (o *offload) detect(s *socket) {
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		f := int(fd)
		if _, err := unix.GetsockoptInt(f, unix.IPPROTO_UDP, unix.UDP_SEGMENT); err == nil {
			o.segments = true
		}
		o.coalesces = unix.SetsockoptInt(f, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
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
		o.messages = o.segments || o.coalesces || o.pktinfo
	})
}

// dontFragment has oversized datagrams lost on the way instead of cut into pieces, so
// that a search for the largest size finds the path's, and not the system's idea of it.
func (s *socket) dontFragment() {
	raw, err := s.udp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { // each family's option fails on the other's sockets
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	})
}

func (o *offload) read(s *socket) (received, error) {
	n, oobn, _, from, err := s.udp.ReadMsgUDPAddrPort(s.readBuf, o.in[:])
	if err != nil {
		return received{}, err
	}
	r := received{from: unmap(from), to: s.local, payload: s.readBuf[:n]}
	for control := o.in[:oobn]; len(control) >= unix.SizeofCmsghdr; {
		h, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		control = rest
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			if size := int(binary.NativeEndian.Uint32(data)); size < n {
				r.segment = size
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// interface index, local address, destination in the header
			r.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[8:12])), s.local.Port())
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			r.to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(data[:16])).Unmap(), s.local.Port())
		}
	}
	return r, nil
}

func (o *offload) write(s *socket, b []byte, t *conn.Transmit) error {
	several := t.Segment > 0 && t.Segment < len(b)
	if several && !o.segments {
		return s.writeEach(b, t)
	}
	control := o.out[:0]
	if several {
		var size [2]byte
		binary.NativeEndian.PutUint16(size[:], uint16(t.Segment))
		control = appendControl(control, unix.IPPROTO_UDP, unix.UDP_SEGMENT, size[:])
	}
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
	to := t.To
	if s.connected {
		to = netip.AddrPort{}
	}
	_, _, err := s.udp.WriteMsgUDPAddrPort(b, control, to)
	if err != nil && several && segmentationFailed(err) {
		// The interface cannot do it (EIO: no checksum offload), or not at this size.
		o.segments = !errors.Is(err, unix.EIO)
		return s.writeEach(b, t)
	}
	return err
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
