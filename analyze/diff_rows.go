// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"math"
	"slices"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// test fills in the rows: first the step and the layers, each a family of its
// own, then what is inside the layers that changed.
func (d *differ) test() {
	opt := stats.Options{Alpha: d.c.Options.Alpha, Margin: d.c.Options.MinEffect, MinAbs: float64(d.c.Options.MinAbs)}
	var matched []*partPair
	var values []stats.Pair
	for _, p := range d.pairs {
		if p.base != nil && p.new != nil {
			matched = append(matched, p)
			values = append(values, stats.Pair{Base: d.partValues(d.base, p.base), New: d.partValues(d.new, p.new)})
		}
	}
	layerOpt := opt
	layerOpt.Noise = d.c.Options.Noise.forRows(matched, d.base.side, d.new.side)
	step := stats.Pair{Base: d.stepValues(d.base, stepOpTime), New: d.stepValues(d.new, stepOpTime)}
	cmp := stats.Compare(&step, values, layerOpt)
	d.drift, d.c.PriorSD = cmp.Drift, cmp.PriorSD
	d.stepRows(cmp, step, opt)
	changed := d.significant(d.c.Rows)
	results := make(map[*partPair]result)
	for i, p := range matched {
		results[p] = result{&cmp.Rows[i], values[i]}
	}
	verdicts := make([]stats.Verdict, 0, len(d.pairs))
	for _, r := range d.c.Rows {
		verdicts = append(verdicts, stats.Verdict(r.Verdict))
	}
	layerRows := make([]DiffRow, 0, len(d.pairs))
	for _, p := range d.pairs {
		row := d.partRow(p, results[p])
		verdicts = append(verdicts, stats.Verdict(row.Verdict))
		if row.Status != "matched" && row.Index >= 0 {
			verdicts = append(verdicts, stats.Differs)
		}
		layerRows = append(layerRows, row)
	}
	d.c.Verdict = string(stats.Worst(verdicts...))
	d.componentTotals(opt, changed || d.significant(layerRows))
	for i, p := range d.pairs {
		d.c.Rows = append(d.c.Rows, layerRows[i])
		d.openPart(p, &layerRows[i], opt)
	}
	rest := DiffRow{Key: "unattributed", Parent: "step", Level: "layer", Index: -1, Metric: "op_time", Status: "matched", Unit: "ps"}
	rest.setMean(d.rest.mean, 0, 0)
	rest.Note = "ops that belong to no layer or named part; not tested"
	d.c.Rows = append(d.c.Rows, rest)
}

// A result is a tested row with the values behind it.
type result struct {
	row    *stats.Row
	values stats.Pair
}

// significant reports whether a row says that something changed.
func (d *differ) significant(rows []DiffRow) bool {
	return slices.ContainsFunc(rows, func(r DiffRow) bool { return isChange(r.Verdict) })
}

// isChange reports whether a verdict says that something changed.
func isChange(verdict string) bool {
	switch stats.Verdict(verdict) {
	case stats.Regression, stats.Improvement, stats.Differs:
		return true
	}
	return false
}

func stepOpTime(s *Step) float64   { return float64(s.OpTime) }
func stepDuration(s *Step) float64 { return float64(s.Dur) }
func stepBusy(s *Step) float64     { return float64(s.Busy) }

// stepValues returns a value of the typical step for each run.
func (d *differ) stepValues(v *view, of func(*Step) float64) []float64 {
	return d.stepQuantiles(v, 0.5, of)
}

func (d *differ) stepQuantiles(v *view, p float64, of func(*Step) float64) []float64 {
	out := make([]float64, len(v.side.Runs))
	for r, a := range v.side.Runs {
		whole := 0.0
		if len(a.Steps) == 0 {
			whole = float64(a.Layers.OpTime)
		}
		out[r] = d.quantile(v, r, whole, p, func(i int) float64 { return of(&a.Steps[i]) })
	}
	return out
}

// partValues returns a part's time in the typical step for each run; 0 where the
// run lacks it.
func (d *differ) partValues(v *view, p *part) []float64 {
	out := make([]float64, len(p.rows))
	for r, l := range p.rows {
		if l != nil {
			whole := float64(l.Self) / float64(runSteps(v.side.Runs[r]))
			out[r] = d.typical(v, r, whole, func(i int) float64 { return float64(at(l.PerStep, i)) })
		}
	}
	return out
}

func at(x []Duration, i int) Duration {
	if i < len(x) {
		return x[i]
	}
	return 0
}

// runSteps is the number of steps behind a run's totals.
func runSteps(a *Analysis) int {
	n := 0
	for i := range a.Steps {
		if a.Steps[i].Reason != "no ops" {
			n++
		}
	}
	return max(n, 1)
}

// stepRows adds the rows of the whole step.
func (d *differ) stepRows(cmp stats.Comparison, step stats.Pair, opt stats.Options) {
	row := DiffRow{Key: "step", Level: "step", Index: -1, Metric: "op_time", Status: "matched", Unit: "ps"}
	for _, p := range d.pairs {
		row.Base, row.New, row.Delta = row.Base+p.mean.base, row.New+p.mean.new, row.Delta+p.mean.delta
	}
	row.Base, row.New, row.Delta = row.Base+d.rest.mean.base, row.New+d.rest.mean.new, row.Delta+d.rest.mean.delta
	d.fill(&row, *cmp.Step)
	d.rank(&row, step, func(v *view) []float64 { return d.stepSamples(v, stepOpTime) })
	d.c.Rows = append(d.c.Rows, row)
	if cmp.Common != nil {
		common := DiffRow{Key: "common shift", Parent: "step", Level: "step", Index: -1, Metric: "common_shift", Status: "matched", Unit: "1"}
		d.fill(&common, *cmp.Common)
		common.BaseValue, common.NewValue = 1, 1+common.Effect
		common.Note = "what all layers share; layers are compared without it"
		d.c.Rows = append(d.c.Rows, common)
	}
	if len(d.strata) == 0 {
		return
	}
	// The step's duration is another family: it sees the host, which op time does
	// not. It gets half of the step family's share of alpha.
	dur := stats.Pair{Base: d.stepValues(d.base, stepDuration), New: d.stepValues(d.new, stepDuration)}
	half := opt
	half.Alpha /= 2
	duration := DiffRow{Key: "step duration", Parent: "step", Level: "step", Index: -1, Metric: "duration", Status: "matched", Unit: "ps"}
	d.fill(&duration, *stats.Compare(&dur, nil, half).Step)
	d.rank(&duration, dur, func(v *view) []float64 { return d.stepSamples(v, stepDuration) })
	d.c.Rows = append(d.c.Rows, duration)
}

// stepSamples returns the steps' values of the only run, when all are of one
// kind.
func (d *differ) stepSamples(v *view, of func(*Step) float64) []float64 {
	if len(d.strata) != 1 || len(v.side.Runs) != 1 {
		return nil
	}
	name := d.strata[0].new
	if v == d.base {
		name = d.strata[0].base
	}
	return d.samples(v, 0, name, func(i int) float64 { return of(&v.side.Runs[0].Steps[i]) })
}

// fill copies a test's result.
func (d *differ) fill(r *DiffRow, s stats.Row) {
	r.stat = s
	r.BaseValue, r.NewValue = s.Base, s.New
	r.Raw, r.Effect, r.Lo, r.Hi, r.Margin = s.Raw, s.Effect, s.Lo, s.Hi, s.Margin
	r.Tested, r.P, r.Q = true, s.P, s.Q
	r.NBase, r.NNew = d.base.side.Steps, d.new.side.Steps
	r.BaseRuns, r.NewRuns = s.BaseRuns, s.NewRuns
	r.Needed, r.Verdict = s.Needed, string(s.Verdict)
}

// rank adds the rank test over runs, or over the steps of single runs.
func (d *differ) rank(r *DiffRow, runs stats.Pair, steps func(v *view) []float64) {
	base, new, of := runs.Base, runs.New, "runs"
	if min(len(base), len(new)) < 2 {
		base, new, of = steps(d.base), steps(d.new), "steps"
	}
	res := stats.RankTest(base, new, 1-d.c.Options.Alpha)
	if min(res.BaseN, res.NewN) < 2 {
		return
	}
	r.Rank.Of, r.Rank.P, r.Rank.MinP = of, res.P, res.MinP
	r.Rank.Shift, r.Rank.Lo, r.Rank.Hi = res.Shift, res.CI.Lo, res.CI.Hi
}

func (r *DiffRow) setMean(m delta, baseValue, newValue float64) {
	r.Base, r.New, r.Delta = m.base, m.new, m.delta
	r.BaseValue, r.NewValue = baseValue, newValue
	if baseValue == 0 && newValue == 0 {
		r.BaseValue, r.NewValue = float64(m.base), float64(m.new)
	}
	r.Raw = change(r.BaseValue, r.NewValue)
	r.Effect, r.Lo, r.Hi = r.Raw, r.Raw, r.Raw
}

// change is new/base − 1; 0 where base is 0.
func change(base, new float64) float64 {
	if base == 0 || math.IsInf(new/base, 0) {
		return 0
	}
	return new/base - 1
}

// partRow makes the row of a layer or named part.
func (d *differ) partRow(p *partPair, s result) DiffRow {
	row := DiffRow{Key: p.key(), Parent: "step", Level: "layer", Index: p.index(), Metric: "op_time", Status: "matched", Unit: "ps", pairs: p}
	row.setMean(p.mean, 0, 0)
	var b, n sums
	if p.base != nil {
		b = p.base.sums
	}
	if p.new != nil {
		n = p.new.sums
	}
	d.setCosts(&row, b, n)
	switch {
	case p.base == nil:
		row.Status = "added"
	case p.new == nil:
		row.Status = "removed"
	default:
		if p.base.key != p.new.key {
			row.BaseKey = p.base.key
		}
		d.fill(&row, *s.row)
		d.rank(&row, s.values, func(v *view) []float64 {
			part := p.new
			if v == d.base {
				part = p.base
			}
			return d.partSamples(v, part)
		})
		d.noteSmall(&row)
	}
	return row
}

// noteSmall takes the verdict from rows too small to have one.
func (d *differ) noteSmall(r *DiffRow) {
	if r.BaseRuns > 0 && r.NewRuns > 0 {
		return
	}
	r.Tested = false
	r.BaseValue, r.NewValue = float64(r.Base), float64(r.New)
	if max(r.Base, r.New) < d.c.Options.MinAbs {
		r.Verdict, r.Needed, r.Note = "", 0, "too small to be tested"
		return
	}
	r.Note = "in fewer than half of the steps of a run: means only"
}

func (d *differ) partSamples(v *view, p *part) []float64 {
	if len(d.strata) != 1 || len(v.side.Runs) != 1 {
		return nil
	}
	name := d.strata[0].new
	if v == d.base {
		name = d.strata[0].base
	}
	return d.samples(v, 0, name, func(i int) float64 { return float64(at(p.rows[0].PerStep, i)) })
}

// setCosts fills in executions, FLOPs and bytes a step.
func (d *differ) setCosts(r *DiffRow, b, n sums) {
	bs, ns := float64(d.base.steps), float64(d.new.steps)
	r.BaseCount, r.NewCount = float64(b.count)/bs, float64(n.count)/ns
	r.BaseFLOPs, r.NewFLOPs = float64(b.flops)/bs, float64(n.flops)/ns
	r.BaseBytes, r.NewBytes = float64(b.bytes)/bs, float64(n.bytes)/ns
}

// plainSteps says how many steps a side has, for messages.
func plainSteps(n int) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}
