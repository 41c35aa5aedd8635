// Package interop runs gquic against other implementations of Google QUIC over real UDP
// sockets, in both roles, over loopback and over a [relay] that loses, repeats and
// reorders datagrams. It is a module of its own, so that what the peers need stays out
// of gquic's.
//
//	client   ──▶  relay (drops 2 %, …)  ──▶  server
//	gquic         or none                    quic-go v0.10.2
//	quic-go                                  gquic
//
// A scenario is written once, against [Session] and [Stream]; [GQUIC] and [QuicGo] are
// the two stacks that it runs on.
//
//	go test ./...          everything, a good minute on two cores
//	go test -short ./...   one version and one certificate of each kind
package interop
