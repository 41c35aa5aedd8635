package h2

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/wire"
)

// A Server serves an [http.Handler] to gQUIC clients. Its fields must not change once it
// serves.
type Server struct {
	Addr    string       // where ListenAndServe listens; ":443" if empty
	Handler http.Handler // nil: http.DefaultServeMux

	// Config says how to speak gQUIC; Config.Conn.Server must hold a certificate.
	// [Server.ListenAndServe] adds what HTTP wants; who makes the listener for
	// [Server.Serve] does that by [Configure].
	Config *udp.Config

	// MaxHeaderBytes bounds a request's header list; larger ones are answered with
	// status 431. Zero: DefaultMaxHeaderList.
	MaxHeaderBytes int

	// ReadTimeout bounds the time from a request's headers to the end of its body,
	// WriteTimeout that to the end of the response: without it, a client that reads nothing
	// keeps the handler and a full send buffer for as long as it lives. Zero: no bound.
	ReadTimeout, WriteTimeout time.Duration

	// ReadHeaderTimeout bounds the time from the first byte of a request's headers to the
	// last, IdleTimeout that from a connection's start, or the end of its last handler, to
	// the headers of its next request; beyond them the connection closes with
	// NETWORK_IDLE_TIMEOUT. Zero: ReadTimeout, negative: no bound. The idle timeout of
	// Config is another thing: it ends connections from which no packets come at all.
	ReadHeaderTimeout, IdleTimeout time.Duration

	// ErrorLog gets what goes wrong in connections and handlers. Nil: slog.Default().
	ErrorLog *slog.Logger

	// Connections, if not nil, is told of every connection before its first request.
	Connections func(*udp.Conn)

	once sync.Once
	std  *http.Server // what handlers find under http.ServerContextKey

	mu        sync.Mutex
	idle      sync.Cond // a connection has become idle, or has ended
	listeners map[*udp.Listener]bool
	conns     map[*serverConn]bool
	ended     []func() // of helpers, at Shutdown and Close
	draining  bool
	closed    bool
}

// lingerTime is how long a connection stays after its last response has arrived, when the
// server shuts down, and a stream after its handler has broken the response off: clients
// throw away what their application has not read yet when it closes or is reset.
const lingerTime = 250 * time.Millisecond

// queueFactor times the stream limit is how many requests may wait for a handler: their
// client opens and resets streams faster than the handlers of the reset ones return.
// Beyond it the connection closes with TOO_MANY_OPEN_STREAMS.
const queueFactor = 4

// Configure returns a copy of cfg that HTTP can be served or asked with: its hello has
// SMHL, so that peers may send settings. A nil cfg is the zero one.
func Configure(cfg *udp.Config) *udp.Config {
	var own udp.Config
	if cfg != nil {
		own = *cfg
	}
	own.Conn.HeaderListSize = true
	return &own
}

func (s *Server) init() {
	s.once.Do(func() {
		s.idle.L = &s.mu
		s.listeners = make(map[*udp.Listener]bool)
		s.conns = make(map[*serverConn]bool)
		s.std = &http.Server{Addr: s.Addr, Handler: s.handler(), MaxHeaderBytes: s.MaxHeaderBytes,
			ReadTimeout: s.ReadTimeout, WriteTimeout: s.WriteTimeout,
			ReadHeaderTimeout: s.ReadHeaderTimeout, IdleTimeout: s.IdleTimeout}
	})
}

func (s *Server) handler() http.Handler {
	if s.Handler == nil {
		return http.DefaultServeMux
	}
	return s.Handler
}

func (s *Server) log() *slog.Logger {
	if s.ErrorLog == nil {
		return slog.Default()
	}
	return s.ErrorLog
}

// ListenAndServe serves on the UDP address Addr until [Server.Shutdown] or
// [Server.Close], and then returns http.ErrServerClosed.
func (s *Server) ListenAndServe() error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	return s.Serve(l)
}

func (s *Server) listen() (*udp.Listener, error) {
	addr := s.Addr
	if addr == "" {
		addr = ":443"
	}
	return udp.Listen(addr, Configure(s.Config))
}

// Serve serves the connections of a listener, which it closes in the end. It returns
// http.ErrServerClosed after Shutdown or Close, and otherwise why the listener failed.
func (s *Server) Serve(l *udp.Listener) error {
	s.init()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		l.Close()
		return http.ErrServerClosed
	}
	s.listeners[l] = true
	s.mu.Unlock()
	for {
		c, err := l.Accept(context.Background())
		s.mu.Lock()
		closed, draining := s.closed, s.draining
		s.mu.Unlock()
		switch {
		case closed:
			return http.ErrServerClosed
		case err != nil:
			s.mu.Lock()
			delete(s.listeners, l)
			s.mu.Unlock()
			l.Close()
			return err
		case draining:
			c.CloseWithError(wire.PeerGoingAway, "the server is shutting down")
		default:
			s.begin(c, l)
		}
	}
}

// begin serves one connection.
func (s *Server) begin(c *udp.Conn, l *udp.Listener) {
	if s.Connections != nil {
		s.Connections(c)
	}
	sc := newServerConn(s, c, l.Addr())
	s.mu.Lock()
	s.conns[sc] = true
	s.mu.Unlock()
	go func() {
		err := sc.serve()
		if fault := (*Error)(nil); errors.As(err, &fault) {
			s.log().Warn("http: connection closed for a fault of the client", "remote", c.RemoteAddr(), "error", err)
		}
		sc.cancel(err)
		s.mu.Lock()
		delete(s.conns, sc)
		s.idle.Broadcast()
		s.mu.Unlock()
	}()
}

// Shutdown ends the server without breaking anything off: it takes no more connections,
// tells the clients to send no more requests, waits for the handlers and until the
// responses have arrived, and closes. When ctx is over first, it closes at once and
// returns ctx's error.
//
// GOAWAY is sent to clients that are known to understand it (SMHL in their hello);
// the others' connections close when their requests are done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init()
	s.mu.Lock()
	s.draining = true
	for sc := range s.conns {
		go sc.goAway()
	}
	for _, f := range s.ended {
		go f()
	}
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})
	defer stop()
	for !s.quiet() && ctx.Err() == nil {
		s.idle.Wait()
	}
	s.closed = true
	listeners := s.listeners
	s.listeners = nil
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, sc := range conns {
		all.Go(func() {
			if sc.c.WaitDelivered(ctx) == nil {
				sc.linger(ctx)
			}
		})
	}
	all.Wait()
	for l := range listeners {
		all.Go(func() { l.Shutdown(ctx) })
	}
	all.Wait()
	return ctx.Err()
}

// quiet reports whether no handler is at work. The lock is held.
func (s *Server) quiet() bool {
	for sc := range s.conns {
		if sc.busy() {
			return false
		}
	}
	return true
}

// Close closes all connections at once. Requests under way fail.
func (s *Server) Close() error {
	s.init()
	s.mu.Lock()
	s.closed, s.draining = true, true
	listeners := s.listeners
	s.listeners = nil
	for _, f := range s.ended {
		go f()
	}
	s.mu.Unlock()
	for l := range listeners {
		l.Close()
	}
	return nil
}

// noteIdle wakes Shutdown.
func (s *Server) noteIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Broadcast()
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// addresses are the server's listeners', for Alt-Svc.
func (s *Server) addresses() (list []net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		list = append(list, l.Addr())
	}
	return list
}
