package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
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
	if status != 0 || stderr != "" || !strings.HasPrefix(stdout, "ok: Q043, 0 bytes") || strings.Contains(stdout, "MB/s") || strings.Count(stdout, "\n") != 1 {
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

// certificateFiles makes a certificate for echo.test and its key, in PEM files.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	c, err := udp.SelfSigned("echo.test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, err := x509.MarshalPKCS8PrivateKey(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Chain[0]}), 0o600)
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	return cert, key
}

func TestCertificateFiles(t *testing.T) {
	cert, key := certificateFiles(t)
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

// TestInterrupt stops verbs at once and after a while.
func TestInterrupt(t *testing.T) {
	server := startServer(t)
	files, _ := serving(t, t.TempDir())
	for _, args := range [][]string{
		{"echo-client", "-addr", server["addr"], "-insecure", "-size", "1TB"},
		{"get", "-insecure", "-o", os.DevNull, "-o", os.DevNull, files.URL + "-/bytes/1TB", files.URL + "-/bytes/2TB"},
		{"echo-client", "-json", "-addr", server["addr"], "-insecure", "-size", "1TB"},
		{"get", "-json", "-insecure", files.URL + "-/bytes/1TB"},
		{"demo", "-size", "1TB"},
	} {
		for _, after := range []time.Duration{0, 100 * time.Millisecond} {
			ctx, cancel := context.WithCancel(context.Background())
			if after == 0 {
				cancel()
			}
			time.AfterFunc(after, cancel)
			var stdout, stderr buffer
			status := run(ctx, args, &stdout, &stderr)
			if want := "gquic " + args[0] + ": interrupted\n"; status != 1 || stderr.String() != want || args[1] == "-json" && !strings.Contains(stdout.String(), `"error":"interrupted"`) {
				t.Errorf("%s after %v: exit %d: %q %q", args[0], after, status, stdout.String(), stderr.String())
			}
		}
	}
}

// TestSecretFile restarts a server: only with a secret that it keeps does a client go on.
func TestSecretFile(t *testing.T) {
	cert, key := certificateFiles(t)
	dir := t.TempDir()
	secret, resume := filepath.Join(dir, "secret"), filepath.Join(dir, "resume")
	zeroRTT := func(args ...string) bool {
		t.Helper()
		server := startServer(t, append([]string{"-cert", cert, "-key", key}, args...)...)
		r := object(t, 0, "echo-client", "-addr", server["addr"], "-server-name", "echo.test", "-ca", cert, "-size", "1KiB", "-resume", resume)
		return r["zero_rtt"] == true
	}
	for i, want := range []bool{false, true, true} {
		if got := zeroRTT("-secret", secret); got != want {
			t.Errorf("start %d with a secret file: 0-RTT %v", i, got)
		}
		if info, err := os.Stat(secret); err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("start %d: the file is %v, %v", i, info, err)
		}
		if b, _ := os.ReadFile(secret); i == 1 { // the same in base64
			raw, err := hex.DecodeString(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(secret, []byte(base64.StdEncoding.EncodeToString(raw)), 0o600)
		}
	}
	for i := range 2 {
		if zeroRTT() {
			t.Errorf("start %d without a secret: 0-RTT with what an earlier server gave", i)
		}
	}
}

// hostile serves one connection with HTTP's settings until the client's first bytes, and
// then does to it what end says.
func hostile(t *testing.T, end func(c *udp.Conn, sock *net.UDPConn)) (addr string) {
	t.Helper()
	cert, err := udp.SelfSigned("localhost")
	if err != nil {
		t.Fatal(err)
	}
	sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := udp.NewListener(sock, &udp.Config{Conn: conn.Config{IdleTimeout: time.Second,
		Server: &handshake.HostConfig{Certificates: []handshake.Certificate{cert}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept(context.Background())
		if err != nil {
			return
		}
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			return
		}
		s.Read(make([]byte, 1))
		end(c, sock)
	}()
	return l.Addr().String()
}

// clients are the verbs that speak to a server.
func clients(addr string) [][]string {
	return [][]string{
		{"echo-client", "-addr", addr, "-insecure", "-size", "10MB"},
		{"get", "-insecure", "https://" + addr + "/"},
	}
}

// TestServerGone has a server that falls silent in the middle of a transfer.
func TestServerGone(t *testing.T) {
	for i := range clients("") {
		addr := hostile(t, func(_ *udp.Conn, sock *net.UDPConn) { sock.Close() })
		status, _, stderr := gquic(t, clients(addr)[i]...)
		if status != 1 || !strings.HasSuffix(stderr, "the server did not answer for 1 s\n") {
			t.Errorf("exit %d: %q", status, stderr)
		}
	}
}

// TestReasonForTerminals has a server whose last words are meant for the terminal.
func TestReasonForTerminals(t *testing.T) {
	for i := range clients("") {
		addr := hostile(t, func(c *udp.Conn, _ *net.UDPConn) {
			c.CloseWithError(wire.PeerGoingAway, "\x1b[2Jroot \x07\u009b\u202e\nsecond \xff")
		})
		status, _, stderr := gquic(t, clients(addr)[i]...)
		line, end := strings.CutSuffix(stderr, "\n")
		if status != 1 || !end || !strings.Contains(line, "root") || strings.ContainsFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }) || !utf8.ValidString(line) {
			t.Errorf("exit %d: %q", status, stderr)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 字":                   "plain é 字",
		"\x1b[2J\a\x7f":               `\x1b[2J\a\x7f`,
		"\u009b \u202e \ufffd \xff x": `\u009b \u202e ` + "\ufffd" + ` \xff x`,
		"a\nb\tc\r":                   `a b c\r`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
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
