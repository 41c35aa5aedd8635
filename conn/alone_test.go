package conn_test

import (
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// Driven by NextTimeout alone, with a network that carries nothing any more, an endpoint
// comes to its end: each deadline lies in the future once all is drained, and there are
// not many.
func TestAloneWithTheDeadlines(t *testing.T) {
	for name, prepare := range map[string]func(p *pair) *conn.Endpoint{
		"client, dialling": func(p *pair) *conn.Endpoint {
			p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
			return p.client
		},
		"server, half open": func(p *pair) *conn.Endpoint {
			p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
			p.carry(p.client, p.server, clientAddr)
			return p.server
		},
		"client, waiting for the SHLO with data": func(p *pair) *conn.Endpoint {
			h, _ := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
			c := p.client.Conn(h)
			id, _ := c.OpenStream()
			c.Write(id, make([]byte, 100<<10), true)
			p.carry(p.client, p.server, clientAddr)
			p.carry(p.server, p.client, serverAddr)
			return p.client
		},
		"client, idle": func(p *pair) *conn.Endpoint {
			p.connect()
			return p.client
		},
		"server, with data": func(p *pair) *conn.Endpoint {
			p.connect()
			c := p.server.Conn(p.s)
			id, _ := c.OpenStream()
			c.Write(id, make([]byte, 1<<20), true)
			return p.server
		},
		"client, with data that was given up": func(p *pair) *conn.Endpoint {
			p.connect()
			c := p.client.Conn(p.c)
			id, _ := c.OpenStream()
			c.Write(id, make([]byte, 1<<20), true)
			p.lose(p.client)
			c.Reset(id, wire.StreamCancelled)
			return p.client
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, wire.Q043, func(client, _ *conn.Config) { client.KeepAlive = 15 * time.Second })
			e := prepare(p)
			closed := false
			for steps := 0; ; steps++ {
				p.lose(e)
				for ev := range e.Events() {
					closed = closed || ev.Kind == conn.Closed
				}
				p.lose(e)
				next := e.NextTimeout()
				if next == gquic.Never || closed && e.Stats().Connections == 0 {
					break
				}
				if _, why := e.TimeoutReason(); next <= p.now || steps > 200 {
					t.Fatalf("step %d at %v: the next deadline is %v, for %v", steps, p.now, next, why)
				}
				p.now = next
			}
			if !closed {
				t.Error("the connection did not end")
			}
		})
	}
}
