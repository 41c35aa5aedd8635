package conn_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/conn/ack"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var setupVerbs = map[string]func(*env, *command) error{
	"new":     (*env).newVerb,
	"dial":    (*env).dialVerb,
	"connect": (*env).connectVerb,
	"learn":   (*env).learnVerb,
	"restart": (*env).restartVerb,
}

// new key=value …: makes the two endpoints. Settings with "client." or "server." in front
// hold for one side. The ones that are no plain fields of conn.Config:
//
//	version=Q043      both speak it and nothing else; client.versions=Q044,Q043
//	flow=two          the proof comes with the first REJ; flow=three: a token first
//	chain=4KiB        the server's chain is so much longer
//	cert=NAME         the server has a certificate for another name
//	delay=10ms        of the network, one way
//	path-mtu=1400     the largest datagram that the network carries
//	external          signing and verifying are done with sign and verify
//	stateless         clients without a token get no state
//	nonce             the server wants its nonce back
func (e *env) newVerb(c *command) error {
	d, err := c.duration("delay", e.delay)
	if err != nil {
		return err
	}
	e.delay = d
	mtu, err := c.number("path-mtu", uint64(e.mtu))
	if err != nil {
		return err
	}
	e.mtu = int(mtu)
	for i := range e.sides {
		s := &side{index: i, addr: [...]netip.AddrPort{sim.ClientAddr, sim.ServerAddr}[i]}
		if s.config, err = e.configure(i, c); err != nil {
			return err
		}
		if s.ep, err = conn.NewEndpoint(s.config); err != nil {
			return err
		}
		e.sides[i] = s
	}
	return nil
}

// configure reads the settings of one side.
func (e *env) configure(side int, c *command) (conn.Config, error) {
	name := [...]string{"client", "server"}[side]
	cfg := conn.Config{Wall: e.shared.wallNow, Trace: e.shared.trace(side), Seed: e.seedFor(name)}
	if side == 0 {
		cfg.Client = &handshake.ClientConfig{Roots: e.shared.authority.Pool}
	} else {
		cfg.Server = &handshake.HostConfig{
			Certificates: []handshake.Certificate{e.shared.authority.Issue(serverName)},
			Secret:       e.seedFor("secret"),
		}
	}
	set := settings(&cfg)
	for key, value := range c.values {
		if who, k, ok := strings.Cut(key, "."); ok {
			if who != name {
				continue
			}
			key = k
		}
		if key == "delay" || key == "conn" || dialKeys[key] {
			continue
		}
		f, ok := set[key]
		if !ok {
			return cfg, fmt.Errorf("no setting %q", key)
		}
		if err := f(e, value); err != nil {
			return cfg, fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, w := range c.words {
		switch w {
		case "external":
			if side == 0 {
				cfg.Client.External = true
			} else {
				cfg.Server.Certificates[0].Key = nil
			}
		case "nonce":
			if side == 1 {
				cfg.Server.RequireNonce = true
			}
		case "stateless":
			cfg.AlwaysStateless = true
		case "silent-close", name + ".silent-close":
			cfg.SilentClose = true
		case "omit-id", name + ".omit-id":
			cfg.OmitConnectionID = true
		}
	}
	return cfg, nil
}

type setter func(e *env, value string) error

func settings(cfg *conn.Config) map[string]setter {
	duration := func(d *time.Duration) setter {
		return func(_ *env, v string) (err error) { *d, err = time.ParseDuration(v); return }
	}
	size32 := func(n *uint32) setter {
		return func(_ *env, v string) error {
			x, err := parseSize(v)
			*n = uint32(x)
			return err
		}
	}
	size := func(n *int) setter {
		return func(_ *env, v string) error {
			x, err := parseSize(v)
			*n = int(x)
			return err
		}
	}
	versions := func(_ *env, v string) (err error) { cfg.Versions, err = parseVersions(v); return }
	return map[string]setter{
		"version": versions, "versions": versions,
		"idle":              duration(&cfg.IdleTimeout),
		"handshake-timeout": duration(&cfg.HandshakeTimeout),
		"keep-alive":        duration(&cfg.KeepAlive),
		"time-wait":         duration(&cfg.TimeWait),
		"streams":           size32(&cfg.MaxStreams),
		"stream-window":     size32(&cfg.StreamWindow),
		"max-stream-window": size32(&cfg.MaxStreamWindow),
		"conn-window":       size32(&cfg.ConnectionWindow),
		"max-conn-window":   size32(&cfg.MaxConnectionWindow),
		"send-buffer":       size(&cfg.SendBuffer),
		"datagram":          size(&cfg.DatagramSize),
		"mtu-limit":         size(&cfg.MTULimit),
		"max-conns":         size(&cfg.MaxConnections),
		"max-half-open":     size(&cfg.MaxHalfOpen),
		"options": func(_ *env, v string) error {
			for _, t := range strings.Split(v, ",") {
				cfg.Options = append(cfg.Options, handshake.MakeTag(t))
			}
			return nil
		},
		"ack": func(_ *env, v string) error {
			if v != "decimated" {
				return errors.New("want decimated")
			}
			cfg.AckMode = ack.Decimated
			return nil
		},
		"congestion": func(_ *env, v string) error {
			for _, a := range []congestion.Algorithm{congestion.Cubic, congestion.NewReno, congestion.BBR} {
				if strings.EqualFold(a.String(), v) {
					cfg.Congestion = a
					return nil
				}
			}
			return errors.New("no such algorithm")
		},
		"flow": func(_ *env, v string) error {
			if cfg.Server != nil {
				cfg.Server.RequireToken = v == "three"
			}
			return nil
		},
		"chain": func(e *env, v string) error {
			n, err := parseSize(v)
			if cfg.Server != nil {
				cfg.Server.Certificates = []handshake.Certificate{e.shared.authority.IssueChain(int(n), serverName)}
			}
			return err
		},
		"cert": func(e *env, v string) error {
			if cfg.Server != nil {
				cfg.Server.Certificates = []handshake.Certificate{e.shared.authority.Issue(v)}
			}
			return nil
		},
		"authority": func(e *env, v string) error {
			if cfg.Server != nil {
				cfg.Server.Certificates = []handshake.Certificate{sim.NewAuthority(v).Issue(serverName)}
			}
			return nil
		},
		"config-lifetime": func(_ *env, v string) (err error) {
			if cfg.Server != nil {
				cfg.Server.ConfigLifetime, err = time.ParseDuration(v)
			}
			return
		},
		"token-lifetime": func(_ *env, v string) (err error) {
			if cfg.Server != nil {
				cfg.Server.TokenLifetime, err = time.ParseDuration(v)
			}
			return
		},
	}
}

func parseVersions(s string) (list []wire.Version, err error) {
	for _, name := range strings.Split(s, ",") {
		v, err := wire.ParseVersion(name)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// dialKeys belong to dial, and are no settings of an endpoint.
var dialKeys = map[string]bool{"name": true, "offer": true, "path-mtu": true}

// dial [name=NAME] [offer=VERSIONS] [resume] [hold-early] [key=value …]: the client dials.
// The settings are those of new, which comes first if there are no endpoints.
func (e *env) dialVerb(c *command) error {
	if e.sides[0] == nil {
		if err := e.newVerb(c); err != nil {
			return err
		}
	}
	o := conn.DialOptions{ServerName: serverName, HoldEarlyData: c.has("hold-early")}
	if name, ok := c.values["name"]; ok {
		o.ServerName = name
	}
	if offer, ok := c.values["offer"]; ok {
		list, err := parseVersions(offer)
		if err != nil {
			return err
		}
		o.Versions = list
	}
	if c.has("resume") {
		if o.Resumption = e.stored; o.Resumption == nil {
			return errors.New("nothing was learned")
		}
	}
	s := e.sides[0]
	h, err := s.ep.Dial(e.now, sim.ServerAddr, o)
	if err != nil {
		e.result(err)
		return nil
	}
	s.adopt(h)
	return nil
}

// connect: new, dial, and everything up to an established connection at rest, in silence.
func (e *env) connectVerb(c *command) error {
	if err := e.dialVerb(c); err != nil {
		return err
	}
	e.log.muted = true
	e.stabilize(e.now.Add(time.Minute))
	e.log.flush()
	e.log.muted = false
	for _, s := range e.sides {
		k := s.conn()
		text := fmt.Sprintf("%-7s %s", s.name(), k.State())
		if k.State() == conn.Established {
			text = fmt.Sprintf("%-7s connected  %v", s.name(), k.Version())
			if n := k.Stats().Hellos; s.index == 0 {
				text += fmt.Sprintf(", %d CHLO%s", n, plural(n))
			}
			if k.ZeroRTT() {
				text += ", 0-RTT"
			}
		} else if k.Err() != nil {
			text += ": " + k.Err().Error()
		}
		e.log.print("%s", text)
	}
	return nil
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// learn: like connect, but the connection is closed again and forgotten; what stays is what
// the client stored for the next one.
func (e *env) learnVerb(c *command) error {
	if err := e.dialVerb(c); err != nil {
		return err
	}
	e.log.muted = true
	e.stabilize(e.now.Add(time.Minute))
	e.sides[0].conn().Close(wire.PeerGoingAway, "")
	e.stabilize(e.now.Add(time.Minute))
	e.log.flush()
	e.log.muted = false
	for _, s := range e.sides {
		s.conns, s.current, s.data = nil, 0, nil
	}
	if e.stored == nil {
		return errors.New("nothing was learned")
	}
	e.log.print("the client stores what it knows of %s", e.stored.ServerName())
	return nil
}

// restart server [key=value …]: the program ends without a word and starts again, with
// settings that replace all. It has the same secret, unless secret=new.
func (e *env) restartVerb(c *command) error {
	s, err := e.side(c)
	if err != nil {
		return err
	}
	secret, fresh := c.values["secret"]
	delete(c.values, "secret")
	if s.config, err = e.configure(s.index, c); err != nil {
		return err
	}
	s.stores++
	s.config.Seed = e.seedFor(fmt.Sprint(s.name(), " again ", s.stores))
	if fresh {
		s.config.Server.Secret = e.seedFor("secret " + secret)
	}
	s.conns, s.current = nil, 0
	s.ep, err = conn.NewEndpoint(s.config)
	return err
}
