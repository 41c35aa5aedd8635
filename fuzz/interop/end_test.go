package interop

import (
	"errors"
	"io"
	"testing"
	"time"

	"example.com/gquic/wire"
)

// TestReset breaks streams off, from either side, and looks for the code on the other.
func TestReset(t *testing.T) {
	each(t, setups(t, []string{"ECDSA"}, false, true), func(t *testing.T, p *pair) {
		for i, byClient := range []bool{true, false, true, false} {
			code := wire.StreamCancelled + wire.StreamErrorCode(i/2)
			c, err := p.client.Open(p.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("begin")); err != nil {
				t.Fatal(err)
			}
			s, err := p.server.Accept(p.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			breaks, feels := s, c
			if byClient {
				breaks, feels = c, s
			}
			if err := breaks.Reset(code); err != nil {
				t.Fatal(err)
			}
			_, err = feels.Read(make([]byte, 1))
			if got, ok := feels.ResetCode(err); !ok || got != code {
				t.Errorf("round %d: Read gives %v, want a reset with code %v", i, err, code)
			}
			for err = nil; err == nil; { // a write may still be taken before the reset is known
				_, err = feels.Write([]byte("x"))
			}
			if _, err = breaks.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("round %d: the side that reset reads %v", i, err)
			}
		}
		// The connection is not harmed, and the slots come back.
		together(t, echo(p, p.server, 120), func() error {
			for range 120 {
				if err := ask(p, p.client, content(9, 1000)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// TestClose closes the connection from either side with a code and a reason. Not over the
// bad link: a lone CONNECTION_CLOSE may be lost there, as it may anywhere.
func TestClose(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		each(t, setups(t, []string{"ECDSA"}, false), func(t *testing.T, p *pair) {
			exchange(t, p, []byte("hello"), []byte("good day"))
			closes, feels := p.server, p.client
			if byClient {
				closes, feels = p.client, p.server
			}
			want := End{wire.InternalError, "the application has had enough"}
			closes.Close(want.Code, want.Reason)
			got, err := feels.Wait(p.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("the other side knows %+v, want %+v", got, want)
			}
			if _, err := feels.Open(p.ctx); err == nil {
				t.Error("a stream could be opened on a closed connection")
			}
		})
	}
}

// TestVersionNegotiation has a client that prefers Q044 and a server with Q043 only.
func TestVersionNegotiation(t *testing.T) {
	for _, s := range setups(t, []string{"RSA", "big"}, false, true) {
		if s.version != wire.Q043 {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			p := connect(t, s, Options{Versions: []wire.Version{wire.Q044, wire.Q043}}, Options{})
			exchange(t, p, content(1, 100000), content(2, 100000))
			for _, s := range []Session{p.client, p.server} {
				if v := s.Version(); v != 0 && v != wire.Q043 {
					t.Errorf("the version is %v", v)
				}
			}
		})
	}
}

// TestIdleTimeout lets a session rest until gquic's side, which has the shorter timeout,
// gives it up and tells the other.
func TestIdleTimeout(t *testing.T) {
	for _, s := range setups(t, []string{"ECDSA"}, false) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			var client, server Options
			ours := &client.Idle
			if s.server.Name() == "gquic" {
				ours = &server.Idle
			}
			*ours = 2 * time.Second
			p := connect(t, s, client, server)
			exchange(t, p, []byte("hello"), []byte("good day"))
			for _, side := range []Session{p.client, p.server} {
				got, err := side.Wait(p.ctx)
				if err != nil {
					t.Fatal(err)
				}
				if got.Code != wire.NetworkIdleTimeout {
					t.Errorf("%T ended with %v %q", side, got.Code, got.Reason)
				}
			}
		})
	}
}
