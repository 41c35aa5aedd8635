package h2

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

// A malformed message costs its stream, not the connection.
type malformed string

func (m malformed) Error() string { return "malformed headers: " + string(m) }

// validName reports whether a header name is a token in lower case, as it must be on the
// wire: Chromium and LiteSpeed break off over anything else (reference: live checks).
func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// validValue reports whether a header value has no control characters but tabs.
func validValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// A message is a header list, taken apart.
type message struct {
	method, scheme, authority, path string
	status                          int
	finalOffset                     string // of trailers
	header                          http.Header
	pseudo                          int // how many pseudo-headers there were
}

// parseFields takes a header list apart: pseudo-headers first and once each, names in
// lower case (RFC 7540, section 8.1.2).
func parseFields(fields []hpack.HeaderField) (m message, err error) {
	m.header = make(http.Header, len(fields))
	for i, f := range fields {
		if !validValue(f.Value) {
			return m, malformed(fmt.Sprintf("the value of %q", f.Name))
		}
		if !strings.HasPrefix(f.Name, ":") {
			if !validName(f.Name) {
				return m, malformed(fmt.Sprintf("the name %q", f.Name))
			}
			key := textproto.CanonicalMIMEHeaderKey(f.Name)
			m.header[key] = append(m.header[key], f.Value)
			continue
		}
		if i != m.pseudo {
			return m, malformed(f.Name + " after other headers")
		}
		m.pseudo++
		var to *string
		switch f.Name {
		case ":method":
			to = &m.method
		case ":scheme":
			to = &m.scheme
		case ":authority":
			to = &m.authority
		case ":path":
			to = &m.path
		case ":final-offset":
			to = &m.finalOffset
		case ":status":
			n, err := strconv.ParseUint(f.Value, 10, 16)
			if err != nil || len(f.Value) != 3 || m.status != 0 || n < 100 {
				return m, malformed("the status " + strconv.Quote(f.Value))
			}
			m.status = int(n)
			continue
		default:
			return m, malformed("the pseudo-header " + f.Name)
		}
		if *to != "" || f.Value == "" && f.Name != ":authority" {
			return m, malformed(f.Name + " is empty or there twice")
		}
		*to = f.Value
	}
	return m, nil
}

// hopHeaders concern one hop, and have no place here (RFC 7540, section 8.1.2.2).
var hopHeaders = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"}

func isHopHeader(lower string) bool {
	switch lower {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// contentLength returns the content-length, or -1 if there is none.
func (m *message) contentLength() (int64, error) {
	values := m.header["Content-Length"]
	if len(values) == 0 {
		return -1, nil
	}
	n, err := strconv.ParseUint(values[0], 10, 63)
	for _, v := range values[1:] {
		if v != values[0] {
			return 0, malformed("two content-lengths")
		}
	}
	if err != nil {
		return 0, malformed("the content-length " + strconv.Quote(values[0]))
	}
	return int64(n), nil
}

// trailerKeys takes the header that announces trailers out, and returns their names.
func (m *message) trailerKeys() (t http.Header) {
	for _, v := range m.header["Trailer"] {
		for key := range strings.SplitSeq(v, ",") {
			switch key = textproto.CanonicalMIMEHeaderKey(textproto.TrimString(key)); key {
			case "", "Transfer-Encoding", "Trailer", "Content-Length":
			default:
				if t == nil {
					t = make(http.Header)
				}
				t[key] = nil
			}
		}
	}
	delete(m.header, "Trailer")
	return t
}

// request makes the http.Request that a client sent. end: it has no body.
func (m *message) request(end bool) (*http.Request, error) {
	if m.status != 0 || m.finalOffset != "" {
		return nil, malformed("a response's pseudo-headers in a request")
	}
	if host := m.header["Host"]; m.authority == "" && len(host) == 1 {
		m.authority = host[0]
	}
	delete(m.header, "Host")
	r := &http.Request{
		Method: m.method, Host: m.authority, RequestURI: m.path,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: m.header,
	}
	switch {
	case m.method == "CONNECT":
		if m.path != "" || m.scheme != "" || m.authority == "" {
			return nil, malformed("CONNECT with other than an authority")
		}
		r.URL, r.RequestURI = &url.URL{Host: m.authority}, m.authority
	case !validMethod(m.method) || m.path == "" || m.scheme == "":
		return nil, malformed("a request needs a method, a scheme and a path")
	default:
		var err error
		if r.URL, err = url.ParseRequestURI(m.path); err != nil {
			return nil, malformed("the path " + strconv.Quote(m.path))
		}
	}
	if c := m.header["Cookie"]; len(c) > 1 {
		m.header["Cookie"] = []string{strings.Join(c, "; ")}
	}
	var err error
	if r.ContentLength, err = m.contentLength(); err != nil {
		return nil, err
	}
	if end {
		if r.ContentLength > 0 {
			return nil, malformed("a content-length, and no body")
		}
		r.ContentLength, r.Body = 0, http.NoBody
	}
	r.Trailer = m.trailerKeys()
	return r, nil
}

// validHost reports whether a host, with a port or without, has only the characters that
// one may have (RFC 3986, section 3.2.2).
func validHost(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-._~%!$&'()*+,;=:[]", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// badRequest says what a server answers with status 400: no host, another scheme than
// that of the web, and headers that belong to HTTP/1.
func (m *message) badRequest() string {
	h := m.header
	switch {
	case m.authority == "":
		return "the request names no host"
	case !validHost(m.authority):
		return "malformed Host header"
	case m.method != "CONNECT" && m.scheme != "https" && m.scheme != "http":
		return "the scheme is not https"
	}
	for _, k := range hopHeaders {
		if _, ok := h[k]; ok {
			return "the header " + k + " has no place in this protocol"
		}
	}
	for _, v := range h["Te"] {
		if v != "trailers" {
			return `the header TE may only be "trailers"`
		}
	}
	return ""
}

func validMethod(s string) bool { return validName(strings.ToLower(s)) }

// trailers checks what a second header list of a stream must be (reference: connection,
// section 17.5), and returns its end of the body.
func (m *message) trailers() (finalOffset uint64, err error) {
	n, err := strconv.ParseUint(m.finalOffset, 10, 62)
	if err != nil || m.pseudo != 1 {
		return 0, misframed("trailers with the final offset %q and %d pseudo-headers", m.finalOffset, m.pseudo)
	}
	return n, nil
}

// response makes the http.Response that a server sent to req. end: it has no body.
func (m *message) response(req *http.Request, end bool) (*http.Response, error) {
	if m.status == 0 || m.pseudo != 1 {
		return nil, malformed("a response needs a status, and no other pseudo-header")
	}
	r := &http.Response{
		Status:     strconv.Itoa(m.status) + " " + http.StatusText(m.status),
		StatusCode: m.status,
		Proto:      "HTTP/2.0", ProtoMajor: 2,
		Header: m.header, Request: req,
	}
	var err error
	if r.ContentLength, err = m.contentLength(); err != nil {
		return nil, err
	}
	if bodyless := req.Method == "HEAD" || m.status == 204 || m.status == 304; bodyless || end {
		r.Body = http.NoBody
		if !bodyless && r.ContentLength > 0 {
			return nil, malformed("a content-length, and no body")
		}
		if req.Method != "HEAD" {
			r.ContentLength = 0
		}
	}
	r.Trailer = m.trailerKeys()
	return r, nil
}

// appendHeader appends the headers of h that may be sent, their names in lower case.
// Those that are not valid are left out.
func appendHeader(to []hpack.HeaderField, h http.Header, keys []string) []hpack.HeaderField {
	for _, k := range keys {
		name := lowerName(k)
		if !validName(name) || isHopHeader(name) {
			continue
		}
		for _, v := range h[k] {
			if validValue(v) {
				to = append(to, hpack.HeaderField{Name: name, Value: v})
			}
		}
	}
	return to
}

// lowerNames spares the common names an allocation each.
var lowerNames = func() map[string]string {
	m := make(map[string]string)
	for _, s := range []string{"accept", "accept-encoding", "accept-language", "accept-ranges", "age", "allow",
		"alt-svc", "authorization", "cache-control", "content-disposition", "content-encoding", "content-language",
		"content-length", "content-range", "content-type", "cookie", "date", "etag", "expires", "if-modified-since",
		"if-none-match", "last-modified", "location", "range", "referer", "server", "set-cookie", "te", "trailer",
		"user-agent", "vary", "x-content-type-options"} {
		m[textproto.CanonicalMIMEHeaderKey(s)] = s
	}
	return m
}()

func lowerName(k string) string {
	if s, ok := lowerNames[k]; ok {
		return s
	}
	return strings.ToLower(k)
}
