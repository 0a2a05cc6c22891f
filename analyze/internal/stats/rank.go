// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
	"sync"
)

// exactLimit is the larger sample size up to which U's distribution is counted
// out; above, its normal approximation is good to two digits even at p = 1e-3.
const exactLimit = 12

// A Rank is the outcome of a Mann-Whitney U test with the Hodges-Lehmann shift.
type Rank struct {
	BaseN, NewN int // finite values used
	// U counts the pairs in which the new value is the larger one, ties half.
	U float64
	// P is two-sided: twice the smaller tail, at most 1.
	P float64
	// MinP is the least P that samples of these sizes can reach, at complete
	// separation: 2/C(n1+n2,n1) while exact. A test whose MinP exceeds the level
	// can't find anything.
	MinP float64
	// Exact says that P was counted, ties included, not approximated.
	Exact bool
	// Shift is the Hodges-Lehmann estimate on logarithms, as a fraction: exp of
	// the median of log(new/base) over all pairs, less one. CI is its interval
	// by inversion of the test. Both are zero unless all values are positive.
	Shift float64
	CI    Interval
}

// RankTest compares two samples by ranks. confidence is that of the shift's
// interval; outside (0,1) it is 0.95.
//
// Sources: Mann & Whitney 1947; the exact distribution under ties by counting
// subsets of midranks; above 12 values a side the normal approximation with tie
// and continuity correction; Hodges & Lehmann 1963; interval D₍k₎…D₍mn+1-k₎ with
// the largest k for which P(U < k) <= (1-confidence)/2 (Hollander & Wolfe 4.3).
func RankTest(base, new []float64, confidence float64) Rank {
	confidence = orDefault(confidence, 0.95)
	b, n := finite(base), finite(new)
	slices.Sort(b)
	slices.Sort(n)
	r := Rank{BaseN: len(b), NewN: len(n), P: 1, MinP: 1}
	if len(b) == 0 || len(n) == 0 {
		return r
	}
	r.MinP = minRankP(len(b), len(n))
	u, ties := rankSum(b, n)
	r.U = u
	r.Exact = len(b) <= exactLimit && len(n) <= exactLimit
	switch {
	case !r.Exact:
		r.P = rankNormalP(u, len(b), len(n), ties.cubes)
	case ties.cubes == 0:
		r.P = exactP(u, len(b), len(n))
	default:
		r.P = exactTiedP(u, ties.groups, len(b), len(n))
	}
	if b[0] > 0 && n[0] > 0 {
		r.Shift, r.CI = logShift(b, n, confidence)
	}
	return r
}

// tieGroups describes the runs of equal values in the pooled sample.
type tieGroups struct {
	groups []int   // size of each group, ascending by value; nil if untied
	cubes  float64 // Σ(t³-t)
}

// rankSum merges two sorted samples and returns the U of b2 over b1.
func rankSum(b1, b2 []float64) (u float64, ties tieGroups) {
	i, j := 0, 0
	for i < len(b1) || j < len(b2) {
		v := 0.0
		if j == len(b2) || i < len(b1) && b1[i] <= b2[j] {
			v = b1[i]
		} else {
			v = b2[j]
		}
		i0, j0 := i, j
		for i < len(b1) && b1[i] == v {
			i++
		}
		for j < len(b2) && b2[j] == v {
			j++
		}
		u += float64(j-j0) * (float64(i0) + float64(i-i0)/2)
		if t := float64(i - i0 + j - j0); t > 1 {
			ties.cubes += t*t*t - t
		}
	}
	if ties.cubes > 0 && max(len(b1), len(b2)) <= exactLimit {
		ties.groups = groupSizes(b1, b2)
	}
	return u, ties
}

// groupSizes lists the sizes of the groups of equal values, in value order.
func groupSizes(b1, b2 []float64) []int {
	all := slices.Concat(b1, b2)
	slices.Sort(all)
	groups := []int{}
	for i, v := range all {
		if i == 0 || v != all[i-1] {
			groups = append(groups, 0)
		}
		groups[len(groups)-1]++
	}
	return groups
}

// rankNormalP is the tie-corrected normal approximation with continuity.
func rankNormalP(u float64, n1, n2 int, cubes float64) float64 {
	m, n := float64(n1), float64(n2)
	total := m + n
	variance := m * n / 12 * (total + 1 - cubes/(total*(total-1)))
	if variance <= 0 {
		return 1
	}
	z := (math.Abs(u-m*n/2) - 0.5) / math.Sqrt(variance)
	return min(2*normalTail(z), 1)
}

// untiedCounts holds, for n1 and n2 up to exactLimit, how many of the C(n1+n2,n1)
// orders have each U, as cumulative sums.
var untiedCounts = sync.OnceValue(func() *[exactLimit + 1][exactLimit + 1][]float64 {
	var t [exactLimit + 1][exactLimit + 1][]float64
	for m := 0; m <= exactLimit; m++ {
		for n := 0; n <= exactLimit; n++ {
			c := make([]float64, m*n+1)
			if m == 0 || n == 0 {
				c[0] = 1
			} else {
				// The largest value belongs to the first sample and beats all
				// n of the second, or to the second.
				for u := range c {
					if u >= n && u-n < len(t[m-1][n]) {
						c[u] += t[m-1][n][u-n]
					}
					if u < len(t[m][n-1]) {
						c[u] += t[m][n-1][u]
					}
				}
			}
			t[m][n] = c
		}
	}
	for m := range t {
		for n := range t[m] {
			for u := 1; u < len(t[m][n]); u++ {
				t[m][n][u] += t[m][n][u-1]
			}
		}
	}
	return &t
})

// exactP is the two-sided p of an untied U.
func exactP(u float64, n1, n2 int) float64 {
	c := untiedCounts()[n1][n2]
	small := int(min(u, float64(n1*n2)-u))
	return min(2*c[small]/c[len(c)-1], 1)
}

// exactTiedP counts the subsets of n2 of the pooled midranks whose sum lies as
// far out. Midranks are doubled so that sums are integers.
func exactTiedP(u float64, groups []int, n1, n2 int) float64 {
	total := n1 + n2
	maxSum := total * (total + 1)
	ways := make([][]float64, n2+1) // [taken][doubled rank sum]
	for k := range ways {
		ways[k] = make([]float64, maxSum+1)
	}
	ways[0][0] = 1
	seen := 0
	for _, t := range groups {
		rank2 := 2*seen + t + 1 // doubled mean of ranks seen+1 … seen+t
		for range t {
			for k := min(seen, n2-1); k >= 0; k-- {
				from, to := ways[k], ways[k+1][rank2:]
				// Sums of k doubled ranks: 2·total·k at most.
				for s := range min(2*k*total+1, len(to)) {
					to[s] += from[s]
				}
			}
			seen++
		}
	}
	// Doubled rank sum of the second sample: 2U + n2(n2+1).
	w := int(math.Round(2*u)) + n2*(n2+1)
	lower, upper, all := 0.0, 0.0, 0.0
	for s, c := range ways[n2] {
		all += c
		if s <= w {
			lower += c
		}
		if s >= w {
			upper += c
		}
	}
	return min(2*min(lower, upper)/all, 1)
}

// minRankP is the p of complete separation without ties.
func minRankP(n1, n2 int) float64 {
	if n1 == 0 || n2 == 0 {
		return 1
	}
	if max(n1, n2) <= exactLimit {
		return exactP(0, n1, n2)
	}
	return rankNormalP(0, n1, n2, 0)
}

// VanElteren combines rank tests over strata (shape buckets, programs), each a
// Pair of samples, comparing only inside each: the sum of (W - E W)/(N+1) over
// strata with its null variance, normal and two-sided (van Elteren 1960; the
// weights are best for a shift common to all strata). z is positive if the new
// side is slower. Strata with an empty side or all values equal say nothing; if
// none is left p is 1.
func VanElteren(strata []Pair) (z, p float64) {
	sum, variance := 0.0, 0.0
	for _, s := range strata {
		b, n := finite(s.Base), finite(s.New)
		if len(b) == 0 || len(n) == 0 {
			continue
		}
		slices.Sort(b)
		slices.Sort(n)
		u, ties := rankSum(b, n)
		m, k := float64(len(b)), float64(len(n))
		total := m + k
		weight := 1 / (total + 1)
		sum += weight * (u - m*k/2)
		variance += weight * weight * m * k / 12 * (total + 1 - ties.cubes/(total*(total-1)))
	}
	if variance <= 0 {
		return 0, 1
	}
	z = sum / math.Sqrt(variance)
	return z, min(2*normalTail(math.Abs(z)), 1)
}
