package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// content is n bytes that a seed gives.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// sendAll writes b and ends the stream.
func sendAll(s Stream, b []byte) error {
	if _, err := s.Write(b); err != nil {
		return fmt.Errorf("stream %d: write: %w", s.ID(), err)
	}
	if err := s.CloseWrite(); err != nil {
		return fmt.Errorf("stream %d: close: %w", s.ID(), err)
	}
	return nil
}

// expect reads to the end and compares with want.
func expect(s Stream, want []byte) error {
	h := sha256.New()
	n, err := io.Copy(h, s)
	if err != nil {
		return fmt.Errorf("stream %d: read after %d of %d bytes: %w", s.ID(), n, len(want), err)
	}
	sum := sha256.Sum256(want)
	if n != int64(len(want)) || !bytes.Equal(h.Sum(nil), sum[:]) {
		return fmt.Errorf("stream %d: %d bytes arrived that are not the %d sent", s.ID(), n, len(want))
	}
	return nil
}

// together runs all at once and reports every error.
func together(t *testing.T, fs ...func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := f(); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}

// exchange sends up and down on one stream that the client opens, both ways at once.
func exchange(t *testing.T, p *pair, up, down []byte) {
	t.Helper()
	c, err := p.client.Open(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	together(t,
		func() error { return sendAll(c, up) },
		func() error { return expect(c, down) },
		func() error {
			s, err := p.server.Accept(p.ctx)
			if err != nil {
				return err
			}
			sent := make(chan error, 1)
			go func() { sent <- sendAll(s, down) }()
			err = expect(s, up)
			if err == nil {
				err = <-sent
			}
			return err
		})
}

// TestTransfer moves 20 MiB each way on one stream, with every kind of certificate.
func TestTransfer(t *testing.T) {
	names, size := []string{"RSA", "ECDSA", "big"}, 20<<20
	if testing.Short() {
		names, size = names[1:2], 1<<20
	}
	up, down := content(1, size), content(2, size)
	each(t, setups(t, names, false), func(t *testing.T, p *pair) {
		exchange(t, p, up, down)
		for _, s := range []Session{p.client, p.server} {
			if v := s.Version(); v != 0 && v != p.version {
				t.Errorf("the version is %v", v)
			}
		}
	})
}

// TestTransferOverBadLink is the same where packets are lost, repeated and reordered.
func TestTransferOverBadLink(t *testing.T) {
	names, size := []string{"RSA", "big"}, 20<<20
	if testing.Short() {
		names, size = names[:1], 1<<20
	}
	up, down := content(3, size), content(4, size)
	each(t, setups(t, names, true), func(t *testing.T, p *pair) {
		exchange(t, p, up, down)
		if s := p.relay.Stats(); s.Dropped == 0 || s.Duplicated == 0 || s.Reordered == 0 {
			t.Errorf("the relay did nothing: %+v", s)
		}
	})
}

// echo sends back whatever arrives on n streams of a session, FIN for FIN.
func echo(p *pair, s Session, n int) func() error {
	return func() error {
		var wg sync.WaitGroup
		defer wg.Wait()
		for range n {
			st, err := s.Accept(p.ctx)
			if err != nil {
				return err
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				io.Copy(st, st)
				st.CloseWrite()
			}()
		}
		return nil
	}
}

// ask opens a stream, sends b, and expects it back.
func ask(p *pair, s Session, b []byte) error {
	st, err := s.Open(p.ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- sendAll(st, b) }()
	if err := expect(st, b); err != nil {
		return err
	}
	return <-sent
}

// TestManyStreams runs 100 streams of the client and 20 of the server at once.
func TestManyStreams(t *testing.T) {
	each(t, setups(t, []string{"ECDSA"}, false, true), func(t *testing.T, p *pair) {
		jobs := []func() error{echo(p, p.server, 100), echo(p, p.client, 20)}
		for i := range 100 {
			jobs = append(jobs, func() error { return ask(p, p.client, content(byte(i), 40000+i)) })
		}
		for i := range 20 {
			jobs = append(jobs, func() error { return ask(p, p.server, content(byte(i), 10000+i)) })
		}
		together(t, jobs...)
	})
}

// TestStreamsOneByOne opens 1,000 streams, each after the one before: their slots must
// be given back.
func TestStreamsOneByOne(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 150 // more than a peer allows at once
	}
	each(t, setups(t, []string{"ECDSA"}, false, true), func(t *testing.T, p *pair) {
		together(t, echo(p, p.server, n), func() error {
			for i := range n {
				if err := ask(p, p.client, content(byte(i), 100+i)); err != nil {
					return fmt.Errorf("stream number %d: %w", i, err)
				}
			}
			return nil
		})
	})
}

// TestReaderPauses has a reader that does nothing for two seconds. The writer fills the
// window, says BLOCKED, waits, and goes on.
func TestReaderPauses(t *testing.T) {
	for _, s := range setups(t, []string{"ECDSA"}, false, true) {
		for _, up := range []bool{true, false} {
			name := s.String() + "/down"
			if up {
				name = s.String() + "/up"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				readerPauses(t, connect(t, s, Options{}, Options{}), up)
			})
		}
	}
}

func readerPauses(t *testing.T, p *pair, up bool) {
	b := content(5, 8<<20)
	c, err := p.client.Open(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("!")); err != nil { // so that the server sees the stream
		t.Fatal(err)
	}
	s, err := p.server.Accept(p.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	from, to, writer := Stream(s), Stream(c), p.setup.server
	if up {
		from, to, writer = c, s, p.setup.client
	}
	together(t,
		func() error { return sendAll(from, b) },
		func() error {
			time.Sleep(2 * time.Second)
			return expect(to, b)
		})
	what := "received *wire.BlockedFrame"
	if writer.Name() == "gquic" {
		what = "sent *wire.BlockedFrame"
	}
	if p.seen.count(what) == 0 {
		t.Errorf("no BLOCKED frame was seen (%s)", what)
	}
}
