package adversary

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Config says what a peer is. Seed and the rest are all that its bytes depend on.
type Config struct {
	Version      wire.Version      // zero: Q043
	ConnectionID wire.ConnectionID // of a client; a server takes the one it is called by
	ServerName   string
	Params       handshake.Params // zero: 30 s, 100 streams, windows of 1 MiB
	Seed         [32]byte
	Wall         int64 // UNIX seconds, which stand still

	Client     *handshake.ClientConfig // of a client
	Resumption *handshake.Resumption   // of a client, or nil
	Host       *handshake.HostConfig   // of a server
	ClientAddr netip.Addr              // whom a server's tokens are for
}

// A Packet is one that a peer received and could open.
type Packet struct {
	Number  wire.PacketNumber
	Level   handshake.Level
	Header  wire.Header // its Nonce and Versions are cut off
	Payload []byte
}

// Frames returns a reader over the packet's frames.
func (p *Packet) Frames(v wire.Version) (r wire.Reader) {
	r.Reset(p.Payload, wire.Context{Version: v, PacketNumber: p.Number, PacketNumberLen: p.Header.PacketNumberLen})
	return r
}

// A Peer is one end of a connection, and keeps no rule but those of the handshake.
type Peer struct {
	// NumberLen is the length of packet numbers, where the header leaves a choice: 4.
	NumberLen int
	// Size is the UDP payload of the datagrams that carry handshake messages: 1350.
	Size int
	// Received are the packets that opened, in the order of arrival.
	Received []Packet
	// Negotiated is the list of the version negotiation packet that came, if one did.
	Negotiated []wire.Version
	// Mute holds handshake messages back as long as it is set: the peer stalls.
	Mute bool

	side    wire.Perspective
	version wire.Version
	id      wire.ConnectionID
	cfg     Config
	client  *handshake.Client
	host    *handshake.Host
	server  *handshake.Server
	seal    [handshake.Levels]handshake.AEAD
	open    [handshake.Levels]handshake.AEAD
	nonce   [wire.NonceLen]byte
	next    wire.PacketNumber // number of the next packet
	largest wire.PacketNumber // received

	cryptoSent uint64 // bytes of the crypto stream
	cryptoRead uint64
	segments   []segment // of it, not yet read
	held       []message // while mute
	out        [][]byte  // datagrams to be sent
	sent       [][]byte  // for repeating
	confirmed  bool
	params     handshake.Params // the endpoint's
}

type segment struct {
	offset uint64
	data   []byte
}

type message struct {
	level handshake.Level
	data  []byte
}

// NewClient returns a client, with its first CHLO ready to be sent.
func NewClient(cfg Config) (*Peer, error) {
	p := newPeer(cfg, wire.Client)
	var err error
	p.client, err = handshake.NewClient(cfg.Client, handshake.ClientStart{
		ConnectionID: cfg.ConnectionID, Version: p.version, ServerName: cfg.ServerName,
		Params: p.cfg.Params, Entropy: handshake.NewEntropy(cfg.Seed), Resumption: cfg.Resumption})
	if err != nil {
		return nil, err
	}
	if err := p.client.Start(cfg.Wall); err != nil {
		return nil, err
	}
	return p, p.run()
}

// NewServer returns a server that waits for its client. It serves one connection.
func NewServer(cfg Config) (*Peer, error) {
	p := newPeer(cfg, wire.Server)
	var err error
	p.host, err = handshake.NewHost(cfg.Host, handshake.NewEntropy(cfg.Seed))
	return p, err
}

func newPeer(cfg Config, side wire.Perspective) *Peer {
	if cfg.Version == 0 {
		cfg.Version = wire.Q043
	}
	if cfg.Params.IdleTimeout == 0 {
		cfg.Params.IdleTimeout, cfg.Params.MaxStreams = 30e9, 100
		cfg.Params.ConnectionWindow, cfg.Params.StreamWindow = 1<<20, 1<<20
	}
	p := &Peer{NumberLen: 4, Size: 1350, side: side, version: cfg.Version, id: cfg.ConnectionID, cfg: cfg, next: 1}
	p.seal[handshake.LevelNull] = handshake.NewNull(side)
	p.open[handshake.LevelNull] = handshake.NewNull(side.Opposite())
	return p
}

// Clone returns a copy that goes on alike.
func (p *Peer) Clone() *Peer {
	c := *p
	if p.client != nil {
		c.client = p.client.Clone()
	}
	if p.host != nil {
		c.host = p.host.Clone()
	}
	if p.server != nil {
		c.server = p.server.Clone(c.host)
	}
	c.Received, c.segments, c.held = slices.Clone(p.Received), slices.Clone(p.segments), slices.Clone(p.held)
	c.out, c.sent = slices.Clone(p.out), slices.Clone(p.sent)
	return &c
}

// Confirmed reports whether the peer has forward-secure keys.
func (p *Peer) Confirmed() bool { return p.confirmed }

// Version returns the version that the peer speaks.
func (p *Peer) Version() wire.Version { return p.version }

// ConnectionID returns the connection's ID.
func (p *Peer) ConnectionID() wire.ConnectionID { return p.id }

// Params returns the endpoint's transport parameters, once they are known.
func (p *Peer) Params() handshake.Params { return p.params }

// NextNumber returns the number of the next packet that Send builds.
func (p *Peer) NextNumber() wire.PacketNumber { return p.next }

// Largest returns the largest packet number received.
func (p *Peer) Largest() wire.PacketNumber { return p.largest }

// Level returns the strongest level that the peer has keys to send at.
func (p *Peer) Level() handshake.Level {
	level := handshake.LevelForwardSecure
	for p.seal[level] == nil {
		level--
	}
	return level
}

// Next returns the next datagram to be sent, false if there is none.
func (p *Peer) Next() ([]byte, bool) {
	if len(p.out) == 0 {
		return nil, false
	}
	d := p.out[0]
	p.out = p.out[1:]
	return d, true
}

// Queue adds a datagram to those to be sent, whatever it is.
func (p *Peer) Queue(datagram []byte) {
	p.out = append(p.out, datagram)
	if p.sent = append(p.sent, datagram); len(p.sent) > maxRepeat {
		p.sent = p.sent[1:]
	}
}

// maxRepeat is how many datagrams a peer can send again.
const maxRepeat = 64

// ErrNoKeys says that the peer has no keys of a level.
var ErrNoKeys = errors.New("adversary: no keys of that level")

// Send builds a packet of frames at the strongest level, with the next number.
func (p *Peer) Send(frames ...wire.Frame) {
	c := p.Context(p.next)
	var payload []byte
	for _, f := range frames {
		payload = f.Append(payload, &c)
	}
	p.SendPayload(payload)
}

// SendPayload builds a packet of these bytes at the strongest level, with the next number.
func (p *Peer) SendPayload(payload []byte) {
	b, _ := p.Packet(p.Level(), p.next, payload)
	p.next++
	p.Queue(b)
}

// Context returns the context of frames in a packet of that number.
func (p *Peer) Context(number wire.PacketNumber) wire.Context {
	h := p.header(p.Level(), number)
	return wire.Context{Version: p.version, PacketNumber: number, PacketNumberLen: h.PacketNumberLen}
}

// Packet returns a sealed packet, and neither sends it nor counts it.
func (p *Peer) Packet(level handshake.Level, number wire.PacketNumber, payload []byte) ([]byte, error) {
	if p.seal[level] == nil {
		return nil, ErrNoKeys
	}
	h := p.header(level, number)
	b := h.Append(make([]byte, 0, len(payload)+80), p.side)
	length := len(b)
	b = append(b, make([]byte, p.seal[level].Prefix())...)
	b = append(b, payload...)
	var s handshake.Scratch
	return p.seal[level].Seal(&s, b, length, number), nil
}

func (p *Peer) header(level handshake.Level, number wire.PacketNumber) wire.Header {
	h := wire.Header{HasConnectionID: true, ConnectionID: p.id, PacketNumber: number, PacketNumberLen: p.NumberLen}
	client := p.side == wire.Client
	if !client && level == handshake.LevelInitial {
		h.Nonce = p.nonce[:]
	}
	switch {
	case !p.version.UsesIETFHeader():
		if client && level != handshake.LevelForwardSecure {
			h.Version = p.version
		}
	case level == handshake.LevelForwardSecure:
		h.Form, h.HasConnectionID = wire.ShortForm, client
	default:
		h.Form, h.Version, h.PacketNumberLen = wire.LongForm, p.version, 4
		h.Type = wire.Handshake
		if level == handshake.LevelInitial {
			h.Type = wire.ZeroRTT
		}
	}
	return h
}

// Receive takes a datagram of the endpoint's: it opens it, notes it in Received, and goes
// on with the handshake. False means that no key opens it.
func (p *Peer) Receive(datagram []byte) (bool, error) {
	var h wire.Header
	version := p.version
	if p.side == wire.Server {
		version = 0
	}
	if err := wire.ParseHeader(&h, datagram, p.side.Opposite(), version); err != nil {
		return false, nil
	}
	if h.Kind == wire.VersionNegotiationPacket {
		for i := range h.Versions.Len() {
			p.Negotiated = append(p.Negotiated, h.Versions.At(i))
		}
		return true, nil
	}
	if h.Kind != wire.RegularPacket {
		return false, nil
	}
	if p.side == wire.Server && p.server == nil {
		p.accept(h.ConnectionID)
	}
	if h.HasConnectionID && h.ConnectionID != p.id {
		return false, nil
	}
	number := wire.DecodePacketNumber(h.PacketNumber, h.PacketNumberLen, p.largest)
	plain, level, ok := p.decrypt(&h, datagram, number)
	if !ok {
		return false, nil
	}
	p.largest = max(p.largest, number)
	h.Nonce, h.Versions = nil, nil
	packet := Packet{number, level, h, plain}
	p.Received = append(p.Received, packet)
	return true, p.read(&packet)
}

func (p *Peer) accept(id wire.ConnectionID) {
	p.id = id
	p.server = handshake.NewServer(p.host, handshake.ServerStart{
		ConnectionID: id, Version: p.version, Versions: []wire.Version{p.version},
		ClientAddr: p.cfg.ClientAddr, Params: p.cfg.Params, Entropy: handshake.NewEntropy(p.cfg.Seed)})
}

func (p *Peer) decrypt(h *wire.Header, datagram []byte, number wire.PacketNumber) ([]byte, handshake.Level, bool) {
	var s handshake.Scratch
	for level := handshake.Level(handshake.Levels); level > 0; {
		level--
		key := p.open[level]
		if level == handshake.LevelInitial && p.client != nil && h.Nonce != nil {
			key, _ = p.client.Diversify(h.Nonce)
		}
		if key == nil {
			continue
		}
		if plain, err := key.Open(&s, nil, datagram, h.Len, number); err == nil {
			return plain, level, true
		}
	}
	return nil, 0, false
}

// read gives the handshake bytes of a packet to the machine.
func (p *Peer) read(packet *Packet) error {
	r := packet.Frames(p.version)
	for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
		if s, ok := f.(*wire.StreamFrame); ok && s.StreamID == wire.CryptoStream && s.Offset+uint64(len(s.Data)) > p.cryptoRead {
			p.segments = append(p.segments, segment{s.Offset, bytes.Clone(s.Data)})
		}
	}
	for {
		n, err := p.feed(packet.Level, p.contiguous())
		if err != nil || n == 0 {
			return err
		}
		p.cryptoRead += uint64(n)
		if err := p.run(); err != nil {
			return err
		}
	}
}

func (p *Peer) feed(level handshake.Level, b []byte) (int, error) {
	switch {
	case len(b) == 0:
		return 0, nil
	case p.client != nil:
		return p.client.Receive(level, b, p.cfg.Wall)
	case p.server != nil:
		return p.server.Receive(level, b, p.Size, p.cfg.Wall)
	}
	return 0, nil
}

// contiguous returns the handshake bytes that follow on those that were read.
func (p *Peer) contiguous() (b []byte) {
	slices.SortFunc(p.segments, func(a, b segment) int { return int(int64(a.offset) - int64(b.offset)) })
	for _, s := range p.segments {
		end := p.cryptoRead + uint64(len(b))
		if s.offset <= end && s.offset+uint64(len(s.data)) > end {
			b = append(b, s.data[end-s.offset:]...)
		}
	}
	return b
}

// run carries out what the handshake's machine wants.
func (p *Peer) run() error {
	for {
		o, ok := p.output()
		if !ok {
			return nil
		}
		switch o.Kind {
		case handshake.SendMessage:
			p.held = append(p.held, message{o.Level, bytes.Clone(o.Data)})
			if !p.Mute {
				p.Release()
			}
		case handshake.InstallKeys:
			if o.Seal != nil {
				p.seal[o.Level] = o.Seal
			}
			if o.Open != nil {
				p.open[o.Level] = o.Open
			}
			if p.side == wire.Server && o.Level == handshake.LevelInitial {
				p.nonce = o.Nonce
			}
		case handshake.Negotiated:
			p.params = o.Params
		case handshake.Confirmed:
			p.confirmed = true
		case handshake.NeedSignature, handshake.NeedVerification:
			return fmt.Errorf("adversary: %v is not for a peer that answers by itself", o.Kind)
		}
	}
}

func (p *Peer) output() (handshake.Output, bool) {
	switch {
	case p.client != nil:
		return p.client.Next()
	case p.server != nil:
		return p.server.Next()
	}
	return handshake.Output{}, false
}

// Release sends the handshake messages that were held back.
func (p *Peer) Release() {
	for _, m := range p.held {
		p.SendMessage(m.level, m.data)
	}
	p.held = nil
}

// SendMessage sends bytes of the crypto stream, a handshake message or not, in as many
// packets as it takes. A client's packets without encryption are full.
func (p *Peer) SendMessage(level handshake.Level, data []byte) {
	for len(data) > 0 {
		n := min(len(data), p.Size-100)
		b := wire.AppendStreamHeader(nil, wire.CryptoStream, p.cryptoSent, n, false, true)
		b = append(b, data[:n]...)
		if p.side == wire.Client && level == handshake.LevelNull {
			b = append(b, make([]byte, max(0, p.Size-len(b)-40))...)
		}
		packet, err := p.Packet(level, p.next, b)
		if err != nil {
			return
		}
		p.Queue(packet)
		p.next++
		p.cryptoSent += uint64(n)
		data = data[n:]
	}
}

// Acks returns the ranges of the packets received, high to low.
func (p *Peer) Acks() (ranges []wire.AckRange) {
	numbers := make([]wire.PacketNumber, 0, len(p.Received))
	for i := range p.Received {
		numbers = append(numbers, p.Received[i].Number)
	}
	slices.Sort(numbers)
	for i := len(numbers) - 1; i >= 0; i-- {
		n := numbers[i]
		if last := len(ranges) - 1; last >= 0 && n+1 >= ranges[last].Smallest {
			ranges[last].Smallest = n
		} else {
			ranges = append(ranges, wire.AckRange{Smallest: n, Largest: n})
		}
	}
	return ranges
}

// Restart forgets what was sent: the crypto stream and the packet numbers begin anew, for a
// first message of the test's own making. It is of use before anything was delivered.
func (p *Peer) Restart() {
	p.next, p.cryptoSent, p.out, p.sent, p.held = 1, 0, nil, nil, nil
}
