package fuzz

// An Input makes choices from the bytes of a fuzzer. When they run out, every further
// choice is the first one, so that each input has an end and a shorter input is a simpler
// run. The zero Input has run out.
type Input struct{ b []byte }

// NewInput returns an Input that reads b, which it does not keep past its own life.
func NewInput(b []byte) *Input { return &Input{b} }

// Empty reports whether the bytes have run out.
func (in *Input) Empty() bool { return len(in.b) == 0 }

// Byte returns the next byte, 0 at the end.
func (in *Input) Byte() byte {
	if len(in.b) == 0 {
		return 0
	}
	v := in.b[0]
	in.b = in.b[1:]
	return v
}

// Bool returns one choice of two.
func (in *Input) Bool() bool { return in.Byte()&1 != 0 }

// Below returns a number from 0 to n-1, and 0 if n is 0.
func (in *Input) Below(n int) int {
	switch {
	case n <= 1:
		return 0
	case n <= 256:
		return int(in.Byte()) % n
	}
	return int(in.Uint(4) % uint64(n))
}

// Uint returns a number of n bytes, big-endian.
func (in *Input) Uint(n int) (v uint64) {
	for range n {
		v = v<<8 | uint64(in.Byte())
	}
	return v
}

// Number returns a number of any size: the first byte says of how many bytes it is, so
// that small numbers, and those next to a power of two, are as easy to reach as others.
func (in *Input) Number() uint64 {
	switch c := in.Byte(); {
	case c < 0xc0:
		return uint64(c)
	case c < 0xe0:
		return in.Uint(2)
	case c < 0xf0:
		return in.Uint(1 + int(c&7))
	case c < 0xf8:
		return 1<<(8*uint(c&7)+uint(in.Byte())%8) - 1
	default:
		return 1 << (8*uint(c&7) + uint(in.Byte())%8)
	}
}

// Bytes returns the next n bytes, or as many as there are. They alias the input.
func (in *Input) Bytes(n int) []byte {
	n = min(n, len(in.b))
	v := in.b[:n:n]
	in.b = in.b[n:]
	return v
}

// Rest returns what is left.
func (in *Input) Rest() []byte { return in.Bytes(len(in.b)) }
