// Package wire turns the bytes of Google QUIC packets into fields and back: headers,
// frames, version negotiation, resets, and the codes of errors. It holds no state, reads
// no clock, and allocates nothing, except for the error when something is wrong. It
// never panics on what it reads, and never reads past it.
//
// A packet is a whole UDP payload: an unprotected header, and a payload whose protection
// (see package handshake) covers the header too, as associated data. There are two
// families of headers. In Q039 and Q043 every packet has a public header, whose flags
// say what follows:
//
//	client  ┌─────┬───────────────┬─────────┬───────────────────────┬─────────┐
//	        │flags│ connection ID │ version │ packet number 1,2,4,6 │ payload │
//	        │  1  │       8       │   0,4   │                       │         │
//	        └─────┴───────────────┴─────────┴───────────────────────┴─────────┘
//	server  ┌─────┬───────────────┬─────────┬───────────────────────┬─────────┐
//	        │flags│ connection ID │  nonce  │ packet number 1,2,4,6 │ payload │
//	        │  1  │      0,8      │  0,32   │                       │         │
//	        └─────┴───────────────┴─────────┴───────────────────────┴─────────┘
//
// In Q044 they have a long header until they are forward-secure, and a short one then;
// a server leaves the connection ID out of short ones:
//
//	long    ┌─────┬─────────┬────────┬───────────────┬──────────┬───────┬─────────┐
//	        │type │ version │lengths │ connection ID │ packet   │ nonce │ payload │
//	        │  1  │    4    │   1    │       8       │ number 4 │ 0,32  │         │
//	        └─────┴─────────┴────────┴───────────────┴──────────┴───────┴─────────┘
//	short   ┌─────┬───────────────┬─────────────────────┬─────────┐
//	        │type │ connection ID │ packet number 1,2,4 │ payload │
//	        │  1  │      0,8      │                     │         │
//	        └─────┴───────────────┴─────────────────────┴─────────┘
//
// [ParseHeader] reads either into a [Header], and [DecodePacketNumber] completes the
// packet number. A [Reader] walks the frames of the decrypted payload. To build a
// packet, append a Header, room for what the protection puts before the payload, and
// frames. Everything prints itself (String) and writes itself (Append), in the smallest
// form that fits.
//
// Errors are *[ParseError]: what is wrong, where, and the code that closes the connection
// if it was in a payload. Values that a caller appends are its own duty: what does not
// fit its field is cut to it, unless the doc comment says otherwise.
//
// What a [Version] does differently is in one table, see [VersionFacts]. Q039, Q043 and
// Q044 have a codec; Q046 and Q050 are only facts so far.
package wire
