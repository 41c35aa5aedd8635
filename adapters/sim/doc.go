// Package sim runs gquic endpoints in a simulated network under a virtual clock. A
// [World] moves from one event to the next, never waits, and draws everything that is
// random from one seed, so that thousands of simulated seconds take a few real ones
// and a failure is repeated by its seed alone.
//
//	Node ("client")                                              Node ("server")
//	┌─────────────────────────┐   Link "up"                      ┌──────────────┐
//	│ App ◀─events── Endpoint │──▶ queue ▸ rate ▸ loss ▸ delay ──▶│ Endpoint App │
//	│     ──calls──▶          │                                  │              │
//	│                         │◀── delay ◂ loss ◂ rate ◂ queue ──│              │
//	└─────────────────────────┘                     Link "down"  └──────────────┘
//
// A [Node] is a [conn.Endpoint] at an address with an [App]: what the application does,
// and when its goal is reached. A [Link] carries datagrams in one direction; a path is
// any list of links, and links may be on many paths, so bottlenecks can be shared. Links
// delay, jitter, queue, lose (alone or in bursts), reorder, duplicate, corrupt, truncate,
// limit the size, and fail for a while; a queue may be managed (CoDel). A node's address can
// change under it, as a NAT does it, and its clock can jump forward.
//
// While a world runs it holds two asserts about liveness: nobody is idle while a goal is
// unfinished (nothing scheduled means nothing will ever happen), and nobody asks to be
// woken at once after everything was drained (a loop of zero-length waits).
//
// [World.Digest] sums up every byte of every datagram sent, with time and addresses. Equal
// seeds and calls give equal digests on every architecture: probabilities are integers
// ([PPM]), times are integers, and no map's order or floating-point number decides
// anything. Deflated certificate chains depend on the version of Go, and so do digests.
//
// [Transfer] is a ready-made world with one client and one server. A [Scenario] is a world,
// what flows in it, what goes wrong and what is expected, read from a text file (its language is in
// docs/simulation.md); run it with many seeds, collect the runs in a [Report], and draw one
// with a [Recording].
package sim
