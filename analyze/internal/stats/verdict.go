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

// Worst returns the first of its arguments in this order: what changed, for the
// worse before the better, what is undecided, what is equal. It is Inconclusive if
// there are none. Unknown verdicts are passed over.
func Worst(v ...Verdict) Verdict {
	for _, w := range []Verdict{Regression, Differs, Improvement, Inconclusive, Equivalent} {
		for _, have := range v {
			if have == w {
				return w
			}
		}
	}
	return Inconclusive
}

// Verdict is the worst of the step, the common shift and the rows.
func (c Comparison) Verdict() Verdict {
	var all []Verdict
	if c.Step != nil {
		all = append(all, c.Step.Verdict)
	}
	if c.Common != nil {
		all = append(all, c.Common.Verdict)
	}
	for _, r := range c.Rows {
		all = append(all, r.Verdict)
	}
	return Worst(all...)
}

// Against holds the row against a gate's threshold, a fraction: 0.03 asks for
// "not more than 3 % slower", -0.1 for "not more than 10 % less" (throughput).
// Regression, the gate fails: Q is within a fifth of Level, and the 99.5 %
// interval lies beyond the threshold; that is the rule of verdicts with a fifth
// of the error budget. Differs: the same with one run on a side. Equivalent, the
// gate passes: the interval lies within the threshold. Inconclusive otherwise.
//
// Note: with the verdict's own level and interval, 'step>+1%' fails on 2.0 % of
// identical code under noise N2 (drift 5 % a run), against 0.3 %.
func (r Row) Against(threshold float64) Verdict {
	beyond := r.GateLo > threshold
	within := r.GateHi <= threshold
	if threshold < 0 {
		beyond = r.GateHi < threshold
		within = r.GateLo >= threshold
	}
	single := min(r.BaseRuns, r.NewRuns) < 2
	switch {
	case r.DF == 0 || r.Relative:
		return Inconclusive
	case beyond && r.Q <= r.Level/5 && single:
		return Differs
	case beyond && r.Q <= r.Level/5:
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
	half = r.SE * t.quantile(o.Alpha/20, f.df)
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

// settle demotes rows that are named for standing still while the median row
// moved: those against the direction of a common shift that is named itself or
// makes up three quarters of theirs, and all rows named on one side if they are
// more than a quarter, since the median may sit in either camp then. Such a row
// keeps its name only if its change with the common shift put back, errors added,
// is beyond zero at confidence 1-Alpha.
//
// Note: without this rule, making 40 of 64 layers 6 % faster fails a gate on the
// other 24. TestCalibrationMany prints what it leaves; asking for half instead of
// three quarters would cost 3 points of power at +3 % under N1.
func (o Options) settle(rows []Row, common Row, t tTable) {
	slower, faster := 0, 0
	for _, r := range rows {
		if r.named() && r.Effect > 0 {
			slower++
		} else if r.named() {
			faster++
		}
	}
	for i := range rows {
		r := &rows[i]
		camp := slower
		if r.Effect < 0 {
			camp = faster
		}
		explained := -math.Log1p(common.Effect) / math.Log1p(r.Effect) // negative if both move alike
		doubt := explained >= 0.75 || explained > 0 && common.named() || 4*camp > len(rows)
		if !r.named() || !doubt {
			continue
		}
		if common.DF > 0 {
			d := math.Log1p(r.Effect) + math.Log1p(common.Effect)
			half := math.Hypot(r.SE, common.SE) * t.quantile(o.Alpha/2, min(r.DF, common.DF))
			if d-half > 0 && r.Effect > 0 || d+half < 0 && r.Effect < 0 {
				continue
			}
		}
		r.Relative, r.Verdict = true, Inconclusive
		r.Needed = o.needed(*r, len(rows), t)
	}
}

// named rows are called changed, in whatever way.
func (r Row) named() bool {
	return r.Verdict == Regression || r.Verdict == Improvement || r.Verdict == Differs
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
