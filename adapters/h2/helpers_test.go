package h2

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// patience turns a hang into a failure; nothing is judged by time.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// certified is a certificate of its own for a server, and what its clients need.
func certified(t testing.TB) (*handshake.HostConfig, *handshake.ClientConfig) {
	t.Helper()
	cert, err := udp.SelfSigned("localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := udp.Fingerprint(cert.Chain)
	if err != nil {
		t.Fatal(err)
	}
	return &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}, &handshake.ClientConfig{Pin: [][32]byte{pin}}
}

// A world is a server, and a Transport that knows it.
type world struct {
	server    *Server
	transport *Transport
	client    *http.Client
	url       string // "https://127.0.0.1:port"
	addr      string
	listener  *udp.Listener
	served    chan error
}

// start serves h until the test ends. change may alter server and transport first.
func start(t testing.TB, h http.Handler, change func(*Server, *Transport)) *world {
	t.Helper()
	host, client := certified(t)
	w := &world{
		server:    &Server{Handler: h, Config: &udp.Config{Conn: conn.Config{Server: host}}},
		transport: &Transport{Config: &udp.Config{Conn: conn.Config{Client: client}}},
		served:    make(chan error, 1),
	}
	w.server.ErrorLog = slog.New(slog.DiscardHandler)
	if change != nil {
		change(w.server, w.transport)
	}
	w.server.Addr = "127.0.0.1:0"
	l, err := udp.Listen(w.server.Addr, Configure(w.server.Config))
	if err != nil {
		t.Fatal(err)
	}
	w.listener, w.addr = l, l.Addr().String()
	w.url = "https://" + w.addr
	w.client = &http.Client{Transport: w.transport}
	go func() { w.served <- w.server.Serve(l) }()
	t.Cleanup(func() {
		w.transport.Close()
		w.server.Close()
		if err := <-w.served; err != http.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
	return w
}

// versioned makes a change that sets the version.
func versioned(v wire.Version) func(*Server, *Transport) {
	return func(s *Server, t *Transport) {
		s.Config.Conn.Versions = []wire.Version{v}
		t.Config.Conn.Versions = []wire.Version{v}
	}
}

// pause is how long to wait between two looks.
func pause() <-chan time.Time { return time.After(2 * time.Millisecond) }

func connConfig(host *handshake.HostConfig, client *handshake.ClientConfig) conn.Config {
	return conn.Config{Server: host, Client: client}
}
