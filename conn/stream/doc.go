// Package stream holds the bytes of a stream on their way between the application and
// the packets: a [SendBuffer] keeps what was written until the peer acknowledged it, a
// [ReceiveBuffer] puts what arrived in order until it is read.
//
//	application ──Write──▶ SendBuffer ──Next, AppendData──▶ packet ┐
//	                           ▲──Acked, Lost──                    │ network
//	application ◀──Read─── ReceiveBuffer ◀──────Insert───── packet ┘
//
// Data is copied once on each side. It lies in chunks of [ChunkSize] bytes that both
// kinds of buffer borrow from the endpoint's [Pool] and give back as soon as they
// are empty, so a quiet stream holds no memory for data and a busy one allocates none.
//
// Buffers know nothing of windows, timers, packets or RST_STREAM frames: flow control,
// which must be checked before Insert, is the work of package flowctl, and when to
// send what is the connection's. Reference: connection, sections 6.1, 12.5 and 13.
//
// A buffer is a plain value, but its chunks are its own: copy it by Clone. Nothing here
// is safe for concurrent use.
package stream
