package handshake

// A Level says which keys protect a packet. A connection goes through all three in
// order; the null level stops for good once stronger keys work (reference:
// handshake, section 12).
type Level uint8

const (
	// LevelNull carries CHLO and REJ: a checksum against accidents and reflection,
	// no secret.
	LevelNull Level = iota
	// LevelInitial is under keys from the client's share and the server config's:
	// 0-RTT data, and the SHLO. Its data can be replayed.
	LevelInitial
	// LevelForwardSecure is under keys from two ephemeral shares: everything after
	// the SHLO.
	LevelForwardSecure

	// Levels counts them, for arrays indexed by level.
	Levels = 3
)

// String returns "null", "initial" or "forward-secure".
func (l Level) String() string {
	switch l {
	case LevelNull:
		return "null"
	case LevelInitial:
		return "initial"
	case LevelForwardSecure:
		return "forward-secure"
	}
	return "invalid level"
}
