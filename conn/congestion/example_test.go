package congestion_test

import (
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/congestion"
	"example.com/gquic/conn/recovery"
	"example.com/gquic/wire"
)

// A window's worth of packets leaves; one of them is lost, and the window shrinks.
func ExampleController() {
	c := congestion.New(congestion.Cubic, congestion.Options{})
	rtt := recovery.NewRTT(0)
	rtt.Update(100*time.Millisecond, 0)
	now := gquic.Instant(0)

	var flight []recovery.Packet
	for inFlight := uint64(0); c.CanSend(inFlight); inFlight += congestion.MSS {
		p := recovery.Packet{
			Number: wire.PacketNumber(len(flight) + 1), SentAt: now,
			Size: congestion.MSS, Flags: recovery.Retransmittable,
		}
		c.OnSent(now, &p, inFlight)
		flight = append(flight, p)
	}
	fmt.Println(len(flight), "packets, window", c.Window(), "at", c.PacingRate(&rtt), "bytes per second")

	c.OnReport(now, &recovery.Report{
		Acked:         flight[1:4],
		Lost:          flight[:1],
		PriorInFlight: 32 * congestion.MSS,
	}, &rtt)
	fmt.Println("window", c.Window(), "slow start", c.InSlowStart(), "recovery", c.InRecovery())
	// Output:
	// 32 packets, window 46720 at 934400 bytes per second
	// window 39712 slow start false recovery true
}

// At 1.35 MB/s, a packet of 1350 bytes is due every millisecond. The first ten leave at once, two more as a
// quantum; then each waits for its time.
func ExamplePacer() {
	p := congestion.NewPacer(1350)
	now, inFlight := gquic.Instant(0), uint64(0)
	for sent := 0; sent < 15; {
		if !p.Ready(now, inFlight) {
			fmt.Println(sent, "sent by", now.Sub(0).Round(time.Millisecond))
			now = p.Next()
			continue
		}
		p.Sent(now, 1350, 1_350_000, inFlight, false)
		inFlight += 1350
		sent++
	}
	// Output:
	// 12 sent by 0s
	// 13 sent by 1ms
	// 14 sent by 2ms
}
