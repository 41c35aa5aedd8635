package handshake

import (
	"bytes"
	_ "embed" // for the sets
	"encoding/binary"
	"slices"
)

// Common certificate sets: intermediate and root certificates that clients of the time
// had built in, so that a server needs only name them (reference: handshake, section
// 11.3). They are named by FNV-1a with 64 bits over each certificate behind its length.

// Hashes of the two sets.
const (
	commonSet2 = 0xe81a92926081e801 // 54 certificates
	commonSet3 = 0x918215a28680ed7e // 52, of which 35 are in set 2 too
)

// commonData holds the certificates of both sets, sorted bytewise, as 71 records: one
// byte with bit 0 for set 2 and bit 1 for set 3, the length as u16 little-endian, DER.
// SHA-256 527dc4a2c85d29e7a9b9a0a800f4d1222bdd3698b3150d23a24383450d511f8a.
//
//go:embed data/common_certs.bin
var commonData []byte

// commonCerts2 and commonCerts3 alias commonData and are sorted as it is.
var commonCerts2, commonCerts3 = splitCommon(commonData)

func splitCommon(b []byte) (set2, set3 [][]byte) {
	for len(b) > 0 {
		end := 3 + int(binary.LittleEndian.Uint16(b[1:]))
		der := b[3:end:end]
		if b[0]&1 != 0 {
			set2 = append(set2, der)
		}
		if b[0]&2 != 0 {
			set3 = append(set3, der)
		}
		b = b[end:]
	}
	return set2, set3
}

// commonSet returns the certificates of a set, nil for one that is not known.
func commonSet(hash uint64) [][]byte {
	switch hash {
	case commonSet2:
		return commonCerts2
	case commonSet3:
		return commonCerts3
	}
	return nil
}

// CommonSetHashes returns what a client with both common certificate sets sends as CCS.
func CommonSetHashes() []byte {
	b := binary.LittleEndian.AppendUint64(nil, commonSet2)
	return binary.LittleEndian.AppendUint64(b, commonSet3)
}

// commonCert returns a certificate of a set, nil if there is no such one.
func commonCert(hash uint64, index uint32) []byte {
	set := commonSet(hash)
	if uint64(index) >= uint64(len(set)) {
		return nil
	}
	return set[index]
}

// findCommon looks for a certificate in the sets that ccs names, in its order.
func findCommon(ccs, der []byte) (hash uint64, index int, ok bool) {
	if len(ccs)%8 != 0 {
		return 0, 0, false
	}
	for ; len(ccs) > 0; ccs = ccs[8:] {
		hash = binary.LittleEndian.Uint64(ccs)
		if index, ok = slices.BinarySearchFunc(commonSet(hash), der, bytes.Compare); ok {
			return hash, index, true
		}
	}
	return 0, 0, false
}
