// SPDX-License-Identifier: Apache-2.0

package term

import (
	"fmt"
	"strings"
	"time"
)

// A progressState is one reading of a phase; its JSON form is the record that
// --progress json writes. Total 0 and an absent left_ms mean unknown.
type progressState struct {
	Phase     string  `json:"phase"`
	Done      int64   `json:"done"`
	Total     int64   `json:"total"`
	Unit      string  `json:"unit"`
	ElapsedMS int64   `json:"elapsed_ms"`
	RatePerS  float64 `json:"rate_per_s"`
	LeftMS    *int64  `json:"left_ms,omitempty"`

	elapsed time.Duration
}

// String returns the line for people: "decoding: 41 %, 340 MB/s, 3 s left".
func (s progressState) String() string {
	var parts []string
	switch {
	case s.Total > 0:
		parts = append(parts, fmt.Sprintf("%d %%", 100*min(s.Done, s.Total)/s.Total))
	case s.Done > 0:
		parts = append(parts, amount(float64(s.Done), s.Unit))
	}
	if s.RatePerS > 0 {
		parts = append(parts, amount(s.RatePerS, s.Unit)+"/s")
	}
	switch {
	case s.LeftMS != nil:
		parts = append(parts, brief(time.Duration(*s.LeftMS)*time.Millisecond)+" left")
	case s.Total == 0 || s.Done == 0:
		parts = append(parts, brief(s.elapsed))
	}
	if len(parts) == 0 {
		return s.Phase
	}
	return s.Phase + ": " + strings.Join(parts, ", ")
}

// amount writes v with three digits: decimal prefixes stuck to B ("340 MB"),
// or to the number for counted things ("1.2k events").
func amount(v float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P"}
	i := 0
	for v >= 999.5 && i < len(prefixes)-1 {
		v /= 1000
		i++
	}
	decimals := 0
	switch {
	case v < 9.995 && (i > 0 || unit != "B") && v != float64(int64(v)):
		decimals = 2
	case v < 99.95 && i > 0:
		decimals = 1
	}
	number := fmt.Sprintf("%.*f", decimals, v)
	if unit == "B" {
		return number + " " + prefixes[i] + "B"
	}
	return number + prefixes[i] + " " + unit
}

// brief rounds a duration to what a waiting person wants to know.
func brief(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
