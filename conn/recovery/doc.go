// Package recovery keeps what was sent until its fate is known, and decides it: a
// packet is acknowledged, or lost, or taken out of flight.
//
//	Sent ──▶ outstanding ──Ack──▶ acknowledged             ▶ Report.Acked
//	             │ └──── 3 above acknowledged, or too old ──▶ lost: Report.Lost
//	             │                                           │ kept for one round trip:
//	             └── level abandoned, handshake repeated     │ a late ACK is noticed
//	                          ▼                              ▼
//	                      abandoned ─────── late ACK ──▶ Report.Acked, flagged
//
// A [Detector] is driven by the connection: [Detector.Sent] for each packet,
// [Detector.Ack] for each ACK frame, [Detector.OnTimeout] when its one deadline,
// [Detector.Timeout], has come. The last two fill a [Report], which the caller owns
// and reuses, and which is what the congestion controller sees next.
//
// Packets are kept in a ring indexed by packet number. An ACK costs time in
// proportion to its ranges and to the packets that it decides, never to what is in flight,
// and allocates nothing once the ring and the report have their size.
//
// The detector also chooses packet numbers, because it leaves some out: a peer that
// acknowledges one of those acknowledges what it has not received.
//
// (Reference: connection, sections 4 to 6.)
package recovery
