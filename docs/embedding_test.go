package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// begin loop

// drive runs an endpoint on a socket. handle gets its events; false ends the loop.
func drive(sock *net.UDPConn, ep *conn.Endpoint, clock func() gquic.Instant, handle func(conn.Event) bool) error {
	in, out := make([]byte, conn.MaxReceivedSize+1), make([]byte, 0, conn.MaxDatagramSize)
	for {
		for b, t, ok := ep.AppendTransmit(clock(), out, 1); ok; b, t, ok = ep.AppendTransmit(clock(), out, 1) {
			sock.WriteToUDPAddrPort(b, t.To)
		}
		if ev, ok := ep.NextEvent(); ok {
			if !handle(ev) {
				return nil
			}
			continue // what it did may have to be sent, and other events may wait
		}
		sock.SetReadDeadline(time.Now().Add(min(ep.NextTimeout().Sub(clock()), time.Hour)))
		n, from, err := sock.ReadFromUDPAddrPort(in)
		if err == nil {
			ep.Receive(clock(), conn.Datagram{From: from, Payload: in[:n]})
		} else if !os.IsTimeout(err) {
			return err
		}
	}
}

// end loop

// TestEmbeddingLoop runs the loop of embedding.md on both sides of a loopback socket
// pair: a server that answers each stream with its content in upper case.
func TestEmbeddingLoop(t *testing.T) {
	start := time.Now()
	clock := func() gquic.Instant { return gquic.Instant(time.Since(start)) }
	wall := func(gquic.Instant) int64 { return time.Now().Unix() }
	certificate := selfSigned(t)
	pin := sha256.Sum256(certificate.leaf.RawSubjectPublicKeyInfo)

	server, err := conn.NewEndpoint(conn.Config{Wall: wall, Seed: seed(), Server: &handshake.HostConfig{
		Certificates: []handshake.Certificate{{Chain: [][]byte{certificate.leaf.Raw}, Key: certificate.key}}, Secret: seed()}})
	if err != nil {
		t.Fatal(err)
	}
	serverSock, clientSock := listen(t), listen(t)
	stopped := make(chan error, 1)
	go func() {
		stopped <- drive(serverSock, server, clock, func(ev conn.Event) bool {
			if ev.Kind == conn.StreamReadable {
				c, p := server.Conn(ev.Conn), make([]byte, 1000)
				n, fin, _ := c.Read(ev.Stream, p)
				c.Write(ev.Stream, []byte(strings.ToUpper(string(p[:n]))), fin)
			}
			return ev.Kind != conn.Closed
		})
	}()

	client, err := conn.NewEndpoint(conn.Config{Wall: wall, Seed: seed(), Client: &handshake.ClientConfig{Pin: [][32]byte{pin}}})
	if err != nil {
		t.Fatal(err)
	}
	to := serverSock.LocalAddr().(*net.UDPAddr).AddrPort()
	h, err := client.Dial(clock(), netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), conn.DialOptions{ServerName: "localhost"})
	if err != nil {
		t.Fatal(err)
	}
	c := client.Conn(h)
	id, _ := c.OpenStream()
	c.Write(id, []byte("hello"), true) // goes out as soon as there are keys
	var got []byte
	err = drive(clientSock, client, clock, func(ev conn.Event) bool {
		switch ev.Kind {
		case conn.StreamReadable:
			p := make([]byte, 1000)
			n, fin, _ := c.Read(ev.Stream, p)
			got = append(got, p[:n]...)
			if fin {
				c.Close(wire.PeerGoingAway, "done")
			}
		case conn.Closed:
			b, to, _ := client.AppendTransmit(clock(), nil, 1) // the CONNECTION_CLOSE
			clientSock.WriteToUDPAddrPort(b, to.To)
			return false
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "HELLO" {
		t.Errorf("the server answered %q, want HELLO", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestEmbeddingText holds the documents against the code that the test above runs.
func TestEmbeddingText(t *testing.T) {
	source, err := os.ReadFile("embedding_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, loop, _ := strings.Cut(string(source), "// begin loop\n\n")
	loop, _, _ = strings.Cut(loop, "\n// end loop")
	if lines := strings.Count(strings.TrimSpace(loop), "\n") + 1; lines > 24 {
		t.Errorf("the loop has grown to %d lines", lines)
	}
	for _, name := range []string{"embedding.md", "../README.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "```go\n"+loop+"```") {
			t.Errorf("%s does not show the loop as it is in embedding_test.go", name)
		}
	}
}

type certificate struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

func selfSigned(t *testing.T) certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate{leaf, key}
}

func seed() (s [32]byte) {
	rand.Read(s[:])
	return s
}

func listen(t *testing.T) *net.UDPConn {
	sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	return sock
}
