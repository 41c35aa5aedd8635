package wire

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// InfiniteDelay is the longest delay that an ACK frame can state, 0xffff in the packet.
// Chromium takes it for an unknown one.
const InfiniteDelay = 0x3ffc0000000 * time.Microsecond

// AppendUfloat16 appends the delay d as a floating-point number of microseconds with 5
// bits of exponent and 11 of mantissa, rounded down. A negative d counts as 0, and what
// is longer as InfiniteDelay. (Reference: wire, section 12.4.)
func AppendUfloat16(b []byte, d time.Duration) []byte {
	return binary.BigEndian.AppendUint16(b, ufloat16(d))
}

func ufloat16(d time.Duration) uint16 {
	switch {
	case d >= InfiniteDelay:
		return 0xffff
	case d < 0:
		return 0
	}
	// Twelve bits stay; the highest of them, always set after a shift, carries into
	// the exponent and makes it one more than the shift.
	v := uint64(d / time.Microsecond)
	shift := max(bits.Len64(v)-12, 0)
	return uint16(shift<<11) + uint16(v>>shift)
}

// DecodeUfloat16 returns the delay that v stands for, at most InfiniteDelay.
func DecodeUfloat16(v uint16) time.Duration {
	exponent, mantissa := v>>11, uint64(v&0x7ff)
	if exponent == 0 {
		return time.Duration(mantissa) * time.Microsecond
	}
	return time.Duration((mantissa+1<<11)<<(exponent-1)) * time.Microsecond
}
