// Package flowctl counts windows: how far a peer may send, when to let it send
// further, and how much may be sent to it. A connection has one window of each kind
// for itself and one for each stream; a new byte on a counted stream needs room in
// both.
//
//	                     data
//	[SendWindow]  ───────────────────────▶  [ReceiveWindow]
//	     ▲                                         │
//	     └──────── WINDOW_UPDATE(limit) ◀──────────┘
//
// Both are plain values of integers: no clock, no I/O, copied by assignment. Offsets
// and sizes are in bytes and absolute: a limit says how many bytes may be sent in all
// since the beginning of the stream, or of all counted streams of the connection.
// Streams 1 and 3 are not counted for the connection. Reference: connection, section 14.
package flowctl
