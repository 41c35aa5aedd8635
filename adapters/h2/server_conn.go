package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A serverConn is one client's connection: one goroutine reads the headers stream, one
// runs for each request.
type serverConn struct {
	*session
	srv    *Server
	limits bool // the client's hello had SMHL: it knows settings, GOAWAY, and how streams end
	remote string
	tls    *tls.ConnectionState

	ctx    context.Context
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	live    map[wire.StreamID]*serverStream // whose handler is at work or waits
	running int
	most    int // handlers at a time
	waiting []*serverStream
	gone    bool // GOAWAY was sent
	idle    idleWatch
}

func newServerConn(s *Server, c *udp.Conn, local net.Addr) *serverConn {
	state := c.State()
	sc := &serverConn{
		srv:    s,
		limits: state.PeerParams.HeaderListSize,
		remote: c.RemoteAddr().String(),
		// Version 0: what protects the connection is not TLS. A handler asks for TLS != nil.
		tls:  &tls.ConnectionState{HandshakeComplete: true, ServerName: state.ServerName, NegotiatedProtocol: "quic/" + state.Version.String()},
		live: make(map[wire.StreamID]*serverStream),
		most: conn.DefaultMaxStreams,
	}
	if s.Config != nil && s.Config.Conn.MaxStreams > 0 {
		sc.most = int(s.Config.Conn.MaxStreams)
	}
	base := context.WithValue(context.Background(), http.ServerContextKey, s.std)
	base = context.WithValue(base, http.LocalAddrContextKey, local)
	base = context.WithValue(base, connContextKey{}, c)
	sc.ctx, sc.cancel = context.WithCancelCause(base)
	sc.session = newSession(c, nil)
	sc.headerTimeout = s.orReadTimeout(s.ReadHeaderTimeout)
	return sc
}

type connContextKey struct{}

// Conn returns the connection of the request whose context this is, or nil.
func Conn(ctx context.Context) *udp.Conn {
	c, _ := ctx.Value(connContextKey{}).(*udp.Conn)
	return c
}

// serve runs the connection, and returns why it ended.
func (sc *serverConn) serve() error {
	headers, _, err := sc.c.PeerStream(wire.HeadersStream)
	if err != nil {
		return sc.close(&Error{wire.InvalidStreamID, "the headers stream was reset"})
	}
	sc.headers = headers
	limit := sc.srv.MaxHeaderBytes
	if limit <= 0 {
		limit = DefaultMaxHeaderList
	}
	if sc.limits {
		err := sc.send(sc.ctx, func(b []byte) ([]byte, error) {
			return AppendSettings(b, Setting{SettingMaxHeaderListSize, uint32(limit)}), nil
		}, nil)
		if err != nil {
			return err
		}
	}
	sc.watchIdle()
	defer func() {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.idle.stop()
	}()
	return sc.read(wire.Server, limit, sc.handle)
}

// handle takes an event of the headers stream. An error closes the connection.
func (sc *serverConn) handle(ev *Event) error {
	switch ev.Kind {
	case SettingEvent:
		sc.apply(ev.Setting)
	case HeadersEvent:
		return sc.headersArrived(ev)
	}
	return nil
}

func (sc *serverConn) headersArrived(ev *Event) error {
	switch ev.Stream {
	case wire.ConnectionStream, wire.CryptoStream, wire.HeadersStream:
		return misframed("HEADERS for stream %d", ev.Stream)
	}
	s, first, err := sc.c.PeerStream(ev.Stream)
	if local := (*conn.LocalError)(nil); errors.As(err, &local) {
		return &Error{local.Code, "HEADERS: " + local.Reason}
	}
	m, malformed := parseFields(ev.Fields)
	if err != nil {
		sc.settle(ev, &m) // reset before its headers came, or refused
		return nil
	}
	if !first {
		return sc.trailersArrived(ev, s, &m, malformed)
	}
	if ev.End {
		if err := s.EndRead(0); err != nil {
			return nil // the connection is closed
		}
		if !sc.limits {
			s.Farewell(farewell(m.method))
		}
	}
	st := &serverStream{sc: sc, s: s, ended: ev.End}
	switch {
	case ev.TooLarge:
		st.refuse(http.StatusRequestHeaderFieldsTooLarge, "The request's headers are too large.")
		return nil
	case malformed == nil:
		st.req, malformed = m.request(ev.End)
	}
	if malformed != nil {
		s.Reset(wire.BadApplicationPayload)
		return nil
	}
	if what := m.badRequest(); what != "" {
		st.refuse(http.StatusBadRequest, what)
		return nil
	}
	if sc.isGone() {
		if sc.limits {
			s.Reset(wire.RefusedStream)
		} else { // quic-go's client hears no reset before the headers came
			st.refuse(http.StatusServiceUnavailable, "The server is shutting down.")
		}
		return nil
	}
	if strings.EqualFold(m.header.Get("Expect"), "100-continue") {
		st.asks = true
		delete(m.header, "Expect") // we see to it
	}
	return sc.schedule(st)
}

// farewell is the code that makes quic-go's client forget a stream that it ended by
// END_STREAM. After HEAD it never reads the response's end, and code 0 would have it wait
// for that for ever.
func farewell(method string) wire.StreamErrorCode {
	if method == "HEAD" {
		return wire.RstAcknowledgement
	}
	return wire.StreamNoError
}

// trailersArrived takes the second headers of a stream.
func (sc *serverConn) trailersArrived(ev *Event, s *udp.Stream, m *message, malformed error) error {
	if !ev.End {
		return misframed("second headers on stream %d without END_STREAM", ev.Stream)
	}
	sc.mu.Lock()
	st := sc.live[ev.Stream]
	sc.mu.Unlock()
	if st != nil && st.ended {
		return misframed("headers on stream %d behind its end", ev.Stream)
	}
	if malformed != nil || ev.TooLarge {
		return misframed("trailers: %v", malformed)
	}
	end, err := m.trailers()
	if err != nil {
		return err
	}
	if st != nil {
		st.trailersArrived(m.header)
	}
	s.EndRead(end) // an error has closed the connection
	return nil
}

// schedule begins a request's handler, or makes it wait until another has returned.
func (sc *serverConn) schedule(st *serverStream) error {
	st.arm()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.live[st.s.ID()] = st
	sc.idle.stop()
	if sc.running >= sc.most {
		if len(sc.waiting) >= queueFactor*sc.most {
			return &Error{wire.TooManyOpenStreams, fmt.Sprintf("%d requests wait for handlers of streams that were reset", len(sc.waiting))}
		}
		sc.waiting = append(sc.waiting, st)
	} else {
		sc.running++
		go sc.run(st)
	}
	return nil
}

// run runs a handler, and then those that wait.
func (sc *serverConn) run(st *serverStream) {
	for st != nil {
		if st.ctx.Err() == nil {
			st.serve()
		}
		st.over()
		sc.mu.Lock()
		delete(sc.live, st.s.ID())
		if st = nil; len(sc.waiting) > 0 {
			st = sc.waiting[0]
			sc.waiting[0] = nil
			sc.waiting = sc.waiting[1:]
		} else {
			sc.running--
		}
		idle := len(sc.live) == 0
		sc.mu.Unlock()
		if idle {
			sc.watchIdle()
		}
		if idle && sc.srv.isDraining() {
			sc.srv.noteIdle()
		}
	}
}

func (sc *serverConn) busy() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return len(sc.live) > 0
}

func (sc *serverConn) isGone() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.gone
}

// goAway begins the end: what is under way is finished, and nothing new is taken.
func (sc *serverConn) goAway() {
	sc.mu.Lock()
	sc.gone = true
	sc.mu.Unlock()
	if sc.limits {
		sc.c.GoAway(wire.PeerGoingAway, "the server is shutting down")
	}
}

// linger waits until the client has closed, or has had the time to read its last response.
func (sc *serverConn) linger(ctx context.Context) {
	t := time.NewTimer(lingerTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sc.c.Context().Done():
	case <-ctx.Done():
	}
}

// A serverStream is one request and its response.
type serverStream struct {
	sc     *serverConn
	s      *udp.Stream
	req    *http.Request
	body   *requestBody
	ended  bool // the request has no body: its headers said so
	asks   bool // it waits for 100 (Continue)
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	trailer http.Header // arrived
}

// arm makes the request complete: its context ends when the client gives up or is gone.
func (st *serverStream) arm() {
	st.ctx, st.cancel = context.WithCancel(st.sc.ctx)
	st.s.AfterReset(func(wire.StreamErrorCode) { st.cancel() })
	r := st.req
	if r.Body == nil {
		st.body = &requestBody{st: st, left: r.ContentLength, asks: st.asks}
		r.Body = st.body
	}
	r.RemoteAddr, r.TLS = st.sc.remote, st.sc.tls
	st.req = r.WithContext(st.ctx)
	if t := st.sc.srv.ReadTimeout; t > 0 {
		st.s.SetReadDeadline(time.Now().Add(t))
	}
	if t := st.sc.srv.WriteTimeout; t > 0 {
		st.s.SetWriteDeadline(time.Now().Add(t))
	}
}

// over lets go of everything.
func (st *serverStream) over() {
	st.cancel()
	st.s.AfterReset(nil)
	if !st.ended {
		st.s.DiscardRead() // to its end: to break it off would cost the client the response
	}
}

func (st *serverStream) trailersArrived(h http.Header) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.trailer = h
}

// serve calls the handler and ends the response.
func (st *serverStream) serve() {
	w := newResponseWriter(st)
	finished := false
	defer func() {
		if finished {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			st.logPanic(p)
		}
		w.abort()
	}()
	if st.req.Method == "OPTIONS" && st.req.RequestURI == "*" { // asks about the server, not about a page
		w.Header().Set("Content-Length", "0")
	} else {
		st.sc.srv.handler().ServeHTTP(w, st.req)
	}
	w.finish()
	finished = true
}

// refuse answers a request that no handler will see.
func (st *serverStream) refuse(status int, why string) {
	body := []byte(why + "\n")
	fields := []hpack.HeaderField{
		{Name: ":status", Value: fmt.Sprint(status)},
		{Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "content-length", Value: fmt.Sprint(len(body))},
	}
	st.sc.sendHeaders(st.sc.ctx, st.s.ID(), fields, false, Priority{}, &udp.Piece{Stream: st.s, Data: body, Fin: true})
	st.s.CloseWrite()
	if !st.ended {
		st.s.DiscardRead()
	}
}
