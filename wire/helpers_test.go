package wire_test

import (
	"errors"

	. "example.com/gquic/wire"
)

// fataler is a test of package testing or of package rapid.
type fataler interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// rangesOf collects the ranges of a frame.
func rangesOf(f *AckFrame) []AckRange {
	var ranges []AckRange
	it := f.Ranges()
	for r, ok := it.Next(); ok; r, ok = it.Next() {
		ranges = append(ranges, r)
	}
	return ranges
}

// copyFrame returns a copy of a Reader's frame that outlives the next call.
func copyFrame(f Frame) Frame {
	switch f := f.(type) {
	case *PaddingFrame:
		g := *f
		return &g
	case *RstStreamFrame:
		g := *f
		return &g
	case *ConnectionCloseFrame:
		g := *f
		return &g
	case *GoAwayFrame:
		g := *f
		return &g
	case *WindowUpdateFrame:
		g := *f
		return &g
	case *BlockedFrame:
		g := *f
		return &g
	case *StopWaitingFrame:
		g := *f
		return &g
	case *PingFrame:
		g := *f
		return &g
	case *AckFrame:
		g := *f
		return &g
	case *StreamFrame:
		g := *f
		return &g
	}
	return nil
}

// sameFrame reports whether two frames say the same, however they were coded.
func sameFrame(a, b Frame) bool {
	if a.Type() != b.Type() || a.String() != b.String() {
		return false
	}
	// Strings hold everything but the data and whether its length is stated.
	f, ok := a.(*StreamFrame)
	if !ok {
		return true
	}
	g := b.(*StreamFrame)
	return f.HasLength == g.HasLength && string(f.Data) == string(g.Data)
}

// readAll returns the frames of a payload up to its end or the first error.
func readAll(payload []byte, c Context) ([]Frame, error) {
	var r Reader
	r.Reset(payload, c)
	var frames []Frame
	for {
		f, err := r.Next()
		if err != nil || f == nil {
			return frames, err
		}
		frames = append(frames, copyFrame(f))
	}
}

// wantParseError fails unless err is a ParseError with the code.
func wantParseError(t fataler, err error, code ErrorCode) *ParseError {
	t.Helper()
	var e *ParseError
	if !errors.As(err, &e) || e.Code != code || !errors.Is(err, code) {
		t.Errorf("error %v, want code %v", err, code)
		return &ParseError{Offset: -1}
	}
	return e
}
