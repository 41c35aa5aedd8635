// Package fuzz holds what the fuzz targets and property tests of gquic have in common:
// an Input that makes structured choices from fuzz bytes, generators of frames, payloads
// and handshake messages that reach deep states instead of dying at the first check, and
// a small world of endpoints whose every decision is read from an Input.
//
//	go test ./fuzz                              every target on its seeds, and the properties
//	go test -fuzz=FuzzFrames ./fuzz             one target, until it is stopped
//	go run ./fuzz/run -time 10m                 every target in turn, with a table at the end
//
// The targets check properties, not only the absence of panics; docs/testing.md lists
// them, and says what to do with a finding. Nothing here reads a clock, starts a goroutine
// or draws randomness: an input is all that a run depends on.
package fuzz
