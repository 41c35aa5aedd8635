package udp

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A quickWait waits for an answer in the system itself, and not in Go's poller: there,
// looking whether something is there takes a call for nothing, and falling asleep two
// more. That is worth it where a program has one thread for Go code, and one goroutine
// gets one small answer after another. It is not in a transfer: by the time that the
// poller has fallen asleep more has come, which is then one batch; nor with more
// threads, of which one that waits in the poller wakes sooner.
//
// To the runtime it looks like a goroutine that computes: others have their turn when an
// answer does not come at once, and otherwise every 10 ms.
type quickWait struct {
	few   bool // the last read brought few datagrams
	pause int  // do not try for so many times
}

const (
	fewDatagrams = 4

	// quickLimit is the longest wait, in nanoseconds. (One much below the system's own
	// tick costs more, for a timer has to be set.)
	quickLimit = 1e6

	// quickPause is for how many times not to try where the answer did not come in time.
	quickPause = 16
)

// quickWaiting: one waits in this way, in the whole program, for it holds the thread.
var quickWaiting atomic.Bool

// wait reports whether there is nothing to read. If it does not know there may be.
func (q *quickWait) wait(fd uintptr) (nothing bool) {
	switch {
	case !q.few:
		return false
	case q.pause > 0:
		q.pause--
		return false
	case !quickWaiting.CompareAndSwap(false, true):
		return false
	}
	defer quickWaiting.Store(false)
	n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &unix.Timespec{Nsec: quickLimit}, nil)
	if err != nil || n == 0 {
		q.pause = quickPause
	}
	return err == nil && n == 0
}
