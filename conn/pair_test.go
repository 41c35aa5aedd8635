package conn_test

import (
	"net/netip"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A pair is two endpoints with nothing between them: what one sends the other gets at
// once, in order. It measures and tests the machines alone.
type pair struct {
	tb             testing.TB
	now            gquic.Instant
	client, server *conn.Endpoint
	c, s           conn.Handle
	to             netip.AddrPort // whom to dial
	buf            []byte
	event          func(e *conn.Endpoint, ev conn.Event)
	single         bool // one datagram at a time
	drop, count    int  // every so many datagrams one is lost; 0: none
}

var (
	clientAddr = netip.MustParseAddrPort("192.0.2.1:50000")
	serverAddr = netip.MustParseAddrPort("192.0.2.2:443")
	authority  = sim.NewAuthority("pair tests")
	leaf       = authority.Issue("server.example")
)

func newPair(tb testing.TB, version wire.Version, change func(client, server *conn.Config)) *pair {
	tb.Helper()
	wall := func(now gquic.Instant) int64 { return sim.Wall(now) }
	clientConfig := conn.Config{Wall: wall, Seed: [32]byte{1}, Versions: []wire.Version{version},
		Client: &handshake.ClientConfig{Roots: authority.Pool}}
	serverConfig := conn.Config{Wall: wall, Seed: [32]byte{2}, Versions: []wire.Version{version},
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{leaf}, Secret: [32]byte{3}}}
	if change != nil {
		change(&clientConfig, &serverConfig)
	}
	p := &pair{tb: tb, to: serverAddr, buf: make([]byte, 0, 64<<10)}
	var err error
	if p.client, err = conn.NewEndpoint(clientConfig); err != nil {
		tb.Fatal(err)
	}
	if p.server, err = conn.NewEndpoint(serverConfig); err != nil {
		tb.Fatal(err)
	}
	return p
}

// connect dials and runs the handshake.
func (p *pair) connect() {
	p.tb.Helper()
	p.dial()
	p.run(10 * time.Millisecond)
}

// dial dials and runs the handshake until both sides call it established.
func (p *pair) dial() {
	p.tb.Helper()
	h, err := p.client.Dial(p.now, p.to, conn.DialOptions{ServerName: "server.example"})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.c = h
	p.run(time.Millisecond)
	if p.client.Conn(h).State() != conn.Established || p.server.Conn(p.s).State() != conn.Established {
		p.tb.Fatalf("not established: client %v, server %v", p.client.Conn(h).Err(), p.server.Conn(p.s).Err())
	}
}

// run exchanges everything there is to say until both are quiet, for at most d.
func (p *pair) run(d time.Duration) {
	end := p.now.Add(d)
	for {
		for p.carry(p.client, p.server, clientAddr) || p.carry(p.server, p.client, serverAddr) {
			for p.single && p.carry(p.server, p.client, serverAddr) {
			}
		}
		next := min(p.client.NextTimeout(), p.server.NextTimeout())
		if next > end {
			p.now = end
			return
		}
		p.now = max(next, p.now+1)
	}
}

// carry hands over one transmit, and drains the events on both sides.
func (p *pair) carry(from, to *conn.Endpoint, addr netip.AddrPort) bool {
	batch := 16
	if p.single {
		batch = 1
	}
	b, t, ok := from.AppendTransmit(p.now, p.buf[:0], batch)
	if ok {
		if t.From.IsValid() {
			addr = t.From
		}
		for len(b) > 0 {
			n := len(b)
			if t.Segment > 0 {
				n = min(n, t.Segment)
			}
			if p.count++; p.drop > 0 && p.count%p.drop == 0 {
				b = b[n:]
				continue
			}
			to.Receive(p.now, conn.Datagram{From: addr, To: t.To, Payload: b[:n]})
			b = b[n:]
		}
	}
	for _, e := range [...]*conn.Endpoint{from, to} {
		for ev, more := e.NextEvent(); more; ev, more = e.NextEvent() {
			if ev.Kind == conn.Connected && e == p.server {
				p.s = ev.Conn
			}
			if p.event != nil {
				p.event(e, ev)
			}
		}
	}
	return ok
}

// echo reads what arrives on a stream, answers its end with ten bytes, and reads the
// answer at the other side.
func (p *pair) echo(e *conn.Endpoint, ev conn.Event) {
	if ev.Kind != conn.StreamReadable {
		return
	}
	c := e.Conn(ev.Conn)
	var buf [4096]byte
	for {
		n, fin, err := c.Read(ev.Stream, buf[:])
		if fin && e == p.server {
			c.Write(ev.Stream, buf[:10], true)
		}
		if n == 0 || fin || err != nil {
			return
		}
	}
}
