package conn_test

import (
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A connection that has been quiet says what it would have said without giving memory
// back, and is woken by either side.
func TestQuietConnectionsAreWoken(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		for _, tidy := range []bool{false, true} {
			p, h := idleServer(t, version, 1)
			c, s := p.client.Conn(p.c), p.server.Conn(h[0])
			if tidy {
				p.sleep(2 * conn.QuietAfter)
				if next := p.server.NextTidy(); next != gquic.Never {
					t.Errorf("%v: after a quiet time there is more to tidy, at %v", version, next)
				}
			}
			sent := s.Stats().PacketsSent
			if err := s.Ping(); err != nil {
				t.Fatal(err)
			}
			p.run(time.Second)
			id, err := c.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			c.Write(id, make([]byte, 5000), true)
			p.run(time.Second)
			if c.Stats().Streams != 0 || s.Stats().Streams != 0 || s.Stats().PacketsSent == sent {
				t.Errorf("%v, tidy %v: the request was not answered: %+v", version, tidy, s.Stats())
			}
			if p.server.NextTidy() == gquic.Never {
				t.Errorf("%v: nothing to tidy after a request", version)
			}
			if err := p.server.Check(); err != nil {
				t.Errorf("%v: %v", version, err)
			}
		}
	}
}

// sleep lets time pass with nothing to do but what the endpoints ask for.
func (p *pair) sleep(d time.Duration) {
	for end := p.now.Add(d); p.now < end; {
		p.now = min(end, max(p.now+1, p.client.NextTidy(), p.server.NextTidy()))
		p.run(0)
	}
}
