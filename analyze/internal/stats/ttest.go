// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
)

// Welch is the two-sample t test without equal variances: t positive if the new
// mean is larger, Satterthwaite's degrees of freedom, two-sided p (Welch 1947).
// With fewer than two values on a side, or no spread at all, df is 0, t is 0 and
// p is 1: there is no test.
func Welch(base, new []float64) (t, df, p float64) {
	b, n := finite(base), finite(new)
	if len(b) < 2 || len(n) < 2 {
		return 0, 0, 1
	}
	mb, sb := meanSD(b)
	mn, sn := meanSD(n)
	vb, vn := sb*sb/float64(len(b)), sn*sn/float64(len(n))
	// Rounding in the mean must not pass for spread.
	if tiny := 1e-15 * max(math.Abs(mb), math.Abs(mn)); vb+vn <= tiny*tiny {
		return 0, 0, 1
	}
	t = (mn - mb) / math.Sqrt(vb+vn)
	// Shares of the variance: dividing first keeps the squares in range.
	wb, wn := vb/(vb+vn), vn/(vb+vn)
	df = 1 / (wb*wb/float64(len(b)-1) + wn*wn/float64(len(n)-1))
	return t, df, min(2*tTail(math.Abs(t), df), 1)
}

// BH returns Benjamini-Hochberg q-values in the order of p: the smallest false
// discovery rate at which each would be reported, min over j >= rank of m·p₍j₎/j
// (Benjamini & Hochberg 1995). Values outside [0,1] count as 1.
func BH(p []float64) []float64 {
	m := len(p)
	q := make([]float64, m)
	order := make([]int, m)
	clean := make([]float64, m)
	for i, v := range p {
		order[i] = i
		clean[i] = 1
		if v >= 0 && v <= 1 {
			clean[i] = v
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if clean[a] < clean[b] {
			return -1
		} else if clean[a] > clean[b] {
			return 1
		}
		return 0
	})
	least := 1.0
	for rank := m; rank >= 1; rank-- {
		i := order[rank-1]
		least = min(least, clean[i]*(float64(m)/float64(rank)))
		q[i] = least
	}
	return q
}
