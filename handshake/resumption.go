package handshake

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// A Resumption is what a client keeps of a connection so that the next one to the same
// server can send data at once (0-RTT): the server config with its proof and chain, and
// the token that proves the client's address. It is immutable, but for UnmarshalBinary.
//
// It holds no secret: whoever reads it learns which server was visited.
type Resumption struct {
	serverName string
	config     *ServerConfig
	expiry     int64 // UNIX seconds; the server may have said less than the config does
	token      []byte
	proof      proof
	peer       Params
}

// A proof is a server's signature over its config, with what it was made for.
type proof struct {
	chain     [][]byte // DER, leaf first
	signature []byte
	chloHash  [32]byte // of the CHLO that it answered
}

// ServerName returns the name of the host that the server proved to be.
func (r *Resumption) ServerName() string { return r.serverName }

// Expiry returns the UNIX seconds from which on the server config is of no use.
func (r *Resumption) Expiry() int64 { return r.expiry }

// Config returns the server config.
func (r *Resumption) Config() *ServerConfig { return r.config }

// Peer returns the transport parameters that the server had, which a client may assume
// for 0-RTT data (reference: handshake, section 15.1). Only MaxStreams,
// ConnectionWindow, StreamWindow and IdleTimeout are kept.
func (r *Resumption) Peer() Params { return r.peer }

// A ResumptionError says why stored bytes are not a [Resumption].
type ResumptionError struct {
	What string
	Err  error // cause, may be nil
}

// Error says what is wrong.
func (e *ResumptionError) Error() string {
	s := "handshake: stored resumption: " + e.What
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *ResumptionError) Unwrap() error { return e.Err }

// Limits of a stored resumption. They bound what a damaged or forged file can cost, and
// are above all that a server can send.
const (
	resumptionVersion  = 1
	resumptionChecksum = 8

	maxStoredName  = 255             // a DNS name
	maxStoredValue = MaxMessageSize  // each came in one message
	maxStoredChain = 32              // certificates
	maxStoredCert  = 128 << 10       // what a compressed chain may inflate to
	maxStored      = 4 * (128 << 10) // in all
)

// MarshalBinary returns r as bytes to be stored: a version byte, the fields, each with
// its length, and a checksum.
func (r *Resumption) MarshalBinary() ([]byte, error) {
	if r.config == nil {
		return nil, &ResumptionError{What: "it is empty"}
	}
	b := []byte{resumptionVersion}
	b = appendField(b, []byte(r.serverName))
	b = appendField(b, r.config.raw)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.expiry))
	b = appendField(b, r.token)
	b = append(b, r.proof.chloHash[:]...)
	b = appendField(b, r.proof.signature)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.proof.chain)))
	for _, der := range r.proof.chain {
		b = appendField(b, der)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(r.peer.IdleTimeout))
	b = binary.LittleEndian.AppendUint32(b, r.peer.MaxStreams)
	b = binary.LittleEndian.AppendUint32(b, r.peer.ConnectionWindow)
	b = binary.LittleEndian.AppendUint32(b, r.peer.StreamWindow)
	sum := sha256.Sum256(b)
	return append(b, sum[:resumptionChecksum]...), nil
}

func appendField(b, v []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
}

// UnmarshalBinary reads what MarshalBinary wrote. Anything else is a *ResumptionError,
// and r stays as it was.
func (r *Resumption) UnmarshalBinary(data []byte) error {
	switch {
	case len(data) < 1+resumptionChecksum || len(data) > maxStored:
		return &ResumptionError{What: "its size cannot be"}
	case data[0] != resumptionVersion:
		return &ResumptionError{What: "unknown version"}
	}
	body, checksum := data[:len(data)-resumptionChecksum], data[len(data)-resumptionChecksum:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:resumptionChecksum], checksum) {
		return &ResumptionError{What: "its checksum is wrong"}
	}
	f := fields{b: bytes.Clone(body[1:])}
	var out Resumption
	out.serverName = string(f.field(maxStoredName))
	config := f.field(maxStoredValue)
	out.expiry = int64(f.uint64())
	out.token = f.field(maxStoredValue)
	copy(out.proof.chloHash[:], f.take(len(out.proof.chloHash)))
	out.proof.signature = f.field(maxStoredValue)
	n := f.uint32()
	if n == 0 || n > maxStoredChain {
		return &ResumptionError{What: "number of certificates"}
	}
	for range n {
		out.proof.chain = append(out.proof.chain, f.field(maxStoredCert))
	}
	out.peer.IdleTimeout = time.Duration(f.uint64())
	out.peer.MaxStreams = f.uint32()
	out.peer.ConnectionWindow = f.uint32()
	out.peer.StreamWindow = f.uint32()
	if f.short || len(f.b) != 0 {
		return &ResumptionError{What: "its fields do not add up"}
	}
	var err error
	if out.config, err = ParseServerConfig(config); err != nil {
		return &ResumptionError{What: "server config", Err: err}
	}
	*r = out
	return nil
}

// fields takes b apart; short says that something did not fit.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if f.short || n > len(f.b) {
		f.short = true
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

func (f *fields) field(limit uint32) []byte {
	n := f.uint32()
	if n > limit {
		f.short = true
	}
	return f.take(int(n))
}

func (f *fields) uint32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f *fields) uint64() uint64 {
	if b := f.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
