package conn_test

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The transcripts in testdata are the main suite of this package: stories of two
// endpoints and a network, told in commands, with everything that can be observed as the
// expected answer. A file is a list of blocks:
//
//	# A comment tells the story.
//	command argument key=value
//	----
//	what it printed
//
// up to an empty line. Lines between the command and ---- are its input. After a change
// run
//
//	go test ./conn -run Transcript -rewrite
//
// and judge the diff. The functions of the verbs, in transcript_*_test.go, say what each takes.
var rewrite = flag.Bool("rewrite", false, "rewrite the transcripts in testdata and their digest")

// A block is one command of a transcript with its expected output.
type block struct {
	before  []string // comments and empty lines
	command []string // the command's line, and its input
	output  []string
	line    int
}

func parseTranscript(t *testing.T, name string) (blocks []block, tail []string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b block
	state := 0 // 0: before, 1: command, 2: output
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		switch {
		case state == 0 && (line == "" || strings.HasPrefix(line, "#")):
			b.before = append(b.before, line)
		case state == 0:
			b.command, b.line, state = []string{line}, i+1, 1
		case state == 1 && line == "----":
			state = 2
		case state == 1:
			b.command = append(b.command, line)
		case line == "":
			blocks = append(blocks, b)
			b, state = block{before: []string{""}}, 0
		default:
			b.output = append(b.output, line)
		}
	}
	if state == 1 {
		t.Fatalf("%s:%d: a command without ----", name, b.line)
	}
	if state == 2 {
		blocks = append(blocks, b)
		b.before = nil
	}
	return blocks, b.before
}

func writeTranscript(t *testing.T, name string, blocks []block, tail []string) {
	t.Helper()
	var s strings.Builder
	put := func(lines []string) {
		for _, l := range lines {
			s.WriteString(l + "\n")
		}
	}
	for i := range blocks {
		put(blocks[i].before)
		put(blocks[i].command)
		s.WriteString("----\n")
		put(blocks[i].output)
	}
	put(tail)
	if err := os.WriteFile(name, []byte(strings.TrimRight(s.String(), "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func transcripts(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no transcripts in testdata: %v", err)
	}
	kept := names[:0]
	for _, n := range names {
		if filepath.Base(n) != digestFile {
			kept = append(kept, n)
		}
	}
	return kept
}

const digestFile = "digest.txt"

// TestTranscripts runs every transcript and compares what it prints, and the digest of
// all datagrams and all output with the one that is checked in. The digest is the same on
// every architecture: run it under GOARCH=386 too. (It depends on the version of Go, whose
// deflate packs the certificates.)
func TestTranscripts(t *testing.T) {
	all := sha256.New()
	for _, name := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			blocks, tail := parseTranscript(t, name)
			e := newEnv(t, filepath.Base(name))
			for i := range blocks {
				got := e.run(t, &blocks[i])
				if *rewrite {
					blocks[i].output = got
				} else if diff := cmp.Diff(blocks[i].output, got); diff != "" {
					t.Errorf("%s:%d: %s\n(-want +got)\n%s", name, blocks[i].line, blocks[i].command[0], diff)
				}
				fmt.Fprintln(all, got)
			}
			sum := e.digest.Sum(nil)
			all.Write(sum)
			if *rewrite {
				writeTranscript(t, name, blocks, tail)
			}
		})
	}
	if t.Failed() {
		return
	}
	sum := hex.EncodeToString(all.Sum(nil))
	t.Log("digest of all transcripts:", sum)
	path := filepath.Join("testdata", digestFile)
	if *rewrite {
		if err := os.WriteFile(path, []byte(sum+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if flag.Lookup("test.run").Value.String() != "" && !*rewrite && strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some of them ran
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != sum {
		t.Errorf("the digest of all transcripts is %s, want %s: some byte or time of a datagram changed", sum, want)
	}
}

// TestTranscriptClones takes a copy of everything after every command, and holds that the
// copy goes on exactly like the original through the rest of the transcript.
func TestTranscriptClones(t *testing.T) {
	for _, name := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			blocks, _ := parseTranscript(t, name)
			e := newEnv(t, filepath.Base(name))
			outputs := make([][]string, len(blocks))
			copies := make([]*env, len(blocks))
			for i := range blocks {
				outputs[i] = e.run(t, &blocks[i])
				copies[i] = e.clone()
			}
			want := hex.EncodeToString(e.digest.Sum(nil))
			for i, c := range copies {
				for j := i + 1; j < len(blocks); j++ {
					if diff := cmp.Diff(outputs[j], c.run(t, &blocks[j])); diff != "" {
						t.Fatalf("a copy taken after %s:%d differs at line %d, %s\n(-original +copy)\n%s",
							name, blocks[i].line, blocks[j].line, blocks[j].command[0], diff)
					}
				}
				if got := hex.EncodeToString(c.digest.Sum(nil)); got != want {
					t.Fatalf("a copy taken after %s:%d sent other bytes: digest %s, want %s", name, blocks[i].line, got, want)
				}
			}
		})
	}
}

// TestTranscriptIndex holds that testdata/README.md lists every transcript with the first
// sentence of its story; -rewrite writes it.
func TestTranscriptIndex(t *testing.T) {
	var s strings.Builder
	s.WriteString("# Transcripts: the protocol told as stories\n\n" +
		"Each file is run by `TestTranscripts` and holds the library to what it tells: commands, and below `----` all that\n" +
		"could be observed. This list is written by `go test ./conn -run Transcript -rewrite`.\n\n")
	for _, name := range transcripts(t) {
		blocks, _ := parseTranscript(t, name)
		var story []string
		for _, line := range blocks[0].before {
			story = append(story, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		}
		text := strings.Join(story, " ")
		if text == "" {
			t.Errorf("%s does not begin with a comment that tells its story", name)
		}
		if first, _, ok := strings.Cut(text, ". "); ok {
			text = first + "."
		}
		base := filepath.Base(name)
		fmt.Fprintf(&s, "- [%s](%s): %s\n", strings.TrimSuffix(base, ".txt"), base, text)
	}
	path := filepath.Join("testdata", "README.md")
	if *rewrite {
		if err := os.WriteFile(path, []byte(s.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), s.String()); diff != "" {
		t.Errorf("testdata/README.md does not list the transcripts as they are (-file +transcripts):\n%s", diff)
	}
}
