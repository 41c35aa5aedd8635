// Package adversary is a peer that misbehaves by script. It is a client or a server that
// holds the keys, since it makes the handshake itself, and otherwise does only what it is
// told: send this frame now, acknowledge that, leave out a number, repeat, contradict
// itself, stall. Everything that it sends is validly encrypted, so it reaches the places
// that noise never does.
//
//	                    Lab
//	Peer ── Receive, Next ──▶ datagrams ◀── Receive, AppendTransmit ── conn.Endpoint
//	  ▲                                                                    ▲
//	  │ Send, Packet, Do("ack 1-5")                                        │ Check, Conn
//	 test                                                                 test
//
// A [Peer] is a state machine like the endpoint: no clock, no goroutine, no randomness but
// its seed, and it can be cloned. A [Lab] is the shortest way to put one in front of an
// endpoint. Scripts are lines for [Peer.Do]; frames in them are written as package wire
// prints them, see [ParseFrame].
package adversary
