package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// once is at TIME FAULT.
func (p *parser) once(words []string) (err error) {
	if len(words) < 2 {
		return fmt.Errorf("want at TIME FAULT, such as at 3s outage down 2s")
	}
	f := FaultSpec{}
	if f.At, err = parseDuration(words[0]); err != nil {
		return err
	}
	return p.fault(f, words[1:])
}

// repeated is every TIME [from TIME] [until TIME] FAULT.
func (p *parser) repeated(words []string) (err error) {
	f := FaultSpec{}
	until := ""
	if len(words) >= 2 {
		f.Every, err = parseDuration(words[0])
		f.At = f.Every
		words = words[1:]
	}
	for len(words) > 2 && err == nil && (words[0] == "from" || words[0] == "until") {
		place := &f.At
		if words[0] == "until" {
			place, until = &f.Until, words[1]
		}
		*place, err = parseDuration(words[1])
		words = words[2:]
	}
	switch {
	case err != nil:
		return err
	case len(words) < 2:
		return fmt.Errorf("want every TIME [from TIME] [until TIME] FAULT, such as every 1s until 20s rebind client")
	case f.Every < time.Microsecond:
		return fmt.Errorf("every %v is too often: want 1us or more", f.Every)
	case until != "" && f.Until < f.At:
		return fmt.Errorf("until %s is before the first time, %v: it would never happen", until, f.At)
	}
	return p.fault(f, words)
}

func (p *parser) fault(f FaultSpec, words []string) (err error) {
	f.Verb = words[0]
	form := ""
	switch f.Verb {
	case "outage":
		form = "want outage LINK TIME"
	case "jump":
		form = "want jump HOST TIME: how far the host's clock jumps forward"
	case "rebind", "move":
		form = "want " + f.Verb + " HOST"
	case "set":
		form = "want set LINK SETTING..., such as set down rate=1mbit"
	default:
		return fmt.Errorf("unknown fault %q: want outage LINK TIME, set LINK SETTING..., rebind HOST, move HOST or jump HOST TIME", f.Verb)
	}
	if len(words) < 2 {
		return fmt.Errorf("%s", form)
	}
	f.Target = words[1]
	switch rest := words[2:]; {
	case f.Verb == "set" && len(rest) > 0:
		if err := settings(rest, linkSettings, &LinkConfig{}); err != nil {
			return err
		}
		f.Change = func(c *LinkConfig) { settings(rest, linkSettings, c) } // it was right a moment ago
	case (f.Verb == "outage" || f.Verb == "jump") && len(rest) == 1:
		if f.For, err = parseDuration(rest[0]); err != nil {
			return err
		}
	case (f.Verb == "rebind" || f.Verb == "move") && len(rest) == 0:
	default:
		return fmt.Errorf("%s", form)
	}
	f.Line, f.Text = p.line, p.text
	p.s.Faults = append(p.s.Faults, f)
	p.faults = append(p.faults, p.line)
	return nil
}

// settingNames puts a host's settings where conn names its configuration's fields.
var settingNames = strings.NewReplacer(
	"conn: Config.", "",
	"IdleTimeout", "idle", "HandshakeTimeout", "handshake", "KeepAlive", "keepalive",
	"DatagramSize", "datagram", "MTULimit", "mtulimit", "SendBuffer", "buffer", "MaxStreams", "streams",
	"StreamWindow", "window", "ConnectionWindow", "window (and half of it for the connection)", "Versions", "version", "Options", "options",
)

// check looks at what refers to names, once all are known.
func (p *parser) check() error {
	s := p.s
	for i := range s.Hosts {
		cfg := s.Hosts[i].Config
		cfg.Wall, cfg.Seed, cfg.Client = Wall, [32]byte{1}, &handshake.ClientConfig{}
		if _, err := conn.NewEndpoint(cfg); err != nil {
			return p.at(p.hosts[i], errors.New(settingNames.Replace(err.Error())))
		}
	}
	for i, path := range s.Paths {
		for _, h := range []string{path.From, path.To} {
			if p.findHost(h) == nil {
				return p.at(p.paths[i], p.unknown("host", h))
			}
		}
		for _, l := range path.Links {
			if p.findLink(l) == nil {
				return p.at(p.paths[i], p.unknown("link", l))
			}
		}
	}
	for i := range s.Flows {
		if err := p.checkFlow(&s.Flows[i]); err != nil {
			return p.at(p.flows[i], err)
		}
	}
	for i, f := range s.Faults {
		if f.At > s.Limit {
			return p.at(p.faults[i], fmt.Errorf("%v is after the limit of %v: it would never happen", f.At, s.Limit))
		}
		switch f.Verb {
		case "outage", "set":
			if p.findLink(f.Target) == nil {
				return p.at(p.faults[i], p.unknown("link", f.Target))
			}
		default:
			if p.findHost(f.Target) == nil {
				return p.at(p.faults[i], p.unknown("host", f.Target))
			}
		}
	}
	for i := range s.Expectations {
		if err := p.checkExpectation(&s.Expectations[i]); err != nil {
			return p.at(p.expectations[i], err)
		}
	}
	if len(s.Flows) == 0 {
		return p.at(p.line, fmt.Errorf("nothing flows: want a flow NAME CLIENT SERVER download=SIZE"))
	}
	return nil
}

func (p *parser) checkFlow(f *FlowSpec) error {
	for _, h := range []string{f.Client, f.Server} {
		if p.findHost(h) == nil {
			return p.unknown("host", h)
		}
	}
	if n := p.findHost(f.Server).Count; n > 1 {
		return fmt.Errorf("%q are %d hosts: want one server", f.Server, n)
	}
	data, acks := p.s.dataPath(f)
	if data == nil || acks == nil {
		return fmt.Errorf("datagrams have no way between %s and %s: want path %s %s and path %s %s, each with its links", f.Client, f.Server, f.Client, f.Server, f.Server, f.Client)
	}
	return nil
}

// unknown says that there is no such thing, and what there is.
func (p *parser) unknown(what, name string) error {
	var all []string
	switch what {
	case "link":
		for _, l := range p.s.Links {
			all = append(all, l.Name)
		}
	case "host":
		for _, h := range p.s.Hosts {
			all = append(all, h.Name)
		}
	case "flow":
		for _, f := range p.s.Flows {
			all = append(all, f.Name)
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("there is no %s %q, and no other: want %s %s", what, name, what, name)
	}
	return fmt.Errorf("there is no %s %q: want one of %v", what, name, all)
}
