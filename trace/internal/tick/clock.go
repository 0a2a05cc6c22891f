// SPDX-License-Identifier: Apache-2.0

package tick

import (
	"math"
	"math/bits"
	"sort"
	"time"
)

// begin is what the monotonic clock counts from here. time.Since of a time with
// a monotonic reading reads that clock only (28 ns against 54 of time.Now).
var begin = time.Now()

func nanotime() uint64 { return uint64(time.Since(begin)) }

// A Clock counts ticks. The zero value counts nanoseconds.
type Clock struct{ tsc bool }

// Best returns the clock that is cheapest to read here.
func Best() Clock { return Clock{tsc: invariant} }

// Counter says whether ticks are those of the processor's counter.
func (c Clock) Counter() bool { return c.tsc }

// Now returns the ticks of now.
func (c Clock) Now() uint64 {
	if c.tsc {
		return rdtsc()
	}
	return nanotime()
}

// A Pair is one instant on both clocks: ticks and monotonic nanoseconds.
type Pair struct{ Ticks, Nanos uint64 }

// Pair reads both clocks at once: of some attempts the one that was not
// interrupted between its two reads.
func (c Clock) Pair() Pair {
	if !c.tsc {
		n := nanotime()
		return Pair{n, n}
	}
	var best Pair
	gap := ^uint64(0)
	for range 4 {
		a := rdtsc()
		n := nanotime()
		b := rdtsc()
		if b-a < gap {
			best, gap = Pair{a + (b-a)/2, n}, b-a
		}
	}
	return best
}

// Unix returns the Unix nanoseconds of a pair.
func (p Pair) Unix() int64 { return begin.UnixNano() + int64(p.Nanos) }

// A Scale turns ticks into picoseconds since its first pair. It is monotone:
// what nests and adjoins in ticks does so in picoseconds.
type Scale struct {
	pairs []Pair
	// Backwards counts pairs at which a clock stood still or ran backwards,
	// which were left out.
	Backwards int
}

// maxPairs bounds a scale: an hour of a pair every 10 ms is 360,000 pairs.
const maxPairs = 1 << 16

// Add adds a pair, which must be later than the ones before. When there are too
// many, every other one is given up.
func (s *Scale) Add(p Pair) {
	n := len(s.pairs)
	if n > 0 && (p.Ticks <= s.pairs[n-1].Ticks || p.Nanos <= s.pairs[n-1].Nanos) {
		s.Backwards++
		return
	}
	if n == maxPairs {
		for i := 1; i < n/2; i++ {
			s.pairs[i] = s.pairs[2*i]
		}
		s.pairs = s.pairs[:n/2]
	}
	s.pairs = append(s.pairs, p)
}

// First returns the first pair, whose instant is 0 ps.
func (s *Scale) First() Pair {
	if len(s.pairs) == 0 {
		return Pair{}
	}
	return s.pairs[0]
}

// Last returns the last pair.
func (s *Scale) Last() Pair {
	if len(s.pairs) == 0 {
		return Pair{}
	}
	return s.pairs[len(s.pairs)-1]
}

// Picoseconds places ticks on the scale. Ticks before the first pair are 0 ps;
// those after the last pair go on at the last rate,
// as far as an int64 goes (106 days).
func (s *Scale) Picoseconds(ticks uint64) int64 {
	n := len(s.pairs)
	if n == 0 || ticks <= s.pairs[0].Ticks {
		return 0
	}
	if n == 1 {
		return int64(ticks-s.pairs[0].Ticks) * 1000
	}
	i := sort.Search(n-2, func(i int) bool { return s.pairs[i+1].Ticks >= ticks })
	a, b := s.pairs[i], s.pairs[i+1]
	// (ticks−a) · Δns·1000 / Δticks in 128 bits.
	hi, lo := bits.Mul64(ticks-a.Ticks, (b.Nanos-a.Nanos)*1000)
	if hi >= b.Ticks-a.Ticks {
		return math.MaxInt64
	}
	ps, _ := bits.Div64(hi, lo, b.Ticks-a.Ticks)
	sum, carry := bits.Add64((a.Nanos-s.pairs[0].Nanos)*1000, ps, 0)
	if carry != 0 || sum > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(sum)
}

// Drift returns the largest relative difference between the rate of one
// interval and the mean rate, of intervals of 5 ms and more: pairs are good to a
// microsecond or so.
func (s *Scale) Drift() float64 {
	n := len(s.pairs)
	if n < 3 {
		return 0
	}
	mean := rate(s.pairs[0], s.pairs[n-1])
	worst := 0.0
	for i := 1; i < n; i++ {
		if s.pairs[i].Nanos-s.pairs[i-1].Nanos < 5e6 {
			continue
		}
		d := rate(s.pairs[i-1], s.pairs[i])/mean - 1
		worst = max(worst, d, -d)
	}
	return worst
}

func rate(a, b Pair) float64 { return float64(b.Ticks-a.Ticks) / float64(b.Nanos-a.Nanos) }
