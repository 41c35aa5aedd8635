package handshake

import (
	"math"
	"slices"
	"time"

	"example.com/gquic/wire"
)

// MinWindow is the least flow-control window that a side may state, and the one that
// holds until it states one, in bytes (reference: handshake, section 15).
const MinWindow = 16 << 10

// Params are transport parameters as one side states them in its CHLO or SHLO
// (reference: handshake, section 15). They bind the peer, unless said otherwise.
type Params struct {
	// IdleTimeout (ICSL) is the silence that ends the connection. The lower one of both
	// sides holds. Whole seconds on the wire, rounded up.
	IdleTimeout time.Duration
	// MaxStreams (MIDS) is how many streams the peer may have open at a time.
	MaxStreams uint32
	// ConnectionWindow (CFCW) and StreamWindow (SFCW) are the bytes that the peer may
	// send before the first WINDOW_UPDATE, in all and on each stream.
	ConnectionWindow, StreamWindow uint32
	// SilentClose (SCLS) asks that an idle connection end without CONNECTION_CLOSE. It
	// holds if both sides ask.
	SilentClose bool
	// OmitConnectionID (TCID 0) asks the peer to leave out the connection ID.
	OmitConnectionID bool
	// InitialRTT (IRTT) is a round-trip time that the client knows from before; 0: none.
	// A hint of the peer's, not yet brought into any range.
	InitialRTT time.Duration
	// HeaderListSize (SMHL) says that the HTTP/2 setting of that name is understood.
	HeaderListSize bool
	// Options (COPT) are connection options for the server, hints all of them;
	// ClientOptions (CLOP) are the client's own.
	Options, ClientOptions []Tag
	// StatelessReset (SRST) is the token that will end a stateless reset. SHLO only.
	StatelessReset    wire.StatelessResetToken
	HasStatelessReset bool
	// NoMigration (NCMR) asks the client to stay at its address. SHLO only.
	NoMigration bool
}

// Has reports whether t is among the connection options.
func (p *Params) Has(t Tag) bool { return slices.Contains(p.Options, t) }

// ParseParams reads the parameters of a full CHLO or of a SHLO. A window that is not
// there is MinWindow. Nothing aliases m. Errors are *[Error]: code 35 without ICSL or
// MIDS, 34 for a value of the wrong length, 64 for a window under MinWindow.
func ParseParams(m *Message) (Params, error) {
	r := paramReader{m: m}
	p := Params{
		IdleTimeout:      time.Duration(r.required(ICSL)) * time.Second,
		MaxStreams:       r.required(MIDS),
		ConnectionWindow: r.window(CFCW),
		StreamWindow:     r.window(SFCW),
		SilentClose:      r.number(SCLS, 0) != 0,
		OmitConnectionID: r.number(TCID, 8) == 0,
		InitialRTT:       time.Duration(r.number(IRTT, 0)) * time.Microsecond,
		HeaderListSize:   r.number(SMHL, 0) != 0,
		Options:          r.tags(COPT),
		ClientOptions:    r.tags(CLOP),
		NoMigration:      r.number(NCMR, 0) != 0,
	}
	if token, ok := m.Get(SRST); ok {
		if p.HasStatelessReset = len(token) == len(p.StatelessReset); !p.HasStatelessReset {
			r.fail(badParameter("SRST is not 16 bytes long"))
		}
		copy(p.StatelessReset[:], token)
	}
	if r.err != nil {
		return Params{}, r.err
	}
	return p, nil
}

// A paramReader keeps the first error.
type paramReader struct {
	m   *Message
	err error
}

func (r *paramReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *paramReader) number(t Tag, absent uint32) uint32 {
	v, ok, err := r.m.Uint32(t)
	if err != nil {
		r.fail(err)
	}
	if !ok {
		return absent
	}
	return v
}

func (r *paramReader) required(t Tag) uint32 {
	if !r.m.Has(t) {
		r.fail(fault(wire.CryptoMessageParameterNotFound, t.String()+" missing"))
	}
	return r.number(t, 0)
}

func (r *paramReader) window(t Tag) uint32 {
	v := r.number(t, MinWindow)
	if v < MinWindow && r.err == nil {
		r.fail(fault(wire.FlowControlInvalidWindow, t.String()+" under 16 KiB"))
	}
	return v
}

func (r *paramReader) tags(t Tag) []Tag {
	l, _, err := r.m.Tags(t)
	if err != nil {
		r.fail(err)
	}
	return slices.Collect(l.All())
}

// AddTo sets the entries of p in m, a CHLO or SHLO. What is zero or false is left out,
// but for the timeout, the stream limit and the windows: some servers look for those in
// every CHLO, and take a missing one for 0 (reference: live-checks).
func (p *Params) AddTo(m *Message) {
	seconds := max(p.IdleTimeout, 0) / time.Second
	if p.IdleTimeout > seconds*time.Second {
		seconds++
	}
	m.SetUint32(ICSL, uint32(min(seconds, math.MaxUint32)))
	m.SetUint32(MIDS, p.MaxStreams)
	m.SetUint32(CFCW, p.ConnectionWindow)
	m.SetUint32(SFCW, p.StreamWindow)
	if p.SilentClose {
		m.SetUint32(SCLS, 1)
	}
	if p.OmitConnectionID {
		m.SetUint32(TCID, 0)
	}
	if rtt := p.InitialRTT / time.Microsecond; rtt > 0 {
		m.SetUint32(IRTT, uint32(min(rtt, math.MaxUint32)))
	}
	if p.HeaderListSize {
		m.SetUint32(SMHL, 1)
	}
	if len(p.Options) > 0 {
		m.SetTags(COPT, p.Options...)
	}
	if len(p.ClientOptions) > 0 {
		m.SetTags(CLOP, p.ClientOptions...)
	}
	if p.HasStatelessReset {
		m.Set(SRST, slices.Clone(p.StatelessReset[:]))
	}
	if p.NoMigration {
		m.SetUint32(NCMR, 1)
	}
}
