// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"slices"
	"testing"
)

// tried is one way to turn fits into p-values and errors, to be compared with
// the method in force.
type tried struct {
	name string
	// judge returns the variance and degrees of freedom of a row.
	judge func(f fit, pr prior, row int) (variance, df float64)
}

// triedMethods are what the method was chosen from.
func triedMethods() []tried {
	posterior := func(f fit, pr prior) float64 {
		return (pr.df*pr.variance + f.df*f.variance) / (pr.df + f.df)
	}
	capped := func(share float64) func(f fit, pr prior, row int) (float64, float64) {
		return func(f fit, pr prior, row int) (float64, float64) {
			f.moderate(pr, row, share)
			return f.variance, f.df
		}
	}
	return []tried{
		{"own variance, own df (plain t tests)", func(f fit, _ prior, _ int) (float64, float64) { return f.variance, f.df }},
		{"posterior variance, f + f0 df (limma)", func(f fit, pr prior, _ int) (float64, float64) {
			return posterior(f, pr), f.df + pr.df
		}},
		{"limma, outlying rows on their own", func(f fit, pr prior, row int) (float64, float64) {
			if pr.alone[row] {
				return f.variance, f.df
			}
			return posterior(f, pr), f.df + pr.df
		}},
		{"max(own, posterior), f + f0 df", func(f fit, pr prior, _ int) (float64, float64) {
			return max(f.variance, posterior(f, pr)), f.df + pr.df
		}},
		{"the same, outlying rows on their own", capped(math.Inf(1))},
		{"the same, f + min(f0, 3f) df", capped(3)},
		{"the same, f + min(f0, 2f) df: in force", capped(2)},
		{"the same, f + min(f0, f) df", capped(1)},
	}
}

// flagged applies a method to captures and says which rows it would name.
func (m tried) flagged(c captures) []bool {
	logs := make([]logPair, len(c.rows))
	for i, r := range c.rows {
		logs[i] = logsOf(r)
	}
	drift, _ := commonDrift(logs, nil)
	fits := make([]fit, len(logs))
	for i, l := range logs {
		fits[i] = fitRow(l.minus(drift))
	}
	pr := fitPrior(fits)
	p, half := make([]float64, len(fits)), make([]float64, len(fits))
	table := tTable{}
	for i, f := range fits {
		v, df := m.judge(f, pr, i)
		df = min(df, infiniteDF)
		se := math.Sqrt(v * f.width())
		p[i] = 2 * tTail(math.Abs(f.d)/se, df)
		half[i] = se * table.quantile(0.025, df)
	}
	out := make([]bool, len(fits))
	for i, q := range BH(p) {
		out[i] = q <= 0.025 && math.Abs(fits[i].d)-half[i] > math.Log(1.01)
	}
	return out
}

// TestCalibrationTried prints what other ways to estimate the noise would do.
func TestCalibrationTried(t *testing.T) {
	needsTables(t)
	const n = 1000
	loud := modelN2
	loud.name, loud.loud = "N2 8 loud", 8
	t.Logf("| method | false layer N1 | N2 | N2, 8 loud | N2, 2 runs | N1 +3 %% alone | 2 runs |")
	for _, m := range triedMethods() {
		alarms := func(nm noiseModel, runs int) float64 {
			a := trials(n, func(seed uint64) tally {
				c := newSession(nm, 5e6+seed).captures(runs, nil)
				k := tally{}
				k.count("layer", slices.Contains(m.flagged(c), true))
				return k
			})
			return share(a["layer"], n)
		}
		alone := func(runs int) float64 {
			a := trials(n, func(seed uint64) tally {
				c := newSession(modelN1, 6e6+seed).captures(runs, map[int]float64{planted: 1.03})
				got := m.flagged(c)
				hit := got[planted]
				got[planted] = false
				k := tally{}
				k.count("alone", hit && !slices.Contains(got, true))
				return k
			})
			return share(a["alone"], n)
		}
		t.Logf("| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f |", m.name,
			alarms(modelN1, 3), alarms(modelN2, 3), alarms(loud, 3), alarms(modelN2, 2), alone(3), alone(2))
	}
}
