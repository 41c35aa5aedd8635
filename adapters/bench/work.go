package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

// Every stream begins with a header that tells the server what to do on it.
const (
	headerLen = 16
	opSend    = 1 // send so many bytes and the end
	opEcho    = 2 // send back every message of so many bytes, until the end
)

func header(op, size uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, op), size)
}

// chunk is how much is written or read in one call.
const chunk = 64 << 10

// serve answers the streams of all sessions, or the first one of each, until ctx ends.
func serve(ctx context.Context, l Listener, once bool) {
	for {
		s, err := l.Accept(ctx)
		if err != nil {
			return
		}
		go func() {
			for {
				st, err := s.Accept(ctx)
				if err != nil {
					return
				}
				if once { // what is held later is the connection alone
					answer(st)
					return
				}
				go answer(st)
			}
		}()
	}
}

func answer(s Stream) {
	var h [headerLen]byte
	if _, err := io.ReadFull(s, h[:]); err != nil {
		return
	}
	size := int64(binary.LittleEndian.Uint64(h[8:]))
	switch binary.LittleEndian.Uint64(h[:]) {
	case opSend:
		b := make([]byte, chunk)
		for sent := int64(0); sent < size; {
			n, err := s.Write(b[:min(chunk, size-sent)])
			if err != nil {
				return
			}
			sent += int64(n)
		}
	case opEcho:
		b := make([]byte, min(size, 1<<20))
		for {
			if _, err := io.ReadFull(s, b); err != nil {
				break
			}
			if _, err := s.Write(b); err != nil {
				return
			}
		}
	}
	s.CloseWrite()
	io.Copy(io.Discard, s)
}

// A task is the client's half of the work: prepare, which is not measured, and do, which is.
type task struct {
	spec *Spec
	d    Dialer
	held []Session
	st   Stream
	buf  []byte
}

func (t *task) prepare(ctx context.Context) error {
	switch t.spec.Work {
	case Bulk, Requests:
		return t.open(ctx)
	case Handshakes:
		for range 3 {
			if err := t.connect(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *task) open(ctx context.Context) error {
	s, err := t.d.Dial(ctx)
	if err != nil {
		return err
	}
	t.held = append(t.held, s)
	if t.st, err = s.Open(ctx); err != nil {
		return err
	}
	if t.spec.Stack == (Raw{}).Name() {
		return nil
	}
	if t.spec.Work == Bulk {
		// Warm up: the windows have grown when the measured part begins.
		if _, err = t.st.Write(header(opSend, warmUp)); err != nil {
			return err
		}
		if n, err := t.drain(); err != nil || n != warmUp {
			return fmt.Errorf("%d of %d bytes came: %w", n, int64(warmUp), err)
		}
		if t.st, err = s.Open(ctx); err != nil {
			return err
		}
		return nil
	}
	if _, err = t.st.Write(header(opEcho, uint64(t.spec.Message))); err != nil {
		return err
	}
	for range 50 {
		if err := t.echo(t.st); err != nil {
			return err
		}
	}
	return nil
}

// warmUp bytes go before a bulk transfer.
const warmUp = 32 << 20

func (t *task) drain() (int64, error) {
	b := make([]byte, chunk)
	var got int64
	for {
		n, err := t.st.Read(b)
		got += int64(n)
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// do is the measured part. It returns how many operations it did.
func (t *task) do(ctx context.Context) (ops int, err error) {
	switch t.spec.Work {
	case Bulk:
		if _, err := t.st.Write(header(opSend, uint64(t.spec.Size))); err != nil {
			return 0, err
		}
		if n, err := t.drain(); err != nil || n != t.spec.Size {
			return 0, fmt.Errorf("%d of %d bytes came: %w", n, t.spec.Size, err)
		}
		return 1, nil
	case Handshakes:
		return t.spec.Count, t.each(t.connect, ctx)
	case Requests:
		for range t.spec.Count {
			if err := t.request(ctx); err != nil {
				return 0, err
			}
		}
		return t.spec.Count, nil
	case Idle:
		return t.spec.Count, t.each(t.hold, ctx)
	}
	return 0, fmt.Errorf("%q is no work", t.spec.Work)
}

// each calls f Count times, Parallel at a time.
func (t *task) each(f func(context.Context) error, ctx context.Context) error {
	var all sync.WaitGroup
	n := max(1, t.spec.Parallel)
	errs := make([]error, n)
	for i := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			for j := i; j < t.spec.Count && errs[i] == nil; j += n {
				errs[i] = f(ctx)
			}
		}()
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *task) connect(ctx context.Context) error {
	s, err := t.d.Dial(ctx)
	if err == nil {
		s.Close()
	}
	return err
}

var holding sync.Mutex

// hold opens a connection, uses it once, and keeps it.
func (t *task) hold(ctx context.Context) error {
	s, err := t.d.Dial(ctx)
	if err != nil {
		return err
	}
	holding.Lock()
	t.held = append(t.held, s)
	holding.Unlock()
	st, err := s.Open(ctx)
	if err != nil {
		return err
	}
	if _, err := st.Write(header(opSend, 100)); err != nil {
		return err
	}
	if err := st.CloseWrite(); err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, st)
	if err == nil && n != 100 {
		err = fmt.Errorf("%d of 100 bytes came", n)
	}
	return err
}

func (t *task) request(ctx context.Context) error {
	if !t.spec.NewStream {
		return t.echo(t.st)
	}
	st, err := t.held[0].Open(ctx)
	if err != nil {
		return err
	}
	if _, err := st.Write(header(opSend, uint64(t.spec.Message))); err != nil {
		return err
	}
	if err := st.CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, st)
	return err
}

func (t *task) echo(s Stream) error {
	if t.buf == nil {
		t.buf = make([]byte, t.spec.Message)
	}
	if _, err := s.Write(t.buf); err != nil {
		return err
	}
	_, err := io.ReadFull(s, t.buf)
	return err
}

// settled is when what the work left behind has been dealt with.
func (t *task) settled() {
	time.Sleep(linger)
}
