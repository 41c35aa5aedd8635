package handshake

import (
	"errors"

	"example.com/gquic/wire"
)

// An Error is a failed handshake: the code that the connection closes with, what went
// wrong in a few words for the log and for CONNECTION_CLOSE, and the cause if there is
// one (reference: handshake, section 16).
type Error struct {
	Code wire.ErrorCode
	What string
	Err  error // cause, may be nil
}

// Error returns the code's name, what went wrong, and the cause.
func (e *Error) Error() string {
	s := e.Code.String() + ": " + e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrIncomplete says that the bytes given end before the message does: on the crypto
// stream, wait for more.
var ErrIncomplete = errors.New("handshake: message incomplete")

// fault is short for a new *Error without a cause.
func fault(code wire.ErrorCode, what string) *Error {
	return &Error{Code: code, What: what}
}

// badParameter is the most common fault: a value that is malformed or contradicts
// another one, code 34.
func badParameter(what string) *Error {
	return fault(wire.InvalidCryptoMessageParameter, what)
}
