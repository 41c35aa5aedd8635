package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"time"

	"example.com/gquic/wire"
)

// A Work is what is measured.
type Work string

const (
	Bulk       Work = "bulk"
	Handshakes Work = "handshakes"
	Requests   Work = "requests"
	Idle       Work = "idle"
)

// A Spec is one measurement, the same for every stack. Fields that a stack has no setting
// for mean nothing to it.
type Spec struct {
	Work    Work         `json:"work"`
	Stack   string       `json:"stack"`
	Version wire.Version `json:"version"`

	Size      int64 `json:"size,omitempty"`       // bulk: bytes
	Count     int   `json:"count,omitempty"`      // how many connections or requests
	Parallel  int   `json:"parallel,omitempty"`   // handshakes: at a time
	Message   int   `json:"message,omitempty"`    // requests: bytes each way
	NewStream bool  `json:"new_stream,omitempty"` // requests: each on a stream of its own
	Resume    bool  `json:"resume,omitempty"`     // handshakes: 0-RTT
	Pin       bool  `json:"pin,omitempty"`        // both processes on one core
	Procs     int   `json:"procs,omitempty"`      // GOMAXPROCS of each process; 0: the default

	KeyShare    time.Duration `json:"key_share,omitempty"`    // handshakes: reuse of the server's share
	NoOffload   bool          `json:"no_offload,omitempty"`   // one system call for each datagram
	Decimate    bool          `json:"decimate,omitempty"`     // acknowledge every tenth packet
	Datagram    int           `json:"datagram,omitempty"`     // UDP payload; 0: the default
	RSA         bool          `json:"rsa,omitempty"`          // the certificate's key
	CPUProfile  string        `json:"cpu_profile,omitempty"`  // file name; .server and .client are added
	HeapProfile string        `json:"heap_profile,omitempty"` // likewise
}

// A Stack is an implementation under test.
type Stack interface {
	Name() string
	// Listen serves on a port of the loopback interface.
	Listen(s *Spec, cert tls.Certificate) (Listener, error)
	// NewDialer prepares what connections of one client share.
	NewDialer(s *Spec, addr string, roots *x509.CertPool) (Dialer, error)
}

// A Listener accepts sessions.
type Listener interface {
	Addr() string
	Accept(ctx context.Context) (Session, error)
}

// A Dialer connects to the server, with what it kept of earlier connections if the spec
// says Resume.
type Dialer interface {
	Dial(ctx context.Context) (Session, error)
}

// A Session is a connection.
type Session interface {
	Open(ctx context.Context) (Stream, error)
	Accept(ctx context.Context) (Stream, error)
	Close()
}

// A Stream is an ordered sequence of bytes each way.
type Stream interface {
	io.ReadWriter
	CloseWrite() error
}

// ServerName is what the servers' certificates are for.
const ServerName = "bench.gquic.test"
