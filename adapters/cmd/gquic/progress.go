package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// A progress counts the bytes of a transfer, and shows them on a terminal when it takes
// longer than a second.
type progress struct {
	bytes      atomic.Int64
	total      atomic.Int64
	stop, done chan struct{}
}

// begin shows progress on w if that is a terminal.
func (p *progress) begin(w io.Writer, total int64) {
	p.total.Store(total)
	if !isTerminal(w) {
		return
	}
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(p.done)
		started := time.Now()
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-p.stop:
				if shown {
					fmt.Fprint(w, "\r\033[K")
				}
				return
			case <-tick.C:
				if since := time.Since(started); since >= time.Second {
					shown = true
					n, total := p.bytes.Load(), p.total.Load()
					if total <= 0 {
						fmt.Fprintf(w, "\r\033[K%.1f MB  %.1f MB/s", float64(n)/1e6, perSecond(n, since.Seconds()))
						continue
					}
					fmt.Fprintf(w, "\r\033[K%3d%%  %.1f of %.1f MB  %.1f MB/s", n*100/total, float64(n)/1e6, float64(total)/1e6, perSecond(n, since.Seconds()))
				}
			}
		}
	}()
}

// expect adds to the total what turned out to come; negative is unknown.
func (p *progress) expect(n int64) { p.total.Add(max(n, 0)) }

func (p *progress) add(n int) { p.bytes.Add(int64(n)) }

// end takes the line away.
func (p *progress) end() {
	if p.stop != nil {
		close(p.stop)
		<-p.done
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
