package handshake

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatesDocument holds docs/handshake-states.md to the tables that drive the machines.
func TestStatesDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# The handshake's states

Printed from the tables that drive the machines (handshake/transitions.go), by
` + "`go test ./handshake -run States -update`" + `. Do not edit. What the machines send and
take is shown, message by message, in handshake/testdata/flows.

An input that a state has no row for takes the row of *any* state. A row that closes
without a number closes with the code of what is wrong. Closed is not drawn.
`)
	section(&b, "Client", "idle", ClientTransitions())
	section(&b, "Server", "waiting", ServerTransitions())
	golden(t, filepath.Join("..", "docs", "handshake-states.md"), b.String())
}

func section(b *strings.Builder, title, first string, rows []Transition) {
	fmt.Fprintf(b, "\n## %s\n\n```mermaid\nstateDiagram-v2\n    [*] --> %s\n", title, first)
	for _, r := range rows {
		if r.State != "any" && r.Next != "closed" {
			fmt.Fprintf(b, "    %s --> %s: %s\n", r.State, r.Next, strings.ReplaceAll(r.Input, ",", " –"))
		}
	}
	b.WriteString("```\n\n| state | input | next | action |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		action := r.Action
		if r.Code != 0 {
			action += fmt.Sprintf(" with %d, %v", uint32(r.Code), r.Code)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", r.State, r.Input, r.Next, action)
	}
}
