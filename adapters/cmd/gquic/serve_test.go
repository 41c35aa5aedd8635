package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/gquic/adapters/h2"
	"example.com/gquic/adapters/udp"
	"example.com/gquic/conn"
	"example.com/gquic/handshake"
)

// serving runs "gquic serve -json" on a folder until the test ends, and returns what it
// says when it is ready and what it logs.
func serving(t *testing.T, dir string, args ...string) (r serveReport, log *buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out buffer
	log = new(buffer)
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"serve", "-json", "-addr", "127.0.0.1:0", "-root", dir}, args...), &out, log)
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-done; status != 0 {
			t.Errorf("serve: exit %d: %s", status, log)
		}
	})
	for range 500 {
		if err := json.Unmarshal([]byte(out.String()), &r); err == nil {
			return r, log
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it is not ready: %s%s", out.String(), log)
	return r, log
}

func TestServeAndGet(t *testing.T) {
	dir := t.TempDir()
	data := make([]byte, 3<<20)
	rand.Read(data)
	if err := os.WriteFile(filepath.Join(dir, "data.bin"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.html"), []byte("<p>hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := serving(t, dir)
	base := strings.TrimSuffix(s.URL, "/")
	get := func(want int, args ...string) string {
		t.Helper()
		status, stdout, stderr := gquic(t, append([]string{"get", "-pin", s.Fingerprint}, args...)...)
		if status != want {
			t.Fatalf("get %q: exit %d, want %d: %s", args, status, want, stderr)
		}
		return stdout
	}
	if got := get(0, base+"/data.bin"); got != string(data) {
		t.Errorf("a file came with %d bytes, or others", len(got))
	}
	if got := get(0, "-versions", "Q044", base+"/"); !strings.Contains(got, `href="data.bin"`) {
		t.Errorf("the listing is %q", got)
	}
	if got := get(0, "-i", "-H", "Range: bytes=0-9", base+"/data.bin"); !strings.HasPrefix(got, "Q043 206") || !strings.HasSuffix(got, string(data[:10])) {
		t.Errorf("a range is %q", got)
	}
	if got := get(0, "-X", "HEAD", "-i", base+"/page.html"); !strings.Contains(got, "Content-Length: 8\n") || !strings.Contains(got, "Content-Type: text/html") {
		t.Errorf("HEAD gives %q", got)
	}
	// Several URLs in their order, over one connection.
	if got := get(0, base+"/-/bytes/100KiB", base+"/page.html", base+"/-/bytes/10"); len(got) != 100<<10+8+10 || got[100<<10:100<<10+8] != "<p>hello" {
		t.Errorf("three bodies are %d bytes", len(got))
	}
	file := filepath.Join(t.TempDir(), "back")
	get(0, "-o", file, "-d", "@"+filepath.Join(dir, "data.bin"), base+"/-/echo")
	if got, err := os.ReadFile(file); !bytes.Equal(got, data) || err != nil {
		t.Errorf("the echo is %d bytes, %v", len(got), err)
	}
	if got := get(0, "-d", "words", base+"/-/echo"); got != "words" {
		t.Errorf("the echo is %q", got)
	}
	if got := get(0, "-d", "", base+"/-/echo"); got != "" {
		t.Errorf("the echo of nothing is %q", got)
	}
	get(2, "-o", file, "-o", file, base+"/", base+"/page.html")
	var headed getReport
	if err := json.Unmarshal([]byte(get(0, "-json", "-i", base+"/page.html")), &headed); err != nil || headed.Headers.Get("Content-Length") != "8" {
		t.Errorf("-json -i: %+v, %v", headed, err)
	}
	const other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	if status, _, stderr := gquic(t, "get", "-pin", other, base+"/"); status != 1 || !strings.Contains(stderr, "another key than -pin") {
		t.Errorf("another key: %d, %s", status, stderr)
	}
	get(3, base+"/missing")
	get(3, base+"/-/echo")
	var line getReport
	if err := json.Unmarshal([]byte(get(0, "-json", base+"/data.bin")), &line); err != nil || line.Bytes != int64(len(data)) || line.Version != "Q043" || !line.OK {
		t.Errorf("-json: %+v, %v", line, err)
	}
	var stats struct {
		Requests    uint64      `json:"requests"`
		Connections []connStats `json:"connections"`
	}
	if err := json.Unmarshal([]byte(get(0, base+"/-/stats")), &stats); err != nil || stats.Requests < 10 || len(stats.Connections) == 0 {
		t.Errorf("/-/stats: %+v, %v", stats, err)
	}
	if !strings.Contains(log.String(), "path=/data.bin") || !strings.Contains(log.String(), "proto=Q044 status=200") {
		t.Errorf("the log is %s", log)
	}
}

// TestServeOnlyFiles asks for what is no file of the root: it is not opened, and not found.
func TestServeOnlyFiles(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "root")
	for name, text := range map[string]string{"outside": "secret", "root/a": "a", "root/sub/b": "b"} {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out": "../outside", "abs": filepath.Join(top, "outside"), "dev": "/dev/zero", "loop": "loop", "fine": "sub/b", "nowhere": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	files := http.FileServerFS(newRootFiles(root))
	want := map[string]int{
		"/a": 200, "/sub/": 200, "/": 200, "/fine": 200, "/sub/b": 200,
		"/out": 404, "/abs": 404, "/dev": 404, "/loop": 404, "/nowhere": 404, "/none": 404, "/a/b": 404, "/../outside": 404,
		"/%00": 404, "/" + strings.Repeat("x", 5000): 404,
	}
	if l, err := net.Listen("unix", filepath.Join(dir, "socket")); err == nil {
		defer l.Close()
		want["/socket"] = 403
	}
	if err := exec.Command("mkfifo", filepath.Join(dir, "fifo")).Run(); err == nil {
		want["/fifo"] = 403
	}
	for path, status := range want {
		w := httptest.NewRecorder()
		files.ServeHTTP(w, httptest.NewRequest("GET", "https://localhost"+path, nil))
		if w.Code != status || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%.20s: status %d, want %d: %q", path, w.Code, status, w.Body)
		}
	}
}

// TestServeSecret has two servers that share a secret, and one without.
func TestServeSecret(t *testing.T) {
	cert, key := certificateFiles(t)
	secret := filepath.Join(t.TempDir(), "secret")
	client := h2.Configure(&udp.Config{Conn: conn.Config{Client: &handshake.ClientConfig{Insecure: true}}})
	var kept *handshake.Resumption
	for i, args := range [][]string{{"-secret", secret}, {"-secret", secret}, {}} {
		s, _ := serving(t, t.TempDir(), append([]string{"-cert", cert, "-key", key}, args...)...)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := udp.Dial(ctx, s.Addr, client, udp.WithResumption(kept))
		if err != nil {
			t.Fatal(err)
		}
		if kept = c.Resumption(); c.State().ZeroRTT != (i == 1) {
			t.Errorf("server %d with %q: 0-RTT %v", i, args, c.State().ZeroRTT)
		}
		c.Close()
	}
}

// TestServeSaysWhere: whoever serves on all interfaces is told so.
func TestServeSaysWhere(t *testing.T) {
	for addr, want := range map[string]bool{":0": true, "127.0.0.1:0": false} {
		ctx, cancel := context.WithCancel(context.Background())
		var out, log buffer
		done := make(chan int, 1)
		go func() { done <- run(ctx, []string{"serve", "-addr", addr, "-root", t.TempDir()}, &out, &log) }()
		for end := time.Now().Add(10 * time.Second); !strings.Contains(out.String(), "--ignore-certificate") && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if status := <-done; status != 0 || strings.Contains(out.String(), "listening on all interfaces") != want {
			t.Errorf("-addr %s: exit %d: %s%s", addr, status, out.String(), log.String())
		}
	}
}

// TestGetHeadForTerminals prints a header that is meant for the terminal.
func TestGetHeadForTerminals(t *testing.T) {
	s, _ := serving(t, t.TempDir())
	_, stdout, stderr := gquic(t, "get", "-pin", s.Fingerprint, "-i", "-d", "x", "-H", "Content-Type: text/\u009b2J", s.URL+"-/echo")
	if !strings.Contains(stdout, `Content-Type: text/\u009b2J`) {
		t.Errorf("it prints %q %q", stdout, stderr)
	}
}

func TestGetResolves(t *testing.T) {
	s, _ := serving(t, t.TempDir())
	status, stdout, stderr := gquic(t, "get", "-pin", s.Fingerprint, "-resolve", "example.com:443:"+s.Addr, "https://example.com/-/bytes/5")
	if status != 0 || len(stdout) != 5 {
		t.Errorf("exit %d, %q, %s", status, stdout, stderr)
	}
}

// A browser begins on TCP, and is told of gQUIC on the same port.
func TestServeTCP(t *testing.T) {
	s, _ := serving(t, t.TempDir(), "-tcp")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.URL + "-/bytes/7")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	_, port, _ := strings.Cut(s.Addr, ":")
	if want := `quic=":` + port + `"; ma=2592000; v="44,43"`; len(body) != 7 || resp.Header.Get("Alt-Svc") != want || resp.ProtoMajor != 2 {
		t.Errorf("%v %d bytes, Alt-Svc %q, want %q", resp.Proto, len(body), resp.Header.Get("Alt-Svc"), want)
	}
}

func TestGetMistakes(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"get", 2, "no URL"},
		{"get http://localhost/", 2, "no https URL"},
		{"get -o a -o b https://localhost/", 2, "2 times -o"},
		{"get -H bad https://localhost/", 2, "Name: value"},
		{"get -X b@d https://localhost/", 2, `-X "b@d" is no method`},
		{"get -H B@d:x https://localhost/", 2, `"B@d" is no header's name`},
		{"get -H Good:\x00 https://localhost/", 2, "control characters"},
		{"get -insecure -X PURGE https://127.0.0.1:1/", 1, "get: https://127.0.0.1:1/: "},
		{"get -resolve localhost:443 https://localhost/", 2, "HOST:PORT:IP:PORT"},
		{"get -insecure -d @" + missing + " https://127.0.0.1:1/", 1, "no such file"},
		{"get -insecure https://127.0.0.1:1/", 1, "refused"},
		{"serve -root " + missing, 1, "no such file"},
		{"serve -addr 127.0.0.1:99999", 1, "99999"},
		{"serve -cert " + missing, 2, "belong together"},
	} {
		status, stdout, stderr := gquic(t, strings.Fields(c.args)...)
		if status != c.status || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, want %d; %q%q, want %q", c.args, status, c.status, stdout, stderr, c.want)
		}
	}
}
