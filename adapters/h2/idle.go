package h2

import (
	"context"
	"time"

	"example.com/gquic/wire"
)

// orReadTimeout is what a timeout of a Server means: zero stands for ReadTimeout, and what
// is not positive for none, as in net/http.
func (s *Server) orReadTimeout(t time.Duration) time.Duration {
	if t == 0 {
		t = s.ReadTimeout
	}
	return max(0, t)
}

// An idleWatch ends a connection that has sent no request for too long, however many
// other packets it sends. serverConn's lock guards it.
type idleWatch struct {
	timer *time.Timer
	round int // counts the starts and stops, so that an old timer does nothing
}

func (w *idleWatch) stop() {
	w.round++
	if w.timer != nil {
		w.timer.Stop()
	}
}

// watchIdle begins to wait for the next request, if no handler is at work.
func (sc *serverConn) watchIdle() {
	sc.watchIdleFor(sc.srv.orReadTimeout(sc.srv.IdleTimeout), false)
}

func (sc *serverConn) watchIdleFor(t time.Duration, last bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if t <= 0 || len(sc.live) > 0 || sc.c.Context().Err() != nil {
		return
	}
	sc.idle.stop()
	round := sc.idle.round
	sc.idle.timer = time.AfterFunc(t, func() { sc.idleOver(round, t, last) })
}

// idleOver closes the connection, unless the client is still taking its last responses:
// it has as long for that as a handler would have. last: it has had it.
func (sc *serverConn) idleOver(round int, t time.Duration, last bool) {
	sc.mu.Lock()
	stale := round != sc.idle.round || len(sc.live) > 0
	sc.mu.Unlock()
	if stale {
		return
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if !last && sc.c.WaitDelivered(now) != nil {
		if w := sc.srv.WriteTimeout; w > 0 {
			sc.watchIdleFor(w, true)
		} else {
			sc.watchIdleFor(t, false)
		}
		return
	}
	sc.c.CloseWithError(wire.NetworkIdleTimeout, "no request for too long")
}
