package udp

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Defaults of a [Config], with the reason for each.
const (
	// DefaultCloseTimeout is long enough for a few retransmissions on a slow path.
	DefaultCloseTimeout = 5 * time.Second
	// DefaultVersionTimeout is several repetitions of a first CHLO, well within the
	// handshake timeout of 10 s.
	DefaultVersionTimeout = 3 * time.Second
	// DefaultBacklog is what listen(2) takes on Linux, connections not yet accepted.
	DefaultBacklog = 4096
)

// A Config says how to speak. It is copied when it is used; what it points to must
// not change afterwards. A nil *Config is a client's, with the system's roots.
type Config struct {
	// Conn is the protocol's configuration. Wall, Seed and Server.Secret are filled in when
	// zero: from the system's clock and from its secure random source. A Secret that is
	// drawn here ends with the listener, and with it all tokens and 0-RTT; give one to
	// keep them over a restart, or to share them. A Client that names no way to judge a
	// certificate (no Roots, Pin or Insecure) gets the system's roots; Dial with no
	// Client at all too. Nothing here signs or verifies from outside: a certificate
	// without a Key and a Client with External are refused.
	Conn conn.Config

	// CloseTimeout bounds how long [Conn.Close] waits for the peer's acknowledgements.
	// Zero: DefaultCloseTimeout.
	CloseTimeout time.Duration

	// VersionTimeout is how long Dial waits for any answer before it offers the next
	// version. Zero: DefaultVersionTimeout; negative: it offers only the first one, and
	// those that the server names.
	VersionTimeout time.Duration

	// Backlog bounds the connections that wait for Accept; those beyond it are closed.
	// Zero: DefaultBacklog.
	Backlog int

	// Trace, if not nil, is shown every datagram. It is called with the endpoint's lock
	// held: it must be quick and must not call the endpoint.
	Trace func(Datagram)

	// Endpoints is how many endpoints, each with a socket and a goroutine, serve an address
	// that Listen is given; runtime.GOMAXPROCS(0) is the most that helps. The connection
	// ID decides which one has a connection, so that it stays there when the client's address changes. Up to 256,
	// on Linux; elsewhere, and with 0, there is one. Limits of Conn hold for each.
	Endpoints int

	// Log, if not nil, is told what an operator should know: once, that the system gives
	// sockets smaller buffers than they should have.
	Log *slog.Logger

	// Offload says which of the system's shortcuts to use. The zero value uses what works.
	Offload Offload
}

// Offload says which of the system's ways to move several datagrams in one call are not
// to be used. The zero value uses whatever works.
type Offload uint8

const (
	OffloadAuto    Offload = 0
	NoSegmentation Offload = 1 << (iota - 1) // sending: several of one size as one (UDP_SEGMENT)
	NoCoalescing                             // receiving: the same (UDP_GRO)
	NoBatches                                // both: several in one call (sendmmsg, recvmmsg)

	OffloadNone = NoSegmentation | NoCoalescing | NoBatches // the calls that every system has
)

// A Datagram is one UDP payload as it was sent or received.
type Datagram struct {
	Time          gquic.Instant // since the endpoint began
	Sent          bool
	Local, Remote netip.AddrPort
	Payload       []byte       // borrowed for the call
	Verdict       conn.Verdict // what became of a received one
}

// withDefaults returns a copy with every zero value replaced.
func (c *Config) withDefaults() (Config, error) {
	var cfg Config
	if c != nil {
		cfg = *c
	}
	if cfg.CloseTimeout == 0 {
		cfg.CloseTimeout = DefaultCloseTimeout
	}
	if cfg.VersionTimeout == 0 {
		cfg.VersionTimeout = DefaultVersionTimeout
	}
	if cfg.Backlog == 0 {
		cfg.Backlog = DefaultBacklog
	}
	if cfg.Conn.Wall == nil {
		cfg.Conn.Wall = func(gquic.Instant) int64 { return time.Now().Unix() }
	}
	if cfg.Conn.Seed == [32]byte{} {
		rand.Read(cfg.Conn.Seed[:]) // never fails: it stops the program instead
	}
	if s := cfg.Conn.Server; s != nil && s.Secret == [32]byte{} {
		// Nobody else may know the keys that follow from it.
		own := *s
		rand.Read(own.Secret[:])
		cfg.Conn.Server = &own
	}
	if len(cfg.Conn.Versions) == 0 {
		cfg.Conn.Versions = []wire.Version{wire.Q043, wire.Q044}
	}
	if err := cfg.check(); err != nil {
		return cfg, err
	}
	return cfg, cfg.judge()
}

// check refuses what can serve nobody and reach nobody. The core checks the rest.
func (c *Config) check() error {
	switch {
	case c.CloseTimeout < 0:
		return fmt.Errorf("Config.CloseTimeout is %v, want 0 or more", c.CloseTimeout)
	case c.Backlog < 0:
		return fmt.Errorf("Config.Backlog is %d, want 0 or more", c.Backlog)
	case c.Endpoints < 0:
		return fmt.Errorf("Config.Endpoints is %d, want 0 or more", c.Endpoints)
	case c.Conn.Client != nil && c.Conn.Client.External:
		return errors.New("Config.Conn.Client.External is set, and nothing here verifies certificates from outside")
	case c.Conn.Server == nil:
		return nil
	}
	for i := range c.Conn.Server.Certificates {
		if c.Conn.Server.Certificates[i].Key == nil {
			return fmt.Errorf("Config.Conn.Server.Certificates[%d] has no key, and nothing here signs from outside", i)
		}
	}
	return nil
}

// systemRoots is one and the same each time, so that a chain that was believed once is known
// again.
var systemRoots = sync.OnceValues(x509.SystemCertPool)

// judge gives a client that has no way to judge a certificate the system's roots.
func (c *Config) judge() error {
	client := c.Conn.Client
	if client == nil && c.Conn.Server != nil {
		return nil
	}
	if client == nil {
		client = &handshake.ClientConfig{}
	}
	if client.Roots == nil && !client.Insecure && len(client.Pin) == 0 {
		roots, err := systemRoots()
		if err != nil {
			return err
		}
		own := *client
		own.Roots = roots
		client = &own
	}
	c.Conn.Client = client
	return nil
}

// A DialOption changes one connection.
type DialOption func(*dialOptions)

type dialOptions struct {
	core  conn.DialOptions
	local net.Addr
	first bool // open the first stream at once
}

// WithServerName names the server, for SNI and for its certificate. Without it the
// name is the host of the address.
func WithServerName(name string) DialOption {
	return func(o *dialOptions) { o.core.ServerName = name }
}

// WithResumption offers what an earlier connection to this server left ([Conn.Resumption]):
// the handshake takes a round trip less, and [DialEarly] can send at once. Nil is
// allowed, and changes nothing.
func WithResumption(r *handshake.Resumption) DialOption {
	return func(o *dialOptions) { o.core.Resumption = r }
}

// WithVersions offers these versions, the preferred first, instead of the configuration's.
func WithVersions(v ...wire.Version) DialOption {
	return func(o *dialOptions) { o.core.Versions = v }
}

// WithLocalAddr sends from this address. It means nothing to [Listener.Dial].
func WithLocalAddr(a *net.UDPAddr) DialOption {
	return func(o *dialOptions) { o.local = a }
}

// WithoutEarlyData holds what is written back until the keys are forward-secure. A
// request under the initial keys can be repeated to the server by an attacker who
// recorded it; this one cannot.
func WithoutEarlyData() DialOption {
	return func(o *dialOptions) { o.core.HoldEarlyData = true }
}
