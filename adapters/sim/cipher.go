package sim

import (
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// NullCipher is for [conn.Config.ReplaceCipher]: packets stay as they are and end with twelve
// fixed bytes, so that all sizes are those of AES-128-GCM. It shows what encryption costs.
func NullCipher(handshake.AEAD) handshake.AEAD { return nullCipher{} }

type nullCipher struct{}

const nullTag = "not sealed!!"

func (nullCipher) Prefix() int   { return 0 }
func (nullCipher) Overhead() int { return len(nullTag) }

func (nullCipher) Seal(_ *handshake.Scratch, packet []byte, _ int, _ wire.PacketNumber) []byte {
	return append(packet, nullTag...)
}

func (nullCipher) Open(_ *handshake.Scratch, dst, packet []byte, header int, _ wire.PacketNumber) ([]byte, error) {
	end := len(packet) - len(nullTag)
	if end < header || string(packet[end:]) != nullTag {
		return dst, handshake.ErrAuthentication
	}
	return append(dst, packet[header:end]...), nil
}
