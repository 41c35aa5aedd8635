package owed_test

import (
	"fmt"
	"testing"

	"example.com/gquic/conn/owed"
	"example.com/gquic/wire"
	"pgregory.net/rapid"
)

func Example() {
	var update owed.Owed // of a stream's WINDOW_UPDATE
	fmt.Println(update)
	update.Set()
	fmt.Println(update)
	update.Sent(17)
	fmt.Println(update)
	update.Lost(17)
	update.Sent(23)
	update.Acked(17) // the first copy came after all, with a value that may be old
	fmt.Println(update)
	update.Acked(23)
	fmt.Println(update)
	// Output:
	// nothing
	// owed
	// sent in 17
	// sent in 23
	// acknowledged
}

// Against the whole history of an obligation: what became of the latest packet decides.
func TestOnlyTheLatestPacketCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o owed.Owed
		state, latest := "nothing", wire.PacketNumber(0)
		numbers := rapid.Uint64Range(1, 5)
		number := func(t *rapid.T) wire.PacketNumber {
			if rapid.Bool().Draw(t, "large") {
				return 1<<62 - wire.PacketNumber(numbers.Draw(t, "n"))
			}
			return wire.PacketNumber(numbers.Draw(t, "n"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"set":  func(*rapid.T) { o.Set(); state = "owed" },
			"drop": func(*rapid.T) { o = owed.Owed{}; state = "nothing" },
			"sent": func(t *rapid.T) {
				latest = number(t)
				o.Sent(latest)
				state = "sent"
			},
			"acked": func(t *rapid.T) {
				n := number(t)
				o.Acked(n)
				if state == "sent" && n == latest {
					state = "acknowledged"
				}
			},
			"lost": func(t *rapid.T) {
				n := number(t)
				o.Lost(n)
				if state == "sent" && n == latest {
					state = "owed"
				}
			},
			"": func(t *rapid.T) {
				n, inFlight := o.InFlight()
				if o.Pending() != (state == "owed") || o.Done() != (state == "acknowledged") ||
					inFlight != (state == "sent") || inFlight && n != latest {
					t.Fatalf("%v, want %s, latest %d", o, state, latest)
				}
				want := state
				if inFlight {
					want = fmt.Sprintf("sent in %d", latest)
				}
				if o.String() != want {
					t.Fatalf("%v, want %s", o, want)
				}
			},
		})
	})
}
