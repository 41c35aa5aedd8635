package recovery_test

import (
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// Five packets leave. Only the fifth is acknowledged, so that the first two are lost: three above
// them is acknowledged. The other two become too old a quarter of a round trip later.
func ExampleDetector() {
	d := recovery.New(recovery.Config{NoSkip: true})
	d.HandshakeConfirmed()
	now := gquic.Instant(0)
	for range 5 {
		d.Sent(&recovery.Packet{Number: d.NextNumber(), SentAt: now, Size: 1350, Flags: recovery.Retransmittable})
	}
	fmt.Println("in flight", d.InFlight(), "timer", d.TimeoutMode(), d.Timeout())

	var r recovery.Report // kept and reused by the connection
	now = now.Add(40 * time.Millisecond)
	ack := wire.NewAckFrame(0, wire.AckRange{Smallest: 5, Largest: 5})
	if err := d.Ack(now, 1, ack, &r); err != nil {
		panic(err)
	}
	for _, p := range r.Lost {
		fmt.Println("lost", p.Number)
	}
	fmt.Println("in flight", r.InFlight, "timer", d.TimeoutMode(), d.Timeout())

	now = d.Timeout()
	if err := d.OnTimeout(now, &r); err != nil {
		panic(err)
	}
	for _, p := range r.Lost {
		fmt.Println("lost", p.Number)
	}
	// Output:
	// in flight 6750 timer TLP 200ms
	// lost 1
	// lost 2
	// in flight 2700 timer loss 50ms
	// lost 3
	// lost 4
}

// A peer that acknowledges a packet that was never sent is found out.
func ExampleError() {
	d := recovery.New(recovery.Config{})
	d.Sent(&recovery.Packet{Number: d.NextNumber(), Size: 1350, Flags: recovery.Retransmittable})

	var r recovery.Report
	err := d.Ack(0, 1, wire.NewAckFrame(0, wire.AckRange{Smallest: 1, Largest: 2}), &r)
	fmt.Println(err)
	// Output:
	// INVALID_ACK_DATA: packet 2 acknowledged, which was not sent
}
