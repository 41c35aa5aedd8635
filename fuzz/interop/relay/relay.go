// Package relay is a bad network on loopback: a UDP relay between clients and one
// server that drops, duplicates and reorders datagrams as a seed decides.
package relay

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what the relay does to datagrams, each direction of each flow with its own
// sequence of decisions from the seed. Probabilities are between 0 and 1.
type Config struct {
	Seed      uint64
	Drop      float64
	Duplicate float64
	Reorder   float64       // of being held back
	Hold      time.Duration // for how long; zero: 2 ms
	Latency   time.Duration // of every datagram, each way
}

// Stats counts datagrams, both directions together.
type Stats struct{ Forwarded, Dropped, Duplicated, Reordered int64 }

// A Relay forwards between any number of clients and one server.
type Relay struct {
	cfg    Config
	server netip.AddrPort
	front  *net.UDPConn

	mu     sync.Mutex
	flows  map[netip.AddrPort]*flow
	closed bool
	done   chan struct{}
	wait   sync.WaitGroup

	forwarded, dropped, duplicated, reordered atomic.Int64
}

// A flow is one client with its own socket to the server.
type flow struct {
	client netip.AddrPort
	back   *net.UDPConn
	up     *direction
}

// A direction of a flow, used by one goroutine.
type direction struct {
	decide *rand.Rand
	send   func([]byte)
	late   chan delayed // nil without latency
}

// A delayed datagram travels until its time.
type delayed struct {
	due time.Time
	b   []byte
}

// travelling bounds the datagrams in a direction; those beyond it wait in the socket.
const travelling = 1 << 16

// direction makes one. The lock is held.
func (r *Relay) direction(number uint64, send func([]byte)) *direction {
	d := &direction{decide: rand.New(rand.NewPCG(r.cfg.Seed, number)), send: send}
	if r.cfg.Latency > 0 {
		d.late = make(chan delayed, travelling)
		r.wait.Add(1)
		go func() {
			defer r.wait.Done()
			for {
				select {
				case p := <-d.late:
					time.Sleep(time.Until(p.due))
					send(p.b)
				case <-r.done:
					return
				}
			}
		}()
	}
	return d
}

// pass sends now, or when the latency is over.
func (d *direction) pass(b []byte, latency time.Duration) {
	if d.late == nil {
		d.send(b)
		return
	}
	select {
	case d.late <- delayed{time.Now().Add(latency), append([]byte(nil), b...)}:
	default: // the link is full
	}
}

// Start relays to a server's address from a new port on loopback.
func Start(server netip.AddrPort, cfg Config) (*Relay, error) {
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	if cfg.Hold == 0 {
		cfg.Hold = 2 * time.Millisecond
	}
	front.SetReadBuffer(4 << 20)
	r := &Relay{cfg: cfg, server: server, front: front, flows: make(map[netip.AddrPort]*flow), done: make(chan struct{})}
	r.wait.Add(1)
	go r.upward()
	return r, nil
}

// Addr is where clients send to.
func (r *Relay) Addr() netip.AddrPort { return r.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// Stats returns the counts so far.
func (r *Relay) Stats() Stats {
	return Stats{r.forwarded.Load(), r.dropped.Load(), r.duplicated.Load(), r.reordered.Load()}
}

// Close ends the relay and waits for its goroutines.
func (r *Relay) Close() {
	r.mu.Lock()
	if !r.closed {
		close(r.done)
	}
	r.closed = true
	r.front.Close()
	for _, f := range r.flows {
		f.back.Close()
	}
	r.mu.Unlock()
	r.wait.Wait()
}

func (r *Relay) upward() {
	defer r.wait.Done()
	buf := make([]byte, 1<<16)
	for {
		n, from, err := r.front.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if f := r.flow(from); f != nil {
			r.forward(f.up, buf[:n])
		}
	}
}

func (r *Relay) flow(client netip.AddrPort) *flow {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.flows[client]; f != nil || r.closed {
		return f
	}
	back, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.server))
	if err != nil {
		return nil
	}
	back.SetReadBuffer(4 << 20)
	number := uint64(len(r.flows))
	f := &flow{client: client, back: back, up: r.direction(2*number, func(b []byte) { back.Write(b) })}
	r.flows[client] = f
	r.wait.Add(1)
	go r.downward(f, r.direction(2*number+1, func(b []byte) { r.front.WriteToUDPAddrPort(b, client) }))
	return f
}

func (r *Relay) downward(f *flow, down *direction) {
	defer r.wait.Done()
	buf := make([]byte, 1<<16)
	for {
		n, err := f.back.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP message: the server is not there
		}
		r.forward(down, buf[:n])
	}
}

// forward does to one datagram what the seed decides. Three draws for each, whatever
// they decide, keep the sequence aligned with the datagrams.
func (r *Relay) forward(d *direction, b []byte) {
	drop, duplicate, reorder := d.decide.Float64() < r.cfg.Drop, d.decide.Float64() < r.cfg.Duplicate, d.decide.Float64() < r.cfg.Reorder
	if drop {
		r.dropped.Add(1)
		return
	}
	r.forwarded.Add(1)
	if duplicate {
		r.duplicated.Add(1)
		d.pass(b, r.cfg.Latency)
	}
	if !reorder {
		d.pass(b, r.cfg.Latency)
		return
	}
	r.reordered.Add(1)
	late := append([]byte(nil), b...)
	time.AfterFunc(r.cfg.Latency+r.cfg.Hold, func() { d.send(late) })
}
