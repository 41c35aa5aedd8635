package handshake

import "example.com/gquic/wire"

// The two machines do nothing but what stands in their tables: an input that a state has
// no row for takes the row of any state. docs/handshake-states.md is printed from them.

// A Transition is a row of a machine's table, in words.
type Transition struct {
	State, Input, Next, Action string
	Code                       wire.ErrorCode // that the connection closes with, where it is fixed
}

// ClientTransitions returns all that a client's handshake may do.
func ClientTransitions() []Transition { return transitions(clientTable) }

// ServerTransitions returns all that a server's handshake may do.
func ServerTransitions() []Transition { return transitions(serverTable) }

// word is a state, input or action: a number with a text.
type word interface {
	~uint8
	String() string
}

type row[S, I, A word] struct {
	state  S
	input  I
	next   S
	action A
	code   wire.ErrorCode
}

// find returns the row for an input in a state, or that for any state; -1 if neither is
// there. State 0 is "any".
func find[S, I, A word](table []row[S, I, A], state S, input I) int {
	fallback := -1
	for i := range table {
		if table[i].input != input {
			continue
		}
		if table[i].state == state {
			return i
		}
		if table[i].state == 0 {
			fallback = i
		}
	}
	return fallback
}

func transitions[S, I, A word](table []row[S, I, A]) []Transition {
	list := make([]Transition, len(table))
	for i, r := range table {
		list[i] = Transition{r.state.String(), r.input.String(), r.next.String(), r.action.String(), r.code}
	}
	return list
}

func name[W ~uint8](w W, names []string) string {
	if int(w) < len(names) {
		return names[w]
	}
	return "invalid"
}

// ---- client

type clientState uint8

const (
	clientAny clientState = iota
	clientIdle
	clientChecking
	clientHello
	clientProving
	clientFull
	clientConfirmed // from here on the handshake is complete
	clientUpdating
	clientClosed
)

// String returns the state's name.
func (s clientState) String() string {
	return name(s, []string{"any", "idle", "checking", "hello", "proving", "full", "confirmed", "updating", "closed"})
}

type clientInput uint8

const (
	clientNothing clientInput = iota
	clientStartFresh
	clientStartStored
	clientProofGood
	clientProofBad
	clientRejectBare
	clientRejectProof
	clientRejectKnown
	clientRejectTooMany
	clientRejectEncrypted
	clientServerHello
	clientServerHelloLevel
	clientUpdateProof
	clientUpdateBare
	clientUpdateEarly
	clientUpdateLevel
	clientLate
	clientWrongType
)

// String says in words what came in.
func (i clientInput) String() string {
	return name(i, []string{"nothing", "start, no usable config stored", "start, config stored", "proof is good",
		"proof is bad", "REJ, config not proved yet", "REJ with proof and chain", "REJ, config already proved",
		"REJ to the last CHLO", "REJ in an encrypted packet", "SHLO under initial keys", "SHLO at another level",
		"SCUP with proof and chain", "SCUP without proof", "SCUP before SHLO", "SCUP not forward-secure",
		"another message after SHLO", "another message before SHLO"})
}

type clientAction uint8

const (
	clientNone clientAction = iota
	clientClose
	clientSendInchoate
	clientVerifyStored
	clientForget
	clientTakeAsk
	clientTakeVerify
	clientTakeHello
	clientSendFull
	clientComplete
	clientTakeToken
	clientVerifyUpdate
	clientStore
)

// String says in words what is done.
func (a clientAction) String() string {
	return name(a, []string{"nothing", "close", "send inchoate CHLO", "verify the stored proof",
		"forget the config, send inchoate CHLO", "take config and token, send inchoate CHLO with both",
		"take config and token, verify the proof", "take token, send full CHLO; initial keys",
		"send full CHLO; initial keys", "forward-secure keys; confirmed; store",
		"take token; store", "verify the proof", "store"})
}

// clientTable is the client's half of sections 4, 12 and 14 of the handshake reference.
var clientTable = []row[clientState, clientInput, clientAction]{
	{clientIdle, clientStartFresh, clientHello, clientSendInchoate, 0},
	{clientIdle, clientStartStored, clientChecking, clientVerifyStored, 0},
	{clientChecking, clientProofGood, clientFull, clientSendFull, 0},
	{clientChecking, clientProofBad, clientHello, clientForget, 0},
	{clientHello, clientRejectBare, clientHello, clientTakeAsk, 0},
	{clientHello, clientRejectProof, clientProving, clientTakeVerify, 0},
	{clientProving, clientProofGood, clientFull, clientSendFull, 0},
	{clientProving, clientProofBad, clientClosed, clientClose, wire.ProofInvalid},
	{clientFull, clientRejectBare, clientHello, clientTakeAsk, 0},
	{clientFull, clientRejectProof, clientProving, clientTakeVerify, 0},
	{clientFull, clientRejectKnown, clientFull, clientTakeHello, 0},
	{clientFull, clientServerHello, clientConfirmed, clientComplete, 0},
	{clientConfirmed, clientUpdateProof, clientUpdating, clientVerifyUpdate, 0},
	{clientConfirmed, clientUpdateBare, clientConfirmed, clientTakeToken, 0},
	{clientUpdating, clientProofGood, clientConfirmed, clientStore, 0},
	{clientUpdating, clientProofBad, clientClosed, clientClose, wire.ProofInvalid},
	{clientAny, clientRejectTooMany, clientClosed, clientClose, wire.CryptoTooManyRejects},
	{clientAny, clientRejectEncrypted, clientClosed, clientClose, wire.CryptoEncryptionLevelIncorrect},
	{clientAny, clientServerHelloLevel, clientClosed, clientClose, wire.CryptoEncryptionLevelIncorrect},
	{clientHello, clientServerHello, clientClosed, clientClose, wire.InvalidCryptoMessageType},
	{clientAny, clientUpdateEarly, clientClosed, clientClose, wire.CryptoUpdateBeforeHandshakeComplete},
	{clientAny, clientUpdateLevel, clientClosed, clientClose, wire.CryptoEncryptionLevelIncorrect},
	{clientAny, clientLate, clientClosed, clientClose, wire.CryptoMessageAfterHandshakeComplete},
	{clientAny, clientWrongType, clientClosed, clientClose, wire.InvalidCryptoMessageType},
}

// ---- server

type serverState uint8

const (
	serverAny serverState = iota
	serverWaiting
	serverSigning
	serverConfirmed // from here on the handshake is complete
	serverUpdating
	serverClosed
)

// String returns the state's name.
func (s serverState) String() string {
	return name(s, []string{"any", "waiting", "signing", "confirmed", "updating", "closed"})
}

type serverInput uint8

const (
	serverNothing serverInput = iota
	serverRejectBare
	serverRejectProof
	serverFull
	serverSigned
	serverUnsigned
	serverRepeat
	serverOther
	serverUpdate
	serverTooMany
	serverShort
	serverDowngraded
	serverNoDemand
	serverMalformed
	serverLevel
	serverLate
	serverWrongType
)

// String says in words what came in.
func (i serverInput) String() string {
	return name(i, []string{"nothing", "CHLO to refuse, proof not allowed yet", "CHLO to refuse, proof allowed",
		"full CHLO", "signature", "no signature", "the same CHLO again", "another CHLO",
		"update wanted", "one CHLO too many", "CHLO of less than 1024 bytes",
		"CHLO of a client that first tried a version that we have", "CHLO that takes no X.509 proof",
		"CHLO with a malformed or missing entry", "CHLO in an encrypted packet",
		"another message after SHLO", "another message before SHLO"})
}

type serverAction uint8

const (
	serverNone serverAction = iota
	serverClose
	serverSendBare
	serverSign
	serverSendProof
	serverAccept
	serverWait
	serverIgnore
	serverSignUpdate
	serverSendUpdate
)

// String says in words what is done.
func (a serverAction) String() string {
	return name(a, []string{"nothing", "close", "send REJ: token, config, reasons", "sign CHLO hash and config",
		"send REJ: token, config, reasons, proof, chain",
		"initial keys; send SHLO under them; forward-secure keys; confirmed",
		"wait for the signature", "ignore", "sign CHLO hash and newest config", "send SCUP"})
}

// serverTable is the server's half of sections 4, 12 and 13 of the handshake reference.
var serverTable = []row[serverState, serverInput, serverAction]{
	{serverWaiting, serverRejectBare, serverWaiting, serverSendBare, 0},
	{serverWaiting, serverRejectProof, serverSigning, serverSign, 0},
	{serverSigning, serverSigned, serverWaiting, serverSendProof, 0},
	{serverSigning, serverUnsigned, serverClosed, serverClose, wire.HandshakeFailed},
	{serverSigning, serverRepeat, serverSigning, serverWait, 0},
	{serverSigning, serverOther, serverClosed, serverClose, wire.CryptoMessageWhileValidatingClientHello},
	{serverWaiting, serverFull, serverConfirmed, serverAccept, 0},
	{serverWaiting, serverTooMany, serverClosed, serverClose, wire.CryptoTooManyRejects},
	{serverWaiting, serverShort, serverClosed, serverClose, wire.CryptoInvalidValueLength},
	{serverWaiting, serverDowngraded, serverClosed, serverClose, wire.VersionNegotiationMismatch},
	{serverWaiting, serverNoDemand, serverClosed, serverClose, wire.UnsupportedProofDemand},
	{serverWaiting, serverMalformed, serverClosed, serverClose, 0},
	{serverConfirmed, serverRepeat, serverConfirmed, serverIgnore, 0},
	{serverConfirmed, serverUpdate, serverUpdating, serverSignUpdate, 0},
	{serverUpdating, serverSigned, serverConfirmed, serverSendUpdate, 0},
	{serverUpdating, serverUnsigned, serverConfirmed, serverNone, 0},
	{serverUpdating, serverRepeat, serverUpdating, serverIgnore, 0},
	{serverAny, serverLevel, serverClosed, serverClose, wire.CryptoEncryptionLevelIncorrect},
	{serverAny, serverLate, serverClosed, serverClose, wire.CryptoMessageAfterHandshakeComplete},
	{serverAny, serverWrongType, serverClosed, serverClose, wire.InvalidCryptoMessageType},
}
