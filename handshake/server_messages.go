package handshake

import (
	"encoding/binary"
	"slices"

	"example.com/gquic/wire"
)

// A reject is what a REJ is made from.
type reject struct {
	config  *hostConfig
	reasons []uint32
	proved  bool // the client's address

	audience
}

// An audience is what the choice and compression of a certificate chain depend on.
type audience struct {
	name        string // that the client asked for
	certificate int    // index in the host's
	ccs, ccrt   []byte // what the client has of certificates
}

// message returns the REJ with what all have.
func (r *reject) message(token []byte, wall int64) Message {
	m := Message{Tag: REJ}
	m.Set(SCFG, r.config.raw)
	m.Set(STK, token)
	var reasons []byte
	for _, x := range r.reasons {
		reasons = binary.LittleEndian.AppendUint32(reasons, x)
	}
	m.Set(RREJ, reasons)
	m.SetUint64(STTL, uint64(max(0, r.config.expiry-wall)))
	return m
}

// sendReject sends the REJ that is pending, with the proof if there is one.
func (s *Server) sendReject(signature, chain []byte, wall int64) {
	m := s.pending.message(s.newToken(wall), wall)
	if signature != nil {
		m.Set(PROF, signature)
		m.Set(CRT, chain)
	}
	if s.host.cfg.RequireNonce {
		s.nonce = make([]byte, 32)
		s.draws.fill(s.nonce, drawRejectNonce, s.hellos)
		m.Set(SNO, s.nonce)
	}
	s.pending = reject{}
	s.out.push(Output{Kind: SendMessage, Level: LevelNull, Data: m.Append(nil)})
}

// newToken makes a token for the client's address.
func (s *Server) newToken(wall int64) []byte {
	n := s.tokens
	s.tokens++
	if r := s.draws.recorded; r != nil && int(n) < len(r.tokens) {
		return r.tokens[n]
	}
	return s.host.appendToken(nil, s.start.ClientAddr, wall, nil)
}

// accept takes a full CHLO: it makes the keys of both levels and sends the SHLO.
func (s *Server) accept(ev *serverEvent) error {
	h, m := &ev.hello, ev.message
	s.chloHash = ev.chloHash
	s.accepted = h.audience

	shared, err := h.share.Shared(h.public)
	if err != nil {
		return err
	}
	in := KeyInputs{
		AEAD:         h.aead,
		Shared:       shared,
		ConnectionID: s.start.ConnectionID,
		CHLO:         ev.chlo,
		SCFG:         h.known.raw,
		Leaf:         s.host.certs[h.certificate].Chain[0],
	}
	in.ClientNonce, _ = m.Get(NONC)
	in.ServerNonce, _ = m.Get(SNO)
	initial, err := DeriveKeys(&in)
	if err != nil {
		return err
	}
	install := Output{Kind: InstallKeys, Level: LevelInitial}
	s.draws.fill(install.Nonce[:], drawDiversification, 0)
	initial = initial.Diversify(install.Nonce[:])
	if install.Open, install.Seal, err = initial.AEADs(); err != nil {
		return err
	}

	// The server's ephemeral share is for the same method as the config's.
	ephemeral, err := s.host.share(h.share.Algorithm(), &s.draws, ev.wall)
	if err != nil {
		return err
	}
	if in.Shared, err = ephemeral.Shared(h.public); err != nil {
		return err
	}
	nonce := make([]byte, 32)
	s.draws.fill(nonce, drawHelloNonce, 0)
	in.ServerNonce, in.ForwardSecure = nonce, true
	keys, err := DeriveKeys(&in)
	if err != nil {
		return err
	}
	forward := Output{Kind: InstallKeys, Level: LevelForwardSecure}
	if forward.Open, forward.Seal, err = keys.AEADs(); err != nil {
		return err
	}

	mine, peer := s.start.Params, h.params
	peer.IdleTimeout, peer.SilentClose = settle(&mine, &peer)
	mine.IdleTimeout, mine.SilentClose = peer.IdleTimeout, peer.SilentClose
	shlo := Message{Tag: SHLO}
	mine.AddTo(&shlo)
	shlo.Set(SNO, nonce)
	shlo.Set(PUBS, ephemeral.Public())
	shlo.Set(VER, appendVersions(nil, s.versions()...))
	shlo.Set(STK, s.newToken(ev.wall))

	s.nonce = nil // of no more use
	s.out.push(install,
		Output{Kind: Negotiated, Params: peer},
		Output{Kind: SendMessage, Level: LevelInitial, Data: shlo.Append(nil)},
		forward,
		Output{Kind: Confirmed})
	return nil
}

// versions is what SHLO lists: the server's, and at least the one in use.
func (s *Server) versions() []wire.Version {
	if slices.Contains(s.start.Versions, s.start.Version) {
		return s.start.Versions
	}
	return append(slices.Clone(s.start.Versions), s.start.Version)
}

// sendUpdate sends the SCUP whose signature came.
func (s *Server) sendUpdate(ev *serverEvent) error {
	chain, err := s.host.chain(s.pending.certificate, s.pending.ccs, s.pending.ccrt)
	if err != nil {
		return err
	}
	m := Message{Tag: SCUP}
	m.Set(SCFG, s.pending.config.raw)
	m.SetUint64(STTL, uint64(max(0, s.pending.config.expiry-ev.wall)))
	m.Set(STK, s.newToken(ev.wall))
	m.Set(PROF, ev.signature)
	m.Set(CRT, chain)
	s.pending = reject{}
	s.out.push(Output{Kind: SendMessage, Level: LevelForwardSecure, Data: m.Append(nil)})
	return nil
}
