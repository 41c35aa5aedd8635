package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"example.com/gquic/adapters/sim"
	"example.com/gquic/wire"
)

// A size is a flag in bytes, with units: 64KiB, 16MiB, 1GB, 100.
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

func (s *size) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGTki ")
	unit := strings.TrimSpace(text[len(digits):])
	n, err := strconv.ParseFloat(digits, 64)
	for _, u := range sizeUnits {
		if u.name == unit && err == nil {
			bytes := n * float64(u.bytes)
			if !(bytes >= 0 && bytes < math.MaxInt64) || bytes != math.Trunc(bytes) {
				break
			}
			*s = size(bytes)
			return nil
		}
	}
	return fmt.Errorf("want a size such as 100, 64KiB, 16MiB or 1GB")
}

// String prints the largest binary unit that divides the size.
func (s size) String() string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; s != 0 && int64(s)%u.bytes == 0 {
			return fmt.Sprintf("%d%s", int64(s)/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// versionList is a flag such as Q043,Q044.
type versionList []wire.Version

func (l *versionList) Set(text string) error {
	*l = nil
	for _, part := range strings.Split(text, ",") {
		v, err := wire.ParseVersion(strings.TrimSpace(part))
		if err != nil || !v.Supported() {
			return fmt.Errorf("want versions out of Q043 and Q044, such as Q044,Q043")
		}
		for _, w := range *l {
			if v == w {
				return fmt.Errorf("%v is there twice", v)
			}
		}
		*l = append(*l, v)
	}
	return nil
}

func (l versionList) String() string { return strings.Join(l.names(), ",") }

func (l versionList) names() []string {
	var names []string
	for _, v := range l {
		names = append(names, v.String())
	}
	return names
}

// rate is a flag in bits per second: 10mbit, 1gbit; 0 is unlimited.
type rate int64

func (r *rate) Set(text string) error {
	for _, u := range []struct {
		name string
		bits float64
	}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}, {"", 1}} {
		digits, ok := strings.CutSuffix(strings.ToLower(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err == nil && n >= 0 && n*u.bits < 1e15 {
			*r = rate(n * u.bits)
			return nil
		}
		break
	}
	return fmt.Errorf("want a rate such as 500kbit, 10mbit or 1gbit, or 0 for no limit")
}

func (r rate) String() string {
	switch {
	case r == 0:
		return "0"
	case r%1e9 == 0:
		return fmt.Sprintf("%dgbit", r/1e9)
	case r%1e6 == 0:
		return fmt.Sprintf("%dmbit", r/1e6)
	case r%1e3 == 0:
		return fmt.Sprintf("%dkbit", r/1e3)
	}
	return fmt.Sprintf("%dbit", int64(r))
}

// probability is a flag such as 0.02 or 2%.
type probability sim.PPM

func (p *probability) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0 && n <= 1) {
		return fmt.Errorf("want a probability such as 0.02 or 2%%")
	}
	*p = probability(math.Round(n * 1e6))
	return nil
}

func (p probability) String() string {
	return strconv.FormatFloat(float64(p)/1e6, 'g', -1, 64)
}

// megabytes per second, counting a million bytes, rounded so that it is readable.
func perSecond(bytes int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return math.Round(float64(bytes)/seconds/1e4) / 100
}

// plural is "1 loss" and "2 losses".
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
