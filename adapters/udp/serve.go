package udp

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// Who serves the socket, that is, waits for its datagrams and for the core's deadline.
// An endpoint has a goroutine for it. But where one goroutine of the application waits
// for the same thing again and again, as for the bytes of a transfer or for the next
// answer, waking it for each batch of packets costs more than the packets do: another
// thread comes, the two fight for the lock, and the processors' caches follow. So the
// socket is lent: who waits serves meanwhile, in the cheapest way that the system has, and
// goes on with what it got by itself.
//
//	      one waiter was woken, and no other, lendAfter times in a row
//	own ---------------------------------------------------------------> lent
//	    <---------------------------------------------------------------
//	      another one was woken, nothing came for a while, or nobody
//	      served for a whole tick
//
// While it is lent the endpoint's goroutine looks every tick, for an application may take
// its time between two calls.
const (
	// lendAfter is how often the same waiter must be woken. To lend and to take back
	// costs some system calls and a wake-up.
	lendAfter = 16

	// tick is how long datagrams and deadlines may lie while nobody serves, once or
	// twice: little beside the delays that peers allow for (25 ms for an acknowledgement),
	// and much beside the time it takes to look.
	tick = time.Millisecond
)

// lentSockets is how many sockets are lent in the whole program. One that serves a lent
// socket holds a thread for Go code, which the runtime notices late: without another one
// everything else in the program waits for up to 10 ms. So one thread stays free, and a
// program with only one lends nothing.
var lentSockets atomic.Int32

// serving is the state of that, under the endpoint's lock.
type serving struct {
	lent   bool
	by     *signal // what the one waits for who serves a lent socket; nil: nobody does
	turns  int     // how often somebody began to
	called bool    // the one who serves is to look for itself
	call   chan struct{}
	timer  *time.Timer // for the tick

	// Of the round that is under way: who serves holds the lock, and acts on what a read
	// brought.
	inRound bool
	woken   *signal // what was given in it to somebody who waits; &several: more than one

	last  *signal // the only one that was given, times times in a row
	times int
}

var several signal

// A signal is something to wait for, under a lock.
type signal struct {
	cond    sync.Cond
	e       *endpoint // whose socket may be served meanwhile; nil: none
	waiting int
}

// wait sleeps until the signal is given, or serves the socket for a while. As with any
// condition, the caller looks again whether what it waits for is there.
func (s *signal) wait() {
	if s.e != nil && s.e.serving.lent && s.e.serving.by == nil && !s.e.ended {
		s.e.serveFor(s)
		return
	}
	s.waiting++
	s.cond.Wait()
	s.waiting--
}

// waitContext is wait that fails when ctx is over.
func (s *signal) waitContext(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() {
			s.cond.L.Lock()
			defer s.cond.L.Unlock()
			s.wake()
		})()
	}
	s.wait()
	return nil
}

// wake gives the signal.
func (s *signal) wake() {
	serves := s.e != nil && s.e.serving.by == s
	if serves && !s.e.serving.inRound {
		s.e.serving.called = true
		s.e.interrupt()
	}
	if serves || s.waiting > 0 {
		s.e.noteWoken(s)
	}
	if s.waiting > 0 {
		s.cond.Broadcast()
	}
}

// noteWoken has a round know whom it woke.
func (e *endpoint) noteWoken(s *signal) {
	if e == nil || !e.serving.inRound {
		return
	}
	if v := &e.serving; v.woken == nil {
		v.woken = s
	} else if v.woken != s {
		v.woken = &several
	}
}

// run is the endpoint's goroutine.
func (e *endpoint) run() {
	growStack()
	defer close(e.done)
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.ended {
		if e.serving.lent {
			e.watch()
		} else {
			e.serve()
		}
	}
	e.takeBack()
	for e.serving.by != nil {
		e.sleep()
	}
	e.sock.close()
}

// lend has who waits serve, if there is a thread to spare for it.
func (e *endpoint) lend() {
	if !e.sock.lendable() {
		return
	}
	if int(lentSockets.Add(1)) >= runtime.GOMAXPROCS(0) {
		lentSockets.Add(-1)
		return
	}
	e.serving.lent = true
}

// takeBack has the endpoint's goroutine serve.
func (e *endpoint) takeBack() {
	if e.serving.lent {
		e.serving.lent = false
		lentSockets.Add(-1)
	}
}

// watch sleeps for a tick, and takes the socket back if nobody served in all that time.
func (e *endpoint) watch() {
	v := &e.serving
	turns := v.turns
	e.sleep()
	if v.by == nil && v.turns == turns {
		e.takeBack()
	}
}

// sleep gives the lock up for a tick, or until callBack.
func (e *endpoint) sleep() {
	v := &e.serving
	if v.timer == nil {
		v.timer = time.NewTimer(tick)
	} else {
		v.timer.Reset(tick)
	}
	e.mu.Unlock()
	select {
	case <-v.timer.C:
	case <-v.call:
		v.timer.Stop()
	}
	e.mu.Lock()
}

// callBack has the endpoint's goroutine look what there is to do, if it sleeps.
func (e *endpoint) callBack() {
	select {
	case e.serving.call <- struct{}{}:
	default:
	}
}

// serveFor serves a lent socket until the signal is given.
func (e *endpoint) serveFor(s *signal) {
	v := &e.serving
	v.by = s
	v.turns++
	e.serve()
	v.by = nil
	if !v.lent {
		e.callBack()
	}
}

// serve waits for datagrams and for the deadline, hands them over and sends what became
// due, until somebody else is to serve or the caller is to look for itself. The lock is
// held before and after.
func (e *endpoint) serve() {
	e.sock.lend(e.serving.lent)
	e.mu.Unlock()
	err := e.sock.serve(e)
	if err != nil {
		e.mu.Lock()
	} // else drained has kept it, for the socket may not change hands before serve is over
	e.serving.called = false
	if err == nil || e.ended {
		return
	}
	switch {
	case err == errSilent:
		e.takeBack()
	case !errors.Is(err, os.ErrDeadlineExceeded):
		e.readFailed(err)
	}
	e.roundBegins()
	e.flush(e.now())
	e.roundEnds()
}

// arrived takes what a read brought, and keeps the lock until drained.
func (e *endpoint) arrived(r *received) {
	if !e.serving.inRound {
		e.mu.Lock()
		e.roundBegins()
		e.failures = 0
	}
	e.receive(e.now(), r)
}

// drained acts on everything that has arrived, at once: the more comes together, the
// fewer acknowledgements, wake-ups and system calls there are. It keeps the lock if it
// stops the reading.
func (e *endpoint) drained() (stop bool) {
	e.flush(e.now())
	if e.roundEnds() {
		return true
	}
	e.mu.Unlock()
	return false
}

func (e *endpoint) roundBegins() { e.serving.inRound, e.serving.woken = true, nil }

// roundEnds decides who serves from here on. It reports whether the one who does is to
// stop.
func (e *endpoint) roundEnds() (stop bool) {
	v := &e.serving
	v.inRound = false
	switch {
	case v.woken == nil:
		return e.ended
	case v.lent && v.woken == v.by: // as it should be
		return true
	case v.lent:
		e.takeBack()
		return true
	case v.woken != v.last:
		v.last, v.times = v.woken, 1
		return e.ended
	}
	if v.times++; v.times < lendAfter || v.last == &several {
		return e.ended
	}
	v.last, v.times = nil, 0
	e.lend()
	return e.ended || v.lent
}

// receive hands one read's datagrams to the core.
func (e *endpoint) receive(now gquic.Instant, r *received) {
	b := r.payload
	for first := true; len(b) > 0 || first; first = false {
		n := len(b)
		if r.segment > 0 {
			n = min(n, r.segment)
		}
		d := conn.Datagram{From: r.from, To: r.to, ECN: r.ecn, Payload: b[:n]}
		if e.cfg.Trace == nil {
			e.core.Receive(now, d)
		} else {
			// The core may overwrite the payload, and the verdict comes after.
			seen := append([]byte(nil), d.Payload...)
			_, verdict := e.core.Receive(now, d)
			e.cfg.Trace(Datagram{Time: now, Local: r.to, Remote: r.from, Payload: seen, Verdict: verdict})
		}
		b = b[n:]
	}
}
