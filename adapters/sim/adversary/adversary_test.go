package adversary_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/adapters/sim/adversary"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var (
	authority = sim.NewAuthority("adversary")
	leaf      = authority.Issue("server.example")
	address   = netip.MustParseAddrPort("192.0.2.9:4000")
)

func hostConfig() *handshake.HostConfig {
	return &handshake.HostConfig{Certificates: []handshake.Certificate{leaf}, Secret: [32]byte{1}}
}

func clientConfig() *handshake.ClientConfig { return &handshake.ClientConfig{Roots: authority.Pool} }

// against returns a lab with a connected adversary: a client in front of a server, or the
// other way round.
func against(tb testing.TB, side wire.Perspective, v wire.Version) *adversary.Lab {
	cfg := conn.Config{Wall: sim.Wall, Seed: [32]byte{2}, Versions: []wire.Version{v}}
	peer := adversary.Config{Version: v, ServerName: "server.example", Seed: [32]byte{3}, Wall: sim.WallStart,
		ConnectionID: wire.ConnectionID{7}, ClientAddr: address.Addr()}
	l := &adversary.Lab{Addr: address}
	var err error
	if side == wire.Client {
		cfg.Server, peer.Client = hostConfig(), clientConfig()
		l.Peer, err = adversary.NewClient(peer)
	} else {
		cfg.Client, peer.Host = clientConfig(), hostConfig()
		l.Peer, err = adversary.NewServer(peer)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if l.Endpoint, err = conn.NewEndpoint(cfg); err != nil {
		tb.Fatal(err)
	}
	if side == wire.Server {
		if l.Conn, err = l.Endpoint.Dial(l.Now, address, conn.DialOptions{ServerName: "server.example"}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := l.Connect(); err != nil {
		tb.Fatal(err)
	}
	return l
}

// TestAnswers holds the endpoint to the code that each kind of misbehaviour closes with;
// 0 means that the connection goes on.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		script string
		client wire.ErrorCode // against a server, by a client
		server wire.ErrorCode
	}{
		{"send PING", 0, 0},
		{"ack", 0, 0},
		{"ack 100000", wire.InvalidAckData, wire.InvalidAckData},
		{"skip 1000\nsend PING", 0, 0},
		{"send PING\nrepeat 1", 0, 0},
		{"payload 0f", wire.InvalidFrameData, wire.InvalidFrameData},
		{"send STREAM 2 [0,5)", wire.InvalidStreamID, 0},
		{"send STREAM 5 [0,5)", 0, wire.InvalidStreamID},
		{"send STREAM 0 [0,5)", wire.InvalidStreamID, wire.InvalidStreamID},
		{"send STREAM 6 [0,5) fin\nsend STREAM 6 [5,6)", wire.InvalidStreamID, 2},
		{"send STREAM 5 [0,5) fin\nsend STREAM 5 [0,7)", 2, wire.InvalidStreamID},
		{"send STREAM 5 [0,5)\ncontradict 5 2 8", 0, wire.InvalidStreamID},
		{"send STREAM 5 [900000,900001)", wire.FlowControlReceivedTooMuchData, wire.InvalidStreamID},
		{"send STREAM 1 [40000,40001)", wire.FlowControlReceivedTooMuchData, wire.FlowControlReceivedTooMuchData},
		{"send RST_STREAM 1 at 0 code 1", wire.InvalidStreamID, wire.InvalidStreamID},
		{"send WINDOW_UPDATE connection to 1", 0, 0},
		{"send STREAM 100001 [0,1)", wire.TooManyAvailableStreams, wire.InvalidStreamID},
		{"null PING", 0, 0},
		{"null CONNECTION_CLOSE 16 forged", 0, 0}, // clear packets are no longer believed
		{"send GOAWAY 16 last 3", 0, 0},
	} {
		for _, side := range []wire.Perspective{wire.Client, wire.Server} {
			for _, v := range []wire.Version{wire.Q043, wire.Q044} {
				want := test.client
				if side == wire.Server {
					want = test.server
				}
				l := against(t, side, v)
				if err := l.Peer.Script(test.script); err != nil {
					t.Fatal(err)
				}
				l.Exchange()
				if err := l.Endpoint.Check(); err != nil {
					t.Errorf("%q by a %v, %v: %v", test.script, side, v, err)
				}
				var local *conn.LocalError
				var got wire.ErrorCode
				if err := l.Err(); errors.As(err, &local) {
					got = local.Code
				} else if err != nil {
					t.Errorf("%q by a %v, %v: closed with %v", test.script, side, v, err)
				}
				if got != want {
					t.Errorf("%q by a %v, %v: closed with %v, want %v", test.script, side, v, got, want)
				}
			}
		}
	}
}

// TestStall: a client that never goes on with its handshake costs the server ten seconds.
func TestStall(t *testing.T) {
	cfg := conn.Config{Wall: sim.Wall, Seed: [32]byte{2}, Server: hostConfig()}
	e, err := conn.NewEndpoint(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := adversary.NewClient(adversary.Config{ServerName: "server.example", Wall: sim.WallStart, Client: clientConfig()})
	if err != nil {
		t.Fatal(err)
	}
	l := &adversary.Lab{Endpoint: e, Peer: p, Addr: address}
	p.Mute = true
	l.Exchange()
	if e.Stats().HalfOpen != 1 {
		t.Fatalf("%d half-open connections", e.Stats().HalfOpen)
	}
	l.Advance(conn.DefaultHandshakeTimeout + time.Second)
	if s := e.Stats(); s.HalfOpen != 0 || e.Check() != nil {
		t.Fatalf("%d half-open connections, %v", s.HalfOpen, e.Check())
	}
}

// TestPeerClones: a peer and its clone do the same.
func TestPeerClones(t *testing.T) {
	l := against(t, wire.Client, wire.Q044)
	c := l.Clone()
	for _, l := range []*adversary.Lab{l, c} {
		if err := l.Peer.Script("send STREAM 5 [0,100)\nack\nskip 2\nrepeat 2\nsend PING"); err != nil {
			t.Fatal(err)
		}
		l.Exchange()
	}
	if a, b := fmt.Sprint(l.Peer.Received), fmt.Sprint(c.Peer.Received); a != b {
		t.Errorf("received %s\nand %s", a, b)
	}
}

// TestFramesAsPrinted: what package wire prints can be read.
func TestFramesAsPrinted(t *testing.T) {
	for _, text := range []string{
		"STREAM 5 [3,9) fin", "RST_STREAM 5 at 100 code 6 STREAM_CANCELLED", "ACK 1-5 7-9 delay 1ms", "STOP_WAITING 5",
		"WINDOW_UPDATE 5 to 32768", "WINDOW_UPDATE connection to 9", "BLOCKED connection", "BLOCKED 3", "PING", "PADDING 9",
		"GOAWAY 16 PEER_GOING_AWAY last 5",
	} {
		if f, err := adversary.ParseFrame(text); err != nil || f.String() != text {
			t.Errorf("%q read as %v, %v", text, f, err)
		}
	}
	for _, text := range []string{"", "STREAM", "STREAM 5", "STREAM 5 [9,3)", "ACK", "ACK 0", "NONSENSE 1", "RST_STREAM 5 code 6"} {
		if f, err := adversary.ParseFrame(text); err == nil {
			t.Errorf("%q read as %v", text, f)
		}
	}
	l := against(t, wire.Client, wire.Q043)
	for _, line := range []string{"dance", "skip x", "send STREAM", "raw zz", "initial PING PONG;", "contradict 1 2"} {
		if err := l.Peer.Do(line); err == nil {
			t.Errorf("%q was done", line)
		}
	}
}

func Example() {
	endpoint, _ := conn.NewEndpoint(conn.Config{Wall: sim.Wall, Seed: [32]byte{1}, Server: hostConfig()})
	peer, _ := adversary.NewClient(adversary.Config{ServerName: "server.example", Wall: sim.WallStart, Client: clientConfig()})
	lab := &adversary.Lab{Endpoint: endpoint, Peer: peer, Addr: address}
	if err := lab.Connect(); err != nil {
		fmt.Println(err)
	}
	peer.Script(strings.Join([]string{
		"send STREAM 5 [0,10) fin",
		"send STREAM 5 [0,20)", // more than the stream has
	}, "\n"))
	lab.Exchange()
	fmt.Println(lab.Err())
	fmt.Println(endpoint.Check())
	// Output:
	// closed locally: 2 STREAM_DATA_AFTER_TERMINATION: data up to 20, past the final offset 10
	// <nil>
}
