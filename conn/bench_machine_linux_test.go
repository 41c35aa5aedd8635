package conn_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// threadTime is the CPU time of the calling thread, in nanoseconds: it does not pass
// while others have the processor.
func threadTime() int64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return t.Nano()
}

// clockCost is what threadTime itself takes.
func clockCost() int64 {
	const rounds = 10000
	start := threadTime()
	for range rounds {
		threadTime()
	}
	return (threadTime() - start) / rounds
}

// BenchmarkMachine tells what the state machine takes besides the cipher: CPU
// nanoseconds for each full packet of a bulk transfer, at its sender and at its receiver,
// with the application's copy and the acknowledgements, which go with it. The cipher is measured
// in between and taken off.
func BenchmarkMachine(b *testing.B) {
	for _, version := range []wire.Version{wire.Q043, wire.Q044} {
		b.Run(version.String(), func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			m := newBulk(b, version)
			for range 100 {
				m.step()
			}
			m.clock = clockCost()
			var cost struct{ send, receive, cipher int64 }
			sent := m.client.Conn(m.c).Stats().PacketsSent
			acks := m.server.Conn(m.s).Stats().PacketsSent
			b.ResetTimer()
			for range max(1, b.N/100) {
				send, receive := m.measured()
				cost.send += send
				cost.receive += receive
			}
			n := int64(m.client.Conn(m.c).Stats().PacketsSent - sent)
			small := int64(m.server.Conn(m.s).Stats().PacketsSent - acks)
			seal, open := cipherCost(b, 1350)
			sealAck, openAck := cipherCost(b, 40)
			b.ReportMetric(float64(cost.send-n*seal-small*openAck)/float64(n), "send-ns/packet")
			b.ReportMetric(float64(cost.receive-n*open-small*sealAck)/float64(n), "receive-ns/packet")
			b.ReportMetric(float64(seal+open), "cipher-ns/packet")
			b.ReportMetric(float64(n)/float64(small), "packets/ack")
		})
	}
}

// measured moves one chunk, as step does, and returns the CPU time of both sides.
func (b *bulk) measured() (send, receive int64) {
	start := threadTime()
	lap := func() int64 {
		now := threadTime()
		d := now - start - b.clock
		start = now
		return d
	}
	n, err := b.client.Conn(b.c).Write(b.stream, b.chunk, false)
	if err != nil {
		b.tb.Fatal(err)
	}
	send += lap()
	for want := b.got + n; b.got < want; b.now += 100_000 {
		for {
			lap()
			data, t, ok := b.client.AppendTransmit(b.now, b.buf[:0], 44)
			send += lap()
			if ok {
				b.hand(data, t.Segment, b.server)
				for ev, more := b.server.NextEvent(); more; ev, more = b.server.NextEvent() {
					b.event(b.server, ev)
				}
			}
			ack, u, answered := b.server.AppendTransmit(b.now, b.buf[:0], 44)
			receive += lap()
			if answered {
				b.hand(ack, u.Segment, b.client)
			}
			for more := true; more; {
				_, more = b.client.NextEvent()
			}
			send += lap()
			if !ok && !answered {
				break
			}
		}
	}
	return send, receive
}

// hand gives datagrams to an endpoint.
func (b *bulk) hand(data []byte, segment int, to *conn.Endpoint) {
	from := clientAddr
	if to == b.client {
		from = serverAddr
	}
	for len(data) > 0 {
		n := len(data)
		if segment > 0 {
			n = min(n, segment)
		}
		to.Receive(b.now, conn.Datagram{From: from, Payload: data[:n]})
		data = data[n:]
	}
}

// cipherCost is the CPU time that sealing and opening a packet takes.
func cipherCost(tb testing.TB, size int) (seal, open int64) {
	key, err := handshake.NewAEAD(handshake.AESG, make([]byte, 16), make([]byte, 4))
	if err != nil {
		tb.Fatal(err)
	}
	var s handshake.Scratch
	const header, rounds = 13, 2000
	packet := make([]byte, size-12, size)
	dst := make([]byte, 0, size)
	start := threadTime()
	for i := range rounds {
		key.Seal(&s, packet, header, wire.PacketNumber(i))
	}
	seal = (threadTime() - start) / rounds
	sealed := key.Seal(&s, packet, header, 1)
	start = threadTime()
	for range rounds {
		if _, err := key.Open(&s, dst, sealed, header, 1); err != nil {
			tb.Fatal(err)
		}
	}
	return seal, (threadTime() - start) / rounds
}
