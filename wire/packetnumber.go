package wire

// PacketNumberLen returns how many bytes of pn go into the header: 2, or 4 when the
// receiver may lag so far behind that 2 would be ambiguous. leastUnacked is the
// smallest number sent that is not acknowledged yet. A long header always has 4.
// (Reference: wire, section 5.1; what quic-go sends, safe with every peer.)
func PacketNumberLen(pn, leastUnacked PacketNumber) int {
	if pn-leastUnacked < 1<<15 {
		return 2
	}
	return 4
}

// DecodePacketNumber returns the full packet number of which truncated is what the
// header holds in length bytes. largest is the largest number that arrived and
// authenticated so far in this direction, 0 if none. A result of 0 is no packet
// number: drop the packet.
//
// It is the number nearest to largest+1 that ends in truncated; of two equally near
// ones that whose upper bytes are not those of largest. (Reference: wire, section 5.2.)
func DecodePacketNumber(truncated PacketNumber, length int, largest PacketNumber) PacketNumber {
	window := PacketNumber(1) << (8 * uint(length))
	next := largest + 1
	same := largest&^(window-1) + truncated
	below, above := same-window, same+window // below may wrap, and is far away then

	nearest := above
	if distance(below, next) < distance(nearest, next) {
		nearest = below
	}
	if distance(same, next) < distance(nearest, next) {
		nearest = same
	}
	return nearest
}

func distance(a, b PacketNumber) PacketNumber {
	if a > b {
		return a - b
	}
	return b - a
}
