package h2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A rawClient speaks to a Server as a test likes: it has a connection, a headers stream,
// and the codec, and no rules.
type rawClient struct {
	t       *testing.T
	c       *udp.Conn
	headers *udp.Stream
	enc     *Encoder
	dec     *Decoder
	frames  *frameLog
}

// A frameLog notes what the raw side sent and received, frame by frame.
type frameLog struct {
	mu       sync.Mutex
	received []string // "RST_STREAM 5 0 at 12"
}

func (l *frameLog) trace(p *conn.PacketTrace) {
	if p.Sent {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := p.Frames()
	for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
		switch f := f.(type) {
		case *wire.RstStreamFrame:
			l.received = append(l.received, fmt.Sprintf("RST_STREAM %d code %d", f.StreamID, f.Code))
		case *wire.StreamFrame:
			if f.Fin && f.StreamID != wire.CryptoStream {
				l.received = append(l.received, fmt.Sprintf("FIN %d at %d", f.StreamID, f.Offset+uint64(len(f.Data))))
			}
		case *wire.GoAwayFrame:
			l.received = append(l.received, fmt.Sprintf("GOAWAY above %d", f.LastGoodStream))
		}
	}
}

// count counts what was received and begins with prefix, once if it was sent again: on a
// busy machine the peer may think that it was lost.
func (l *frameLog) count(prefix string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[string]bool)
	for _, s := range l.received {
		if strings.HasPrefix(s, prefix) && !seen[s] {
			seen[s] = true
			n++
		}
	}
	return n
}

// raw connects to the world's server. smhl: the hello has SMHL.
func (w *world) raw(t *testing.T, smhl bool) *rawClient {
	t.Helper()
	r := &rawClient{t: t, enc: NewEncoder(), dec: NewDecoder(wire.Client, 0), frames: new(frameLog)}
	cfg := *w.transport.Config
	cfg.Conn.HeaderListSize = smhl
	cfg.Conn.Trace = r.frames.trace
	var err error
	if r.c, err = udp.Dial(patient(t), w.addr, &cfg, udp.WithFirstStream()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.c.CloseWithError(wire.PeerGoingAway, "") })
	r.headers = r.c.FirstStream()
	return r
}

// open opens a stream.
func (r *rawClient) open() *udp.Stream {
	r.t.Helper()
	s, err := r.c.OpenStream(patient(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

var getFields = []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"},
	{Name: ":authority", Value: "localhost"}, {Name: ":path", Value: "/"}}

func postFields(more ...hpack.HeaderField) []hpack.HeaderField {
	f := append([]hpack.HeaderField(nil), getFields...)
	f[0].Value = "POST"
	return append(f, more...)
}

// request sends HEADERS.
func (r *rawClient) request(id wire.StreamID, fields []hpack.HeaderField, end bool) {
	r.t.Helper()
	b, err := r.enc.AppendHeaders(nil, id, fields, end, DefaultPriority)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(b)
}

func (r *rawClient) write(b []byte) {
	r.t.Helper()
	if _, err := r.headers.Write(b); err != nil {
		r.t.Logf("write: %v", err) // the server may have closed for what came before
	}
}

// get asks for "/" on a new stream and ends the request by END_STREAM.
func (r *rawClient) get() *udp.Stream {
	r.t.Helper()
	s := r.open()
	r.request(s.ID(), getFields, true)
	s.EndWrite()
	return s
}

// next returns the next event of the headers stream.
func (r *rawClient) next() (Event, error) {
	b := make([]byte, 1)
	for {
		if _, err := r.headers.Read(b); err != nil {
			return Event{}, err
		}
		_, ev, err := r.dec.Decode(b)
		if err != nil || ev.Kind != NoEvent {
			return ev, err
		}
	}
}

// nextHeaders returns the next HEADERS, which must be for this stream.
func (r *rawClient) nextHeaders(id wire.StreamID) (status string, ev Event) {
	r.t.Helper()
	for {
		ev, err := r.next()
		if err != nil {
			r.t.Fatal(err)
		}
		if ev.Kind == HeadersEvent {
			if ev.Stream != id {
				r.t.Fatalf("HEADERS for stream %d, want %d", ev.Stream, id)
			}
			for _, f := range ev.Fields {
				if f.Name == ":status" {
					status = f.Value
				}
			}
			return status, ev
		}
	}
}

// answer reads a whole response.
func (r *rawClient) answer(s *udp.Stream) (status, body string) {
	r.t.Helper()
	status, ev := r.nextHeaders(s.ID())
	if ev.End {
		r.t.Errorf("stream %d: the response's HEADERS have END_STREAM: quic-go's client ignores it", s.ID())
	}
	if ev.Priority.Weight != 0 {
		r.t.Errorf("stream %d: the response's HEADERS have priority fields: a browser closes over them", s.ID())
	}
	b, err := io.ReadAll(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, string(b)
}

// closes waits for the server's CONNECTION_CLOSE and compares its code.
func (r *rawClient) closes(what string, code wire.ErrorCode) {
	r.t.Helper()
	select {
	case <-r.c.Context().Done():
	case <-patient(r.t).Done():
		r.t.Fatalf("%s: the connection stays", what)
	}
	var peer *conn.PeerError
	if err := context.Cause(r.c.Context()); !errors.As(err, &peer) || peer.Code != code {
		r.t.Errorf("%s: %v, want code %v", what, err, code)
	}
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx := patient(t)
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-pause():
		}
	}
}

// A rawServer answers a Transport as a test likes.
type rawServer struct {
	*rawClient // the same tools, with the roles exchanged
}

// rawServe makes a server without rules, and a Transport for it. smhl: its hello has SMHL.
func rawServe(t *testing.T, smhl bool, serve func(*rawServer)) (*Transport, string) {
	t.Helper()
	host, client := certified(t)
	frames := new(frameLog)
	l, err := udp.Listen("127.0.0.1:0", &udp.Config{Conn: conn.Config{Server: host, HeaderListSize: smhl, Trace: frames.trace}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			headers, _, err := c.PeerStream(wire.HeadersStream)
			if err != nil {
				continue
			}
			serve(&rawServer{&rawClient{t: t, c: c, headers: headers, enc: NewEncoder(), dec: NewDecoder(wire.Server, 0), frames: frames}})
		}
	}()
	tr := &Transport{Config: &udp.Config{Conn: conn.Config{Client: client}}}
	t.Cleanup(func() {
		tr.Close()
		l.Close()
		<-done
	})
	return tr, "https://" + l.Addr().String()
}

// accept returns the next request and its stream.
func (r *rawServer) accept() (*udp.Stream, Event, error) {
	for {
		ev, err := r.next()
		if err != nil {
			return nil, ev, err
		}
		if ev.Kind == HeadersEvent {
			s, _, err := r.c.PeerStream(ev.Stream)
			if err == nil && ev.End {
				s.EndRead(0)
			}
			return s, ev, err
		}
	}
}

// respond sends HEADERS of a response.
func (r *rawServer) respond(s *udp.Stream, end bool, pairs ...string) {
	var fields []hpack.HeaderField
	for i := 0; i < len(pairs); i += 2 {
		fields = append(fields, hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	b, _ := r.enc.AppendHeaders(nil, s.ID(), fields, end, Priority{})
	r.headers.Write(b)
	if end {
		s.EndWrite()
	}
}
