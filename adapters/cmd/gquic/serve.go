package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/gquic/adapters/h2"
	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var serveVerb = verb{
	name:    "serve",
	summary: "serve a folder by HTTP over gQUIC",
	about: `
It serves the files of -root (no devices, nothing outside of it), with a listing of folders,
ranges and conditional requests, and

  /-/echo      sends back what is posted
  /-/bytes/N   N pseudo-random bytes, the same for the same N
  /-/stats     its connections, as JSON

Requests are logged on standard error. With -tcp it serves the same over TLS on TCP, with
the Alt-Svc header that moves a browser to gQUIC. Without -cert and -key it makes a
certificate, and prints what clients need to accept it. What clients keep for 0-RTT is of no
use once it has ended, unless it has -secret (and -cert). It ends cleanly on an interrupt.`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		s := &fileServer{versions: versionList{wire.Q043, wire.Q044}}
		fs.StringVar(&s.addr, "addr", ":6121", "UDP address to serve on; without a host, on all interfaces")
		fs.StringVar(&s.root, "root", ".", "`folder` to serve")
		fs.StringVar(&s.cert, "cert", "", "PEM `file` with the certificate chain, leaf first")
		fs.StringVar(&s.key, "key", "", "PEM `file` with its private key, RSA or ECDSA")
		s.secret.define(fs)
		fs.BoolVar(&s.tcp, "tcp", false, "serve on TCP too, at the same port")
		fs.BoolVar(&s.quiet, "quiet", false, "do not log requests")
		fs.Var(&s.versions, "versions", "versions to speak, preferred first")
		return s.run
	},
}

type fileServer struct {
	addr, root, cert, key string
	secret                secretFile
	tcp, quiet            bool
	versions              versionList
}

// How long a client may take for a request's headers, and from one request to the next.
const (
	readHeaderTimeout = 10 * time.Second
	requestTimeout    = 2 * time.Minute
)

// A serveReport is what a machine reads when the server is ready.
type serveReport struct {
	Addr        string   `json:"addr"`
	URL         string   `json:"url"`
	TCP         bool     `json:"tcp"`
	Versions    []string `json:"versions"`
	Fingerprint string   `json:"fingerprint,omitempty"`
}

func (s *fileServer) run(ctx context.Context, o *output) error {
	cert, err := (&echoServer{addr: s.addr, cert: s.cert, key: s.key}).certificate()
	if err != nil {
		return err
	}
	secret, err := s.secret.load()
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(s.root)
	if err != nil {
		return fmt.Errorf("-root: %w", err)
	}
	defer root.Close()
	log := slog.New(slog.NewTextHandler(o.stderr, nil))
	stats := newServeStats()
	handler := serveHandler(http.FileServerFS(newRootFiles(root)), stats)
	if !s.quiet {
		handler = logged(handler, log)
	}
	server := &h2.Server{
		Addr: s.addr, Handler: handler, ErrorLog: log, Connections: stats.add,
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: requestTimeout,
		Config: &udp.Config{Conn: conn.Config{Versions: s.versions,
			Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}, Secret: secret}}},
	}
	l, err := udp.Listen(s.addr, h2.Configure(server.Config))
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w", s.addr, reason(err))
	}
	stats.listener = l
	errs := make(chan error, 2)
	running := 1
	if s.tcp {
		host, _, _ := net.SplitHostPort(s.addr)
		t, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(l.Addr().(*net.UDPAddr).Port)))
		if err != nil {
			l.Close()
			return fmt.Errorf("cannot serve on TCP: %w", reason(err))
		}
		running++
		go func() { errs <- server.ServeTCP(t) }()
	}
	go func() { errs <- server.Serve(l) }()
	s.announce(o, l, cert)

	select {
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		server.Shutdown(last)
	case err = <-errs:
		running--
		server.Close()
	}
	for range running {
		if other := <-errs; err == nil {
			err = other
		}
	}
	if err != nil && !errors.Is(err, http.ErrServerClosed) {
		return reason(err)
	}
	o.printf("served %s, %s\n", plural(stats.total(), "connection", "connections"), plural(stats.requests.Load(), "request", "requests"))
	return nil
}

// announce says where the server is, and how to get there with a certificate that nobody
// knows.
func (s *fileServer) announce(o *output, l *udp.Listener, cert handshake.Certificate) {
	a := l.Addr().(*net.UDPAddr)
	host := "localhost"
	if !a.IP.IsUnspecified() && !a.IP.IsLoopback() {
		host = a.IP.String()
	}
	hostPort := net.JoinHostPort(host, strconv.Itoa(a.Port))
	ready := serveReport{Addr: a.String(), URL: "https://" + hostPort + "/", TCP: s.tcp, Versions: s.versions.names()}
	o.printf("serving %s on %s, versions %v\n", s.root, ready.URL, s.versions)
	if a.IP.IsUnspecified() {
		o.printf("listening on all interfaces: whoever reaches this machine can read it; -addr 127.0.0.1:%d is for this machine alone\n", a.Port)
	}
	if s.cert == "" {
		if pin, err := udp.Fingerprint(cert.Chain); err == nil {
			ready.Fingerprint = base64.StdEncoding.EncodeToString(pin[:])
		}
		newest := s.versions[0]
		for _, v := range s.versions {
			newest = max(newest, v)
		}
		o.printf("fingerprint %s\n\n", ready.Fingerprint)
		o.printf("  gquic get -pin %s %s\n\n", ready.Fingerprint, ready.URL)
		o.printf("  a browser of 2018 to 2020, with a profile of its own:\n")
		o.printf("  chromium --user-data-dir=/tmp/gquic --enable-quic --quic-version=QUIC_VERSION_%d \\\n", newest.AltSvc())
		o.printf("    --origin-to-force-quic-on=%s --ignore-certificate-errors-spki-list=%s %s\n\n", hostPort, ready.Fingerprint, ready.URL)
	}
	o.object(ready)
}

// serveHandler is everything that the server has to give.
func serveHandler(files http.Handler, stats *serveStats) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", files)
	mux.HandleFunc("/-/echo", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost && r.Method != http.MethodPut {
			w.Header().Set("Allow", "POST, PUT")
			http.Error(w, "post something: it comes back", http.StatusMethodNotAllowed)
			return
		}
		kind := r.Header.Get("Content-Type")
		if kind == "" || strings.Contains(kind, "html") { // nobody's script should run here
			kind = "application/octet-stream"
		}
		w.Header().Set("Content-Type", kind)
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
		}
		buf := make([]byte, chunk)
		for {
			n, err := r.Body.Read(buf)
			if _, failed := w.Write(buf[:n]); failed != nil || err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/-/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n size
		if err := n.Set(r.PathValue("n")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(int64(n), 10))
		if r.Method != http.MethodHead {
			newContent([32]byte{}, int64(n)).send(w, func(int) {})
		}
	})
	mux.Handle("/-/stats", stats)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stats.requests.Add(1)
		stats.active.Add(1)
		defer stats.active.Add(-1)
		mux.ServeHTTP(w, r)
	})
}

// logged writes a line for each request when it is done.
func logged(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &seenWriter{ResponseWriter: w, status: http.StatusOK, head: r.Method == http.MethodHead}
		defer func() {
			log.Info("request", "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path, "proto", protoOf(r),
				"status", seen.status, "bytes", seen.bytes, "ms", milliseconds(time.Since(began)))
		}()
		h.ServeHTTP(seen, r)
	})
}

func protoOf(r *http.Request) string {
	if c := h2.Conn(r.Context()); c != nil {
		return c.State().Version.String()
	}
	return r.Proto
}

// A seenWriter notes what a handler answers.
type seenWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
	head   bool // what is written is not sent
}

func (w *seenWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	if !w.head {
		w.bytes += int64(n)
	}
	return n, err
}

func (w *seenWriter) Flush() { http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
