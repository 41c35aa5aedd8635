package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// ServerName is the name of the servers of ready-made worlds.
const ServerName = "server.example"

// The addresses of ready-made worlds.
var (
	ClientAddr = netip.MustParseAddrPort("192.0.2.1:50000")
	ServerAddr = netip.MustParseAddrPort("198.51.100.1:443")
)

// A Transfer is a ready-made world: one client moves bytes to and from one server over a
// link each way. The zero value moves nothing but an empty request over a perfect network.
type Transfer struct {
	Seed    uint64
	Version wire.Version // zero: Q043

	Streams  int   // zero: one
	Upload   int64 // bytes in all, spread over the streams
	Download int64

	Link     LinkConfig  // both ways
	Up, Down *LinkConfig // in place of Link, for one way

	Congestion congestion.Algorithm // of both sides
	ZeroRTT    bool                 // a first connection is made before, for the second to resume
	NullCipher bool                 // leave out the encryption once it would be forward-secure

	// Client and Server, if not nil, change the configuration of a side before it is used.
	Client, Server func(*conn.Config)

	Trace func(TraceEvent)    // of every datagram, or nil
	Limit time.Duration       // of virtual time; zero: an hour
	Each  func(w *World) bool // called after every event; false ends the run. Or nil
}

// A Result is how a [Transfer] went.
type Result struct {
	Seed          uint64
	OK            bool
	Err           error // why not
	Version       wire.Version
	ZeroRTT       bool
	HandshakeRTTs int           // CHLOs that the client sent, less one: 0 is 0-RTT
	HandshakeTime time.Duration // virtual
	Bytes         int64         // both ways, as the applications count
	Duration      time.Duration // virtual, from the dial until everything was acknowledged
	Goodput       int64         // bits per second of virtual time

	PacketsSent, PacketsLost   uint64 // by both sides; lost as they see it
	RetransmittedBytes         uint64 // of stream data
	ClientStats, ServerStats   conn.Stats
	Network                    Stats
	Digest                     [32]byte
	ClientEndpoint, ServerSide conn.EndpointStats
}

// String describes the result in a few words.
func (r Result) String() string {
	if !r.OK {
		return fmt.Sprintf("seed %d failed: %v", r.Seed, r.Err)
	}
	return fmt.Sprintf("seed %d: %v, %d round trips of handshake, %d bytes in %v (%d kbit/s), %d of %d packets lost, %d bytes sent again",
		r.Seed, r.Version, r.HandshakeRTTs, r.Bytes, r.Duration.Round(time.Millisecond), r.Goodput/1000, r.PacketsLost, r.PacketsSent, r.RetransmittedBytes)
}

// World builds the transfer's world without running it.
func (t Transfer) World() (*World, *Client, *Server, error) {
	w := New(t.Seed)
	w.Trace = t.Trace
	version := t.Version
	if version == 0 {
		version = wire.Q043
	}
	ca := NewAuthority("gquic sim")
	base := conn.Config{
		Versions:   []wire.Version{version},
		Wall:       Wall,
		Congestion: t.Congestion,
	}
	if t.NullCipher {
		base.ReplaceCipher = NullCipher
	}
	cc := base
	cc.Seed = w.Seed("client")
	cc.Client = &handshake.ClientConfig{Roots: ca.Pool}
	if t.Client != nil {
		t.Client(&cc)
	}
	sc := base
	sc.Seed = w.Seed("server")
	sc.Server = &handshake.HostConfig{
		Certificates: []handshake.Certificate{ca.Issue(ServerName)},
		Secret:       w.Seed("server secret"),
	}
	if t.Server != nil {
		t.Server(&sc)
	}
	ce, err := conn.NewEndpoint(cc)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("client: %w", err)
	}
	se, err := conn.NewEndpoint(sc)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("server: %w", err)
	}
	streams := max(t.Streams, 1)
	client := &Client{
		To:       ServerAddr,
		Options:  conn.DialOptions{ServerName: ServerName},
		Streams:  streams,
		Upload:   t.Upload / int64(streams),
		Download: t.Download / int64(streams),
	}
	if t.ZeroRTT {
		client.Connections = 2
	}
	server := &Server{}
	up, down := t.Link, t.Link
	if t.Up != nil {
		up = *t.Up
	}
	if t.Down != nil {
		down = *t.Down
	}
	cn := w.Node("client", ClientAddr, ce, client)
	sn := w.Node("server", ServerAddr, se, server)
	w.Connect(cn, sn, up, down)
	return w, client, server, nil
}

// Run runs the transfer.
func (t Transfer) Run() Result {
	r := Result{Seed: t.Seed}
	w, client, server, err := t.World()
	if err != nil {
		r.Err = err
		return r
	}
	limit := t.Limit
	if limit == 0 {
		limit = time.Hour
	}
	if t.Each == nil {
		err = w.Run(gquic.Instant(limit))
	} else {
		err = t.steps(w, gquic.Instant(limit))
	}
	done := client.Result()
	r.Version, r.ZeroRTT = done.Version, done.ZeroRTT
	r.ClientStats = done.Stats
	for c := range w.nodes[1].endpoint.Connections() {
		r.ServerStats = c.Stats()
	}
	r.HandshakeRTTs = done.Stats.Hellos - 1
	r.HandshakeTime = done.Stats.HandshakeTime
	r.Network = w.Stats()
	r.ClientEndpoint = w.nodes[0].endpoint.Stats()
	r.ServerSide = w.nodes[1].endpoint.Stats()
	r.PacketsSent = r.ClientStats.PacketsSent + r.ServerStats.PacketsSent
	r.PacketsLost = r.ClientStats.PacketsLost + r.ServerStats.PacketsLost
	r.RetransmittedBytes = r.ClientStats.BytesRetransmitted + r.ServerStats.BytesRetransmitted
	r.Digest = w.Digest()
	r.Err = err
	if err == nil && server.Answered() != client.made*max(t.Streams, 1) {
		r.Err = fmt.Errorf("the server answered %d streams", server.Answered())
	}
	r.OK = r.Err == nil
	if r.OK {
		streams := int64(max(t.Streams, 1))
		r.Bytes = streams * (t.Upload/streams + t.Download/streams)
		r.Duration = done.Finished.Sub(done.Dialed)
		if us := r.Duration.Microseconds(); us > 0 {
			r.Goodput = r.Bytes * 8 * 1_000_000 / us
		}
	}
	return r
}

// steps runs w one event at a time, for a watcher.
func (t Transfer) steps(w *World, limit gquic.Instant) error {
	for !w.Done() {
		if w.now > limit {
			return w.unfinished(ErrLimit)
		}
		if !w.Step() {
			if w.err != nil {
				return w.err
			}
			return w.unfinished(ErrStuck)
		}
		if !t.Each(w) {
			return errors.New("ended by the watcher")
		}
	}
	return nil
}
