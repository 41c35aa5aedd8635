package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// received sends n numbered datagrams through a relay and returns those that came out, in
// their order.
func received(t *testing.T, cfg Config, n int) []uint32 {
	t.Helper()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetReadBuffer(4 << 20)
	r, err := Start(server.LocalAddr().(*net.UDPAddr).AddrPort(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	client, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(r.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range n {
		client.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		if i%16 == 15 {
			time.Sleep(100 * time.Microsecond) // the socket's buffer is finite
		}
	}
	var got []uint32
	buf := make([]byte, 100)
	for {
		server.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		n, _, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			return got
		}
		if n == 4 {
			got = append(got, binary.BigEndian.Uint32(buf))
		}
	}
}

func TestCleanRelayKeepsEverything(t *testing.T) {
	got := received(t, Config{}, 500)
	if len(got) != 500 {
		t.Fatalf("%d datagrams came out of 500", len(got))
	}
	for i, v := range got {
		if int(v) != i {
			t.Fatalf("datagram %d at place %d", v, i)
		}
	}
}

func TestSeedDecides(t *testing.T) {
	cfg := Config{Seed: 7, Drop: 0.1, Duplicate: 0.05}
	a, b := received(t, cfg, 1000), received(t, cfg, 1000)
	if len(a) != len(b) {
		t.Fatalf("the same seed let %d and %d datagrams through", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("place %d: datagram %d and %d", i, a[i], b[i])
		}
	}
	if len(a) < 850 || len(a) > 1030 {
		t.Errorf("%d of 1000 datagrams came through 10%% loss and 5%% duplication", len(a))
	}
	seen := map[uint32]int{}
	for _, v := range a {
		seen[v]++
	}
	if len(seen) == 1000 || len(seen) == len(a) {
		t.Errorf("%d datagrams, %d different: nothing was lost or nothing duplicated", len(a), len(seen))
	}
}

func TestReorder(t *testing.T) {
	got := received(t, Config{Seed: 1, Reorder: 0.1}, 500)
	if len(got) != 500 {
		t.Fatalf("%d datagrams came out of 500", len(got))
	}
	late := 0
	for i := 1; i < len(got); i++ {
		if got[i] < got[i-1] {
			late++
		}
	}
	if late == 0 {
		t.Error("nothing came late")
	}
}

func TestCloseEndsAFlow(t *testing.T) {
	r, err := Start(netip.MustParseAddrPort("127.0.0.1:9"), Config{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp4", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	r.Close() // returns only when every goroutine is gone
}
