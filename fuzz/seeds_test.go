package fuzz

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"example.com/gquic/wire"
)

// versions are those that targets try.
var versions = []wire.Version{wire.Q039, wire.Q043, wire.Q044}

// shared finds a file of the folder of vectors and captures beside the checkout.
func shared(name string) (path string, ok bool) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "shared", "vectors", "wire.json")); err == nil {
			return filepath.Join(dir, "shared", name), true
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	return "", false
}

// A wireVector is what targets take from a case of the vectors: bytes to begin with.
type wireVector struct {
	Group   string
	SentBy  string `json:"sent_by"`
	Hex     string
	Version string
}

// wireVectors are the cases of a group, none where the vectors are not beside the checkout.
func wireVectors(f *testing.F, group string) (cases []wireVector) {
	path, ok := shared("vectors/wire.json")
	if !ok {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	var all struct{ Cases []wireVector }
	if err := json.Unmarshal(raw, &all); err != nil {
		f.Fatal(err)
	}
	for _, c := range all.Cases {
		if c.Group == group {
			cases = append(cases, c)
		}
	}
	return cases
}

func (v *wireVector) bytes(f *testing.F) []byte {
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// clip returns a copy of b that nothing can be read behind.
func clip(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c[:len(c):len(c)]
}

// within reports whether part is a piece of whole, or empty.
func within(part, whole []byte) bool {
	if len(part) == 0 {
		return true
	}
	for i := range whole {
		if &whole[i] == &part[0] {
			return i+len(part) <= len(whole)
		}
	}
	return false
}
