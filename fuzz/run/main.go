// Run runs every fuzz target for a while, and prints a table of what came of it.
//
//	go run ./fuzz/run -time 10m                 each target for ten minutes
//	go run ./fuzz/run -time 1m -only Schedule   those whose name matches that
//	go run ./fuzz/run -time 0 -minimize         only drop what the corpus does not need
//
// What the fuzzer finds worth keeping stays in Go's cache of fuzz inputs, so the next run
// goes on where this one ended. With -minimize, inputs that reach no block of code that
// smaller ones do not reach are dropped from there. A target that fails says how to run
// the input again, and the run ends with an error when all are done.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const module = "example.com/gquic"

// packages have fuzz targets.
var packages = []string{"./fuzz", "./adapters/h2"}

// under are the packages that the targets of each are to explore. Only these count what
// code is reached. With go test -fuzz all packages do, those of the standard library too,
// and the fuzzer's look at 50,000 counters after each input takes longer than most inputs.
var under = map[string][]string{
	"./fuzz":        {"./wire", "./handshake", "./flowctl", "./conn/..."},
	"./adapters/h2": {"./adapters/h2"},
}

func main() {
	each := flag.Duration("time", time.Minute, "for each target, once its corpus has been read")
	only := flag.String("only", "", "targets whose name matches this regular expression")
	workers := flag.Int("parallel", 1, "processes for a target; the targets run one after the other")
	minimize := flag.Bool("minimize", false, "drop inputs that reach nothing new from Go's cache, which all checkouts share")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "go run ./fuzz/run runs the fuzz targets, and prints a table of what came of it.")
		flag.PrintDefaults()
	}
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		fmt.Fprintf(os.Stderr, "run: %q: there are only flags; -only names targets\n", flag.Arg(0))
		os.Exit(2)
	case *each < 0 || *workers < 1:
		fmt.Fprintln(os.Stderr, "run: -time cannot be negative, and -parallel is at least 1")
		os.Exit(2)
	}
	if err := run(*each, *only, *workers, *minimize); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(each time.Duration, only string, workers int, minimize bool) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "fuzzrun")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt) // the fuzzer gets it too, and ends
	failed, ran := 0, 0
	fmt.Println("| target | execs | execs/s | inputs | blocks reached | result |\n| --- | --- | --- | --- | --- | --- |")
	for _, pkg := range packages {
		s := suite{
			pkg: pkg, work: work, each: each, workers: workers,
			corpus: filepath.Join(strings.TrimSpace(string(cache)), "fuzz", module, pkg),
		}
		targets, err := s.build(wanted)
		if err != nil {
			return err
		}
		for _, target := range targets {
			ran++
			var r result
			if each > 0 {
				if r, err = s.fuzz(target); err != nil {
					failed++
				}
			}
			dir := filepath.Join(s.corpus, target)
			if minimize {
				if err := drop(s.covered, work, target, dir); err != nil {
					return err
				}
			}
			inputs, _ := os.ReadDir(dir)
			reached, total := coverage(s.covered, work, target, dir, "")
			fmt.Printf("| %s | %d | %.0f | %d | %d of %d | %s |\n", target, r.execs, r.rate(), len(inputs), len(reached), total, r.says(err))
			select {
			case <-interrupt:
				return errors.New("interrupted")
			default:
			}
			err = nil
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d targets failed", failed)
	case ran == 0:
		return fmt.Errorf("no target matches %q", only)
	}
	return nil
}

// A suite is the fuzz targets of one package.
type suite struct {
	pkg, work, corpus string
	each              time.Duration
	workers           int
	guided, covered   string // the test's binary, once to guide the fuzzer and once for coverage
}

// build makes the binaries, and returns the targets that are wanted.
func (s *suite) build(wanted *regexp.Regexp) (targets []string, err error) {
	out, err := exec.Command("go", "test", "-list", "^Fuzz", s.pkg).Output()
	if err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(name, "Fuzz") && wanted.MatchString(name) {
			targets = append(targets, name)
		}
	}
	if len(targets) == 0 {
		return nil, nil
	}
	s.guided, s.covered = filepath.Join(s.work, "guided.test"), filepath.Join(s.work, "covered.test")
	guided := []string{"-o", s.guided}
	for _, pkg := range under[s.pkg] {
		guided = append(guided, "-gcflags="+pkg+"=-d=libfuzzer")
	}
	covered := []string{"-o", s.covered, "-coverpkg=" + strings.Join(under[s.pkg], ",")}
	for _, args := range [][]string{guided, covered} {
		if b, err := exec.Command("go", append(append([]string{"test", "-c"}, args...), s.pkg)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%v\n%s", err, b)
		}
	}
	return targets, nil
}

// A result is what fuzzing one target came to.
type result struct {
	execs int
	took  time.Duration // since the corpus has been read
	again string        // the command that runs a failing input
}

func (r result) rate() float64 { return float64(r.execs) / max(1e-9, r.took.Seconds()) }

func (r result) says(err error) string {
	switch {
	case r.again != "":
		return "**failed**: `" + r.again + "`"
	case err != nil:
		return "**failed**"
	case r.took == 0:
		return "not run"
	}
	return "ok"
}

var (
	startLine = regexp.MustCompile(`(\d+)/\d+ completed, now fuzzing`)
	execsLine = regexp.MustCompile(`execs: (\d+)`)
	againLine = regexp.MustCompile(`go test -run=\S+`)
)

// fuzz runs one target. Its time starts when the fuzzer has been through the corpus, which
// takes longer the more there is of it; that is why it is ended by an interrupt and not by
// the fuzzer's own limit.
func (s *suite) fuzz(target string) (r result, err error) {
	cmd := exec.Command(s.guided, "-test.run=^$", "-test.fuzz=^"+target+"$", "-test.fuzzcachedir="+s.corpus,
		"-test.fuzzminimizetime=10x", fmt.Sprint("-test.parallel=", s.workers))
	cmd.Dir = s.pkg // where a failing input is written
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return r, err
	}
	var all bytes.Buffer
	var start time.Time
	baseline := 0
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Bytes()
		all.Write(append(line, '\n'))
		if m := execsLine.FindSubmatch(line); m != nil {
			all, _ := strconv.Atoi(string(m[1]))
			r.execs = max(0, all-baseline)
			r.took = time.Since(start)
		}
		if m := startLine.FindSubmatch(line); m != nil {
			baseline, _ = strconv.Atoi(string(m[1]))
			start = time.Now()
			time.AfterFunc(s.each, func() { cmd.Process.Signal(os.Interrupt) })
		}
		if m := againLine.Find(line); m != nil {
			r.again = string(m) + " " + s.pkg
		}
	}
	if err := cmd.Wait(); err != nil {
		os.Stderr.Write(all.Bytes())
		return r, err
	}
	return r, nil
}

// coverage runs a target on its seeds and on inputs from dir, all or one, and returns the
// blocks of code that were reached.
func coverage(binary, work, target, dir, one string) (map[string]bool, int) {
	place := filepath.Join(work, "place")
	defer os.RemoveAll(place)
	data := filepath.Join(place, "testdata", "fuzz", target)
	os.MkdirAll(data, 0o755)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if one == "" || f.Name() == one {
			if b, err := os.ReadFile(filepath.Join(dir, f.Name())); err == nil {
				os.WriteFile(filepath.Join(data, f.Name()), b, 0o644)
			}
		}
	}
	pattern := "^" + target + "$"
	if one != "" {
		pattern += "/^" + one + "$"
	}
	profile := filepath.Join(work, "profile")
	cmd := exec.Command(binary, "-test.run", pattern, "-test.coverprofile", profile)
	cmd.Dir = place
	cmd.Run()
	b, _ := os.ReadFile(profile)
	reached, total := map[string]bool{}, 0
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 {
			total++
			if f[2] != "0" {
				reached[f[0]] = true
			}
		}
	}
	return reached, total
}

// drop removes inputs that reach nothing that smaller ones do not.
func drop(binary, work, target, dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil // none yet
	}
	size := func(f os.DirEntry) int64 {
		if i, err := f.Info(); err == nil {
			return i.Size()
		}
		return 0
	}
	slices.SortFunc(files, func(a, b os.DirEntry) int { return int(size(a) - size(b)) })
	all := map[string]bool{}
	for _, f := range files {
		before := len(all)
		reached, _ := coverage(binary, work, target, dir, f.Name())
		for block := range reached {
			all[block] = true
		}
		if len(all) == before {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
