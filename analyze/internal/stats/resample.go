// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// bootstrapRounds keeps the error of a 2.5 % quantile near half a percent.
const bootstrapRounds = 2000

// maxBlockValues bounds one round: longer runs give no better medians.
const maxBlockValues = 4096

// Bootstrap is the hierarchical bootstrap of a change, for the few rows that are
// opened: base[run][step] are step times. Each of 2,000 rounds draws runs with
// replacement and, inside each, blocks of steps (Künsch 1989) of length
// ceil(1/(1-rho)), rho being the run's lag-1 autocorrelation; the statistic is
// the difference of mean log medians. It returns the observed change and the
// percentile interval as fractions. confidence outside (0,1) is 0.95.
//
// With three runs a side the interval is too short (83 % for 95 %): it describes
// these captures, while Compare judges the code. Confidence is 0 if a side has
// no run with a positive median. Runs with no usable steps are left out; at most
// 4,096 steps of a run are used.
func Bootstrap(base, new [][]float64, confidence float64, seed uint64) (effect float64, ci Interval) {
	confidence = orDefault(confidence, 0.95)
	b, n := blocksOf(base), blocksOf(new)
	if len(b) == 0 || len(n) == 0 {
		return 0, Interval{}
	}
	observed := meanLogMedian(n) - meanLogMedian(b)
	rng := rand.New(rand.NewPCG(seed, 0x626f6f74))
	draws := make([]float64, bootstrapRounds)
	scratch := make([]float64, maxBlockValues)
	for i := range draws {
		draws[i] = resampled(n, rng, scratch) - resampled(b, rng, scratch)
	}
	slices.Sort(draws)
	tail := (1 - confidence) / 2
	return fraction(observed), Interval{
		Lo: fraction(Quantile(draws, tail)), Hi: fraction(Quantile(draws, 1-tail)),
		Confidence: confidence,
	}
}

// stepRun is one run's steps in order, with the block length to draw them by.
type stepRun struct {
	steps     []float64
	block     int
	logMedian float64
}

func blocksOf(runs [][]float64) []stepRun {
	var out []stepRun
	for _, r := range runs {
		x := finite(r)
		x = x[:min(len(x), maxBlockValues)]
		x = slices.DeleteFunc(x, func(v float64) bool { return v <= 0 })
		if len(x) == 0 {
			continue
		}
		block := int(math.Ceil(1 / max(1-lag1(x), 0.01)))
		s := stepRun{steps: x, block: min(max(block, 1), len(x))}
		s.logMedian = math.Log(median(slices.Clone(x)))
		out = append(out, s)
	}
	return out
}

func meanLogMedian(runs []stepRun) float64 {
	sum := 0.0
	for _, r := range runs {
		sum += r.logMedian
	}
	return sum / float64(len(runs))
}

// resampled is one round of one side.
func resampled(runs []stepRun, rng *rand.Rand, scratch []float64) float64 {
	sum := 0.0
	for range runs {
		r := runs[rng.IntN(len(runs))]
		n := len(r.steps)
		got := scratch[:0]
		for len(got) < n {
			from := rng.IntN(n - r.block + 1)
			got = append(got, r.steps[from:from+min(r.block, n-len(got))]...)
		}
		sum += math.Log(median(got))
	}
	return sum / float64(len(runs))
}

// maxSplits is how many label assignments Permute counts out; beyond, it draws
// as many at random.
const maxSplits = 10000

// Permute tests whether run labels matter: the share of all ways to call
// len(base) of the pooled values "base" whose |difference of means| is at least
// the observed one (Fisher 1935; two-sided). Values are normally logs of run
// medians. Up to 10,000 ways are counted out; beyond, as many are drawn with the
// seed and p is (1+hits)/(1+draws) (Phipson & Smyth 2010). least is the smallest
// p possible: 0.1 with three runs a side, which is why it can't decide alone.
func Permute(base, new []float64, seed uint64) (p, least float64) {
	pool := finite(base)
	m := len(pool)
	pool = append(pool, finite(new)...)
	n := len(pool)
	if m == 0 || m == n {
		return 1, 1
	}
	// Center first, so that sums of large equal parts don't hide differences.
	mean, sd := meanSD(pool)
	for i := range pool {
		pool[i] -= mean
	}
	stat := func(sum float64) float64 { // the pool sums to zero
		return math.Abs(sum/float64(m) + sum/float64(n-m))
	}
	sumBase := 0.0
	for _, v := range pool[:m] {
		sumBase += v
	}
	reach := stat(sumBase) - 1e-9*sd
	if ways := choose(n, m); ways <= maxSplits {
		hits, all := 0.0, 0.0
		subsets(pool, m, func(sum float64) {
			all++
			if stat(sum) >= reach {
				hits++
			}
		})
		least = 1 / ways
		if 2*m == n {
			least = 2 / ways
		}
		return hits / all, least
	}
	rng := rand.New(rand.NewPCG(seed, 0x7065726d))
	hits := 0
	for range maxSplits {
		sum := 0.0
		for i := range m { // the first m of a Fisher-Yates shuffle
			j := i + rng.IntN(n-i)
			pool[i], pool[j] = pool[j], pool[i]
			sum += pool[i]
		}
		if stat(sum) >= reach {
			hits++
		}
	}
	return float64(1+hits) / float64(1+maxSplits), 1 / float64(1+maxSplits)
}

// choose is the binomial coefficient, as far as a float64 holds it.
func choose(n, k int) float64 {
	c := 1.0
	for i := 1; i <= min(k, n-k); i++ {
		c = c * float64(n-i+1) / float64(i)
	}
	return math.Round(c)
}

// subsets calls yield with the sum of every m-subset of x.
func subsets(x []float64, m int, yield func(sum float64)) {
	var walk func(from, left int, sum float64)
	walk = func(from, left int, sum float64) {
		if left == 0 {
			yield(sum)
			return
		}
		for i := from; i <= len(x)-left; i++ {
			walk(i+1, left-1, sum+x[i])
		}
	}
	walk(0, m, 0)
}
