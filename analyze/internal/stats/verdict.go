// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// A Verdict is what may be said of a row. The zero value is "": not judged.
type Verdict string

// The verdicts, worst first. Regression and Improvement need Q <= Level and an
// interval entirely beyond the margin; Equivalent an interval inside it (TOST);
// all three need two runs a side. Differs is Regression or Improvement with one
// run on a side: these captures differ, the code may not. Inconclusive is the
// rest, and comes with the runs needed.
const (
	Regression   Verdict = "REGRESSION"
	Differs      Verdict = "DIFFERS"
	Inconclusive Verdict = "INCONCLUSIVE"
	Improvement  Verdict = "IMPROVEMENT"
	Equivalent   Verdict = "EQUIVALENT"
)

// Worst returns the first of its arguments in the order of the constants;
// Inconclusive if there are none. Unknown verdicts are passed over.
func Worst(v ...Verdict) Verdict {
	for _, w := range []Verdict{Regression, Differs, Inconclusive, Improvement, Equivalent} {
		for _, have := range v {
			if have == w {
				return w
			}
		}
	}
	return Inconclusive
}

// Against holds the row against a gate's threshold, a fraction: 0.03 asks for
// "not more than 3 % slower", -0.1 for "not more than 10 % less" (throughput).
// Regression, the gate fails: the row is significant in its family and its 99 %
// interval lies beyond the threshold. Differs: the same with one run on a side.
// Equivalent, the gate passes: the interval lies within the threshold.
// Inconclusive otherwise.
//
// Note: with the 95 % interval instead, 'step>+1%' fails on 2.0 % of identical
// code under noise N2 (drift 5 % a run), against 0.4 %.
func (r Row) Against(threshold float64) Verdict {
	beyond := r.GateLo > threshold
	within := r.GateHi <= threshold
	if threshold < 0 {
		beyond = r.GateHi < threshold
		within = r.GateLo >= threshold
	}
	single := min(r.BaseRuns, r.NewRuns) < 2
	switch {
	case r.DF == 0:
		return Inconclusive
	case beyond && r.Q <= r.Level && single:
		return Differs
	case beyond && r.Q <= r.Level:
		return Regression
	case within && !single:
		return Equivalent
	}
	return Inconclusive
}

// row turns a fit into a row, without what depends on the family.
func (o Options) row(f fit, p Pair, logs logPair, t tTable) Row {
	r := Row{BaseRuns: f.n1, NewRuns: f.n2, P: 1, Q: 1, PEquiv: 1, Level: o.Alpha / 2, Alone: f.alone}
	base, nb := meanOf(logs.base)
	new, nn := meanOf(logs.new)
	if p.Base != nil || p.New != nil {
		if nb > 0 {
			r.Base = math.Exp(base)
		}
		if nn > 0 {
			r.New = math.Exp(new)
		}
	}
	if nb == 0 || nn == 0 {
		r.Margin = o.Margin
		return r
	}
	r.Raw, r.Effect = fraction(new-base), fraction(f.d)
	margin := math.Log1p(o.Margin)
	if o.MinAbs > 0 && r.Base > 0 {
		// The geometric mean of both sides: swapping them changes nothing.
		margin = max(margin, math.Log1p(o.MinAbs/math.Exp((base+new)/2)))
	}
	if f.floor > 0 {
		margin = max(margin, f.floor*math.Sqrt(f.width()))
	}
	r.Margin = fraction(margin)
	r.Lo, r.Hi, r.GateLo, r.GateHi = r.Effect, r.Effect, r.Effect, r.Effect
	if f.df == 0 {
		return r
	}
	r.DF = f.df
	r.SE = math.Sqrt(f.variance * f.width())
	half := r.SE * t.quantile(o.Alpha/2, f.df)
	r.Lo, r.Hi = fraction(f.d-half), fraction(f.d+half)
	half = r.SE * t.quantile(o.Alpha/10, f.df)
	r.GateLo, r.GateHi = fraction(f.d-half), fraction(f.d+half)
	r.P = min(2*tTail(math.Abs(f.d)/r.SE, f.df), 1)
	r.PEquiv = tTail((margin-math.Abs(f.d))/r.SE, f.df)
	return r
}

// family fills what depends on the other rows: Q, verdict, runs needed. Rows
// that can't be tested don't count as tests.
func (o Options) family(rows []Row, t tTable) {
	var p []float64
	for _, r := range rows {
		if r.DF > 0 {
			p = append(p, r.P)
		}
	}
	q := BH(p)
	next := 0
	for i := range rows {
		r := &rows[i]
		if r.DF > 0 {
			r.Q = q[next]
			next++
		}
		r.Verdict = o.judge(*r)
		if r.Verdict == Inconclusive || r.Verdict == Differs {
			r.Needed = o.needed(*r, len(p), t)
		}
	}
}

func (o Options) judge(r Row) Verdict {
	low := 1/(1+r.Margin) - 1 // the margin is symmetric in logarithms
	beyond := r.Lo > r.Margin || r.Hi < low
	single := min(r.BaseRuns, r.NewRuns) < 2
	switch {
	case r.DF == 0:
		return Inconclusive
	case beyond && r.Q <= r.Level && single:
		return Differs
	case beyond && r.Q <= r.Level && r.Effect > 0:
		return Regression
	case beyond && r.Q <= r.Level:
		return Improvement
	case single:
		return Inconclusive
	case r.Lo > low && r.Hi < r.Margin:
		return Equivalent
	}
	return Inconclusive
}

const maxNeeded = 999

// needed searches the number of runs a side at which the row, should its effect
// and variance stay, would be decided with 80 % power, and returns how many more
// that is. The level is Bonferroni's over the family, the least favourable case
// of Benjamini-Hochberg. An effect within a quarter of the margin from the
// margin is planned as if it were that quarter away: no number of runs decides
// a tie.
func (o Options) needed(r Row, tests int, t tTable) int {
	have := min(r.BaseRuns, r.NewRuns)
	if have == 0 {
		return 0
	}
	if r.DF == 0 {
		return max(3-have, 1)
	}
	width := 1/float64(r.BaseRuns) + 1/float64(r.NewRuns)
	sd := r.SE / math.Sqrt(width)
	d, margin := math.Abs(math.Log1p(r.Effect)), math.Log1p(r.Margin)
	gap := max(math.Abs(d-margin), margin/4)
	own := max(float64(r.BaseRuns+r.NewRuns-2), 1)
	factor := max(r.DF/own, 1)
	enough := func(n int) bool {
		df := float64(2*n-2) * min(factor, 1+maxPriorShare)
		se := sd * math.Sqrt(2/float64(n))
		power := t.quantile(0.2, df)
		if gap < se*(t.quantile(o.Alpha/2, df)+power) {
			return false
		}
		return d < margin || d >= se*(t.quantile(r.Level/float64(max(tests, 1))/2, df)+power)
	}
	lo, hi := max(have, 1), have+maxNeeded // enough(hi) assumed; monotone
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; enough(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi - have
}
