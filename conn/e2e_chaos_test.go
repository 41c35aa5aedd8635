package conn_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/adapters/sim"
	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A chaos run makes random calls on both sides over a bad network, among them all the
// ways in which streams end early. Whatever is read must be what was written, from its
// beginning; and when all is over the windows of both sides must agree, so that as much
// as ever can be sent.
type chaos struct {
	env  *env
	rand sim.Rand
	link sim.Rand
	loss sim.PPM
	read map[chaosKey]int // bytes read by a side
	ours [2][]wire.StreamID
	ends map[chaosKey]bool // FIN or RST_STREAM was written by a side
	err  error
}

type chaosKey struct {
	side int // who reads, or who ended
	id   wire.StreamID
}

// chaosByte is the byte that a side writes at an offset of a stream.
func chaosByte(writer int, id wire.StreamID, offset int) byte {
	return byte(writer*101+int(id)*31) + byte(offset*7>>2)
}

func (c *chaos) send() {
	for _, s := range c.env.sides {
		for b, tr, ok := s.ep.AppendTransmit(c.env.now, nil, 1); ok; b, tr, ok = s.ep.AppendTransmit(c.env.now, nil, 1) {
			if !c.link.Chance(c.loss) {
				c.env.put(datagram{from: s.index, src: s.addr, dst: tr.To, data: b, at: c.env.now.Add(10*time.Millisecond + c.link.Duration(2*time.Millisecond))})
			}
		}
		for ev, ok := s.ep.NextEvent(); ok; ev, ok = s.ep.NextEvent() {
			switch ev.Kind {
			case conn.StreamOpened:
				c.ours[s.index] = append(c.ours[s.index], ev.Stream)
			case conn.Closed:
				c.fail(fmt.Errorf("%s: %w", s.name(), ev.Err))
			}
		}
		if err := s.ep.Check(); err != nil {
			c.fail(fmt.Errorf("%s: %w", s.name(), err))
		}
	}
}

func (c *chaos) fail(err error) {
	if c.err == nil {
		c.err = fmt.Errorf("at %v: %w", c.env.now, err)
	}
}

// run lets time pass; with quiet until nothing but idleness is waited for.
func (c *chaos) run(until gquic.Instant, quiet bool) {
	e := c.env
	c.send()
	for c.err == nil {
		at, s := e.next()
		if quiet && s != nil {
			if _, r := s.ep.TimeoutReason(); long(r) {
				return
			}
		}
		if at > until {
			break
		}
		e.now = max(e.now, at)
		if s == nil {
			d := e.flight[0]
			e.flight = e.flight[1:]
			r := e.sides[1-d.from]
			h, _ := r.ep.Receive(e.now, conn.Datagram{From: d.src, To: r.addr, Payload: d.data})
			if !h.IsZero() && r.number(h) == 0 {
				r.adopt(h)
			}
		}
		c.send()
	}
	if until != gquic.Never {
		e.now = max(e.now, until)
	}
}

func (c *chaos) write(s *side, id wire.StreamID, offset, n int, fin bool) int {
	b := make([]byte, n)
	for i := range b {
		b[i] = chaosByte(s.index, id, offset+i)
	}
	n, err := s.conn().Write(id, b, fin)
	if err == nil && fin && n == len(b) {
		c.ends[chaosKey{s.index, id}] = true
	}
	return n
}

// readSome reads up to limit bytes and checks them. It reports the end.
func (c *chaos) readSome(s *side, id wire.StreamID, limit int) (fin bool) {
	buf := make([]byte, limit)
	n, fin, err := s.conn().Read(id, buf)
	var reset *conn.StreamError
	if err != nil && !errors.As(err, &reset) && !errors.Is(err, conn.ErrUnknownStream) {
		c.fail(err)
	}
	k := chaosKey{s.index, id}
	for i, b := range buf[:n] {
		if want := chaosByte(1-s.index, id, c.read[k]+i); b != want {
			c.fail(fmt.Errorf("%s: stream %d: byte %d is %d, want %d", s.name(), id, c.read[k]+i, b, want))
		}
	}
	c.read[k] += n
	return fin || err != nil
}

// act makes one random call.
func (c *chaos) act(offsets map[chaosKey]int) {
	s := c.env.sides[c.rand.Below(2)]
	k := s.conn()
	if c.rand.Chance(15 * sim.Percent) {
		if id, err := k.OpenStream(); err == nil {
			c.ours[s.index] = append(c.ours[s.index], id)
		}
		return
	}
	ids := c.ours[s.index]
	if len(ids) == 0 {
		return
	}
	id := ids[c.rand.Below(uint64(len(ids)))]
	n := int(c.rand.Below(9000))
	switch draw := c.rand.Below(100); {
	case draw < 40:
		key := chaosKey{s.index, id}
		offsets[key] += c.write(s, id, offsets[key], n, c.rand.Chance(10*sim.Percent))
	case draw < 85:
		c.readSome(s, id, 1+n)
	case draw < 89:
		k.Reset(id, wire.StreamCancelled)
	case draw < 92:
		if c.ends[chaosKey{s.index, id}] {
			k.Reset(id, wire.StreamNoError)
		}
	case draw < 96:
		k.StopReading(id)
	default:
		k.Ping()
	}
}

// TestChaos: see chaos.
func TestChaos(t *testing.T) {
	for seed := range uint64(*e2eSeeds) {
		if err := chaosRun(seed); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

const chaosWindow = 24 << 10

func chaosRun(seed uint64) error {
	c := &chaos{
		env: newEnv(nil, fmt.Sprint("chaos ", seed)), rand: sim.NewRand(seed, "chaos calls"), link: sim.NewRand(seed, "chaos network"),
		read: map[chaosKey]int{}, ends: map[chaosKey]bool{},
	}
	c.loss = sim.PPM(c.rand.Below(uint64(10 * sim.Percent)))
	version := []string{"Q043", "Q044"}[seed%2]
	cmd, err := parseCommand([]string{"dial stream-window=16KiB max-stream-window=16KiB conn-window=24KiB max-conn-window=24KiB streams=8 send-buffer=20000 version=" + version})
	if err == nil {
		err = c.env.execute(cmd)
	}
	if err != nil {
		return err
	}
	c.run(c.env.now.Add(5*time.Second), true)
	offsets := map[chaosKey]int{}
	for range 150 {
		c.act(offsets)
		c.run(c.env.now.Add(c.rand.Duration(30*time.Millisecond)), false)
	}
	return c.aftermath()
}

// aftermath ends every stream, lets everything settle, and moves several connection
// windows of data each way.
func (c *chaos) aftermath() error {
	for _, s := range c.env.sides {
		for _, id := range c.ours[s.index] {
			s.conn().Reset(id, wire.StreamCancelled)
		}
	}
	c.run(c.env.now.Add(5*time.Minute), true)
	if c.err != nil {
		return c.err
	}
	for _, s := range c.env.sides {
		if n := s.conn().Stats().Streams; n != 0 {
			return fmt.Errorf("%d streams are left at the %s", n, s.name())
		}
	}
	for _, s := range c.env.sides {
		id, err := s.conn().OpenStream()
		if err != nil {
			return fmt.Errorf("afterwards the %s: %w", s.name(), err)
		}
		const total = 5 * chaosWindow
		for written, rounds := 0, 0; c.read[chaosKey{1 - s.index, id}] < total; rounds++ {
			if rounds > 1000 {
				return fmt.Errorf("afterwards the %s gets no more than %d of %d bytes through", s.name(), c.read[chaosKey{1 - s.index, id}], total)
			}
			if written < total {
				n := min(total-written, 8192)
				written += c.write(s, id, written, n, n == total-written)
			}
			c.run(c.env.now.Add(20*time.Millisecond), false)
			c.readSome(c.env.sides[1-s.index], id, 1<<20)
			if c.err != nil {
				return c.err
			}
		}
	}
	return nil
}
