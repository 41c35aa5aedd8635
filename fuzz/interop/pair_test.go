package interop

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/fuzz/interop/relay"
	"example.com/gquic/wire"
)

// patience bounds every scenario. Nothing is judged by time: it only turns a hang into
// a failure with a name.
const patience = 60 * time.Second

var chains = sync.OnceValues(Chains)

// A setup is one way to run a scenario.
type setup struct {
	client, server Stack
	version        wire.Version
	chain          Chain
	bad            bool // through a relay that loses, repeats and reorders
}

func (s setup) String() string {
	link := "clean"
	if s.bad {
		link = "bad"
	}
	return fmt.Sprintf("%s-to-%s/%v/%s/%s", s.client.Name(), s.server.Name(), s.version, s.chain.Name, link)
}

// badLink is what the relay does, by its seed.
var badLink = relay.Config{Seed: 20190821, Drop: 0.02, Duplicate: 0.01, Reorder: 0.02}

// setups are both roles, both versions and these chains and links.
func setups(t *testing.T, chainNames []string, links ...bool) []setup {
	all, err := chains()
	if err != nil {
		t.Fatal(err)
	}
	var list []setup
	for _, roles := range [][2]Stack{{GQUIC{}, QuicGo{}}, {QuicGo{}, GQUIC{}}} {
		for _, v := range []wire.Version{wire.Q043, wire.Q044} {
			for _, c := range all {
				for _, bad := range links {
					for _, n := range chainNames {
						if n == c.Name {
							list = append(list, setup{roles[0], roles[1], v, c, bad})
						}
					}
				}
			}
		}
	}
	return list
}

// A pair is a client and a server that have shaken hands.
type pair struct {
	setup
	client, server Session
	listener       Listener
	ctx            context.Context
	seen           *watch
	relay          *relay.Relay
}

// each runs a scenario in every setup.
func each(t *testing.T, list []setup, f func(t *testing.T, p *pair)) {
	for _, s := range list {
		t.Run(s.String(), func(t *testing.T) { f(t, connect(t, s, Options{}, Options{})) })
	}
}

// connect begins a listener, the relay, and a session through them. The options are for
// what the setup does not say.
func connect(t *testing.T, s setup, clientOptions, serverOptions Options) *pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &pair{setup: s, ctx: ctx, seen: new(watch)}
	for _, o := range []*Options{&clientOptions, &serverOptions} {
		o.Chain, o.Trace = s.chain, p.seen.trace
		if o.Versions == nil {
			o.Versions = []wire.Version{s.version}
		}
	}
	l, err := s.server.Listen(serverOptions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	p.listener = l
	addr := l.Addr()
	if s.bad {
		if p.relay, err = relay.Start(netip.MustParseAddrPort(addr), badLink); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.relay.Close)
		addr = p.relay.Addr().String()
	}
	if p.client, err = s.client.Dial(ctx, addr, clientOptions); err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { p.client.Close(wire.PeerGoingAway, "the test is over") })
	if p.server, err = l.Accept(ctx); err != nil {
		t.Fatalf("accept: %v", err)
	}
	return p
}

// A watch counts the frames that gquic sent and received.
type watch struct {
	mu     sync.Mutex
	frames map[string]int // "sent BLOCKED"
}

func (w *watch) trace(p *conn.PacketTrace) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.frames == nil {
		w.frames = make(map[string]int)
	}
	which := "received"
	if p.Sent {
		which = "sent"
	}
	r := p.Frames()
	for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
		w.frames[fmt.Sprintf("%s %T", which, f)]++
	}
}

func (w *watch) count(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames[what]
}
