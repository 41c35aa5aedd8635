package h2

import (
	"io"
	"net/http"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func TestHosts(t *testing.T) {
	w := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }), nil)
	r := w.raw(t, true)
	for _, c := range []struct{ scheme, authority, host, status string }{
		{"https", "localhost", "", "200"},
		{"https", "[::1]:443", "", "200"},
		{"https", "xn--bcher-kva.example:8443", "", "200"},
		{"http", "localhost", "", "200"},
		{"https", "", "localhost", "200"},
		{"https", "", "", "400"},
		{"https", "a/b c", "", "400"},
		{"https", "", "a/b", "400"},
		{"https", "bücher.example", "", "400"},
		{"ftp", "localhost", "", "400"},
	} {
		f := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: c.scheme}, {Name: ":path", Value: "/"}}
		if c.authority != "" {
			f = append(f, hpack.HeaderField{Name: ":authority", Value: c.authority})
		}
		if c.host != "" {
			f = append(f, hpack.HeaderField{Name: "host", Value: c.host})
		}
		s := r.open()
		r.request(s.ID(), f, true)
		s.EndWrite()
		if status, body := r.answer(s); status != c.status || status == "200" && body != c.authority+c.host {
			t.Errorf("%+v: %s %q", c, status, body)
		}
	}
}
