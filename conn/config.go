package conn

import (
	"errors"
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Limits and defaults of an endpoint, with the reason for each.
const (
	// DefaultDatagramSize is the largest UDP payload sent, in bytes: what Chromium
	// sends, and what every known peer accepts.
	DefaultDatagramSize = 1350
	// MinDatagramSize is the least that a CHLO of 1024 bytes in a datagram of 1200 needs.
	MinDatagramSize = 1200
	// MaxDatagramSize is the largest UDP payload sent (MaxReceivedSize is what is accepted): Chromium closes a
	// connection whose peer sends more (reference: live checks).
	MaxDatagramSize = 1452

	DefaultIdleTimeout      = 30 * time.Second // what Chrome, quic-go and lsquic offer
	DefaultHandshakeTimeout = 10 * time.Second // all peers
	MaxIdleTimeout          = 600 * time.Second

	DefaultMaxStreams          = 100     // all peers
	DefaultStreamWindow        = 1 << 18 // 256 KiB at first; tuning doubles it on fast paths
	DefaultMaxStreamWindow     = 6 << 20 // Chrome's client
	DefaultConnectionWindow    = 3 << 17 // 1.5 stream windows
	DefaultMaxConnectionWindow = 15 << 20
	DefaultSendBuffer          = 1 << 18 // bytes one stream takes ahead of what is sent

	// MaxUnacknowledged is how many bytes of a stream are kept beyond SendBuffer, because
	// they were sent and not all before them is acknowledged: a largest congestion window
	// (2000 packets), and as much again, as a lost packet takes a round trip to repair. A
	// peer that never acknowledges one packet gets no further.
	MaxUnacknowledged = 6 << 20

	// DefaultMaxConnections bounds what one endpoint holds, half-open ones included.
	DefaultMaxConnections = 1 << 20
	// DefaultMaxHalfOpen is how many clients without a valid token may have state at
	// the server at once; beyond it they get stateless answers. Each holds at most
	// HalfOpenBytes and is gone after the handshake timeout.
	DefaultMaxHalfOpen = 4096
	// HalfOpenBytes is what one half-open connection may hold: its machines, one
	// crypto buffer of a message's size each way, and the packets kept for later keys.
	HalfOpenBytes = 64 << 10

	// DefaultTimeWait is how long a closed connection's ID is remembered, and
	// DefaultMaxTimeWait how many (the oldest give way). Chromium keeps 200 s.
	DefaultTimeWait    = 200 * time.Second
	DefaultMaxTimeWait = 1 << 16

	// MaxEvents is how many events wait to be taken before Receive drops what comes in:
	// one datagram makes a few hundred at most, so only an embedder that does not drain
	// them gets there.
	MaxEvents = 1 << 16

	// MaxKeptPackets is how many packets a connection keeps until their keys arrive;
	// Chromium and quic-go keep 10.
	MaxKeptPackets = 10
)

// Config is what an endpoint is made from. It is read once by [NewEndpoint] and
// must not change afterwards. The zero value of every field but Wall has a meaning.
type Config struct {
	// Versions the endpoint speaks, preferred first. Nil: Q043, Q044 (a Q044 offer is
	// met with silence by some deployed servers, a Q043 offer by none).
	Versions []wire.Version

	// Seed is the only source of randomness. Endpoints with equal seeds, configurations
	// and inputs give equal bytes, so give each a seed of its own from a secure source.
	Seed [32]byte

	// Wall tells the wall time, in Unix seconds, at an instant. It is used for server
	// configs, tokens, client nonces and certificates, never for a timer. Required.
	Wall func(gquic.Instant) int64

	Client *handshake.ClientConfig // nil: the endpoint cannot dial
	Server *handshake.HostConfig   // nil: the endpoint accepts no connections

	IdleTimeout      time.Duration // offered; the smaller offer of both sides holds. Zero: 30 s
	HandshakeTimeout time.Duration // zero: 10 s
	KeepAlive        time.Duration // PING after this much silence while streams are open. Zero: never
	SilentClose      bool          // propose that an idle timeout sends no CONNECTION_CLOSE
	HeaderListSize   bool          // tell the peer that HTTP/2 settings are understood (SMHL)

	MaxStreams          uint32 // streams the peer may have open at once. Zero: 100
	StreamWindow        uint32 // bytes a peer may send on a stream at first. Zero: 256 KiB
	MaxStreamWindow     uint32 // tuning never opens more. Zero: 6 MiB, or StreamWindow if larger
	ConnectionWindow    uint32 // the same for all streams together. Zero: 384 KiB
	MaxConnectionWindow uint32 // zero: 15 MiB, or ConnectionWindow if larger
	// SendBuffer is how many bytes a stream takes beyond what was sent. What was sent and
	// not acknowledged is kept besides: all streams together have at most a congestion
	// window of it in flight, and each keeps at most MaxUnacknowledged. Zero: 256 KiB.
	SendBuffer int

	DatagramSize int // UDP payload of a full packet, 1200 to 1452. Zero: 1350

	// MTULimit lets a connection probe for larger datagrams, up to this size, at most 1452
	// bytes. Set it only where datagrams are not fragmented (DF). Zero: no probing.
	MTULimit int

	Congestion congestion.Algorithm // zero: Cubic. A client's options may ask a server for another
	AckMode    ack.Mode             // zero: every second packet
	Options    []handshake.Tag      // connection options a client offers (COPT)

	// OmitConnectionID makes a client ask its server to leave the connection ID out of
	// packets (TCID = 0). Such a connection is found by the server's address.
	OmitConnectionID bool

	MaxConnections  int // zero: DefaultMaxConnections
	MaxHalfOpen     int // zero: DefaultMaxHalfOpen
	AlwaysStateless bool
	// AlwaysStateless: clients without a valid token never get state, only small
	// stateless answers that cost them one more round trip.

	// Trace, if not nil, is shown every packet that is built or opened, in plaintext. It
	// must not call the endpoint. It is output only: nothing depends on it.
	Trace func(*PacketTrace)

	// ReplaceCipher, if not nil, is called with every forward-secure key, and what it
	// returns is used in its place: to measure everything but the encryption. The peer must
	// do alike.
	ReplaceCipher func(handshake.AEAD) handshake.AEAD

	TimeWait    time.Duration // zero: 200 s
	MaxTimeWait int           // zero: 65536
}

// withDefaults returns c with every zero value replaced, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Wall == nil {
		return c, errors.New("conn: Config.Wall is nil: an endpoint needs to be told the wall time")
	}
	if c.Seed == [32]byte{} {
		return c, errors.New("conn: Config.Seed is all zero: give each endpoint 32 bytes from a secure source")
	}
	if c.Server != nil && c.Server.Secret == [32]byte{} {
		return c, errors.New("conn: Config.Server.Secret is all zero: whoever knows it can read 0-RTT data and be the server")
	}
	if len(c.Versions) == 0 {
		c.Versions = []wire.Version{wire.Q043, wire.Q044}
	}
	for i, v := range c.Versions {
		if !v.Supported() {
			return c, fmt.Errorf("conn: Config.Versions: %v is not supported", v)
		}
		for _, w := range c.Versions[:i] {
			if v == w {
				return c, fmt.Errorf("conn: Config.Versions: %v twice", v)
			}
		}
	}
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&c.MaxStreams, DefaultMaxStreams)
	setDefault(&c.StreamWindow, DefaultStreamWindow)
	setDefault(&c.MaxStreamWindow, max(DefaultMaxStreamWindow, c.StreamWindow))
	setDefault(&c.ConnectionWindow, max(DefaultConnectionWindow, c.StreamWindow/2*3))
	setDefault(&c.MaxConnectionWindow, max(DefaultMaxConnectionWindow, c.ConnectionWindow))
	setDefault(&c.SendBuffer, DefaultSendBuffer)
	setDefault(&c.DatagramSize, DefaultDatagramSize)
	setDefault(&c.MTULimit, c.DatagramSize)
	setDefault(&c.MaxConnections, DefaultMaxConnections)
	setDefault(&c.MaxHalfOpen, DefaultMaxHalfOpen)
	setDefault(&c.TimeWait, DefaultTimeWait)
	setDefault(&c.MaxTimeWait, DefaultMaxTimeWait)
	for _, check := range []struct {
		name           string
		value, low, up int64
	}{
		{"IdleTimeout (in ms)", c.IdleTimeout.Milliseconds(), 1000, MaxIdleTimeout.Milliseconds()},
		{"HandshakeTimeout (in ms)", c.HandshakeTimeout.Milliseconds(), 1, MaxIdleTimeout.Milliseconds()},
		{"KeepAlive (in ms)", c.KeepAlive.Milliseconds(), 0, MaxIdleTimeout.Milliseconds()},
		{"Congestion", int64(c.Congestion), 0, int64(congestion.BBR)},
		{"AckMode", int64(c.AckMode), 0, int64(ack.Decimated)},
		{"StreamWindow", int64(c.StreamWindow), 16384, 1<<32 - 1},
		{"MaxStreamWindow", int64(c.MaxStreamWindow), int64(c.StreamWindow), 1<<32 - 1},
		{"ConnectionWindow", int64(c.ConnectionWindow), 16384, 1<<32 - 1},
		{"MaxConnectionWindow", int64(c.MaxConnectionWindow), int64(c.ConnectionWindow), 1<<32 - 1},
		{"SendBuffer", int64(c.SendBuffer), 1, 1 << 40},
		{"DatagramSize", int64(c.DatagramSize), MinDatagramSize, MaxDatagramSize},
		{"MTULimit", int64(c.MTULimit), int64(c.DatagramSize), MaxDatagramSize},
		{"MaxStreams", int64(c.MaxStreams), 1, 1 << 20},
		{"MaxConnections", int64(c.MaxConnections), 1, 1<<31 - 1},
		{"MaxHalfOpen", int64(c.MaxHalfOpen), 1, 1<<31 - 1},
		{"TimeWait (in ms)", c.TimeWait.Milliseconds(), 1, int64(time.Hour / time.Millisecond)},
		{"MaxTimeWait", int64(c.MaxTimeWait), 1, 1 << 24},
	} {
		if check.value < check.low || check.value > check.up {
			return c, fmt.Errorf("conn: Config.%s is %d, want %d to %d", check.name, check.value, check.low, check.up)
		}
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// params are the transport parameters that a connection of this endpoint states.
func (c *Config) params(client bool) handshake.Params {
	p := handshake.Params{
		IdleTimeout:      c.IdleTimeout,
		MaxStreams:       c.MaxStreams,
		StreamWindow:     c.StreamWindow,
		ConnectionWindow: c.ConnectionWindow,
		SilentClose:      c.SilentClose,
		HeaderListSize:   c.HeaderListSize,
	}
	if client {
		p.Options = c.Options
		p.OmitConnectionID = c.OmitConnectionID
	}
	return p
}
