package conn_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A peer that opens and resets streams, and acknowledges nothing, is cut off after a few
// times what it may have open.
func TestOpenAndResetFloodEnds(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	server := p.server.Conn(p.s)
	id, most := wire.StreamID(5), 0
	for range 2000 {
		packet := p.client.Conn(p.c).Inject(p.now, handshake.LevelForwardSecure, 0, func(c *wire.Context) (b []byte) {
			for range 20 {
				b = (&wire.StreamFrame{StreamID: id, HasLength: true, Data: []byte{1}}).Append(b, c)
				b = (&wire.RstStreamFrame{StreamID: id, Offset: 1, Code: wire.StreamCancelled}).Append(b, c)
				id += 2
			}
			return b
		})
		p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: packet})
		for _, _, more := p.server.AppendTransmit(p.now, p.buf[:0], 16); more; _, _, more = p.server.AppendTransmit(p.now, p.buf[:0], 16) {
		}
		most = max(most, server.Stats().Streams)
		for range p.server.Events() {
		}
		if server.State() == conn.CloseState {
			break
		}
	}
	var closed *conn.LocalError
	if !errors.As(server.Err(), &closed) || closed.Code != wire.TooManyOpenStreams {
		t.Errorf("the connection ended with %v, want TOO_MANY_OPEN_STREAMS", server.Err())
	}
	if most > 10*(conn.DefaultMaxStreams+10) {
		t.Errorf("%d streams existed at once", most)
	}
}

// What a server sends to an address that has proved nothing is three times what came
// from it, repetitions included, whether the CHLO was padded or not.
func TestNoMoreThanThreeTimesToAStranger(t *testing.T) {
	for _, trim := range []bool{false, true} {
		p := newPair(t, wire.Q043, nil)
		if _, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"}); err != nil {
			t.Fatal(err)
		}
		hello, _, _ := p.client.AppendTransmit(p.now, nil, 1)
		if trim {
			hello = unpadded(t, hello)
		}
		p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: hello})
		sent := 0
		for end := p.now.Add(15 * time.Second); p.now < end; p.now = max(p.now+1, p.server.NextTimeout()) {
			for b, _, more := p.server.AppendTransmit(p.now, p.buf[:0], 16); more; b, _, more = p.server.AppendTransmit(p.now, p.buf[:0], 16) {
				sent += len(b)
			}
			for range p.server.Events() {
			}
		}
		if sent == 0 || sent > 3*len(hello) {
			t.Errorf("%d bytes were sent in answer to %d", sent, len(hello))
		}
	}
}

// unpadded returns a CHLO's packet without its PADDING frames.
func unpadded(t *testing.T, packet []byte) []byte {
	var h wire.Header
	if err := wire.ParseHeader(&h, packet, wire.Client, wire.Q043); err != nil {
		t.Fatal(err)
	}
	var s handshake.Scratch
	null := handshake.NewNull(wire.Client)
	plain, err := null.Open(&s, nil, packet, h.Len, h.PacketNumber)
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte(nil), packet[:h.Len]...)
	b = append(b, make([]byte, null.Prefix())...)
	context := wire.Context{Version: wire.Q043, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen}
	var r wire.Reader
	r.Reset(plain, context)
	for f, err := r.Next(); f != nil; f, err = r.Next() {
		if err != nil {
			t.Fatal(err)
		}
		if f.Type() != wire.PaddingType {
			b = f.Append(b, &context)
		}
	}
	return null.Seal(&s, b, h.Len, h.PacketNumber)
}

// A client that seems to have moved gets three times what came from its new address, and a
// PING now and then, until it answers there.
func TestNoMoreThanThreeTimesToANewAddress(t *testing.T) {
	p := newPair(t, wire.Q043, func(_, s *conn.Config) { s.SendBuffer = 1 << 20 })
	p.connect()
	c, s := p.client.Conn(p.c), p.server.Conn(p.s)
	id, _ := c.OpenStream()
	c.Write(id, []byte("give me much"), false)
	p.run(50 * time.Millisecond)
	s.Write(id, make([]byte, 500_000), false)
	victim := netip.MustParseAddrPort("198.51.100.77:7")
	c.Ping()
	ping, _, _ := p.client.AppendTransmit(p.now, nil, 1)
	p.server.Receive(p.now, conn.Datagram{From: victim, Payload: ping})
	sent := 0
	send := func(until time.Duration) {
		for end := p.now.Add(until); p.now < end; p.now = max(p.now+1, min(p.server.NextTimeout(), end)) {
			for b, to, more := p.server.AppendTransmit(p.now, p.buf[:0], 16); more; b, to, more = p.server.AppendTransmit(p.now, p.buf[:0], 16) {
				if to.To == victim {
					sent += len(b)
				}
			}
			for range p.server.Events() {
			}
		}
	}
	send(5 * time.Second)
	if sent == 0 || sent > 1000 {
		t.Errorf("%d bytes went to the new address for %d from it", sent, len(ping))
	}
	// The client itself goes on from its old address: nothing is lost.
	c.Ping()
	got := 0
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		if e == p.client && ev.Kind == conn.StreamReadable {
			for n := 1; n > 0; got += n {
				n, _, _ = c.Read(ev.Stream, make([]byte, 1<<16))
			}
		}
	}
	p.run(10 * time.Second)
	if got != 500_000 {
		t.Errorf("the client got %d of 500000 bytes after all", got)
	}
}

func TestPeersReasonIsQuotedIfUnprintable(t *testing.T) {
	for reason, want := range map[string]string{
		"bye":             "closed by the peer: 16 PEER_GOING_AWAY: bye",
		"":                "closed by the peer: 16 PEER_GOING_AWAY",
		"\x1b[2J\nother":  `closed by the peer: 16 PEER_GOING_AWAY: "\x1b[2J\nother"`,
		"\xff":            `closed by the peer: 16 PEER_GOING_AWAY: "\xff"`,
		"tschüß, \u202e!": `closed by the peer: 16 PEER_GOING_AWAY: "tschüß, \u202e!"`,
	} {
		if got := (&conn.PeerError{Code: wire.PeerGoingAway, Reason: reason}).Error(); got != want {
			t.Errorf("%q reads %s, want %s", reason, got, want)
		}
	}
}

func TestConfigsThatWouldHarmAreRefused(t *testing.T) {
	for want, change := range map[string]func(*conn.Config){
		"Seed is all zero":          func(c *conn.Config) { c.Seed = [32]byte{} },
		"Server.Secret is all zero": func(c *conn.Config) { c.Server.Secret = [32]byte{} },
		"KeepAlive":                 func(c *conn.Config) { c.KeepAlive = -1e6 },
		"Congestion":                func(c *conn.Config) { c.Congestion = 99 },
		"AckMode":                   func(c *conn.Config) { c.AckMode = 99 },
		"IdleTimeout":               func(c *conn.Config) { c.IdleTimeout = 1 },
	} {
		cfg := conn.Config{Seed: [32]byte{1}, Wall: func(now gquic.Instant) int64 { return 0 },
			Server: &handshake.HostConfig{Certificates: []handshake.Certificate{leaf}, Secret: [32]byte{1}}}
		change(&cfg)
		if _, err := conn.NewEndpoint(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}
