package conn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Anybody on the path can write unprotected packets. What they bring must not become part
// of the SHLO, which is believed because the initial keys protect it: else its public
// value, and with it the forward-secure keys, could be anybody's.
func TestUnprotectedBytesDoNotMixIntoTheServerHello(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		t.Run(version.String(), func(t *testing.T) {
			p := newPair(t, version, nil)
			h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
			if err != nil {
				t.Fatal(err)
			}
			p.c = h
			client := p.client.Conn(h)
			p.carry(p.client, p.server, clientAddr) // inchoate CHLO
			p.server.AppendTransmit(p.now, nil, 1)  // REJ, lost
			p.now = p.now.Add(time.Second)
			p.carry(p.server, p.client, serverAddr) // REJ again
			var server *conn.Conn
			for server = range p.server.Connections() {
			}
			start := server.CryptoEnd()             // of the SHLO, on the crypto stream
			p.carry(p.client, p.server, clientAddr) // full CHLO
			length := int(server.CryptoEnd() - start)
			if server.State() != conn.Established || length < 100 {
				t.Fatalf("the server is %v, its SHLO has %d bytes", server.State(), length)
			}

			// All of a SHLO but its last byte, as the attacker likes it: here with one entry.
			forged := append([]byte("SHLO\x01\x00\x00\x00VER\x00"), make([]byte, length-13)...)
			binary.LittleEndian.PutUint32(forged[12:], uint32(length-16))
			// The number of the packet that was lost, so that nothing else gives it away.
			b := server.Inject(p.now, handshake.LevelNull, 1, func(*wire.Context) []byte {
				b := wire.AppendStreamHeader(nil, wire.CryptoStream, start, len(forged), false, true)
				return append(b, forged...)
			})
			if _, v := p.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: b}); v != conn.Delivered {
				t.Fatalf("the forged packet: %v", v)
			}

			p.run(time.Second)
			if client.State() != conn.Established {
				t.Fatalf("the client is %v: %v", client.State(), client.Err())
			}
			var got []byte
			p.event = func(e *conn.Endpoint, ev conn.Event) {
				if ev.Kind == conn.StreamReadable {
					b := make([]byte, 100)
					n, _, _ := e.Conn(ev.Conn).Read(ev.Stream, b)
					got = append(got, b[:n]...)
				}
			}
			id, _ := client.OpenStream()
			client.Write(id, []byte("hello"), true)
			p.run(moment)
			if !bytes.Equal(got, []byte("hello")) {
				t.Errorf("the server read %q", got)
			}
		})
	}
}

// A forged, unprotected ACK must not make a client forget data that it sent under keys.
func TestUnprotectedAckOfProtectedData(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
	if err != nil {
		t.Fatal(err)
	}
	client := p.client.Conn(h)
	id, _ := client.OpenStream()
	client.Write(id, []byte("not to be lost"), true)
	p.carry(p.client, p.server, clientAddr)
	p.carry(p.server, p.client, serverAddr)
	for _, _, ok := p.client.AppendTransmit(p.now, nil, 1); ok; _, _, ok = p.client.AppendTransmit(p.now, nil, 1) {
	} // full CHLO and data, which do not arrive
	var server *conn.Conn
	for server = range p.server.Connections() {
	}
	sent := wire.PacketNumber(client.Stats().PacketsSent)
	b := server.Inject(p.now, handshake.LevelNull, 90, func(*wire.Context) []byte {
		b, _ := wire.AppendAck(nil, 0, []wire.AckRange{{Smallest: 1, Largest: sent}}, 100)
		return b
	})
	p.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: b})
	var local *conn.LocalError
	if err := client.Err(); !errors.As(err, &local) || local.Code != wire.InvalidAckData {
		t.Errorf("the client ended with %v, and should with INVALID_ACK_DATA", err)
	}
	if client.Delivered() {
		t.Error("the client takes its data for delivered")
	}
}
