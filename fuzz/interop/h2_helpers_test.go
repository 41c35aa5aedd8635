package interop

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	quic "github.com/lucas-clemente/quic-go"
	"github.com/lucas-clemente/quic-go/h2quic"

	"example.com/gquic/adapters/h2"
	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// An httpWorld is a server and a client of different stacks: ours, adapters/h2, and
// quic-go's h2quic.
type httpWorld struct {
	client *http.Client
	url    string // "https://name:port"
	// exactly one of each pair:
	ours   *h2.Server // the server is ours, the client h2quic's
	theirs *h2quic.Server
	seen   *watch // what our side sent and received
}

// eachHTTP runs a scenario in both roles and both versions.
func eachHTTP(t *testing.T, h http.Handler, f func(t *testing.T, w *httpWorld)) {
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		if testing.Short() && v != wire.Q043 {
			continue
		}
		t.Run("gquic-to-h2quic/"+v.String(), func(t *testing.T) { f(t, toTheirs(t, v, h)) })
		t.Run("h2quic-to-gquic/"+v.String(), func(t *testing.T) { f(t, toOurs(t, v, h)) })
	}
}

func httpChain(t *testing.T) Chain {
	all, err := chains()
	if err != nil {
		t.Fatal(err)
	}
	return all[1]
}

// toOurs is h2quic's client and our server.
func toOurs(t *testing.T, v wire.Version, h http.Handler) *httpWorld {
	t.Helper()
	chain := httpChain(t)
	cert, err := udp.Certificate(chain.TLS)
	if err != nil {
		t.Fatal(err)
	}
	w := &httpWorld{seen: new(watch)}
	w.ours = &h2.Server{Handler: h, Config: &udp.Config{Conn: conn.Config{Versions: []wire.Version{v}, Trace: w.seen.trace,
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}}}
	l, err := udp.Listen("127.0.0.1:0", h2.Configure(w.ours.Config))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.ours.Serve(l) }()
	t.Cleanup(func() {
		w.ours.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("our server ended with %v", err)
		}
	})
	rt := &h2quic.RoundTripper{
		TLSClientConfig: &tls.Config{RootCAs: chain.Roots, ServerName: ServerName},
		QuicConfig:      &quic.Config{Versions: []quic.VersionNumber{quic.VersionNumber(v)}},
		Dial: func(_, _ string, t *tls.Config, c *quic.Config) (quic.Session, error) {
			return quic.DialAddr(l.Addr().String(), t, c)
		},
	}
	t.Cleanup(func() { rt.Close() })
	w.client, w.url = &http.Client{Transport: rt}, urlFor(l.Addr())
	return w
}

// toTheirs is our client and h2quic's server.
func toTheirs(t *testing.T, v wire.Version, h http.Handler) *httpWorld {
	t.Helper()
	chain := httpChain(t)
	w := &httpWorld{seen: new(watch)}
	w.theirs = &h2quic.Server{
		Server:     &http.Server{Handler: h, TLSConfig: &tls.Config{Certificates: []tls.Certificate{chain.TLS}}},
		QuicConfig: &quic.Config{Versions: []quic.VersionNumber{quic.VersionNumber(v)}},
	}
	sock, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		w.theirs.Serve(sock)
		close(served)
	}()
	t.Cleanup(func() {
		w.theirs.Close()
		sock.Close()
		<-served
	})
	tr := &h2.Transport{
		Config: &udp.Config{Conn: conn.Config{Versions: []wire.Version{v}, Trace: w.seen.trace,
			Client: &handshake.ClientConfig{Roots: chain.Roots}}},
		Resolve: func(string) string { return sock.LocalAddr().String() },
	}
	t.Cleanup(func() { tr.Close() })
	w.client, w.url = &http.Client{Transport: tr}, urlFor(sock.LocalAddr())
	return w
}

func urlFor(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return "https://" + net.JoinHostPort(ServerName, port)
}
