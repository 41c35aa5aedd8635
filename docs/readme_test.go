package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeExample holds the README's example of package udp against the one that runs.
func TestReadmeExample(t *testing.T) {
	source, err := os.ReadFile("../adapters/udp/example_echo_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(source), "// begin readme\n\n")
	shown, _, ends := strings.Cut(shown, "\n// end readme")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !ok || !ends || !strings.Contains(string(readme), "```go\n"+shown+"```") {
		t.Error("the README does not show the part of adapters/udp/example_echo_test.go between its marks")
	}
}

// TestLinks follows the links of all documents to files, and looks for every adapter and
// every verb of the command in the README.
func TestLinks(t *testing.T) {
	documents, err := filepath.Glob("*.md")
	if err != nil || len(documents) < 5 {
		t.Fatalf("the documents are %q, %v", documents, err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	for _, name := range append(documents, "../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}

	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	adapters, err := os.ReadDir("../adapters")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range adapters {
		if a.IsDir() && !strings.Contains(string(readme), "(adapters/"+a.Name()) {
			t.Errorf("the README does not name adapters/%s", a.Name())
		}
	}
	verbs := 0
	sources, _ := filepath.Glob("../adapters/cmd/gquic/*.go")
	for _, name := range sources {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\tname: +"([a-z-]+)[ "]`).FindAllStringSubmatch(string(source), -1) {
			verbs++
			if !strings.Contains(string(readme), "`"+m[1]+"`") {
				t.Errorf("the README does not name the verb %s", m[1])
			}
		}
	}
	if verbs < 6 {
		t.Errorf("%d verbs were found in the command's source", verbs)
	}
}
