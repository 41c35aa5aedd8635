package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/gquic/conn"
)

// printable escapes what a terminal might obey or cannot show: a peer may have written
// it. Line ends and tabs become spaces.
func printable(s string) string {
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch c := s[:n]; {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && n == 1 || !strconv.IsPrint(r):
			quoted := strconv.Quote(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(c)
		}
		s = s[n:]
	}
	return b.String()
}

// isHostName reports whether a server can be named so: a DNS name as servers take it in
// SNI, or an IP address.
func isHostName(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// isToken reports whether s can be an HTTP method or a header's name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// errInterrupted is what every verb says that was stopped before its end.
var errInterrupted = errors.New("interrupted")

// unanswered says in words that the server has gone. idle is how long nothing came.
func unanswered(err error, idle time.Duration) error {
	if errors.Is(err, conn.ErrIdleTimeout) {
		return fmt.Errorf("the server did not answer for %g s", idle.Seconds())
	}
	return err
}

// rateOf is a rate in a list of figures. Nothing has none.
func rateOf(bytes int64, mbPerS float64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf(", %.2f MB/s", mbPerS)
}
