package udp

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxEndpoints is how many endpoints a byte of the connection ID can tell apart.
const maxEndpoints = 256

// shareAddress makes n sockets of one address (SO_REUSEPORT), among which the kernel
// chooses by the connection ID: a client whose address changes stays where its connection
// is. It returns nil where the kernel cannot do that.
func shareAddress(a *net.UDPAddr, n int) ([]*net.UDPConn, error) {
	n = min(n, maxEndpoints)
	reuse := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return err
	}}
	var socks []*net.UDPConn
	closeAll := func() {
		for _, c := range socks {
			c.Close()
		}
	}
	addr := a.String()
	for range n {
		c, err := reuse.ListenPacket(context.Background(), "udp", addr)
		if err != nil {
			closeAll()
			return nil, err
		}
		socks = append(socks, c.(*net.UDPConn))
		addr = c.LocalAddr().String()
	}
	if steer(socks[0], n) != nil {
		closeAll()
		return nil, nil // without steering a client whose address changes would be lost
	}
	return socks, nil
}

// steer attaches the filter that chooses a socket, by the order in which they were bound.
// Clients choose connection IDs at random, and send them in every packet (reference:
// wire, section 3):
//
//	long header    first byte 0x80 or more    ID in bytes 6 to 13
//	else                                      ID in bytes 1 to 8
func steer(c *net.UDPConn, n int) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x80, Jt: 0, Jf: 2},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: 1},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 8},
		{Code: unix.BPF_ALU | unix.BPF_MOD | unix.BPF_K, K: uint32(n)},
		{Code: unix.BPF_RET | unix.BPF_A},
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	return err
}
