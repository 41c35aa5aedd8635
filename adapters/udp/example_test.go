package udp_test

import (
	"context"
	"fmt"
	"log"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// A client that keeps what it learned of a server sends at once the next time.
func ExampleDialEarly() {
	cert, err := udp.SelfSigned("localhost")
	if err != nil {
		log.Fatal(err)
	}
	l, err := udp.Listen("127.0.0.1:0", &udp.Config{Conn: conn.Config{
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	ctx := context.Background()
	cfg := &udp.Config{Conn: conn.Config{Client: &handshake.ClientConfig{Insecure: true}}} // for the example only

	first, err := udp.Dial(ctx, l.Addr().String(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	first.Close()
	kept, err := first.Resumption().MarshalBinary() // to a file, say
	if err != nil {
		log.Fatal(err)
	}

	var r handshake.Resumption
	if err := r.UnmarshalBinary(kept); err != nil {
		log.Fatal(err)
	}
	second, err := udp.DialEarly(ctx, l.Addr().String(), cfg, udp.WithResumption(&r))
	if err != nil {
		log.Fatal(err)
	}
	s, err := second.OpenStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(s, "GET /") // leaves before the server has said anything
	s.CloseWrite()
	fmt.Println(second.Handshake(ctx), second.State().ZeroRTT)
	second.Close()
	// Output:
	// <nil> true
}
