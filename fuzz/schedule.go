package fuzz

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A World is two endpoints with applications, and a network between them whose every
// decision somebody else makes: what is delivered, dropped, doubled, damaged, when the clock
// moves, what the applications do. It holds the endpoints to what they promise: whatever is
// read is what was written, in order and once; invariants hold after each step; packet
// numbers are never used twice with a key; and when the network is good again everything
// that was written arrives. It is a plain value: see Clone.
type World struct {
	Now   gquic.Instant
	Ends  [2]*conn.Endpoint // by perspective
	Conns [2]conn.Handle
	// Wire holds the datagrams on their way to each side, in the order of sending.
	Wire [2][][]byte
	// Apps is what each side's application knows.
	Apps [2]App
	// Moves, if not nil, gets each move as a line of Go, for a test that does the same.
	Moves *[]string

	clientAddr netip.AddrPort
	watch      *watcher
	resumption *handshake.Resumption
	failed     error
	buf        []byte
}

// An App is one side's application: what it wrote, and what it may expect.
type App struct {
	Streams []AppStream
	Closed  error // why its connection closed, once the Closed event came
	Wants   bool  // OpenStream failed for the limit: StreamsAvailable must follow
}

// An AppStream is what an application knows of a stream.
type AppStream struct {
	ID       wire.StreamID
	Written  int  // bytes taken by Write
	Fin      bool // taken too
	Short    bool // a Write was cut: StreamWritable must follow
	Read     int
	Finished bool // the end was read
	Readable bool // StreamReadable came, and no read has found the stream empty since
	Reset    bool // by either side, or no longer read: nothing is owed
	Stopped  bool // no longer read
}

// Pattern is byte i of a stream in one direction: anything that is moved, doubled or mixed
// up shows.
func Pattern(sender wire.Perspective, id wire.StreamID, i int) byte {
	x := uint32(i)*2654435761 + uint32(id)*40503 + uint32(sender)*77
	return byte(x >> 24)
}

// maxWire bounds the datagrams on their way to a side: a queue's tail is dropped.
const maxWire = 64

// NewWorld returns a world of one version, before anybody dialed. The endpoints have small
// windows and few streams, so that a short run reaches the limits.
func NewWorld(v wire.Version, change func(*conn.Config)) *World {
	w := &World{clientAddr: ClientAddr, watch: &watcher{}}
	for side, cfg := range []conn.Config{ClientConfig(v), ServerConfig(v)} {
		cfg.StreamWindow, cfg.MaxStreamWindow = 1<<14, 1<<15
		cfg.ConnectionWindow, cfg.MaxConnectionWindow = 1<<15, 1<<16
		cfg.MaxStreams, cfg.SendBuffer = 4, 1<<15
		cfg.Trace = w.watch.packet
		if change != nil {
			change(&cfg)
		}
		w.Ends[side] = MustEndpoint(cfg)
	}
	return w
}

// Clone returns a copy that goes on alike. Copies share the check of packet numbers, so
// it is switched off in the copy.
func (w *World) Clone() *World {
	c := *w
	c.buf, c.Moves = nil, nil
	for i := range c.Ends {
		c.Ends[i] = w.Ends[i].Clone()
		c.Wire[i] = append([][]byte(nil), w.Wire[i]...)
		c.Apps[i].Streams = append([]AppStream(nil), w.Apps[i].Streams...)
	}
	c.watch = nil
	if w.watch != nil {
		w.watch.off = true
	}
	return &c
}

// Conn returns a side's connection, which may be gone.
func (w *World) Conn(side wire.Perspective) *conn.Conn { return w.Ends[side].Conn(w.Conns[side]) }

// Dial begins the connection.
func (w *World) Dial(o conn.DialOptions) error {
	o.ServerName = ServerName
	h, err := w.Ends[wire.Client].Dial(w.Now, ServerAddr, o)
	w.Conns[wire.Client] = h
	w.settle(wire.Client)
	return err
}

// settle takes what a side has to send and to tell.
func (w *World) settle(side wire.Perspective) {
	e := w.Ends[side]
	to := side.Opposite()
	if w.buf == nil {
		w.buf = make([]byte, 0, 8<<10)
	}
	for n := 0; ; n++ {
		b, t, ok := e.AppendTransmit(w.Now, w.buf[:0], 4)
		if !ok {
			break
		}
		if n == 1000 {
			w.fail("the %v sends for ever: %d bytes more", side, len(b))
			break
		}
		for ; len(b) > 0; b = b[Segment(b, t):] {
			if len(w.Wire[to]) < maxWire {
				w.Wire[to] = append(w.Wire[to], bytes.Clone(b[:Segment(b, t)]))
			}
		}
	}
	for ev := range e.Events() {
		w.event(side, ev)
	}
	if next := e.NextTimeout(); next <= w.Now {
		w.fail("the %v wants to be called again at once", side)
	}
}

func (w *World) fail(format string, args ...any) {
	if w.failed == nil {
		w.failed = fmt.Errorf(format, args...)
	}
}

func (w *World) event(side wire.Perspective, ev conn.Event) {
	app := &w.Apps[side]
	if ev.Kind == conn.Connected && side == wire.Server && w.Conns[side].IsZero() {
		w.Conns[side] = ev.Conn
	}
	if ev.Conn != w.Conns[side] {
		return // of a connection that a repeated CHLO began
	}
	if app.Closed != nil {
		w.fail("the %v is told %v after Closed", side, ev.Kind)
	}
	switch ev.Kind {
	case conn.Closed:
		app.Closed = ev.Err
		if ev.Err == nil {
			w.fail("the %v closed without a reason", side)
		}
	case conn.ResumptionReady:
		w.resumption = w.Conn(side).Resumption()
	case conn.StreamsAvailable:
		app.Wants = false
	case conn.StreamOpened:
		app.Streams = append(app.Streams, AppStream{ID: ev.Stream})
	case conn.StreamReadable, conn.StreamWritable, conn.StreamReset:
		s := app.stream(ev.Stream)
		switch {
		case s == nil:
			w.fail("the %v is told %v of stream %d, which it does not know", side, ev.Kind, ev.Stream)
		case ev.Kind == conn.StreamReadable && s.Readable:
			w.fail("the %v is told twice that stream %d is readable", side, ev.Stream)
		case ev.Kind == conn.StreamReadable:
			s.Readable = true
		case ev.Kind == conn.StreamWritable:
			s.Short = false
		default:
			s.Reset = true
		}
	}
}

func (a *App) stream(id wire.StreamID) *AppStream {
	for i := range a.Streams {
		if a.Streams[i].ID == id {
			return &a.Streams[i]
		}
	}
	return nil
}

// Rebind moves the client to another address, or back.
func (w *World) Rebind(back bool) {
	w.note("Rebind(%v)", back)
	w.clientAddr = netip.AddrPortFrom(ClientAddr.Addr().Next(), 7)
	if back {
		w.clientAddr = ClientAddr
	}
}

// Ping has a side's application send a PING.
func (w *World) Ping(side wire.Perspective) {
	w.note("Ping(%s)", name(side))
	w.Conn(side).Ping()
	w.settle(side)
}

// GoAway has a side's application ask for no more streams.
func (w *World) GoAway(side wire.Perspective) {
	w.note("GoAway(%s)", name(side))
	w.Conn(side).GoAway(wire.PeerGoingAway, "")
	w.settle(side)
}

// Close has a side's application close the connection.
func (w *World) Close(side wire.Perspective) {
	w.note("Close(%s)", name(side))
	w.Conn(side).Close(wire.PeerGoingAway, "")
	w.settle(side)
}

// note adds a move to Moves.
func (w *World) note(format string, args ...any) {
	if w.Moves != nil {
		*w.Moves = append(*w.Moves, "w."+fmt.Sprintf(format, args...))
	}
}

func name(side wire.Perspective) string {
	return [...]string{"wire.Client", "wire.Server"}[side]
}

// Check returns what went wrong: a broken promise, or a broken invariant.
func (w *World) Check() error {
	if w.failed != nil {
		return w.failed
	}
	if w.watch != nil && w.watch.failed != nil {
		return w.watch.failed
	}
	return errors.Join(w.Ends[wire.Client].Check(), w.Ends[wire.Server].Check())
}

// Deliver hands over datagram i of those on their way to a side; keep leaves it there too.
func (w *World) Deliver(to wire.Perspective, i int, keep bool) {
	if i >= len(w.Wire[to]) {
		return
	}
	w.note("Deliver(%s, %d, %v)", name(to), i, keep)
	d := w.Wire[to][i]
	if !keep {
		w.drop(to, i)
	}
	w.receive(to, d)
}

// Drop loses datagram i of those on their way to a side.
func (w *World) Drop(to wire.Perspective, i int) {
	if i < len(w.Wire[to]) {
		w.note("Drop(%s, %d)", name(to), i)
		w.drop(to, i)
	}
}

func (w *World) drop(to wire.Perspective, i int) {
	w.Wire[to] = append(w.Wire[to][:i:i], w.Wire[to][i+1:]...)
}

// Receive hands a datagram to a side, as if from the other one.
func (w *World) Receive(to wire.Perspective, d []byte) conn.Verdict {
	w.note("Receive(%s, unhex(t, %q))", name(to), hex.EncodeToString(d))
	return w.receive(to, d)
}

func (w *World) receive(to wire.Perspective, d []byte) conn.Verdict {
	from := ServerAddr
	if to == wire.Server {
		from = w.clientAddr
	}
	w.buf = append(w.buf[:0], d...)
	_, v := w.Ends[to].Receive(w.Now, conn.Datagram{From: from, Payload: d})
	if !bytes.Equal(d, w.buf) {
		w.fail("a datagram was written to")
	}
	w.settle(to)
	return v
}

// Advance moves the clock by d, with the endpoints' deadlines on the way.
func (w *World) Advance(d time.Duration) {
	w.note("Advance(%d)", d)
	end := w.Now.Add(d)
	for w.failed == nil {
		next := min(w.Ends[0].NextTimeout(), w.Ends[1].NextTimeout())
		if next > end {
			break
		}
		w.Now = max(w.Now, next)
		w.settle(wire.Client)
		w.settle(wire.Server)
	}
	w.Now = end
	w.settle(wire.Client)
	w.settle(wire.Server)
}

// Open has a side's application open a stream.
func (w *World) Open(side wire.Perspective) {
	w.note("Open(%s)", name(side))
	id, err := w.Conn(side).OpenStream()
	app := &w.Apps[side]
	switch {
	case err == nil:
		app.Streams = append(app.Streams, AppStream{ID: id})
	case errors.Is(err, conn.ErrStreamLimit):
		app.Wants = true
	}
	w.settle(side)
}

// Write has a side's application write n bytes to its i-th stream, and perhaps the end.
func (w *World) Write(side wire.Perspective, i, n int, fin bool) {
	s := w.nth(side, i)
	if s == nil {
		return
	}
	w.note("Write(%s, %d, %d, %v)", name(side), i, n, fin)
	b := make([]byte, n)
	for j := range b {
		b[j] = Pattern(side, s.ID, s.Written+j)
	}
	taken, err := w.Conn(side).Write(s.ID, b, fin)
	switch {
	case err != nil && taken > 0:
		w.fail("a write of %d bytes took %d, and failed with %v", n, taken, err)
	case err == nil && s.Fin:
		w.fail("a write to stream %d after its end was taken", s.ID)
	case err == nil:
		s.Written += taken
		s.Fin = fin && taken == n
		s.Short = s.Short || taken < n
	}
	w.settle(side)
}

// Read has a side's application read up to n bytes of its i-th stream, and compares them.
func (w *World) Read(side wire.Perspective, i, n int) {
	s := w.nth(side, i)
	if s == nil || s.Stopped {
		return
	}
	w.note("Read(%s, %d, %d)", name(side), i, n)
	b := make([]byte, n)
	got, fin, err := w.Conn(side).Read(s.ID, b)
	if err != nil && (got > 0 || fin) {
		w.fail("a read gave %d bytes and %v", got, err)
	}
	w.compare(side, s, b[:got], fin)
	if err == nil && !fin {
		left, _, _ := w.Conn(side).Peek(s.ID)
		s.Readable = got == n && len(left) > 0
	}
	w.settle(side)
}

// compare holds what was read against what the other side wrote.
func (w *World) compare(side wire.Perspective, s *AppStream, b []byte, fin bool) {
	from := side.Opposite()
	for j := range b {
		if b[j] != Pattern(from, s.ID, s.Read+j) {
			w.fail("the %v read a wrong byte at %d of stream %d", side, s.Read+j, s.ID)
			break
		}
	}
	s.Read += len(b)
	writer := w.Apps[from].stream(s.ID)
	switch {
	case len(b) == 0 && !fin:
		return
	case writer == nil:
		w.fail("the %v read from stream %d, which nobody writes to", side, s.ID)
		return
	case s.Read > writer.Written:
		w.fail("the %v read %d bytes of stream %d, of %d written", side, s.Read, s.ID, writer.Written)
	case s.Finished:
		w.fail("the %v read behind the end of stream %d", side, s.ID)
	case fin && (!writer.Fin || s.Read != writer.Written):
		w.fail("the %v read the end of stream %d at %d, of %d written", side, s.ID, s.Read, writer.Written)
	}
	s.Finished = fin
}

// Reset has a side's application reset its i-th stream, or, with code 0, stop reading.
func (w *World) Reset(side wire.Perspective, i int, code wire.StreamErrorCode) {
	s := w.nth(side, i)
	if s == nil {
		return
	}
	w.note("Reset(%s, %d, %d)", name(side), i, code)
	if code == 0 {
		if err := w.Conn(side).StopReading(s.ID); err == nil {
			s.Stopped = true
		}
	} else if err := w.Conn(side).Reset(s.ID, code); err == nil {
		s.Reset, s.Stopped = true, true
	}
	w.settle(side)
}

func (w *World) nth(side wire.Perspective, i int) *AppStream {
	if n := len(w.Apps[side].Streams); n > 0 {
		return &w.Apps[side].Streams[i%n]
	}
	return nil
}

// A watcher sees every packet in plaintext, and holds packet numbers to be new.
type watcher struct {
	last   [2]map[string]wire.PacketNumber // by connection; a negotiation of versions begins anew
	off    bool
	failed error
}

func (w *watcher) packet(p *conn.PacketTrace) {
	if w.off || !p.Sent {
		return
	}
	if w.last[p.Side] == nil {
		w.last[p.Side] = map[string]wire.PacketNumber{}
	}
	key, n := p.Conn.String()+p.Version.String(), p.Header.PacketNumber
	if last := w.last[p.Side][key]; n <= last {
		w.failed = fmt.Errorf("the %v used packet number %d after %d", p.Side, n, last)
	}
	w.last[p.Side][key] = n
}

// Finish makes the network good, and the applications eager: they end all that they opened
// and read all that comes. Then everything written must arrive, unless the connection is
// closed, and both sides must come to rest with accounts that agree.
func (w *World) Finish() error {
	moves := w.Moves
	w.Moves = nil // what follows is always the same
	defer func() { w.Moves = moves }()
	for round := 0; round < 1000 && w.failed == nil; round++ {
		w.eager(wire.Client)
		w.eager(wire.Server)
		if w.Apps[0].Closed != nil || w.Apps[1].Closed != nil || w.done() {
			break
		}
		if len(w.Wire[0])+len(w.Wire[1]) > 0 {
			w.Deliver(wire.Client, 0, false)
			w.Deliver(wire.Server, 0, false)
			continue
		}
		_, client := w.Ends[wire.Client].TimeoutReason()
		_, server := w.Ends[wire.Server].TimeoutReason()
		flying := w.Conn(wire.Client).Stats().BytesInFlight + w.Conn(wire.Server).Stats().BytesInFlight
		// (After minutes without an answer a retransmission may be due only behind the idle timeout.)
		if client == conn.ReasonIdle && server == conn.ReasonIdle && flying == 0 {
			return fmt.Errorf("stalled, and both sides wait to be idle: the client has %+v, the server %+v", w.Apps[0], w.Apps[1])
		}
		next := min(w.Ends[0].NextTimeout(), w.Ends[1].NextTimeout())
		if next == gquic.Never {
			break
		}
		w.Advance(max(next.Sub(w.Now), time.Millisecond))
	}
	if err := w.Check(); err != nil || w.Apps[0].Closed != nil || w.Apps[1].Closed != nil {
		return err
	}
	if !w.done() {
		return fmt.Errorf("unfinished: the client has %+v, the server %+v", w.Apps[0], w.Apps[1])
	}
	return w.rest()
}

// rest waits until nothing is in flight, and holds both ends to equal accounts.
func (w *World) rest() error {
	for range 1000 {
		w.Deliver(wire.Client, 0, false)
		w.Deliver(wire.Server, 0, false)
		if len(w.Wire[0])+len(w.Wire[1]) > 0 {
			continue
		}
		c, s := w.Conn(wire.Client), w.Conn(wire.Server)
		next := min(w.Ends[0].NextTimeout(), w.Ends[1].NextTimeout())
		if w.failed != nil || c.State() != conn.Established || s.State() != conn.Established {
			break
		}
		if c.Stats().BytesInFlight == 0 && s.Stats().BytesInFlight == 0 && next > w.Now.Add(500*time.Millisecond) {
			return errors.Join(w.Check(), conn.AgreeAtRest(c, s))
		}
		w.Advance(max(next.Sub(w.Now), time.Millisecond))
	}
	return w.Check()
}

// eager ends and reads every stream of a side.
func (w *World) eager(side wire.Perspective) {
	for i := range w.Apps[side].Streams {
		s := &w.Apps[side].Streams[i]
		if !s.Fin && !s.Reset && !s.Short {
			w.Write(side, i, 0, true)
		}
		for !s.Finished && !s.Stopped && s.Readable && w.failed == nil {
			before := s.Read
			w.Read(side, i, 1<<14)
			if s.Read == before {
				break
			}
		}
	}
}

// done reports whether everything that was written was read.
func (w *World) done() bool {
	if w.Conn(wire.Client).State() != conn.Established || w.Conn(wire.Server).State() != conn.Established {
		return false
	}
	for side := range w.Apps {
		for i := range w.Apps[side].Streams {
			s := &w.Apps[side].Streams[i]
			reader := w.Apps[1-side].stream(s.ID)
			if s.Reset || reader != nil && (reader.Reset || reader.Stopped) {
				continue
			}
			if !s.Fin || reader == nil || !reader.Finished || reader.Read != s.Written {
				return false
			}
		}
		if w.Apps[side].Wants {
			return false
		}
	}
	return true
}
