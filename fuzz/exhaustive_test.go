package fuzz

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/gquic/conn"
	"example.com/gquic/wire"
)

// A move is one thing that the network may do next.
type move struct {
	name string
	do   func(*World)
}

// explore walks every sequence of moves of a length, by cloning the world at each branch,
// and calls leaf with what came out and what was done.
func explore(t *testing.T, w *World, depth int, moves func(*World) []move, path []string, leaf func(*World, []string)) {
	for depth > 0 {
		w.eager(wire.Client)
		w.eager(wire.Server)
		if len(w.Wire[0])+len(w.Wire[1]) > 0 {
			break
		}
		next := min(w.Ends[0].NextTimeout(), w.Ends[1].NextTimeout())
		if w.Apps[0].Closed != nil || w.Apps[1].Closed != nil || w.done() || next > w.Now.Add(20*time.Second) {
			depth = 0 // there is nothing left to decide
		} else {
			w.Advance(max(time.Millisecond, next.Sub(w.Now)))
		}
	}
	if depth == 0 {
		leaf(w, path)
		return
	}
	choices := moves(w)
	for i, m := range choices {
		branch := w
		if i < len(choices)-1 {
			branch = w.Clone()
		}
		m.do(branch)
		next := append(path[:len(path):len(path)], m.name)
		if err := branch.Check(); err != nil {
			t.Fatalf("%s: %v", strings.Join(next, ", "), err)
		}
		explore(t, branch, depth-1, moves, next, leaf)
	}
}

// oldest returns where the next datagram waits: the server's queue goes first.
func (w *World) oldest() wire.Perspective {
	if len(w.Wire[wire.Server]) > 0 {
		return wire.Server
	}
	return wire.Client
}

func lossOrNot(w *World) []move {
	to := w.oldest()
	return []move{
		{"deliver", func(w *World) { w.Deliver(to, 0, false) }},
		{"lose", func(w *World) { w.Drop(to, 0) }},
	}
}

func doubleOrNot(w *World) []move {
	to := w.oldest()
	return []move{
		{"deliver", func(w *World) { w.Deliver(to, 0, false) }},
		{"double", func(w *World) {
			d := w.Wire[to][0]
			w.Deliver(to, 0, false)
			w.Receive(to, d)
		}},
	}
}

func anyOrder(w *World) (all []move) {
	for to := range w.Wire {
		for i := range min(len(w.Wire[to]), 5) {
			all = append(all, move{fmt.Sprintf("%v %d", wire.Perspective(to), i), func(w *World) {
				w.Deliver(wire.Perspective(to), i, false)
			}})
		}
	}
	return all
}

// TestEverySmallWorld enumerates, for every way to begin a connection: the loss of every
// subset of the first 8 datagrams, the doubling of every such subset, and every order in
// which the first 6 deliveries can be made. Each ends with everything delivered, or with
// a connection that is closed on both sides for a reason that the network gave.
func TestEverySmallWorld(t *testing.T) {
	for _, kind := range []struct {
		name  string
		depth int
		moves func(*World) []move
	}{{"loss", 8, lossOrNot}, {"doubling", 8, doubleOrNot}, {"order", 6, anyOrder}} {
		for i := range scenarios {
			s := &scenarios[i]
			if s.connect {
				continue
			}
			t.Run(kind.name+"/"+s.name, func(t *testing.T) {
				w := s.world()
				w.Open(wire.Client)
				w.Write(wire.Client, 0, 3000, true)
				leaves, closed := 0, 0
				explore(t, w, kind.depth, kind.moves, nil, func(w *World, path []string) {
					leaves++
					if err := w.Finish(); err != nil {
						t.Fatalf("%s, and then nothing bad: %v", strings.Join(path, ", "), err)
					}
					if c := w.Apps[wire.Client].Closed; c != nil {
						closed++
						if c != conn.ErrHandshakeTimeout && !strings.Contains(c.Error(), "HANDSHAKE_TIMEOUT") {
							t.Fatalf("%s: closed with %v", strings.Join(path, ", "), c)
						}
					}
				})
				if leaves < 4 || closed > 0 && kind.name != "loss" {
					t.Errorf("%d worlds, of which %d failed to connect", leaves, closed)
				}
				t.Logf("%d worlds, of which %d failed to connect", leaves, closed)
			})
		}
	}
}
