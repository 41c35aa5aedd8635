package wire

import "fmt"

// A ParseError says why bytes are not what they should be.
//
// Where a decrypted payload is wrong, the connection closes with Code. What is wrong
// before decryption only drops the datagram, whatever the Code. (Reference: wire,
// section 18.) errors.Is finds the code: errors.Is(err, wire.InvalidFrameData).
//
// Making the error is the only thing in this package's parsers that allocates.
type ParseError struct {
	Code   ErrorCode
	Offset int    // where the wrong frame or field begins, from the start of what was parsed
	What   string // what is wrong
}

// Error describes the error in one line.
func (e *ParseError) Error() string {
	return fmt.Sprintf("wire: %s at byte %d (%s)", e.What, e.Offset, e.Code)
}

// Unwrap returns the code.
func (e *ParseError) Unwrap() error { return e.Code }

// fail is out of line to keep the parsers small.
//
//go:noinline
func fail(code ErrorCode, offset int, what string) error {
	return &ParseError{Code: code, Offset: offset, What: what}
}
