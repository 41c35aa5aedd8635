package h2

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"example.com/gquic/wire"
)

func TestGetAndPost(t *testing.T) {
	for _, v := range []wire.Version{wire.Q043, wire.Q044} {
		t.Run(v.String(), func(t *testing.T) {
			w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := sha256.New()
				n, err := io.Copy(h, r.Body)
				if err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, "%s %s %d %x", r.Method, r.URL.Path, n, h.Sum(nil))
			}), versioned(v))
			big := make([]byte, 5<<20)
			rand.Read(big)
			for i := range 3 {
				resp, err := w.client.Get(fmt.Sprintf("%s/%d", w.url, i))
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				want := fmt.Sprintf("GET /%d 0 %x", i, sha256.Sum256(nil))
				if string(got) != want || err != nil || resp.StatusCode != 200 {
					t.Fatalf("%q, %v", got, err)
				}
				resp, err = w.client.Post(w.url+"/up", "application/octet-stream", bytes.NewReader(big))
				if err != nil {
					t.Fatal(err)
				}
				got, err = io.ReadAll(resp.Body)
				want = fmt.Sprintf("POST /up %d %x", len(big), sha256.Sum256(big))
				if string(got) != want || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
			}
		})
	}
}

// Many requests at once, more than the streams that the server allows.
func TestParallel(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat(r.URL.Path, 100))
	}), nil)
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			resp, err := w.client.Get(fmt.Sprintf("%s/%d", w.url, i))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if want := strings.Repeat(fmt.Sprintf("/%d", i), 100); string(got) != want || err != nil {
				t.Errorf("%d: %q, %v", i, got, err)
			}
		})
	}
	all.Wait()
	if got := w.listener.Stats().Accepted; got != 1 {
		t.Errorf("%d connections", got)
	}
}

func TestUnknownServer(t *testing.T) {
	w := start(t, http.NotFoundHandler(), func(_ *Server, t *Transport) { t.Config.Conn.Client.Pin[0][0]++ })
	_, err := w.client.Get(w.url)
	if err == nil {
		t.Fatal("a server with another key was believed")
	}
	if !strings.Contains(err.Error(), "certificate") && !errors.Is(err, io.EOF) {
		t.Log(err)
	}
}
