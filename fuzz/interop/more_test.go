package interop

import (
	"context"
	"net"
	"testing"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/fuzz/interop/relay"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// TestControl runs each stack against itself over the bad link: what fails here is not a
// matter of the two understanding each other.
func TestControl(t *testing.T) {
	for _, s := range setups(t, []string{"big"}, true) {
		s.server = s.client
		t.Run(s.String(), func(t *testing.T) {
			exchange(t, connect(t, s, Options{}, Options{}), content(1, 2<<20), content(2, 2<<20))
		})
	}
}

// TestHeavyLoss loses a datagram in ten, in the handshake too.
func TestHeavyLoss(t *testing.T) {
	usual := badLink
	defer func() { badLink = usual }()
	runs := 5
	if testing.Short() {
		runs = 1
	}
	for seed := range runs {
		badLink = relay.Config{Seed: uint64(seed), Drop: 0.1, Duplicate: 0.05, Reorder: 0.1}
		each(t, setups(t, []string{"big"}, true), func(t *testing.T, p *pair) {
			exchange(t, p, content(1, 300000), content(2, 300000))
		})
	}
}

// TestLongPath has a round trip of 20 ms and some loss: here timers, windows and their
// tuning matter.
func TestLongPath(t *testing.T) {
	usual := badLink
	defer func() { badLink = usual }()
	badLink = relay.Config{Seed: 3, Latency: 10 * time.Millisecond, Drop: 0.005, Reorder: 0.01}
	each(t, setups(t, []string{"big"}, true), func(t *testing.T, p *pair) {
		exchange(t, p, content(1, 2<<20), content(2, 2<<20))
	})
}

// TestResume comes back to a quic-go server with what the first connection left. The
// server accepts the hello, and never reads what is sent under the initial keys: it must
// come again under the forward-secure ones. (quic-go's client does not resume.)
func TestResume(t *testing.T) {
	for _, s := range setups(t, []string{"RSA", "ECDSA"}, false, true) {
		if s.client.Name() != "gquic" {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			p := connect(t, s, Options{}, Options{}) // gives the listener and the relay
			exchange(t, p, []byte("first"), []byte("contact"))
			first := p.client.(gquicSession).c
			kept := first.Resumption()
			if kept == nil {
				t.Fatal("nothing to resume with")
			}
			cfg := &udp.Config{Conn: conn.Config{Versions: []wire.Version{s.version}, Client: &handshake.ClientConfig{Roots: s.chain.Roots}}}
			c, err := udp.DialEarly(p.ctx, first.RemoteAddr().(*net.UDPAddr).String(), cfg, udp.WithServerName(ServerName), udp.WithResumption(kept))
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseWithError(wire.PeerGoingAway, "")
			p.client = gquicSession{c}
			up, down := content(1, 500000), content(2, 500000)
			st, err := p.client.Open(p.ctx)
			if err != nil {
				t.Fatal(err)
			}
			together(t,
				func() error { return sendAll(st, up) },
				func() error { return expect(st, down) },
				func() error {
					server, err := p.listener.Accept(p.ctx)
					if err != nil {
						return err
					}
					ss, err := server.Accept(p.ctx)
					if err != nil {
						return err
					}
					if err := expect(ss, up); err != nil {
						return err
					}
					return sendAll(ss, down)
				})
			if !c.State().ZeroRTT {
				t.Error("the server did not take the kept config")
			}
		})
	}
}

// TestWrongCertificate: neither side's client accepts a chain under another root.
func TestWrongCertificate(t *testing.T) {
	others, err := Chains()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups(t, []string{"RSA", "ECDSA"}, false) {
		t.Run(s.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			l, err := s.server.Listen(Options{Versions: []wire.Version{s.version}, Chain: s.chain})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if _, err := s.client.Dial(ctx, l.Addr(), Options{Versions: []wire.Version{s.version}, Chain: others[0]}); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
