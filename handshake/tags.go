package handshake

import "strings"

// A Tag names a message, an entry of a message, or a value such as an algorithm. It is
// the four wire bytes read as a little-endian number, which is also what entries are
// sorted by: the last letter counts most (reference: handshake, section 1).
type Tag uint32

// MakeTag returns the tag of s: its first four bytes, filled up with zeros.
func MakeTag(s string) Tag {
	var t Tag
	for i := 0; i < len(s) && i < 4; i++ {
		t |= Tag(s[i]) << (8 * i)
	}
	return t
}

// String returns the tag's letters without trailing zeros; bytes that are not printable
// ASCII as \xff. So "CHLO", "PAD", `CRT\xff`.
func (t Tag) String() string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for ; t != 0; t >>= 8 {
		if c := byte(t); c > ' ' && c <= '~' && c != '\\' {
			s.WriteByte(c)
		} else {
			s.WriteString(`\x`)
			s.WriteByte(digits[c>>4])
			s.WriteByte(digits[c&15])
		}
	}
	return s.String()
}

// Messages (reference: handshake, section 2.1).
const (
	CHLO Tag = 'C' | 'H'<<8 | 'L'<<16 | 'O'<<24 // client hello
	REJ  Tag = 'R' | 'E'<<8 | 'J'<<16           // rejection: try again with this
	SREJ Tag = 'S' | 'R'<<8 | 'E'<<16 | 'J'<<24 // stateless rejection, obsolete
	SHLO Tag = 'S' | 'H'<<8 | 'L'<<16 | 'O'<<24 // server hello
	SCUP Tag = 'S' | 'C'<<8 | 'U'<<16 | 'P'<<24 // server config update
	SCFG Tag = 'S' | 'C'<<8 | 'F'<<16 | 'G'<<24 // server config, nested in REJ and SCUP, and the entry that holds it
	CETV Tag = 'C' | 'E'<<8 | 'T'<<16 | 'V'<<24 // encrypted block with the channel ID
	PRST Tag = 'P' | 'R'<<8 | 'S'<<16 | 'T'<<24 // body of a public reset
)

// Entries (reference: handshake, section 2.2).
const (
	PAD     Tag = 'P' | 'A'<<8 | 'D'<<16            // padding, value ignored
	SNI     Tag = 'S' | 'N'<<8 | 'I'<<16            // host name
	VER     Tag = 'V' | 'E'<<8 | 'R'<<16            // CHLO: the version tried first; SHLO: all that the server has
	CCS     Tag = 'C' | 'C'<<8 | 'S'<<16            // hashes of the common certificate sets that the client has
	CCRT    Tag = 'C' | 'C'<<8 | 'R'<<16 | 'T'<<24  // hashes of the certificates that the client holds
	XLCT    Tag = 'X' | 'L'<<8 | 'C'<<16 | 'T'<<24  // hash of the leaf certificate that the keys are made with
	STK     Tag = 'S' | 'T'<<8 | 'K'<<16            // source-address token
	SNO     Tag = 'S' | 'N'<<8 | 'O'<<16            // server nonce
	NONC    Tag = 'N' | 'O'<<8 | 'N'<<16 | 'C'<<24  // client nonce
	NONP    Tag = 'N' | 'O'<<8 | 'N'<<16 | 'P'<<24  // random bytes that make each CHLO's hash differ
	SCID    Tag = 'S' | 'C'<<8 | 'I'<<16 | 'D'<<24  // server config ID
	KEXS    Tag = 'K' | 'E'<<8 | 'X'<<16 | 'S'<<24  // key exchange methods
	TagAEAD Tag = 'A' | 'E'<<8 | 'A'<<16 | 'D'<<24  // packet protection algorithms; AEAD itself is the interface
	PUBS    Tag = 'P' | 'U'<<8 | 'B'<<16 | 'S'<<24  // public values
	ORBT    Tag = 'O' | 'B'<<8 | 'I'<<16 | 'T'<<24  // orbit, the server config's replay domain; OBIT on the wire
	EXPY    Tag = 'E' | 'X'<<8 | 'P'<<16 | 'Y'<<24  // expiry of the server config, UNIX seconds
	PDMD    Tag = 'P' | 'D'<<8 | 'M'<<16 | 'D'<<24  // proof demanded
	PROF    Tag = 'P' | 'R'<<8 | 'O'<<16 | 'F'<<24  // proof: signature over CHLO hash and server config
	CRT     Tag = 'C' | 'R'<<8 | 'T'<<16 | 0xff<<24 // compressed certificate chain; CRT\xff on the wire
	CSCT    Tag = 'C' | 'S'<<8 | 'C'<<16 | 'T'<<24  // signed certificate timestamps
	RREJ    Tag = 'R' | 'R'<<8 | 'E'<<16 | 'J'<<24  // reasons of a REJ
	STTL    Tag = 'S' | 'T'<<8 | 'T'<<16 | 'L'<<24  // seconds that the server config stays valid
	RCID    Tag = 'R' | 'C'<<8 | 'I'<<16 | 'D'<<24  // SREJ: connection ID to use next
	SVID    Tag = 'S' | 'V'<<8 | 'I'<<16 | 'D'<<24  // server's name, unofficial
	UAID    Tag = 'U' | 'A'<<8 | 'I'<<16 | 'D'<<24  // user agent
	ALPN    Tag = 'A' | 'L'<<8 | 'P'<<16 | 'N'<<24  // application protocol
	COPT    Tag = 'C' | 'O'<<8 | 'P'<<16 | 'T'<<24  // connection options
	CLOP    Tag = 'C' | 'L'<<8 | 'O'<<16 | 'P'<<24  // client's own options
	ICSL    Tag = 'I' | 'C'<<8 | 'S'<<16 | 'L'<<24  // idle timeout, seconds
	SCLS    Tag = 'S' | 'C'<<8 | 'L'<<16 | 'S'<<24  // 1: close silently on idle timeout
	MIDS    Tag = 'M' | 'I'<<8 | 'D'<<16 | 'S'<<24  // streams that the peer may have open
	MSPC    Tag = 'M' | 'S'<<8 | 'P'<<16 | 'C'<<24  // older MIDS
	CFCW    Tag = 'C' | 'F'<<8 | 'C'<<16 | 'W'<<24  // connection's receive window
	SFCW    Tag = 'S' | 'F'<<8 | 'C'<<16 | 'W'<<24  // each stream's receive window
	SRBF    Tag = 'S' | 'R'<<8 | 'B'<<16 | 'F'<<24  // socket's receive buffer, obsolete
	SMHL    Tag = 'S' | 'M'<<8 | 'H'<<16 | 'L'<<24  // 1: header list size setting understood
	TCID    Tag = 'T' | 'C'<<8 | 'I'<<16 | 'D'<<24  // bytes of connection ID wanted; 0: leave it out
	IRTT    Tag = 'I' | 'R'<<8 | 'T'<<16 | 'T'<<24  // estimate of the round-trip time, µs
	SRST    Tag = 'S' | 'R'<<8 | 'S'<<16 | 'T'<<24  // stateless reset token
	NCMR    Tag = 'N' | 'C'<<8 | 'M'<<16 | 'R'<<24  // 1: do not migrate
	ASAD    Tag = 'A' | 'S'<<8 | 'A'<<16 | 'D'<<24  // alternate server address
	CADR    Tag = 'C' | 'A'<<8 | 'D'<<16 | 'R'<<24  // client's address as the server sees it
	FHL2    Tag = 'F' | 'H'<<8 | 'L'<<16 | '2'<<24  // obsolete experiment
	FHOL    Tag = 'F' | 'H'<<8 | 'O'<<16 | 'L'<<24  // obsolete experiment
	CTIM    Tag = 'C' | 'T'<<8 | 'I'<<16 | 'M'<<24  // client's clock, obsolete
	SPSH    Tag = 'S' | 'P'<<8 | 'S'<<16 | 'H'<<24  // server push, obsolete
	SWND    Tag = 'S' | 'W'<<8 | 'N'<<16 | 'D'<<24  // server's congestion window, obsolete
	CGST    Tag = 'C' | 'G'<<8 | 'S'<<16 | 'T'<<24  // congestion feedback, obsolete
	CIDK    Tag = 'C' | 'I'<<8 | 'D'<<16 | 'K'<<24  // channel ID key
	CIDS    Tag = 'C' | 'I'<<8 | 'D'<<16 | 'S'<<24  // channel ID signature
	TBKP    Tag = 'T' | 'B'<<8 | 'K'<<16 | 'P'<<24  // token binding parameters
	RNON    Tag = 'R' | 'N'<<8 | 'O'<<16 | 'N'<<24  // public reset: nonce proof
	RSEQ    Tag = 'R' | 'S'<<8 | 'E'<<16 | 'Q'<<24  // public reset: rejected packet number
	EPID    Tag = 'E' | 'P'<<8 | 'I'<<16 | 'D'<<24  // public reset: endpoint's name
)

// Values (reference: handshake, sections 2.2 and 15.2).
const (
	X509 Tag = 'X' | '5'<<8 | '0'<<16 | '9'<<24 // PDMD: an X.509 chain
	CHID Tag = 'C' | 'H'<<8 | 'I'<<16 | 'D'<<24 // PDMD: a channel ID
	C255 Tag = 'C' | '2'<<8 | '5'<<16 | '5'<<24 // KEXS: X25519
	P256 Tag = 'P' | '2'<<8 | '5'<<16 | '6'<<24 // KEXS: ECDH on P-256
	AESG Tag = 'A' | 'E'<<8 | 'S'<<16 | 'G'<<24 // AEAD: AES-128-GCM, 12-byte tag
	CC20 Tag = 'C' | 'C'<<8 | '2'<<16 | '0'<<24 // AEAD: ChaCha20-Poly1305, 12-byte tag
	TB10 Tag = 'T' | 'B'<<8 | '1'<<16 | '0'<<24 // TBKP: token binding 1.0
	NSTP Tag = 'N' | 'S'<<8 | 'T'<<16 | 'P'<<24 // COPT: no STOP_WAITING frames
)
