package udp

import (
	"bytes"
	"crypto/rand"
	"io"
	"runtime"
	"testing"

	"example.com/gquic/wire"
)

// Everything works with each of the system's shortcuts turned off, on either side.
func TestEachOffloadTurnedOff(t *testing.T) {
	noLeaks(t)
	data := make([]byte, 1<<20)
	rand.Read(data)
	for how := OffloadAuto; how <= OffloadNone; how++ {
		for _, sides := range [][2]Offload{{how, OffloadAuto}, {OffloadAuto, how}, {how, how}} {
			server, client := serverConfig(t, wire.Q043)
			server.Offload, client.Offload = sides[0], sides[1]
			c, s := connected(t, server, client)
			cs, ss := streams(t, c, s)
			go io.Copy(struct{ io.Writer }{ss}, struct{ io.Reader }{ss})
			go cs.Write(data)
			got := make([]byte, len(data))
			if _, err := io.ReadFull(cs, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("without %03b at the server and %03b at the client: %v, equal %v", sides[0], sides[1], err, bytes.Equal(got, data))
			}
			cs.Close()
			ss.Close()
		}
	}
}

// sent is what a transfer took of the server's socket.
func sent(t *testing.T, how Offload) SocketStats {
	server, client := serverConfig(t, wire.Q043)
	server.Offload = how
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	before := s.SocketStats()
	go func() {
		ss.Write(make([]byte, guardBytes))
		ss.CloseWrite()
	}()
	if n, err := io.Copy(io.Discard, cs); err != nil || n != guardBytes {
		t.Fatal(n, err)
	}
	after := s.SocketStats()
	after.Writes -= before.Writes
	after.DatagramsWritten -= before.DatagramsWritten
	after.Reads -= before.Reads
	after.DatagramsRead -= before.DatagramsRead
	return after
}

const guardBytes = 16 << 20

// Committed limits of system calls per MiB that a server sends in bulk. A quiet machine
// needs about 30 calls with segmentation and 40 with batches; 830 is one for each packet.
func TestSystemCallsPerMiB(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux moves several datagrams in one call")
	}
	for _, g := range []struct {
		name  string
		how   Offload
		limit uint64
	}{
		{"segmentation", OffloadAuto, 200},
		{"batches", NoSegmentation, 200},
		{"one by one", OffloadNone, 900},
	} {
		st := sent(t, g.how)
		if per := st.Writes / (guardBytes >> 20); per > g.limit {
			t.Errorf("%s: %d calls to send a MiB, want at most %d (%+v)", g.name, per, g.limit, st)
		}
		if g.how == OffloadNone && st.Writes != st.DatagramsWritten {
			t.Errorf("one by one: %d calls for %d datagrams", st.Writes, st.DatagramsWritten)
		}
		if st.Reads > st.DatagramsRead {
			t.Errorf("%s: %d reads for %d datagrams", g.name, st.Reads, st.DatagramsRead)
		}
	}
}

// A packet costs no allocation on its way through sockets, either.
func TestRoundTripAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	server, client := serverConfig(t, wire.Q043)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	go io.CopyBuffer(struct{ io.Writer }{ss}, struct{ io.Reader }{ss}, make([]byte, 1000))
	buf := make([]byte, 100)
	roundTrip := func() {
		if _, err := cs.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(cs, buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		roundTrip()
	}
	// The system's pollers and timers allocate now and then.
	if n := testing.AllocsPerRun(2000, roundTrip); n > 1 {
		t.Errorf("%v allocations in a round trip, want none", n)
	}
}
