package recovery_test

import (
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// A peer that is heard of over another way after timeouts gets the oldest packets at
// once, and the next timeout comes without their backoff.
func TestRevivedEndsBackoff(t *testing.T) {
	d := recovery.New(recovery.Config{NoSkip: true})
	d.HandshakeConfirmed()
	for n := wire.PacketNumber(1); n <= 5; n++ {
		d.Sent(&recovery.Packet{Number: d.NextNumber(), SentAt: 0, Size: 1000, Flags: recovery.Retransmittable})
	}
	var r recovery.Report
	d.Revived(0, &r)
	if len(r.Retransmit) != 0 || r.Probes != 0 {
		t.Fatalf("%d packets are repeated although no timeout has fired", len(r.Retransmit))
	}
	var now gquic.Instant
	for range 6 {
		now = d.Timeout()
		if err := d.OnTimeout(now, &r); err != nil {
			t.Fatal(err)
		}
	}
	if wait := d.Timeout().Sub(now); wait < 5*time.Second {
		t.Fatalf("after six timeouts the next comes in %v, without backoff", wait)
	}
	d.Revived(now, &r)
	if len(r.Retransmit) != 2 || r.Probes != 2 {
		t.Errorf("%d packets and %d probes when the peer is back, want 2", len(r.Retransmit), r.Probes)
	}
	if wait := d.Timeout().Sub(now); wait > 500*time.Millisecond {
		t.Errorf("the next timeout comes in %v, with the old backoff", wait)
	}
}
