package conn

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/owed"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// DialOptions say whom to connect to.
type DialOptions struct {
	// ServerName is the host that the server must prove to be. It is sent (SNI) unless it
	// is an IP literal.
	ServerName string
	// Resumption is what an earlier connection to this server left; with it the
	// connection starts without waiting for the server (0-RTT). Nil: first contact.
	Resumption *handshake.Resumption
	// Versions to offer, preferred first; nil: the endpoint's.
	Versions []wire.Version
	// HoldEarlyData keeps application data back until it is forward-secure: data sent
	// before can be replayed by whoever recorded it.
	HoldEarlyData bool
	// Local is the address to send from, if the endpoint's sockets have several.
	Local netip.AddrPort
}

// Dial begins a connection to a server. Streams can be opened and written at once; the
// data leaves as soon as keys allow. Errors: ErrNotClient, ErrTooManyConns,
// ErrAddressInUse, or what is wrong with the options.
func (e *Endpoint) Dial(now gquic.Instant, to netip.AddrPort, o DialOptions) (Handle, error) {
	e.advance(now)
	if e.cfg.Client == nil {
		return Handle{}, ErrNotClient
	}
	if !to.IsValid() || to.Port() == 0 {
		return Handle{}, fmt.Errorf("conn: cannot dial %v: it is no address of a server", to)
	}
	if e.stats.Connections >= e.cfg.MaxConnections {
		return Handle{}, ErrTooManyConns
	}
	if len(o.Versions) == 0 {
		o.Versions = e.cfg.Versions
	}
	for _, v := range o.Versions {
		if !v.Supported() {
			return Handle{}, fmt.Errorf("conn: DialOptions.Versions: %v is not supported", v)
		}
	}
	version := o.Versions[0]
	if _, taken := e.byAddr[unmapped(to)]; taken && version.UsesIETFHeader() {
		return Handle{}, ErrAddressInUse
	}
	seed := e.connectionSeed()
	c := e.newConn(wire.Client, drawID(&seed, 0), version, seed)
	c.local, c.remote = o.Local, to
	c.serverName = o.ServerName
	c.holdEarly = o.HoldEarlyData
	c.credit.validated = true
	c.hs.options = o
	c.configure(e.cfg.Options, nil, false, nil)
	if err := c.startClient(o.Resumption); err != nil {
		e.forget(c)
		e.remove(c)
		return Handle{}, err
	}
	e.stats.Dialed++
	e.settle(c)
	return c.handle, nil
}

// connectionSeed derives the randomness of one more connection.
func (e *Endpoint) connectionSeed() handshake.Entropy {
	e.created++
	return e.entropy.Derive("connection", binary.BigEndian.AppendUint64(nil, e.created))
}

// drawID draws a client's n-th connection ID.
func drawID(seed *handshake.Entropy, n byte) (id wire.ConnectionID) {
	ids := seed.Derive("connection ID", []byte{n})
	ids.Fill(id[:])
	return id
}

// startClient makes the client's machine for the version in use and queues its CHLO.
func (c *Conn) startClient(r *handshake.Resumption) error {
	params := c.e.cfg.params(true)
	if _, taken := c.e.byAddr[unmapped(c.remote)]; taken && !c.registered {
		params.OmitConnectionID = false
	}
	client, err := handshake.NewClient(c.e.cfg.Client, handshake.ClientStart{
		ConnectionID: c.id,
		Version:      c.version,
		First:        c.hs.options.Versions[0],
		Negotiated:   c.hs.negotiated,
		ServerName:   c.serverName,
		Params:       params,
		Entropy:      c.hs.entropy.Derive("handshake", c.id[:]),
		Resumption:   r,
	})
	if err != nil {
		return err
	}
	if params.OmitConnectionID || c.version.UsesIETFHeader() {
		c.registered = true
		c.e.byAddr[unmapped(c.remote)] = c.handle.index
	}
	c.client = client
	c.seal[handshake.LevelNull], c.open[handshake.LevelNull] = nullFromClient, nullFromServer
	if err := client.Start(c.e.wall()); err != nil {
		return err
	}
	c.runMachine()
	return nil
}

// versionNegotiation follows a version negotiation packet, once, before anything else
// was heard of the server (reference: wire, section 6). The connection starts afresh
// under a new connection ID, with what the application has written so far.
func (c *Conn) versionNegotiation(h *wire.Header) Verdict {
	if c.state != Handshaking || c.hs.heard || c.hs.negotiated != nil || h.ConnectionID != c.id || h.Versions.Contains(c.version) {
		return DroppedVersion
	}
	list := make([]wire.Version, 0, h.Versions.Len())
	for i := range h.Versions.Len() {
		if v := h.Versions.At(i); !v.Reserved() {
			list = append(list, v)
		}
	}
	c.hs.negotiated = list
	for _, v := range c.hs.options.Versions {
		if !h.Versions.Contains(v) {
			continue
		}
		if i, taken := c.e.byAddr[unmapped(c.remote)]; taken && v.UsesIETFHeader() && i != c.handle.index {
			c.end(ErrAddressInUse)
			return VersionNegotiated
		}
		c.restart(v)
		return VersionNegotiated
	}
	c.end(ErrNoCommonVersion)
	return VersionNegotiated
}

func (c *Conn) restart(v wire.Version) {
	e := c.e
	e.forget(c)
	c.registered = false
	c.id = drawID(&c.hs.entropy, 1)
	e.byID[c.id] = c.handle.index
	c.version = v
	c.seal, c.open = [handshake.Levels]handshake.AEAD{}, [handshake.Levels]handshake.AEAD{}
	c.hs.candidate = nil
	c.crypto.send.Reset(c.pool())
	c.crypto.recv.Reset(c.pool())
	c.crypto = newCryptoStream()
	c.stats.Hellos = 0
	c.acks = ack.NewTracker(e.cfg.AckMode)
	c.startNumbering()
	c.configure(e.cfg.Options, nil, false, nil)
	c.frames = frameRing{}
	c.streams.sendAgain(c)
	for _, o := range [...]*owed.Owed{&c.update, &c.blocked, &c.ping, &c.goAway} {
		sendOwedAgain(o)
	}
	if err := c.startClient(c.hs.options.Resumption); err != nil {
		c.fail(err)
	}
}

// sendOwedAgain makes a frame due that was sent in a packet of another connection.
func sendOwedAgain(o *owed.Owed) bool {
	_, sent := o.InFlight()
	if sent {
		o.Set()
	}
	return sent
}

// newServerConn makes the server's side of a connection for a client's first packet.
func (e *Endpoint) newServerConn(d *Datagram, id wire.ConnectionID, v wire.Version) *Conn {
	seed := e.connectionSeed()
	c := e.newConn(wire.Server, id, v, seed)
	c.local, c.remote = d.To, d.From
	c.seal[handshake.LevelNull], c.open[handshake.LevelNull] = nullFromServer, nullFromClient
	c.hs.halfOpen = true
	c.credit.least = leastRoom
	e.halfOpen++
	params := e.cfg.params(false)
	if v.UsesIETFHeader() {
		params.StatelessReset, params.HasStatelessReset = e.resetToken(id), true
	}
	c.hs.server = handshake.NewServer(e.host, handshake.ServerStart{
		ConnectionID: id,
		Version:      v,
		Versions:     e.cfg.Versions,
		ClientAddr:   d.From.Addr(),
		Params:       params,
		Entropy:      seed.Derive("handshake", id[:]),
	})
	return c
}

// resumeFrom makes a new server connection go on behind the REJ that a stateless answer
// sent before.
func (c *Conn) resumeFrom(r handshake.Resume) {
	c.detector.StartAt(r.NextPacketNumber)
	c.crypto.recv.StartAt(r.ClientOffset)
	c.crypto.window.StartAt(r.ClientOffset)
	c.crypto.send.StartAt(r.ServerOffset)
	c.stats.Hellos = 1
}
