package conn

import (
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/conn/mtu"
	"example.com/gquic/conn/owed"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/conn/stream"
	"example.com/gquic/flowctl"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// State is where a connection is in its life.
//
//	Handshaking ──▶ Established ──▶ Closed
//	      └───────────────────────────▲
type State uint8

const (
	Handshaking State = iota // no application data from the peer yet
	Established              // data flows both ways
	CloseState               // over; what arrived can still be read
)

// String returns the state in words.
func (s State) String() string { return [...]string{"handshaking", "established", "closed"}[s] }

// A Conn is one connection of an [Endpoint]. Its methods take no time and block on
// nothing; what they make due goes out with the next AppendTransmit. A nil Conn, which
// stands for one that is gone, is harmless: its methods return zero values, or
// ErrStaleHandle.
type Conn struct {
	e       *Endpoint
	handle  Handle
	heapPos int32 // in the endpoint's heap of deadlines, -1: not there
	queued  bool  // in the endpoint's queue of connections that may send
	fired   bool  // the retransmission timer fired and nothing was sent since
	resting bool  // what activity needs was given back

	side          wire.Perspective
	state         State
	id            wire.ConnectionID
	version       wire.Version
	local, remote netip.AddrPort
	serverName    string

	// What goes by itself when the handshake is over lies in its own struct, so that an
	// idle connection is small.
	hs         *handshaking
	client     *handshake.Client // a client's machine, kept for config updates
	seal       [handshake.Levels]handshake.AEAD
	open       [handshake.Levels]handshake.AEAD
	confirmed  bool // both sides have the forward-secure keys
	secured    bool // the peer acknowledged a forward-secure packet
	crypto     cryptoStream
	resumption *handshake.Resumption
	peerChain  [][]byte

	params     handshake.Params // the peer's, once known
	havePeer   bool
	idle       time.Duration // negotiated
	omitID     bool          // the peer wants packets without connection ID
	zeroRTT    bool
	holdEarly  bool // application data waits for forward-secure keys
	registered bool // in the endpoint's byAddr

	acks          ack.Tracker
	detector      recovery.Detector
	controller    congestion.Controller
	pacer         congestion.Pacer
	frames        frameRing // what the packets in flight carried
	probes        int       // packets that may go outside window and pacing
	pacedUntil    gquic.Instant
	mtu           mtu.Discovery
	quietPackets  int  // sent in a row without a retransmittable frame
	noStopWaiting bool // neither side sends STOP_WAITING
	stopWaiting   stopWaiting

	probedFrom, probedAt netip.AddrPort // a connectivity probe came, and wants an answer

	streams   streamTable
	recv      flowctl.ReceiveWindow // of the connection
	send      flowctl.SendWindow
	update    owed.Owed // WINDOW_UPDATE 0
	blocked   owed.Owed // BLOCKED 0
	ping      owed.Owed
	goAway    owed.Owed
	goAwayErr closeReason
	peerGone  bool // GOAWAY received

	created      gquic.Instant
	lastReceived gquic.Instant // a packet that opened
	firstSent    gquic.Instant // the first retransmittable packet sent since
	lingerUntil  gquic.Instant // after the close, Never before
	err          error         // why it closed
	closeOwed    bool
	close        closeReason
	closedSeen   bool // the Closed event was taken
	delivered    bool // everything written had arrived when it closed

	credit amplification
	moved  wire.PacketNumber // packets from here on went to the client's newest address; 0: it never moved
	stats  Stats
}

// closeReason is what a CONNECTION_CLOSE or GOAWAY says.
type closeReason struct {
	code   wire.ErrorCode
	reason string
}

// stopWaiting is the state of the peer's STOP_WAITING frames.
type stopWaiting struct {
	least  wire.PacketNumber // the highest least-unacked received
	packet wire.PacketNumber // in this packet
}

// newConn makes what both sides have in common.
func (e *Endpoint) newConn(side wire.Perspective, id wire.ConnectionID, v wire.Version, seed handshake.Entropy) *Conn {
	cfg := e.cfg
	c := &Conn{
		e: e, side: side, id: id, version: v,
		idle:         cfg.IdleTimeout,
		acks:         ack.NewTracker(cfg.AckMode),
		pacer:        congestion.NewPacer(cfg.DatagramSize),
		mtu:          mtu.New(cfg.DatagramSize, cfg.MTULimit),
		recv:         flowctl.NewReceiveWindow(uint64(cfg.ConnectionWindow), uint64(cfg.MaxConnectionWindow)),
		send:         flowctl.NewSendWindow(flowctl.MinWindow),
		created:      e.now,
		lastReceived: e.now,
		firstSent:    gquic.Never,
		lingerUntil:  gquic.Never,
		pacedUntil:   gquic.Never,
		hs:           &handshaking{entropy: seed},
	}
	c.streams.init(side, cfg)
	c.crypto = newCryptoStream()
	c.startNumbering()
	e.add(c)
	e.byID[id] = c.handle.index
	return c
}

// startNumbering begins a packet number space: at the start, and again after a version
// negotiation.
func (c *Conn) startNumbering() {
	var seed [32]byte
	skips := c.hs.entropy.Derive("skipped packet numbers", c.id[:])
	skips.Fill(seed[:])
	c.detector = recovery.New(recovery.Config{SkipSeed: seed})
	c.controller = congestion.New(c.e.cfg.Congestion, congestion.Options{Seed: skips.Uint64()})
}

// Handle returns the connection's handle.
func (c *Conn) Handle() Handle {
	if c == nil {
		return Handle{}
	}
	return c.handle
}

// Perspective returns which side this is.
func (c *Conn) Perspective() wire.Perspective {
	if c == nil {
		return wire.Client
	}
	return c.side
}

// Version returns the version in use; a negotiation can change a client's until it is
// established.
func (c *Conn) Version() wire.Version {
	if c == nil {
		return 0
	}
	return c.version
}

// ConnectionID returns the ID, the same in both directions.
func (c *Conn) ConnectionID() wire.ConnectionID {
	if c == nil {
		return wire.ConnectionID{}
	}
	return c.id
}

// RemoteAddr returns the peer's address, the newest if a client's changed.
func (c *Conn) RemoteAddr() netip.AddrPort {
	if c == nil {
		return netip.AddrPort{}
	}
	return c.remote
}

// ServerName returns the name that the client asked for, on both sides; a server knows
// it with the first CHLO.
func (c *Conn) ServerName() string {
	if c == nil {
		return ""
	}
	return c.serverName
}

// State returns where the connection is in its life.
func (c *Conn) State() State {
	if c == nil {
		return CloseState
	}
	return c.state
}

// Err returns why the connection closed, nil before, and ErrStaleHandle when it is gone.
func (c *Conn) Err() error {
	if c == nil {
		return ErrStaleHandle
	}
	return c.err
}

// HandshakeConfirmed reports whether both sides are known to have the forward-secure
// keys: on a server, that the client's hello was no replay.
func (c *Conn) HandshakeConfirmed() bool { return c != nil && c.confirmed }

// ZeroRTT reports whether the client began with a cached server config that the server
// accepted.
func (c *Conn) ZeroRTT() bool { return c != nil && c.zeroRTT && c.state != Handshaking }

// PeerChain returns the server's certificates that a client verified, leaf first, in DER.
// They must not be modified.
func (c *Conn) PeerChain() [][]byte {
	if c == nil {
		return nil
	}
	return c.peerChain
}

// PeerParams returns the peer's transport parameters and whether they are known yet.
func (c *Conn) PeerParams() (handshake.Params, bool) {
	if c == nil {
		return handshake.Params{}, false
	}
	return c.params, c.havePeer
}

// Resumption returns what a client should store to start its next connection to the
// same server with 0-RTT, or nil while there is nothing.
func (c *Conn) Resumption() *handshake.Resumption {
	if c == nil {
		return nil
	}
	return c.resumption
}

// pool is where the stream buffers get their chunks from.
func (c *Conn) pool() *stream.Pool { return &c.e.pool }
