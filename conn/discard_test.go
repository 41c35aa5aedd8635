package conn_test

import (
	"testing"

	"example.com/gquic/wire"
)

// A stream whose reader has given up, and whose own writing was acknowledged long ago,
// ends with the last thing that the peer sends, whatever that is.
func TestDiscardedStreamEnds(t *testing.T) {
	for name, end := range map[string]func(p *pair) error{
		"FIN": func(p *pair) error {
			_, err := p.client.Conn(p.c).Write(3, []byte("more"), true)
			return err
		},
		"reset":   func(p *pair) error { return p.client.Conn(p.c).Reset(3, wire.StreamCancelled) },
		"reset 0": func(p *pair) error { return p.client.Conn(p.c).Reset(3, wire.StreamNoError) },
		"told":    func(p *pair) error { return p.server.Conn(p.s).EndRead(3, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, wire.Q043, nil)
			p.connect()
			client, server := p.client.Conn(p.c), p.server.Conn(p.s)
			if _, err := client.OpenStream(); err != nil {
				t.Fatal(err)
			}
			client.Write(3, []byte("x"), false)
			p.run(moment)
			if err := server.StopReading(3); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Write(3, []byte("y"), true); err != nil {
				t.Fatal(err)
			}
			p.run(moment)
			if err := end(p); err != nil {
				t.Fatal(err)
			}
			p.run(moment)
			if n := server.Stats().Streams; n != 0 {
				t.Errorf("the server still has %d streams", n)
			}
		})
	}
}
