package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A buffer may be written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// gquic runs the command as a shell would.
func gquic(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, err buffer
	status = run(ctx, args, &out, &err)
	return status, out.String(), err.String()
}

// object runs a verb with -json and returns its object.
func object(t *testing.T, want int, verb string, args ...string) map[string]any {
	t.Helper()
	status, stdout, stderr := gquic(t, append([]string{verb, "-json"}, args...)...)
	if status != want {
		t.Fatalf("gquic %s %q: exit %d, want %d: %s%s", verb, args, status, want, stdout, stderr)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(stdout), &v); err != nil || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("gquic %s %q: not one JSON object: %v\n%s", verb, args, err, stdout)
	}
	return v
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"-h"}, {"--help"}} {
		status, stdout, stderr := gquic(t, args...)
		if status != 0 || stderr != "" {
			t.Errorf("%q: exit %d, %s", args, status, stderr)
		}
		for _, v := range verbs() {
			if !strings.Contains(stdout, "gquic "+v.name) {
				t.Errorf("%q does not list %s", args, v.name)
			}
		}
	}
	for _, v := range verbs() {
		for _, args := range [][]string{{v.name, "-h"}, {"help", v.name}} {
			status, stdout, stderr := gquic(t, args...)
			if status != 0 || stderr != "" || !strings.Contains(stdout, v.summary) || !strings.Contains(stdout, "-json") {
				t.Errorf("%q: exit %d\n%s%s", args, status, stdout, stderr)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if _, stdout, _ := gquic(t, "version"); !strings.HasPrefix(stdout, "gquic ") || !strings.Contains(stdout, "Q043 Q044") {
		t.Errorf("it says %q", stdout)
	}
	if v := object(t, 0, "version"); v["go"] == "" {
		t.Errorf("it says %v", v)
	}
}

// TestMistakes: one line that says what to do, and an exit status that is not 0.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	zero := filepath.Join(dir, "zero")
	if err := os.WriteFile(zero, []byte(strings.Repeat("0", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"dance", 2, `no verb "dance"`},
		{"demo -dance", 2, "-dance"},
		{"demo now", 2, `"now" is no flag`},
		{"demo -versions Q099", 2, "Q043"},
		{"demo -versions Q043,Q043", 2, "twice"},
		{"demo -size 5parsecs", 2, "want a size"},
		{"demo -size -5KiB", 2, "want a size"},
		{"echo-client", 2, "-addr is missing"},
		{"echo-client -addr 127.0.0.1:1 -pin abc", 2, "fingerprint"},
		{"echo-client -addr 127.0.0.1:1 -streams 0 -insecure", 2, "-streams"},
		{"echo-client -addr 127.0.0.1:1 -insecure -ca " + junk, 1, "no certificate"},
		{"echo-client -addr 127.0.0.1:1 -ca " + missing, 1, "no such file"},
		{"echo-client -addr 127.0.0.1:1 -insecure -resume " + junk, 1, "delete it"},
		{"echo-client -addr 127.0.0.1:1 -insecure -resume " + empty, 1, empty + " is empty, delete it"},
		{"echo-client -addr 127.0.0.1:1 -insecure -server-name a;é", 2, `-server-name "a;é" is no host name`},
		{"echo-client -addr 127.0.0.1:1 -insecure -server-name " + strings.Repeat("a", 5000), 2, `a" is no host name`},
		{"echo-server -secret " + junk, 1, "32 bytes"},
		{"serve -secret " + zero, 1, "32 bytes"},
		{"serve -secret " + filepath.Join(missing, "secret"), 1, "no such file"},
		{"echo-client -addr nonsense -insecure", 1, "nonsense"},
		{"echo-client -addr \x1b[2J\xff -insecure", 1, `\x1b[2J\xff`},
		{"echo-client -addr 127.0.0.1:1 -insecure", 1, "refused"},
		{"echo-server -addr 127.0.0.1:99999", 1, "99999"},
		{"echo-server -cert " + junk, 2, "belong together"},
		{"echo-server -cert " + junk + " -key " + junk, 1, "PEM"},
		{"sim -loss 2", 2, "probability"},
		{"sim -rate fast", 2, "rate"},
		{"sim -version Q043,Q044", 2, "one version"},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := gquic(t, strings.Fields(c.args)...)
			if status != c.status || stdout != "" {
				t.Errorf("exit %d, want %d; stdout %q", status, c.status, stdout)
			}
			if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "gquic") || !strings.Contains(stderr, c.want) {
				t.Errorf("it says %q, want one line with %q", stderr, c.want)
			}
		})
	}
}

func TestDemo(t *testing.T) {
	status, stdout, stderr := gquic(t, "demo", "-size", "1MiB")
	if status != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", status, stderr)
	}
	for _, want := range []string{
		`<- 1  CHLO \(1350 B\)`,
		`REJ  1 \(\d+ B\), ACK \[1-1\] +->`,
		`SHLO 2 \(\d+ B\)`,
		`Q043 first contact: handshake 1 round trip .* 2097152 bytes`,
		`Q043 0-RTT: handshake 0 round trips .* 2097152 bytes`,
		`Q044 first contact: handshake 1 round trip .* 2097152 bytes`,
		`Q044 0-RTT: handshake 0 round trips .* 2097152 bytes`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("nothing matches %q in\n%s", want, stdout)
		}
	}
	v := object(t, 0, "demo", "-size", "64KiB", "-versions", "Q044")
	runs, _ := v["runs"].([]any)
	if v["ok"] != true || len(runs) != 2 {
		t.Fatalf("it says %v", v)
	}
	for i, r := range runs {
		r := r.(map[string]any)
		if r["zero_rtt"] != (i == 1) || r["handshake_rtts"] != float64(1-i) || len(r["ladder"].([]any)) < 3 {
			t.Errorf("run %d: %v", i, r)
		}
	}
}

func TestSimIsDeterministic(t *testing.T) {
	args := []string{"-size", "300kB", "-loss", "1%", "-delay", "20ms", "-rate", "10mbit"}
	one := object(t, 0, "sim", append(args, "-seed", "4")...)
	if one["ok"] != true || one["bytes"] != 300000.0 || len(one["digest"].(string)) != 64 {
		t.Errorf("it says %v", one)
	}
	if two := object(t, 0, "sim", append(args, "-seed", "4")...); two["digest"] != one["digest"] || two["seconds"] != one["seconds"] {
		t.Error("the same seed gives another run")
	}
	if two := object(t, 0, "sim", append(args, "-seed", "5")...); two["digest"] == one["digest"] {
		t.Error("another seed gives the same run")
	}
	if early := object(t, 0, "sim", append(args, "-early", "-version", "Q044")...); early["zero_rtt"] != true || early["version"] != "Q044" {
		t.Errorf("-early: %v", early)
	}
	if _, stdout, _ := gquic(t, append([]string{"sim", "-seed", "4"}, args...)...); !strings.Contains(stdout, "digest "+one["digest"].(string)) {
		t.Errorf("the text is\n%s", stdout)
	}
}
