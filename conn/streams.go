package conn

import (
	"fmt"
	"math"
	"sort"

	"example.com/gquic/conn/owed"
	"example.com/gquic/conn/stream"
	"example.com/gquic/flowctl"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var owedNothing owed.Owed

// A streamState is one stream. Its halves end on their own:
//
//	reading   open ──▶ final offset known ──▶ all read, or thrown away
//	writing   open ──▶ FIN or RST_STREAM sent ──▶ all acknowledged
//
// It is removed when both are over. While either end of it may still be missed by the
// peer it counts against the limit of streams.
type streamState struct {
	id         wire.StreamID
	send       stream.SendBuffer
	recv       stream.ReceiveBuffer
	sendWindow flowctl.SendWindow
	recvWindow flowctl.ReceiveWindow

	update, blocked, reset owed.Owed // WINDOW_UPDATE, BLOCKED, RST_STREAM
	resetCode              wire.StreamErrorCode

	resetSent bool // or owed: our writing has ended with RST_STREAM
	resetGot  bool // the peer's writing has ended with RST_STREAM of peerCode
	peerCode  wire.StreamErrorCode
	writeOver bool // nothing we wrote needs to arrive any more
	readOver  bool // nothing will be read any more
	discard   bool // the application does not want what arrives
	gone      bool // not in the table any more
	counted   bool // against the limit of open streams
	refused   bool // opened by the peer beyond the limit
	farewell  bool // RST_STREAM with farewellCode follows the acknowledgement of all we wrote

	farewellCode wire.StreamErrorCode

	readable  bool // StreamReadable was emitted, and the stream not found empty since
	short     bool // a Write was cut short
	delivered bool // StreamDelivered was emitted
	active    bool // in the queue of streams with data to send
	control   bool // in the queue of streams that owe a control frame
}

// shared reports whether the stream's bytes count against the connection's window:
// streams 1 and 3 do not (reference: connection, section 14.4).
func shared(id wire.StreamID) bool { return id != wire.CryptoStream && id != wire.HeadersStream }

// wantsCredit reports whether the peer still has something to send on s.
func (s *streamState) wantsCredit() bool {
	_, known := s.recv.Final()
	return !known && !s.readOver
}

// writable is how many more bytes the stream takes: what waits to be sent is bounded, and
// so is what was sent and is kept until all before it was acknowledged.
func (c *Conn) writable(s *streamState) int {
	buffer := c.e.cfg.SendBuffer
	return max(0, min(buffer-s.unsent(), buffer+MaxUnacknowledged-s.send.Buffered()))
}

// unsent is how many bytes were written and never sent.
func (s *streamState) unsent() int { return int(s.send.WrittenEnd() - s.send.SentEnd()) }

// ended reports whether both ends are settled on both sides as far as we can know.
func (s *streamState) ended() bool {
	_, known := s.recv.Final()
	return known && (s.resetSent && !s.reset.Pending() || s.send.FinSent() || s.writeOver)
}

// Limits on the peer's streams (reference: connection, section 12.2).
const (
	// streamSlack is how many streams beyond the announced limit are really accepted: a
	// closing stream's end may be in flight when the next one opens. The larger of this
	// and a tenth.
	streamSlack = 10
	// availableFactor times the limit is how many IDs a peer may skip.
	availableFactor = 10
	// refusedFactor times the limit is how many refused streams may be waiting for their
	// final offset.
	refusedFactor = 2
	// unsettledFactor times the limit is how many streams of the peer may exist at all, most
	// of them over but for an acknowledgement of their end: a peer that opens and resets
	// streams, and acknowledges nothing, does not get further.
	unsettledFactor = 10
)

// A streamTable holds a connection's streams and whose turn it is.
type streamTable struct {
	all       []*streamState // by ID
	next      wire.StreamID  // the next of ours
	highest   wire.StreamID  // the highest of the peer's so far
	skipped   []wire.StreamID
	own       int    // of ours, counted
	peer      int    // of the peer's, counted
	refused   int    // of the peer's, refused and not yet settled
	fromPeer  int    // of the peer's, in all
	maxOwn    int    // the peer's MIDS
	window    uint64 // the peer's SFCW
	limitHit  bool   // OpenStream failed, and StreamsAvailable is owed
	active    queue[wire.StreamID]
	control   queue[wire.StreamID]
	lastFound *streamState
}

func (t *streamTable) init(side wire.Perspective, cfg *Config) {
	t.maxOwn = DefaultMaxStreams // until the peer's MIDS is known
	t.window = flowctl.MinWindow
	t.next, t.highest = 3, 0
	if side == wire.Server {
		t.next, t.highest = 2, 1
	}
}

func (t *streamTable) position(id wire.StreamID) int {
	if n := len(t.all); n == 0 || t.all[n-1].id < id {
		return n
	}
	return sort.Search(len(t.all), func(i int) bool { return t.all[i].id >= id })
}

// find returns the stream with an ID, nil if there is none.
func (t *streamTable) find(id wire.StreamID) *streamState {
	if s := t.lastFound; s != nil && s.id == id {
		return s
	}
	return t.search(id)
}

// search is find where it is not the one that was found last.
func (t *streamTable) search(id wire.StreamID) *streamState {
	if i := t.position(id); i < len(t.all) && t.all[i].id == id {
		t.lastFound = t.all[i]
		return t.all[i]
	}
	return nil
}

func (c *Conn) addStream(id wire.StreamID) *streamState {
	cfg := c.e.cfg
	s := &streamState{
		id:         id,
		sendWindow: flowctl.NewSendWindow(c.streams.window),
		recvWindow: flowctl.NewReceiveWindow(uint64(cfg.StreamWindow), uint64(cfg.MaxStreamWindow)),
		counted:    true,
	}
	t := &c.streams
	i := t.position(id)
	t.all = append(t.all, nil)
	copy(t.all[i+1:], t.all[i:])
	t.all[i] = s
	return s
}

// raiseLimits applies the peer's windows and stream limit.
func (t *streamTable) raiseLimits(c *Conn, p *handshake.Params) {
	t.window = max(t.window, uint64(p.StreamWindow))
	for _, s := range t.all {
		s.sendWindow.Raise(t.window)
	}
	t.maxOwn = int(min(p.MaxStreams, math.MaxInt32))
	t.offerStreams(c)
	t.activateAll(c)
}

func (t *streamTable) offerStreams(c *Conn) {
	if t.limitHit && t.own < t.maxOwn {
		t.limitHit = false
		c.emit(Event{Kind: StreamsAvailable})
	}
}

// activate queues s if it has data to send.
func (c *Conn) activate(s *streamState) {
	if !s.active && (s.send.HasLost() || s.send.HasNew()) {
		s.active = true
		c.streams.active.push(s.id)
	}
}

// activateAll queues every stream that has data, after something that held many back
// has gone.
func (t *streamTable) activateAll(c *Conn) {
	for _, s := range t.all {
		c.activate(s)
	}
}

// sendAgain marks everything sent as lost: a version negotiation began the connection anew.
func (t *streamTable) sendAgain(c *Conn) {
	for _, s := range t.all {
		s.send.Lost(0, int(s.send.SentEnd()), s.send.FinSent())
		for _, o := range [...]*owed.Owed{&s.update, &s.blocked, &s.reset} {
			if sendOwedAgain(o) {
				c.oweControl(s)
			}
		}
		c.activate(s)
	}
}

func (c *Conn) oweControl(s *streamState) {
	if !s.control {
		s.control = true
		c.streams.control.push(s.id)
	}
}

// peerStream returns the stream that a frame names, opening it if it is the peer's to
// open. It is nil, without an error, if the stream is over.
func (c *Conn) peerStream(id wire.StreamID) (*streamState, error) {
	t := &c.streams
	if s := t.find(id); s != nil {
		return s, nil
	}
	if id == 0 {
		return nil, &LocalError{Code: wire.InvalidStreamID, Reason: "stream 0"}
	}
	if id.OpenedBy() == c.side {
		if id >= t.next {
			return nil, &LocalError{Code: wire.InvalidStreamID, Reason: fmt.Sprintf("stream %d is ours to open", id)}
		}
		return nil, nil
	}
	if id <= t.highest {
		i := sort.Search(len(t.skipped), func(i int) bool { return t.skipped[i] >= id })
		if i == len(t.skipped) || t.skipped[i] != id {
			return nil, nil
		}
		t.skipped = append(t.skipped[:i], t.skipped[i+1:]...)
		return c.openPeerStream(id)
	}
	// In 64 bits: an int may be too short for the distance of two IDs.
	if n := int64(len(t.skipped)) + int64(id-t.highest)/2 - 1; n > int64(availableFactor*c.acceptedStreams()) {
		return nil, &LocalError{Code: wire.TooManyAvailableStreams, Reason: fmt.Sprintf("%d stream IDs skipped", n)}
	}
	first := t.highest + 2
	if t.highest == 0 {
		first = 2 // a server's first
	}
	for skip := first; skip < id; skip += 2 {
		t.skipped = append(t.skipped, skip)
	}
	t.highest = id
	return c.openPeerStream(id)
}

// acceptedStreams is how many open streams of the peer are really accepted.
func (c *Conn) acceptedStreams() int {
	n := int(c.e.cfg.MaxStreams)
	return max(n+streamSlack, n*11/10)
}

func (c *Conn) openPeerStream(id wire.StreamID) (*streamState, error) {
	t := &c.streams
	if t.fromPeer >= unsettledFactor*c.acceptedStreams() {
		return nil, &LocalError{Code: wire.TooManyOpenStreams, Reason: fmt.Sprintf("%d streams not settled", t.fromPeer)}
	}
	t.fromPeer++
	if t.peer < c.acceptedStreams() {
		s := c.addStream(id)
		t.peer++
		c.emit(Event{Kind: StreamOpened, Stream: id})
		return s, nil
	}
	if t.refused >= refusedFactor*c.acceptedStreams() {
		return nil, &LocalError{Code: wire.TooManyOpenStreams, Reason: fmt.Sprintf("%d streams open", t.peer)}
	}
	// It stays until its final offset is known, so that the connection's window settles.
	s := c.addStream(id)
	s.counted, s.refused = false, true
	t.refused++
	c.resetStream(s, wire.RefusedStream)
	return s, nil
}

// onStream takes the data of a STREAM frame.
func (c *Conn) onStream(f *wire.StreamFrame) error {
	s, err := c.peerStream(f.StreamID)
	if s == nil {
		return err
	}
	if err := c.charge(s, f.Offset+uint64(len(f.Data))); err != nil {
		return err
	}
	if err := s.recv.Insert(c.pool(), f.Offset, f.Data, f.Fin); err != nil {
		return err
	}
	if s.readOver {
		c.dropUnread(s)
		c.progress(s)
	} else {
		c.arrived(s)
		if f.Fin {
			c.progress(s) // it may no longer count against the limit
		}
	}
	return nil
}

// charge counts what arrived up to end against the windows of the stream and the
// connection.
func (c *Conn) charge(s *streamState, end uint64) error {
	fresh, err := s.recvWindow.Receive(end)
	if err != nil || fresh == 0 || !shared(s.id) {
		return err
	}
	_, err = c.recv.Receive(c.recv.Received() + fresh)
	return err
}

// arrived tells the application about new data or the end, or throws it away.
func (c *Conn) arrived(s *streamState) {
	if s.discard {
		n := s.recv.Readable()
		s.recv.Discard(c.pool(), n)
		c.consumed(s, uint64(n))
		c.progress(s)
		return
	}
	if !s.readable && (s.recv.Readable() > 0 || s.recv.Finished()) {
		s.readable = true
		c.emit(Event{Kind: StreamReadable, Stream: s.id})
	}
}

// consumed gives back the credit of n bytes that were read or thrown away.
func (c *Conn) consumed(s *streamState, n uint64) {
	now, rtt := c.e.now, c.smoothedRTT()
	s.recvWindow.Consume(n)
	if s.wantsCredit() {
		if _, due := s.recvWindow.Update(now, rtt); due {
			s.update.Set()
			c.oweControl(s)
			if shared(s.id) {
				c.recv.Follow(s.recvWindow.Window())
			}
		}
	}
	if shared(s.id) {
		c.recv.Consume(n)
		if _, due := c.recv.Update(now, rtt); due {
			c.update.Set()
		}
	}
}

// onReset handles the peer's RST_STREAM (reference: connection, sections 12.3 and 14.6).
// With code 0 the peer only stops reading: what it sent up to its final offset still
// counts. Any other code ends both directions.
func (c *Conn) onReset(f *wire.RstStreamFrame) error {
	if f.StreamID == wire.CryptoStream {
		return &LocalError{Code: wire.InvalidStreamID, Reason: "RST_STREAM on the crypto stream"}
	}
	s, err := c.peerStream(f.StreamID)
	if s == nil {
		return err
	}
	if err := c.charge(s, f.Offset); err != nil {
		return err
	}
	if err := c.settleFinal(s, f.Offset); err != nil {
		return err
	}
	if s.resetGot && (s.peerCode != wire.StreamNoError || f.Code == wire.StreamNoError) {
		return nil
	}
	s.resetGot, s.peerCode = true, f.Code
	if f.Code != wire.StreamNoError {
		c.dropUnread(s)
	}
	if s.resetSent && s.resetCode == wire.StreamNoError && f.Code == wire.RstAcknowledgement {
		// The answer to our not reading: what we wrote before still has to arrive.
	} else {
		if !s.resetSent && !s.writeOver { // a FIN that is not acknowledged may be lost
			c.oweReset(s, wire.RstAcknowledgement)
		}
		s.send.Reset(c.pool())
		s.writeOver = true
	}
	if !s.refused { // the application knows nothing of a refused one
		c.emit(Event{Kind: StreamReset, Stream: s.id, StreamCode: f.Code})
	}
	if f.Code == wire.StreamNoError && !s.readOver {
		c.arrived(s)
	}
	c.progress(s)
	return nil
}

// settleFinal notes the end of what the peer sends.
func (c *Conn) settleFinal(s *streamState, offset uint64) error {
	if err := s.recv.SetFinal(offset); err != nil {
		return err
	}
	if s.readOver {
		c.dropUnread(s) // also what has not arrived
	}
	return nil
}

// dropUnread ends the reading half: what was not read, and will not arrive, is given
// back to the connection's window.
func (c *Conn) dropUnread(s *streamState) {
	s.readOver = true
	if unread := s.recvWindow.Received() - s.recvWindow.Consumed(); unread > 0 {
		c.consumed(s, unread)
	}
	s.recv.Reset(c.pool())
}

// oweReset makes a RST_STREAM due.
func (c *Conn) oweReset(s *streamState, code wire.StreamErrorCode) {
	s.resetSent, s.resetCode = true, code
	s.reset.Set()
	c.oweControl(s)
}

// resetStream ends both directions with RST_STREAM, code not 0. One with code 0 before it
// promised that what was written would arrive, which holds no longer.
func (c *Conn) resetStream(s *streamState, code wire.StreamErrorCode) {
	if !s.resetSent || s.resetCode == wire.StreamNoError && !s.writeOver {
		c.oweReset(s, code)
	}
	s.send.Reset(c.pool())
	s.writeOver = true
	c.dropUnread(s)
	c.progress(s)
}

// progress looks whether the stream is over: for the limit, and altogether. It may be
// called again for one that has gone by an earlier call of the same event.
func (c *Conn) progress(s *streamState) {
	if s.gone {
		return
	}
	t := &c.streams
	if !s.writeOver && s.send.AllAcked() {
		s.writeOver = true
	}
	if s.writeOver && !s.delivered && !s.resetSent && !s.resetGot {
		s.delivered = true
		c.emit(Event{Kind: StreamDelivered, Stream: s.id})
	}
	if s.writeOver && s.farewell && !s.resetSent && !s.resetGot {
		c.oweReset(s, s.farewellCode)
	}
	if !s.readOver && s.discard && s.recv.Finished() {
		s.readOver = true
	}
	if s.counted && s.ended() {
		s.counted = false
		if s.id.OpenedBy() == c.side {
			t.own--
			t.offerStreams(c)
		} else {
			t.peer--
		}
	}
	_, final := s.recv.Final()
	if !s.readOver || !final || !s.writeOver || s.resetSent && !s.reset.Done() {
		return
	}
	if s.refused {
		t.refused--
	}
	if s.id.OpenedBy() != c.side {
		t.fromPeer--
	}
	s.gone = true
	i := t.position(s.id)
	copy(t.all[i:], t.all[i+1:])
	t.all[len(t.all)-1] = nil
	t.all = t.all[:len(t.all)-1]
	if t.lastFound == s {
		t.lastFound = nil
	}
	c.e.wake(c) // the keep-alive timer may stop
	s.send.Reset(c.pool())
	s.recv.Reset(c.pool())
}
