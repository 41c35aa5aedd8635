package handshake

import (
	"errors"
	"slices"
	"testing"

	"example.com/gquic/wire"
)

// What a log says about each failure.
func TestErrorTexts(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err  error
		want string
	}{
		{badParameter("VER missing"), "INVALID_CRYPTO_MESSAGE_PARAMETER: VER missing"},
		{&Error{Code: wire.HandshakeFailed, What: "signing failed", Err: cause}, "HANDSHAKE_FAILED: signing failed: cause"},
		{refused(&CertificateError{cause}), "PROOF_INVALID: server not accepted: certificate: cause"},
		{refused(&NameError{"a.test", cause}), "PROOF_INVALID: server not accepted: certificate is not for a.test: cause"},
		{refused(&ProofError{"signature does not verify"}), "PROOF_INVALID: server not accepted: proof: signature does not verify"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if !errors.Is(refused(&NameError{"a.test", cause}), cause) {
		t.Error("the cause is lost")
	}
}

func TestLevelString(t *testing.T) {
	var got []string
	for l := range Level(Levels + 1) {
		got = append(got, l.String())
	}
	if want := []string{"null", "initial", "forward-secure", "invalid level"}; !slices.Equal(got, want) {
		t.Errorf("levels %q, want %q", got, want)
	}
}
