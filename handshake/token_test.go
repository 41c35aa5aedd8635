package handshake

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"example.com/gquic/wire"
)

func tokenHost(t testing.TB, secret byte) *Host {
	h, err := NewHost(&HostConfig{Certificates: []Certificate{testIdentity(t, "P-256").certificate},
		Secret: [32]byte{secret}}, Entropy{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTokens holds for whom and when a token is good, and the reasons otherwise.
func TestTokens(t *testing.T) {
	const day, hour = 24 * 3600, 3600
	h, again, stranger := tokenHost(t, 1), tokenHost(t, 1), tokenHost(t, 2)
	addr := netip.MustParseAddr("192.0.2.1")
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	six := netip.MustParseAddr("2001:db8::1")
	made := int64(worldWall - worldWall%day + 5*hour)
	token := h.appendToken(nil, addr, made, nil)
	tokenSix := h.appendToken(nil, six, made, nil)
	for _, c := range []struct {
		name  string
		host  *Host
		token []byte
		addr  netip.Addr
		wall  int64
		want  uint32
	}{
		{"good", h, token, addr, made, 0},
		{"restarted", again, token, addr, made, 0},
		{"mapped", h, token, mapped, made, 0},
		{"IPv6", h, tokenSix, six, made, 0},
		{"IPv6 with a zone", h, tokenSix, six.WithZone("eth0"), made, 0},
		{"a day old", h, token, addr, made + day, 0},
		{"an hour early", h, token, addr, made - hour, 0},
		{"missing", h, nil, addr, made, ReasonNoToken},
		{"empty", h, []byte{}, addr, made, ReasonNoToken},
		{"one byte", h, []byte{1}, addr, made, ReasonTokenUndecryptable},
		{"another secret", stranger, token, addr, made, ReasonTokenUndecryptable},
		{"cut", h, token[:len(token)-1], addr, made, ReasonTokenUndecryptable},
		{"two days old", h, token, addr, made + 2*day, ReasonTokenUndecryptable},
		{"another address", h, token, six, made, ReasonTokenOtherAddress},
		{"another IPv4 address", h, token, addr.Next(), made, ReasonTokenOtherAddress},
		{"no address", h, token, netip.Addr{}, made, ReasonTokenOtherAddress},
		{"early", h, token, addr, made - hour - 1, ReasonTokenFromFuture},
		{"old", h, token, addr, made + day + 1, ReasonTokenExpired},
		{"of another kind", h, sealToken(h, made, make([]byte, tokenSize)), addr, made, ReasonTokenMalformed},
		{"of another size", h, sealToken(h, made, []byte{tokenPlain}), addr, made, ReasonTokenMalformed},
		{"resumes, too short", h, sealToken(h, made, append([]byte{tokenResumes}, make([]byte, tokenSize)...)), addr, made, ReasonTokenMalformed},
	} {
		if _, got := c.host.openToken(c.token, c.addr, c.wall); got != c.want {
			t.Errorf("%s: reason %d (%s), want %d", c.name, got, ReasonString(got), c.want)
		}
	}
	for i := range token {
		bad := bytes.Clone(token)
		bad[i] ^= 0x10
		if _, got := h.openToken(bad, addr, made); got != ReasonTokenUndecryptable {
			t.Errorf("byte %d changed: reason %d", i, got)
		}
	}
	if !bytes.Equal(token, again.appendToken(nil, addr, made, nil)) || bytes.Equal(token[:12], tokenSix[:12]) {
		t.Error("equal tokens differ, or nonces repeat")
	}
}

// sealToken seals any bytes as a token.
func sealToken(h *Host, wall int64, plain []byte) []byte {
	k := h.tokenKey(h.tokenEpoch(wall))
	return k.aead.Seal(make([]byte, 12), make([]byte, 12), plain, nil)
}

// TestTokenLifetime holds that the configured lifetime counts.
func TestTokenLifetime(t *testing.T) {
	h, err := NewHost(&HostConfig{Certificates: []Certificate{testIdentity(t, "P-256").certificate},
		TokenLifetime: time.Minute}, Entropy{})
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("192.0.2.1")
	for start := int64(1000); start < 1130; start++ {
		token := h.appendToken(nil, addr, start, nil)
		if _, got := h.openToken(token, addr, start+60); got != 0 {
			t.Fatalf("made at %d: reason %d after a minute", start, got)
		}
		if _, got := h.openToken(token, addr, start+61); got == 0 {
			t.Fatalf("made at %d: good after more than a minute", start)
		}
	}
}

// TestTokenOfAnotherConnection holds that tokens are for addresses: of SHLO too.
func TestTokenOfAnotherConnection(t *testing.T) {
	w := newWorld(t)
	w.hostConfig.RequireToken = true
	w.connect(nil)
	w.check()
	r, _ := w.client.Resumption()
	stale := *r
	stale.expiry = w.wall // so the next one is inchoate, with a token
	w.connect(&stale)
	w.check()
	if w.hellos != 2 {
		t.Errorf("%d CHLOs, want 2: the address was proved", w.hellos)
	}
}

// TestStateless goes from a REJ that nothing was kept of to a connection.
func TestStateless(t *testing.T) {
	w := newWorld(t)
	w.dial(nil)
	w.startClient()
	id := w.client.start.ConnectionID
	chlo := w.lastHello
	coarse := w.wall - w.wall%coarseTime
	reject := func(h *Host, wall int64) []byte {
		rej, err := h.StatelessReject([]byte("head"), chlo, w.addr, id, 17, uint64(len(chlo)), wall)
		if err != nil || !bytes.HasPrefix(rej, []byte("head")) {
			t.Fatalf("%q, %v", rej, err)
		}
		return rej[4:]
	}
	rej := reject(w.host, coarse)
	restarted, _ := NewHost(&w.hostConfig, NewEntropy([32]byte{77}))
	for wall := coarse; wall < coarse+coarseTime; wall++ {
		if !bytes.Equal(rej, reject(restarted, wall)) {
			t.Fatalf("the REJ differs %d s later", wall-coarse)
		}
	}
	if bytes.Equal(rej, reject(w.host, coarse+coarseTime)) {
		t.Error("the token stays the same for ever")
	}
	if len(rej) > 1024 {
		t.Errorf("a REJ of %d bytes does not surely fit one packet", len(rej))
	}
	w.toServer = nil
	w.toClient = []carried{{LevelNull, rej}}
	w.stepClient()
	second := w.lastHello
	if !w.host.TokenValid(second, w.addr, w.wall) || w.host.TokenValid(chlo, w.addr, w.wall) || w.host.TokenValid(nil, w.addr, w.wall) {
		t.Error("TokenValid")
	}
	got, ok := restarted.OpenResume(second, w.addr, id, w.wall)
	want := Resume{id, 17, uint64(len(chlo)), uint64(len(rej))}
	if !ok || got != want {
		t.Fatalf("resume %+v, %v; want %+v", got, ok, want)
	}
	for name, c := range map[string]struct {
		chlo []byte
		addr netip.Addr
		id   wire.ConnectionID
		wall int64
	}{
		"no token":        {chlo, w.addr, id, w.wall},
		"other address":   {second, w.addr.Next(), id, w.wall},
		"other ID":        {second, w.addr, wire.ConnectionID{9}, w.wall},
		"too late":        {second, w.addr, id, w.wall + 25*3600},
		"no CHLO":         {rej, w.addr, id, w.wall},
		"cut":             {second[:1000], w.addr, id, w.wall},
		"ordinary token":  {withToken(t, second, w.host.appendToken(nil, w.addr, w.wall, nil)), w.addr, id, w.wall},
		"strange token":   {withToken(t, second, []byte("?")), w.addr, id, w.wall},
		"nothing at all ": {nil, w.addr, id, w.wall},
	} {
		if _, ok := w.host.OpenResume(c.chlo, c.addr, c.id, c.wall); ok {
			t.Errorf("%s: resumed", name)
		}
	}
	// The connection goes on.
	w.host = restarted
	w.newServer(id)
	w.run()
	w.check()
	if w.hellos != 3 {
		t.Errorf("%d CHLOs", w.hellos)
	}
	if _, err := w.host.StatelessReject(nil, second, w.addr, id, 17, 0, w.wall); err != ErrNoReject {
		t.Errorf("a client with a good token is rejected: %v", err)
	}
}

func withToken(t *testing.T, chlo, token []byte) []byte {
	m, _, err := ParseMessage(chlo)
	if err != nil {
		t.Fatal(err)
	}
	m.Set(STK, token)
	return m.Append(nil)
}

// TestStatelessReasons holds what is told, and what is no CHLO.
func TestStatelessReasons(t *testing.T) {
	w := newWorld(t)
	w.fullHello()
	full := w.changed(func(m *Message) { m.Delete(STK); m.Pad(MinCHLOSize) })
	reasons := func(chlo []byte) []uint32 {
		rej, err := w.host.StatelessReject(nil, chlo, w.addr, wire.ConnectionID{1}, 2, 0, w.wall)
		if err != nil {
			t.Fatal(err)
		}
		m, _, _ := ParseMessage(rej)
		return rejectReasons(&m)
	}
	if got := reasons(full); len(got) != 1 || got[0] != ReasonNoToken {
		t.Errorf("reasons %v", got)
	}
	if got := reasons(w.changed(func(m *Message) { flip(SCID)(m); flip(STK)(m) })); len(got) != 2 || got[0] != ReasonUnknownConfig || got[1] != ReasonTokenUndecryptable {
		t.Errorf("reasons %v", got)
	}
	for name, c := range map[string]struct {
		chlo []byte
		code wire.ErrorCode
	}{
		"short":   {w.changed(func(m *Message) { m.Delete(PAD) }), wire.CryptoInvalidValueLength},
		"cut":     {full[:1000], wire.InvalidCryptoMessageParameter},
		"more":    {append(bytes.Clone(full), 0), wire.InvalidCryptoMessageParameter},
		"no CHLO": {w.changed(func(m *Message) { m.Tag = REJ }), wire.InvalidCryptoMessageType},
	} {
		b, err := w.host.StatelessReject([]byte("kept"), c.chlo, w.addr, wire.ConnectionID{}, 2, 0, w.wall)
		wantCode(t, err, c.code)
		if string(b) != "kept" {
			t.Errorf("%s: %q", name, b)
		}
	}
}

// TestTokenLayout holds the size and that the time is inside.
func TestTokenLayout(t *testing.T) {
	h := tokenHost(t, 3)
	token := h.appendToken(nil, netip.MustParseAddr("1.2.3.4"), worldWall, nil)
	if len(token) != tokenNonce+tokenSize+tokenTag {
		t.Errorf("%d bytes", len(token))
	}
	plain := h.decryptToken(nil, token, worldWall)
	if plain[0] != tokenPlain || binary.LittleEndian.Uint64(plain[1:]) != worldWall || !bytes.Equal(plain[19:], []byte{0xff, 0xff, 1, 2, 3, 4}) {
		t.Errorf("sealed: %x", plain)
	}
}
