package handshake

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"example.com/gquic/wire"
)

// A hello is what a server makes of a CHLO.
type hello struct {
	reject // why it is refused, if it is

	// Of one that is accepted.
	known  *hostConfig // that the client's keys are made with
	aead   Tag
	share  *KeyShare // ours, of known
	public []byte    // the client's
	params Params
}

// inspect checks a CHLO, in the order of the handshake reference, section 13.1, and says
// which input of the table it is. Flaws that another CHLO can mend make reasons for a REJ;
// an error closes.
func (s *Server) inspect(ev *serverEvent) (serverInput, error) {
	m, h := ev.message, &ev.hello
	ver, _ := m.Get(VER)
	if len(ver) != 4 {
		return serverMalformed, badParameter("CHLO without a version")
	}
	// The client names the version that it tried first. If that is one of ours and not
	// the one in use, somebody made it believe otherwise. Some write 0 for "in use".
	first := wire.Version(binary.BigEndian.Uint32(ver))
	if first != s.start.Version && slices.Contains(s.start.Versions, first) {
		return serverDowngraded, nil
	}
	if len(ev.chlo) < MinCHLOSize {
		return serverShort, nil
	}
	name, err := hostName(m)
	if err != nil {
		return serverMalformed, err
	}
	s.name = name
	if demands, _, err := m.Tags(PDMD); err != nil || !demands.Contains(X509) {
		return serverNoDemand, err
	}
	ccs, _ := m.Get(CCS)
	ccrt, _ := m.Get(CCRT)
	h.audience = audience{name, s.host.certificate(name), bytes.Clone(ccs), bytes.Clone(ccrt)}
	s.judge(ev)
	if len(h.reasons) == 0 {
		return s.inspectFull(ev)
	}
	if h.config, err = s.host.primary(ev.wall); err != nil {
		return serverMalformed, err
	}
	return s.inspectSize(ev)
}

// hostName reads SNI: a host name, also one without a dot, no IP literal.
func hostName(m *Message) (string, error) {
	b, ok := m.Get(SNI)
	if !ok {
		return "", nil
	}
	if len(b) == 0 || len(b) > maxStoredName {
		return "", badParameter("SNI is empty or too long")
	}
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return "", badParameter("SNI is not a host name")
		}
	}
	name := string(b)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", badParameter("SNI is an IP address")
	}
	return name, nil
}

// judge collects the reasons to refuse a CHLO.
func (s *Server) judge(ev *serverEvent) {
	m, h := ev.message, &ev.hello
	stk, _ := m.Get(STK)
	_, bad := s.host.openToken(stk, s.start.ClientAddr, ev.wall)
	if r := s.draws.recorded; r != nil && r.goodToken != nil && r.goodToken(stk) {
		bad = 0
	}
	s.tokenValid = s.tokenValid || bad == 0
	h.proved = bad == 0

	id, hasID := m.Get(SCID)
	nonce, hasNonce := m.Get(NONC)
	if !hasID || !hasNonce {
		h.reasons = append(h.reasons, ReasonInchoate)
	} else if h.known = s.host.configByID(id, ev.wall); h.known == nil {
		h.reasons = append(h.reasons, ReasonUnknownConfig)
	}
	if bad != 0 {
		h.reasons = append(h.reasons, bad)
	}
	if h.known == nil {
		return // the rest is judged when it counts
	}
	leaf, _, err := m.Uint64(XLCT) // 0 if missing
	if err != nil || leaf != s.host.certs[h.certificate].leafHash {
		h.reasons = append(h.reasons, ReasonOtherLeaf)
	}
	if len(nonce) != 32 {
		h.reasons = append(h.reasons, ReasonNonceLength)
	}
	if s.host.cfg.RequireNonce {
		// Only this machine's own will do: a nonce that another one could check could
		// also be replayed to it.
		if echo, _ := m.Get(SNO); len(echo) == 0 || s.nonce == nil {
			h.reasons = append(h.reasons, ReasonServerNonceRequired)
		} else if !bytes.Equal(echo, s.nonce) {
			h.reasons = append(h.reasons, ReasonServerNonceMismatch)
		}
	}
}

// inspectSize decides whether the REJ may carry proof and chain. Whoever has not proved
// its address gets no more than it sent, about (reference: handshake, section 13.3).
func (s *Server) inspectSize(ev *serverEvent) (serverInput, error) {
	h := &ev.hello
	if h.proved {
		return serverRejectProof, nil
	}
	if s.host.cfg.RequireToken {
		return serverRejectBare, nil
	}
	chain, err := s.host.chain(h.certificate, h.ccs, h.ccrt)
	if err != nil {
		return serverMalformed, err
	}
	overhead := 48 // largest header and 2 bytes of frame header
	if s.start.Version.UsesIETFHeader() {
		overhead = 55
	}
	const otherEntries = 166 // of the REJ, roughly
	if s.host.certs[h.certificate].maxProof+len(chain) < 3*(ev.datagramLen-overhead)-otherEntries {
		return serverRejectProof, nil
	}
	return serverRejectBare, nil
}

// inspectFull checks the rest of a full CHLO: nothing here can be mended by a REJ.
func (s *Server) inspectFull(ev *serverEvent) (serverInput, error) {
	m, h := ev.message, &ev.hello
	var err error
	var kex Tag
	if h.aead, err = oneTag(m, TagAEAD, h.known.aeads); err != nil {
		return serverMalformed, err
	}
	if kex, err = oneTag(m, KEXS, h.known.kexs); err != nil {
		return serverMalformed, err
	}
	h.share = h.known.share(kex)
	var ok bool
	if h.public, ok = m.Get(PUBS); !ok {
		return serverMalformed, badParameter("CHLO without a public value")
	}
	if h.params, err = ParseParams(m); err != nil {
		return serverMalformed, err
	}
	return serverFull, nil
}

// oneTag reads an entry that must name exactly one of what was offered.
func oneTag(m *Message, t Tag, offered []Tag) (Tag, error) {
	l, _, err := m.Tags(t)
	if err != nil {
		return 0, err
	}
	if l.Len() != 1 {
		return 0, badParameter("CHLO must choose exactly one " + t.String())
	}
	if !slices.Contains(offered, l.At(0)) {
		return 0, fault(wire.CryptoNoSupport, "CHLO chose a "+t.String()+" that was not offered")
	}
	return l.At(0), nil
}
