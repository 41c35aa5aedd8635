package wire

import "strconv"

// An ErrorCode says why a connection closed, in CONNECTION_CLOSE and GOAWAY. Any number
// may arrive; those that have no name here are as good as others.
type ErrorCode uint32

// The codes of connection errors; 15, 21, 47 and 66 are retired. (Reference: wire, section 16.)
const (
	NoError                                        ErrorCode = 0   // no error; also an orderly close in some peers
	InternalError                                  ErrorCode = 1   // bug or state that should not occur
	StreamDataAfterTermination                     ErrorCode = 2   // stream data past FIN or past a reset offset
	InvalidPacketHeader                            ErrorCode = 3   // header malformed
	InvalidFrameData                               ErrorCode = 4   // unknown frame type or broken frame
	InvalidFECData                                 ErrorCode = 5   // old: FEC
	InvalidRstStreamData                           ErrorCode = 6   // RST_STREAM malformed
	InvalidConnectionCloseData                     ErrorCode = 7   // CONNECTION_CLOSE malformed
	InvalidGoawayData                              ErrorCode = 8   // GOAWAY malformed
	InvalidAckData                                 ErrorCode = 9   // ACK malformed or for packets never sent
	InvalidVersionNegotiationPacket                ErrorCode = 10  // version negotiation packet malformed
	InvalidPublicRstPacket                         ErrorCode = 11  // public reset malformed
	DecryptionFailure                              ErrorCode = 12  // payload does not authenticate
	EncryptionFailure                              ErrorCode = 13  // cannot seal
	PacketTooLarge                                 ErrorCode = 14  // packet above the size limit
	PeerGoingAway                                  ErrorCode = 16  // endpoint shuts down (normal close)
	InvalidStreamID                                ErrorCode = 17  // stream ID not allowed here
	TooManyOpenStreams                             ErrorCode = 18  // peer opened more streams than allowed
	PublicResetReceived                            ErrorCode = 19  // local: public reset received
	InvalidVersion                                 ErrorCode = 20  // no common version
	InvalidHeaderID                                ErrorCode = 22  // old: header block order
	InvalidNegotiatedValue                         ErrorCode = 23  // negotiated value out of range
	DecompressionFailure                           ErrorCode = 24  // old: decompression
	NetworkIdleTimeout                             ErrorCode = 25  // idle timeout
	ErrorMigratingAddress                          ErrorCode = 26  // address change not allowed
	PacketWriteError                               ErrorCode = 27  // socket write failed
	HandshakeFailed                                ErrorCode = 28  // handshake failed, general
	CryptoTagsOutOfOrder                           ErrorCode = 29  // tags not ascending or offsets decreasing
	CryptoTooManyEntries                           ErrorCode = 30  // more than 128 entries
	CryptoInvalidValueLength                       ErrorCode = 31  // value of wrong length, or CHLO too small
	CryptoMessageAfterHandshakeComplete            ErrorCode = 32  // handshake message after completion
	InvalidCryptoMessageType                       ErrorCode = 33  // message tag not expected here
	InvalidCryptoMessageParameter                  ErrorCode = 34  // parameter value not acceptable
	CryptoMessageParameterNotFound                 ErrorCode = 35  // needed parameter absent
	CryptoMessageParameterNoOverlap                ErrorCode = 36  // no common choice for a parameter
	CryptoMessageIndexNotFound                     ErrorCode = 37  // parameter has too few values
	CryptoInternalError                            ErrorCode = 38  // crypto code failed
	CryptoVersionNotSupported                      ErrorCode = 39  // version inside CHLO not supported
	CryptoNoSupport                                ErrorCode = 40  // no common algorithms
	CryptoTooManyRejects                           ErrorCode = 41  // too many REJs
	ProofInvalid                                   ErrorCode = 42  // certificate or signature not accepted
	CryptoDuplicateTag                             ErrorCode = 43  // same tag twice
	CryptoEncryptionLevelIncorrect                 ErrorCode = 44  // handshake message at wrong encryption level
	CryptoServerConfigExpired                      ErrorCode = 45  // server config expired
	InvalidStreamData                              ErrorCode = 46  // STREAM malformed
	MissingPayload                                 ErrorCode = 48  // no frames in packet
	InvalidPriority                                ErrorCode = 49  // priority not valid
	EmptyStreamFrameNoFin                          ErrorCode = 50  // STREAM without data and FIN
	PacketReadError                                ErrorCode = 51  // socket read failed
	InvalidChannelIDSignature                      ErrorCode = 52  // channel ID signature wrong
	CryptoSymmetricKeySetupFailed                  ErrorCode = 53  // key setup failed
	CryptoMessageWhileValidatingClientHello        ErrorCode = 54  // message came while still validating CHLO
	VersionNegotiationMismatch                     ErrorCode = 55  // downgrade detected
	InvalidHeadersStreamData                       ErrorCode = 56  // headers stream content wrong
	InvalidWindowUpdateData                        ErrorCode = 57  // WINDOW_UPDATE malformed
	InvalidBlockedData                             ErrorCode = 58  // BLOCKED malformed
	FlowControlReceivedTooMuchData                 ErrorCode = 59  // peer overran a flow-control window
	InvalidStopWaitingData                         ErrorCode = 60  // STOP_WAITING malformed, or going back
	UnencryptedStreamData                          ErrorCode = 61  // non-crypto stream data without encryption
	ConnectionIPPooled                             ErrorCode = 62  // connection pooled into another
	FlowControlSentTooMuchData                     ErrorCode = 63  // we overran a window
	FlowControlInvalidWindow                       ErrorCode = 64  // advertised window below minimum
	CryptoUpdateBeforeHandshakeComplete            ErrorCode = 65  // config update before handshake end
	HandshakeTimeout                               ErrorCode = 67  // handshake too slow
	TooManyOutstandingSentPackets                  ErrorCode = 68  // too many packets unacknowledged
	TooManyOutstandingReceivedPackets              ErrorCode = 69  // too many ranges of received packets
	ConnectionCancelled                            ErrorCode = 70  // cancelled locally
	BadPacketLossRate                              ErrorCode = 71  // loss rate too high
	CryptoHandshakeStatelessReject                 ErrorCode = 72  // old: stateless reject
	PublicResetsPostHandshake                      ErrorCode = 73  // too many public resets
	TimeoutsWithOpenStreams                        ErrorCode = 74  // old: timeouts with open streams
	FailedToSerializePacket                        ErrorCode = 75  // packet could not be built
	TooManyAvailableStreams                        ErrorCode = 76  // too many skipped stream IDs
	UnencryptedFECData                             ErrorCode = 77  // old: FEC without encryption
	InvalidPathCloseData                           ErrorCode = 78  // old: PATH_CLOSE
	BadMultipathFlag                               ErrorCode = 79  // multipath flag set
	IPAddressChanged                               ErrorCode = 80  // local: IP address changed
	ConnectionMigrationNoMigratableStreams         ErrorCode = 81  // migration: nothing to migrate
	ConnectionMigrationTooManyChanges              ErrorCode = 82  // migration: too often
	ConnectionMigrationNoNewNetwork                ErrorCode = 83  // migration: no network
	ConnectionMigrationNonMigratableStream         ErrorCode = 84  // migration: stream cannot move
	TooManyRTOs                                    ErrorCode = 85  // too many retransmission timeouts
	ErrorMigratingPort                             ErrorCode = 86  // port migration failed
	OverlappingStreamData                          ErrorCode = 87  // partial overlap of stream data (before Q042)
	AttemptToSendUnencryptedStreamData             ErrorCode = 88  // local: tried to send stream data unencrypted
	MaybeCorruptedMemory                           ErrorCode = 89  // looks like corrupted memory
	CryptoChloTooLarge                             ErrorCode = 90  // CHLO larger than one packet
	MultipathPathDoesNotExist                      ErrorCode = 91  // old: multipath
	MultipathPathNotActive                         ErrorCode = 92  // old: multipath
	TooManyStreamDataIntervals                     ErrorCode = 93  // too many holes in a stream
	UnsupportedProofDemand                         ErrorCode = 94  // proof type unknown
	StreamSequencerInvalidState                    ErrorCode = 95  // stream buffer broken
	TooManySessionsOnServer                        ErrorCode = 96  // server full
	HeadersStreamDataDecompressFailure             ErrorCode = 97  // header block does not decompress
	StreamLengthOverflow                           ErrorCode = 98  // stream or reset offset above 2^62−1
	ConnectionMigrationDisabledByConfig            ErrorCode = 99  // migration off
	ConnectionMigrationInternalError               ErrorCode = 100 // migration error
	InvalidApplicationCloseData                    ErrorCode = 101 // IETF frame
	InvalidMaxDataFrameData                        ErrorCode = 102 // IETF frame
	InvalidMaxStreamDataFrameData                  ErrorCode = 103 // IETF frame
	MaxStreamsData                                 ErrorCode = 104 // IETF frame
	StreamsBlockedData                             ErrorCode = 105 // IETF frame
	InvalidStreamBlockedData                       ErrorCode = 106 // IETF frame
	InvalidNewConnectionIDData                     ErrorCode = 107 // IETF frame
	InvalidStopSendingFrameData                    ErrorCode = 108 // IETF frame
	InvalidPathChallengeData                       ErrorCode = 109 // IETF frame
	InvalidPathResponseData                        ErrorCode = 110 // IETF frame
	ConnectionMigrationHandshakeUnconfirmed        ErrorCode = 111 // migration before handshake end
	InvalidMessageData                             ErrorCode = 112 // MESSAGE malformed
	IETFQuicProtocolViolation                      ErrorCode = 113 // IETF rule broken
	InvalidNewToken                                ErrorCode = 114 // IETF frame
	DataReceivedOnWriteUnidirectionalStream        ErrorCode = 115 // IETF stream type
	TryToWriteDataOnReadUnidirectionalStream       ErrorCode = 116 // IETF stream type
	InvalidRetireConnectionIDData                  ErrorCode = 117 // IETF frame
	StreamsBlockedError                            ErrorCode = 118 // IETF frame
	MaxStreamsError                                ErrorCode = 119 // IETF frame
	HTTPDecoderError                               ErrorCode = 120 // HTTP/3 decoder
	StaleConnectionCancelled                       ErrorCode = 121 // stale connection dropped
	IETFGQUICErrorMissing                          ErrorCode = 122 // local marker
	WindowUpdateReceivedOnReadUnidirectionalStream ErrorCode = 123 // IETF stream type
	TooManyBufferedControlFrames                   ErrorCode = 124 // too many queued control frames
)

// errorNames holds the protocol's names; those of retired and unknown codes are empty.
var errorNames = [...]string{
	NoError:                                        "NO_ERROR",
	InternalError:                                  "INTERNAL_ERROR",
	StreamDataAfterTermination:                     "STREAM_DATA_AFTER_TERMINATION",
	InvalidPacketHeader:                            "INVALID_PACKET_HEADER",
	InvalidFrameData:                               "INVALID_FRAME_DATA",
	InvalidFECData:                                 "INVALID_FEC_DATA",
	InvalidRstStreamData:                           "INVALID_RST_STREAM_DATA",
	InvalidConnectionCloseData:                     "INVALID_CONNECTION_CLOSE_DATA",
	InvalidGoawayData:                              "INVALID_GOAWAY_DATA",
	InvalidAckData:                                 "INVALID_ACK_DATA",
	InvalidVersionNegotiationPacket:                "INVALID_VERSION_NEGOTIATION_PACKET",
	InvalidPublicRstPacket:                         "INVALID_PUBLIC_RST_PACKET",
	DecryptionFailure:                              "DECRYPTION_FAILURE",
	EncryptionFailure:                              "ENCRYPTION_FAILURE",
	PacketTooLarge:                                 "PACKET_TOO_LARGE",
	PeerGoingAway:                                  "PEER_GOING_AWAY",
	InvalidStreamID:                                "INVALID_STREAM_ID",
	TooManyOpenStreams:                             "TOO_MANY_OPEN_STREAMS",
	PublicResetReceived:                            "PUBLIC_RESET",
	InvalidVersion:                                 "INVALID_VERSION",
	InvalidHeaderID:                                "INVALID_HEADER_ID",
	InvalidNegotiatedValue:                         "INVALID_NEGOTIATED_VALUE",
	DecompressionFailure:                           "DECOMPRESSION_FAILURE",
	NetworkIdleTimeout:                             "NETWORK_IDLE_TIMEOUT",
	ErrorMigratingAddress:                          "ERROR_MIGRATING_ADDRESS",
	PacketWriteError:                               "PACKET_WRITE_ERROR",
	HandshakeFailed:                                "HANDSHAKE_FAILED",
	CryptoTagsOutOfOrder:                           "CRYPTO_TAGS_OUT_OF_ORDER",
	CryptoTooManyEntries:                           "CRYPTO_TOO_MANY_ENTRIES",
	CryptoInvalidValueLength:                       "CRYPTO_INVALID_VALUE_LENGTH",
	CryptoMessageAfterHandshakeComplete:            "CRYPTO_MESSAGE_AFTER_HANDSHAKE_COMPLETE",
	InvalidCryptoMessageType:                       "INVALID_CRYPTO_MESSAGE_TYPE",
	InvalidCryptoMessageParameter:                  "INVALID_CRYPTO_MESSAGE_PARAMETER",
	CryptoMessageParameterNotFound:                 "CRYPTO_MESSAGE_PARAMETER_NOT_FOUND",
	CryptoMessageParameterNoOverlap:                "CRYPTO_MESSAGE_PARAMETER_NO_OVERLAP",
	CryptoMessageIndexNotFound:                     "CRYPTO_MESSAGE_INDEX_NOT_FOUND",
	CryptoInternalError:                            "CRYPTO_INTERNAL_ERROR",
	CryptoVersionNotSupported:                      "CRYPTO_VERSION_NOT_SUPPORTED",
	CryptoNoSupport:                                "CRYPTO_NO_SUPPORT",
	CryptoTooManyRejects:                           "CRYPTO_TOO_MANY_REJECTS",
	ProofInvalid:                                   "PROOF_INVALID",
	CryptoDuplicateTag:                             "CRYPTO_DUPLICATE_TAG",
	CryptoEncryptionLevelIncorrect:                 "CRYPTO_ENCRYPTION_LEVEL_INCORRECT",
	CryptoServerConfigExpired:                      "CRYPTO_SERVER_CONFIG_EXPIRED",
	InvalidStreamData:                              "INVALID_STREAM_DATA",
	MissingPayload:                                 "MISSING_PAYLOAD",
	InvalidPriority:                                "INVALID_PRIORITY",
	EmptyStreamFrameNoFin:                          "EMPTY_STREAM_FRAME_NO_FIN",
	PacketReadError:                                "PACKET_READ_ERROR",
	InvalidChannelIDSignature:                      "INVALID_CHANNEL_ID_SIGNATURE",
	CryptoSymmetricKeySetupFailed:                  "CRYPTO_SYMMETRIC_KEY_SETUP_FAILED",
	CryptoMessageWhileValidatingClientHello:        "CRYPTO_MESSAGE_WHILE_VALIDATING_CLIENT_HELLO",
	VersionNegotiationMismatch:                     "VERSION_NEGOTIATION_MISMATCH",
	InvalidHeadersStreamData:                       "INVALID_HEADERS_STREAM_DATA",
	InvalidWindowUpdateData:                        "INVALID_WINDOW_UPDATE_DATA",
	InvalidBlockedData:                             "INVALID_BLOCKED_DATA",
	FlowControlReceivedTooMuchData:                 "FLOW_CONTROL_RECEIVED_TOO_MUCH_DATA",
	InvalidStopWaitingData:                         "INVALID_STOP_WAITING_DATA",
	UnencryptedStreamData:                          "UNENCRYPTED_STREAM_DATA",
	ConnectionIPPooled:                             "CONNECTION_IP_POOLED",
	FlowControlSentTooMuchData:                     "FLOW_CONTROL_SENT_TOO_MUCH_DATA",
	FlowControlInvalidWindow:                       "FLOW_CONTROL_INVALID_WINDOW",
	CryptoUpdateBeforeHandshakeComplete:            "CRYPTO_UPDATE_BEFORE_HANDSHAKE_COMPLETE",
	HandshakeTimeout:                               "HANDSHAKE_TIMEOUT",
	TooManyOutstandingSentPackets:                  "TOO_MANY_OUTSTANDING_SENT_PACKETS",
	TooManyOutstandingReceivedPackets:              "TOO_MANY_OUTSTANDING_RECEIVED_PACKETS",
	ConnectionCancelled:                            "CONNECTION_CANCELLED",
	BadPacketLossRate:                              "BAD_PACKET_LOSS_RATE",
	CryptoHandshakeStatelessReject:                 "CRYPTO_HANDSHAKE_STATELESS_REJECT",
	PublicResetsPostHandshake:                      "PUBLIC_RESETS_POST_HANDSHAKE",
	TimeoutsWithOpenStreams:                        "TIMEOUTS_WITH_OPEN_STREAMS",
	FailedToSerializePacket:                        "FAILED_TO_SERIALIZE_PACKET",
	TooManyAvailableStreams:                        "TOO_MANY_AVAILABLE_STREAMS",
	UnencryptedFECData:                             "UNENCRYPTED_FEC_DATA",
	InvalidPathCloseData:                           "INVALID_PATH_CLOSE_DATA",
	BadMultipathFlag:                               "BAD_MULTIPATH_FLAG",
	IPAddressChanged:                               "IP_ADDRESS_CHANGED",
	ConnectionMigrationNoMigratableStreams:         "CONNECTION_MIGRATION_NO_MIGRATABLE_STREAMS",
	ConnectionMigrationTooManyChanges:              "CONNECTION_MIGRATION_TOO_MANY_CHANGES",
	ConnectionMigrationNoNewNetwork:                "CONNECTION_MIGRATION_NO_NEW_NETWORK",
	ConnectionMigrationNonMigratableStream:         "CONNECTION_MIGRATION_NON_MIGRATABLE_STREAM",
	TooManyRTOs:                                    "TOO_MANY_RTOS",
	ErrorMigratingPort:                             "ERROR_MIGRATING_PORT",
	OverlappingStreamData:                          "OVERLAPPING_STREAM_DATA",
	AttemptToSendUnencryptedStreamData:             "ATTEMPT_TO_SEND_UNENCRYPTED_STREAM_DATA",
	MaybeCorruptedMemory:                           "MAYBE_CORRUPTED_MEMORY",
	CryptoChloTooLarge:                             "CRYPTO_CHLO_TOO_LARGE",
	MultipathPathDoesNotExist:                      "MULTIPATH_PATH_DOES_NOT_EXIST",
	MultipathPathNotActive:                         "MULTIPATH_PATH_NOT_ACTIVE",
	TooManyStreamDataIntervals:                     "TOO_MANY_STREAM_DATA_INTERVALS",
	UnsupportedProofDemand:                         "UNSUPPORTED_PROOF_DEMAND",
	StreamSequencerInvalidState:                    "STREAM_SEQUENCER_INVALID_STATE",
	TooManySessionsOnServer:                        "TOO_MANY_SESSIONS_ON_SERVER",
	HeadersStreamDataDecompressFailure:             "HEADERS_STREAM_DATA_DECOMPRESS_FAILURE",
	StreamLengthOverflow:                           "STREAM_LENGTH_OVERFLOW",
	ConnectionMigrationDisabledByConfig:            "CONNECTION_MIGRATION_DISABLED_BY_CONFIG",
	ConnectionMigrationInternalError:               "CONNECTION_MIGRATION_INTERNAL_ERROR",
	InvalidApplicationCloseData:                    "INVALID_APPLICATION_CLOSE_DATA",
	InvalidMaxDataFrameData:                        "INVALID_MAX_DATA_FRAME_DATA",
	InvalidMaxStreamDataFrameData:                  "INVALID_MAX_STREAM_DATA_FRAME_DATA",
	MaxStreamsData:                                 "MAX_STREAMS_DATA",
	StreamsBlockedData:                             "STREAMS_BLOCKED_DATA",
	InvalidStreamBlockedData:                       "INVALID_STREAM_BLOCKED_DATA",
	InvalidNewConnectionIDData:                     "INVALID_NEW_CONNECTION_ID_DATA",
	InvalidStopSendingFrameData:                    "INVALID_STOP_SENDING_FRAME_DATA",
	InvalidPathChallengeData:                       "INVALID_PATH_CHALLENGE_DATA",
	InvalidPathResponseData:                        "INVALID_PATH_RESPONSE_DATA",
	ConnectionMigrationHandshakeUnconfirmed:        "CONNECTION_MIGRATION_HANDSHAKE_UNCONFIRMED",
	InvalidMessageData:                             "INVALID_MESSAGE_DATA",
	IETFQuicProtocolViolation:                      "IETF_QUIC_PROTOCOL_VIOLATION",
	InvalidNewToken:                                "INVALID_NEW_TOKEN",
	DataReceivedOnWriteUnidirectionalStream:        "DATA_RECEIVED_ON_WRITE_UNIDIRECTIONAL_STREAM",
	TryToWriteDataOnReadUnidirectionalStream:       "TRY_TO_WRITE_DATA_ON_READ_UNIDIRECTIONAL_STREAM",
	InvalidRetireConnectionIDData:                  "INVALID_RETIRE_CONNECTION_ID_DATA",
	StreamsBlockedError:                            "STREAMS_BLOCKED_ERROR",
	MaxStreamsError:                                "MAX_STREAMS_ERROR",
	HTTPDecoderError:                               "HTTP_DECODER_ERROR",
	StaleConnectionCancelled:                       "STALE_CONNECTION_CANCELLED",
	IETFGQUICErrorMissing:                          "IETF_GQUIC_ERROR_MISSING",
	WindowUpdateReceivedOnReadUnidirectionalStream: "WINDOW_UPDATE_RECEIVED_ON_READ_UNIDIRECTIONAL_STREAM",
	TooManyBufferedControlFrames:                   "TOO_MANY_BUFFERED_CONTROL_FRAMES",
}

// String returns the protocol's name of the code, or "ERROR_" and its number.
func (c ErrorCode) String() string {
	if c < ErrorCode(len(errorNames)) && errorNames[c] != "" {
		return errorNames[c]
	}
	return "ERROR_" + strconv.FormatUint(uint64(c), 10)
}

// Error returns what String does: a code can be the target of errors.Is.
func (c ErrorCode) Error() string { return c.String() }
