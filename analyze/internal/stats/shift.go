// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
)

// logShift is the Hodges-Lehmann shift of two sorted positive samples on the
// log scale as a fraction, with its rank-inversion interval.
func logShift(base, new []float64, confidence float64) (float64, Interval) {
	m, n := len(base), len(new)
	// Differences log(new)-log(base) are the sums of two ascending lists.
	up, down := make([]float64, n), make([]float64, m)
	for i, v := range new {
		up[i] = math.Log(v)
	}
	for i, v := range base {
		down[m-1-i] = -math.Log(v)
	}
	sel := newPairSelector(up, down)
	pairs := m * n
	mid := sel.kth((pairs - 1) / 2)
	if pairs%2 == 0 {
		mid = (mid + sel.kth(pairs/2)) / 2
	}
	k, reached := shiftRank(m, n, confidence)
	lo, hi := sel.kth(k-1), sel.kth(pairs-k)
	return fraction(mid), Interval{Lo: fraction(lo), Hi: fraction(hi), Confidence: reached}
}

// fraction turns a log ratio into a relative change, finite for any input.
func fraction(logRatio float64) float64 { return math.Expm1(min(logRatio, 600)) }

// shiftRank is the largest k >= 1 with P(U < k) <= (1-confidence)/2 and the
// confidence that D₍k₎…D₍mn+1-k₎ has; if even k = 1 reaches less, that is said.
func shiftRank(m, n int, confidence float64) (k int, reached float64) {
	tail := (1 - confidence) / 2
	if max(m, n) <= exactLimit {
		c := untiedCounts()[m][n]
		all := c[len(c)-1]
		k = 1
		for 2*k < m*n && c[k]/all <= tail {
			k++
		}
		return k, max(1-2*c[k-1]/all, 0)
	}
	mu := float64(m*n) / 2
	sd := math.Sqrt(float64(m*n*(m+n+1)) / 12)
	// P(U <= k-1) ≈ Φ((k-1+½-mu)/sd).
	k = max(1, int(math.Floor(mu+0.5-sd*normalQuantile(1-tail))))
	return k, max(1-2*normalTail((mu+0.5-float64(k))/sd), 0)
}

// pairSelector finds order statistics of all sums x[i]+z[j] of two ascending
// lists without forming them.
//
// Note: sorting the 625 sums of 25×25 takes 30 µs a row, three quickselects on
// them 12 µs; counting along the staircase needs none of the sums and 4 µs. See
// BenchmarkRankTest5000x50.
type pairSelector struct {
	x, z        []float64
	lo, hi      []int // candidates of row i are z[lo[i]:hi[i]]
	below, upTo []int // of the last pivot, by row
}

func newPairSelector(x, z []float64) *pairSelector {
	if len(x) > len(z) {
		x, z = z, x
	}
	n := len(x)
	ints := make([]int, 4*n)
	return &pairSelector{x: x, z: z, lo: ints[:n], hi: ints[n : 2*n], below: ints[2*n : 3*n], upTo: ints[3*n:]}
}

// kth returns the sum with k smaller ones (0-based), k < len(x)·len(z).
//
// Each round takes a candidate as pivot, counts the sums below and up to it in
// one walk down the staircase, and cuts every row's candidates (after Johnson &
// Mizoguchi 1978, who take the rows' weighted median: fewer rounds, but sorting
// the rows costs more than it saves here). The pivot itself leaves the
// candidates, so it ends for any input.
func (p *pairSelector) kth(k int) float64 {
	for i := range p.x {
		p.lo[i], p.hi[i] = 0, len(p.z)
	}
	for {
		left := 0
		for i := range p.x {
			left += p.hi[i] - p.lo[i]
		}
		if left <= 2*len(p.x) {
			return p.finish(k)
		}
		pivot := p.pivot(left / 2)
		below, upTo := p.count(pivot)
		switch {
		case k < below:
			for i, j := range p.below {
				p.hi[i] = max(min(p.hi[i], j), p.lo[i])
			}
		case k >= upTo:
			for i, j := range p.upTo {
				p.lo[i] = min(max(p.lo[i], j), p.hi[i])
			}
		default:
			return pivot
		}
	}
}

// pivot is the middle candidate of the row that holds the half-th one.
func (p *pairSelector) pivot(half int) float64 {
	for i := range p.x {
		w := p.hi[i] - p.lo[i]
		if half < w {
			return p.x[i] + p.z[(p.lo[i]+p.hi[i])/2]
		}
		half -= w
	}
	return p.x[0] + p.z[0] // not reached: half is less than the candidates left
}

// count walks the staircase twice: how many sums are < v and <= v, in all and,
// by row.
func (p *pairSelector) count(v float64) (below, upTo int) {
	jb, ju := len(p.z), len(p.z)
	for i, x := range p.x {
		for jb > 0 && x+p.z[jb-1] >= v {
			jb--
		}
		for ju > jb && x+p.z[ju-1] > v {
			ju--
		}
		p.below[i], p.upTo[i] = jb, ju
		below += jb
		upTo += ju
	}
	return below, upTo
}

// finish sorts the few candidates left. All sums before a row's candidates are
// smaller than the answer.
func (p *pairSelector) finish(k int) float64 {
	rest := make([]float64, 0, 2*len(p.x))
	for i, x := range p.x {
		k -= p.lo[i]
		for _, z := range p.z[p.lo[i]:p.hi[i]] {
			rest = append(rest, x+z)
		}
	}
	slices.Sort(rest)
	return rest[k]
}
