package conn_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// TestChurn makes connection after connection, each with what the one before learned: when
// all is over and forgotten, nothing is left of them at either end.
func TestChurn(t *testing.T) {
	for seed := range uint64(max(*e2eSeeds/3, 5)) {
		transfer := anyTransfer(seed)
		transfer.Upload /= 20
		transfer.Download /= 20
		w, client, _, err := transfer.World()
		if err != nil {
			t.Fatal(err)
		}
		client.Connections = 12
		if err := w.Run(gquic.Instant(10 * time.Hour)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if err := w.RunUntil(w.Now().Add(20 * time.Minute)); err != nil {
			t.Errorf("seed %d: afterwards: %v", seed, err)
		}
		for _, n := range w.Nodes() {
			if s := n.Endpoint().Stats(); s.Connections != 0 || s.HalfOpen != 0 {
				t.Errorf("seed %d: the %s is left with %d connections, %d of them half open", seed, n.Name(), s.Connections, s.HalfOpen)
			}
			if err := n.Endpoint().Check(); err != nil {
				t.Errorf("seed %d, %s: %v", seed, n.Name(), err)
			}
		}
	}
}

// TestManyClients lets clients come again and again to one server over one lossy bottleneck,
// with so few places for half-open connections that many are served without state.
func TestManyClients(t *testing.T) {
	for seed := range uint64(max(*e2eSeeds/12, 3)) {
		w := sim.New(seed)
		ca := sim.NewAuthority("many clients")
		endpoint := func(name string, change func(*conn.Config)) *conn.Endpoint {
			cfg := conn.Config{Seed: w.Seed(name), Wall: sim.Wall}
			change(&cfg)
			ep, err := conn.NewEndpoint(cfg)
			if err != nil {
				t.Fatal(err)
			}
			return ep
		}
		server := w.Node("server", sim.ServerAddr, endpoint("server", func(c *conn.Config) {
			c.MaxHalfOpen = 1 + int(seed%8)
			c.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{ca.Issue(serverName)}, Secret: w.Seed("secret")}
		}), &sim.Server{})
		link := sim.LinkConfig{Delay: 10 * time.Millisecond, Rate: 20_000_000, Loss: 2 * sim.Percent, Queue: 60_000}
		there, back := w.Link("there", link), w.Link("back", link)
		for i := range 40 {
			name := fmt.Sprint("client ", i)
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 5000)
			client := w.Node(name, addr, endpoint(name, func(c *conn.Config) {
				c.Client = &handshake.ClientConfig{Roots: ca.Pool}
			}), &sim.Client{To: sim.ServerAddr, Options: conn.DialOptions{ServerName: serverName}, Streams: 3, Upload: 20_000, Download: 20_000, Connections: 3})
			w.Path(client, server, there)
			w.Path(server, client, back)
		}
		if err := w.Run(gquic.Instant(time.Hour)); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		stats := server.Endpoint().Stats()
		if stats.Verdicts[conn.Rejected] == 0 {
			t.Errorf("seed %d: nobody was served without state", seed)
		}
		if err := server.Endpoint().Check(); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}
