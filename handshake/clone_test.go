package handshake

import (
	"bytes"
	"fmt"
	"testing"
)

// A scene is a client, a server and their host at some moment of a handshake.
type scene struct {
	host   *Host
	client *Client
	server *Server
}

func (s scene) clone() scene {
	h := s.host.Clone()
	return scene{h, s.client.Clone(), s.server.Clone(h)}
}

// play carries messages for some steps, to the end if steps is negative, and returns all
// that came out, byte for byte.
func (s scene) play(t *testing.T, w *world, steps int) string {
	var log bytes.Buffer
	var toServer, toClient []carried
	drain := func(who string, next func() (Output, bool), to *[]carried) {
		for o, ok := next(); ok; o, ok = next() {
			fmt.Fprintf(&log, "%s %v %v %x %x", who, o.Kind, o.Level, o.Data, o.Nonce)
			for _, a := range []AEAD{o.Seal, o.Open} {
				if a != nil { // what it makes of a packet tells keys apart
					var scratch Scratch
					fmt.Fprintf(&log, " %x", a.Seal(&scratch, append(make([]byte, 0, 64), "header, payload"...), 7, 1))
				}
			}
			fmt.Fprintf(&log, " %+v\n", o.Params)
			if o.Kind == SendMessage {
				*to = append(*to, carried{o.Level, bytes.Clone(o.Data)})
			}
			if o.Kind == NeedVerification {
				if err := s.client.ProofVerified(w.wall, w.verify(o.Verification)); err != nil {
					t.Fatal(err)
				}
			}
			if o.Kind == NeedSignature {
				sig, err := w.sign(o.Signature)
				if err := s.server.ProofSigned(w.wall, sig, err); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	drain("client", s.client.Next, &toServer)
	drain("server", s.server.Next, &toClient)
	for ; steps != 0; steps-- {
		switch {
		case len(toServer) > 0:
			if _, err := s.server.Receive(toServer[0].level, toServer[0].data, 1350, w.wall); err != nil {
				t.Fatal(err)
			}
			toServer = toServer[1:]
		case len(toClient) > 0:
			if _, err := s.client.Receive(toClient[0].level, toClient[0].data, w.wall); err != nil {
				t.Fatal(err)
			}
			toClient = toClient[1:]
		default:
			return log.String()
		}
		if steps == 1 {
			return log.String() // outputs stay in the queues, to be cloned with them
		}
		drain("client", s.client.Next, &toServer)
		drain("server", s.server.Next, &toClient)
	}
	return log.String()
}

// TestClone clones everything at every step: all copies go on alike, and alike the
// original, whichever goes first.
func TestClone(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"proof at once": func(w *world) {},
		"token first":   func(w *world) { w.hostConfig.RequireToken, w.hostConfig.RequireNonce = true, true },
		"shared share":  func(w *world) { w.hostConfig.KeyShareLifetime = 1e9 },
		"RSA": func(w *world) {
			id := testIdentity(t, "RSA")
			w.hostConfig.Certificates, w.clientConf.Roots = []Certificate{id.certificate}, id.roots
		},
		"external": func(w *world) {
			id := testIdentity(t, "P-256")
			w.hostConfig.Certificates = []Certificate{{Chain: id.certificate.Chain}}
			w.clientConf = ClientConfig{External: true}
			w.sign = func(r *SignatureRequest) ([]byte, error) { return r.Sign(id.certificate.Key, &Entropy{}) }
			w.verify = func(r *VerificationRequest) error { return r.Verify(id.roots, w.wall) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			begin := func() (scene, *world) {
				w := newWorld(t)
				change(w)
				w.dial(nil)
				if err := w.client.Start(w.wall); err != nil {
					t.Fatal(err)
				}
				return scene{w.host, w.client, w.server}, w
			}
			s, w := begin()
			whole := s.play(t, w, -1)
			if s, w := begin(); s.play(t, w, -1) != whole {
				t.Fatal("equal inputs, other outputs")
			}
			for steps := 1; steps < 8; steps++ {
				s, w := begin()
				s.play(t, w, steps)
				one, two := s.clone(), s.clone()
				a := one.play(t, w, -1)
				b := two.play(t, w, -1)
				c := s.play(t, w, -1)
				if a != b || b != c {
					t.Fatalf("clones after %d steps differ:\n%s\n%s\n%s", steps, a, b, c)
				}
			}
		})
	}
}

// TestPurposes holds that what one purpose draws does not depend on the others.
func TestPurposes(t *testing.T) {
	hello := func(change func(w *world)) Message {
		w := newWorld(t)
		change(w)
		w.connect(nil)
		w.check()
		m, _, _ := ParseMessage(w.lastHello)
		return m
	}
	a := hello(func(w *world) {})
	b := hello(func(w *world) { w.clientConf.KeyExchanges = []Tag{P256}; w.clientConf.UserAgent = "x" })
	for _, tag := range []Tag{NONC, NONP} {
		x, _ := a.Get(tag)
		y, _ := b.Get(tag)
		if !bytes.Equal(x, y) {
			t.Errorf("%v depends on what else is drawn", tag)
		}
	}
	w := newWorld(t)
	w.connect(nil)
	one := w.serverKeys[LevelInitial].Nonce
	w.connect(nil)
	if w.serverKeys[LevelInitial].Nonce == one {
		t.Error("two connections with one diversification nonce")
	}
}
