// Command gquic shows and tests Google QUIC (Q043, Q044): a demonstration, an echo
// server and client, and transfers in a simulated network.
//
//	gquic demo                             server and client in one process
//	gquic echo-server -addr :6121          sends back what it gets
//	gquic echo-client -addr host:6121 -pin FINGERPRINT -size 16MiB
//	gquic serve -root DIR -tcp             a file server, HTTP over gQUIC
//	gquic get -pin FINGERPRINT https://localhost:6121/
//	gquic sim -seed 7 -loss 0.02           the same run for the same seed
//	gquic bench bulk                       measure: bulk, handshakes, requests, idle
//	gquic help                             the verbs
//	gquic VERB -h                          a verb's flags
//
// With -json a verb prints one JSON object. It exits with 0 if all went well, with 1 if
// not (get: with 3 if a server answered with an error status), and with 2 if it was
// called wrongly.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"example.com/gquic/adapters/bench"
	"example.com/gquic/wire"
)

func main() {
	if bench.Child(bench.GQUIC{}, bench.Raw{}) { // one of the two processes of a measurement
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A verb is one thing that the command does.
type verb struct {
	name, summary string
	about         string // more, for -h
	operands      string // what comes after the flags; empty: nothing may
	// flags defines the verb's flags and returns what to do once they are parsed.
	flags func(*flag.FlagSet) func(context.Context, *output) error
}

func verbs() []verb {
	return append([]verb{demoVerb, serveVerb, getVerb, serverVerb, clientVerb, simVerb, versionVerb}, benchVerbs...)
}

// output is where a verb prints.
type output struct {
	stdout, stderr io.Writer
	json           bool
}

// printf prints text for people.
func (o *output) printf(format string, args ...any) {
	if !o.json {
		fmt.Fprintf(o.stdout, format, args...)
	}
}

// object prints the one JSON object for machines.
func (o *output) object(v any) {
	if o.json {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // of our own plain structs
		}
		fmt.Fprintf(o.stdout, "%s\n", b)
	}
}

// A misuse is an error of whoever typed the command.
type misuse struct{ error }

func misusef(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// run is main with its surroundings as arguments. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help" {
		if len(args) > 1 && args[0] == "help" {
			return run(ctx, append(args[1:], "-h"), stdout, stderr)
		}
		usage(stdout)
		return 0
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			return v.run(ctx, args[1:], stdout, stderr)
		}
		if len(args) > 1 && v.name == args[0]+" "+args[1] { // bench bulk
			return v.run(ctx, args[2:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "gquic: there is no verb %q: \"gquic help\" lists them\n", args[0])
	return 2
}

func usage(w io.Writer) {
	fmt.Fprint(w, "gquic speaks Google QUIC, versions Q043 and Q044.\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  gquic %-16s %s\n", v.name, v.summary)
	}
	fmt.Fprintf(w, "  gquic %-16s %s\n\n", "help", "this list")
	fmt.Fprint(w, "\"gquic VERB -h\" shows a verb's flags. Flags come before arguments.\n")
}

func (v verb) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o := &output{stdout: stdout, stderr: stderr}
	fs.BoolVar(&o.json, "json", false, "print one JSON object for machines instead of text for people")
	do := v.flags(fs)
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "gquic %s: %s\n\n", v.name, v.summary)
		if v.about != "" {
			fmt.Fprintf(stdout, "%s\n\n", strings.TrimSpace(v.about))
		}
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return 0
	case err != nil:
		err = misuse{err}
	case fs.NArg() > 0 && v.operands == "":
		err = misusef("%q is no flag, and there are no arguments", fs.Arg(0))
	default:
		err = do(ctx, o)
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	text := printable(strings.Join(strings.Fields(err.Error()), " ")) // one line
	if m := (misuse{}); errors.As(err, &m) {
		fmt.Fprintf(stderr, "gquic %s: %s: \"gquic %s -h\" shows the flags\n", v.name, text, v.name)
		return 2
	}
	fmt.Fprintf(stderr, "gquic %s: %s\n", v.name, text)
	if e := (exitStatus{}); errors.As(err, &e) {
		return e.status
	}
	return 1
}

// An exitStatus is a failure with a status of its own.
type exitStatus struct {
	status int
	error
}

var versionVerb = verb{
	name:    "version",
	summary: "what this binary is",
	flags: func(*flag.FlagSet) func(context.Context, *output) error {
		return func(_ context.Context, o *output) error {
			v := struct {
				Version  string   `json:"version"`
				Go       string   `json:"go"`
				Platform string   `json:"platform"`
				QUIC     []string `json:"quic"`
			}{"(devel)", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, []string{wire.Q043.String(), wire.Q044.String()}}
			if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
				v.Version = info.Main.Version
			}
			o.printf("gquic %s, %s, %s, speaks %s\n", v.Version, v.Go, v.Platform, strings.Join(v.QUIC, " "))
			o.object(v)
			return nil
		}
	},
}
