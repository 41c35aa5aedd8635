// Package h2 speaks HTTP over gQUIC: an [http.Handler] goes in ([Server]), or an
// [http.RoundTripper] comes out ([Transport]). It is what browsers of the gQUIC years,
// and Google's, LiteSpeed's and quic-go's servers spoke.
//
// The semantics are HTTP/2's. The headers of all requests and responses travel on one
// stream, in HTTP/2 frames with HPACK; bodies travel raw, each on a stream of its own:
//
//	stream 3   │ HEADERS 5 │ HEADERS 7, END_STREAM │ PRIORITY 5 │ HEADERS 9 │ …   client ─▶
//	           │ SETTINGS │ HEADERS 7 │ HEADERS 5 │ …                            ◀─ server
//	stream 5   │ the request's body … FIN                                         client ─▶
//	           │ the response's body … FIN                                       ◀─ server
//	stream 7   │ (nothing: END_STREAM has said so)                                client ─▶
//	           │ the response's body … FIN                                       ◀─ server
//
// (Reference: connection, section 17; live checks, streams and HTTP.)
//
// # The core
//
// [Decoder] and [Encoder] are the framing of stream 3 as pure state machines: bytes in,
// events out, and the other way round. They need no goroutine, know no socket, and can
// be used over a [conn.Endpoint] that somebody drives by hand. All limits on what a peer
// may make us hold or do are theirs and the [Server]'s, by name.
//
// # Rules that peers depend on
//
// They were found by talking to deployed software, and each has a test.
//
//   - A request without a body ends by END_STREAM on its HEADERS and by nothing else. A
//     response ends by a FIN on its own stream, never by END_STREAM: quic-go's client
//     waits for the FIN.
//   - A response may end before its request has arrived: it ends with the FIN alone, and
//     the server reads on and throws away.
//   - RST_STREAM with code 0 is sent only when the whole request has arrived and the
//     response's end was acknowledged, and only to clients without SMHL in their hello,
//     since quic-go's client keeps its stream open without it.
//   - A response that fails after its headers ends by RST_STREAM when what was flushed has
//     been acknowledged and the client has had the time to read it.
//   - Header names are in lower case, a header block is one HEADERS frame. A client's
//     have priority fields, a server's have not.
//   - SETTINGS goes to a peer whose hello had SMHL, and to no other.
//   - Trailers, with ":final-offset", go to a client that sent "te: trailers".
//   - A client stays two streams below the server's limit.
//   - GOAWAY is sent on [Server.Shutdown], to clients with SMHL only: others close the
//     connection when they get it.
//
// # Limitations
//
// Server push is refused by the client and not done by the server. Priorities are read
// but not obeyed: the connection sends its streams in turn. Informational responses
// other than 100 are not sent, since browsers take them for the final one. Request
// trailers need [Transport.RequestTrailers], since a server cannot say that it knows
// them. Host names must be in ASCII: there is no conversion to punycode. There is no
// Hijack.
package h2
