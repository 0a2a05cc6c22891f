// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"fmt"
	"runtime"
	"sync"
)

// trials runs f for n seeds on all cores and sums the counters it returns. The
// outcome doesn't depend on the number of cores.
func trials(n int, f func(seed uint64) tally) tally {
	sum := tally{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan uint64)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range next {
				t := f(seed)
				mu.Lock()
				for k, v := range t {
					sum[k] += v
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- uint64(i)
	}
	close(next)
	wg.Wait()
	return sum
}

// tally counts events by name.
type tally map[string]int

func (t tally) count(name string, happened bool) {
	if happened {
		t[name]++
	}
}

// planted is the layer that planted trials change.
const planted = 3

// judged runs Compare on n runs a side and counts what a reader would see. The
// gate is 'layer>+3%' and 'step>+1%'.
func judged(m noiseModel, runs int, effect float64, seed uint64) tally {
	var factor map[int]float64
	if effect != 0 {
		factor = map[int]float64{planted: 1 + effect}
	}
	c := newSession(m, seed).captures(runs, factor)
	return tallyOf(Compare(&c.step, c.rows, Options{MinAbs: 1e6}), effect != 0)
}

func tallyOf(r Comparison, isPlanted bool) tally {
	t := tally{}
	step, common := r.Step.named(), r.Common != nil && r.Common.named()
	gate := r.Step.Against(0.01) == Regression
	layer := false
	for i, row := range r.Rows {
		if isPlanted && i == planted {
			continue
		}
		layer = layer || row.named()
		gate = gate || row.Against(0.03) == Regression
	}
	t.count("step", step)
	t.count("common", common)
	t.count("layer", layer)
	t.count("gate", gate)
	other := step || common || layer
	t.count("any", other)
	t.count("step equivalent", r.Step.Verdict == Equivalent)
	if !isPlanted {
		for _, row := range r.Rows {
			t.count("rows equivalent", row.Verdict == Equivalent)
		}
		return t
	}
	row := r.Rows[planted]
	found := row.Verdict == Regression || row.Verdict == Differs
	t.count("found", found)
	t.count("found alone", found && !other)
	t.count("inconclusive", row.Verdict == Inconclusive)
	t.count("wrong", row.Verdict == Equivalent || row.Verdict == Improvement)
	t.count("no runs told", row.Verdict == Inconclusive && row.Needed == 0)
	return t
}

// clopperPearson is the exact 95 % interval of a proportion.
func clopperPearson(k, n int) (lo, hi float64) {
	// Bisection of the beta quantile: P(X >= k | p) = I_p(k, n-k+1).
	solve := func(a, b, tail float64) float64 {
		l, h := 0.0, 1.0
		for range 60 {
			if m := (l + h) / 2; betaInc(m, a, b) < tail {
				l = m
			} else {
				h = m
			}
		}
		return l
	}
	hi = 1
	if k > 0 {
		lo = solve(float64(k), float64(n-k+1), 0.025)
	}
	if k < n {
		hi = solve(float64(k+1), float64(n-k), 0.975)
	}
	return lo, hi
}

// pct prints a share with its bounds.
func pct(k, n int) string {
	lo, hi := clopperPearson(k, n)
	return fmt.Sprintf("%5.2f %% [%.2f, %.2f]", 100*float64(k)/float64(n), 100*lo, 100*hi)
}
