// Package handshake is the CHLO/REJ/SHLO handshake of Google QUIC: its messages, server
// configs, address tokens, proofs and certificates, the keys that come out of it, and
// the machines of both roles.
//
//	client                                         server
//	  │ ── inchoate CHLO ─────────────── null ──────▶ │
//	  │ ◀── REJ: config, token, proof ── null ─────── │   the client checks the proof
//	  │ ── full CHLO ─────────────────── null ──────▶ │   and keeps the config: next
//	  │ ── requests ──────────────────── initial ───▶ │   time it starts here (0-RTT)
//	  │ ◀── SHLO ─────────────────────── initial ──── │
//	  │ ◀─▶ everything else ──────────── forward-secure
//
// Nothing here reads a clock or the system's randomness: wall time is an argument, and
// random bytes come from an [Entropy]. Equal inputs give equal bytes.
//
// The leaves can be used by themselves:
//
//   - [Message] and [Tag]: tag/value messages, strict, and allocation-free when reused.
//   - [AEAD]: packet protection of the three levels ([NewNull], [NewAEAD]).
//   - [KeyShare], [DeriveKeys]: key exchange and key derivation.
//   - [CompressChain], [DecompressChain]: certificate chains as REJ carries them.
//   - [SignatureRequest], [VerificationRequest]: making and checking a server's proof.
//   - [Params]: transport parameters.
//
// Failures are *[Error] with the code that closes the connection.
package handshake
