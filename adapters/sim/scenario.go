package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Scenario is a world, what flows in it, what goes wrong, and what is expected of it,
// as a text file says it. See docs/simulation.md for the language. It is not changed by
// running.
type Scenario struct {
	File  string
	Title string

	Seeds   Seeds         // to test with, unless others are asked for
	Limit   time.Duration // of virtual time
	Measure Window        // in which rates are measured

	Links  []LinkSpec
	Hosts  []HostSpec
	Paths  []PathSpec
	Flows  []FlowSpec
	Faults []FaultSpec

	Expectations []Expectation
}

// Seeds are the seeds First to Last.
type Seeds struct{ First, Last uint64 }

// Count returns how many they are.
func (s Seeds) Count() int { return int(s.Last - s.First + 1) }

// A Window is a time of the run; To may be Never.
type Window struct{ From, To gquic.Instant }

// A LinkSpec is a link of a scenario.
type LinkSpec struct {
	Name string
	LinkConfig
}

// A HostSpec is a host, or Count of them that are alike.
type HostSpec struct {
	Name   string
	Count  int
	Config conn.Config // what differs from the defaults; seeds and certificates are filled in
}

// name returns the name of the i-th of count things.
func name(base string, count, i int) string {
	if count == 1 {
		return base
	}
	return fmt.Sprintf("%s%d", base, i+1)
}

// A PathSpec is the way of datagrams from one host (or all of a kind) to another.
type PathSpec struct {
	From, To string
	Links    []string
}

// A FlowSpec is a connection, from each of the clients.
type FlowSpec struct {
	Name             string
	Client, Server   string
	Download, Upload int64
	Streams          int
	Start            time.Duration
	Every            time.Duration // between the starts, where there are several clients
	For              time.Duration // stop then; 0: when all is moved
	Stay             time.Duration // keep the connection open for so long, though all is moved
	Early            bool          // resume an earlier connection (0-RTT)
}

// endless is the size of a flow that a time ends.
const endless = 1 << 50

// A FaultSpec is something that happens while a scenario runs.
type FaultSpec struct {
	At, Every, Until time.Duration // Every 0: once
	Verb             string        // outage, set, rebind, move, jump
	Target           string        // link or host
	For              time.Duration // of an outage, or a clock's jump
	Change           func(*LinkConfig)
	Text             string // as written
	Line             int
}

// expand returns the names that a name of the scenario stands for.
func (s *Scenario) expand(host string) []string {
	for _, h := range s.Hosts {
		if h.Name == host {
			names := make([]string, h.Count)
			for i := range names {
				names[i] = name(h.Name, h.Count, i)
			}
			return names
		}
	}
	return nil
}

// dataPath returns the links that a flow's data passes, and those of its ACKs.
func (s *Scenario) dataPath(f *FlowSpec) (data, acks []string) {
	from, to := f.Server, f.Client
	if f.Download == 0 {
		from, to = to, from
	}
	for _, p := range s.Paths {
		switch {
		case p.From == from && p.To == to:
			data = p.Links
		case p.From == to && p.To == from:
			acks = p.Links
		}
	}
	return data, acks
}

// hostAddr returns the address of the n-th host of a world, of a generation of addresses: a
// rebinding changes the port, a move the network.
func hostAddr(n int, rebinds, moves int) netip.AddrPort {
	ip := netip.AddrFrom4([4]byte{10, byte(moves), byte(n >> 8), byte(n)})
	return netip.AddrPortFrom(ip, uint16(1024+(4096+rebinds)%60000))
}

// A stage is a scenario's world, ready to run.
type stage struct {
	*World
	scenario *Scenario
	flows    []*flow
	clients  []*Node // of the flows
	links    map[string]*Link
	nodes    map[string]*Node
}

// stage builds the world of a seed. watch, if not nil, may change hosts' configurations.
func (s *Scenario) stage(seed uint64, watch func(host string, c *conn.Config)) (*stage, error) {
	st := &stage{World: New(seed), scenario: s, links: map[string]*Link{}, nodes: map[string]*Node{}}
	for _, l := range s.Links {
		cfg := l.LinkConfig
		for _, f := range s.Faults {
			if f.Verb == "outage" && f.Target == l.Name {
				f.times(s.Limit, func(t gquic.Instant) { cfg.Outages = append(cfg.Outages, Outage{t, t.Add(f.For)}) })
			}
		}
		st.links[l.Name] = st.Link(l.Name, cfg)
	}
	if err := st.addHosts(watch); err != nil {
		return nil, err
	}
	for _, p := range s.Paths {
		var links []*Link
		for _, l := range p.Links {
			links = append(links, st.links[l])
		}
		for _, from := range s.expand(p.From) {
			for _, to := range s.expand(p.To) {
				st.Path(st.nodes[from], st.nodes[to], links...)
			}
		}
	}
	st.addFlows()
	for _, f := range s.Faults {
		f.times(s.Limit, func(t gquic.Instant) { st.schedule(f, t) })
	}
	return st, nil
}

var authority = NewAuthority("gquic sim")

func (st *stage) addHosts(watch func(string, *conn.Config)) error {
	cert := authority.Issue(ServerName)
	for _, h := range st.scenario.Hosts {
		for i := range h.Count {
			name := name(h.Name, h.Count, i)
			cfg := h.Config
			cfg.Seed, cfg.Wall = st.Seed(name), Wall
			cfg.Client = &handshake.ClientConfig{Roots: authority.Pool}
			for _, f := range st.scenario.Flows {
				if f.Server == h.Name {
					cfg.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{cert}, Secret: st.Seed(name + " secret")}
				}
			}
			if watch != nil {
				watch(name, &cfg)
			}
			ep, err := conn.NewEndpoint(cfg)
			if err != nil {
				return fmt.Errorf("host %s: %w", name, err)
			}
			st.nodes[name] = st.Node(name, hostAddr(len(st.World.nodes), 0, 0), ep, newHost(nil))
		}
	}
	return nil
}

func (st *stage) addFlows() {
	s := st.scenario
	for _, spec := range s.Flows {
		data, _ := s.dataPath(&spec)
		var ends []gquic.Instant
		var path []int
		for _, l := range data {
			path = append(path, st.links[l].index)
			for _, o := range st.links[l].cfg.Outages {
				ends = append(ends, o.To)
			}
		}
		slices.Sort(ends)
		server := st.nodes[s.expand(spec.Server)[0]]
		server.app.(*host).ends = ends
		clients := s.expand(spec.Client)
		for i, c := range clients {
			n := st.nodes[c]
			h := n.app.(*host)
			f := &flow{FlowSpec: spec, name: name(spec.Name, len(clients), i), index: len(h.flows), server: server.index, data: path, meter: newMeter(ends)}
			f.client = &Client{
				To: server.addr, Options: conn.DialOptions{ServerName: ServerName},
				Streams: spec.Streams, Upload: spec.Upload / int64(spec.Streams), Download: spec.Download / int64(spec.Streams),
				StartAt: gquic.Instant(spec.Start + time.Duration(i)*spec.Every), flow: f,
			}
			if spec.Early {
				f.client.Connections = 2
			}
			h.flows = append(h.flows, f)
			st.flows = append(st.flows, f)
			st.clients = append(st.clients, n)
			for _, end := range ends {
				st.noteRTO(n.index, f.index, end)
			}
		}
	}
}

// noteRTO takes down, when an outage ends, which retransmission timer the sender runs.
func (st *stage) noteRTO(node int32, index int, end gquic.Instant) {
	st.At(end, func(w *World) {
		n := w.nodes[node]
		f := n.app.(*host).flows[index]
		sender := n
		if !f.upload() {
			sender = w.nodes[f.server]
		}
		if next := sender.endpoint.NextTimeout(); next != gquic.Never {
			f.rto = max(f.rto, next.Sub(sender.lastSent))
		}
	})
}

// times calls do with every time at which f happens.
func (f *FaultSpec) times(limit time.Duration, do func(gquic.Instant)) {
	for t := f.At; t <= limit; t += f.Every {
		do(gquic.Instant(t))
		if f.Every <= 0 || f.Until > 0 && t+f.Every > f.Until {
			return
		}
	}
}

func (st *stage) schedule(f FaultSpec, t gquic.Instant) {
	if f.Verb == "set" {
		index := st.links[f.Target].index
		st.At(t, func(w *World) {
			cfg := w.links[index].Config()
			f.Change(&cfg)
			w.links[index].Set(cfg)
		})
		return
	}
	for _, name := range st.scenario.expand(f.Target) {
		index := st.nodes[name].index
		st.At(t, func(w *World) { w.nodes[index].disturb(&f) })
	}
}

// disturb carries out a fault.
func (n *Node) disturb(f *FaultSpec) {
	switch f.Verb {
	case "rebind":
		n.rebinds++
		n.RebindNext(hostAddr(int(n.index), n.rebinds, n.moves))
	case "move":
		n.moves++
		n.Rebind(hostAddr(int(n.index), n.rebinds, n.moves))
		for c := range n.endpoint.Connections() {
			if c.Perspective() == wire.Client {
				c.Ping() // what an application does that is told of the change
			}
		}
		n.settle()
	case "jump":
		n.JumpClock(f.For)
	}
}
