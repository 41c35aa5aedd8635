// Run runs every fuzz target for a while, and prints a table of what came of it.
//
//	go run ./fuzz/run -time 10m                 each target for ten minutes
//	go run ./fuzz/run -time 1m -only Schedule   those whose name contains that
//	go run ./fuzz/run -time 0 -minimize         only drop what the corpus does not need
//
// What the fuzzer finds worth keeping stays in Go's cache of fuzz inputs, so the next run
// goes on where this one ended. With -minimize, inputs that reach no block of code that
// smaller ones do not reach are dropped from there. A target that fails says how to run
// the input again, and the run ends with an error when all are done.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const module = "example.com/gquic"

func main() {
	each := flag.Duration("time", time.Minute, "for each target")
	only := flag.String("only", "", "targets whose name contains this")
	workers := flag.Int("parallel", 1, "processes at a time")
	minimize := flag.Bool("minimize", false, "drop inputs that reach nothing new")
	flag.Parse()
	if err := run(*each, *only, *workers, *minimize); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(each time.Duration, only string, workers int, minimize bool) error {
	out, err := exec.Command("go", "test", "-list", "^Fuzz", "./fuzz").Output()
	if err != nil {
		return err
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return err
	}
	corpora := filepath.Join(strings.TrimSpace(string(cache)), "fuzz", module, "fuzz")
	work, err := os.MkdirTemp("", "fuzzrun")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	covered := filepath.Join(work, "covered.test")
	if b, err := exec.Command("go", "test", "-c", "-o", covered, "-coverpkg", "./wire,./handshake,./flowctl,./conn/...", "./fuzz").CombinedOutput(); err != nil {
		return fmt.Errorf("%v\n%s", err, b)
	}
	failed := 0
	fmt.Println("| target | execs | execs/s | inputs | blocks of the core reached | result |\n| --- | --- | --- | --- | --- | --- |")
	for target := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(target, "Fuzz") || !strings.Contains(target, only) {
			continue
		}
		execs, result := "", "not run"
		if each > 0 {
			var ok bool
			if execs, result, ok = fuzz(target, each, workers); !ok {
				failed++
			}
		}
		dir := filepath.Join(corpora, target)
		if minimize {
			if err := drop(covered, work, target, dir); err != nil {
				return err
			}
		}
		inputs, _ := os.ReadDir(dir)
		reached, total := coverage(covered, work, target, dir, "")
		rate := 0.0
		fmt.Sscan(execs, &rate)
		fmt.Printf("| %s | %s | %.0f | %d | %d of %d | %s |\n", target, execs, rate/max(1, each.Seconds()), len(inputs), len(reached), total, result)
	}
	if failed > 0 {
		return fmt.Errorf("%d targets failed", failed)
	}
	return nil
}

var execsLine = regexp.MustCompile(`execs: (\d+)`)

// fuzz runs one target, and returns how often and with what result.
func fuzz(target string, each time.Duration, workers int) (execs, result string, ok bool) {
	cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+target+"$", "-fuzztime", each.String(),
		"-fuzzminimizetime", "10x", "-parallel", fmt.Sprint(workers), "./fuzz")
	out, err := cmd.CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input written")) {
		err = nil // go.dev/issue/48591: the time is up in the middle of an input; no input failed
	}
	for _, m := range execsLine.FindAllSubmatch(out, -1) {
		execs = string(m[1])
	}
	if err == nil {
		return execs, "ok", true
	}
	os.Stderr.Write(out)
	if at := bytes.Index(out, []byte("go test -run=")); at >= 0 {
		line, _, _ := strings.Cut(string(out[at:]), "\n")
		return execs, "**failed**: `" + line + " ./fuzz`", false
	}
	return execs, "**failed**", false
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
