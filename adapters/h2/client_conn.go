package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// reserve is how far below the server's stream limit a client stays: LiteSpeed counts the
// streams 1 and 3 (reference: live checks).
const reserve = 2

// A clientConn is a connection to one server: one goroutine reads the headers stream.
type clientConn struct {
	*session
	t     *Transport
	addr  string
	done  chan struct{}        // closed when the headers stream is over
	err   error                // then: why
	safe  chan struct{}        // closed when the handshake is over: all requests may be sent
	early bool                 // the handshake was under way when requests began
	tls   *tls.ConnectionState // set before safe is closed

	mu      sync.Mutex
	freed   sync.Cond
	live    map[wire.StreamID]*clientStream
	slots   int // streams that are open
	limit   int
	next    wire.StreamID
	retired bool // takes no more requests, and closes when the last is done
}

// newClientConn begins to use a connection, perhaps one whose handshake is under way.
func newClientConn(t *Transport, addr string, c *udp.Conn, trace *httptrace.ClientTrace) *clientConn {
	headers := c.FirstStream()
	cc := &clientConn{
		session: newSession(c, headers), t: t, addr: addr,
		done: make(chan struct{}), safe: make(chan struct{}),
		live: make(map[wire.StreamID]*clientStream), limit: conn.DefaultMaxStreams - reserve,
	}
	cc.freed.L = &cc.mu
	if c.State().Connected {
		cc.handshakeDone()
	} else {
		cc.early = true
		go cc.finishHandshake(trace)
	}
	go func() {
		cc.err = cc.read(wire.Client, t.MaxHeaderBytes, cc.handle)
		cc.mu.Lock()
		cc.retired = true
		cc.freed.Broadcast()
		cc.mu.Unlock()
		close(cc.done)
	}()
	return cc
}

// finishHandshake waits for the keys that an attacker cannot repeat anything under.
func (cc *clientConn) finishHandshake(trace *httptrace.ClientTrace) {
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	err := cc.c.Handshake(context.Background())
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(tlsState(cc.c), err)
	}
	if err != nil {
		cc.t.remember(cc.addr, nil)
		return
	}
	cc.handshakeDone()
}

// handshakeDone takes what the server's hello said.
func (cc *clientConn) handshakeDone() {
	state := cc.c.State()
	cc.mu.Lock()
	cc.limit = max(1, int(state.PeerParams.MaxStreams)-reserve)
	cc.freed.Broadcast()
	cc.mu.Unlock()
	if state.PeerParams.HeaderListSize {
		limit := cc.t.MaxHeaderBytes
		if limit <= 0 {
			limit = DefaultMaxHeaderList
		}
		cc.send(context.Background(), func(b []byte) ([]byte, error) {
			return AppendSettings(b, Setting{SettingMaxHeaderListSize, uint32(limit)}, Setting{SettingEnablePush, 0}), nil
		}, nil)
	}
	cc.t.remember(cc.addr, cc.c.Resumption())
	cc.tls = new(tlsState(cc.c))
	close(cc.safe)
}

// tlsState describes the connection for a response.
func (cc *clientConn) tlsState() *tls.ConnectionState {
	select {
	case <-cc.safe:
		return cc.tls
	default:
		return new(tlsState(cc.c))
	}
}

// tlsState describes a connection to those who know only TLS.
func tlsState(c *udp.Conn) tls.ConnectionState {
	if c == nil {
		return tls.ConnectionState{}
	}
	s := c.State()
	return tls.ConnectionState{HandshakeComplete: s.Connected, DidResume: s.ZeroRTT, ServerName: s.ServerName,
		NegotiatedProtocol: "quic/" + s.Version.String(), PeerCertificates: s.PeerCertificates}
}

// handle takes an event of the headers stream. An error closes the connection.
func (cc *clientConn) handle(ev *Event) error {
	switch ev.Kind {
	case SettingEvent:
		cc.apply(ev.Setting)
	case HeadersEvent:
		return cc.headersArrived(ev)
	case PushEvent:
		return cc.refusePush(ev)
	}
	return nil
}

// refusePush resets the stream that was promised.
func (cc *clientConn) refusePush(ev *Event) error {
	if ev.Promised == 0 || ev.Promised%2 != 0 {
		return misframed("stream %d was promised", ev.Promised)
	}
	s, _, err := cc.c.PeerStream(ev.Promised)
	if local := (*conn.LocalError)(nil); errors.As(err, &local) {
		return &Error{local.Code, "PUSH_PROMISE: " + local.Reason}
	}
	if err == nil {
		s.Reset(wire.RefusedStream)
	}
	return nil
}

func (cc *clientConn) headersArrived(ev *Event) error {
	cc.mu.Lock()
	cs, next := cc.live[ev.Stream], cc.next
	cc.mu.Unlock()
	m, err := parseFields(ev.Fields)
	if cs == nil {
		if ev.Stream == 0 || ev.Stream%2 != 0 && (ev.Stream <= wire.HeadersStream || ev.Stream >= next) {
			return misframed("HEADERS for stream %d, which is no request's", ev.Stream)
		}
		cc.settle(ev, &m) // given up, or a push that was refused
		return nil
	}
	if cs.answered() {
		return cc.trailersArrived(ev, cs, &m, err)
	}
	if ev.TooLarge {
		err = &ListSizeError{uint64(cc.maxList()) + 1, uint64(cc.maxList())}
		cs.fail(err, wire.HeadersTooLarge)
		return nil
	}
	if err == nil && m.status >= 100 && m.status < 200 {
		if ev.End || m.status == http.StatusSwitchingProtocols {
			err = malformed("the status " + strconv.Itoa(m.status))
		} else {
			cs.informed(&m)
			return nil
		}
	}
	var resp *http.Response
	if err == nil {
		resp, err = m.response(cs.req, ev.End)
	}
	if err != nil {
		cs.fail(err, wire.BadApplicationPayload)
		return nil
	}
	if ev.End {
		if err := cs.s.EndRead(0); err != nil {
			return nil // the connection is closed
		}
	}
	cs.answer(resp)
	return nil
}

func (cc *clientConn) trailersArrived(ev *Event, cs *clientStream, m *message, err error) error {
	if !ev.End {
		return misframed("second headers on stream %d without END_STREAM", ev.Stream)
	}
	if err != nil || ev.TooLarge {
		return misframed("trailers: %v", err)
	}
	end, err := m.trailers()
	if err != nil {
		return err
	}
	cs.trailersArrived(m.header)
	cs.s.EndRead(end) // an error has closed the connection
	return nil
}

func (cc *clientConn) maxList() int {
	if n := cc.t.MaxHeaderBytes; n > 0 {
		return n
	}
	return DefaultMaxHeaderList
}

// open waits for a free stream.
func (cc *clientConn) open(ctx context.Context) (*udp.Stream, error) {
	defer context.AfterFunc(ctx, func() {
		cc.mu.Lock()
		defer cc.mu.Unlock()
		cc.freed.Broadcast()
	})()
	cc.mu.Lock()
	defer cc.mu.Unlock()
	for cc.slots >= cc.limit && !cc.retired && ctx.Err() == nil {
		cc.freed.Wait()
	}
	switch {
	case ctx.Err() != nil:
		cc.freed.Signal() // this wake-up may have been meant for one who can use it
		return nil, ctx.Err()
	case cc.retired:
		return nil, conn.ErrGoingAway
	}
	cc.slots++
	cc.mu.Unlock()
	s, err := cc.c.OpenStream(ctx)
	cc.mu.Lock()
	if err != nil {
		cc.free()
		return nil, err
	}
	cc.next = max(cc.next, s.ID()+2)
	return s, nil
}

// free gives a stream's place to the next request. The lock is held.
func (cc *clientConn) free() {
	cc.slots--
	cc.freed.Signal()
	if cc.retired && cc.slots == 0 {
		go cc.c.Close()
	}
}

// unusable reports whether no more requests can be sent.
func (cc *clientConn) unusable() bool {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.retired || cc.c.Context().Err() != nil
}

// retire closes the connection when the last request is done.
func (cc *clientConn) retire() {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if !cc.retired {
		cc.retired = true
		cc.freed.Broadcast()
		if cc.slots == 0 {
			go cc.c.Close()
		}
	}
}

func (cc *clientConn) closeIfIdle() bool {
	cc.mu.Lock()
	idle := cc.slots == 0
	cc.mu.Unlock()
	if idle {
		cc.retire()
	}
	return idle
}
