package fuzz

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/handshake"
	"example.com/gquic/wire"
)

// What the handshake targets begin from: a client's and a server's machine with each
// other's messages, at every stage of a handshake.

var (
	clientParams = handshake.Params{IdleTimeout: 30 * time.Second, MaxStreams: 100, ConnectionWindow: 1 << 19, StreamWindow: 1 << 18}
	machineID    = wire.ConnectionID{1, 2, 3, 4, 5, 6, 7, 8}
	machineAddr  = netip.MustParseAddr("192.0.2.1")
)

func newHost(change func(*handshake.HostConfig)) *handshake.Host {
	cfg := &handshake.HostConfig{Certificates: []handshake.Certificate{Certificate}, Secret: [32]byte{3}}
	if change != nil {
		change(cfg)
	}
	h, err := handshake.NewHost(cfg, handshake.NewEntropy([32]byte{4}))
	if err != nil {
		panic(err)
	}
	return h
}

func newMachines(host *handshake.Host, version wire.Version, r *handshake.Resumption) *machines {
	client, err := handshake.NewClient(&handshake.ClientConfig{Roots: Authority.Pool}, handshake.ClientStart{
		ConnectionID: machineID, Version: version, ServerName: ServerName, Params: clientParams,
		Entropy: handshake.NewEntropy([32]byte{5}), Resumption: r})
	if err != nil {
		panic(err)
	}
	server := handshake.NewServer(host, handshake.ServerStart{
		ConnectionID: machineID, Version: version, Versions: []wire.Version{wire.Q044, wire.Q043},
		ClientAddr: machineAddr, Params: clientParams, Entropy: handshake.NewEntropy([32]byte{6})})
	m := &machines{host: host, client: client, server: server}
	if err := client.Start(sim.WallStart); err != nil {
		panic(err)
	}
	m.drain(client.Next, &m.fromClient, &m.clientKeys)
	return m
}

// machines are both halves of a handshake, and what they have to say to each other.
type machines struct {
	host                   *handshake.Host
	client                 *handshake.Client
	server                 *handshake.Server
	fromClient, fromServer []said
	clientKeys, serverKeys [handshake.Levels]handshake.Output
}

type said struct {
	level handshake.Level
	data  []byte
}

func (m *machines) clone() *machines {
	c := *m
	c.host = m.host.Clone()
	c.client, c.server = m.client.Clone(), m.server.Clone(c.host)
	return &c
}

func (m *machines) drain(next func() (handshake.Output, bool), to *[]said, keys *[handshake.Levels]handshake.Output) {
	for o, ok := next(); ok; o, ok = next() {
		switch o.Kind {
		case handshake.SendMessage:
			*to = append(*to, said{o.Level, bytes.Clone(o.Data)})
		case handshake.InstallKeys:
			keys[o.Level] = o
		}
	}
}

// stages are the machines before each message of a handshake that goes well, the newest
// message being the last that was said; the final stage is complete.
func stages(host *handshake.Host, version wire.Version) (all []*machines) {
	m := newMachines(host, version, nil)
	all = append(all, m.clone())
	for said, heard := 0, 0; ; {
		switch {
		case said < len(m.fromClient):
			s := m.fromClient[said]
			said++
			if n, err := m.server.Receive(s.level, s.data, 1350, sim.WallStart); err != nil || n != len(s.data) {
				panic(err)
			}
			m.drain(m.server.Next, &m.fromServer, &m.serverKeys)
		case heard < len(m.fromServer):
			s := m.fromServer[heard]
			heard++
			if n, err := m.client.Receive(s.level, s.data, sim.WallStart); err != nil || n != len(s.data) {
				panic(err)
			}
			m.drain(m.client.Next, &m.fromClient, &m.clientKeys)
		default:
			return all
		}
		all = append(all, m.clone())
	}
}

// machineMessages are the messages of a handshake.
func machineMessages() (all [][]byte) {
	m := goodStages()[len(goodStages())-1]
	for _, s := range append(m.fromClient[:len(m.fromClient):len(m.fromClient)], m.fromServer...) {
		all = append(all, s.data)
	}
	return all
}

var goodStages = sync.OnceValue(func() []*machines { return stages(newHost(nil), wire.Q043) })

func firstHello() []byte { return goodStages()[0].fromClient[0].data }

func serverConfig() []byte {
	c, err := goodStages()[0].host.Clone().Config(sim.WallStart)
	if err != nil {
		panic(err)
	}
	return c.Bytes()
}

func storedResumption() []byte {
	r, ok := goodStages()[len(goodStages())-1].client.Resumption()
	if !ok {
		panic("no resumption")
	}
	b, err := r.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

// keysFit reports whether what seal protects can be opened by open.
func keysFit(seal, open handshake.AEAD) bool {
	if seal == nil || open == nil {
		return false
	}
	var s handshake.Scratch
	packet := append(make([]byte, 0, 64), "head"...)
	packet = append(packet, make([]byte, seal.Prefix())...)
	packet = append(packet, "what is said"...)
	packet = seal.Seal(&s, packet, 4, 7)
	plain, err := open.Open(&s, nil, packet, 4, 7)
	return err == nil && string(plain) == "what is said"
}
