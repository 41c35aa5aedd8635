package ack_test

import (
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/ack"
)

// Packet 1 may wait for its ACK; packet 3 leaves a gap, which the sender should know of.
func ExampleTracker() {
	t := ack.NewTracker(ack.EverySecond)
	now := gquic.Instant(0)

	t.Received(now, 1, true, 0)
	fmt.Println("due:", t.Due(now), "at", t.Timeout())

	now = now.Add(4 * time.Millisecond)
	t.Received(now, 3, true, 0)
	fmt.Println("due:", t.Due(now), "ranges", t.Ranges())

	t.Sent(now)
	fmt.Println("pending:", t.Pending())
	// Output:
	// due: false at 25ms
	// due: true ranges [3 1]
	// pending: false
}
