package conn

import (
	"errors"
	"net/netip"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/conn/owed"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/conn/stream"
	"example.com/gquic/flowctl"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// cryptoWindow is how far the peer may send on the crypto stream beyond what was
// read: two messages of the largest size.
const cryptoWindow = 2 * handshake.MaxMessageSize

// handshaking is what a connection holds until its handshake is over for sure.
type handshaking struct {
	entropy handshake.Entropy
	server  *handshake.Server
	nonce   [32]byte // a server's diversification nonce
	kept    []Datagram
	heard   bool // a packet of the peer opened

	// A client's opener of the server's initial packets, for the nonce of the newest;
	// it holds once one opened.
	candidate      handshake.AEAD
	candidateNonce [32]byte

	options    DialOptions
	negotiated []wire.Version // by a version negotiation packet; nil: none
	halfOpen   bool           // counted in Endpoint.halfOpen
	nudge      bool           // a client's PING is due at the null level
	nudges     int            // so far
	nudged     gquic.Instant  // the last of them
	helloSize  int            // of the datagram that brought the newest handshake bytes
	initialAck bool           // the peer acknowledged a packet of the initial level
}

// cryptoStream is stream 1: one ordered byte stream each way that lasts as long as
// the connection, whose bytes travel at the level of the message they belong to.
type cryptoStream struct {
	send   stream.SendBuffer
	recv   stream.ReceiveBuffer
	window flowctl.ReceiveWindow
	update owed.Owed // WINDOW_UPDATE 1
	levels []levelEnd
}

// A levelEnd says that the bytes before end, and after the entry before, are of a level.
type levelEnd struct {
	end   uint64
	level handshake.Level
}

func newCryptoStream() cryptoStream {
	return cryptoStream{window: flowctl.NewReceiveWindow(cryptoWindow, cryptoWindow)}
}

// pending reports the level at which crypto bytes wait to be sent.
func (s *cryptoStream) pending() (handshake.Level, bool) {
	if !s.send.HasLost() && !s.send.HasNew() {
		return 0, false
	}
	offset, _, _, _, ok := s.send.Next(1, 1)
	if !ok {
		return 0, false
	}
	return s.levelAt(offset).level, true
}

func (s *cryptoStream) levelAt(offset uint64) levelEnd {
	for _, l := range s.levels {
		if offset < l.end {
			return l
		}
	}
	return levelEnd{}
}

// onCrypto takes handshake bytes; readHello gives them to the machine when the whole
// packet was processed.
func (c *Conn) onCrypto(in *incoming, f *wire.StreamFrame) error {
	if f.Fin {
		return &LocalError{Code: wire.InvalidStreamID, Reason: "FIN on the crypto stream"}
	}
	if _, err := c.crypto.window.Receive(f.Offset + uint64(len(f.Data))); err != nil {
		return err
	}
	in.crypto = true
	return c.crypto.recv.Insert(c.pool(), f.Offset, f.Data, false)
}

// dropUnread forgets the handshake bytes that make no whole message yet. A client does so
// when the first protected packet opens: a server that sends one has nothing to add
// to what it said before, so they are forged, and would become part of the SHLO.
func (s *cryptoStream) dropUnread(p *stream.Pool) {
	next := s.recv.Offset()
	s.recv.Reset(p)
	s.recv = stream.ReceiveBuffer{}
	s.recv.StartAt(next)
}

// readHello gives the machine whatever whole messages are there.
func (c *Conn) readHello(in *incoming) {
	if !in.crypto {
		return
	}
	if c.hs == nil && c.client == nil {
		if c.crypto.recv.Readable() > 0 { // beyond what may be repeated
			c.fail(&LocalError{Code: wire.CryptoMessageAfterHandshakeComplete, Reason: "handshake bytes after the handshake"})
		}
		return
	}
	for c.state != CloseState {
		n, err := c.readMessage(in)
		if err != nil {
			c.fail(err)
			return
		}
		if n == 0 {
			return
		}
		// An answer proves that all sent so far arrived (reference: handshake, section 4.8).
		c.crypto.send.Acked(c.pool(), 0, int(c.crypto.send.SentEnd()), false)
		c.crypto.recv.Discard(c.pool(), n)
		c.crypto.window.Consume(uint64(n))
		if _, due := c.crypto.window.Update(c.e.now, c.detector.RTT.Smoothed()); due {
			c.crypto.update.Set()
		}
		c.runMachine()
	}
}

// readMessage offers the bytes that are there to the machine, and says how many it took.
func (c *Conn) readMessage(in *incoming) (int, error) {
	p := c.crypto.recv.Peek()
	if len(p) < c.crypto.recv.Readable() { // a message across two chunks of the buffer
		p = c.crypto.recv.AppendReadable(nil)
	}
	if c.side == wire.Client {
		return c.client.Receive(in.level, p, c.e.wall())
	}
	if c.hs == nil { // a packet that was kept has just ended the handshake
		return 0, nil
	}
	server := c.hs.server
	c.hs.helloSize = in.size
	n, err := server.Receive(in.level, p, in.size, c.e.wall())
	if n > 0 {
		c.stats.Hellos++
		c.serverName = server.ServerName()
		if server.TokenValid() {
			c.validate()
		}
	}
	return n, err
}

// validate notes that the client's address is its own.
func (c *Conn) validate() {
	c.credit.validated = true
	if c.hs != nil && c.hs.halfOpen {
		c.hs.halfOpen = false
		c.e.halfOpen--
	}
}

// runMachine carries out what the handshake machine wants.
func (c *Conn) runMachine() {
	newKeys := false
	for c.state != CloseState {
		o, ok := c.nextOutput()
		if !ok {
			break
		}
		switch o.Kind {
		case handshake.SendMessage:
			c.sendMessage(&o)
		case handshake.InstallKeys:
			newKeys = true
			c.installKeys(&o)
		case handshake.NeedSignature:
			c.emit(Event{Kind: NeedSignature, Signature: o.Signature})
		case handshake.NeedVerification:
			c.emit(Event{Kind: NeedVerification, Verification: o.Verification})
		case handshake.Negotiated:
			c.negotiated(&o.Params)
		case handshake.Rejected:
			c.rejected(&o)
		case handshake.Confirmed:
			c.established()
		case handshake.ResumptionReady:
			if r, ok := c.client.Resumption(); ok {
				c.resumption = r
				c.emit(Event{Kind: ResumptionReady})
			}
		}
	}
	if newKeys && c.hs != nil && c.state != CloseState {
		c.retryKept()
	}
}

func (c *Conn) nextOutput() (handshake.Output, bool) {
	if c.side == wire.Client {
		return c.client.Next()
	}
	if c.hs == nil || c.hs.server == nil {
		return handshake.Output{}, false
	}
	return c.hs.server.Next()
}

func (c *Conn) sendMessage(o *handshake.Output) {
	if c.side == wire.Client {
		c.stats.Hellos++
	}
	c.crypto.send.Write(c.pool(), o.Data)
	c.crypto.levels = append(c.crypto.levels, levelEnd{c.crypto.send.WrittenEnd(), o.Level})
}

func (c *Conn) installKeys(o *handshake.Output) {
	if replace := c.e.cfg.ReplaceCipher; replace != nil && o.Level == handshake.LevelForwardSecure {
		if o.Seal != nil {
			o.Seal = replace(o.Seal)
		}
		if o.Open != nil {
			o.Open = replace(o.Open)
		}
	}
	if o.Seal != nil {
		c.seal[o.Level] = o.Seal
	}
	if o.Open != nil {
		c.open[o.Level] = o.Open
	}
	if c.side == wire.Server && o.Level == handshake.LevelInitial {
		c.hs.nonce = o.Nonce
		c.open[handshake.LevelNull] = nil // a full CHLO was accepted (reference: handshake, section 12.2)
	}
	if c.side == wire.Client && o.Level == handshake.LevelInitial {
		c.hs.candidate, c.hs.nudge = nil, false
		c.streams.activateAll(c) // 0-RTT data can go
	}
}

// diversified returns a client's opener for the server's initial packets, which depends
// on the nonce in them: nil if this cannot be one.
func (c *Conn) diversified(h *wire.Header) handshake.AEAD {
	if c.open[handshake.LevelInitial] != nil || h.Nonce == nil || c.hs == nil {
		return c.open[handshake.LevelInitial]
	}
	if c.hs.candidate == nil || string(c.hs.candidateNonce[:]) != string(h.Nonce) {
		key, err := c.client.Diversify(h.Nonce)
		if err != nil {
			return nil
		}
		c.hs.candidate = key
		copy(c.hs.candidateNonce[:], h.Nonce)
	}
	return c.hs.candidate
}

// rejected: a REJ came. If it answers a full CHLO, everything sent under its keys goes
// again (reference: handshake, section 4.4).
func (c *Conn) rejected(o *handshake.Output) {
	if !o.Refused {
		return
	}
	c.seal[handshake.LevelInitial], c.open[handshake.LevelInitial] = nil, nil
	c.hs.candidate = nil
	c.zeroRTT = false
	c.abandon(handshake.LevelInitial, true)
	if c.stats.Hellos == 1 {
		c.emit(Event{Kind: ZeroRTTRejected})
	}
}

// negotiated takes the peer's transport parameters over.
func (c *Conn) negotiated(p *handshake.Params) {
	c.params, c.havePeer = *p, true
	c.idle = max(p.IdleTimeout, minIdleTimeout)
	c.send.Raise(uint64(p.ConnectionWindow))
	c.streams.raiseLimits(c, p)
	if c.side == wire.Client {
		c.noStopWaiting = !c.version.HasStopWaiting() || hasTag(c.e.cfg.Options, handshake.NSTP)
		return
	}
	c.omitID = p.OmitConnectionID
	c.noStopWaiting = !c.version.HasStopWaiting() || p.Has(handshake.NSTP)
	c.configure(p.Options, p.ClientOptions, p.InitialRTT.Microseconds() > 0, p)
	if c.stats.Hellos == 1 {
		c.zeroRTT = true
	}
}

// configure applies connection options: a client's own from the start, a server's when
// the client states them. The congestion controller is made anew only if nothing but
// handshake packets has been sent.
func (c *Conn) configure(copt, clop []handshake.Tag, hint bool, p *handshake.Params) {
	rc := recovery.Config{}
	if hint {
		rc.InitialRTT = p.InitialRTT
	}
	c.acks.SetMode(ack.ModeFromOptions(copt, c.e.cfg.AckMode))
	c.detector.Configure(recovery.WithOptions(rc, c.side, copt, clop))
	seed := c.hs.entropy.Derive("congestion", c.id[:])
	algorithm, options := congestion.FromOptions(c.side, copt, clop, c.e.cfg.Congestion, congestion.Options{Seed: seed.Uint64()})
	c.controller = congestion.New(algorithm, options)
}

// established: application data flows. A client knows now that the server has the
// forward-secure keys; a server learns it of its client with the first packet under them.
func (c *Conn) established() {
	c.state = Established
	c.stats.HandshakeTime = c.since(c.created)
	if c.side == wire.Client {
		c.zeroRTT = c.stats.Hellos == 1
		c.peerChain = c.client.PeerChain()
		c.confirmed = true
		c.detector.HandshakeConfirmed()
		c.crypto.send.Acked(c.pool(), 0, int(c.crypto.send.SentEnd()), false)
		c.abandon(handshake.LevelNull, false)
		c.acks.DueNow()
		c.ping.Set() // so that the server proves in turn that it has our packets
	}
	c.emit(Event{Kind: Connected})
	c.streams.activateAll(c)
}

// confirm: a server has read its client's first forward-secure packet, so everything of
// the handshake arrived.
func (c *Conn) confirm() {
	c.confirmed = true
	c.validate()
	c.detector.HandshakeConfirmed()
	c.crypto.send.Acked(c.pool(), 0, int(c.crypto.send.SentEnd()), false)
	c.abandon(handshake.LevelNull, false)
	c.abandon(handshake.LevelInitial, false)
	c.seal[handshake.LevelNull], c.seal[handshake.LevelInitial] = nil, nil
	c.crypto.levels = nil
	c.hs = nil
}

// finishHandshake: the server has acknowledged a client's forward-secure packet, so
// nothing of the handshake will be needed again. Some servers never read the initial
// level (reference: live checks): what was sent there goes again.
func (c *Conn) finishHandshake() {
	if !c.hs.initialAck {
		c.abandon(handshake.LevelInitial, true)
	}
	c.seal[handshake.LevelNull], c.seal[handshake.LevelInitial] = nil, nil
	c.open[handshake.LevelNull], c.open[handshake.LevelInitial] = nil, nil
	c.crypto.levels = nil
	c.hs = nil
}

// ProofSigned answers a NeedSignature event: with the signature, or with the error that
// prevented it, which closes the connection.
func (c *Conn) ProofSigned(signature []byte, err error) error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.hs == nil || c.hs.server == nil || c.state == CloseState {
		return ErrNotAsked
	}
	return c.answered(c.hs.server.ProofSigned(c.e.wall(), signature, err))
}

// ProofVerified answers a NeedVerification event: nil accepts the server, an error
// closes the connection with PROOF_INVALID.
func (c *Conn) ProofVerified(err error) error {
	if c == nil {
		return ErrStaleHandle
	}
	if c.client == nil || c.state == CloseState {
		return ErrNotAsked
	}
	return c.answered(c.client.ProofVerified(c.e.wall(), err))
}

func (c *Conn) answered(err error) error {
	if fatal := (*handshake.Error)(nil); err != nil && !errors.As(err, &fatal) {
		return ErrNotAsked
	}
	if err != nil {
		c.fail(err)
	} else {
		c.runMachine()
		if c.state != CloseState { // a message may have waited for the answer
			in := incoming{crypto: true, level: c.helloLevel()}
			if c.hs != nil {
				in.size = c.hs.helloSize
			}
			c.readHello(&in)
		}
	}
	c.e.settle(c)
	return nil
}

// helloLevel is the level of handshake bytes that waited for an answer.
func (c *Conn) helloLevel() handshake.Level {
	if c.confirmed {
		return handshake.LevelForwardSecure
	}
	return handshake.LevelNull
}

func hasTag(tags []handshake.Tag, t handshake.Tag) bool {
	for _, tag := range tags {
		if tag == t {
			return true
		}
	}
	return false
}

// sameNetwork reports whether a change from a to b is taken for a NAT rebinding, which
// keeps the path's estimates: the same address, or one of the same IPv4 /24
// (reference: connection, section 11.1).
func sameNetwork(a, b netip.Addr) bool {
	a, b = a.Unmap(), b.Unmap()
	if !a.Is4() || !b.Is4() {
		return a == b
	}
	p, _ := a.Prefix(24)
	return p.Contains(b)
}
