package udp

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Waiting for a socket. There are two ways:
//
//	parked  in Go's poller, which knows the socket or a duplicate of it: any number of goroutines
//	        can wait in that way, and hold no thread
//	in the system: a thread waits for this socket alone
//
// The second costs less where packets come all the time. The poller is told of each one
// that comes, whether anybody waits for it or not, by a thread that wakes up for it on
// another core; and before it falls asleep it looks whether something is there, twice.

// silenceLimit is how long to wait in the system before the thread is given up. It is also how
// late an earlier deadline, or a call to stop, may be noticed there.
const silenceLimit = time.Millisecond

// errSilent says that nothing came in that time.
var errSilent = errors.New("udp: nothing came")

// parked is a *net.UDPConn or an *os.File.
type parked interface {
	syscall.Conn
	io.Closer
	SetReadDeadline(time.Time) error
}

// park has the poller know the socket, so that serve can wait for it there.
func (o *offload) park(s *socket) error {
	if o.parked != nil {
		return nil
	}
	fd, err := unix.FcntlInt(uintptr(o.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "udp")
	raw, err := f.SyscallConn()
	if err == nil {
		err = f.SetReadDeadline(s.deadlineTime())
	}
	if err != nil {
		f.Close()
		return err
	}
	o.parked, o.raw = f, raw
	return nil
}

// unpark has the poller forget it, which only closing does.
func (o *offload) unpark() error {
	if o.parked == nil {
		return nil
	}
	if o.same {
		fd, err := unix.FcntlInt(uintptr(o.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		o.fd, o.same = fd, false
	}
	o.parked.Close()
	o.parked, o.raw = nil, nil
	return nil
}

// wait waits in the system until there is something to read. Its errors are the
// deadline's and errSilent, with which there may be.
func (o *offload) wait(s *socket) error {
	limit, last := silenceLimit, errSilent
	if at := s.deadline.Load(); at != 0 {
		if left := time.Duration(at) - time.Since(s.start); left < limit {
			limit, last = left, os.ErrDeadlineExceeded
		}
	}
	if limit <= 0 {
		return last
	}
	p := [1]unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(limit))
	switch n, err := unix.Ppoll(p[:], &ts, nil); {
	case err == unix.EINTR || n > 0:
		return nil
	case err != nil: // a sandbox forbids it, or there are no file descriptors left
		time.Sleep(limit)
		return errSilent
	}
	return last
}

// waitToWrite waits for room in the socket's send buffer, for a time in which any link
// has sent something.
func (o *offload) waitToWrite() {
	p := [1]unix.PollFd{{Fd: int32(o.fd), Events: unix.POLLOUT}}
	ts := unix.NsecToTimespec(int64(100 * time.Millisecond))
	unix.Ppoll(p[:], &ts, nil)
}
