package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// messageHeader is the kernel's struct mmsghdr.
type messageHeader struct {
	unix.Msghdr
	n uint32 // bytes of the datagram
}

// A readBatch is what one recvmmsg fills. An endpoint has one only while it reads, so
// that many endpoints with one connection each do not hold one each.
type readBatch struct {
	slots    int
	size     int // of each slot
	buf      []byte
	headers  [maxSlots]messageHeader
	pieces   [maxSlots]unix.Iovec
	from     [maxSlots]unix.RawSockaddrInet6
	controls [maxSlots][controlSize]byte
	read     received // what one slot holds
}

const (
	// maxSlots is the most datagrams, or runs of coalesced ones, of one call.
	maxSlots = 32
	// coalescedSlots runs of 64 KiB are as much as is worth acknowledging in one go.
	coalescedSlots = 8
	controlSize    = 128
)

var (
	coalescedBatches = sync.Pool{New: func() any { return newReadBatch(coalescedSlots, coalesced) }}
	plainBatches     = sync.Pool{New: func() any { return newReadBatch(maxSlots, single) }}
)

func newReadBatch(slots, size int) *readBatch {
	b := &readBatch{slots: slots, size: size, buf: make([]byte, slots*size)}
	for i := range slots {
		b.pieces[i].Base = &b.buf[i*size]
		b.pieces[i].SetLen(size)
		h := &b.headers[i].Msghdr
		h.Iov = &b.pieces[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.from[i]))
		h.Control = &b.controls[i][0]
		b.reset(i)
	}
	return b
}

// reset makes slot i ready to be filled: the kernel has written what it used of it.
func (b *readBatch) reset(i int) {
	h := &b.headers[i].Msghdr
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(controlSize)
}

// serve reads whatever is there, hands it over, and only then waits. One that is parked
// holds no buffer while it waits.
func (o *offload) serve(s *socket, to sink) error {
	o.failed = 0
	if o.parked == nil {
		for {
			err := o.wait(s)
			if err != os.ErrDeadlineExceeded && o.readAll(s, to) {
				return o.failure(nil)
			}
			if err != nil {
				return err
			}
		}
	}
	if o.attempt == nil {
		o.attempt = func(uintptr) (done bool) { return o.readAll(s, to) } // made once, so that reading costs no allocation
	}
	return o.failure(o.raw.Read(o.attempt))
}

// failure is the error of a read, or that of waiting for one.
func (o *offload) failure(err error) error {
	if err == nil && o.failed != 0 {
		return o.failed
	}
	return err
}

// readAll reads until nothing more is there, or no more is wanted, which is done.
func (o *offload) readAll(s *socket, to sink) (done bool) {
	batches := &plainBatches
	if o.coalesces {
		batches = &coalescedBatches
	}
	b := batches.Get().(*readBatch)
	defer batches.Put(b)
	for {
		n, errno := o.fill(b)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		default:
			o.failed = errno
			return true
		}
		s.reads.Add(1)
		for i := range n {
			r := b.take(s, i)
			datagrams := uint64(r.datagrams())
			s.datagramsRead.Add(datagrams)
			s.ecn[r.ecn].Add(datagrams)
			to.arrived(r)
		}
		if to.drained() {
			return true
		}
		if n < b.slots && o.batches {
			return false // that was all; what comes now ends the waiting
		}
	}
}

// fill reads into b and returns how many slots have something.
func (o *offload) fill(b *readBatch) (int, unix.Errno) {
	if o.batches {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(o.fd), uintptr(unsafe.Pointer(&b.headers[0])), uintptr(b.slots), unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.ENOSYS || errno == unix.EPERM { // also what a sandbox says
			o.batches = false
			return o.fill(b)
		}
		return int(n), errno
	}
	n, _, errno := unix.Syscall(unix.SYS_RECVMSG, uintptr(o.fd), uintptr(unsafe.Pointer(&b.headers[0].Msghdr)), unix.MSG_DONTWAIT)
	b.headers[0].n = uint32(n)
	return 1, errno
}

// take returns what slot i holds, and resets the slot.
func (b *readBatch) take(s *socket, i int) *received {
	h, r := &b.headers[i], &b.read
	*r = received{from: address(&b.from[i]), to: s.local, payload: b.buf[i*b.size:][:h.n]}
	for control := b.controls[i][:h.Controllen]; len(control) >= unix.SizeofCmsghdr; {
		c, data, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		control = rest
		switch {
		case c.Level == unix.IPPROTO_UDP && c.Type == unix.UDP_GRO && len(data) >= 4:
			if size := int(binary.NativeEndian.Uint32(data)); size < len(r.payload) {
				r.segment = size
			}
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_TOS && len(data) >= 1:
			r.ecn = data[0] & 3
		case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_TCLASS && len(data) >= 4:
			r.ecn = uint8(binary.NativeEndian.Uint32(data)) & 3
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// interface index, local address, destination in the header
			r.to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(data[8:12])), s.local.Port())
		case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			r.to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(data[:16])).Unmap(), s.local.Port())
		}
	}
	b.reset(i)
	return r
}

// address reads a socket address.
func address(a *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.Port))[:])
	if a.Family == unix.AF_INET {
		a4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(a4.Addr), port)
	}
	ip := netip.AddrFrom16(a.Addr).Unmap()
	if a.Scope_id != 0 && ip.Is6() {
		ip = ip.WithZone(zone(a.Scope_id))
	}
	return netip.AddrPortFrom(ip, port)
}

// zone names an interface. Link-local peers are few, so that it need not be fast.
func zone(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return strconv.Itoa(int(index))
}
