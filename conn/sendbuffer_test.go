package conn_test

import (
	"testing"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
)

// The send buffer bounds what waits to be sent, not what is in flight: a small one must
// not slow a long path down. With 64 KiB in flight at most this would take 25 s.
func TestSendBufferDoesNotBoundTheFlight(t *testing.T) {
	r := sim.Transfer{
		Seed: 1, Download: 8 << 20, Link: sim.LinkConfig{Delay: 50 * time.Millisecond},
		Server: func(c *conn.Config) { c.SendBuffer = 64 << 10 },
	}.Run()
	if !r.OK || r.Duration > 5*time.Second {
		t.Errorf("%v", r)
	}
}
