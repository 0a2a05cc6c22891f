// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"math"
	"slices"
	"time"
)

func sortCalls(calls []Call) {
	slices.SortStableFunc(calls, func(a, b Call) int { return a.Begin.Compare(b.Begin) })
}

// Latency returns the quantile q of the calls that brought scores, by linear
// interpolation, and their number.
func Latency(calls []Call, q float64) (time.Duration, int) {
	var all []time.Duration
	for i := range calls {
		if !calls[i].Failed() {
			all = append(all, calls[i].Latency)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	at := q * float64(len(all)-1)
	i := min(int(at), len(all)-1)
	next := all[min(i+1, len(all)-1)]
	return all[i] + time.Duration((at-float64(i))*float64(next-all[i])), len(all)
}

// A Ratio is a median of paired ratios with its interval.
type Ratio struct {
	N          int     `json:"n"`
	Median     float64 `json:"median"`
	Lo         float64 `json:"lo"`
	Hi         float64 `json:"hi"`
	Confidence float64 `json:"confidence"` // of the interval, reached; 0 = no interval
	Need       int     `json:"need"`       // pairs needed for 95 %; 0 = enough
}

// MedianRatio summarises paired ratios: their median, and the interval between
// the order statistics that hold it with at least 95 %, by the sign test, which
// asks nothing of the distribution. Below six pairs there is no such interval.
func MedianRatio(ratios []float64) Ratio {
	all := slices.Sorted(slices.Values(ratios))
	n := len(all)
	out := Ratio{N: n}
	if n == 0 {
		out.Need = 6
		return out
	}
	out.Median = (all[(n-1)/2] + all[n/2]) / 2
	// P(X ≤ k) of a fair coin's n throws; the interval of the k-th smallest to
	// the k-th largest misses the median with twice P(X ≤ k-1).
	k, below, term := 0, 0.0, math.Pow(0.5, float64(n))
	for below+term <= 0.025 {
		below += term
		term *= float64(n-k) / float64(k+1)
		k++
	}
	if k == 0 {
		out.Need = 6 - n
		out.Need = max(out.Need, 1)
		return out
	}
	out.Lo, out.Hi, out.Confidence = all[k-1], all[n-k], 1-2*below
	return out
}

// interleave is the order of pairs: which side of a pair comes first changes from
// one to the next, so that a drift of the machine favours neither.
func interleave(pair int) [2]bool { return [2]bool{pair%2 == 1, pair%2 == 0} }

// medianLatency is that of the calls that brought scores.
func medianLatency(calls []Call) float64 {
	d, n := Latency(calls, 0.5)
	if n == 0 {
		return math.NaN()
	}
	return cmp.Or(float64(d), math.NaN())
}
