package sim

import (
	"fmt"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A Server is an [App] that answers [Client]s: on every stream it reads the request,
// checks the upload, and sends what was asked for. Its goal is reached whenever no
// stream is open.
type Server struct {
	accepted int
	answered int
	streams  map[serverKey]*serverStream
	meters   map[conn.Handle]*peer // of a scenario's host; nil: nobody measures
}

type serverKey struct {
	h  conn.Handle
	id wire.StreamID
}

type serverStream struct {
	head     []byte // of the request, until it is whole
	req      request
	received int64 // of the upload
	ended    bool  // its FIN was read
	sent     int64 // of the answer
	answered bool  // its FIN was written
}

// Accepted returns how many connections came, and Answered how many streams were
// answered to their end.
func (s *Server) Accepted() int { return s.accepted }

// Answered returns how many streams were served to the end of both directions.
func (s *Server) Answered() int { return s.answered }

// Start does nothing: a server waits.
func (s *Server) Start(*Node) {}

// Done reports whether no stream is open.
func (s *Server) Done() bool { return len(s.streams) == 0 }

// String says how far it is.
func (s *Server) String() string {
	return fmt.Sprintf("%d connections, %d streams answered, %d open", s.accepted, s.answered, len(s.streams))
}

// Clone returns a copy that goes on alike.
func (s *Server) Clone() App {
	c := *s
	c.streams = make(map[serverKey]*serverStream, len(s.streams))
	for k, st := range s.streams {
		copied := *st
		copied.head = append([]byte(nil), st.head...)
		c.streams[k] = &copied
	}
	return &c
}

// Event serves a connection.
func (s *Server) Event(n *Node, e conn.Event) {
	key := serverKey{e.Conn, e.Stream}
	switch e.Kind {
	case conn.Connected:
		s.accepted++
	case conn.StreamOpened:
		if s.streams == nil {
			s.streams = make(map[serverKey]*serverStream)
		}
		s.streams[key] = &serverStream{}
	case conn.StreamReadable:
		if st := s.streams[key]; st != nil {
			s.serve(n, key, st)
		}
	case conn.StreamWritable:
		if st := s.streams[key]; st != nil {
			s.serve(n, key, st)
		}
	case conn.StreamReset:
		if s.meters != nil {
			delete(s.streams, key)
			return
		}
		n.Fail(fmt.Errorf("stream %d: reset by the client: %v", e.Stream, e.StreamCode))
	case conn.Closed:
		for k := range s.streams { // the order reaches no output: every entry is treated alike
			if k.h == e.Conn {
				delete(s.streams, k)
			}
		}
	}
}

// fail ends the run, or where a scenario measures only the stream.
func (s *Server) fail(n *Node, key serverKey, err error) {
	if s.meters == nil {
		n.Fail(err)
		return
	}
	delete(s.streams, key)
}

// serve reads what there is and writes what can be written.
func (s *Server) serve(n *Node, key serverKey, st *serverStream) {
	c := n.Conn(key.h)
	for {
		read, ok := s.read(n, c, key.h, key.id, st)
		if !ok {
			return
		}
		wrote, ok := s.write(n, c, key, st)
		if !ok {
			return
		}
		if st.ended && st.answered {
			s.answered++
			delete(s.streams, key)
			return
		}
		if !read && !wrote {
			return
		}
	}
}

// read takes one piece of the stream without copying it. It reports whether there was
// one, and false if the stream is over by an error.
func (s *Server) read(n *Node, c *conn.Conn, h conn.Handle, id wire.StreamID, st *serverStream) (some, ok bool) {
	if st.ended {
		return false, true
	}
	b, fin, err := c.Peek(id)
	if err != nil {
		s.fail(n, serverKey{h, id}, fmt.Errorf("stream %d: peek: %w", id, err))
		return false, false
	}
	whole := len(b)
	used := 0
	if len(st.head) < requestLen {
		used = min(requestLen-len(st.head), len(b))
		st.head = append(st.head, b[:used]...)
		b = b[used:]
		if len(st.head) == requestLen {
			st.req = parseRequest(st.head)
		}
	}
	if i := st.req.upload().check(b, st.received); i >= 0 {
		n.Fail(fmt.Errorf("stream %d: wrong byte at %d", id, st.received+int64(i)))
		return false, false
	}
	if st.req.down == Echo && len(b) > 0 { // read no more than can be written back
		taken, err := c.Write(id, b, false)
		if err != nil {
			s.fail(n, serverKey{h, id}, fmt.Errorf("stream %d: echo at %d: %w", id, st.sent, err))
			return false, false
		}
		b = b[:taken]
		st.sent += int64(taken)
	}
	st.received += int64(len(b))
	used += len(b)
	if m := s.meters[h]; m != nil && len(b) > 0 {
		m.meter.add(n.World().Now(), len(b))
	}
	if err := c.Discard(id, used); err != nil {
		s.fail(n, serverKey{h, id}, fmt.Errorf("stream %d: discard: %w", id, err))
		return false, false
	}
	if fin && used == whole {
		st.ended = true
		if len(st.head) < requestLen || st.received != st.req.up {
			n.Fail(fmt.Errorf("stream %d: ended after %d bytes of %d", id, st.received, st.req.up))
			return false, false
		}
		if st.req.down == Echo {
			if _, err := c.Write(id, nil, true); err != nil {
				s.fail(n, serverKey{h, id}, fmt.Errorf("stream %d: end of the echo: %w", id, err))
				return false, false
			}
			st.answered = true
		}
	}
	return used > 0 || st.ended, true
}

// write writes the next piece of the answer, if it is not an echo.
func (s *Server) write(n *Node, c *conn.Conn, key serverKey, st *serverStream) (some, ok bool) {
	if st.answered || len(st.head) < requestLen || st.req.down == Echo {
		return false, true
	}
	var buf [chunk]byte
	b := buf[:min(chunk, st.req.down-st.sent)]
	st.req.download().fill(b, st.sent)
	fin := st.sent+int64(len(b)) == st.req.down
	taken, err := c.Write(key.id, b, fin)
	st.sent += int64(taken)
	if err != nil {
		s.fail(n, key, fmt.Errorf("stream %d: write at %d: %w", key.id, st.sent, err))
		return false, false
	}
	st.answered = fin && taken == len(b)
	return taken > 0 || st.answered, true
}
