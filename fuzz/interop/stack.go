package interop

import (
	"context"
	"io"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A Stack is an implementation that can serve and connect.
type Stack interface {
	Name() string
	Listen(o Options) (Listener, error)
	Dial(ctx context.Context, addr string, o Options) (Session, error)
}

// Options is what the scenarios vary.
type Options struct {
	Versions []wire.Version
	Chain    Chain
	Idle     time.Duration           // idle timeout; zero: the stack's default
	Trace    func(*conn.PacketTrace) // gquic only
}

// A Listener accepts sessions.
type Listener interface {
	Addr() string
	Accept(ctx context.Context) (Session, error)
	Close()
}

// A Session is a connection of either stack.
type Session interface {
	Open(ctx context.Context) (Stream, error)
	Accept(ctx context.Context) (Stream, error)
	// Close closes at once with a code and a reason.
	Close(code wire.ErrorCode, reason string)
	// Wait waits for the end and returns the code and reason that this side knows.
	Wait(ctx context.Context) (End, error)
	Version() wire.Version
}

// End is why a session ended.
type End struct {
	Code   wire.ErrorCode
	Reason string
}

// A Stream is a stream of either stack.
type Stream interface {
	io.ReadWriter
	ID() wire.StreamID
	CloseWrite() error
	Reset(code wire.StreamErrorCode) error
	// ResetCode finds the code in an error that Read or Write returned.
	ResetCode(err error) (wire.StreamErrorCode, bool)
}
