package handshake

import (
	"compress/zlib"
	_ "embed" // for the dictionary
	"encoding/binary"

	"example.com/gquic/wire"
)

// The compressed chain of CRT\xff (reference: handshake, section 11.3):
//
//	 entry  entry …  0   length   zlib stream
//	├────────────────┤  ├────────────────────┤ only with compressed entries
//
//	1                      compressed: in the stream
//	2 hash (8)             cached: the client said in CCRT that it has it
//	3 set (8) index (4)    common: from a set that the client named in CCS
//
// The stream inflates to each compressed certificate, behind its length, with a preset
// dictionary of the other certificates and of substrings that many have.

const (
	entryEnd        = 0
	entryCompressed = 1
	entryCached     = 2
	entryCommon     = 3

	// maxInflated bounds what a stream inflates to (reference: handshake, section 11.3).
	maxInflated = 128 << 10

	// maxChain bounds the certificates of a chain. Chains in use have 2 to 4; those with
	// cross-signed roots, a few more.
	maxChain = 16
)

// certDictionary holds substrings that are common in certificates: 1484 bytes that all
// implementations share (reference: handshake, section 11.3). SHA-256
// fbb45ae4cd390c4384cd107aefc7f6d51c325e210234997da4dc481475e6e3c9.
//
//go:embed data/cert_dictionary.bin
var certDictionary []byte

// CertHash returns the FNV-1a hash with 64 bits that names a certificate in CCRT, XLCT and
// compressed chains.
func CertHash(der []byte) uint64 { return fnv64(fnv64Basis, der) }

const fnv64Basis = 0xcbf29ce484222325

func fnv64(h uint64, b []byte) uint64 {
	for _, c := range b {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	return h
}

// CompressChain appends the chain in compressed form. ccs and ccrt are what the client
// sent under these tags; they are taken for absent if their length is no multiple of 8.
// The stream is deflated by the standard library, so its bytes, not its content, may
// change with the version of Go. A chain that no client would take, of more than 16
// certificates or 128 KiB, is an *[Error] with code 38.
func CompressChain(b []byte, chain [][]byte, ccs, ccrt []byte) ([]byte, error) {
	if len(chain) > maxChain {
		return b, fault(wire.CryptoInternalError, "certificate chain of more than 16 certificates")
	}
	var plain []byte
	var known [][]byte
	for _, der := range chain {
		hash := CertHash(der)
		if containsHash(ccrt, hash) {
			b = append(b, entryCached)
			b = binary.LittleEndian.AppendUint64(b, hash)
			known = append(known, der)
		} else if set, index, ok := findCommon(ccs, der); ok {
			b = append(b, entryCommon)
			b = binary.LittleEndian.AppendUint64(b, set)
			b = binary.LittleEndian.AppendUint32(b, uint32(index))
			known = append(known, der)
		} else {
			b = append(b, entryCompressed)
			plain = binary.LittleEndian.AppendUint32(plain, uint32(len(der)))
			plain = append(plain, der...)
		}
	}
	b = append(b, entryEnd)
	if len(plain) == 0 {
		return b, nil
	}
	if len(plain) > maxInflated {
		return b, fault(wire.CryptoInternalError, "certificate chain of more than 128 KiB")
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(plain)))
	return deflate(b, plain, dictionary(known))
}

// containsHash reports whether h is among list's hashes.
func containsHash(list []byte, h uint64) bool {
	if len(list)%8 != 0 {
		return false
	}
	for ; len(list) > 0; list = list[8:] {
		if binary.LittleEndian.Uint64(list) == h {
			return true
		}
	}
	return false
}

// dictionary returns the preset dictionary of a chain whose cached and common
// certificates are known, in chain order: they stand in it last one first.
func dictionary(known [][]byte) []byte {
	if len(known) == 0 {
		return certDictionary
	}
	var d []byte
	for i := len(known) - 1; i >= 0; i-- {
		d = append(d, known[i]...)
	}
	return append(d, certDictionary...)
}

// An appender is an io.Writer that appends.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

func deflate(b, plain, dict []byte) ([]byte, error) {
	out := appender(b)
	z, err := zlib.NewWriterLevelDict(&out, zlib.DefaultCompression, dict)
	if err == nil {
		_, err = z.Write(plain)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return b, &Error{Code: wire.CryptoInternalError, What: "deflating the certificate chain", Err: err}
	}
	return out, nil
}

// DecompressChain returns the certificates of a compressed chain, in order. cached are
// those that the client offered in CCRT; certificates of a common set are found without.
// Results may share memory with cached, and with each other; do not change them. Any
// fault in b is an *[Error] with code 34. At most 128 KiB are inflated, and what the
// inflated length promises is all that is allocated for them.
func DecompressChain(b []byte, cached [][]byte) ([][]byte, error) {
	var chain, known [][]byte
	var packed [maxChain]bool
	var stream bool // some certificate is in the stream
	for {
		der, n, err := readEntry(b, cached)
		if err != nil {
			return nil, err
		}
		kind := b[0]
		b = b[n:]
		if kind == entryEnd {
			break
		}
		if len(chain) == maxChain {
			return nil, badParameter("certificate chain of more than 16 certificates")
		}
		if kind == entryCompressed {
			packed[len(chain)], stream = true, true
		} else {
			known = append(known, der)
		}
		chain = append(chain, der)
	}
	if !stream {
		if len(b) > 0 {
			return nil, badParameter("bytes after a certificate chain without compressed entries")
		}
		return chain, nil
	}
	plain, err := inflate(b, known)
	if err != nil {
		return nil, err
	}
	for i := range chain {
		if !packed[i] {
			continue
		}
		if len(plain) < 4 || uint64(len(plain)-4) < uint64(binary.LittleEndian.Uint32(plain)) {
			return nil, badParameter("certificate longer than the inflated data")
		}
		end := 4 + binary.LittleEndian.Uint32(plain)
		chain[i], plain = plain[4:end:end], plain[end:]
	}
	if len(plain) > 0 {
		return nil, badParameter("inflated data after the last certificate")
	}
	return chain, nil
}

// readEntry reads the entry that b starts with, n bytes: a certificate that is known, or
// nil for a compressed one and for the end.
func readEntry(b []byte, cached [][]byte) (der []byte, n int, err error) {
	if len(b) == 0 {
		return nil, 0, badParameter("certificate entries do not end")
	}
	size := [...]int{entryEnd: 1, entryCompressed: 1, entryCached: 9, entryCommon: 13}
	if int(b[0]) >= len(size) {
		return nil, 0, badParameter("unknown certificate entry")
	}
	if n = size[b[0]]; len(b) < n {
		return nil, 0, badParameter("certificate entry cut short")
	}
	switch b[0] {
	case entryCached:
		hash := binary.LittleEndian.Uint64(b[1:])
		for _, c := range cached {
			if CertHash(c) == hash {
				return c, n, nil
			}
		}
		return nil, 0, badParameter("cached certificate was not offered")
	case entryCommon:
		der = commonCert(binary.LittleEndian.Uint64(b[1:]), binary.LittleEndian.Uint32(b[9:]))
		if der == nil {
			return nil, 0, badParameter("unknown common certificate")
		}
	}
	return der, n, nil
}

// inflate reads length and stream, the whole of b.
func inflate(b []byte, known [][]byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, badParameter("inflated length missing")
	}
	size := binary.LittleEndian.Uint32(b)
	if size > maxInflated {
		return nil, badParameter("certificates inflate to more than 128 KiB")
	}
	return inflateZlib(b[4:], dictionary(known), int(size))
}
