package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var clientVerb = verb{
	name:    "echo-client",
	summary: "send random bytes to an echo server and check what comes back",
	about: `
It sends -size random bytes on each of -streams streams at once and compares what
comes back. Bytes are counted once, MB are millions. Whom it trusts: -ca, -pin
(as echo-server prints it) or -insecure, else the system's roots.
With -resume it keeps the server's config in a file: the next run sends at once (0-RTT).`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		c := &echoClient{versions: versionList{wire.Q043, wire.Q044}, size: 1 << 20}
		fs.StringVar(&c.addr, "addr", "", "UDP `address` of the server, host:port (required)")
		fs.StringVar(&c.serverName, "server-name", "", "`name` that the certificate must hold, and SNI; empty: the host of -addr")
		fs.StringVar(&c.ca, "ca", "", "PEM `file` with certificates to trust")
		fs.StringVar(&c.pin, "pin", "", "`fingerprint` of the server's key: SHA-256 in base64")
		fs.BoolVar(&c.insecure, "insecure", false, "accept any certificate")
		fs.Var(&c.versions, "versions", "versions to offer, preferred first")
		fs.Var(&c.size, "size", "bytes to send on each stream, such as 64KiB, 16MiB, 1GB")
		fs.IntVar(&c.streams, "streams", 1, "streams at once")
		fs.StringVar(&c.resume, "resume", "", "`file` to keep the server's config in; it may not exist yet")
		return c.run
	},
}

type echoClient struct {
	addr, serverName string
	ca, pin          string
	insecure         bool
	versions         versionList
	size             size
	streams          int
	resume           string
}

// A clientReport is what a machine reads of a run.
type clientReport struct {
	Version     string  `json:"version"`
	ZeroRTT     bool    `json:"zero_rtt"`
	HandshakeMS float64 `json:"handshake_ms"`
	Bytes       int64   `json:"bytes"`
	Streams     int     `json:"streams"`
	Seconds     float64 `json:"seconds"`
	MBPerS      float64 `json:"mb_per_s"`
	Lost        uint64  `json:"packets_lost"`
	RTTms       float64 `json:"rtt_ms"`
	OK          bool    `json:"ok"`
	Error       string  `json:"error,omitempty"`
}

func (c *echoClient) run(ctx context.Context, o *output) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	kept, err := c.load()
	if err != nil {
		return err
	}
	var r clientReport
	if err := c.echo(ctx, o, cfg, kept, &r); err != nil {
		r.Error = err.Error()
		o.object(r)
		return err
	}
	r.OK = true
	early := ""
	if r.ZeroRTT {
		early = " 0-RTT"
	}
	o.printf("ok: %s%s, %d bytes there and back on %s in %.3f s%s, handshake %.1f ms, %s lost\n", r.Version, early, r.Bytes,
		plural(uint64(r.Streams), "stream", "streams"), r.Seconds, rateOf(r.Bytes, r.MBPerS), r.HandshakeMS, plural(r.Lost, "packet", "packets"))
	o.object(r)
	return nil
}

// echo connects, runs the streams, and fills the report.
func (c *echoClient) echo(ctx context.Context, o *output, cfg *udp.Config, kept *handshake.Resumption, r *clientReport) error {
	opts := []udp.DialOption{udp.WithResumption(kept)}
	if c.serverName != "" {
		opts = append(opts, udp.WithServerName(c.serverName))
	}
	dial := udp.Dial
	if kept != nil {
		dial = udp.DialEarly // it spoke to this server before
	}
	started := time.Now()
	q, err := dial(ctx, c.addr, cfg, opts...)
	if cert := (*handshake.CertificateError)(nil); errors.As(err, &cert) {
		return c.untrusted(c.addr, cert)
	}
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return fmt.Errorf("cannot reach %s: %w", c.addr, reason(err))
	}
	defer q.CloseWithError(wire.PeerGoingAway, "")
	stop := context.AfterFunc(ctx, func() { q.CloseWithError(wire.PeerGoingAway, "interrupted") })
	defer stop()

	var p progress
	p.begin(o.stderr, int64(c.size)*int64(c.streams))
	errs := make([]error, c.streams)
	var all sync.WaitGroup
	for i := range errs {
		all.Add(1)
		go func() {
			defer all.Done()
			errs[i] = c.oneStream(ctx, q, &p)
		}()
	}
	all.Wait()
	p.end()
	state := q.State()
	r.Version, r.ZeroRTT, r.Streams = state.Version.String(), state.ZeroRTT, c.streams
	r.HandshakeMS = milliseconds(state.Stats.HandshakeTime)
	r.Seconds = float64(time.Since(started).Milliseconds()) / 1000
	r.Bytes = p.bytes.Load()
	r.MBPerS = perSecond(r.Bytes, time.Since(started).Seconds())
	r.Lost, r.RTTms = state.Stats.PacketsLost, milliseconds(state.Stats.SmoothedRTT)
	if ctx.Err() != nil {
		return errInterrupted
	}
	idle := state.PeerParams.IdleTimeout
	for _, err := range errs {
		if err != nil {
			return unanswered(err, idle)
		}
	}
	if err := c.store(q.Resumption()); err != nil {
		return err
	}
	if err := q.Close(); err != nil {
		return fmt.Errorf("closing: %w", unanswered(reason(err), idle))
	}
	return nil
}

// untrusted says why a server is not believed, and what to do.
func (c *echoClient) untrusted(who string, cause *handshake.CertificateError) error {
	if c.pin != "" && errors.Is(cause, handshake.ErrNoRoots) {
		return fmt.Errorf("%s has another key than -pin says: copy the fingerprint that the server prints at its start", who)
	}
	return fmt.Errorf("%s has a certificate that is not trusted here (%w): name one with -ca, or its fingerprint with -pin", who, cause)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (c *echoClient) oneStream(ctx context.Context, q *udp.Conn, p *progress) error {
	s, err := q.OpenStream(ctx)
	if err != nil {
		return fmt.Errorf("cannot open a stream: %w", reason(err))
	}
	var seed [32]byte
	rand.Read(seed[:])
	sent := make(chan error, 1)
	go func() {
		err := newContent(seed, int64(c.size)).send(s, func(int) {})
		if err == nil {
			err = s.CloseWrite()
		}
		sent <- err
	}()
	err = newContent(seed, int64(c.size)).check(s, p.add)
	if err != nil {
		s.Reset(wire.StreamCancelled) // wakes the sender
	}
	if sendErr := <-sent; err == nil && sendErr != nil {
		err = fmt.Errorf("sending: %w", sendErr)
	}
	if err != nil {
		return fmt.Errorf("stream %d: %w", s.ID(), reason(err))
	}
	return nil
}

func (c *echoClient) config() (*udp.Config, error) {
	if c.addr == "" {
		return nil, misusef("-addr is missing: say where the server is, such as -addr 127.0.0.1:6121")
	}
	if c.streams < 1 || c.streams > 1<<20 {
		return nil, misusef("-streams is %d, want 1 or more", c.streams)
	}
	if c.serverName != "" && !isHostName(c.serverName) {
		return nil, misusef("-server-name %.60q is no host name", c.serverName)
	}
	trust := &handshake.ClientConfig{Insecure: c.insecure}
	n := 0
	if c.insecure {
		n++
	}
	if c.ca != "" {
		n++
		roots, err := udp.LoadRoots(c.ca)
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		trust.Roots = roots
	}
	if c.pin != "" {
		n++
		pin, err := base64.StdEncoding.DecodeString(c.pin)
		if err != nil || len(pin) != 32 {
			return nil, misusef("-pin %q is no fingerprint: copy the one that the server prints at its start (base64 of 32 bytes)", c.pin)
		}
		trust.Pin = [][32]byte{[32]byte(pin)}
	}
	if n > 1 {
		return nil, misusef("-ca, -pin and -insecure exclude each other: give one")
	}
	return &udp.Config{Conn: conn.Config{Versions: c.versions, Client: trust}}, nil
}

func (c *echoClient) load() (*handshake.Resumption, error) {
	if c.resume == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.resume)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("-resume: %w", err)
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("-resume: %s is empty, delete it", c.resume)
	}
	r := new(handshake.Resumption)
	if err := r.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("-resume: %s cannot be used, delete it: %w", c.resume, err)
	}
	return r, nil
}

// store replaces the file in one step: a run that is killed leaves the old one.
func (c *echoClient) store(r *handshake.Resumption) error {
	if c.resume == "" || r == nil {
		return nil
	}
	b, err := r.MarshalBinary()
	if err == nil {
		err = os.WriteFile(c.resume+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(c.resume+".new", c.resume)
	}
	if err != nil {
		return fmt.Errorf("-resume: %w", err)
	}
	return nil
}
