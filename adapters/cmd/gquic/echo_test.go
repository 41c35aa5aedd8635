package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/x509"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// startServer runs echo-server until the test ends, and returns what it says of itself.
func startServer(t *testing.T, args ...string) (ready map[string]string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan struct{})
	var stderr buffer
	go func() {
		defer close(done)
		if status := run(ctx, append([]string{"echo-server", "-json", "-addr", "127.0.0.1:0"}, args...), w, &stderr); status != 0 {
			t.Errorf("echo-server: exit %d: %s", status, stderr.String())
		}
		w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		t.Fatalf("echo-server said nothing: %v %s", err, stderr.String())
	}
	var v struct{ Addr, Fingerprint string }
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, r)
	return map[string]string{"addr": v.Addr, "pin": v.Fingerprint}
}

func TestEcho(t *testing.T) {
	server := startServer(t)
	for _, v := range []string{"Q043", "Q044", "Q044,Q043"} {
		r := object(t, 0, "echo-client", "-addr", server["addr"], "-pin", server["pin"], "-versions", v, "-size", "300KiB", "-streams", "20")
		if r["ok"] != true || r["bytes"] != 20*300*1024.0 || r["version"] != v[:4] || r["zero_rtt"] != false {
			t.Errorf("%s: %v", v, r)
		}
	}
	status, stdout, stderr := gquic(t, "echo-client", "-addr", server["addr"], "-insecure", "-size", "0")
	if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "ok: Q043, 0 bytes") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d: %q %q", status, stdout, stderr)
	}
}

func TestResumeFile(t *testing.T) {
	server := startServer(t)
	file := filepath.Join(t.TempDir(), "resume")
	for i := range 3 {
		r := object(t, 0, "echo-client", "-addr", server["addr"], "-pin", server["pin"], "-size", "10KiB", "-resume", file)
		if r["ok"] != true || r["zero_rtt"] != (i > 0) {
			t.Errorf("run %d: %v", i, r)
		}
	}
	// Another server has another config: the file is refused there, and the run still right.
	other := startServer(t)
	r := object(t, 0, "echo-client", "-addr", other["addr"], "-pin", other["pin"], "-size", "10KiB", "-resume", file)
	if r["ok"] != true || r["zero_rtt"] != false {
		t.Errorf("another server: %v", r)
	}
}

func TestCertificateFiles(t *testing.T) {
	c, err := udp.SelfSigned("echo.test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Chain[0]}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	server := startServer(t, "-cert", cert, "-key", key)
	if server["pin"] != "" {
		t.Error("a fingerprint is printed for a certificate from a file")
	}
	if r := object(t, 0, "echo-client", "-addr", server["addr"], "-server-name", "echo.test", "-ca", cert, "-size", "1KiB"); r["ok"] != true {
		t.Errorf("%v", r)
	}
	for _, args := range [][]string{
		{"-ca", cert},                 // the name does not fit
		{"-server-name", "echo.test"}, // the system does not trust it
		{"-pin", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, // another key
	} {
		r := object(t, 1, "echo-client", append([]string{"-addr", server["addr"], "-size", "1KiB"}, args...)...)
		if r["ok"] != false || r["error"] == "" {
			t.Errorf("%q: %v", args, r)
		}
	}
}

// TestWrongBytes has a server that answers something else.
func TestWrongBytes(t *testing.T) {
	c, err := udp.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	l, err := udp.Listen("127.0.0.1:0", &udp.Config{Conn: conn.Config{Server: &handshake.HostConfig{Certificates: []handshake.Certificate{c}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answers := []func([]byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-1] },
		func(b []byte) []byte { return append(b, 0) },
	}
	go func() {
		for _, answer := range answers {
			c, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			s, err := c.AcceptStream(context.Background())
			if err != nil {
				return
			}
			b, _ := io.ReadAll(s)
			s.Write(answer(b))
			s.Close()
		}
	}()
	for i := range answers {
		if r := object(t, 1, "echo-client", "-addr", l.Addr().String(), "-insecure", "-size", "100KiB"); r["ok"] != false {
			t.Errorf("answer %d: %v", i, r)
		}
	}
}

func TestInterrupt(t *testing.T) {
	server := startServer(t)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	var stdout, stderr buffer
	status := run(ctx, []string{"echo-client", "-addr", server["addr"], "-insecure", "-size", "1TB"}, &stdout, &stderr)
	if status != 1 || stderr.String() != "gquic echo-client: interrupted\n" {
		t.Errorf("exit %d: %q %q", status, stdout.String(), stderr.String())
	}
}

// TestBinary builds the command and stops its server with the signals that a system sends.
func TestBinary(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	binary := filepath.Join(t.TempDir(), "gquic")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := exec.Command(binary, "echo-server", "-addr", "127.0.0.1:0")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		watchdog := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		var addr, pin string
		for pin == "" && lines.Scan() {
			f := strings.Fields(lines.Text())
			switch f[0] {
			case "serving":
				addr = strings.TrimSuffix(f[2], ",")
			case "fingerprint":
				pin = f[1]
			}
		}
		client := exec.Command(binary, "echo-client", "-addr", addr, "-pin", pin, "-size", "100KiB")
		if out, err := client.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok: ") {
			t.Errorf("the client: %v\n%s", err, out)
		}
		cmd.Process.Signal(signal)
		last := ""
		for lines.Scan() {
			last = lines.Text()
		}
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("after %v the server ends with %v: %s", signal, err, stderr.String())
		}
		if last != "served 1 connection, 1 stream, 102400 bytes" {
			t.Errorf("after %v it says %q", signal, last)
		}
		watchdog.Stop()
	}
	if err := exec.Command(binary, "demo", "-dance").Run(); err == nil || err.(*exec.ExitError).ExitCode() != 2 {
		t.Errorf("a wrong flag ends with %v", err)
	}
}
