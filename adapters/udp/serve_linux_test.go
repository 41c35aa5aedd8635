package udp

import (
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/gquic/wire"
)

// Lending takes a file descriptor, and so does taking back. Where there is none the
// connection goes on.
func TestLentWithoutFileDescriptors(t *testing.T) {
	noLeaks(t)
	threads(t, 4)
	server, client := serverConfig(t, wire.Q043)
	c, s := connected(t, server, client)
	cs, ss := streams(t, c, s)
	go io.CopyBuffer(struct{ io.Writer }{ss}, struct{ io.Reader }{ss}, make([]byte, 100))
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	restore := func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }
	defer restore()
	run := func() {
		buf := make([]byte, 100)
		for range 10 * lendAfter {
			if _, err := cs.Write(buf); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(cs, buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Skipf("the limit of file descriptors cannot be changed: %v", err)
	}
	run() // none to lend
	restore()
	waitFor(t, func() bool { run(); return c.e.isLent() })
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return !c.e.isLent() }) // none to take it back
	run()
	if got := c.State().Stats.PacketsReceived; got == 0 {
		t.Error("nothing has arrived")
	}
}
