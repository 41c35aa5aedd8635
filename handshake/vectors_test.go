package handshake

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// hexBytes is a byte string that stands as hex in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// unhex is hex.DecodeString for literals.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectorsDir finds shared/vectors above the working directory.
func vectorsDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		v := filepath.Join(dir, "shared", "vectors")
		if _, err := os.Stat(filepath.Join(v, "wire.json")); err == nil {
			return v
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("shared/vectors is not beside this checkout; skipping vectors")
		}
		dir = up
	}
}

// loadVectors reads one group of handshake.json into v, a pointer to a slice or struct.
func loadVectors(t testing.TB, group string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorsDir(t), "handshake.json"))
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(b, &groups); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(groups[group], v); err != nil {
		t.Fatalf("%s: %v", group, err)
	}
}

// loadWireVectors decodes the cases of one group of wire.json.
func loadWireVectors[T any](t testing.TB, group string) []T {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorsDir(t), "wire.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []json.RawMessage }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var cases []T
	for _, raw := range file.Cases {
		var c struct{ Group string }
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if c.Group != group {
			continue
		}
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, v)
	}
	if len(cases) == 0 {
		t.Fatalf("no cases in group %s", group)
	}
	return cases
}

// checker is what helpers need of *testing.T and *rapid.T.
type checker interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// needCode fails unless err is an *Error with this code; 0 stands for any.
func needCode(t checker, err error, code uint32) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok {
		t.Fatalf("error is %v, want *Error with code %d", err, code)
	}
	if code != 0 && uint32(e.Code) != code {
		t.Fatalf("error %v has code %d, want %d", e, e.Code, code)
	}
}
