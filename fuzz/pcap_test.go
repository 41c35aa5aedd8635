package fuzz

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// A udpDatagram is one UDP payload of a capture.
type udpDatagram struct {
	frame    int // number of the frame in the file, from 1
	from, to netip.AddrPort
	payload  []byte
}

var errCapture = errors.New("not a capture that is understood")

// readCapture returns the UDP datagrams of a pcap or pcapng file: Ethernet, with VLAN tags
// or without, or raw IP; IPv4 and IPv6. What is cut or something else is left out.
func readCapture(b []byte) ([]udpDatagram, error) {
	if len(b) < 24 {
		return nil, errCapture
	}
	switch le := binary.LittleEndian; le.Uint32(b) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		return readPcap(b, le)
	case 0x0a0d0d0a:
		return readPcapng(b, le)
	}
	return nil, errCapture
}

func readPcap(b []byte, o binary.ByteOrder) (all []udpDatagram, err error) {
	link := o.Uint32(b[20:])
	b = b[24:]
	for n := 1; len(b) >= 16; n++ {
		size := int(o.Uint32(b[8:]))
		if size > len(b)-16 {
			return all, errCapture
		}
		all = appendUDP(all, n, link, b[16:16+size])
		b = b[16+size:]
	}
	return all, nil
}

func readPcapng(b []byte, o binary.ByteOrder) (all []udpDatagram, err error) {
	var links []uint32 // by interface
	n := 0
	for len(b) >= 12 {
		kind, size := o.Uint32(b), int(o.Uint32(b[4:]))
		if size < 12 || size > len(b) {
			return all, errCapture
		}
		body := b[8 : size-4]
		b = b[size:]
		switch kind {
		case 0x0a0d0d0a:
			links = nil
		case 1:
			links = append(links, uint32(o.Uint16(body)))
		case 6:
			n++
			i, length := int(o.Uint32(body)), int(o.Uint32(body[12:]))
			if i >= len(links) || length > len(body)-20 {
				return all, errCapture
			}
			all = appendUDP(all, n, links[i], body[20:20+length])
		}
	}
	return all, nil
}

func appendUDP(all []udpDatagram, n int, link uint32, b []byte) []udpDatagram {
	be := binary.BigEndian
	if link == 1 { // Ethernet
		if len(b) < 14 {
			return all
		}
		kind := be.Uint16(b[12:])
		b = b[14:]
		for kind == 0x8100 && len(b) >= 4 {
			kind, b = be.Uint16(b[2:]), b[4:]
		}
		if kind != 0x0800 && kind != 0x86dd {
			return all
		}
	}
	var from, to netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == 17:
		from, _ = netip.AddrFromSlice(b[12:16])
		to, _ = netip.AddrFromSlice(b[16:20])
		b = b[min(len(b), int(b[0]&15)*4):min(len(b), int(be.Uint16(b[2:])))]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == 17:
		from, _ = netip.AddrFromSlice(b[8:24])
		to, _ = netip.AddrFromSlice(b[24:40])
		b = b[40:min(len(b), 40+int(be.Uint16(b[4:])))]
	default:
		return all
	}
	if len(b) < 8 || int(be.Uint16(b[4:])) > len(b) || be.Uint16(b[4:]) < 8 {
		return all
	}
	return append(all, udpDatagram{n, netip.AddrPortFrom(from, be.Uint16(b)), netip.AddrPortFrom(to, be.Uint16(b[2:])), b[8:be.Uint16(b[4:])]})
}
