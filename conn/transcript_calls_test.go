package conn_test

import (
	"errors"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var callVerbs = map[string]func(*env, *side, *command) error{
	"open":         (*env).openVerb,
	"write":        (*env).writeVerb,
	"read":         (*env).readVerb,
	"reset":        (*env).resetVerb,
	"stop-reading": (*env).stopReadingVerb,
	"close": func(e *env, s *side, c *command) error {
		code, err := c.number("code", uint64(wire.PeerGoingAway))
		e.result(s.conn().Close(wire.ErrorCode(code), c.values["reason"]))
		return err
	},
	"ping": func(e *env, s *side, c *command) error { e.result(s.conn().Ping()); return nil },
	"goaway": func(e *env, s *side, c *command) error {
		code, err := c.number("code", uint64(wire.PeerGoingAway))
		e.result(s.conn().GoAway(wire.ErrorCode(code), c.values["reason"]))
		return err
	},
	"sign":     (*env).signVerb,
	"verify":   (*env).verifyVerb,
	"state":    (*env).stateVerb,
	"stats":    (*env).statsVerb,
	"verdicts": (*env).verdictsVerb,
}

// result prints an error of a call; success prints nothing.
func (e *env) result(err error) {
	if err != nil {
		e.log.print("error: %v", err)
	}
}

func (c *command) stream() (wire.StreamID, error) {
	id, err := c.number("stream", 0)
	return wire.StreamID(id), err
}

// open client [n=1]: opens streams.
func (e *env) openVerb(s *side, c *command) error {
	n, err := c.number("n", 1)
	if err != nil {
		return err
	}
	var first, last wire.StreamID
	for range n {
		id, err := s.conn().OpenStream()
		if err != nil {
			e.result(err)
			break
		}
		if first == 0 {
			first = id
		}
		last = id
	}
	switch {
	case first == 0:
	case first == last:
		e.log.print("stream %d", first)
	default:
		e.log.print("streams %d..%d", first, last)
	}
	return nil
}

// write client stream=5 size=16KiB|text=… [fin]: writes. Streams of the side are opened up to
// that one first.
func (e *env) writeVerb(s *side, c *command) error {
	id, err := c.stream()
	if err != nil {
		return err
	}
	size, err := c.number("size", 0)
	if err != nil {
		return err
	}
	data := []byte(c.values["text"])
	w := s.written(id)
	if len(data) == 0 {
		data = make([]byte, size)
		for i := range data {
			data[i] = byte(s.index) + byte(id) + byte((len(w.data)+i)*31>>3)
		}
	}
	n, err := s.conn().Write(id, data, c.has("fin"))
	if errors.Is(err, conn.ErrUnknownStream) && int(id)%2 == 1-s.index {
		var opened wire.StreamID
		for opened < id && !errors.Is(err, conn.ErrStreamLimit) {
			if opened, err = s.conn().OpenStream(); err != nil {
				break
			}
		}
		if opened == id {
			n, err = s.conn().Write(id, data, c.has("fin"))
		} else if err == nil {
			err = conn.ErrUnknownStream
		}
	}
	w.data = append(w.data[:len(w.data):len(w.data)], data[:n]...)
	s.keep(w)
	if err != nil {
		e.result(err)
		return nil
	}
	e.log.print("accepted %d", n)
	return nil
}

// written returns what the side has written on a stream of its current connection.
func (s *side) written(id wire.StreamID) sent {
	for _, w := range s.data {
		if w.conn == s.current && w.stream == id {
			return w
		}
	}
	return sent{conn: s.current, stream: id}
}

func (s *side) keep(w sent) {
	for i := range s.data {
		if s.data[i].conn == w.conn && s.data[i].stream == w.stream {
			s.data[i] = w
			return
		}
	}
	s.data = append(s.data, w)
}

// read server stream=5 [max=n]: reads what is there, and compares it with what was written.
func (e *env) readVerb(s *side, c *command) error {
	id, err := c.stream()
	if err != nil {
		return err
	}
	limit, err := c.number("max", 1<<24)
	if err != nil {
		return err
	}
	w := e.sides[s.other()].written(id)
	total, fin := 0, false
	var readErr error
	for uint64(total) < limit && !fin {
		buf := make([]byte, min(limit-uint64(total), 1<<20))
		var n int
		n, fin, readErr = s.conn().Read(id, buf)
		if w.data != nil && (w.read+n > len(w.data) || string(w.data[w.read:w.read+n]) != string(buf[:n])) {
			e.log.print("WRONG BYTES")
		}
		w.read += n
		total += n
		if n == 0 || readErr != nil {
			break
		}
	}
	if w.data != nil {
		e.sides[s.other()].keep(w)
	}
	switch {
	case readErr != nil && total == 0:
		e.result(readErr)
	case readErr != nil:
		e.log.print("%d bytes, then error: %v", total, readErr)
	case fin:
		e.log.print("%d bytes, the end", total)
	case total == 0:
		e.log.print("nothing yet")
	default:
		e.log.print("%d bytes, more to come", total)
	}
	return nil
}

func (e *env) resetVerb(s *side, c *command) error {
	id, err := c.stream()
	if err != nil {
		return err
	}
	code, err := c.number("code", uint64(wire.StreamCancelled))
	e.result(s.conn().Reset(id, wire.StreamErrorCode(code)))
	return err
}

func (e *env) stopReadingVerb(s *side, c *command) error {
	id, err := c.stream()
	e.result(s.conn().StopReading(id))
	return err
}

// sign server [error=text]: answers the question for a signature, with the host's key.
func (e *env) signVerb(s *side, c *command) error {
	if s.ask.Signature == nil {
		e.result(s.conn().ProofSigned(nil, nil))
		return nil
	}
	if text, ok := c.values["error"]; ok {
		e.result(s.ep.Conn(s.ask.Conn).ProofSigned(nil, errors.New(text)))
		return nil
	}
	entropy := handshake.NewEntropy(e.seedFor("signature"))
	key := e.shared.authority.Issue(serverName).Key
	signature, err := s.ask.Signature.Sign(key, &entropy)
	if err != nil {
		return err
	}
	e.log.print("signed for %q, chain of %d", s.ask.Signature.ServerName, len(s.ask.Signature.Chain))
	e.result(s.ep.Conn(s.ask.Conn).ProofSigned(signature, nil))
	s.ask = conn.Event{}
	return nil
}

// verify client [error=text]: answers the question for a verification, by checking.
func (e *env) verifyVerb(s *side, c *command) error {
	if s.ask.Verification == nil {
		e.result(s.conn().ProofVerified(nil))
		return nil
	}
	var verdict error
	if text, ok := c.values["error"]; ok {
		verdict = errors.New(text)
	} else {
		verdict = s.ask.Verification.Verify(e.shared.authority.Pool, e.shared.wallNow(e.now))
		e.log.print("verified %q: %v", s.ask.Verification.ServerName, verdict)
	}
	e.result(s.ep.Conn(s.ask.Conn).ProofVerified(verdict))
	s.ask = conn.Event{}
	return nil
}

func (e *env) stateVerb(s *side, c *command) error {
	k := s.conn()
	if k == nil {
		e.log.print("gone")
		return nil
	}
	text := k.State().String() + " " + k.Version().String()
	if k.HandshakeConfirmed() {
		text += ", confirmed"
	}
	if k.ZeroRTT() {
		text += ", 0-RTT"
	}
	text += ", peer at " + k.RemoteAddr().String()
	if err := k.Err(); err != nil {
		text += ", " + err.Error()
	}
	e.log.print("%s", text)
	return nil
}

// stats client: the counters of the connection that tell a story.
func (e *env) statsVerb(s *side, c *command) error {
	st := s.conn().Stats()
	e.log.print("packets  %d sent, %d received, %d lost, %d of them not lost after all", st.PacketsSent, st.PacketsReceived, st.PacketsLost, st.SpuriousLosses)
	e.log.print("stream bytes sent again  %d", st.BytesRetransmitted)
	e.log.print("timeouts %d, ACK frames %d", st.Timeouts, st.AcksSent)
	e.log.print("window   %d, in flight %d, rtt %v", st.CongestionWindow, st.BytesInFlight, short(st.SmoothedRTT))
	return nil
}

// verdicts server: what became of the datagrams that the endpoint received.
func (e *env) verdictsVerb(s *side, c *command) error {
	st := s.ep.Stats()
	for v, n := range st.Verdicts {
		if n > 0 {
			e.log.print("%4d %v", n, conn.Verdict(v))
		}
	}
	if st.HalfOpen > 0 {
		e.log.print("%4d connections half open", st.HalfOpen)
	}
	return nil
}
