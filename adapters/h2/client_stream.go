package h2

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A clientStream is one request and its response.
//
//	request    headers ──▶ body ──▶ FIN, trailers, or END_STREAM of the headers   sent
//	response   100 … ──▶ headers ──▶ body ──▶ FIN or trailers                    received
//
// When both are over, or the stream was reset, its place goes to the next request.
type clientStream struct {
	cc    *clientConn
	s     *udp.Stream
	req   *http.Request
	trace *httptrace.ClientTrace

	decided  chan struct{} // closed when resp is there, or err why there is none
	proceed  chan struct{} // closed by 100 (Continue)
	stopOnce sync.Once     // closes req.Body

	mu       sync.Mutex
	resp     *http.Response
	err      error // why everything was broken off
	trailer  http.Header
	sent     bool // our half is over
	unsent   bool // without an end: the server did not want the body
	received bool // the server's half is over
	reset    bool // by us
	freed    bool
	consent  bool // 100 came
}

// roundTrip sends a request and waits for the response's headers.
func (cc *clientConn) roundTrip(req *http.Request, reused bool) (*http.Response, error) {
	ctx := req.Context()
	hasBody := req.Body != nil && req.Body != http.NoBody
	if !safeMethod(req.Method) || hasBody {
		// What may not happen twice waits for keys that nobody can replay.
		select {
		case <-cc.safe:
		case <-cc.done:
			return nil, &lostError{cc.err, true}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s, err := cc.open(ctx)
	if err != nil {
		if cc.c.Context().Err() != nil {
			return nil, &lostError{err, true}
		}
		return nil, err
	}
	cs := &clientStream{cc: cc, s: s, req: req, trace: httptrace.ContextClientTrace(ctx),
		decided: make(chan struct{}), proceed: make(chan struct{})}
	if cs.trace != nil && cs.trace.GotConn != nil {
		cs.trace.GotConn(httptrace.GotConnInfo{Conn: s, Reused: reused})
	}
	cc.mu.Lock()
	cc.live[s.ID()] = cs
	cc.mu.Unlock()
	s.AfterReset(cs.wasReset)
	gzip := cc.t.asksForGzip(req)
	fields := requestFields(req, hasBody, gzip, cs.trace)
	if err := cc.sendHeaders(ctx, s.ID(), fields, !hasBody, DefaultPriority, nil); err != nil {
		cs.fail(err, wire.StreamCancelled)
		if cc.c.Context().Err() != nil {
			err = &lostError{err, false}
		}
		return nil, err
	}
	if cs.trace != nil && cs.trace.WroteHeaders != nil {
		cs.trace.WroteHeaders()
	}
	if hasBody {
		go cs.sendBody()
	} else {
		s.EndWrite()
		cs.wroteRequest(nil)
		cs.end(&cs.sent)
	}
	return cs.await(ctx, gzip)
}

// safeMethod reports whether a request may be sent as 0-RTT data.
func safeMethod(m string) bool {
	return m == "" || m == "GET" || m == "HEAD" || m == "OPTIONS" || m == "TRACE"
}

// await waits for the response's headers.
func (cs *clientStream) await(ctx context.Context, gzip bool) (*http.Response, error) {
	select {
	case <-cs.decided:
	case <-ctx.Done():
		cs.fail(ctx.Err(), wire.StreamCancelled)
	case <-cs.cc.done:
		cs.fail(&lostError{cs.cc.err, false}, wire.StreamCancelled)
	}
	<-cs.decided
	cs.mu.Lock()
	resp, err := cs.resp, cs.err
	cs.mu.Unlock()
	switch {
	case resp != nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		return nil, err
	}
	resp.TLS = cs.cc.tlsState()
	if resp.Body == http.NoBody {
		return resp, nil
	}
	body := &responseBody{cs: cs, left: resp.ContentLength}
	body.stop = context.AfterFunc(ctx, func() { cs.fail(ctx.Err(), wire.StreamCancelled) })
	resp.Body = body
	if gzip && strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
		resp.Body = &gzipBody{body: body}
	}
	return resp, nil
}

// answered reports whether the response's headers were there.
func (cs *clientStream) answered() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.resp != nil
}

// informed takes an informational response.
func (cs *clientStream) informed(m *message) {
	if cs.trace != nil && cs.trace.Got1xxResponse != nil {
		if err := cs.trace.Got1xxResponse(m.status, textproto.MIMEHeader(m.header)); err != nil {
			cs.fail(err, wire.StreamCancelled)
			return
		}
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if m.status == http.StatusContinue && !cs.consent {
		cs.consent = true
		if cs.trace != nil && cs.trace.Got100Continue != nil {
			cs.trace.Got100Continue()
		}
		close(cs.proceed)
	}
}

// answer takes the response's headers.
func (cs *clientStream) answer(resp *http.Response) {
	if cs.trace != nil && cs.trace.GotFirstResponseByte != nil {
		cs.trace.GotFirstResponseByte()
	}
	cs.mu.Lock()
	broken := cs.reset
	if !broken {
		cs.resp = resp
	}
	cs.mu.Unlock()
	if broken {
		return
	}
	if resp.Body == http.NoBody {
		cs.s.DiscardRead()
		cs.end(&cs.received)
	}
	close(cs.decided)
}

func (cs *clientStream) trailersArrived(h http.Header) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.trailer = h
}

// wasReset takes the server's RST_STREAM. With code 0 it only wants no more of the
// request; the response goes on.
func (cs *clientStream) wasReset(code wire.StreamErrorCode) {
	switch code {
	case wire.StreamNoError:
		cs.stopBody()
	case wire.RefusedStream:
		cs.fail(errRefused, wire.StreamCancelled)
	default:
		cs.cc.afterHeaders(func() {
			cs.fail(&conn.StreamError{Stream: cs.s.ID(), Code: code, Remote: true}, wire.StreamCancelled)
		})
	}
}

// fail breaks everything off, and tells the server the code.
func (cs *clientStream) fail(err error, code wire.StreamErrorCode) {
	cs.mu.Lock()
	if cs.received && cs.sent || cs.reset {
		cs.mu.Unlock()
		return
	}
	cs.reset, cs.err = true, err
	if cs.resp == nil {
		close(cs.decided)
	}
	cs.mu.Unlock()
	cs.s.Reset(code)
	cs.stopBody()
	cs.end(nil)
}

// end notes that a half (nil: everything) is over, and frees the stream's place.
func (cs *clientStream) end(half *bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if half != nil {
		*half = true
	}
	if cs.freed || !cs.reset && !(cs.sent && cs.received) {
		return
	}
	cs.freed = true
	cs.s.AfterReset(nil)
	if cs.unsent && !cs.reset {
		cs.s.Reset(wire.StreamCancelled) // it must end somehow
	}
	cc := cs.cc
	cc.mu.Lock()
	defer cc.mu.Unlock()
	delete(cc.live, cs.s.ID())
	cc.free()
}

// stopBody closes the request's body, once.
func (cs *clientStream) stopBody() {
	cs.stopOnce.Do(func() {
		if cs.req.Body != nil {
			cs.req.Body.Close()
		}
	})
}

func (cs *clientStream) wroteRequest(err error) {
	if cs.trace != nil && cs.trace.WroteRequest != nil {
		cs.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

// errNotWanted: the server answered without waiting for the body that was to be asked for.
var errNotWanted = errors.New("h2: the server does not want the request's body")

// sendBody sends the request's body and its end.
func (cs *clientStream) sendBody() {
	ctx := cs.req.Context()
	defer context.AfterFunc(ctx, func() { cs.fail(ctx.Err(), wire.StreamCancelled) })()
	err := cs.awaitConsent()
	if err == nil {
		err = cs.copyBody()
	}
	cs.stopBody()
	cs.wroteRequest(err)
	var reset *conn.StreamError
	switch {
	case err == nil:
	case errors.Is(err, errNotWanted):
		cs.mu.Lock()
		cs.unsent = true
		cs.mu.Unlock()
	case errors.As(err, &reset) && reset.Remote:
		// The server does not read on. Whether it fails the request, the code tells.
	default:
		cs.fail(err, wire.StreamCancelled)
	}
	cs.end(&cs.sent)
}

// awaitConsent waits for 100 (Continue), if the request asks for it.
func (cs *clientStream) awaitConsent() error {
	if !strings.EqualFold(cs.req.Header.Get("Expect"), "100-continue") {
		return nil
	}
	if cs.trace != nil && cs.trace.Wait100Continue != nil {
		cs.trace.Wait100Continue()
	}
	var patience <-chan time.Time
	if d := cs.cc.t.ExpectContinueTimeout; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		patience = t.C
	}
	select {
	case <-cs.proceed:
		return nil
	case <-patience:
		return nil
	case <-cs.decided:
		return errNotWanted
	case <-cs.req.Context().Done():
		return cs.req.Context().Err()
	case <-cs.cc.done:
		return cs.cc.err
	}
}

// copyBody writes the body and its end.
func (cs *clientStream) copyBody() error {
	buf := copyBuffers.Get().(*[64 << 10]byte)
	defer copyBuffers.Put(buf)
	length, total := cs.req.ContentLength, int64(0)
	for {
		n, err := cs.req.Body.Read(buf[:])
		total += int64(n)
		if length > 0 && total == length && err == nil {
			var more [1]byte // the end should leave together with the last data
			var extra int
			extra, err = cs.req.Body.Read(more[:])
			total += int64(extra)
		}
		switch {
		case err != nil && err != io.EOF:
			return err
		case length > 0 && (total > length || err == io.EOF && total < length):
			return errors.New("http: ContentLength=" + strconv.FormatInt(length, 10) + " with Body length " + strconv.FormatInt(total, 10))
		}
		if err == io.EOF {
			return cs.endBody(buf[:n], total)
		}
		if _, err := cs.s.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// endBody writes the last of the body, and the end: FIN or trailers.
func (cs *clientStream) endBody(b []byte, total int64) error {
	trailers := len(cs.req.Trailer) > 0
	pieces := []udp.Piece{{Stream: cs.s, Data: b, Fin: !trailers}}
	cs.cc.c.TryWrite(pieces)
	if p := pieces[0]; p.Err != nil {
		return p.Err
	} else if p.N < len(b) {
		if _, err := cs.s.Write(b[p.N:]); err != nil {
			return err
		}
	}
	if !trailers {
		return cs.s.CloseWrite()
	}
	fields := []hpack.HeaderField{{Name: ":final-offset", Value: strconv.FormatInt(total, 10)}}
	fields = appendHeader(fields, cs.req.Trailer, sortedKeys(cs.req.Trailer))
	if err := cs.cc.sendHeaders(cs.req.Context(), cs.s.ID(), fields, true, DefaultPriority, nil); err != nil {
		return err
	}
	return cs.s.EndWrite()
}

func sortedKeys(h http.Header) []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
