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
// keep it. It is pieces of one random block, each from another place in it: that costs
// nothing, and bytes that arrive in a wrong order or place differ all the same.
type content struct {
	block []byte
	piece int
	left  int64
}

const (
	spread = 4 << 10 // places in the block where a piece can begin
	stride = 1031    // from one to the next; a prime, so that all have their turn
)

func newContent(seed [32]byte, n int64) *content {
	c := &content{block: make([]byte, min(n, chunk)+spread), left: n}
	rand.NewChaCha8(seed).Read(c.block)
	return c
}

// next returns the next piece, nothing at the end. It must not be changed.
func (c *content) next() []byte {
	at := c.piece * stride % spread
	b := c.block[at : at+int(min(c.left, int64(len(c.block)-spread)))]
	c.left -= int64(len(b))
	c.piece++
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
