package congestion

// A maxFilter gives the largest value of the last rounds: of the whole window the best, of what
// came after it the best, and of what came after that the best. Three values are enough, since
// an older and smaller one can never become the largest.
type maxFilter struct {
	best [3]filtered
}

type filtered struct{ value, round uint64 }

// update adds a value seen in a round and forgets those from window or more rounds ago.
// Rounds never go back.
func (f *maxFilter) update(value, round, window uint64) {
	now := filtered{value, round}
	switch {
	case value >= f.best[0].value || round-f.best[2].round > window:
		f.best = [3]filtered{now, now, now}
		return
	case value >= f.best[1].value:
		f.best[1], f.best[2] = now, now
	case value >= f.best[2].value:
		f.best[2] = now
	}
	age := round - f.best[0].round
	switch {
	case age > window:
		// The best is too old: the others move up, twice if the second is too.
		f.best = [3]filtered{f.best[1], f.best[2], now}
		if round-f.best[0].round > window {
			f.best = [3]filtered{f.best[1], now, now}
		}
	case f.best[1].round == f.best[0].round && age > window/4:
		// A quarter of the window has passed without a second: take a fresh one.
		f.best[1], f.best[2] = now, now
	case f.best[2].round == f.best[1].round && age > window/2:
		f.best[2] = now
	}
}

func (f *maxFilter) max() uint64 { return f.best[0].value }
