package conn_test

import (
	"net/netip"
	"runtime"
	"testing"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// A client that has proved nothing holds no more of a server's memory than
// HalfOpenBytes, whatever it sends: undecryptable packets to keep, and pieces of a
// hello that never becomes whole.
func TestHalfOpenBytes(t *testing.T) {
	const clients = 100
	p := newPair(t, wire.Q043, nil)
	null := handshake.NewNull(wire.Client)
	var scratch handshake.Scratch
	before := heap()
	for i := range clients {
		from := netip.AddrPortFrom(clientAddr.Addr(), uint16(1000+i))
		h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
		if err != nil {
			t.Fatal(err)
		}
		id := p.client.Conn(h).ConnectionID()
		hello, _, _ := p.client.AppendTransmit(p.now, nil, 1)
		if _, v := p.server.Receive(p.now, conn.Datagram{From: from, Payload: hello}); v != conn.Created {
			t.Fatalf("the hello of client %d was %v", i, v)
		}
		header := wire.Header{Form: wire.PublicForm, HasConnectionID: true, ConnectionID: id, Version: wire.Q043, PacketNumberLen: 2}
		for n := wire.PacketNumber(2); n < 60; n++ {
			header.PacketNumber = n
			b := header.Append(nil, wire.Client)
			head := len(b)
			b = append(b, make([]byte, null.Prefix())...)
			b = wire.AppendStreamHeader(b, wire.CryptoStream, 1024+1300*uint64(n), 1200, false, true)
			b = append(b, make([]byte, 1200)...)
			b = null.Seal(&scratch, b, head, n)
			p.server.Receive(p.now, conn.Datagram{From: from, Payload: b}) // some run over the window and close it
			header.PacketNumber = n + 1000
			junk := header.Append(nil, wire.Client)
			junk = append(junk, make([]byte, conn.MaxReceivedSize-len(junk))...)
			junk[len(junk)-1] = byte(n)
			p.server.Receive(p.now, conn.Datagram{From: from, Payload: junk})
			if 1024+1300*(n+2) > 30000 {
				break
			}
		}
		p.client.Conn(h).Close(wire.PeerGoingAway, "")
		for _, _, more := p.client.AppendTransmit(p.now, nil, 1); more; _, _, more = p.client.AppendTransmit(p.now, nil, 1) {
		}
		for range p.client.Events() {
		}
	}
	if n := p.server.Stats().HalfOpen; n != clients {
		t.Fatalf("%d clients are half-open, want all %d", n, clients)
	}
	each := (heap() - before) / clients
	t.Logf("%d bytes for each half-open client", each)
	if each > conn.HalfOpenBytes {
		t.Errorf("each half-open client holds %d bytes, more than HalfOpenBytes", each)
	}
	p.run(conn.DefaultHandshakeTimeout + 1)
	if n := p.server.Stats().HalfOpen; n != 0 {
		t.Errorf("%d clients are half-open after the handshake timeout", n)
	}
	runtime.KeepAlive(p)
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
