package stream

import (
	"fmt"

	"example.com/gquic/wire"
)

// A Fault is the rule of a stream that the peer broke.
type Fault uint8

// The faults, and the code that closes the connection. Peers differ in how they answer the
// final-offset conflicts; some only reset the stream. Reference: connection, sections
// 12.5 and 13.
const (
	FinalOffsetMoved    Fault = 1 + iota // two different final offsets: STREAM_DATA_AFTER_TERMINATION
	DataPastFinalOffset                  // STREAM_DATA_AFTER_TERMINATION
	FinalOffsetTooLow                    // below data already received: STREAM_DATA_AFTER_TERMINATION
	TooManyRanges                        // more than MaxRanges pieces with holes between: TOO_MANY_STREAM_DATA_INTERVALS
	OffsetTooLarge                       // past wire.MaxByteOffset: STREAM_LENGTH_OVERFLOW
)

var faults = [...]struct {
	code   wire.ErrorCode
	format string // of the offset and the limit
}{
	FinalOffsetMoved:    {wire.StreamDataAfterTermination, "final offset %d, which was %d before"},
	DataPastFinalOffset: {wire.StreamDataAfterTermination, "data up to %d, past the final offset %d"},
	FinalOffsetTooLow:   {wire.StreamDataAfterTermination, "final offset %d, below data received up to %d"},
	TooManyRanges:       {wire.TooManyStreamDataIntervals, "data up to %d would be one more than %d pieces with holes between"},
	OffsetTooLarge:      {wire.StreamLengthOverflow, "offset %d, past the largest, %d"},
}

// An Error is a peer's mistake on a stream.
type Error struct {
	Code   wire.ErrorCode // what the connection closes with
	Fault  Fault
	Offset uint64 // that the peer stated, as final offset or end of data
	Limit  uint64 // what it conflicts with
}

// Error names the code and both offsets.
func (e *Error) Error() string {
	return e.Code.String() + ": " + fmt.Sprintf(faults[e.Fault].format, e.Offset, e.Limit)
}

func fault(f Fault, offset, limit uint64) error {
	return &Error{Code: faults[f].code, Fault: f, Offset: offset, Limit: limit}
}
