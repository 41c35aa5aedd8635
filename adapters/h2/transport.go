package h2

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Transport is an [http.RoundTripper] over gQUIC: it keeps one connection to each
// server and sends any number of requests over it at once. Its fields must not change
// once it is used. The zero value is ready, with the system's roots.
//
//	client := &http.Client{Transport: &h2.Transport{}}
//	resp, err := client.Get("https://example.com/")
type Transport struct {
	// Config says how to speak gQUIC. Nil: the defaults, with the system's roots.
	Config *udp.Config

	// MaxHeaderBytes bounds a response's header list; the request of a larger one fails.
	// Zero: DefaultMaxHeaderList.
	MaxHeaderBytes int

	// DisableCompression keeps the Transport from asking for gzip, and undoing it, when
	// the request names no encoding itself.
	DisableCompression bool

	// DisableEarlyData keeps requests from being sent under the initial keys (0-RTT). By
	// default those that may safely happen twice are, where a server is known from
	// before: an attacker may repeat them to the server.
	DisableEarlyData bool

	// RequestTrailers allows requests with trailers. Only servers that understand
	// ":final-offset" do not break over them, and no server says so; without it such a
	// request is an error.
	RequestTrailers bool

	// ExpectContinueTimeout is how long a request with "Expect: 100-continue" waits for
	// the server's consent before it sends its body all the same. Zero: for ever.
	ExpectContinueTimeout time.Duration

	// Resolve, if not nil, says which UDP address ("host:port") to send to for the
	// address of a URL. The certificate is still judged by the URL's host.
	Resolve func(addr string) string

	mu    sync.Mutex
	conns map[string]*clientSlot
	known map[string]*handshake.Resumption
}

// maxKnown bounds how many servers' resumption states a Transport keeps, about 4 KiB each.
const maxKnown = 1000

// ErrRequestTrailers: see [Transport.RequestTrailers].
var ErrRequestTrailers = errors.New("h2: the request has trailers, which few servers understand: set Transport.RequestTrailers to send them")

// A clientSlot is the place of one server's connection, perhaps still being dialled.
type clientSlot struct {
	done chan struct{} // closed when cc or err is set
	cc   *clientConn
	err  error
}

// RoundTrip sends a request and returns when the response's headers are there. It is
// safe for concurrent use.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.check(req); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	addr := authority(req)
	for tries := 0; ; tries++ {
		trace := httptrace.ContextClientTrace(req.Context())
		if trace != nil && trace.GetConn != nil {
			trace.GetConn(addr)
		}
		cc, reused, err := t.conn(req, addr)
		if err == nil {
			var resp *http.Response
			if resp, err = cc.roundTrip(req, reused); err == nil {
				return resp, nil
			}
		}
		next, ok := retry(req, err, reused || cc != nil && cc.early, tries)
		if !ok {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
		if cc != nil && !errors.Is(err, errRefused) {
			t.forget(addr, cc)
		}
		req = next
	}
}

// maxTries bounds how often one request is sent.
const maxTries = 4

// errRefused: the server has not looked at the request (reference: connection, section
// 12.4, code 8, and 17.8).
var errRefused = errors.New("h2: the server refused the stream")

// A lostError is the end of a connection before the response came.
type lostError struct {
	err    error
	unsent bool // nothing of the request had been sent
}

func (e *lostError) Error() string {
	return "h2: the connection ended before the response: " + e.err.Error()
}
func (e *lostError) Unwrap() error { return e.err }

// retry says whether a request may be sent once more, and gives it a fresh body.
func retry(req *http.Request, err error, reused bool, tries int) (*http.Request, bool) {
	if tries+1 >= maxTries || req.Context().Err() != nil {
		return nil, false
	}
	var lost *lostError
	switch {
	case errors.Is(err, errRefused), errors.Is(err, conn.ErrGoingAway):
	case errors.As(err, &lost) && reused && (lost.unsent || idempotent(req)):
	default:
		return nil, false
	}
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := *req
	again.Body = body
	return &again, true
}

// idempotent reports whether a request may safely happen twice, as net/http judges.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	for _, k := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, ok := req.Header[k]; ok {
			return true
		}
	}
	return false
}

// check refuses what cannot be sent.
func (t *Transport) check(req *http.Request) error {
	switch {
	case req.URL == nil:
		return errors.New("h2: nil Request.URL")
	case req.URL.Scheme != "https":
		return errors.New("h2: unsupported protocol scheme " + req.URL.Scheme)
	case req.URL.Host == "":
		return errors.New("h2: no Host in request URL")
	case len(req.Trailer) > 0 && !t.RequestTrailers:
		return ErrRequestTrailers
	}
	return checkHeaders(req)
}

// authority is the host and port to connect to.
func authority(req *http.Request) string {
	port := req.URL.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(req.URL.Hostname(), port)
}

// conn returns the connection to a server, dialling it if there is none.
func (t *Transport) conn(req *http.Request, addr string) (cc *clientConn, reused bool, err error) {
	ctx := req.Context()
	t.mu.Lock()
	slot := t.conns[addr]
	if slot != nil {
		select {
		case <-slot.done:
			if slot.err != nil || slot.cc.unusable() {
				delete(t.conns, addr)
				slot = nil
			}
		default:
		}
	}
	reused = slot != nil
	if slot == nil {
		slot = &clientSlot{done: make(chan struct{})}
		if t.conns == nil {
			t.conns = make(map[string]*clientSlot)
		}
		t.conns[addr] = slot
		state := t.known[addr]
		// The connection outlives the request that began it, and others wait for it: so a
		// request that is given up does not break it off.
		go t.dial(context.WithoutCancel(ctx), addr, slot, state)
	}
	t.mu.Unlock()
	select {
	case <-slot.done:
		return slot.cc, reused, slot.err
	case <-ctx.Done():
		return nil, reused, ctx.Err()
	}
}

// dial fills a slot.
func (t *Transport) dial(ctx context.Context, addr string, slot *clientSlot, state *handshake.Resumption) {
	cc, err := t.dialConn(ctx, addr, state)
	t.mu.Lock()
	defer t.mu.Unlock()
	if slot.cc, slot.err = cc, err; err != nil && t.conns[addr] == slot {
		delete(t.conns, addr)
	}
	close(slot.done)
}

func (t *Transport) dialConn(ctx context.Context, addr string, state *handshake.Resumption) (*clientConn, error) {
	host, _, _ := net.SplitHostPort(addr)
	opts := []udp.DialOption{udp.WithServerName(host), udp.WithFirstStream()}
	to := addr
	if t.Resolve != nil {
		to = t.Resolve(addr)
	}
	cfg := Configure(t.Config)
	trace := httptrace.ContextClientTrace(ctx)
	if state != nil && !t.DisableEarlyData {
		c, err := udp.DialEarly(ctx, to, cfg, append(opts, udp.WithResumption(state))...)
		if err != nil {
			return nil, err
		}
		return newClientConn(t, addr, c, trace), nil
	}
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	c, err := udp.Dial(ctx, to, cfg, append(opts, udp.WithResumption(state))...)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(tlsState(c), err)
	}
	if err != nil {
		return nil, err
	}
	return newClientConn(t, addr, c, nil), nil
}

// remember keeps what the next connection to a server can begin with.
func (t *Transport) remember(addr string, r *handshake.Resumption) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil {
		delete(t.known, addr)
		return
	}
	if t.known == nil {
		t.known = make(map[string]*handshake.Resumption)
	}
	for k := range t.known {
		if len(t.known) < maxKnown {
			break
		}
		delete(t.known, k)
	}
	t.known[addr] = r
}

// forget takes a connection out of use; what is under way on it goes on.
func (t *Transport) forget(addr string, cc *clientConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slot := t.conns[addr]; slot != nil && slot.cc == cc {
		delete(t.conns, addr)
	}
	cc.retire()
}

// CloseIdleConnections closes the connections without a request under way.
func (t *Transport) CloseIdleConnections() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, slot := range t.conns {
		select {
		case <-slot.done:
			if slot.cc != nil && slot.cc.closeIfIdle() {
				delete(t.conns, addr)
			}
		default:
		}
	}
}

// Close closes all connections at once.
func (t *Transport) Close() error {
	t.mu.Lock()
	slots := t.conns
	t.conns = nil
	t.mu.Unlock()
	for _, slot := range slots {
		<-slot.done
		if slot.cc != nil {
			slot.cc.c.CloseWithError(wire.PeerGoingAway, "")
		}
	}
	return nil
}
