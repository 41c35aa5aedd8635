package handshake

import "example.com/gquic/wire"

// An OutputKind says what an [Output] is.
type OutputKind uint8

const (
	NoOutput OutputKind = iota
	// SendMessage: send Data on the crypto stream, in packets of Level.
	SendMessage
	// InstallKeys: from now on packets of Level can be sealed and opened. A nil Seal or
	// Open leaves what is there.
	InstallKeys
	// NeedSignature asks for ProofSigned: the server's proof has to be signed.
	NeedSignature
	// NeedVerification asks for ProofVerified: the server's chain and proof have to be checked.
	NeedVerification
	// Negotiated tells the peer's transport parameters.
	Negotiated
	// Rejected tells a client that the server wants another CHLO.
	Rejected
	// Confirmed says that the handshake is complete: everything is forward-secure now.
	Confirmed
	// ResumptionReady says that Client.Resumption has something new to store.
	ResumptionReady
)

// String returns the kind's name in words.
func (k OutputKind) String() string {
	names := [...]string{"no output", "send message", "install keys", "need signature",
		"need verification", "negotiated", "rejected", "confirmed", "resumption ready"}
	if int(k) < len(names) {
		return names[k]
	}
	return "invalid output"
}

// An Output is something that a machine wants done, or tells. Which fields count depends
// on the kind. Outputs must be carried out in the order of Next:
//
//	client  SendMessage(CHLO) … Rejected … NeedVerification … SendMessage(full CHLO)
//	        InstallKeys(initial) … InstallKeys(forward-secure) Negotiated Confirmed ResumptionReady
//	server  SendMessage(REJ) … NeedSignature … InstallKeys(initial) Negotiated
//	        SendMessage(SHLO, initial) InstallKeys(forward-secure) Confirmed
type Output struct {
	Kind  OutputKind
	Level Level // SendMessage, InstallKeys

	// Data is a whole handshake message, for SendMessage. It belongs to the machine and
	// is valid until the machine's next call.
	Data []byte

	// Seal and Open are the keys of InstallKeys. A client's Open of the initial level is
	// nil: it depends on a nonce in the server's packets, see Client.Diversify.
	Seal, Open AEAD
	// Nonce is the diversification nonce, for a server's InstallKeys of the initial
	// level: it goes into the header of every packet sealed with these keys.
	Nonce [32]byte

	// Params are the peer's transport parameters, for Negotiated; IdleTimeout and
	// SilentClose are what both sides settled on.
	Params Params

	Signature    *SignatureRequest    // NeedSignature
	Verification *VerificationRequest // NeedVerification

	// Refused is set in a Rejected that answers a full CHLO: the initial keys that came
	// with it are void, and what was sent under them has to be sent again under the next.
	Refused bool
	// Reasons are the server's reasons for a Rejected, for the log (reference:
	// handshake, section 13.5; see ReasonString).
	Reasons []uint32
}

// MaxOutputs bounds the outputs that a machine holds. A machine with too little room for
// what one message can leave takes none until some outputs are taken.
const MaxOutputs = 16

// outputsPerMessage is what a full CHLO leaves: keys, parameters, SHLO, keys, Confirmed.
const outputsPerMessage = 5

// outputs is a machine's queue. It holds no memory while it is empty, which is most of a
// connection's life.
type outputs struct{ list []Output }

func (q *outputs) push(o ...Output) { q.list = append(q.list, o...) }

func (q *outputs) next() (Output, bool) {
	if len(q.list) == 0 {
		return Output{}, false
	}
	o := q.list[0]
	if q.list = q.list[1:]; len(q.list) == 0 {
		q.list = nil
	}
	return o, true
}

// full says that the next input might not have room.
func (q *outputs) full() bool { return len(q.list) > MaxOutputs-outputsPerMessage }

func (q *outputs) clone() outputs { return outputs{append([]Output(nil), q.list...)} }

// Reasons for a REJ, in its RREJ entry (reference: handshake, section 13.5).
const (
	ReasonNonceLength         uint32 = 2  // NONC is not of 32 bytes
	ReasonServerNonceMismatch uint32 = 9  // SNO is not the one that was sent
	ReasonInchoate            uint32 = 12 // no SCID or no NONC
	ReasonUnknownConfig       uint32 = 13 // SCID unknown or over
	ReasonNoToken             uint32 = 14
	ReasonTokenUndecryptable  uint32 = 15
	ReasonTokenMalformed      uint32 = 16
	ReasonTokenOtherAddress   uint32 = 17
	ReasonTokenFromFuture     uint32 = 18
	ReasonTokenExpired        uint32 = 19
	ReasonServerNonceRequired uint32 = 20
	ReasonOtherLeaf           uint32 = 21 // XLCT is missing, or not the hash of the leaf
)

// ReasonString says in words what a reason of a REJ means.
func ReasonString(reason uint32) string {
	names := [...]string{"none", "client nonce: unknown failure", "client nonce has the wrong length",
		"client nonce seen before", "client nonce of another orbit", "client nonce's time out of range",
		"client nonce: replay store timed out", "client nonce: no replay store",
		"server nonce does not decrypt", "server nonce is another one", "server nonce seen before",
		"server nonce's time out of range", "CHLO is inchoate", "server config unknown", "no token",
		"token does not decrypt", "token does not parse", "token is for another address",
		"token is from the future", "token expired", "server nonce required",
		"keys are made with another leaf certificate"}
	if reason < uint32(len(names)) {
		return names[reason]
	}
	return "unknown reason"
}

// versionList decodes the versions of a VER entry; false if it is not a list of them.
func versionList(b []byte) ([]wire.Version, bool) {
	if len(b) == 0 || len(b)%4 != 0 {
		return nil, false
	}
	list := make([]wire.Version, 0, len(b)/4)
	for ; len(b) > 0; b = b[4:] {
		list = append(list, wire.Version(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8|uint32(b[3])))
	}
	return list, true
}

// appendVersions is the reverse: labels in the byte order of packet headers.
func appendVersions(b []byte, list ...wire.Version) []byte {
	for _, v := range list {
		b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return b
}
