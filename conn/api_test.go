package conn_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// Delivered tells the truth also of a connection that is over.
func TestDeliveredAfterClose(t *testing.T) {
	for _, arrived := range []bool{false, true} {
		p := newPair(t, wire.Q043, nil)
		p.connect()
		client := p.client.Conn(p.c)
		id, _ := client.OpenStream()
		client.Write(id, []byte("x"), true)
		if arrived {
			p.run(moment)
		}
		if got := client.Delivered(); got != arrived {
			t.Errorf("open: delivered is %v, want %v", got, arrived)
		}
		client.Close(wire.PeerGoingAway, "")
		if got := client.Delivered(); got != arrived {
			t.Errorf("closed: delivered is %v, want %v", got, arrived)
		}
	}
}

// An answer that nobody asked for is the caller's mistake: it changes nothing.
func TestUnaskedAnswers(t *testing.T) {
	p := newPair(t, wire.Q043, func(client, server *conn.Config) {
		client.Client = &handshake.ClientConfig{External: true}
		certificate := leaf
		certificate.Key = nil
		server.Server = &handshake.HostConfig{Certificates: []handshake.Certificate{certificate}, Secret: [32]byte{3}}
	})
	p.event = func(e *conn.Endpoint, ev conn.Event) {
		c := e.Conn(ev.Conn)
		switch ev.Kind {
		case conn.NeedSignature:
			entropy := handshake.NewEntropy([32]byte{5})
			signature, err := ev.Signature.Sign(leaf.Key, &entropy)
			if err := c.ProofSigned(signature, err); err != nil {
				t.Error(err)
			}
			if err := c.ProofSigned(signature, nil); err != conn.ErrNotAsked {
				t.Errorf("a second signature: %v", err)
			}
		case conn.NeedVerification:
			if err := c.ProofVerified(nil); err != nil {
				t.Error(err)
			}
			if err := c.ProofVerified(errors.New("no")); err != conn.ErrNotAsked {
				t.Errorf("a second verification: %v", err)
			}
		}
	}
	p.connect()
	if err := p.client.Conn(p.c).ProofVerified(errors.New("no")); err != conn.ErrNotAsked {
		t.Errorf("a verification after the handshake: %v", err)
	}
	if err := p.server.Conn(p.s).ProofSigned(nil, nil); err != conn.ErrNotAsked {
		t.Errorf("a signature after the handshake: %v", err)
	}
	if err := p.client.Conn(p.c).Err(); err != nil {
		t.Error(err)
	}
}

// The buffer that docs/embedding.md shows, of one datagram's size, is enough: sending
// into it allocates nothing.
func TestOneDatagramsBuffer(t *testing.T) {
	p := newPair(t, wire.Q043, nil)
	p.connect()
	client := p.client.Conn(p.c)
	out := make([]byte, 0, conn.MaxDatagramSize)
	sent := 0
	allocs := testing.AllocsPerRun(100, func() {
		client.Ping()
		p.now = p.now.Add(100 * time.Millisecond)
		for b, _, ok := p.client.AppendTransmit(p.now, out, 1); ok; b, _, ok = p.client.AppendTransmit(p.now, out, 1) {
			sent++
			p.server.Receive(p.now, conn.Datagram{From: clientAddr, Payload: b})
		}
		for b, _, ok := p.server.AppendTransmit(p.now, out, 1); ok; b, _, ok = p.server.AppendTransmit(p.now, out, 1) {
			p.client.Receive(p.now, conn.Datagram{From: serverAddr, Payload: b})
		}
	})
	if allocs > 0 || sent < 100 {
		t.Errorf("%v allocations, %d datagrams", allocs, sent)
	}
}

// A socket for both families shows IPv4 addresses within IPv6. A client that dialled the
// plain form hears its server all the same, also where only the address tells which
// connection a packet is for.
func TestMappedAddress(t *testing.T) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		p := newPair(t, version, nil)
		mapped := netip.AddrPortFrom(netip.AddrFrom16(serverAddr.Addr().As16()), serverAddr.Port())
		h, err := p.client.Dial(p.now, serverAddr, conn.DialOptions{ServerName: "server.example"})
		if err != nil {
			t.Fatal(err)
		}
		for p.carry(p.client, p.server, clientAddr) || p.carry(p.server, p.client, mapped) {
		}
		if c := p.client.Conn(h); c.State() != conn.Established {
			t.Errorf("%v: the client is %v: %v", version, c.State(), p.client.Stats().Verdicts)
		}
		if _, err := p.client.Dial(p.now, mapped, conn.DialOptions{ServerName: "server.example"}); (err == conn.ErrAddressInUse) != version.UsesIETFHeader() {
			t.Errorf("%v: a second dial: %v", version, err)
		}
	}
}
