package bench

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// A Usage is what a process has used since it began, or between two moments.
type Usage struct {
	User   float64 `json:"user_s"`   // seconds
	System float64 `json:"system_s"` // seconds
	Allocs uint64  `json:"allocs"`   // heap objects
	Heap   int64   `json:"heap"`     // bytes, live after a collection, stacks included
	RSS    int64   `json:"rss"`      // bytes resident
}

// CPU returns seconds of user and system time together.
func (u Usage) CPU() float64 { return u.User + u.System }

// Sub returns what was used since before. Heap and RSS are their growth.
func (u Usage) Sub(before Usage) Usage {
	return Usage{u.User - before.User, u.System - before.System, u.Allocs - before.Allocs, u.Heap - before.Heap, u.RSS - before.RSS}
}

// usage measures this process. collect asks for a collection first, so that Heap is what
// lives, which costs CPU itself.
func usage(collect bool) Usage {
	var u Usage
	u.User, u.System = cpu()
	if collect {
		runtime.GC()
		debug.FreeOSMemory()
		u.RSS = resident()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Allocs = m.Mallocs
	u.Heap = int64(m.HeapAlloc + m.StackInuse)
	return u
}

// resident is the resident set, 0 where it is not known.
func resident() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
