package udp

import (
	"context"
	"slices"
	"sync"
)

// An acceptor is where the endpoints of a listener put the connections that have arrived,
// and Accept takes them.
type acceptor struct {
	mu      sync.Mutex
	changed signal
	queue   []*Conn
	limit   int
	stopped bool
	err     error // why, if a socket failed
}

func newAcceptor(limit int) *acceptor {
	a := &acceptor{limit: limit}
	a.changed.cond.L = &a.mu
	return a
}

func (a *acceptor) full() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue) >= a.limit
}

// put reports whether c may still be accepted.
func (a *acceptor) put(c *Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return false
	}
	a.queue = append(a.queue, c)
	a.changed.wake()
	return true
}

// stop ends the waiting: nothing more comes. It returns what nobody has accepted; its
// endpoints still hold it.
func (a *acceptor) stop(err error) (dropped []*Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.stopped {
		a.stopped, a.err = true, err
	}
	dropped, a.queue = a.queue, nil
	a.changed.wake()
	return dropped
}

// take waits for a connection. A nil one without an error says that nothing more comes;
// then failure is why, if a socket failed.
func (a *acceptor) take(ctx context.Context) (c *Conn, failure, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		if len(a.queue) > 0 {
			c := a.queue[0]
			a.queue = slices.Delete(a.queue, 0, 1)
			return c, nil, nil
		}
		if a.stopped {
			return nil, a.err, nil
		}
		if err := a.changed.waitContext(ctx); err != nil {
			return nil, nil, err
		}
	}
}
