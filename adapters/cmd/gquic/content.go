package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
)

// chunk is how much is written or checked at once.
const chunk = 64 << 10

// A content is so many bytes that a seed gives: both ends can make it, and nobody has to
// keep it.
type content struct {
	source *rand.ChaCha8
	left   int64
	buf    []byte
}

func newContent(seed [32]byte, n int64) *content {
	return &content{source: rand.NewChaCha8(seed), left: n, buf: make([]byte, min(n, chunk))}
}

// next returns the next piece, nil at the end.
func (c *content) next() []byte {
	b := c.buf[:min(c.left, int64(len(c.buf)))]
	c.left -= int64(len(b))
	c.source.Read(b)
	return b
}

// send writes the content to w, and adds what was written to done.
func (c *content) send(w io.Writer, done func(int)) error {
	for c.left > 0 {
		n, err := w.Write(c.next())
		done(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// check reads from r to its end and compares.
func (c *content) check(r io.Reader, done func(int)) error {
	got := make([]byte, chunk)
	var at int64
	for c.left > 0 {
		want := c.next()
		n, err := io.ReadFull(r, got[:len(want)])
		done(n)
		if !bytes.Equal(got[:n], want[:n]) {
			return fmt.Errorf("wrong bytes came back between %d and %d", at, at+int64(n))
		}
		at += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("only %d of %d bytes came back", at, at+int64(len(want)-n)+c.left)
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", at, err)
		}
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return fmt.Errorf("after the last byte: %w", err)
	}
	if n > 0 {
		return fmt.Errorf("%d bytes too many came back", n)
	}
	return nil
}
