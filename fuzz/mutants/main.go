// Mutants checks the tests: it puts small, deliberate faults into a copy of the module,
// one at a time, runs the tests, and says which faults nobody noticed.
//
//	go run ./fuzz/mutants                 all, as a table
//	go run ./fuzz/mutants -only 'loss'    those whose file or description matches
//
// The faults stand in mutants.txt. A fault is caught when a package does not build, or
// its tests fail, panic or hang. The tests of the package with the fault run first, then
// those of all that is above it.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed mutants.txt
var list string

type mutant struct{ file, after, what, old, new string }

func main() {
	only := flag.String("only", "", "a regular expression: run only mutants whose file or description it matches")
	flag.Parse()
	if err := run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only string) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	mutants, err := parse(list)
	if err != nil {
		return err
	}
	dir, err := copyModule()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	limits := limits{}
	caught, stale, total := 0, 0, 0
	fmt.Println("| file | fault | caught by |\n| --- | --- | --- |")
	for _, m := range mutants {
		if !wanted.MatchString(m.file + " " + m.what) {
			continue
		}
		total++
		by, err := m.try(dir, limits)
		switch {
		case errors.Is(err, errStale):
			by = "stale: the text is no longer there"
			stale++
		case err != nil:
			return err
		case by == "":
			by = "**nobody**"
		default:
			caught++
		}
		fmt.Printf("| %s | %s | %s |\n", m.file, m.what, by)
	}
	fmt.Printf("\n%d of %d caught, %d stale\n", caught, total-stale, stale)
	if caught < total-stale {
		return errors.New("some faults were not noticed")
	}
	return nil
}

// parse reads mutants.txt.
func parse(text string) (all []mutant, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '@':
			where, what, ok := strings.Cut(line[2:], " | ")
			file, after, ok2 := strings.Cut(where, " ")
			if !ok || !ok2 {
				return nil, fmt.Errorf("line %q", line)
			}
			all = append(all, mutant{file: file, after: strings.TrimPrefix(after, "*"), what: what})
		case strings.HasPrefix(line, "- ") && len(all) > 0:
			all[len(all)-1].old = line[2:]
		case strings.HasPrefix(line, "+ ") && len(all) > 0:
			all[len(all)-1].new = line[2:]
		default:
			return nil, fmt.Errorf("line %q", line)
		}
	}
	return all, nil
}

var errStale = errors.New("stale")

// try puts the fault in, runs the tests, and takes it out again.
func (m *mutant) try(dir string, l limits) (caughtBy string, err error) {
	path := filepath.Join(dir, m.file)
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", errStale
	}
	faulty, err := m.apply(whole)
	if err != nil {
		return "", err
	}
	defer os.WriteFile(path, whole, 0o644)
	for _, pkg := range packages(filepath.Dir(m.file)) {
		if err := l.measure(dir, pkg); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, faulty, 0o644); err != nil {
			return "", err
		}
		if !test(dir, pkg, l[pkg]) {
			return pkg, nil
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			return "", err
		}
	}
	return "", nil
}

// apply returns a file's text with the fault in it.
func (m *mutant) apply(whole []byte) (faulty []byte, err error) {
	text := string(whole)
	from := strings.Index(text, m.after)
	if from < 0 {
		return nil, errStale
	}
	at := strings.Index(text[from:], m.old)
	if at < 0 {
		return nil, errStale
	}
	at += from
	return []byte(text[:at] + m.new + text[at+len(m.old):]), nil
}

// limits is how long the tests of each package may take: several times what they take
// without a fault.
type limits map[string]time.Duration

// measure runs the tests of a package without a fault, once; they must pass.
func (l limits) measure(dir, pkg string) error {
	if _, ok := l[pkg]; ok {
		return nil
	}
	start := time.Now()
	if !test(dir, pkg, 10*time.Minute) {
		return fmt.Errorf("the tests of %s fail without a fault", pkg)
	}
	l[pkg] = 20*time.Second + 4*time.Since(start)
	return nil
}

// packages lists what to test for a fault in a folder: it, and what is above it.
func packages(folder string) []string {
	own := "./" + folder
	all := []string{own}
	for _, p := range []string{"./conn", "./fuzz", "./adapters/sim/adversary", "./adapters/sim"} {
		if p != own {
			all = append(all, p)
		}
	}
	return all
}

// test reports whether the tests of a package pass.
func test(dir, pkg string, limit time.Duration) bool {
	if _, err := os.Stat(filepath.Join(dir, pkg)); err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-failfast", "-short", "-vet=off", "-timeout", limit.String(), pkg)
	cmd.Dir = dir
	return cmd.Run() == nil
}

// copyModule copies the Go files and test data of the module to a temporary folder. The
// tests that need the folder of vectors beside the checkout are skipped there.
func copyModule() (string, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return "", err
	}
	return dir, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == filepath.Join("fuzz", "interop")):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, path), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), b, 0o644)
	})
}
