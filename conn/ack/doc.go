// Package ack decides what a receiver acknowledges, and when.
//
// A [Tracker] keeps the packet numbers that arrived, as a short list of ranges,
// and one deadline for the next ACK frame:
//
//	 mark    smallest                                largest
//	──┼──────────╂━━━━━━━━━┥   gap   ┝━━━━━━━┥  gap  ┝━━╂───▶ packet number
//	  │ forgotten│◀─────────── Ranges, high to low ────▶│
//
// Everything below the mark counts as seen: it is neither accepted again nor
// reported. The mark rises with the peer's STOP_WAITING, with acknowledged ACKs,
// and when the list would outgrow [MaxRanges].
//
// (Reference: connection, sections 2 and 3.)
package ack
