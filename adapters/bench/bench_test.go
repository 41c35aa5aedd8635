package bench

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/gquic/wire"
)

func TestMain(m *testing.M) {
	if Child(GQUIC{}, Raw{}) {
		return
	}
	os.Exit(m.Run())
}

// Each work runs in two processes, does what it was told, and can be printed.
func TestEachWork(t *testing.T) {
	if cpu, _ := cpu(); cpu == 0 {
		t.Skip("processes and their CPU are not to be had here")
	}
	for _, s := range []Spec{
		{Work: Bulk, Size: 1 << 20},
		{Work: Handshakes, Count: 6, Parallel: 2, Resume: true, KeyShare: time.Minute},
		{Work: Requests, Count: 20, Message: 100, NewStream: true},
		{Work: Idle, Count: 5, Parallel: 2},
	} {
		if testing.Short() && s.Work == Idle {
			continue // it waits until the connections have settled
		}
		s.Version = wire.Q043
		s.Stack = GQUIC{}.Name()
		specs := []Spec{s}
		if s.Work == Requests {
			raw := s
			raw.Stack, raw.NewStream = Raw{}.Name(), false
			specs = append(specs, raw)
		}
		r, err := Compare(context.Background(), 1, func(string) {}, specs...)
		if err != nil {
			t.Errorf("%s: %v", s.Work, err)
			continue
		}
		if want := max(1, s.Count); r.Runs[0].Ops != want {
			t.Errorf("%s: %d operations, want %d", s.Work, r.Runs[0].Ops, want)
		}
		if s.Work != Idle && (r.Runs[0].Server.CPU() < 0 || r.Runs[0].Seconds <= 0) {
			t.Errorf("%s: no time was spent: %+v", s.Work, r.Runs[0])
		}
		var b strings.Builder
		r.Print(&b)
		if got := strings.Count(b.String(), "\n"); got != 1+len(specs) {
			t.Errorf("%s: the table has %d lines:\n%s", s.Work, got, b.String())
		}
	}
}

// An error of a child is told by its parent.
func TestErrorsAreTold(t *testing.T) {
	for what, s := range map[string]Spec{
		"no stack":   {Work: Bulk, Stack: "smoke signals"},
		"can do req": {Work: Bulk, Stack: Raw{}.Name()},
	} {
		if _, err := Run(context.Background(), s); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: the error is %v, want one with %q", s, err, what)
		}
	}
}

func TestFigure(t *testing.T) {
	if f := figureOf([]float64{5, 1, 4, 2}); f != (Figure{3, 1, 5}) {
		t.Errorf("figure %+v", f)
	}
	if f := figureOf(nil); f != (Figure{}) {
		t.Errorf("figure of nothing %+v", f)
	}
	for s, want := range map[float64]string{1.5: "1.50 s", 0.0123: "12.30 ms", 1e-6: "1.0 us"} {
		if got := duration(s); got != want {
			t.Errorf("%v s is printed %q, want %q", s, got, want)
		}
	}
}
