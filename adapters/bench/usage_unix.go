//go:build unix

package bench

import "golang.org/x/sys/unix"

// cpu is the user and system time of this process, in seconds.
func cpu() (user, system float64) {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0, 0
	}
	seconds := func(t unix.Timeval) float64 { return float64(t.Nano()) / 1e9 }
	return seconds(r.Utime), seconds(r.Stime)
}
