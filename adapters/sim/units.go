package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A unit is a word behind a number and what it multiplies it by.
type unit struct {
	name  string
	times int64
}

var sizeUnits = []unit{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1},
}

var rateUnits = []unit{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}

// decimal reads a number such as 12, 0.5 or 2.25 times scale, exactly.
func decimal(text string, scale int64) (int64, bool) {
	whole, part, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 63)
	if err != nil || n < 0 || n > (1<<62)/max(scale, 1) {
		return 0, false
	}
	n *= scale
	for _, digit := range part {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		if scale%10 != 0 && scale < 10 {
			return 0, false // more digits than the scale holds
		}
		if scale%10 != 0 { // binary units: only what comes out whole
			if int64(digit-'0')*scale%10 != 0 {
				return 0, false
			}
		}
		n += int64(digit-'0') * scale / 10
		scale /= 10
	}
	return n, true
}

func withUnit(text string, units []unit, fold bool) (int64, bool) {
	for _, u := range units {
		number := text
		if fold {
			number = strings.ToLower(text)
		}
		if number, ok := strings.CutSuffix(number, u.name); ok && number != "" {
			if n, ok := decimal(number, u.times); ok {
				return n, true
			}
		}
	}
	return 0, false
}

// parseSize reads 100, 64KiB, 16MiB, 1.5GB.
func parseSize(text string) (int64, error) {
	if n, ok := withUnit(text, sizeUnits, false); ok {
		return n, nil
	}
	return 0, fmt.Errorf("%q is no size: want one such as 100, 64KiB, 16MiB or 1.5GB", text)
}

// parseRate reads 500kbit, 10mbit, 1gbit, in bits per second.
func parseRate(text string) (int64, error) {
	if n, ok := withUnit(text, rateUnits, true); ok {
		return n, nil
	}
	return 0, fmt.Errorf("%q is no rate: want a number and its unit, such as 500kbit, 10mbit or 1gbit (bits per second)", text)
}

// parseShare reads 2%, 0.02, 100%.
func parseShare(text string) (PPM, error) {
	scale := int64(1_000_000)
	number, percent := strings.CutSuffix(text, "%")
	if percent {
		scale /= 100
	}
	if n, ok := decimal(number, scale); ok && n <= 1_000_000 {
		return PPM(n), nil
	}
	return 0, fmt.Errorf("%q is no share: want one such as 2%% or 0.02", text)
}

// parseDuration reads 50ms, 3s, 2m30s.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time: want one such as 50ms, 3s or 2m", text)
	}
	return d, nil
}

// parseSeeds reads 7 or 1:200.
func parseSeeds(text string) (Seeds, error) {
	first, last, ok := strings.Cut(text, ":")
	if !ok {
		last = first
	}
	a, err := strconv.ParseUint(first, 10, 64)
	b, err2 := strconv.ParseUint(last, 10, 64)
	if err != nil || err2 != nil || b < a || b-a >= 1<<24 {
		return Seeds{}, fmt.Errorf("%q are no seeds: want one such as 7, or a range such as 1:200", text)
	}
	return Seeds{a, b}, nil
}

// ParseSeeds reads one seed such as 7, or a range such as 1:200.
func ParseSeeds(text string) (Seeds, error) { return parseSeeds(text) }

// String prints the seeds as ParseSeeds reads them.
func (s Seeds) String() string {
	if s.First == s.Last {
		return strconv.FormatUint(s.First, 10)
	}
	return fmt.Sprintf("%d:%d", s.First, s.Last)
}

func formatRate(bits int64) string {
	switch {
	case bits >= 1e9:
		return strconv.FormatFloat(float64(bits)/1e9, 'f', 2, 64) + " Gbit/s"
	case bits >= 1e6:
		return strconv.FormatFloat(float64(bits)/1e6, 'f', 2, 64) + " Mbit/s"
	}
	return strconv.FormatFloat(float64(bits)/1e3, 'f', 1, 64) + " kbit/s"
}

func formatShare(p int64) string { return strconv.FormatFloat(float64(p)/1e4, 'f', 2, 64) + "%" }

func formatTime(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
