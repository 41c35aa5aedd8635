package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

var serverVerb = verb{
	name:    "echo-server",
	summary: "send back what arrives on every stream",
	about: `
It accepts any stream and sends back what it gets, the end for the end. Without
-cert and -key it makes a certificate and prints its fingerprint, for
"gquic echo-client -pin". What clients keep for 0-RTT is of no use once it has ended,
unless it has -secret (and -cert). It ends cleanly on an interrupt (SIGINT, SIGTERM).`,
	flags: func(fs *flag.FlagSet) func(context.Context, *output) error {
		s := &echoServer{versions: versionList{wire.Q044, wire.Q043}}
		fs.StringVar(&s.addr, "addr", "127.0.0.1:6121", "UDP address to serve on")
		fs.StringVar(&s.cert, "cert", "", "PEM `file` with the certificate chain, leaf first")
		fs.StringVar(&s.key, "key", "", "PEM `file` with its private key, RSA or ECDSA")
		s.secret.define(fs)
		fs.Var(&s.versions, "versions", "versions to speak, preferred first")
		return s.run
	},
}

type echoServer struct {
	addr, cert, key string
	secret          secretFile
	versions        versionList

	connections, streams, bytes atomic.Int64
}

// shutdownTimeout bounds the wait for what clients have not acknowledged yet.
const shutdownTimeout = 3 * time.Second

func (s *echoServer) run(ctx context.Context, o *output) error {
	cert, err := s.certificate()
	if err != nil {
		return err
	}
	secret, err := s.secret.load()
	if err != nil {
		return err
	}
	l, err := udp.Listen(s.addr, &udp.Config{Conn: conn.Config{
		Versions: s.versions,
		Server:   &handshake.HostConfig{Certificates: []handshake.Certificate{cert}, Secret: secret},
	}})
	if err != nil {
		return fmt.Errorf("cannot serve on %s: %w", s.addr, reason(err))
	}
	defer l.Close()
	ready := struct {
		Addr        string   `json:"addr"`
		Versions    []string `json:"versions"`
		Fingerprint string   `json:"fingerprint,omitempty"`
	}{Addr: l.Addr().String(), Versions: s.versions.names()}
	o.printf("serving on %s, versions %v\n", ready.Addr, s.versions)
	if s.cert == "" {
		pin, err := udp.Fingerprint(cert.Chain)
		if err != nil {
			return err
		}
		ready.Fingerprint = base64.StdEncoding.EncodeToString(pin[:])
		o.printf("fingerprint %s\n", ready.Fingerprint)
	}
	o.object(ready)
	var all sync.WaitGroup
	for {
		c, err := l.Accept(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return reason(err)
		}
		s.connections.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			s.serve(c)
		}()
	}
	last, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	l.Shutdown(last)
	all.Wait()
	o.printf("served %s, %s, %d bytes\n", plural(uint64(s.connections.Load()), "connection", "connections"),
		plural(uint64(s.streams.Load()), "stream", "streams"), s.bytes.Load())
	return nil
}

func (s *echoServer) serve(c *udp.Conn) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		st, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		s.streams.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			n, err := io.CopyBuffer(struct{ io.Writer }{st}, struct{ io.Reader }{st}, make([]byte, chunk))
			s.bytes.Add(n)
			if err != nil {
				st.Reset(wire.StreamCancelled)
				return
			}
			st.Close()
		}()
	}
}

func (s *echoServer) certificate() (handshake.Certificate, error) {
	switch {
	case s.cert == "" && s.key == "":
		hosts := []string{"localhost", "127.0.0.1", "::1"}
		if host, _, err := net.SplitHostPort(s.addr); err == nil && host != "" {
			hosts = append(hosts, host)
		}
		return udp.SelfSigned(hosts...)
	case s.cert == "" || s.key == "":
		return handshake.Certificate{}, misusef("-cert and -key belong together: give both, or neither for a certificate made on the spot")
	}
	c, err := udp.LoadCertificate(s.cert, s.key)
	if err != nil {
		return c, fmt.Errorf("-cert %s -key %s: %w", s.cert, s.key, err)
	}
	return c, nil
}

// reason leaves the addresses out of an error whose sentence names them already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
