package conn_test

import (
	"fmt"
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// lose takes everything that e has to send, and loses it.
func (p *pair) lose(e *conn.Endpoint) {
	for _, _, ok := e.AppendTransmit(p.now, nil, 16); ok; _, _, ok = e.AppendTransmit(p.now, nil, 16) {
	}
}

// readAll reads what there is on a stream, and says whether it ended.
func readAll(c *conn.Conn, id wire.StreamID) (n int, fin bool, err error) {
	b := make([]byte, 4096)
	for {
		k, end, err := c.Read(id, b)
		if n += k; end || err != nil || k == 0 {
			return n, end, err
		}
	}
}

// request opens stream 5 with a request from the client.
func request(t *testing.T, fin bool) (p *pair, client, server *conn.Conn) {
	p = newPair(t, wire.Q043, nil)
	p.connect()
	client, server = p.client.Conn(p.c), p.server.Conn(p.s)
	client.OpenStream()
	if id, err := client.OpenStream(); id != 5 || err != nil {
		t.Fatal(id, err)
	}
	client.Write(5, []byte("request"), fin)
	p.run(moment)
	return p, client, server
}

// A RST_STREAM that crosses a FIN that is lost: its sender still has to learn where the
// stream ended, or keeps it, and its place, for ever.
func TestResetCrossesLostFin(t *testing.T) {
	for _, code := range []wire.StreamErrorCode{wire.StreamNoError, wire.StreamCancelled} {
		p, client, server := request(t, true)
		if n, fin, err := readAll(server, 5); n != len("request") || !fin || err != nil {
			t.Fatal(n, fin, err)
		}
		server.Write(5, make([]byte, 4000), true)
		p.lose(p.server)
		if err := client.Reset(5, code); err != nil {
			t.Fatal(err)
		}
		p.run(10 * moment)
		if c, s := client.Stats().Streams, server.Stats().Streams; c != 1 || s != 0 {
			t.Errorf("code %d: %d streams at the client, %d at the server; want 1 (stream 3, not used), 0", code, c, s)
		}
	}
}

// However a stream is given up after its end was written, the peer hears of it and both
// sides forget it.
func TestResetOrders(t *testing.T) {
	cancelled, none := wire.StreamCancelled, wire.StreamNoError
	for _, sizes := range []int{10, 3 << 20} { // sent at once, or held back by the window
		for _, lost := range []bool{false, true} {
			for _, codes := range [][]wire.StreamErrorCode{{none}, {cancelled}, {none, cancelled}, {cancelled, none}, {none, none}} {
				t.Run(fmt.Sprint(sizes, lost, codes), func(t *testing.T) {
					p, client, server := request(t, false)
					data := make([]byte, sizes)
					var got int
					var end bool
					p.event = func(e *conn.Endpoint, ev conn.Event) {
						if e == p.client && ev.Kind == conn.StreamReadable {
							n, fin, _ := readAll(client, ev.Stream)
							got, end = got+n, end || fin
						}
					}
					n, _ := server.Write(5, data, true)
					written := n == len(data)
					if lost {
						p.lose(p.server)
					}
					for _, code := range codes {
						if err := server.Reset(5, code); err != nil {
							t.Fatal(err)
						}
					}
					p.run(50 * moment)
					if c, s := client.Stats().Streams, server.Stats().Streams; c != 1 || s != 0 {
						t.Errorf("%d streams at the client, %d at the server; want 1 (stream 3, not used), 0", c, s)
					}
					if written && codes[len(codes)-1] == none && codes[0] == none && (got != len(data) || !end) {
						t.Errorf("the client read %d bytes of %d, to the end: %v", got, len(data), end)
					}
				})
			}
		}
	}
}

// A farewell that is asked for after all was delivered is due at once.
func TestFarewellAfterDelivery(t *testing.T) {
	p, client, server := request(t, false)
	reset := false
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		reset = reset || e == p.client && ev.Kind == conn.StreamReset && ev.StreamCode == wire.StreamNoError
	}
	server.Write(5, []byte("answer"), true)
	p.run(moment)
	if n, fin, err := readAll(client, 5); n != 6 || !fin || err != nil {
		t.Fatal(n, fin, err)
	}
	if err := server.Farewell(5, wire.StreamNoError); err != nil {
		t.Fatal(err)
	}
	p.run(moment)
	if !reset {
		t.Error("the client did not hear of it")
	}
}

// A FIN that came just before the connection's end can still be read, like data.
func TestFinBeforeClose(t *testing.T) {
	p, client, server := request(t, false)
	if n, _, _ := readAll(server, 5); n != len("request") {
		t.Fatal(n)
	}
	client.Write(5, nil, true)
	p.carry(p.client, p.server, clientAddr)
	client.Close(wire.PeerGoingAway, "done")
	p.carry(p.client, p.server, clientAddr) // and the server's events are all taken
	if server.State() != conn.CloseState {
		t.Fatal(server.State())
	}
	if n, fin, err := p.server.Conn(p.s).Read(5, make([]byte, 10)); n != 0 || !fin || err != nil {
		t.Errorf("read %d, %v, %v; want the end", n, fin, err)
	}
	if p.server.Conn(p.s) != nil {
		t.Error("the connection is kept although all was read")
	}
}
