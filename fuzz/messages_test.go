package fuzz

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/adler32"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// handshakeVectors are the "hex" of a group in the handshake vectors.
func handshakeVectors(f *testing.F, group, field string) (all [][]byte) {
	path, ok := shared("vectors/handshake.json")
	if !ok {
		return nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(raw, &groups); err != nil {
		f.Fatal(err)
	}
	var cases []map[string]any
	if err := json.Unmarshal(groups[group], &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		if s, ok := c[field].(string); ok {
			if b, err := hex.DecodeString(s); err == nil {
				all = append(all, b)
			}
		}
	}
	return all
}

// plainParse is a second, plain parser of handshake messages, written from the
// reference's description: the bytes used, or why not: 0 incomplete, else the code.
func plainParse(b []byte) (tag uint32, values map[uint32]string, n int, code wire.ErrorCode) {
	le := binary.LittleEndian
	if len(b) < 8 {
		return 0, nil, 0, 0
	}
	count := int(le.Uint16(b[4:]))
	if count > 128 {
		return 0, nil, 0, wire.CryptoTooManyEntries
	}
	start := 8 + 8*count
	if len(b) < start {
		return 0, nil, 0, 0
	}
	end := 0
	type entry struct {
		tag      uint32
		from, to int
	}
	var entries []entry
	for i := range count {
		e := entry{le.Uint32(b[8+8*i:]), end, int(le.Uint32(b[12+8*i:]))}
		switch {
		case i > 0 && e.tag == entries[i-1].tag:
			return 0, nil, 0, wire.CryptoDuplicateTag
		case i > 0 && e.tag < entries[i-1].tag, e.to < e.from:
			return 0, nil, 0, wire.CryptoTagsOutOfOrder
		case start+e.to > handshake.MaxMessageSize:
			return 0, nil, 0, wire.CryptoInvalidValueLength
		}
		end = e.to
		entries = append(entries, e)
	}
	if len(b) < start+end {
		return 0, nil, 0, 0
	}
	values = map[uint32]string{}
	for _, e := range entries {
		values[e.tag] = string(b[start+e.from : start+e.to])
	}
	return le.Uint32(b), values, start + end, 0
}

// FuzzHandshakeMessage: the parser agrees with a plain second one, and what it takes is
// written back byte for byte.
func FuzzHandshakeMessage(f *testing.F) {
	for _, m := range machineMessages() {
		f.Add(m)
		f.Add(m[:len(m)/2])
	}
	f.Add((&handshake.Message{Tag: handshake.CHLO}).Append(nil))
	for _, group := range []string{"messages", "malformed_messages"} {
		for _, b := range handshakeVectors(f, group, "hex") {
			f.Add(b)
		}
	}
	var m handshake.Message
	f.Fuzz(func(t *testing.T, data []byte) {
		b := clip(data)
		n, err := m.Parse(b)
		tag, values, plainN, code := plainParse(b)
		if err != nil {
			var e *handshake.Error
			if errors.As(err, &e) {
				if e.Code != code {
					t.Fatalf("error %v, not %v", e, code)
				}
			} else if err != handshake.ErrIncomplete || plainN != 0 || code != 0 {
				t.Fatalf("error %v, and %d bytes with code %v", err, plainN, code)
			}
			if m.Len() != 0 || n != 0 {
				t.Fatal("not empty after an error")
			}
			return
		}
		if n != plainN || uint32(m.Tag) != tag || m.Len() != len(values) || n > len(b) || m.Size() != n {
			t.Fatalf("%d bytes, %v with %d entries; and plainly %d, %d", n, m.Tag, m.Len(), plainN, len(values))
		}
		for tag, v := range m.All() {
			if values[uint32(tag)] != string(v) || !within(v, b) {
				t.Fatalf("%v is %x, and plainly %x", tag, v, values[uint32(tag)])
			}
			if got, ok := m.Get(tag); !ok || !bytes.Equal(got, v) {
				t.Fatalf("Get(%v) is %x, %v", tag, got, ok)
			}
		}
		again := m.Append(nil)
		if !bytes.Equal(again[:6], b[:6]) || !bytes.Equal(again[8:], b[8:n]) {
			t.Fatalf("%x written as %x", b[:n], again)
		}
		if len(b)%8 == 0 && (m.String() == "" || m.Summary() == "") { // it is slow
			t.Fatal("no text")
		}
		if p, err := handshake.ParseParams(&m); err == nil {
			checkParams(t, &p, m.Tag)
		}
	})
}

// checkParams holds that transport parameters are written to what is read as the same.
func checkParams(t *testing.T, p *handshake.Params, tag handshake.Tag) {
	m := handshake.Message{Tag: tag}
	p.AddTo(&m)
	again, err := handshake.ParseParams(&m)
	if err != nil {
		t.Fatalf("%+v is not read again: %v", p, err)
	}
	second := handshake.Message{Tag: tag}
	again.AddTo(&second)
	if a, b := m.Append(nil), second.Append(nil); !bytes.Equal(a, b) {
		t.Fatalf("%+v written as %x, and read again as %x", p, a, b)
	}
}

// FuzzServerConfig: what parses keeps its exact bytes, which are signed; its ID and expiry
// are those of the plain parser; and what lacks an entry that keys need does not parse.
func FuzzServerConfig(f *testing.F) {
	config := serverConfig()
	f.Add(config, []byte{})
	for i := range 40 {
		f.Add(config, bytes.Repeat([]byte{byte(i), byte(5 * i), byte(11 * i)}, 6))
	}
	for _, b := range handshakeVectors(f, "malformed_messages", "hex") {
		f.Add(b, []byte{})
	}
	donor := MustMessage(config)
	f.Fuzz(func(t *testing.T, data, script []byte) {
		b := clip(data)
		var m handshake.Message
		if len(script) > 0 && m.ParseWhole(b) == nil {
			b = clip(NewInput(script).Message(nil, &m, donor))
		}
		before := bytes.Clone(b)
		c, err := handshake.ParseServerConfig(b)
		tag, values, n, _ := plainParse(b)
		if err != nil {
			var e *handshake.Error
			if !errors.As(err, &e) || e.Code == 0 {
				t.Fatalf("error %#v", err)
			}
			return
		}
		id, expiry := c.ID(), c.Expiry()
		if !bytes.Equal(c.Bytes(), before) || tag != uint32(handshake.SCFG) || n != len(b) {
			t.Fatalf("%x has the bytes %x", before, c.Bytes())
		}
		if string(id[:]) != values[uint32(handshake.SCID)] || expiry < 0 {
			t.Fatalf("ID %x, expiry %d", id, expiry)
		}
		for _, need := range []handshake.Tag{handshake.KEXS, handshake.TagAEAD, handshake.PUBS, handshake.ORBT, handshake.EXPY} {
			if len(values[uint32(need)]) == 0 {
				t.Fatalf("taken without %v", need)
			}
		}
		clear(b) // it must not alias its input
		if !bytes.Equal(c.Bytes(), before) {
			t.Fatal("the config lives in its input")
		}
	})
}

// FuzzSourceAddressToken: no bytes but those that were given out prove an address, only
// the one they were given to, and only in their time.
func FuzzSourceAddressToken(f *testing.F) {
	host := newHost(nil)
	addr := netip.MustParseAddr("192.0.2.1")
	chlo := firstHello()
	rej, err := host.StatelessReject(nil, chlo, addr, wire.ConnectionID{9}, 17, uint64(len(chlo)), sim.WallStart)
	if err != nil {
		f.Fatal(err)
	}
	token, _ := MustMessage(rej).Get(handshake.STK)
	made := sim.WallStart / 32 * 32
	const day, skew = 24 * 3600, 3600
	f.Add([]byte{}, token, int32(0), uint32(0))
	f.Add([]byte{}, token, int32(day+33), uint32(0))
	f.Add([]byte{}, token, int32(-skew-1), uint32(1))
	f.Add([]byte{1, 3, 0, 1}, token, int32(5), uint32(0))
	f.Add([]byte{2, 40, 4, 1, 3}, token, int32(5), uint32(0))
	f.Add([]byte{}, []byte{}, int32(0), uint32(0))
	f.Add([]byte{}, bytes.Repeat([]byte{7}, 53), int32(0), uint32(0))
	hello := MustMessage(chlo)
	f.Fuzz(func(t *testing.T, script, data []byte, later int32, other uint32) {
		candidate := NewInput(script).Mutate(data)
		m := hello.Clone()
		m.Set(handshake.STK, candidate)
		b := m.Append(nil)
		who := addr
		if other != 0 {
			a := addr.As4()
			binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+other)
			who = netip.AddrFrom4(a)
		}
		wall := sim.WallStart + int64(later)
		genuine := bytes.Equal(candidate, token) && who == addr
		inTime := wall-made <= day && made-wall <= skew
		if got := host.TokenValid(b, who, wall); got != (genuine && inTime) {
			t.Fatalf("valid: %v; genuine %v, in time %v", got, genuine, inTime)
		}
		for _, id := range []wire.ConnectionID{{9}, {8}} {
			r, ok := host.OpenResume(b, who, id, wall)
			if ok != (genuine && inTime && id[0] == 9) {
				t.Fatalf("resumes %v: %v; genuine %v, in time %v", id, ok, genuine, inTime)
			}
			if ok && (r.NextPacketNumber != 17 || r.ClientOffset != uint64(len(chlo)) || r.ServerOffset != uint64(len(rej))) {
				t.Fatalf("resumes at %+v", r)
			}
		}
	})
}

// FuzzCertChain: what comes out is bounded, however much it promises, and inflates as with the
// standard library; and what came out is compressed to something that gives the same again.
func FuzzCertChain(f *testing.F) {
	cached := [][]byte{Certificate.Chain[0], bytes.Repeat([]byte("cached "), 40)}
	for _, chain := range [][][]byte{{cached[0]}, {cached[0], []byte("not cached")}, {[]byte("x"), cached[1]}, cached} {
		b, err := handshake.CompressChain(nil, chain, handshake.CommonSetHashes(), binary.LittleEndian.AppendUint64(nil, handshake.CertHash(cached[1])))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, []byte{})
		f.Add(b, []byte{1, 14, 3, 255, 0})
	}
	bomb, err := handshake.CompressChain(nil, [][]byte{make([]byte, 100<<10)}, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bomb, []byte{})
	f.Add(bomb, []byte{1, 2, 3, 0x7f})
	for _, group := range []string{"cert_compression", "cert_compression_malformed"} {
		for _, b := range handshakeVectors(f, group, "compressed") {
			f.Add(b, []byte{})
		}
	}
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, level)
		if err != nil {
			f.Fatal(err)
		}
		w.Write(cached[0])
		w.Flush()
		w.Write(cached[0])
		w.Close()
		f.Add(b.Bytes(), []byte{})
	}
	f.Fuzz(func(t *testing.T, data, script []byte) {
		b := clip(NewInput(script).Mutate(data))
		inflatesAsFlate(t, b)
		chain, err := handshake.DecompressChain(b, cached)
		if err != nil {
			var e *handshake.Error
			if !errors.As(err, &e) || e.Code != wire.InvalidCryptoMessageParameter || chain != nil {
				t.Fatalf("error %v, %d certificates", err, len(chain))
			}
			return
		}
		size := 0
		for _, der := range chain {
			size += len(der)
		}
		if len(chain) > 16 || size > 16*(128<<10) {
			t.Fatalf("%d certificates, %d bytes", len(chain), size)
		}
		again, err := handshake.CompressChain(nil, chain, nil, nil)
		if err != nil {
			return // common or cached certificates many times over
		}
		twice, err := handshake.DecompressChain(again, nil)
		if err != nil || len(twice) != len(chain) {
			t.Fatalf("compressed again: %d certificates, %v", len(twice), err)
		}
		for i := range chain {
			if !bytes.Equal(chain[i], twice[i]) {
				t.Fatalf("certificate %d changed", i)
			}
		}
	})
}

// inflatesAsFlate has raw inflated by the standard library, and as the stream of a compressed
// chain of one certificate, with the length and the checksum that it must have for that.
func inflatesAsFlate(t *testing.T, raw []byte) {
	const most = 128 << 10
	length := make([]byte, 4) // what stands before the certificate, and may be repeated
	plain, _ := io.ReadAll(io.LimitReader(flate.NewReaderDict(bytes.NewReader(raw), length), most))
	binary.LittleEndian.PutUint32(length, uint32(len(plain)))
	blocks := append([]byte{0, 4, 0, 0xfb, 0xff}, length...) // a stored block
	blocks = append(blocks, raw...)
	r := bytes.NewReader(blocks)
	want, err := io.ReadAll(io.LimitReader(flate.NewReader(r), most+1))
	wanted := err == nil && len(want) <= most
	b := binary.LittleEndian.AppendUint32([]byte{1, 0}, uint32(len(want)))
	b = append(b, 0x78, 0x9c)
	b = append(b, blocks[:len(blocks)-r.Len()]...)
	b = binary.BigEndian.AppendUint32(b, adler32.Checksum(want))
	chain, err := handshake.DecompressChain(b, nil)
	if (err == nil) != wanted || wanted && !bytes.Equal(chain[0], want[4:]) {
		t.Fatalf("%v and %x, want %x: %v", err, chain, want, wanted)
	}
}

// FuzzResumption: stored state that is read is written back byte for byte. The checksum is
// mended after the change, or nothing but it would be tested; and a client that starts
// with whatever was read does not believe a server for it.
func FuzzResumption(f *testing.F) {
	stored := storedResumption()
	f.Add(stored, []byte{})
	for i := range 30 {
		f.Add(stored, []byte{byte(1 + i%3), 0, 0, byte(i * 40 >> 8), byte(i * 40), byte(i), byte(i), 1, 2, 3})
	}
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, data, script []byte) {
		b := NewInput(script).Mutate(data)
		if len(b) >= 8 && len(script) > 0 {
			body := b[:len(b)-8]
			sum := sha256.Sum256(body)
			b = append(body, sum[:8]...)
		}
		b = clip(b)
		var r handshake.Resumption
		if err := r.UnmarshalBinary(b); err != nil {
			var e *handshake.ResumptionError
			if !errors.As(err, &e) || r.Config() != nil {
				t.Fatalf("error %#v", err)
			}
			return
		}
		again, err := r.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x written as %x, %v", b, again, err)
		}
		client, err := handshake.NewClient(&handshake.ClientConfig{Roots: Authority.Pool}, handshake.ClientStart{
			Version: wire.Q043, ServerName: r.ServerName(), Params: clientParams, Resumption: &r})
		if err != nil {
			return // the name is too long to be one
		}
		if err := client.Start(sim.WallStart); err != nil {
			return
		}
		for o, ok := client.Next(); ok; o, ok = client.Next() {
			if o.Kind == handshake.InstallKeys && !bytes.Equal(b, stored) && !sameProof(&r) {
				t.Fatal("keys without a proof that holds")
			}
		}
	})
}

// sameProof reports whether r has the config that the fuzz server really signed.
func sameProof(r *handshake.Resumption) bool {
	return bytes.Equal(r.Config().Bytes(), serverConfig()) && strings.EqualFold(r.ServerName(), ServerName)
}
