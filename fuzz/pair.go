package fuzz

import (
	"fmt"
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// The addresses of a Pair, and the name of its server.
var (
	ClientAddr = netip.MustParseAddrPort("192.0.2.1:50000")
	ServerAddr = netip.MustParseAddrPort("198.51.100.1:443")
)

// ServerName is the name that the servers here have certificates for.
const ServerName = "server.example"

// Authority issued Certificate, which all servers here have.
var (
	Authority   = sim.NewAuthority("fuzz")
	Certificate = Authority.Issue(ServerName)
)

// ClientConfig returns the configuration of a client that trusts Authority.
func ClientConfig(versions ...wire.Version) conn.Config {
	return conn.Config{Wall: sim.Wall, Seed: [32]byte{1}, Versions: versions,
		Client: &handshake.ClientConfig{Roots: Authority.Pool}}
}

// ServerConfig returns the configuration of a server with Certificate.
func ServerConfig(versions ...wire.Version) conn.Config {
	return conn.Config{Wall: sim.Wall, Seed: [32]byte{2}, Versions: versions,
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{Certificate}, Secret: [32]byte{3}}}
}

// MustEndpoint returns an endpoint, and panics if the configuration is wrong.
func MustEndpoint(cfg conn.Config) *conn.Endpoint {
	e, err := conn.NewEndpoint(cfg)
	if err != nil {
		panic(err)
	}
	return e
}

// A Pair is a client and a server with nothing between them.
type Pair struct {
	Now            gquic.Instant
	Client, Server *conn.Endpoint
	C, S           conn.Handle // of the newest connection
	// Seen, if not nil, is shown each datagram; those it returns false for are lost.
	Seen func(sender wire.Perspective, datagram []byte) bool

	buf []byte
}

// NewPair returns a pair of endpoints.
func NewPair(client, server conn.Config) *Pair {
	return &Pair{Client: MustEndpoint(client), Server: MustEndpoint(server), buf: make([]byte, 0, 1<<15)}
}

// Clone returns a copy that goes on alike.
func (p *Pair) Clone() *Pair {
	c := *p
	c.Client, c.Server = p.Client.Clone(), p.Server.Clone()
	c.buf = make([]byte, 0, cap(p.buf))
	return &c
}

// Dial begins a connection.
func (p *Pair) Dial(o conn.DialOptions) error {
	o.ServerName = ServerName
	h, err := p.Client.Dial(p.Now, ServerAddr, o)
	p.C = h
	return err
}

// Connect dials and exchanges everything until both sides are quiet.
func (p *Pair) Connect() error {
	if err := p.Dial(conn.DialOptions{}); err != nil {
		return err
	}
	p.Run(p.Now.Add(200e6))
	if c, s := p.Client.Conn(p.C), p.Server.Conn(p.S); !c.HandshakeConfirmed() || !s.HandshakeConfirmed() {
		return fmt.Errorf("not connected: client %v (%v), server %v (%v)", c.State(), c.Err(), s.State(), s.Err())
	}
	return nil
}

// Run exchanges datagrams, which arrive at once, until there is nothing to do before end.
func (p *Pair) Run(end gquic.Instant) {
	for {
		for p.Carry(wire.Client) || p.Carry(wire.Server) {
		}
		next := min(p.Client.NextTimeout(), p.Server.NextTimeout())
		if next > end {
			p.Now = end
			return
		}
		p.Now = max(next, p.Now)
	}
}

// Carry hands over what one side sends next, and takes the events of both.
func (p *Pair) Carry(from wire.Perspective) bool {
	source, target, addr := p.Client, p.Server, ClientAddr
	if from == wire.Server {
		source, target, addr = p.Server, p.Client, ServerAddr
	}
	b, t, ok := source.AppendTransmit(p.Now, p.buf[:0], 4)
	for ; len(b) > 0; b = b[Segment(b, t):] {
		d := b[:Segment(b, t)]
		if p.Seen == nil || p.Seen(from, d) {
			target.Receive(p.Now, conn.Datagram{From: addr, Payload: d})
		}
	}
	for ev := range p.Server.Events() {
		if ev.Kind == conn.Connected {
			p.S = ev.Conn
		}
	}
	for range p.Client.Events() {
	}
	return ok
}

// Segment returns the length of the first of the datagrams in b.
func Segment(b []byte, t conn.Transmit) int {
	if t.Segment > 0 {
		return min(len(b), t.Segment)
	}
	return len(b)
}

// Recording returns the datagrams of a connection of one version with a request and an
// answer on it, each with its sender: real packets to begin fuzzing with.
func Recording(v wire.Version) (datagrams [][]byte, senders []wire.Perspective) {
	p := NewPair(ClientConfig(v), ServerConfig(v))
	p.Seen = func(s wire.Perspective, d []byte) bool {
		datagrams, senders = append(datagrams, append([]byte(nil), d...)), append(senders, s)
		return true
	}
	if err := p.Connect(); err != nil {
		panic(err)
	}
	c := p.Client.Conn(p.C)
	id, _ := c.OpenStream()
	c.Write(id, []byte("a request"), true)
	p.Run(p.Now.Add(200e6))
	p.Server.Conn(p.S).Write(id, []byte("an answer"), true)
	p.Run(p.Now.Add(200e6))
	c.Close(wire.PeerGoingAway, "done")
	p.Run(p.Now.Add(200e6))
	return datagrams, senders
}
