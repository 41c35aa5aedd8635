package handshake

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"time"

	"example.com/gquic/wire"
)

// A ServerStart is what one connection of a server begins with.
type ServerStart struct {
	ConnectionID wire.ConnectionID
	Version      wire.Version
	Versions     []wire.Version // all that the server speaks, as its version negotiation packet lists them
	ClientAddr   netip.Addr     // whom tokens are for
	Params       Params         // Options, ClientOptions and InitialRTT are a client's, and not sent
	Entropy      Entropy        // the connection's own
}

// maxServerHellos bounds the CHLOs that a server answers on one connection: twice what
// the longest course takes. Each may cost a signature.
const maxServerHellos = 2 * MaxHellos

// A Server is the server's half of one handshake. It takes the client's messages and
// gives outputs. It is a plain value that shares its Host with others: see Clone. It is
// not safe for concurrent use.
type Server struct {
	host  *Host
	start ServerStart
	draws draws

	state  serverState
	err    *Error // why it is closed
	out    outputs
	hellos uint32 // CHLOs answered
	tokens uint32 // tokens made
	signed uint32 // signatures wanted

	tokenValid bool
	name       string // SNI of the last CHLO
	nonce      []byte // SNO of the last REJ, if it had one
	pending    reject // what waits for a signature
	chloHash   [32]byte

	accepted audience // of the CHLO that SHLO answered, for updates
}

// NewServer returns the server's half of a handshake.
func NewServer(h *Host, s ServerStart) *Server {
	s.Params.Options, s.Params.ClientOptions, s.Params.InitialRTT = nil, nil, 0
	return &Server{host: h, start: s, state: serverWaiting,
		draws: draws{entropy: s.Entropy.Derive("server handshake", s.ConnectionID[:]), recorded: h.recorded}}
}

// Clone returns a machine on host h that goes on like s, byte for byte, if h is the
// machine's host or a Clone of it.
func (s *Server) Clone(h *Host) *Server {
	d := *s // what s points to is never changed in place
	d.host = h
	d.out = s.out.clone()
	return &d
}

// Receive takes the crypto stream's bytes from where the last call ended, which came in
// packets of the given level, and returns how many it consumed: one whole message, or 0
// while the message is incomplete, a signature is awaited, or outputs have to be taken
// first. datagramLen is the UDP payload that the message came in (the largest, if in
// several): an answer to an address that is not proved must not be much larger. wall is
// in UNIX seconds. It keeps nothing of b. An error is an *[Error] and closes the handshake.
func (s *Server) Receive(level Level, b []byte, datagramLen int, wall int64) (n int, err error) {
	switch {
	case s.state == serverClosed:
		return 0, s.err
	case s.out.full():
		return 0, nil
	}
	m := &s.host.parsed
	n, err = m.Parse(b)
	if err == ErrIncomplete {
		return 0, nil
	}
	if err != nil {
		return 0, s.fail(err)
	}
	ev := serverEvent{message: m, chlo: b[:n], datagramLen: datagramLen, wall: wall}
	if err := s.step(s.classify(level, &ev), &ev); err != nil {
		return n, err
	}
	if ev.wait {
		return 0, nil
	}
	return n, nil
}

// ProofSigned answers the NeedSignature. An err, or no signature, ends the handshake; an
// update it only prevents.
func (s *Server) ProofSigned(wall int64, signature []byte, err error) error {
	if s.state != serverSigning && s.state != serverUpdating {
		return errNotAsked
	}
	in := serverSigned
	if err != nil || len(signature) == 0 {
		in = serverUnsigned
	}
	return s.step(in, &serverEvent{signature: append([]byte(nil), signature...), cause: err, wall: wall})
}

// Update sends the client the newest server config and a new token (SCUP), for its next
// connection. It is for after the handshake; the signature that it takes is asked for
// like the first one.
func (s *Server) Update(wall int64) error {
	if s.state != serverConfirmed || s.out.full() {
		return errors.New("handshake: no update now: the handshake is not complete, or one is under way")
	}
	return s.step(serverUpdate, &serverEvent{wall: wall})
}

// Next takes the oldest output; false if there is none.
func (s *Server) Next() (Output, bool) { return s.out.next() }

// TokenValid reports whether the client has shown a token that proves its address.
func (s *Server) TokenValid() bool { return s.tokenValid }

// ServerName returns how the client named the server in the newest CHLO that was looked at;
// empty if it did not.
func (s *Server) ServerName() string { return s.name }

// SetClientAddr changes the address that tokens are for, after the client moved.
func (s *Server) SetClientAddr(addr netip.Addr) { s.start.ClientAddr = addr }

// A serverEvent is what came with an input.
type serverEvent struct {
	message     *Message
	chlo        []byte // the message's bytes
	chloHash    [32]byte
	datagramLen int
	hello       hello
	wall        int64
	signature   []byte
	cause       error
	wait        bool // the message is not consumed
}

// classify tells which input of the table a message is.
func (s *Server) classify(level Level, ev *serverEvent) serverInput {
	ev.chloHash = sha256.Sum256(ev.chlo)
	again := ev.chloHash == s.chloHash
	switch {
	case s.state >= serverConfirmed && ev.message.Tag == CHLO && again:
		return serverRepeat
	case s.state >= serverConfirmed:
		return serverLate
	case ev.message.Tag != CHLO:
		return serverWrongType
	case level != LevelNull:
		return serverLevel
	case s.state == serverSigning && again:
		return serverRepeat
	case s.state == serverSigning:
		return serverOther
	case s.hellos >= maxServerHellos:
		return serverTooMany
	}
	in, err := s.inspect(ev)
	if err != nil {
		ev.cause = err
	}
	return in
}

// step carries an input through the table, and those that follow from it at once.
func (s *Server) step(in serverInput, ev *serverEvent) error {
	for in != serverNothing {
		i := find(serverTable, s.state, in)
		if i < 0 {
			return s.fail(fault(wire.CryptoInternalError, "no rule for: "+in.String()))
		}
		row := &serverTable[i]
		if s.draws.recorded != nil && s.draws.recorded.visit != nil {
			s.draws.recorded.visit(i)
		}
		if row.action == serverClose {
			return s.fail(closing(row.code, in.String(), ev.cause))
		}
		s.state = row.next
		var err error
		if in, err = s.do(row.action, ev); err != nil {
			return s.fail(err)
		}
	}
	return nil
}

// do carries out an action, and returns the input that follows from it, if one does.
func (s *Server) do(a serverAction, ev *serverEvent) (serverInput, error) {
	switch a {
	case serverSendBare:
		s.answer(ev)
		s.sendReject(nil, nil, ev.wall)
	case serverSign:
		s.answer(ev)
		return s.sign(ev)
	case serverSendProof:
		chain, err := s.host.chain(s.pending.certificate, s.pending.ccs, s.pending.ccrt)
		if err != nil {
			return serverNothing, err
		}
		s.sendReject(ev.signature, chain, ev.wall)
	case serverAccept:
		return serverNothing, s.accept(ev)
	case serverWait:
		ev.wait = true
	case serverSignUpdate:
		config, err := s.host.primary(ev.wall)
		if err != nil {
			return serverNothing, err
		}
		s.pending = reject{config: config, audience: s.accepted}
		return s.sign(ev)
	case serverSendUpdate:
		return serverNothing, s.sendUpdate(ev)
	case serverNone:
		s.pending = reject{}
	}
	return serverNothing, nil
}

// fail closes the handshake.
func (s *Server) fail(err error) error {
	s.state = serverClosed
	s.err = asError(err)
	return s.err
}

// answer notes which CHLO is being answered by a REJ.
func (s *Server) answer(ev *serverEvent) {
	s.hellos++
	s.chloHash = ev.chloHash
	s.pending = ev.hello.reject
}

// sign asks for the signature over the CHLO and s.pending's config, or makes it.
func (s *Server) sign(ev *serverEvent) (serverInput, error) {
	cert := &s.host.certs[s.pending.certificate]
	r := &SignatureRequest{
		ServerName: s.pending.name,
		Chain:      cert.Chain,
		SignedData: SignedData(s.chloHash, s.pending.config.raw),
	}
	s.signed++
	if cert.Key == nil {
		s.out.push(Output{Kind: NeedSignature, Signature: r})
		return serverNothing, nil
	}
	salt := s.draws.stream(drawSalt, s.signed)
	if ev.signature, ev.cause = r.Sign(cert.Key, &salt); ev.cause != nil {
		return serverUnsigned, nil
	}
	return serverSigned, nil
}

// settle gives the idle timeout and the silent close that both sides agree on.
func settle(mine, theirs *Params) (time.Duration, bool) {
	idle := theirs.IdleTimeout
	if mine.IdleTimeout > 0 {
		idle = min(idle, mine.IdleTimeout)
	}
	return idle, mine.SilentClose && theirs.SilentClose
}
