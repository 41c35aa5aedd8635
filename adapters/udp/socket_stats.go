package udp

// SocketStats count what went over a socket: divided by each other they tell how many datagrams
// a system call moved.
type SocketStats struct {
	Reads, DatagramsRead     uint64    // system calls that brought something, and what they brought
	Writes, DatagramsWritten uint64    // system calls
	ECN                      [4]uint64 // datagrams read, by the ECN bits of their IP header; all 0 where the system does not tell

	// ReadBuffer and WriteBuffer are the socket's buffers as the system gave them, in
	// bytes, 0 if not known. A small read buffer loses packets when the program does not
	// run for some milliseconds: see net.core.rmem_max.
	ReadBuffer, WriteBuffer int
}

func (s *socket) stats() SocketStats {
	st := SocketStats{
		Reads: s.reads.Load(), DatagramsRead: s.datagramsRead.Load(),
		Writes: s.writes.Load(), DatagramsWritten: s.datagramsWritten.Load(),
		ReadBuffer: s.readBuffer, WriteBuffer: s.writeBuffer,
	}
	for i := range s.ecn {
		st.ECN[i] = s.ecn[i].Load()
	}
	return st
}

// SocketStats returns the counters of the listener's sockets, and the buffers of one.
func (l *Listener) SocketStats() SocketStats {
	sum := l.e.sock.stats()
	for _, e := range l.more {
		s := e.sock.stats()
		sum.Reads += s.Reads
		sum.DatagramsRead += s.DatagramsRead
		sum.Writes += s.Writes
		sum.DatagramsWritten += s.DatagramsWritten
		for i, n := range s.ECN {
			sum.ECN[i] += n
		}
	}
	return sum
}

// SocketStats returns the counters of the connection's socket, which other connections may
// share.
func (c *Conn) SocketStats() SocketStats { return c.e.sock.stats() }
