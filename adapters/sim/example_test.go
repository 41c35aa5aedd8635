package sim_test

import (
	"fmt"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// A transfer is one call. The seed alone decides which packets are lost.
func ExampleTransfer() {
	r := sim.Transfer{
		Seed:     1,
		Streams:  4,
		Download: 1 << 20,
		Link:     sim.LinkConfig{Delay: 25 * time.Millisecond, Rate: 20_000_000, Loss: 2 * sim.Percent},
	}.Run()
	fmt.Println("ok:", r.OK, r.Version)
	fmt.Println("handshake:", r.HandshakeRTTs, "round trip,", r.HandshakeTime.Round(time.Millisecond))
	fmt.Println("bytes:", r.Bytes)
	fmt.Println("some were lost:", r.PacketsLost > 0)
	// Output:
	// ok: true Q043
	// handshake: 1 round trip, 102ms
	// bytes: 1048576
	// some were lost: true
}

// A world is put together from nodes and links: here two clients share a bottleneck.
func ExampleWorld() {
	w := sim.New(42)
	ca := sim.NewAuthority("example")
	endpoint := func(name string, change func(*conn.Config)) *conn.Endpoint {
		cfg := conn.Config{Seed: w.Seed(name), Wall: sim.Wall}
		change(&cfg)
		ep, err := conn.NewEndpoint(cfg)
		if err != nil {
			panic(err)
		}
		return ep
	}
	server := w.Node("server", sim.ServerAddr, endpoint("server", func(c *conn.Config) {
		c.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{ca.Issue("a.example")}, Secret: w.Seed("secret")}
	}), &sim.Server{})

	bottleneck := w.Link("bottleneck", sim.LinkConfig{Delay: 10 * time.Millisecond, Rate: 8_000_000})
	back := w.Link("back", sim.LinkConfig{Delay: 10 * time.Millisecond})
	for i, name := range []string{"alice", "bob"} {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 5000)
		client := w.Node(name, addr, endpoint(name, func(c *conn.Config) {
			c.Client = &handshake.ClientConfig{Roots: ca.Pool}
		}), &sim.Client{To: sim.ServerAddr, Options: conn.DialOptions{ServerName: "a.example"}, Upload: 1_000_000})
		access := w.Link(name+"'s access", sim.LinkConfig{Delay: 5 * time.Millisecond})
		w.Path(client, server, access, bottleneck)
		w.Path(server, client, back)
	}
	err := w.Run(gquic.Instant(time.Minute))
	fmt.Println("error:", err)
	fmt.Println("server:", server.App())
	fmt.Println("about two seconds for 16 Mbit at 8 Mbit/s:", time.Duration(w.Now()).Round(time.Second))
	// Output:
	// error: <nil>
	// server: 2 connections, 2 streams answered, 0 open
	// about two seconds for 16 Mbit at 8 Mbit/s: 2s
}
