package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/gquic/wire"
)

// AltSvcMaxAge is how long a browser is told to remember that gQUIC works: 30 days, as
// Google's servers say.
const AltSvcMaxAge = 30 * 24 * time.Hour

// AltSvc returns the value of an Alt-Svc header that moves a browser from TCP to gQUIC at
// a UDP port of the same host (reference: connection, section 17.9). The newest version
// comes first.
func AltSvc(port int, versions ...wire.Version) string {
	versions = slices.Clone(versions)
	slices.SortFunc(versions, func(a, b wire.Version) int { return b.AltSvc() - a.AltSvc() })
	numbers := make([]string, len(versions))
	for i, v := range versions {
		numbers[i] = strconv.Itoa(v.AltSvc())
	}
	return fmt.Sprintf(`quic=":%d"; ma=%d; v="%s"`, port, AltSvcMaxAge/time.Second, strings.Join(numbers, ","))
}

// SetAltSvc sets the Alt-Svc header that sends clients of another server, on TCP, to this
// one. It fails if the server has no port: neither a listener nor an Addr.
func (s *Server) SetAltSvc(h http.Header) error {
	s.init()
	port := 0
	for _, a := range s.addresses() {
		port = a.(*net.UDPAddr).Port
	}
	if port == 0 {
		addr := s.Addr
		if addr == "" {
			addr = ":443"
		}
		_, p, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		if port, err = net.LookupPort("udp", p); err != nil {
			return err
		}
	}
	if port == 0 {
		return errors.New("h2: the server has no port yet")
	}
	versions := []wire.Version{wire.Q044, wire.Q043}
	if s.Config != nil && len(s.Config.Conn.Versions) > 0 {
		versions = s.Config.Conn.Versions
	}
	h.Set("Alt-Svc", AltSvc(port, versions...))
	return nil
}

// ServeTCP serves the same handler, with the same certificates, by TLS on TCP (HTTP/1.1
// and HTTP/2), with an Alt-Svc header on every response: browsers begin there, and move to
// gQUIC. It ends with the server: then it returns http.ErrServerClosed.
func (s *Server) ServeTCP(l net.Listener) error {
	s.init()
	if s.Config == nil || s.Config.Conn.Server == nil {
		l.Close()
		return errors.New("h2: the server has no certificate")
	}
	web := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := s.SetAltSvc(w.Header()); err != nil {
				s.log().Warn("http: no Alt-Svc", "error", err)
			}
			s.handler().ServeHTTP(w, r)
		}),
		TLSConfig:      &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		MaxHeaderBytes: s.MaxHeaderBytes, ReadTimeout: s.ReadTimeout, WriteTimeout: s.WriteTimeout,
		ReadHeaderTimeout: s.ReadHeaderTimeout, IdleTimeout: s.IdleTimeout,
	}
	for _, c := range s.Config.Conn.Server.Certificates {
		web.TLSConfig.Certificates = append(web.TLSConfig.Certificates, tls.Certificate{Certificate: c.Chain, PrivateKey: c.Key})
	}
	s.mu.Lock()
	if s.draining {
		s.mu.Unlock()
		l.Close()
		return http.ErrServerClosed
	}
	s.ended = append(s.ended, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if web.Shutdown(ctx) != nil {
			web.Close()
		}
	})
	s.mu.Unlock()
	return web.ServeTLS(l, "", "")
}

// ListenAndServeBoth serves on the UDP address Addr and on the TCP address with the same
// port: [Server.Serve] and [Server.ServeTCP] together. When one ends, both do.
func (s *Server) ListenAndServeBoth() error {
	u, err := s.listen()
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(s.Addr)
	t, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(u.Addr().(*net.UDPAddr).Port)))
	if err != nil {
		u.Close()
		return err
	}
	errs := make(chan error, 2)
	go func() { errs <- s.ServeTCP(t) }()
	go func() { errs <- s.Serve(u) }()
	err = <-errs
	if !errors.Is(err, http.ErrServerClosed) {
		s.Close()
	}
	if other := <-errs; errors.Is(err, http.ErrServerClosed) {
		err = other
	}
	return err
}
