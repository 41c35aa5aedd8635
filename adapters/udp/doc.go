// Package udp runs gQUIC connections over UDP sockets: it gives [conn.Endpoint] a
// socket, a clock, a lock and one goroutine, and gives Go programs the blocking
// calls that they know from package net.
//
//	            application goroutines
//	     Read Write OpenStream Accept Close …
//	                 │ lock the endpoint, act, send what became due
//	                 ▼
//	┌─────────────────────────────────────────┐      ┌────────┐
//	│ conn.Endpoint: all connections of the   │─────▶│        │
//	│ socket, guarded by one mutex            │      │ socket │
//	└─────────────────────────────────────────┘      │        │
//	                 ▲ Receive, events               │        │
//	   one goroutine: wait for a datagram or the     │        │
//	   endpoint's one deadline ◀─────────────────────│        │
//	                                                 └────────┘
//
// A socket has one goroutine, however many connections and streams there are. A call
// that has to wait sleeps until an event of its own stream or connection wakes it; or, if
// it is the only one that is ever woken, it takes the goroutine's place meanwhile, which
// saves the wake-ups.
//
// # Ending
//
// [Stream.CloseWrite] ends what a side sends (FIN), as net.TCPConn's does;
// [Stream.Close] also gives up reading. [Stream.Reset] breaks a stream off.
//
// [Conn.Close] first waits, at most [Config].CloseTimeout, until the peer has
// acknowledged everything that was written, and then tells the peer PEER_GOING_AWAY:
// written data is not lost by closing. [Conn.CloseWithError] closes at once.
// [Listener.Shutdown] does what Close does for every connection, [Listener.Close] what
// CloseWithError does.
//
// # Errors
//
// Errors come as *[net.OpError] and unwrap to those of package conn: to a
// *[conn.PeerError] if the peer closed, to a *[conn.LocalError] if this side did, to a
// *[conn.StreamError] after a reset, to conn.ErrIdleTimeout and its like. Deadlines
// give [os.ErrDeadlineExceeded], calls on something closed here [net.ErrClosed]. The
// end of a stream is a plain [io.EOF].
//
// # Trust
//
// A client with Conn.Client.Roots verifies a server's chain when it first sees it, for a
// name and these roots, and then remembers, for the whole program, that it holds until the
// first of its certificates expires. (A constraint of [x509.CertPool.AddCertWithConstraint]
// is thus asked once.) The server's proof is checked for each connection.
//
// # Versions
//
// A server answers a version that it does not speak with a list of those it does, and a
// client follows. Some servers stay silent instead, so [Dial] offers the next version
// after [Config].VersionTimeout without an answer.
//
// # Limits
//
// Q044 packets to a client carry no connection ID: every [Dial] has a socket of its own,
// and [Listener.Dial] to one address more than once needs Q043. A wildcard listener
// on a host with several addresses answers from the address that was asked on Linux;
// elsewhere the system picks one. A search for larger datagrams (conn.Config.MTULimit)
// forbids fragments on Linux only. On Linux a socket that was lent to the goroutine that
// waits takes a second file descriptor from then on. A full socket buffer makes the endpoint wait for
// the system: UDP sockets drain at the link's speed.
package udp
