package handshake

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/gquic/wire"
)

// A world is a client and a server whose messages are carried by hand, in memory. It logs
// what happens as a transcript.
type world struct {
	t       testing.TB
	wall    int64
	addr    netip.Addr
	version wire.Version
	seed    byte

	datagram   int // size that a CHLO comes in
	hostConfig HostConfig
	host       *Host
	clientConf ClientConfig
	name       string
	clientPar  Params
	serverPar  Params
	versions   []wire.Version
	negotiated []wire.Version
	first      wire.Version

	client         *Client
	server         *Server
	toServer       []carried
	toClient       []carried
	clientKeys     [Levels]Output
	serverKeys     [Levels]Output
	clientPeer     Params
	serverPeer     Params
	clientErr      error
	serverErr      error
	confirmed      [2]bool
	hellos         int
	sign           func(*SignatureRequest) ([]byte, error)
	verify         func(*VerificationRequest) error
	lastHello      []byte
	mangleToClient func(*Message)

	log   strings.Builder
	visit func(server bool, row int)
}

type carried struct {
	level Level
	data  []byte
}

const worldWall = 1_700_000_000

func newWorld(t testing.TB) *world {
	id := testIdentity(t, "P-256")
	return &world{
		t: t, wall: worldWall, addr: netip.MustParseAddr("192.0.2.1"), version: 0x51303433,
		datagram:   1350,
		hostConfig: HostConfig{Certificates: []Certificate{id.certificate}, Secret: [32]byte{1}},
		clientConf: ClientConfig{Roots: id.roots},
		name:       "server.example",
		clientPar: Params{IdleTimeout: 30 * time.Second, MaxStreams: 100,
			ConnectionWindow: 1 << 20, StreamWindow: 1 << 18},
		serverPar: Params{IdleTimeout: 60 * time.Second, MaxStreams: 90,
			ConnectionWindow: 1 << 19, StreamWindow: 1 << 17},
		versions: []wire.Version{0x51303434, 0x51303433},
	}
}

// dial makes a new client and a new server.
func (w *world) dial(r *Resumption) {
	w.t.Helper()
	if w.host == nil {
		h, err := NewHost(&w.hostConfig, NewEntropy([32]byte{2}))
		if err != nil {
			w.t.Fatal(err)
		}
		w.host = h
	}
	w.seed++
	id := wire.ConnectionID{0, 0, 0, 0, 0, 0, 0, w.seed}
	var err error
	w.client, err = NewClient(&w.clientConf, ClientStart{
		ConnectionID: id, Version: w.version, First: w.first, Negotiated: w.negotiated,
		ServerName: w.name, Params: w.clientPar, Entropy: NewEntropy([32]byte{3, w.seed}), Resumption: r,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.newServer(id)
	w.toServer, w.toClient, w.hellos = nil, nil, 0
	w.clientKeys, w.serverKeys = [Levels]Output{}, [Levels]Output{}
	w.confirmed, w.clientErr, w.serverErr = [2]bool{}, nil, nil
	if w.visit != nil {
		w.client.draws.recorded = &recording{visit: func(row int) { w.visit(false, row) }}
	}
}

func (w *world) newServer(id wire.ConnectionID) {
	w.server = NewServer(w.host, ServerStart{
		ConnectionID: id, Version: w.version, Versions: w.versions, ClientAddr: w.addr,
		Params: w.serverPar, Entropy: NewEntropy([32]byte{4, w.seed}),
	})
	if w.visit != nil {
		w.server.draws.recorded = &recording{visit: func(row int) { w.visit(true, row) }}
	}
}

// connect dials and runs.
func (w *world) connect(r *Resumption) {
	w.t.Helper()
	w.dial(r)
	w.startClient()
	w.run()
}

func (w *world) startClient() {
	if err := w.client.Start(w.wall); err != nil {
		w.clientFailed(err)
	}
	w.drainClient()
}

func (w *world) logf(format string, args ...any) { fmt.Fprintf(&w.log, format+"\n", args...) }

func (w *world) clientFailed(err error) {
	w.clientErr = err
	w.logf("client          closed: %s", told(err))
}

func (w *world) serverFailed(err error) {
	w.serverErr = err
	w.logf("server          closed: %s", told(err))
}

// told is an error without the words of other packages, which may change.
func told(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	s := fmt.Sprintf("%v: %s", e.Code, e.What)
	if e.Err != nil {
		s += fmt.Sprintf(" (%T)", e.Err)
	}
	return s
}

// run carries messages until nothing moves.
func (w *world) run() {
	for w.stepServer() || w.stepClient() {
	}
}

func (w *world) stepServer() bool {
	if len(w.toServer) == 0 || w.serverErr != nil {
		return false
	}
	m := w.toServer[0]
	n, err := w.server.Receive(m.level, m.data, w.datagram, w.wall)
	if err != nil {
		w.serverFailed(err)
	} else if n == 0 {
		return false
	}
	w.toServer = w.toServer[1:]
	w.drainServer()
	return true
}

func (w *world) stepClient() bool {
	if len(w.toClient) == 0 || w.clientErr != nil {
		return false
	}
	m := w.toClient[0]
	n, err := w.client.Receive(m.level, m.data, w.wall)
	if err != nil {
		w.clientFailed(err)
	} else if n == 0 {
		return false
	}
	w.toClient = w.toClient[1:]
	w.drainClient()
	return true
}

func (w *world) drainClient() {
	for o, ok := w.client.Next(); ok; o, ok = w.client.Next() {
		switch o.Kind {
		case SendMessage:
			w.hellos++
			w.lastHello = bytes.Clone(o.Data)
			w.logMessage("client > server", o)
			w.toServer = append(w.toServer, carried{o.Level, w.lastHello})
		case NeedVerification:
			w.logf("client          needs verification of %s, cached=%v", o.Verification.ServerName, o.Verification.Cached)
			if w.verify != nil {
				if err := w.client.ProofVerified(w.wall, w.verify(o.Verification)); err != nil {
					w.clientFailed(err)
				}
			}
		case InstallKeys:
			w.logf("client          %v keys", o.Level)
			w.clientKeys[o.Level] = o
		case Rejected:
			var reasons []string
			for _, r := range o.Reasons {
				reasons = append(reasons, ReasonString(r))
			}
			w.logf("client          rejected, refused=%v: %s", o.Refused, strings.Join(reasons, ", "))
		case Negotiated:
			w.clientPeer = o.Params
			w.logf("client          negotiated: idle %v, %d streams", o.Params.IdleTimeout, o.Params.MaxStreams)
		case Confirmed:
			w.confirmed[0] = true
			w.logf("client          confirmed")
		default:
			w.logf("client          %v", o.Kind)
		}
	}
}

func (w *world) drainServer() {
	for o, ok := w.server.Next(); ok; o, ok = w.server.Next() {
		switch o.Kind {
		case SendMessage:
			w.logMessage("server > client", o)
			data := bytes.Clone(o.Data)
			if w.mangleToClient != nil {
				var m Message
				if _, err := m.Parse(data); err != nil {
					w.t.Fatal(err)
				}
				w.mangleToClient(&m)
				data = m.Append(nil)
			}
			w.toClient = append(w.toClient, carried{o.Level, data})
		case NeedSignature:
			w.logf("server          needs a signature for %s", o.Signature.ServerName)
			if w.sign != nil {
				sig, err := w.sign(o.Signature)
				if err := w.server.ProofSigned(w.wall, sig, err); err != nil {
					w.serverFailed(err)
				}
			}
		case InstallKeys:
			w.logf("server          %v keys", o.Level)
			w.serverKeys[o.Level] = o
		case Negotiated:
			w.serverPeer = o.Params
			w.logf("server          negotiated: idle %v, %d streams", o.Params.IdleTimeout, o.Params.MaxStreams)
		case Confirmed:
			w.confirmed[1] = true
			w.logf("server          confirmed")
		default:
			w.logf("server          %v", o.Kind)
		}
	}
}

// logMessage prints the entries that tell one kind of message from another.
func (w *world) logMessage(who string, o Output) {
	m, _, err := ParseMessage(o.Data)
	if err != nil {
		w.t.Fatalf("machine sent a bad message: %v", err)
	}
	var tags []string
	for tag := range m.All() {
		tags = append(tags, tag.String())
	}
	w.logf("%s %-8v %v: %s", who, o.Level, m.Tag, strings.Join(tags, " "))
}

// check holds that both sides are done and have each other's keys.
func (w *world) check() {
	w.t.Helper()
	if w.clientErr != nil || w.serverErr != nil {
		w.t.Fatalf("client: %v, server: %v\n%s", w.clientErr, w.serverErr, w.log.String())
	}
	if w.confirmed != [2]bool{true, true} {
		w.t.Fatalf("not confirmed\n%s", w.log.String())
	}
	const f = LevelForwardSecure
	w.checkKeys("0-RTT data", w.clientKeys[LevelInitial].Seal, w.serverKeys[LevelInitial].Open)
	nonce := w.serverKeys[LevelInitial].Nonce
	open, err := w.client.Diversify(nonce[:])
	if err != nil {
		w.t.Fatal(err)
	}
	w.checkKeys("SHLO", w.serverKeys[LevelInitial].Seal, open)
	w.checkKeys("client's data", w.clientKeys[f].Seal, w.serverKeys[f].Open)
	w.checkKeys("server's data", w.serverKeys[f].Seal, w.clientKeys[f].Open)
}

func (w *world) checkKeys(what string, seal, open AEAD) {
	w.t.Helper()
	if !keysFit(seal, open) {
		w.t.Fatalf("%s: the keys do not fit", what)
	}
}

func keysFit(seal, open AEAD) bool {
	var s Scratch
	packet := append(make([]byte, 0, 64), "header, and what is said"...)
	packet = seal.Seal(&s, packet, 8, 7)
	plain, err := open.Open(&s, nil, packet, 8, 7)
	return err == nil && string(plain) == "and what is said"
}

// wantClient holds that the client closed with a code.
func (w *world) wantClient(code wire.ErrorCode) {
	w.t.Helper()
	wantCode(w.t, w.clientErr, code)
}

func (w *world) wantServer(code wire.ErrorCode) {
	w.t.Helper()
	wantCode(w.t, w.serverErr, code)
}

func wantCode(t testing.TB, err error, code wire.ErrorCode) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error is %v, want code %d (%v)", err, code, code)
	}
}

// ---- identities

type identity struct {
	certificate Certificate
	roots       *x509.CertPool
}

var (
	identitiesMu sync.Mutex
	identities   = map[string]identity{}
)

// testIdentity returns a chain for server.example with a leaf key of a kind: P-256,
// P-384, RSA; "other" is P-256 too, "long" has a chain of four big certificates.
func testIdentity(t testing.TB, kind string) identity {
	identitiesMu.Lock()
	defer identitiesMu.Unlock()
	if id, ok := identities[kind]; ok {
		return id
	}
	var key crypto.Signer
	var err error
	switch kind {
	case "RSA":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := func(name string, ca bool) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(len(identities)*10 + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Unix(worldWall-1e6, 0), NotAfter: time.Unix(worldWall+1e8, 0),
			BasicConstraintsValid: true, IsCA: ca,
		}
		if ca {
			c.KeyUsage = x509.KeyUsageCertSign
		} else {
			c.DNSNames = []string{name, "*.wild.example"}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		return c
	}
	make := func(c, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	rootTemplate := template("root", true)
	root := make(rootTemplate, rootTemplate, rootKey.Public(), rootKey)
	leafTemplate := template("server.example", false)
	if kind == "other" {
		leafTemplate.DNSNames = []string{"other.example"}
	}
	if kind == "long" {
		noise := [3000]byte{}
		rand.Read(noise[:])
		leafTemplate.DNSNames = append(leafTemplate.DNSNames, fmt.Sprintf("%x.example", noise[:30]))
		leafTemplate.Subject.Organization = []string{fmt.Sprintf("%x", noise)}
	}
	leaf := make(leafTemplate, root, key.Public(), rootKey)
	id := identity{certificate: Certificate{Chain: [][]byte{leaf.Raw, root.Raw}, Key: key}, roots: x509.NewCertPool()}
	id.roots.AddCert(root)
	identities[kind] = id
	return id
}
