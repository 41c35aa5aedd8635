// Package bench measures an implementation of gQUIC over real sockets: server and client
// are processes of their own, so that each one's CPU can be told, and several stacks do
// the same work in turns, so that their ratio means something on a machine that is not
// quiet.
//
//	parent ── Spec ──▶ server process ── Ready (address, roots) ──▶ parent
//	parent ── Spec, Ready ──▶ client process: prepares, says so
//	parent: usage of the server, "go", work, Result of the client, usage of the server
//
// The work is one of:
//
//	bulk        the server sends Size bytes on one stream
//	handshakes  Count connections one after another, or Parallel at a time
//	requests    Count round trips of Message bytes, on one stream or each on a new one
//	idle        Count connections are opened, used once, and held
package bench
