package conn_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// BenchmarkHandshakeSides tells the CPU of each side of a whole handshake, without sockets:
// a first contact or 0-RTT, the server's key share made for it or shared.
func BenchmarkHandshakeSides(b *testing.B) {
	for _, resume := range []bool{false, true} {
		for _, reuse := range []time.Duration{0, time.Minute} {
			b.Run(fmt.Sprintf("0rtt=%v/share=%v", resume, reuse), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				p := newPair(b, wire.Q043, func(_, s *conn.Config) { s.Server.KeyShareLifetime = reuse })
				p.connect()
				var cached *handshake.Resumption
				if resume {
					cached = p.client.Conn(p.c).Resumption()
				}
				var client, server int64
				clock := clockCost()
				b.ReportAllocs()
				for b.Loop() {
					start := threadTime()
					h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example", Resumption: cached})
					if err != nil {
						b.Fatal(err)
					}
					client += threadTime() - start - clock
					for i := 0; i < 2; {
						i++
						for _, side := range []struct {
							from, to *conn.Endpoint
							spent    *int64
						}{{p.client, p.server, &client}, {p.server, p.client, &server}} {
							for {
								start := threadTime()
								out, t, ok := side.from.AppendTransmit(p.now, p.buf[:0], 16)
								*side.spent += threadTime() - start - clock
								if !ok {
									break
								}
								i = 0
								start = threadTime()
								from := serverAddr
								if side.to == p.server {
									from = clientAddr
								}
								for len(out) > 0 {
									n := len(out)
									if t.Segment > 0 {
										n = min(n, t.Segment)
									}
									side.to.Receive(p.now, conn.Datagram{From: from, To: t.To, Payload: out[:n]})
									out = out[n:]
								}
								for _, more := side.to.NextEvent(); more; {
									_, more = side.to.NextEvent()
								}
								other := &server
								if side.to == p.client {
									other = &client
								}
								*other += threadTime() - start - clock
							}
						}
					}
					if p.client.Conn(h).State() != conn.Established {
						b.Fatal(p.client.Conn(h).Err())
					}
					p.client.Conn(h).Close(wire.PeerGoingAway, "")
					p.run(time.Millisecond)
				}
				b.ReportMetric(float64(server)/float64(b.N)/1e3, "server-us")
				b.ReportMetric(float64(client)/float64(b.N)/1e3, "client-us")
			})
		}
	}
}
