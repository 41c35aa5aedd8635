package wire

import "strconv"

// A StreamErrorCode says why a stream was reset, in RST_STREAM. Any number may arrive.
type StreamErrorCode uint32

// The codes of stream errors. (Reference: wire, section 17.)
const (
	StreamNoError              StreamErrorCode = 0  // server has answered completely and wants no more request data
	ErrorProcessingStream      StreamErrorCode = 1  // general failure
	MultipleTerminationOffsets StreamErrorCode = 2  // two FINs/resets with different final offsets
	BadApplicationPayload      StreamErrorCode = 3  // content not understandable, e.g. broken headers
	StreamConnectionError      StreamErrorCode = 4  // connection died (local, not sent)
	StreamPeerGoingAway        StreamErrorCode = 5  // GOAWAY in effect
	StreamCancelled            StreamErrorCode = 6  // cancelled by the application
	RstAcknowledgement         StreamErrorCode = 7  // answer to the peer's RST_STREAM, carries the final offset
	RefusedStream              StreamErrorCode = 8  // stream limit; may be retried
	InvalidPromiseURL          StreamErrorCode = 9  // server push
	UnauthorizedPromiseURL     StreamErrorCode = 10 // server push
	DuplicatePromiseURL        StreamErrorCode = 11 // server push
	PromiseVaryMismatch        StreamErrorCode = 12 // server push
	InvalidPromiseMethod       StreamErrorCode = 13 // server push
	PushStreamTimedOut         StreamErrorCode = 14 // server push
	HeadersTooLarge            StreamErrorCode = 15 // header list above the limit
	StreamTTLExpired           StreamErrorCode = 16 // data too late to be useful (since 2018)
)

// streamErrorNames holds the protocol's names; those of retired and unknown codes are empty.
var streamErrorNames = [...]string{
	StreamNoError:              "STREAM_NO_ERROR",
	ErrorProcessingStream:      "ERROR_PROCESSING_STREAM",
	MultipleTerminationOffsets: "MULTIPLE_TERMINATION_OFFSETS",
	BadApplicationPayload:      "BAD_APPLICATION_PAYLOAD",
	StreamConnectionError:      "STREAM_CONNECTION_ERROR",
	StreamPeerGoingAway:        "STREAM_PEER_GOING_AWAY",
	StreamCancelled:            "STREAM_CANCELLED",
	RstAcknowledgement:         "RST_ACKNOWLEDGEMENT",
	RefusedStream:              "REFUSED_STREAM",
	InvalidPromiseURL:          "INVALID_PROMISE_URL",
	UnauthorizedPromiseURL:     "UNAUTHORIZED_PROMISE_URL",
	DuplicatePromiseURL:        "DUPLICATE_PROMISE_URL",
	PromiseVaryMismatch:        "PROMISE_VARY_MISMATCH",
	InvalidPromiseMethod:       "INVALID_PROMISE_METHOD",
	PushStreamTimedOut:         "PUSH_STREAM_TIMED_OUT",
	HeadersTooLarge:            "HEADERS_TOO_LARGE",
	StreamTTLExpired:           "STREAM_TTL_EXPIRED",
}

// String returns the protocol's name of the code, or "STREAM_ERROR_" and its number.
func (c StreamErrorCode) String() string {
	if c < StreamErrorCode(len(streamErrorNames)) && streamErrorNames[c] != "" {
		return streamErrorNames[c]
	}
	return "STREAM_ERROR_" + strconv.FormatUint(uint64(c), 10)
}
