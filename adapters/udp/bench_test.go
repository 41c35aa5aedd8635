package udp

import (
	"io"
	"testing"
)

// BenchmarkBulk moves 16 MiB from server to client over loopback, in one process.
func BenchmarkBulk(b *testing.B) {
	for _, how := range []struct {
		name    string
		offload Offload
	}{{"offload", OffloadAuto}, {"portable", OffloadNone}} {
		b.Run(how.name, func(b *testing.B) {
			server, client := serverConfig(b)
			server.Offload, client.Offload = how.offload, how.offload
			c, s := connected(b, server, client)
			data, buf := make([]byte, 16<<20), make([]byte, 256<<10)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				cs, ss := streams(b, c, s)
				go func() {
					ss.Write(data)
					ss.CloseWrite()
				}()
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{cs}, buf); err != nil || n != int64(len(data)) {
					b.Fatal(n, err)
				}
				cs.Close()
				ss.Close()
			}
		})
	}
}

// BenchmarkRoundTrip sends 100 bytes and waits for them to come back, on one stream.
func BenchmarkRoundTrip(b *testing.B) {
	server, client := serverConfig(b)
	c, s := connected(b, server, client)
	cs, ss := streams(b, c, s)
	go io.Copy(struct{ io.Writer }{ss}, struct{ io.Reader }{ss})
	buf := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cs.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(cs, buf); err != nil {
			b.Fatal(err)
		}
	}
}
