package adversary

import (
	"fmt"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
)

// A Lab is an endpoint with a peer in front of it, and nothing between them: what one
// sends the other gets when Exchange or Deliver says so. Time stands still until Advance.
type Lab struct {
	Now      gquic.Instant
	Endpoint *conn.Endpoint
	Peer     *Peer
	Addr     netip.AddrPort // of the peer
	Conn     conn.Handle    // of the endpoint's connection to the peer, once there is one
	Verdicts []conn.Verdict // on the peer's datagrams
	Events   []conn.Event   // of the endpoint, for Conn

	// Others, if not nil, takes the datagrams that are not for the peer.
	Others func(to netip.AddrPort, datagram []byte)

	buf []byte
}

// Clone returns a copy that goes on alike. Others is shared.
func (l *Lab) Clone() *Lab {
	c := *l
	c.Endpoint, c.Peer = l.Endpoint.Clone(), l.Peer.Clone()
	c.Verdicts, c.Events = append([]conn.Verdict(nil), l.Verdicts...), append([]conn.Event(nil), l.Events...)
	c.buf = nil
	return &c
}

// Connect exchanges datagrams until both sides have forward-secure keys, or says why not.
func (l *Lab) Connect() error {
	for range 20 {
		l.Exchange()
		if c := l.Endpoint.Conn(l.Conn); l.Peer.Confirmed() && c.State() == conn.Established {
			return nil
		}
		l.Advance(50 * time.Millisecond)
	}
	return fmt.Errorf("adversary: not connected: the endpoint closed with %w", l.Err())
}

// Err returns why the endpoint closed its connection to the peer, nil if it did not.
func (l *Lab) Err() error {
	for _, ev := range l.Events {
		if ev.Kind == conn.Closed {
			return ev.Err
		}
	}
	return nil
}

// Exchange carries datagrams both ways until there are none.
func (l *Lab) Exchange() {
	for l.Deliver() || l.Collect() {
	}
}

// Deliver gives the endpoint everything that the peer has to send.
func (l *Lab) Deliver() (any bool) {
	for d, ok := l.Peer.Next(); ok; d, ok = l.Peer.Next() {
		any = true
		h, v := l.Endpoint.Receive(l.Now, conn.Datagram{From: l.Addr, Payload: d})
		l.Verdicts = append(l.Verdicts, v)
		if v == conn.Created {
			l.Conn = h
		}
		l.takeEvents()
	}
	return any
}

// Collect gives the peer everything that the endpoint has to send.
func (l *Lab) Collect() (any bool) {
	for {
		b, t, ok := l.Endpoint.AppendTransmit(l.Now, l.buf[:0], 4)
		if !ok {
			l.takeEvents()
			return any
		}
		l.buf, any = b, true
		for len(b) > 0 {
			n := len(b)
			if t.Segment > 0 {
				n = min(n, t.Segment)
			}
			switch {
			case t.To == l.Addr:
				l.Peer.Receive(b[:n])
			case l.Others != nil:
				l.Others(t.To, b[:n])
			}
			b = b[n:]
		}
	}
}

// Advance moves the clock, stopping at each deadline of the endpoint on the way.
func (l *Lab) Advance(d time.Duration) {
	end := l.Now.Add(d)
	for {
		next := l.Endpoint.NextTimeout()
		if next > end {
			l.Now = end
			return
		}
		if !l.Collect() && next <= l.Now {
			l.Now++ // the deadline itself is dealt with in a call at it
		}
		l.Now = max(l.Now, next)
	}
}

func (l *Lab) takeEvents() {
	for ev := range l.Endpoint.Events() {
		if ev.Conn == l.Conn {
			l.Events = append(l.Events, ev)
		}
	}
}
