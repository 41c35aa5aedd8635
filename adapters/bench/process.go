package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"time"
)

// childVariable, in the environment, makes a process one of the two of a measurement.
const childVariable = "GQUIC_BENCH_CHILD"

// An order is what a child is told.
type order struct {
	Role string `json:"role"` // "server" or "client"
	Spec Spec   `json:"spec"`
	Addr string `json:"addr,omitempty"`
	CA   []byte `json:"ca,omitempty"` // DER
}

// ready is a server's first line.
type ready struct {
	Addr string `json:"addr"`
	CA   []byte `json:"ca"`
}

// outcome is a client's last line.
type outcome struct {
	Ops     int     `json:"ops"`
	Seconds float64 `json:"seconds"`
	Usage   Usage   `json:"usage"`
	Error   string  `json:"error,omitempty"`
}

// A Result is one run of a Spec.
type Result struct {
	Spec    Spec    `json:"spec"`
	Ops     int     `json:"ops"`
	Seconds float64 `json:"seconds"` // wall time
	Server  Usage   `json:"server"`
	Client  Usage   `json:"client"`
}

// CPU is that of both sides, in seconds.
func (r *Result) CPU() float64 { return r.Server.CPU() + r.Client.CPU() }

// Child does what a measuring process told this one to do, and reports whether there was
// such. A program that calls [Run] calls it first, and ends if it returns true.
func Child(stacks ...Stack) bool {
	text := os.Getenv(childVariable)
	if text == "" {
		return false
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = o.run(stacks)
	}
	if err != nil {
		json.NewEncoder(os.Stdout).Encode(outcome{Error: err.Error()})
	}
	return true
}

func (o *order) run(stacks []Stack) error {
	for _, s := range stacks {
		if s.Name() == o.Spec.Stack {
			stop, err := o.profile()
			if err != nil {
				return err
			}
			defer stop()
			if o.Role == "server" {
				return o.serve(s)
			}
			return o.work(s)
		}
	}
	return fmt.Errorf("there is no stack %q here", o.Spec.Stack)
}

// profile starts the profiles that are asked for.
func (o *order) profile() (stop func(), err error) {
	var cpuFile *os.File
	if name := o.Spec.CPUProfile; name != "" {
		if cpuFile, err = os.Create(name + "." + o.Role); err != nil {
			return nil, err
		}
		if err := pprof.StartCPUProfile(cpuFile); err != nil {
			return nil, err
		}
	}
	return func() {
		if cpuFile != nil {
			pprof.StopCPUProfile()
			cpuFile.Close()
		}
		if name := o.Spec.HeapProfile; name != "" {
			if f, err := os.Create(name + "." + o.Role); err == nil {
				pprof.WriteHeapProfile(f)
				f.Close()
			}
		}
	}, nil
}

// serve tells its usage for each line of input, and ends with it.
func (o *order) serve(s Stack) error {
	a, err := newAuthority(o.Spec.RSA)
	if err != nil {
		return err
	}
	l, err := s.Listen(&o.Spec, a.leaf)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go serve(ctx, l, o.Spec.Work == Idle)
	out := json.NewEncoder(os.Stdout)
	out.Encode(ready{l.Addr(), a.der})
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		out.Encode(usage(o.Spec.Work == Idle))
	}
	return nil
}

func (o *order) work(s Stack) error {
	ctx := context.Background()
	roots, err := pool(o.CA)
	if err != nil {
		return err
	}
	d, err := s.NewDialer(&o.Spec, o.Addr, roots)
	if err != nil {
		return err
	}
	t := &task{spec: &o.Spec, d: d}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	fmt.Println("{}")
	lines := bufio.NewScanner(os.Stdin)
	if !lines.Scan() {
		return errors.New("nobody said go")
	}
	before, started := usage(false), time.Now()
	ops, err := t.do(ctx)
	if err != nil {
		return err
	}
	seconds := time.Since(started).Seconds()
	t.settled()
	json.NewEncoder(os.Stdout).Encode(outcome{Ops: ops, Seconds: seconds, Usage: usage(false).Sub(before)})
	lines.Scan() // connections are held until the parent has seen enough
	return nil
}

// A child is a process of this program under orders.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func start(ctx context.Context, o *order) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, exe, "bench", string(o.Spec.Work))}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	if n := o.Spec.Procs; n > 0 {
		c.cmd.Env = append(c.cmd.Env, "GOMAXPROCS="+strconv.Itoa(n))
	}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(out)
	if o.Spec.Pin {
		err = startPinned(c.cmd)
	} else {
		err = c.cmd.Start()
	}
	return c, err
}

// ask writes a line and reads the answer into v.
func (c *child) ask(v any) error {
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return err
	}
	return c.hear(v)
}

// hear reads a line into v. An error that the child tells is returned.
func (c *child) hear(v any) error {
	var raw json.RawMessage
	if err := c.out.Decode(&raw); err != nil {
		return fmt.Errorf("%v ended too early: %w", c.cmd.Path, err)
	}
	var failed struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(raw, &failed); failed.Error != "" {
		return errors.New(failed.Error)
	}
	return json.Unmarshal(raw, v)
}

func (c *child) end() {
	c.in.Close()
	c.cmd.Wait()
}

// Run measures once, with two processes of this program.
func Run(ctx context.Context, spec Spec) (Result, error) {
	r := Result{Spec: spec}
	fail := func(err error) (Result, error) {
		return r, fmt.Errorf("%s over %s: %w", spec.Work, spec.Stack, err)
	}
	server, err := start(ctx, &order{Role: "server", Spec: spec})
	if err != nil {
		return fail(err)
	}
	defer server.end()
	var at ready
	if err := server.hear(&at); err != nil {
		return fail(err)
	}
	client, err := start(ctx, &order{Role: "client", Spec: spec, Addr: at.Addr, CA: at.CA})
	if err != nil {
		return fail(err)
	}
	defer client.end()
	if err := client.hear(&struct{}{}); err != nil {
		return fail(err)
	}
	var before, after Usage
	if err := server.ask(&before); err != nil {
		return fail(err)
	}
	var o outcome
	if err := client.ask(&o); err != nil {
		return fail(err)
	}
	if spec.Work == Idle {
		time.Sleep(idleSettles) // acknowledgements, and buffers that are given back
	}
	if err := server.ask(&after); err != nil {
		return fail(err)
	}
	r.Ops, r.Seconds, r.Client, r.Server = o.Ops, o.Seconds, o.Usage, after.Sub(before)
	return r, nil
}

// idleSettles is how long connections are left alone before their memory is measured.
const idleSettles = 7 * time.Second
