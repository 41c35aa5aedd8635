package udp_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// begin readme

// echo sends back what arrives on every stream of every connection.
func echo(ctx context.Context, l *udp.Listener) error {
	for {
		c, err := l.Accept(ctx)
		if err != nil {
			return err
		}
		go func() {
			for {
				s, err := c.AcceptStream(ctx)
				if err != nil {
					return // the connection is over
				}
				go func() {
					io.Copy(s, s)
					s.Close()
				}()
			}
		}()
	}
}

// ask sends a question on a stream of its own, and returns the answer.
func ask(ctx context.Context, c *udp.Conn, question string) ([]byte, error) {
	s, err := c.OpenStream(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(s, question)
	s.CloseWrite()
	return io.ReadAll(s)
}

// end readme

// An echo server and a client over loopback. The client knows the server by its key.
func Example() {
	cert, err := udp.SelfSigned("localhost")
	if err != nil {
		log.Fatal(err)
	}
	pin, err := udp.Fingerprint(cert.Chain)
	if err != nil {
		log.Fatal(err)
	}
	server := &udp.Config{Conn: conn.Config{Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}}
	client := &udp.Config{Conn: conn.Config{Client: &handshake.ClientConfig{Pin: [][32]byte{pin}}}}

	ctx := context.Background()
	l, err := udp.Listen("127.0.0.1:0", server)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go echo(ctx, l)

	c, err := udp.Dial(ctx, l.Addr().String(), client)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := ask(ctx, c, "hello, gQUIC")
	fmt.Printf("%s %v %s\n", c.State().Version, err, answer)
	fmt.Println(c.Close())
	// Output:
	// Q043 <nil> hello, gQUIC
	// <nil>
}
