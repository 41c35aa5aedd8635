package sim

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A Client is an [App] that dials a server running a [Server], opens streams, sends a
// request and bytes on each, and reads and checks what comes back. Its goal is reached
// when every stream is done both ways: all that was asked for arrived, and all that was
// sent is acknowledged. Then it closes the connection. A stream that the server refuses,
// because it was opened before its limit was known, is opened again.
type Client struct {
	To       netip.AddrPort
	Options  conn.DialOptions
	Streams  int   // opened as far as the server's limit allows; zero: one
	Upload   int64 // bytes on each stream
	Download int64 // bytes asked for on each stream; Echo asks for the upload back

	// Connections is how many to make, one after the other, each resuming what the one
	// before learned. Zero: one.
	Connections int

	// StartAt is when to dial.
	StartAt gquic.Instant

	// Of a flow of a scenario: a failure ends the flow, not the run, and progress is noted.
	flow *flow

	rand     Rand
	h        conn.Handle
	opened   int
	finished int
	streams  []clientStream
	refused  []wire.StreamID // to be opened again under other IDs
	made     int             // connections that are done
	done     bool
	result   ConnResult
}

// Echo as Client.Download asks for the uploaded bytes back.
const Echo int64 = -1

// ConnResult is how a connection of a [Client] went.
type ConnResult struct {
	Version   wire.Version
	ZeroRTT   bool
	Dialed    gquic.Instant
	Connected gquic.Instant
	Finished  gquic.Instant
	Stats     conn.Stats // at the end
	Resumed   *handshake.Resumption
}

// clientStream is one stream: what was sent, and what is still to come.
type clientStream struct {
	id        wire.StreamID
	req       request
	sent      int64 // of the request and the upload together
	received  int64
	delivered bool // all was acknowledged
	ended     bool // FIN was read
}

// Result returns how the last finished connection went.
func (c *Client) Result() ConnResult { return c.result }

// Handle returns the connection in use.
func (c *Client) Handle() conn.Handle { return c.h }

// Done reports whether all streams of all connections are done.
func (c *Client) Done() bool { return c.done }

// String says how far it is.
func (c *Client) String() string {
	var up, down int64
	for i := range c.streams {
		up += c.streams[i].sent
		down += c.streams[i].received
	}
	return fmt.Sprintf("connection %d of %d, %d of %d streams done, %d open, %d bytes written, %d read",
		c.made+1, max(c.Connections, 1), c.finished, max(c.Streams, 1), c.opened-c.finished, up, down)
}

// Clone returns a copy that goes on alike.
func (c *Client) Clone() App {
	d := *c
	d.streams = append([]clientStream(nil), c.streams...)
	if c.flow != nil {
		f := *c.flow
		d.flow, f.client = &f, &d
	}
	d.refused = append([]wire.StreamID(nil), c.refused...)
	return &d
}

// Start dials, now or at StartAt.
func (c *Client) Start(n *Node) {
	c.rand = n.World().Rand("client " + n.Name())
	if c.StartAt > n.Now() {
		n.WakeAt(c.StartAt)
		return
	}
	c.dial(n)
}

// Wake dials.
func (c *Client) Wake(n *Node) { c.dial(n) }

func (c *Client) dial(n *Node) {
	h, err := n.Endpoint().Dial(n.Now(), c.To, c.Options)
	if err != nil {
		c.fail(n, fmt.Errorf("dial: %w", err))
		return
	}
	c.h, c.opened, c.finished, c.streams, c.refused = h, 0, 0, c.streams[:0], nil
	c.result = ConnResult{Dialed: n.World().Now()}
	c.open(n)
}

// fail ends the run, or only the flow.
func (c *Client) fail(n *Node, err error) {
	if c.flow == nil {
		n.Fail(err)
		return
	}
	c.flow.failed(n, err)
}

// total returns how many streams the connection at hand opens, and what moves on each.
func (c *Client) total() (streams int, up, down int64) {
	if c.flow != nil && c.flow.Early && c.made == 0 {
		return 1, 0, 0 // it is only made to learn the server's config
	}
	return max(c.Streams, 1), c.Upload, c.Download
}

// open opens streams until all are, or the limit is reached; StreamsAvailable goes on.
func (c *Client) open(n *Node) {
	cn := n.Conn(c.h)
	streams, up, down := c.total()
	for c.opened < streams || len(c.refused) > 0 {
		id, err := cn.OpenStream()
		if errors.Is(err, conn.ErrStreamLimit) {
			return
		}
		if err != nil {
			c.fail(n, fmt.Errorf("open stream: %w", err))
			return
		}
		if last := len(c.refused) - 1; last >= 0 {
			s := c.stream(c.refused[last])
			c.refused = c.refused[:last]
			*s = clientStream{id: id, req: s.req}
			c.write(n, s)
			continue
		}
		c.opened++
		c.streams = append(c.streams, clientStream{id: id, req: request{key: c.rand.Uint64(), up: up, down: down}})
		c.write(n, &c.streams[len(c.streams)-1])
	}
}

// Event serves the connection.
func (c *Client) Event(n *Node, e conn.Event) {
	if e.Conn != c.h {
		return
	}
	switch e.Kind {
	case conn.Connected:
		c.result.Connected = n.World().Now()
		c.open(n)
	case conn.StreamsAvailable:
		c.open(n)
	case conn.StreamReadable:
		if s := c.stream(e.Stream); s != nil {
			c.read(n, s)
		}
	case conn.StreamWritable:
		if s := c.stream(e.Stream); s != nil {
			c.write(n, s)
		}
	case conn.StreamDelivered:
		if s := c.stream(e.Stream); s != nil && !s.delivered {
			s.delivered = true
			c.check(n, s)
		}
	case conn.ResumptionReady:
		c.Options.Resumption = n.Conn(c.h).Resumption()
		c.result.Resumed = c.Options.Resumption
	case conn.StreamReset:
		if e.StreamCode == wire.RefusedStream && c.stream(e.Stream) != nil {
			c.refused = append(c.refused, e.Stream)
			c.open(n)
			return
		}
		c.fail(n, fmt.Errorf("stream %d: reset by the server: %v", e.Stream, e.StreamCode))
	case conn.Closed:
		c.fail(n, fmt.Errorf("unfinished (%v): %w", c, e.Err))
	}
}

// stream finds a stream that is not done.
func (c *Client) stream(id wire.StreamID) *clientStream {
	for i := range c.streams {
		if c.streams[i].id == id {
			return &c.streams[i]
		}
	}
	return nil
}

const chunk = 16 << 10

// write writes the request and the upload as far as the connection takes them.
func (c *Client) write(n *Node, s *clientStream) {
	var buf [chunk]byte
	for total := requestLen + s.req.up; s.sent < total; {
		b := s.req.append(buf[:0])
		if s.sent < requestLen {
			b = b[s.sent:]
		} else {
			b = buf[:min(chunk, total-s.sent)]
			s.req.upload().fill(b, s.sent-requestLen)
		}
		fin := s.sent+int64(len(b)) == total
		taken, err := n.Conn(c.h).Write(s.id, b, fin)
		s.sent += int64(taken)
		var reset *conn.StreamError
		if errors.As(err, &reset) && reset.Code == wire.RefusedStream {
			return // the event that tells so is on its way
		}
		if err != nil {
			c.fail(n, fmt.Errorf("stream %d: write at %d: %w", s.id, s.sent, err))
			return
		}
		if taken < len(b) {
			return
		}
	}
}

// read reads and checks what arrived.
func (c *Client) read(n *Node, s *clientStream) {
	want := s.req.download()
	if s.req.down == Echo {
		want = s.req.upload()
	}
	for !s.ended {
		b, fin, err := n.Conn(c.h).Peek(s.id)
		if err != nil {
			c.fail(n, fmt.Errorf("stream %d: read at %d: %w", s.id, s.received, err))
			return
		}
		got := len(b)
		if i := want.check(b, s.received); i >= 0 {
			n.Fail(fmt.Errorf("stream %d: wrong byte at %d", s.id, s.received+int64(i)))
			return
		}
		if err := n.Conn(c.h).Discard(s.id, got); err != nil {
			c.fail(n, fmt.Errorf("stream %d: discard at %d: %w", s.id, s.received, err))
			return
		}
		s.received += int64(got)
		if c.flow != nil && got > 0 {
			c.flow.meter.add(n.World().Now(), got)
		}
		if fin {
			s.ended = true
			break
		}
		if got == 0 {
			return
		}
	}
	total := s.req.down
	if total == Echo {
		total = s.req.up
	}
	if s.received != total {
		n.Fail(fmt.Errorf("stream %d: ended after %d bytes of %d", s.id, s.received, total))
		return
	}
	c.check(n, s)
}

// check counts a stream that is done, and ends the connection after the last one.
func (c *Client) check(n *Node, s *clientStream) {
	if !s.ended || !s.delivered {
		return
	}
	c.finished++
	if streams, _, _ := c.total(); c.finished < streams {
		return
	}
	if c.flow != nil {
		c.flow.finished(n)
		return
	}
	c.end(n)
}

// end notes how the connection went and closes it.
func (c *Client) end(n *Node) {
	cn := n.Conn(c.h)
	if c.result.Finished == 0 {
		c.result.Finished = n.World().Now()
	}
	c.result.Version = cn.Version()
	c.result.ZeroRTT = cn.ZeroRTT()
	c.result.Stats = cn.Stats()
	if c.flow != nil {
		c.flow.ended(n, cn)
	}
	c.h = conn.Handle{}
	cn.Close(wire.PeerGoingAway, "")
	c.made++
	if c.made < max(c.Connections, 1) {
		const closed = time.Millisecond // after the close went out
		if c.flow != nil {
			c.flow.dialAt(n, n.World().Now().Add(closed))
		} else {
			n.WakeAt(n.Now().Add(closed))
		}
		return
	}
	c.done = true
}
