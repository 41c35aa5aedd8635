package h2_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/h2"
	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// serve is the server of docs/http.md.
func serve(mux *http.ServeMux) error {
	cert, err := udp.LoadCertificate("cert.pem", "key.pem")
	if err != nil {
		return err
	}
	server := &h2.Server{
		Addr:    ":443",
		Handler: mux,
		Config:  &udp.Config{Conn: conn.Config{Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}},
	}
	return server.ListenAndServeBoth() // gQUIC, and TLS on TCP with the Alt-Svc header
}

// fetch is the client of docs/http.md.
func fetch(url string) error {
	client := &http.Client{Transport: &h2.Transport{}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}

// A server with a certificate made on the spot, and a client that knows its key.
func Example() {
	cert, err := udp.SelfSigned("localhost")
	if err != nil {
		log.Fatal(err)
	}
	server := &h2.Server{
		Config: &udp.Config{Conn: conn.Config{Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s over %v", r.Method, r.URL.Path, h2.Conn(r.Context()).State().Version)
		}),
	}
	l, err := udp.Listen("127.0.0.1:0", h2.Configure(server.Config))
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()

	pin, err := udp.Fingerprint(cert.Chain)
	if err != nil {
		log.Fatal(err)
	}
	transport := &h2.Transport{
		Config:  &udp.Config{Conn: conn.Config{Client: &handshake.ClientConfig{Pin: [][32]byte{pin}}}},
		Resolve: func(string) string { return l.Addr().String() },
	}
	defer transport.Close()
	resp, err := (&http.Client{Transport: transport}).Get("https://localhost/page")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(resp.Status, string(body))
	// Output: 200 OK GET /page over Q043
}

// The core without a socket or a goroutine: what an Encoder builds, a Decoder takes apart,
// as its bytes come.
func ExampleDecoder() {
	b, _ := h2.NewEncoder().AppendHeaders(nil, 5, h2.Fields(":method", "GET", ":path", "/", "accept", "text/html"), true, h2.DefaultPriority)
	d := h2.NewDecoder(wire.Server, 0)
	for _, piece := range [][]byte{b[:7], b[7:12], b[12:]} {
		for len(piece) > 0 {
			n, ev, err := d.Decode(piece)
			if err != nil {
				log.Fatal(err)
			}
			piece = piece[n:]
			if ev.Kind == h2.HeadersEvent {
				fmt.Println(ev.Stream, ev.Fields[0].Value, ev.Fields[1].Value, ev.End, ev.Priority.Weight)
			}
		}
	}
	// Output: 5 GET / true 147
}

// TestCoreUnderEndpoints drives HTTP by hand, as an embedder does: two endpoints, a
// virtual clock, no socket and no goroutine.
func TestCoreUnderEndpoints(t *testing.T) {
	cert, err := udp.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := udp.Fingerprint(cert.Chain)
	if err != nil {
		t.Fatal(err)
	}
	wall := func(gquic.Instant) int64 { return time.Now().Unix() }
	server, err := conn.NewEndpoint(conn.Config{Wall: wall, Seed: [32]byte{1},
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}, Secret: [32]byte{3}}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := conn.NewEndpoint(conn.Config{Wall: wall, Seed: [32]byte{2}, Client: &handshake.ClientConfig{Pin: [][32]byte{pin}}})
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort("127.0.0.1:443")
	h, err := client.Dial(0, addr, conn.DialOptions{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	c := client.Conn(h)
	headers, _ := c.OpenStream()
	request, _ := c.OpenStream()
	b, _ := h2.NewEncoder().AppendHeaders(nil, request, h2.Fields(":method", "GET", ":scheme", "https", ":path", "/"), true, h2.DefaultPriority)
	c.Write(headers, b, false)
	c.EndWrite(request)

	var got strings.Builder
	decodeServer, decodeClient := h2.NewDecoder(wire.Server, 0), h2.NewDecoder(wire.Client, 0)
	onServer := func(c *conn.Conn, ev h2.Event) {
		c.Expect(ev.Stream)
		c.EndRead(ev.Stream, 0)
		b, _ := h2.NewEncoder().AppendHeaders(nil, ev.Stream, h2.Fields(":status", "200"), false, h2.Priority{})
		c.Write(wire.HeadersStream, b, false)
		c.Write(ev.Stream, []byte("by hand"), true)
	}
	onClient := func(_ *conn.Conn, ev h2.Event) { got.WriteString(ev.Fields[0].Value + " ") }
	now := gquic.Instant(0)
	buf := make([]byte, 0, 2000)
	for range 100 {
		now += gquic.Instant(time.Millisecond)
		for _, side := range []struct {
			from, to *conn.Endpoint
			decoder  *h2.Decoder
			handle   func(*conn.Conn, h2.Event)
		}{{client, server, decodeServer, onServer}, {server, client, decodeClient, onClient}} {
			for b, _, ok := side.from.AppendTransmit(now, buf, 1); ok; b, _, ok = side.from.AppendTransmit(now, buf, 1) {
				side.to.Receive(now, conn.Datagram{From: addr, Payload: b})
			}
			for ev := range side.to.Events() {
				c := side.to.Conn(ev.Conn)
				if ev.Kind != conn.StreamReadable {
					continue
				}
				p := make([]byte, 1000)
				n, _, _ := c.Read(ev.Stream, p)
				if ev.Stream != wire.HeadersStream {
					got.Write(p[:n])
					continue
				}
				for p = p[:n]; len(p) > 0; {
					took, event, err := side.decoder.Decode(p)
					if err != nil {
						t.Fatal(err)
					}
					p = p[took:]
					if event.Kind == h2.HeadersEvent {
						side.handle(c, event)
					}
				}
			}
		}
	}
	if got.String() != "200 by hand" {
		t.Errorf("got %q", got.String())
	}
}

// TestDocs: every line of Go in docs/http.md stands in this file, and so it compiles.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	this, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for line := range strings.Lines(string(this)) {
		known[strings.TrimSpace(line)] = true
	}
	n := 0
	for _, block := range strings.Split(string(page), "```go\n")[1:] {
		code, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(code) {
			if n++; !known[strings.TrimSpace(line)] {
				t.Errorf("this line of docs/http.md is not in the examples: %s", line)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d lines of Go in docs/http.md", n)
	}
	_, _ = serve, fetch
}
