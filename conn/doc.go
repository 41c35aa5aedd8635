// Package conn is Google QUIC's connection, and an endpoint of many: pure state
// machines that take datagrams, instants and calls, and give back datagrams, one
// deadline and events.
//
// One object is driven, the [Endpoint]. It owns its connections; an embedder holds a
// [Handle] for each. Its methods come in four kinds:
//
//	in     Receive(now, datagram)             one datagram in, one Verdict out
//	       Dial, and the methods of Conn      what the application wants
//	       ProofSigned, ProofVerified         answers to the events that ask something
//	out    AppendTransmit(now, buf, n)        datagrams to send, until it says false
//	       NextTimeout()                      when to call again if nothing happens
//	       NextEvent()                        what the application should know
//
// The rules:
//
//   - Any call that takes now first fires what is due: there is no timer call to forget.
//   - Inputs may come in any order, and outputs may be drained whenever it suits.
//   - After inputs, call AppendTransmit until it returns false: nothing is sent otherwise.
//   - Nothing here starts a goroutine, locks, reads a clock or draws entropy; an Endpoint
//     is not safe for concurrent use.
//   - Equal configurations, seeds, inputs and instants give equal bytes and events.
//   - A peer's mistake closes its connection with the protocol's code; a caller's
//     mistake returns an error and changes nothing.
//
// Built with the tag poison, memory that was borrowed from the endpoint is overwritten
// when it is given back, so that a slice kept too long is noticed.
//
// Inside, a packet passes these files:
//
//	          Endpoint                            Conn
//	in   ──▶  receive.go  which connection? ──▶  packet_in.go   open, deduplicate
//	          accept.go   a new one?              frames_in.go   one handler a frame
//	          stateless.go, timewait.go           streams.go     stream states and limits
//	                                              crypto.go      the handshake machine
//	out  ◀──  transmit.go whose turn?       ◀──  packet_out.go  pack, seal, remember
//	          timers.go   whose deadline?         loss.go        acknowledged, lost, timed out
//
// Each obligation is a machine of its own in a subfolder (ack, recovery, congestion,
// stream, owed), tested with no connection around it.
package conn
