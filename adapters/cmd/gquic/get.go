package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/gquic/adapters/h2"
	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var getVerb = verb{
	name:     "get",
	summary:  "fetch URLs by HTTP over gQUIC",
	operands: "URL...",
	about: `
It fetches all URLs at once, those of one server over one connection, and writes their bodies
in their order to standard output, or to the files named by -o, one for each URL. With -json it
prints one line of figures for each URL, with -i also the headers, and bodies only to -o. It exits with 3 if a server answered
with a status of 400 or more, with 1 if something else failed. Flags come before the URLs.`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		g := &getter{fs: fs, trust: echoClient{versions: versionList{wire.Q043, wire.Q044}}}
		fs.Var(&g.files, "o", "`file` for the body; repeat it for further URLs")
		fs.Var(&g.resolve, "resolve", "`HOST:PORT:IP:PORT`: send what is for HOST:PORT to IP:PORT; may be repeated")
		fs.StringVar(&g.trust.ca, "ca", "", "PEM `file` with certificates to trust")
		fs.StringVar(&g.trust.pin, "pin", "", "`fingerprint` of the server's key: SHA-256 in base64")
		fs.BoolVar(&g.trust.insecure, "insecure", false, "accept any certificate")
		fs.Var(&g.trust.versions, "versions", "versions to offer, preferred first")
		fs.Func("d", "`data` to send, @FILE for a file's: makes it a POST", func(s string) error {
			g.data, g.post = s, true
			return nil
		})
		fs.StringVar(&g.method, "X", "", "`method`, instead of GET or POST")
		fs.Var(&g.headers, "H", "`'Name: value'`: a header to send; may be repeated")
		fs.BoolVar(&g.include, "i", false, "print the response's status and headers too")
		fs.BoolVar(&g.follow, "L", false, "follow redirects")
		return g.run
	},
}

// A list is a flag that may be repeated.
type list []string

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

func (l *list) String() string { return strings.Join(*l, " ") }

type getter struct {
	fs                      *flag.FlagSet
	trust                   echoClient
	files, resolve, headers list
	data, method            string
	include, follow, post   bool

	header http.Header
	client *http.Client
	p      progress
}

// A getReport is what a machine reads of one URL.
type getReport struct {
	URL         string      `json:"url"`
	Status      int         `json:"status,omitempty"`
	Version     string      `json:"version,omitempty"`
	ContentType string      `json:"content_type,omitempty"`
	Bytes       int64       `json:"bytes"`
	Seconds     float64     `json:"seconds"`
	FirstByteMS float64     `json:"first_byte_ms,omitempty"`
	MBPerS      float64     `json:"mb_per_s"`
	File        string      `json:"file,omitempty"`
	OK          bool        `json:"ok"`
	Headers     http.Header `json:"headers,omitempty"` // with -i
	Error       string      `json:"error,omitempty"`
}

func (g *getter) run(ctx context.Context, o *output) error {
	urls := g.fs.Args()
	transport, err := g.prepare(urls)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	g.client = &http.Client{Transport: transport}
	if !g.follow {
		g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if len(g.files) > 0 || !isTerminal(o.stdout) { // else the bodies are what moves on the screen
		g.p.begin(o.stderr, 0)
	}
	reports := make([]getReport, len(urls))
	errs := make([]error, len(urls))
	var all sync.WaitGroup
	turn := make(chan struct{})
	close(turn)
	for i, u := range urls {
		file := ""
		if i < len(g.files) {
			file = g.files[i]
		}
		mine, next := turn, make(chan struct{})
		all.Go(func() {
			defer func() {
				<-mine
				close(next)
			}()
			errs[i] = g.fetch(ctx, o, u, file, mine, &reports[i])
		})
		turn = next
	}
	all.Wait()
	g.p.end()
	bad := false
	for i := range reports {
		o.object(reports[i])
		bad = bad || errs[i] == nil && !reports[i].OK
	}
	err = errors.Join(errs...)
	if errors.Is(err, errInterrupted) { // once is enough
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if bad {
		for _, r := range reports {
			if !r.OK {
				err = errors.Join(err, fmt.Errorf("%s: status %d", r.URL, r.Status))
			}
		}
		return exitStatus{3, err}
	}
	return nil
}

// prepare judges the flags.
func (g *getter) prepare(urls []string) (*h2.Transport, error) {
	if len(urls) == 0 {
		return nil, misusef("no URL: say what to fetch, such as https://localhost:6121/")
	}
	for _, u := range urls {
		if p, err := url.Parse(u); err != nil || p.Scheme != "https" || p.Host == "" {
			return nil, misusef("%q is no https URL", u)
		}
	}
	if g.method != "" && !isToken(g.method) {
		return nil, misusef("-X %q is no method", g.method)
	}
	if len(g.files) > len(urls) {
		return nil, misusef("%d times -o for %s", len(g.files), plural(uint64(len(urls)), "URL", "URLs"))
	}
	for i, f := range g.files {
		if f != os.DevNull && slices.Contains(g.files[:i], f) {
			return nil, misusef("-o %q is there twice: one body would overwrite the other", f)
		}
	}
	g.header = make(http.Header)
	for _, h := range g.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, misusef("-H %q: want 'Name: value'", h)
		}
		if !isToken(name) {
			return nil, misusef("-H %q: %q is no header's name", h, name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, misusef("-H %q: its value has control characters", h)
		}
		g.header.Add(name, strings.TrimSpace(value))
	}
	to := make(map[string]string)
	for _, r := range g.resolve {
		from, addr, err := splitResolve(r)
		if err != nil {
			return nil, err
		}
		to[from] = addr
	}
	g.trust.addr, g.trust.streams = "-", 1 // it has no use for them
	cfg, err := g.trust.config()
	if err != nil {
		return nil, err
	}
	return &h2.Transport{Config: cfg, DisableCompression: true, Resolve: func(addr string) string {
		if a, ok := to[strings.ToLower(addr)]; ok {
			return a
		}
		return addr
	}}, nil
}

// splitResolve takes HOST:PORT:IP:PORT apart; an IPv6 address stands in brackets.
func splitResolve(s string) (from, to string, err error) {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) == 3 {
		if host, _, err := net.SplitHostPort(parts[2]); err == nil && net.ParseIP(host) != nil && parts[0] != "" && parts[1] != "" {
			return strings.ToLower(net.JoinHostPort(parts[0], parts[1])), parts[2], nil
		}
	}
	return "", "", misusef("-resolve %q: want HOST:PORT:IP:PORT, such as example.com:443:127.0.0.1:6121", s)
}

// body is a fresh copy of the data to send, and how long it is.
func (g *getter) body() (io.ReadCloser, int64, error) {
	name, isFile := strings.CutPrefix(g.data, "@")
	if !isFile {
		return io.NopCloser(strings.NewReader(g.data)), int64(len(g.data)), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("-d: %w", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, info.Size(), nil
}

func (g *getter) request(ctx context.Context, u string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", u, nil)
	if err != nil {
		return nil, err
	}
	req.Header = g.header.Clone()
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if g.post {
		req.Method = "POST"
		if req.Body, req.ContentLength, err = g.body(); err != nil {
			return nil, err
		}
		req.GetBody = func() (io.ReadCloser, error) {
			b, _, err := g.body()
			return b, err
		}
		if req.Header.Get("Content-Type") == "" {
			req.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	if g.method != "" {
		req.Method = g.method
	}
	return req, nil
}

// fetch fetches one URL. What goes to standard output waits for its turn.
func (g *getter) fetch(ctx context.Context, o *output, u, file string, turn <-chan struct{}, r *getReport) (err error) {
	began := time.Now()
	r.URL, r.File = u, file
	idle := conn.DefaultIdleTimeout
	defer func() {
		r.Seconds = float64(time.Since(began).Microseconds()) / 1e6
		r.MBPerS = perSecond(r.Bytes, time.Since(began).Seconds())
		if err != nil && ctx.Err() != nil {
			err = errInterrupted
		}
		if errors.Is(err, conn.ErrIdleTimeout) {
			err = fmt.Errorf("%s: after %d bytes: %w", u, r.Bytes, unanswered(err, idle))
		}
		if err != nil {
			r.Error = err.Error()
		}
	}()
	trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if s, ok := got.Conn.(*udp.Stream); ok {
			idle = s.Conn().State().PeerParams.IdleTimeout
		}
	}}
	req, err := g.request(httptrace.WithClientTrace(ctx, trace), u)
	if err != nil {
		return err
	}
	resp, err := g.client.Do(req)
	if cert := (*handshake.CertificateError)(nil); errors.As(err, &cert) {
		return g.trust.untrusted(req.URL.Host, cert)
	}
	if failed := (*url.Error)(nil); errors.As(err, &failed) { // it would write the method in its own way
		return fmt.Errorf("%s: %w", failed.URL, reason(failed.Err))
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r.FirstByteMS = milliseconds(time.Since(began))
	r.Status, r.ContentType = resp.StatusCode, resp.Header.Get("Content-Type")
	r.Version = strings.TrimPrefix(resp.TLS.NegotiatedProtocol, "quic/")
	out := io.Discard
	switch {
	case file != "":
		f, err := os.Create(file)
		if err != nil {
			return fmt.Errorf("-o: %w", err)
		}
		defer func() {
			if closed := f.Close(); err == nil && closed != nil {
				err = closed
			}
		}()
		out = f
	case !o.json:
		<-turn
		out = o.stdout
	}
	g.p.expect(resp.ContentLength)
	if g.include {
		r.Headers = resp.Header
	}
	if g.include && !o.json {
		if file != "" {
			<-turn
		}
		var head bytes.Buffer
		fmt.Fprintf(&head, "%s %s\n", r.Version, resp.Status)
		resp.Header.Write(&head)
		for line := range strings.Lines(strings.ReplaceAll(head.String(), "\r", "")) {
			fmt.Fprintln(o.stdout, printable(strings.TrimSuffix(line, "\n")))
		}
		fmt.Fprintln(o.stdout)
	}
	r.Bytes, err = io.Copy(io.MultiWriter(out, counter{&g.p}), resp.Body)
	if err != nil {
		return fmt.Errorf("%s: after %d bytes: %w", u, r.Bytes, err)
	}
	r.OK = resp.StatusCode < 400
	return nil
}

// A counter counts what is written.
type counter struct{ p *progress }

func (c counter) Write(b []byte) (int, error) {
	c.p.add(len(b))
	return len(b), nil
}
