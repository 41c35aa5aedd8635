package interop

import (
	"crypto"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim/adversary"
	"example.com/gquic/conn"
	"example.com/gquic/fuzz"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// The codec and the message parser are compared with those of quic-go v0.10.2 through what
// it does: a peer that owns the keys sends the same payload, or the same CHLO, to a server
// of either stack, and the answers are compared.

// A verdict is what a server made of what it got.
type verdict struct {
	closed bool
	code   wire.ErrorCode
	answer string // to a CHLO: the message that came back, if one did
}

func (v verdict) String() string {
	switch {
	case v.closed:
		return fmt.Sprintf("closes with %d %v", uint32(v.code), v.code)
	case v.answer != "":
		return "answers " + v.answer
	}
	return "goes on"
}

// A server under comparison, as a peer reaches it.
type target interface {
	// exchange sends what the peer has, and gives it what comes back within d.
	exchange(p *adversary.Peer, d time.Duration)
}

// quicTarget is quic-go, over a socket.
type quicTarget struct{ sock *net.UDPConn }

func (q quicTarget) exchange(p *adversary.Peer, d time.Duration) {
	buf := make([]byte, 2048)
	for {
		for b, ok := p.Next(); ok; b, ok = p.Next() {
			q.sock.Write(b)
		}
		q.sock.SetReadDeadline(time.Now().Add(d))
		n, err := q.sock.Read(buf)
		if err != nil {
			return
		}
		p.Receive(buf[:n])
		if _, over := closeOf(p); over {
			return
		}
	}
}

// ownTarget is an endpoint of ours, with nothing between.
type ownTarget struct {
	e   *conn.Endpoint
	now gquic.Instant
}

var peerAddr = netip.MustParseAddrPort("127.0.0.1:4444")

func (o *ownTarget) exchange(p *adversary.Peer, d time.Duration) {
	l := adversary.Lab{Now: o.now, Endpoint: o.e, Peer: p, Addr: peerAddr}
	l.Exchange()
	l.Advance(d)
	l.Exchange()
	o.now = l.Now
}

// closeOf finds the CONNECTION_CLOSE among what a peer received.
func closeOf(p *adversary.Peer) (wire.ErrorCode, bool) {
	for i := range p.Received {
		r := p.Received[i].Frames(p.Version())
		for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
			if c, ok := f.(*wire.ConnectionCloseFrame); ok {
				return c.Code, true
			}
		}
	}
	return 0, false
}

// acked reports whether a packet of the peer's was acknowledged.
func acked(p *adversary.Peer, n wire.PacketNumber) bool {
	for i := range p.Received {
		r := p.Received[i].Frames(p.Version())
		for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
			if a, ok := f.(*wire.AckFrame); ok {
				it := a.Ranges()
				for g, ok := it.Next(); ok; g, ok = it.Next() {
					if g.Smallest <= n && n <= g.Largest {
						return true
					}
				}
			}
		}
	}
	return false
}

type differ struct {
	t      *testing.T
	chain  Chain
	quic   map[wire.Version]quicTarget
	own    map[wire.Version]*ownTarget
	number uint64
}

func newDiffer(t *testing.T) *differ {
	chains, err := Chains()
	if err != nil {
		t.Fatal(err)
	}
	d := &differ{t: t, chain: chains[1], quic: map[wire.Version]quicTarget{}, own: map[wire.Version]*ownTarget{}}
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		l, err := QuicGo{}.Listen(Options{Versions: []wire.Version{v}, Chain: d.chain})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.Close)
		go func() { // sessions are to be accepted, or they wait
			for {
				if _, err := l.Accept(t.Context()); err != nil {
					return
				}
			}
		}()
		addr, err := net.ResolveUDPAddr("udp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		sock, err := net.DialUDP("udp", nil, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sock.Close() })
		d.quic[v] = quicTarget{sock}
		e, err := conn.NewEndpoint(conn.Config{Versions: []wire.Version{v}, Seed: [32]byte{1}, Wall: func(gquic.Instant) int64 { return time.Now().Unix() },
			// quic-go's limits and windows, so that they do not make the difference.
			StreamWindow: 32 << 10, ConnectionWindow: 48 << 10,
			Server: &handshake.HostConfig{Certificates: []handshake.Certificate{{Chain: d.chain.TLS.Certificate, Key: d.chain.TLS.PrivateKey.(crypto.Signer)}}, Secret: [32]byte{2}}})
		if err != nil {
			t.Fatal(err)
		}
		d.own[v] = &ownTarget{e: e}
	}
	return d
}

func (d *differ) peer(v wire.Version) *adversary.Peer {
	d.number++
	id := wire.ConnectionID{0xd1, 0xff}
	for i := range 6 {
		id[2+i] = byte(d.number >> (8 * i))
	}
	p, err := adversary.NewClient(adversary.Config{Version: v, ConnectionID: id, ServerName: ServerName, Seed: [32]byte{byte(d.number), byte(d.number >> 8)},
		Wall: time.Now().Unix(), Client: &handshake.ClientConfig{Roots: d.chain.Roots}})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// connected returns a peer that has forward-secure keys with a target.
func (d *differ) connected(to target, v wire.Version) *adversary.Peer {
	p := d.peer(v)
	for range 20 {
		to.exchange(p, 5*time.Millisecond)
		if p.Confirmed() {
			p.Do("ack")
			to.exchange(p, time.Millisecond)
			return p
		}
	}
	d.t.Fatalf("no handshake with %T", to)
	return nil
}

// payload sends a payload, and then PINGs that show whether the server goes on.
func (d *differ) payload(to target, v wire.Version, payload []byte) verdict {
	p := d.connected(to, v)
	p.SendPayload(payload)
	ping := p.NextNumber()
	for range 10 {
		p.Do("send PING")
		p.Do("send PING")
		to.exchange(p, 10*time.Millisecond)
		if code, over := closeOf(p); over {
			return verdict{closed: true, code: code}
		}
		if acked(p, ping) {
			return verdict{}
		}
	}
	return verdict{answer: "nothing"}
}

// hello sends a first message in place of the peer's CHLO.
func (d *differ) hello(to target, v wire.Version, change func(*handshake.Message) []byte) verdict {
	p := d.peer(v)
	first, _ := p.Next()
	chlo := clearMessage(d.t, first, v)
	q := d.peer(v)
	q.Next()
	q.Do("number 1")
	q.Restart()
	q.SendMessage(handshake.LevelNull, change(chlo))
	to.exchange(q, 15*time.Millisecond)
	if code, over := closeOf(q); over {
		return verdict{closed: true, code: code}
	}
	for i := range q.Received {
		r := q.Received[i].Frames(v)
		for f, err := r.Next(); f != nil && err == nil; f, err = r.Next() {
			if s, ok := f.(*wire.StreamFrame); ok && s.StreamID == wire.CryptoStream && s.Offset == 0 && len(s.Data) >= 4 {
				return verdict{answer: strings.TrimRight(string(s.Data[:4]), "\x00")}
			}
		}
	}
	return verdict{answer: "nothing"}
}

func clearMessage(t *testing.T, packet []byte, v wire.Version) *handshake.Message {
	var h wire.Header
	if err := wire.ParseHeader(&h, packet, wire.Client, 0); err != nil {
		t.Fatal(err)
	}
	var s handshake.Scratch
	plain, err := handshake.NewNull(wire.Client).Open(&s, nil, packet, h.Len, h.PacketNumber)
	if err != nil {
		t.Fatal(err)
	}
	var r wire.Reader
	r.Reset(plain, wire.Context{Version: v, PacketNumber: h.PacketNumber, PacketNumberLen: h.PacketNumberLen})
	f, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := handshake.ParseMessage(f.(*wire.StreamFrame).Data)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Clone()
	return &c
}

// sharedVectors reads cases of the vectors, if they are beside the checkout.
func sharedVectors(t *testing.T) (payloads [][]byte) {
	dir, err := os.Getwd()
	for err == nil {
		raw, err := os.ReadFile(filepath.Join(dir, "shared", "vectors", "wire.json"))
		if err == nil {
			var all struct {
				Cases []struct{ Group, Layer, Hex string }
			}
			if err := json.Unmarshal(raw, &all); err != nil {
				t.Fatal(err)
			}
			for _, c := range all.Cases {
				if c.Group == "frame" || c.Group == "malformed" && (c.Layer == "frame" || c.Layer == "decrypted_payload") {
					if b, err := hex.DecodeString(c.Hex); err == nil && len(b) < 1200 {
						payloads = append(payloads, b)
					}
				}
			}
			return payloads
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return nil
}

// TestPayloadsDiffer sends the vectors' frames and generated ones to both stacks.
func TestPayloadsDiffer(t *testing.T) {
	d := newDiffer(t)
	payloads := sharedVectors(t)
	seed := uint32(7)
	for range 200 {
		script := make([]byte, 60)
		for i := range script {
			seed = seed*1664525 + 1013904223
			script[i] = byte(seed >> 24)
		}
		c := wire.Context{Version: wire.Q043, PacketNumber: 9, PacketNumberLen: 4}
		// One frame each: quic-go reads all frames of a packet before it acts on the first.
		payloads = append(payloads, fuzz.NewInput(script).Frame(&fuzz.Hint{Streams: []wire.StreamID{3, 5, 7}, Sent: 4, Offset: 1 << 15}).Append(nil, &c))
	}
	seen := map[string][]string{}
	same := 0
	for i, payload := range payloads {
		v := []wire.Version{wire.Q043, wire.Q044}[i%2]
		ours, theirs := d.payload(d.own[v], v, payload), d.payload(d.quic[v], v, payload)
		if ours == theirs {
			same++
			continue
		}
		kind := fmt.Sprintf("%s: gquic %v, quic-go %v", frameType(payload), ours, theirs)
		seen[kind] = append(seen[kind], fmt.Sprintf("%v %x", v, payload))
	}
	t.Logf("%d payloads, %d treated alike", len(payloads), same)
	report(t, knownPayloads, seen)
}

// frameType names the first frame of a payload.
func frameType(b []byte) string {
	switch {
	case len(b) == 0:
		return "empty"
	case b[0] >= 0x80:
		return wire.StreamType.String()
	case b[0] >= 0x40:
		return wire.AckType.String()
	}
	return wire.FrameType(b[0]).String()
}

// TestHellosDiffer sends CHLOs made from a real one to both stacks.
func TestHellosDiffer(t *testing.T) {
	d := newDiffer(t)
	seen := map[string][]string{}
	same, total := 0, 0
	seed := uint32(11)
	donor := handshake.Message{Tag: handshake.REJ}
	for i := range 80 {
		script := make([]byte, 24)
		for i := range script {
			seed = seed*1664525 + 1013904223
			script[i] = byte(seed >> 24)
		}
		var sent []byte
		change := func(m *handshake.Message) []byte {
			sent = fuzz.NewInput(script).Message(nil, m, &donor)
			return sent
		}
		v := []wire.Version{wire.Q043, wire.Q044}[i%2]
		ours, theirs := d.hello(d.own[v], v, change), d.hello(d.quic[v], v, change)
		total++
		if ours == theirs {
			same++
			continue
		}
		m, _, err := handshake.ParseMessage(sent)
		what := fmt.Sprintf("%x", sent[:min(len(sent), 200)])
		if err == nil {
			what = m.Summary()
		} else {
			what += " " + errors.Join(err).Error()
		}
		kind := fmt.Sprintf("gquic %v, quic-go %v", ours, theirs)
		seen[kind] = append(seen[kind], what)
	}
	t.Logf("%d CHLOs, %d treated alike", total, same)
	report(t, knownHellos, seen)
}

// A difference that is known: what the kind of it contains, and who is right. Sections are
// those of the reference: wire, and handshake.
type difference struct{ frame, ours, theirs, why string }

var knownPayloads = []difference{
	{"ACK", "9 ", "goes on", "an ACK of packet 0, or of one that only the other stack has sent: section 12.3 refuses packet 0, quic-go takes it"},
	{"ACK", "goes on", "9 ", "an ACK of a packet that only the other stack has sent"},
	{"GOAWAY", "goes on", "1 ", "quic-go has not implemented GOAWAY, and closes; section 12.1 has it"},
	{"STOP_WAITING", "60 ", "1 ", "STOP_WAITING below zero, or in Q044: section 18 says code 60"},
	{"STREAM", "17 ", "goes on", "data for a stream of the server's that it has not opened: Chromium closes, quic-go ignores it"},
	{"RST_STREAM", "17 ", "goes on", "the same for RST_STREAM"},
	{"WINDOW_UPDATE", "17 ", "goes on", "the same for WINDOW_UPDATE"},
	{"STREAM", "50 ", "46 ", "STREAM without data and FIN: sections 18 and 20 say code 50"},
	{"STREAM", "98 ", "46 ", "an end past 2^62-1: section 18 says code 98"},
	{"RST_STREAM", "98 ", "59 ", "the same: quic-go compares with the window only"},
	{"STREAM", "76 ", "18 ", "many stream IDs skipped: section 18 says code 76; quic-go counts them as open"},
	{"RST_STREAM", "76 ", "18 ", "the same for RST_STREAM"},
	{"WINDOW_UPDATE", "76 ", "18 ", "the same for WINDOW_UPDATE"},
	{"STREAM", "goes on", "18 ", "some stream IDs skipped: they are not open here, but open in quic-go"},
	{"RST_STREAM", "goes on", "18 ", "the same for RST_STREAM"},
	{"WINDOW_UPDATE", "goes on", "18 ", "the same for WINDOW_UPDATE"},
}

var knownHellos = []difference{
	{"", "nothing", "closes", "a first packet without a whole, well-formed CHLO makes no state here and has no answer (section 16 of the reference on connections); quic-go makes a session to close it"},
	{"", "31 ", "", "a CHLO of less than 1024 bytes: section 13.1 closes with 31; quic-go looks at the packet's size, or not yet"},
	{"", "94 ", "", "a client that takes no X.509 proof: section 13.1 closes with 94; quic-go ignores PDMD before the full CHLO"},
	{"", "34 ", "REJ", "an entry of the wrong length, SNI that is none: closed at once here, ignored by quic-go in an inchoate CHLO"},
	{"", "REJ", "34 ", "parameters are read from a full CHLO alone here, quic-go looks at them in an inchoate one"},
	{"", "REJ", "35 ", "the same"},
	{"", "34 ", "closes", "the order of checks"},
	{"", "44 ", "", "VER names another version of ours: a downgrade here; quic-go has one version, and takes it"},
	{"", "closes", "REJ", "the server checks at once what quic-go checks in the full CHLO"},
}

// report sorts the differences into kinds, and holds that each kind is a known one.
func report(t *testing.T, known []difference, seen map[string][]string) {
	kinds := make([]string, 0, len(seen))
	for k := range seen {
		kinds = append(kinds, k)
	}
	sort.Strings(kinds)
next:
	for _, k := range kinds {
		ours, theirs, _ := strings.Cut(k, ", quic-go")
		for _, d := range known {
			if strings.HasPrefix(k, d.frame) && strings.Contains(ours, d.ours) && strings.Contains(theirs, d.theirs) {
				t.Logf("%s (%d times): %s", k, len(seen[k]), d.why)
				continue next
			}
		}
		t.Errorf("%s (%d times), for instance %s", k, len(seen[k]), seen[k][0])
	}
}
