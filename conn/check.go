package conn

import (
	"fmt"

	"example.com/gquic"
	"example.com/gquic/conn/owed"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Check holds the endpoint and all its connections against their invariants, for tests
// and fuzzing: between two calls of the endpoint it returns nil, whatever peers,
// networks and applications did. Each failure is one sentence. It takes time linear in
// all that is there, and changes nothing.
func (e *Endpoint) Check() error {
	for _, check := range []func() error{e.checkSlots, e.checkRoutes, e.checkDeadlines, e.checkQueues} {
		if err := check(); err != nil {
			return fmt.Errorf("endpoint: %w", err)
		}
	}
	for c := range e.Connections() {
		if err := c.check(); err != nil {
			return fmt.Errorf("connection %v, %v %v: %w", c.handle, c.side, c.state, err)
		}
	}
	return nil
}

// failUnless returns an error that says what is wrong, unless all is well.
func failUnless(well bool, format string, args ...any) error {
	if well {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSlots: a slot is either free or holds a connection that knows where it is.
func (e *Endpoint) checkSlots() error {
	used, half, awake := 0, 0, 0
	for i := 1; i < len(e.slots); i++ {
		c := e.slots[i].conn
		if c == nil {
			continue
		}
		used++
		if !c.resting {
			awake++
		}
		if c.hs != nil && c.hs.halfOpen {
			half++
		}
		if c.handle != (Handle{uint32(i), e.slots[i].generation}) || c.e != e {
			return fmt.Errorf("slot %d holds connection %v", i, c.handle)
		}
	}
	for _, i := range e.free {
		if e.slots[i].conn != nil {
			return fmt.Errorf("slot %d is free and used", i)
		}
	}
	return first(
		failUnless(used+len(e.free) == len(e.slots)-1, "%d slots used and %d free, of %d", used, len(e.free), len(e.slots)-1),
		failUnless(used == e.stats.Connections && half == e.halfOpen,
			"%d connections, %d half open; the counters say %d, %d", used, half, e.stats.Connections, e.halfOpen),
		failUnless(awake == e.caretaker.awake && (awake == 0) == (e.caretaker.next == gquic.Never),
			"%d connections are awake, the caretaker counts %d", awake, e.caretaker.awake),
		failUnless(used <= e.cfg.MaxConnections, "%d connections, over the limit", used))
}

// checkRoutes: every open connection is reached by its ID, and nothing else is.
func (e *Endpoint) checkRoutes() error {
	for c := range e.Connections() {
		open := c.state != CloseState || c.closeOwed
		if _, ok := e.byID[c.id]; open && !ok {
			return fmt.Errorf("connection %v is not reached by its ID", c.handle)
		}
	}
	ids, addrs := 0, 0
	for i := range e.slots {
		c := e.slots[i].conn
		if c == nil {
			continue
		}
		if at, ok := e.byID[c.id]; ok && at == uint32(i) {
			ids++
		}
		if at, ok := e.byAddr[unmapped(c.remote)]; ok && at == uint32(i) {
			addrs++
		}
	}
	return first(
		failUnless(ids == len(e.byID), "%d routes by ID, of which %d lead somewhere", len(e.byID), ids),
		failUnless(addrs == len(e.byAddr), "%d routes by address, of which %d lead somewhere", len(e.byAddr), addrs))
}

// checkDeadlines: the heap is one, and holds the deadline of each connection that has
// one; of one that waits for its turn to send, the deadline is worked out then.
func (e *Endpoint) checkDeadlines() error {
	heap := e.timers.heap
	for i, d := range heap {
		c := e.slots[d.index].conn
		if c == nil || int(c.heapPos) != i {
			return fmt.Errorf("deadline %d of slot %d has no connection", i, d.index)
		}
		if i > 0 && d.before(heap[(i-1)/4]) {
			return fmt.Errorf("deadline %d is earlier than its parent", i)
		}
	}
	for c := range e.Connections() {
		if c.queued {
			continue
		}
		at, why := c.nextDeadline()
		switch {
		case c.heapPos < 0 && at != gquic.Never:
			return fmt.Errorf("connection %v has no deadline, and should have %v for %v", c.handle, at, why)
		case c.heapPos >= 0 && heap[c.heapPos].at != at:
			return fmt.Errorf("connection %v has the deadline %v, and should have %v for %v", c.handle, heap[c.heapPos].at, at, why)
		case c.acks.Due(e.now) && c.state != CloseState:
			return fmt.Errorf("connection %v has an ACK due and is not in the queue to send", c.handle)
		}
	}
	return nil
}

// checkQueues: what waits is bounded, and whoever thinks it waits does.
func (e *Endpoint) checkQueues() error {
	waiting := map[uint32]bool{}
	for i := range e.ready.len() {
		waiting[*e.ready.at(i)] = true
	}
	for c := range e.Connections() {
		if c.queued && !waiting[c.handle.index] {
			return fmt.Errorf("connection %v waits for its turn and is not in the queue", c.handle)
		}
	}
	t := &e.timeWait
	for i := 1; i < t.entries.len(); i++ {
		if t.entries.at(i).expires < t.entries.at(i-1).expires {
			return fmt.Errorf("closed connection %d is forgotten before the one that closed before it", i)
		}
	}
	for _, w := range e.early.waiting {
		if len(w.packets) == 0 || len(w.packets) > MaxKeptPackets {
			return fmt.Errorf("%d packets wait for a CHLO", len(w.packets))
		}
	}
	return first(
		failUnless(len(t.byID) <= t.entries.len() && t.entries.len() <= e.cfg.MaxTimeWait, "%d closed connections, %d IDs", t.entries.len(), len(t.byID)),
		failUnless(e.replies.len() <= MaxReplies, "%d answers wait", e.replies.len()),
		failUnless(len(e.early.waiting) <= MaxEarlyConnections, "packets wait for %d CHLOs", len(e.early.waiting)))
}

// check holds one connection against its invariants.
func (c *Conn) check() error {
	if c.state == CloseState {
		return first(
			failUnless(c.err != nil, "closed without a reason"),
			failUnless((c.hs == nil || c.closeOwed) && c.frames.frames.len() == 0, "closed, and it keeps what only an open connection needs"))
	}
	return first(c.checkHandshake(), c.checkPackets(), c.checkWindows(), c.checkStreams(), c.checkTurns())
}

// checkHandshake: keys come in order and go for good; what waits for them is bounded.
func (c *Conn) checkHandshake() error {
	secure := c.seal[handshake.LevelForwardSecure] != nil && c.open[handshake.LevelForwardSecure] != nil
	if err := first(
		failUnless(c.err == nil && !c.closeOwed, "open, and it has an error: %v", c.err),
		failUnless(c.state == Handshaking || secure, "established without forward-secure keys"),
		failUnless(!c.confirmed || secure && c.state == Established, "confirmed without forward-secure keys"),
		failUnless(c.hs != nil || c.confirmed, "the handshake's state is gone before it is confirmed"),
		failUnless(c.hs != nil || c.seal[handshake.LevelNull] == nil && c.seal[handshake.LevelInitial] == nil, "weak keys outlive the handshake"),
		failUnless(c.side == wire.Client || !c.confirmed || c.credit.validated || c.moved > 0, "confirmed at an address that proved nothing"),
		failUnless(c.credit.validated || c.credit.sent <= amplificationFactor*c.credit.received+c.credit.excused,
			"%d bytes sent to an address that proved nothing and sent %d, with %d excused", c.credit.sent, c.credit.received, c.credit.excused),
	); err != nil {
		return err
	}
	return failUnless(c.hs == nil || len(c.hs.kept) <= MaxKeptPackets, "too many packets wait for keys")
}

// checkPackets: what is in flight adds up, and ACK ranges are in order and bounded.
func (c *Conn) checkPackets() error {
	if err := c.detector.Check(); err != nil {
		return err
	}
	if at, any := c.detector.FirstFrame(); any && (at < c.frames.first || at >= c.frames.end()) {
		return fmt.Errorf("frames %d to %d are known, and %d is in flight", c.frames.first, c.frames.end(), at)
	}
	ranges := c.acks.Ranges()
	for i, r := range ranges {
		if r.Smallest > r.Largest || r.Smallest == 0 || i > 0 && r.Largest+1 >= ranges[i-1].Smallest {
			return fmt.Errorf("ACK range %v below %v", r, ranges[max(i, 1)-1])
		}
	}
	return failUnless(len(ranges) <= wire.MaxAckRanges, "%d ACK ranges", len(ranges))
}

// checkWindows: nobody has sent more than allowed, or read more than arrived; the
// connection's sums are at least those of the streams that exist.
func (c *Conn) checkWindows() error {
	var sent, received, consumed uint64
	for _, s := range c.streams.all {
		if shared(s.id) {
			sent += s.sendWindow.SentBytes()
			received += s.recvWindow.Received()
			consumed += s.recvWindow.Consumed()
		}
		if err := first(
			failUnless(s.sendWindow.SentBytes() == s.send.SentEnd(), "stream %d: %d bytes charged, %d sent", s.id, s.sendWindow.SentBytes(), s.send.SentEnd()),
			failUnless(s.sendWindow.SentBytes() <= s.sendWindow.Limit(), "stream %d: sent %d over the limit %d", s.id, s.sendWindow.SentBytes(), s.sendWindow.Limit()),
			failUnless(s.recvWindow.Received() <= s.recvWindow.Limit(), "stream %d: received %d over the limit %d", s.id, s.recvWindow.Received(), s.recvWindow.Limit()),
			failUnless(s.recvWindow.Consumed() <= s.recvWindow.Received(), "stream %d: consumed %d of %d", s.id, s.recvWindow.Consumed(), s.recvWindow.Received()),
			failUnless(s.readOver || s.recvWindow.Received() == s.recv.Highest(), "stream %d: %d bytes charged, %d arrived", s.id, s.recvWindow.Received(), s.recv.Highest()),
			failUnless(s.readOver || s.recvWindow.Consumed() == s.recv.Offset(), "stream %d: %d bytes given back, %d read", s.id, s.recvWindow.Consumed(), s.recv.Offset()),
			failUnless(s.send.Buffered() <= c.e.cfg.SendBuffer+MaxUnacknowledged, "stream %d: %d bytes kept", s.id, s.send.Buffered()),
			failUnless(s.unsent() <= c.e.cfg.SendBuffer, "stream %d: %d bytes written and not sent", s.id, s.unsent()),
		); err != nil {
			return err
		}
	}
	return first(
		failUnless(c.send.SentBytes() <= c.send.Limit() && c.send.SentBytes() >= sent, "sent %d of %d, the streams %d", c.send.SentBytes(), c.send.Limit(), sent),
		failUnless(c.recv.Received() <= c.recv.Limit() && c.recv.Received() >= received, "received %d of %d, the streams %d", c.recv.Received(), c.recv.Limit(), received),
		failUnless(c.recv.Consumed() <= c.recv.Received(), "consumed %d of %d", c.recv.Consumed(), c.recv.Received()),
		// What was received and not consumed is what open streams hold, to the byte.
		failUnless(c.recv.Received()-c.recv.Consumed() == received-consumed, "%d bytes unread, the streams hold %d",
			c.recv.Received()-c.recv.Consumed(), received-consumed))
}

// checkStreams: the table is in order, its counters add up, its limits hold, and no
// stream is in it that is over.
func (c *Conn) checkStreams() error {
	t := &c.streams
	own, peer, refused := 0, 0, 0
	for i, s := range t.all {
		mine := s.id.OpenedBy() == c.side
		switch {
		case s.counted && mine:
			own++
		case s.counted:
			peer++
		}
		if s.refused {
			refused++
		}
		_, final := s.recv.Final()
		if err := first(
			failUnless(i == 0 || s.id > t.all[i-1].id, "stream %d stands behind %d", s.id, t.all[max(i, 1)-1].id),
			failUnless(!mine || s.id < t.next, "stream %d is ours, and the next is %d", s.id, t.next),
			failUnless(mine || s.id <= t.highest, "stream %d is the peer's, and its highest is %d", s.id, t.highest),
			failUnless(!(s.readOver && final && s.writeOver && (!s.resetSent || s.reset.Done())), "stream %d is over, and still there", s.id),
			failUnless(s.counted != s.ended(), "stream %d: counted is %v, ended %v", s.id, s.counted, s.ended()),
		); err != nil && !(s.refused && s.counted == s.ended()) {
			return err
		}
	}
	for i, id := range t.skipped {
		if id > t.highest || id.OpenedBy() == c.side || i > 0 && id <= t.skipped[i-1] || t.find(id) != nil {
			return fmt.Errorf("stream %d was skipped, out of order or used", id)
		}
	}
	return first(
		failUnless(own == t.own && peer == t.peer && refused == t.refused, "%d, %d, %d streams ours, theirs, refused; the counters say %d, %d, %d",
			own, peer, refused, t.own, t.peer, t.refused),
		failUnless(peer <= c.acceptedStreams() && refused <= refusedFactor*c.acceptedStreams(), "%d streams of the peer, %d refused", peer, refused),
		failUnless(len(t.skipped) <= (availableFactor+1)*c.acceptedStreams(), "%d streams skipped", len(t.skipped)))
}

// checkTurns: a stream that has something to send, and may, has a turn; and a stream
// thinks that it has one exactly if it is in the queue.
func (c *Conn) checkTurns() error {
	active, control := map[wire.StreamID]int{}, map[wire.StreamID]int{}
	for i := range c.streams.active.len() {
		active[*c.streams.active.at(i)]++
	}
	for i := range c.streams.control.len() {
		control[*c.streams.control.at(i)]++
	}
	anything := c.update.Pending() || c.blocked.Pending() || c.goAway.Pending() || c.ping.Pending()
	for _, s := range c.streams.all {
		window := s.sendWindow.Available()
		if shared(s.id) {
			window = min(window, c.send.Available())
		}
		mayData := s.send.HasLost() || s.send.HasNewData() && window > 0 || s.send.HasNew() && !s.send.HasNewData()
		owes := pending(s.update, s.blocked, s.reset)
		anything = anything || owes
		if err := first(
			failUnless(!s.active || active[s.id] > 0, "stream %d has a turn to send data, and is not in the queue", s.id),
			failUnless(!s.control || control[s.id] > 0, "stream %d has a turn to send control frames, and is not in the queue", s.id),
			failUnless(s.active || !mayData, "stream %d has data to send, and no turn", s.id),
			failUnless(s.control || !owes, "stream %d owes a frame, and has no turn", s.id),
			failUnless(active[s.id] <= 1 && control[s.id] <= 1, "stream %d has %d and %d turns", s.id, active[s.id], control[s.id]),
		); err != nil {
			return err
		}
	}
	// Between calls only a connection in the queue to send owes anything that it could send.
	return failUnless(!anything || c.queued || !c.maySpeak(), "frames are owed, and the connection is not in the queue to send")
}

func pending(all ...owed.Owed) bool {
	for i := range all {
		if all[i].Pending() {
			return true
		}
	}
	return false
}

// maySpeak reports whether the connection could send anything but handshake bytes.
func (c *Conn) maySpeak() bool {
	return c.sendLevel() != handshake.LevelNull && c.credit.allows(c.e.cfg.DatagramSize) && !c.detector.Full()
}

// AgreeAtRest holds the two ends of a connection on which everything has arrived, and
// nothing is in flight, to equal accounts: what one has sent the other has received, on
// each stream and in all, and the limits that one obeys are those that the other granted.
func AgreeAtRest(a, b *Conn) error {
	for range 2 {
		if a.send.SentBytes() != b.recv.Received() || a.send.Limit() != b.recv.Limit() {
			return fmt.Errorf("the %v sent %d of %d, the %v received %d of %d", a.side, a.send.SentBytes(), a.send.Limit(),
				b.side, b.recv.Received(), b.recv.Limit())
		}
		for _, s := range a.streams.all {
			r := b.streams.find(s.id)
			if r == nil {
				continue // it is over there
			}
			if s.sendWindow.SentBytes() != r.recvWindow.Received() {
				return fmt.Errorf("stream %d: the %v sent %d, the %v received %d", s.id, a.side, s.sendWindow.SentBytes(), b.side, r.recvWindow.Received())
			}
			if r.wantsCredit() && s.sendWindow.Limit() != r.recvWindow.Limit() {
				return fmt.Errorf("stream %d: the %v may send up to %d, the %v granted %d", s.id, a.side, s.sendWindow.Limit(), b.side, r.recvWindow.Limit())
			}
		}
		a, b = b, a
	}
	return nil
}
