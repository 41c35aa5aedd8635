package flowctl_test

import (
	"fmt"
	"time"

	"example.com/gquic"
	"example.com/gquic/flowctl"
)

// A stream of a connection: its new bytes are charged to both windows, and reading
// them makes room in both.
func ExampleReceiveWindow() {
	conn := flowctl.NewReceiveWindow(24576, 1<<20)
	stream := flowctl.NewReceiveWindow(16384, 1<<20)
	now, smoothed := gquic.Instant(0), time.Duration(0)

	// A STREAM frame arrives that ends at 16000.
	fresh, err := stream.Receive(16000)
	if err == nil {
		_, err = conn.Receive(conn.Received() + fresh)
	}
	fmt.Println(fresh, err)

	// The application reads 10000 bytes.
	stream.Consume(10000)
	conn.Consume(10000)
	if limit, due := stream.Update(now, smoothed); due {
		fmt.Println("WINDOW_UPDATE for the stream:", limit)
	}
	if limit, due := conn.Update(now, smoothed); due {
		fmt.Println("WINDOW_UPDATE for the connection:", limit)
	}

	// The peer sends more than it may.
	_, err = stream.Receive(26385)
	fmt.Println(err)
	// Output:
	// 16000 <nil>
	// WINDOW_UPDATE for the stream: 26384
	// FLOW_CONTROL_RECEIVED_TOO_MUCH_DATA: offset 26385 is 1 bytes past the limit 26384
}

// A fast reader's window grows: an update less than two round trips after the last one
// doubles it.
func ExampleReceiveWindow_Update() {
	w := flowctl.NewReceiveWindow(16384, 65536)
	now, smoothed := gquic.Instant(0), 100*time.Millisecond
	for range 4 {
		w.Receive(w.Limit())
		w.Consume(w.Limit() - w.Consumed())
		limit, due := w.Update(now, smoothed)
		fmt.Println(due, limit, w.Window())
		now = now.Add(150 * time.Millisecond)
	}
	// Output:
	// true 49152 32768
	// true 114688 65536
	// true 180224 65536
	// true 245760 65536
}

// A sender that reaches its limit says so once, and goes on when the peer raises it.
func ExampleSendWindow() {
	w := flowctl.NewSendWindow(flowctl.MinWindow)
	w.Sent(w.Available())
	fmt.Println(w.Available(), w.Blocked(), w.Blocked())

	fmt.Println(w.Raise(32768), w.Available(), w.Blocked())
	fmt.Println(w.Raise(20000), w.Available())
	// Output:
	// 0 true false
	// true 16384 false
	// false 16384
}
