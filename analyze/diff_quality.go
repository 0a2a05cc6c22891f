// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// totals adds the rows of other metrics than op time: durations' tails, busy
// time, FLOPs, bytes, compilations and memory.
func (d *differ) totals() {
	d.tail("duration_p95", 0.95, 20)
	d.tail("duration_p99", 0.99, 100)
	d.wallRows()
	d.costRows()
	d.exact("compilations", "compiles", "1", float64(d.base.side.Compiles), float64(d.new.side.Compiles))
	if b, n := d.base.side.PeakHBM, d.new.side.PeakHBM; b > 0 && n > 0 {
		d.exact("peak device memory", "peak_hbm", "bytes", float64(b), float64(n))
	}
	if b, n := d.base.side.PlanBytes, d.new.side.PlanBytes; b > 0 && n > 0 {
		d.exact("memory plan of the largest program", "plan_bytes", "bytes", float64(b), float64(n))
	}
}

// tail compares a high quantile of the steps' durations, where each run has
// steps enough to have one.
func (d *differ) tail(metric string, p float64, steps int) {
	for _, v := range []*view{d.base, d.new} {
		for _, a := range v.side.Runs {
			n := 0
			for i := range a.Steps {
				if !a.Steps[i].Excluded {
					n++
				}
			}
			if n < steps || len(d.strata) == 0 {
				return
			}
		}
	}
	pair := stats.Pair{Base: d.stepQuantiles(d.base, p, stepDuration), New: d.stepQuantiles(d.new, p, stepDuration)}
	row := DiffRow{Key: fmt.Sprintf("step duration p%.0f", 100*p), Parent: "step", Level: "step", Index: -1, Metric: metric, Status: "matched", Unit: "ps"}
	d.fill(&row, *stats.Compare(&pair, nil, stats.Options{Alpha: d.c.Options.Alpha, Margin: d.c.Options.MinEffect, MinAbs: float64(d.c.Options.MinAbs)}).Step)
	row.Note = "for gates; not part of the verdict"
	d.c.Rows = append(d.c.Rows, row)
}

// exact adds a row of a value that is known, not measured.
func (d *differ) exact(key, metric, unit string, base, new float64) {
	r := DiffRow{Key: key, Parent: "step", Level: "step", Index: -1, Metric: metric, Status: "matched", Unit: unit, BaseValue: base, NewValue: new}
	r.Raw = change(base, new)
	r.Effect, r.Lo, r.Hi = r.Raw, r.Raw, r.Raw
	r.NBase, r.NNew, r.BaseRuns, r.NewRuns = d.base.side.Steps, d.new.side.Steps, len(d.base.side.Runs), len(d.new.side.Runs)
	d.c.Rows = append(d.c.Rows, r)
}

// wallRows adds the second metric of devices whose ops overlap: wall shares, as
// values beside the op time that is tested.
func (d *differ) wallRows() {
	overlap := false
	for _, v := range []*view{d.base, d.new} {
		for _, p := range v.parts {
			overlap = overlap || p.self != p.wall && p.wall > 0
		}
	}
	if !overlap {
		return
	}
	mean := func(x []float64) float64 { // geometric, like the tested values
		s := stats.Compare(nil, []stats.Pair{{Base: x, New: x}}, stats.Options{})
		return s.Rows[0].Base
	}
	d.exact("busy", "wall_share", "ps", mean(d.stepValues(d.base, stepBusy)), mean(d.stepValues(d.new, stepBusy)))
	for _, p := range d.pairs {
		if p.base == nil || p.new == nil {
			continue
		}
		d.exact(p.key(), "wall_share", "ps", mean(wallMedians(p.base)), mean(wallMedians(p.new)))
		r := &d.c.Rows[len(d.c.Rows)-1]
		r.Level, r.Index = "layer", p.index()
	}
}

func wallMedians(p *part) []float64 {
	out := make([]float64, len(p.rows))
	for i, l := range p.rows {
		if l != nil {
			out[i] = float64(l.WallSamples.Median)
		}
	}
	return out
}

// costRows adds FLOPs and bytes of the step, and of the layers where they
// changed.
func (d *differ) costRows() {
	for _, m := range []struct {
		metric, unit string
		of           func(s sums) int64
	}{{"flops", "flop", func(s sums) int64 { return s.flops }}, {"bytes", "bytes", func(s sums) int64 { return s.bytes }}} {
		at := len(d.c.Rows)
		sum := [2]float64{}
		d.exact(m.metric, m.metric, m.unit, 0, 0)
		for _, p := range d.pairs {
			var b, n float64
			if p.base != nil {
				b = float64(m.of(p.base.sums)) / float64(d.base.steps)
			}
			if p.new != nil {
				n = float64(m.of(p.new.sums)) / float64(d.new.steps)
			}
			sum[0], sum[1] = sum[0]+b, sum[1]+n
			if math.Abs(n-b) > 1e-3*max(b, n) {
				d.exact(p.key(), m.metric, m.unit, b, n)
				r := &d.c.Rows[len(d.c.Rows)-1]
				r.Level, r.Index = "layer", p.index()
			}
		}
		if sum == [2]float64{} {
			d.c.Rows = d.c.Rows[:at]
			continue
		}
		r := &d.c.Rows[at]
		r.BaseValue, r.NewValue, r.Raw = sum[0], sum[1], change(sum[0], sum[1])
		r.Effect, r.Lo, r.Hi = r.Raw, r.Raw, r.Raw
	}
}

// noteQuality says what limits the comparison.
func (d *differ) noteQuality() {
	for _, v := range []*view{d.base, d.new} {
		d.noteSide(v)
	}
	if b, n := len(d.base.side.Runs), len(d.new.side.Runs); min(b, n) == 1 {
		d.find("one-run", "info", "three captures a side are the least that can decide; give them as a comma list or a directory",
			fmt.Sprintf("%d against %d captures: runs of one program differ by more than steps of one run, so rows are DIFFERS or INCONCLUSIVE", b, n))
	}
	d.c.Appeared, d.c.Vanished = foundOnly(d.new.side, d.base.side), foundOnly(d.base.side, d.new.side)
}

// firstThree names some, and says whether there are more.
func firstThree(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

func (d *differ) noteSide(v *view) {
	side := v.side
	if len(d.strata) <= 1 { // steps of several kinds vary by nature
		copy(side.Disturbed, stats.Disturbed(d.variations(v)))
	}
	var bad []string
	for r := range side.Disturbed {
		if side.Disturbed[r] {
			bad = append(bad, runName(side, r))
		}
	}
	if len(bad) > 0 {
		d.find("disturbed-capture", "warning", "kept; capture again to be sure", fmt.Sprintf("%s: all layers vary together in %d of %d captures (%s): something else used the machine",
			side.Label, len(bad), len(side.Runs), firstThree(bad)))
	}
	if side.DisturbedSteps > 0 {
		d.find("disturbed-steps", "info", "", fmt.Sprintf("%s: %d of %d steps took much longer or shorter than the median one; they are kept, medians hardly notice", side.Label, side.DisturbedSteps, side.Steps))
	}
	if side.Excluded > 0 {
		d.find("excluded-steps", "info", "", fmt.Sprintf("%s: %d of %d steps left out of medians (compilation in them, or no ops); they are in the means", side.Label, side.Excluded, side.Excluded+side.Steps))
	}
	if side.Steps == 0 {
		d.find("no-steps", "warning", "mark steps with jax.profiler.StepTraceAnnotation", fmt.Sprintf("%s: no step counts, each capture is compared as a whole", side.Label))
	} else if side.Steps < 3*len(side.Runs) {
		d.find("few-steps", "info", "ten steps a capture give a steady median", fmt.Sprintf("%s: %s in %d captures", side.Label, plainSteps(side.Steps), len(side.Runs)))
	}
}

// variations returns how much each layer varies between the steps of each run; 0
// where there are too few to tell.
func (d *differ) variations(v *view) [][]float64 {
	var out [][]float64
	var x []float64
	for r, a := range v.side.Runs {
		var steps []int
		for i := range a.Steps {
			if !a.Steps[i].Excluded && d.compared(v, a.Steps[i].Signature) {
				steps = append(steps, i)
			}
		}
		row := make([]float64, len(v.parts))
		for l, p := range v.parts {
			if p.rows[r] == nil || p.index < 0 || len(steps) < 5 {
				continue
			}
			x = x[:0]
			for _, i := range steps {
				x = append(x, float64(at(p.rows[r].PerStep, i)))
			}
			row[l] = relativeSD(x)
		}
		out = append(out, row)
	}
	return out
}

// relativeSD is the standard deviation over the mean; 0 for a mean of 0.
func relativeSD(x []float64) float64 {
	mean, ss := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	if mean == 0 {
		return 0
	}
	return math.Sqrt(ss/float64(len(x)-1)) / mean
}

// compared reports whether steps of a signature are in a stratum.
func (d *differ) compared(v *view, signature string) bool {
	return slices.ContainsFunc(d.strata, func(s stratum) bool {
		return signature == map[bool]string{true: s.base, false: s.new}[v == d.base]
	})
}

// foundOnly lists the findings of one side whose code the other lacks, each
// code once.
func foundOnly(in, out *Side) []Finding {
	has := func(s *Side, code string) bool {
		return slices.ContainsFunc(s.Runs, func(a *Analysis) bool {
			return slices.ContainsFunc(a.Findings, func(f Finding) bool { return f.Code == code })
		})
	}
	only := []Finding{}
	for _, a := range in.Runs {
		for _, f := range a.Findings {
			if !has(out, f.Code) && !slices.ContainsFunc(only, func(o Finding) bool { return o.Code == f.Code }) {
				only = append(only, f)
			}
		}
	}
	return only
}
