// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

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
		mid = (mid + sel.above(mid, pairs/2)) / 2
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
// Note: forming and sorting the 625 sums of 25 values a side takes 26 µs, three
// selections along the staircase a quarter of it; see BenchmarkShift.
type pairSelector struct {
	x, z   []float64
	lo, hi []int // candidates of row i are z[lo[i]:hi[i]]
	at     []int // of the last walk, by row
}

func newPairSelector(x, z []float64) *pairSelector {
	if len(x) > len(z) {
		x, z = z, x
	}
	n := len(x)
	ints := make([]int, 3*n)
	return &pairSelector{x: x, z: z, lo: ints[:n], hi: ints[n : 2*n], at: ints[2*n:]}
}

// kth returns the sum with k smaller ones (0-based), k < len(x)·len(z).
//
// Each round takes a candidate as pivot, counts the sums below it in one walk
// down the staircase, and cuts every row's candidates (after Johnson & Mizoguchi
// 1978, who take the rows' weighted median: fewer rounds, but sorting the rows
// costs more than it saves here). A round that cuts nothing had the smallest
// candidate as pivot; then that one and its equals are cut or are the answer.
func (p *pairSelector) kth(k int) float64 {
	left := len(p.x) * len(p.z)
	for i := range p.x {
		p.lo[i], p.hi[i] = 0, len(p.z)
	}
	for left > 2*len(p.x) {
		pivot := p.pivot(left / 2)
		before := left
		if k < p.walk(pivot, false) {
			left = 0
			for i, j := range p.at {
				p.hi[i] = max(min(p.hi[i], j), p.lo[i])
				left += p.hi[i] - p.lo[i]
			}
			continue
		}
		if left = p.raise(); left < before {
			continue
		}
		if k < p.walk(pivot, true) {
			return pivot
		}
		left = p.raise()
	}
	return p.finish(k)
}

// raise cuts candidates below the last walk and returns how many are left.
func (p *pairSelector) raise() (left int) {
	for i, j := range p.at {
		p.lo[i] = min(max(p.lo[i], j), p.hi[i])
		left += p.hi[i] - p.lo[i]
	}
	return left
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

// walk counts the sums below v, or up to it, and keeps the count of each row.
func (p *pairSelector) walk(v float64, upTo bool) (count int) {
	j := len(p.z)
	for i, x := range p.x {
		if upTo {
			for j > 0 && x+p.z[j-1] > v {
				j--
			}
		} else {
			for j > 0 && x+p.z[j-1] >= v {
				j--
			}
		}
		p.at[i] = j
		count += j
	}
	return count
}

// above returns the k-th sum, v being the one before.
func (p *pairSelector) above(v float64, k int) float64 {
	if p.walk(v, true) > k {
		return v
	}
	next := math.Inf(1)
	for i, j := range p.at {
		if j < len(p.z) {
			next = min(next, p.x[i]+p.z[j])
		}
	}
	return next
}

// finish selects among the few candidates left. All sums before a row's candidates are
// smaller than the answer.
func (p *pairSelector) finish(k int) float64 {
	rest := make([]float64, 0, 2*len(p.x))
	for i, x := range p.x {
		k -= p.lo[i]
		for _, z := range p.z[p.lo[i]:p.hi[i]] {
			rest = append(rest, x+z)
		}
	}
	// Hoare's selection; a sort of them would be half of the time of kth.
	for lo, hi := 0, len(rest)-1; lo < hi; {
		pivot := rest[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for rest[i] < pivot {
				i++
			}
			for rest[j] > pivot {
				j--
			}
			if i <= j {
				rest[i], rest[j] = rest[j], rest[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return rest[k]
		}
	}
	return rest[k]
}
