// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze/internal/stats"
	"github.com/layerscope/layerscope/trace"
)

// tableSteps fills in the step table: which steps count as samples, and which
// were disturbed.
func (s *study) tableSteps() {
	for i := range s.steps {
		st := &s.steps[i]
		out := Step{Index: st.number, Name: st.name, OpTime: s.sheet.stepSelf[i]}
		for r := range s.sheet.rows {
			if w := s.sheet.rows[r].wallStep; w != nil {
				out.Busy += w[i]
			}
		}
		if sp, ok := s.marked(st); ok {
			out.Start, out.Dur = sp.start, sp.end.Sub(sp.start)
		} else if b := s.sheet.steps[i]; b.end >= b.start {
			out.Start, out.Dur = b.start, b.end.Sub(b.start)
		}
		if s.sheet.steps[i].end < s.sheet.steps[i].start {
			out.Excluded, out.Reason = true, "no ops"
		}
		s.out.Steps = append(s.out.Steps, out)
	}
	s.placeCompiles()
	s.flagOutliers()
	s.signSteps()
	durs, ops := make([]Duration, len(s.out.Steps)), make([]Duration, len(s.out.Steps))
	for i := range s.out.Steps {
		durs[i], ops[i] = s.out.Steps[i].Dur, s.out.Steps[i].OpTime
	}
	s.out.StepDur, s.out.StepOpTime = s.summarise(durs), s.summarise(ops)
}

// marked returns the bounds of a step that the capture states: those of the host's
// mark, or of the first device that has one. An execution is a step's beginning only.
func (s *study) marked(st *step) (span, bool) {
	if sp, ok := st.spans[anyDevice]; ok {
		return sp, true
	}
	if s.out.Capture.StepSource == stepsLine || s.out.Capture.StepSource == annotation {
		for _, d := range s.devices {
			if sp, ok := st.spans[int32(d)]; ok {
				return sp, true
			}
		}
	}
	return span{}, false
}

// placeCompiles lists compilations, and excludes the steps that contain any.
func (s *study) placeCompiles() {
	byHost := make(map[string]*overlaps)
	for _, c := range s.t.Compiles {
		o := byHost[c.Host]
		if o == nil {
			o = s.hostSteps(c.Host)
			byHost[c.Host] = o
		}
		out := Compile{Module: c.Module, Start: c.Start, Dur: c.Dur, Step: -1}
		o.each(span{c.Start, c.Start.Add(c.Dur)}, func(i int) {
			out.Step = max(out.Step, i)
			s.out.Steps[i].Excluded, s.out.Steps[i].Reason = true, "compile"
		})
		s.out.Compiles = append(s.out.Compiles, out)
	}
}

// hostSteps returns the bounds of steps on the clock of a host, where known: those
// of its marks, or from the first to the last of its CPU devices.
func (s *study) hostSteps(host string) *overlaps {
	o := &overlaps{}
	for i := range s.steps {
		sp, ok := s.steps[i].spans[anyDevice]
		for _, d := range s.devices {
			dev := &s.t.Devices[d]
			on, has := s.steps[i].spans[int32(d)]
			if !has || dev.Kind != "cpu" && s.out.Capture.StepSource != annotation || host != "" && dev.Host != "" && dev.Host != host {
				continue
			}
			if !ok {
				sp, ok = on, true
			}
			sp.start, sp.end = min(sp.start, on.start), max(sp.end, on.end)
		}
		if ok {
			o.add(sp, i)
		}
	}
	o.sort()
	return o
}

// flagOutliers marks steps whose op time is far from the median of those that
// count: more than 5 scaled median deviations. They are kept.
func (s *study) flagOutliers() {
	var x []float64
	var at []int
	for i := range s.out.Steps {
		if !s.out.Steps[i].Excluded {
			x, at = append(x, float64(s.out.Steps[i].Busy)), append(at, i)
		}
	}
	if len(x) < 5 {
		return
	}
	for _, k := range stats.Summarize(x, 0.95).Outliers {
		s.out.Steps[at[k]].Reason = "outlier"
	}
}

// tableLayers fills in the layer table.
func (s *study) tableLayers() {
	s.tableSteps()
	l := &s.out.Layers
	for _, d := range s.out.Devices {
		l.OpTime += d.OpTime
	}
	l.Unattributed = s.sheet.rows[0].self
	components, total := s.sumCells()
	s.out.Components = named(total)
	for i := range s.rows {
		sums := s.sheet.row(int32(i) + 1)
		row := Layer{
			Key: s.rows[i].key, Index: s.rows[i].index, Program: s.rows[i].program,
			Self: sums.self, WallShare: sums.wall, Occurrences: sums.occurrences, FLOPs: sums.flops, Bytes: sums.mem,
			Components: named(components[i+1]),
			Forward:    sums.directions[0], Backward: sums.directions[1], Recompute: sums.directions[2],
			Samples: s.summarise(sums.perStep), WallSamples: s.summarise(sums.wallStep), PerStep: sums.perStep,
		}
		if row.Index >= 0 {
			l.Count++
		}
		l.Rows = append(l.Rows, row)
	}
	firstOutside := slices.IndexFunc(l.Rows, func(r Layer) bool { return r.Index < 0 })
	if firstOutside >= 0 {
		slices.SortStableFunc(l.Rows[firstOutside:], func(a, b Layer) int { return cmp.Compare(b.Self, a.Self) })
	}
	s.noteWarmUp()
	s.findOutliers()
}

// sumCells returns the components of each row of the sheet, and their sums.
func (s *study) sumCells() (rows [][]Component, total []Component) {
	rows, total = make([][]Component, len(s.sheet.rows)), make([]Component, len(s.components))
	for i, c := range s.sheet.cells {
		at := s.cells[i]
		c.Name = s.components[at.comp]
		rows[at.row+1] = append(rows[at.row+1], c)
		t := &total[at.comp]
		t.Name = c.Name
		t.Self += c.Self
		t.FLOPs += c.FLOPs
		t.Bytes += c.Bytes
	}
	return rows, total
}

// named returns the components that have any time, largest first.
func named(sums []Component) []Component {
	out := []Component{}
	for _, c := range sums {
		if c.Self != 0 || c.FLOPs != 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Component) int {
		return cmp.Or(cmp.Compare(b.Self, a.Self), strings.Compare(a.Name, b.Name))
	})
	return out
}

// noteWarmUp explains the first layer of JAX's CPU captures: worker threads that went
// to sleep between steps wake up in it, and work that layers share is scoped
// to it.
func (s *study) noteWarmUp() {
	cpu := len(s.out.Devices) > 0
	for _, d := range s.out.Devices {
		cpu = cpu && d.Kind == "cpu" && d.Tracks > 1
	}
	for i := range s.out.Layers.Rows {
		if r := &s.out.Layers.Rows[i]; r.Index == 0 && cpu {
			r.Note = "warm-up: the worker threads wake up in it, and common subexpressions of all layers are scoped to it"
		}
	}
}

// outlierRatio is how far a layer's median must be from its peers' to be
// listed, whatever the noise.
const outlierRatio = 1.10

// findOutliers lists layers unlike their peers, the worst first: the ratio of
// their median step time (or self time, without steps) to the median layer's is
// beyond outlierRatio and beyond five scaled deviations of the other layers.
func (s *study) findOutliers() {
	l := &s.out.Layers
	groups := make(map[string][]*Layer)
	for i := range l.Rows {
		if r := &l.Rows[i]; r.Index >= 0 {
			groups[stackOf(r.Key)] = append(groups[stackOf(r.Key)], r)
		}
	}
	for _, rows := range groups {
		if len(rows) < 3 {
			continue
		}
		x := make([]float64, len(rows))
		for i, r := range rows {
			x[i] = float64(r.typical())
		}
		mid := medianOf(x)
		if mid == 0 {
			continue
		}
		dev := make([]float64, len(x))
		for i := range x {
			dev[i] = math.Abs(math.Log(max(x[i], 1) / mid))
		}
		limit := max(math.Log(outlierRatio), 5*1.4826*medianOf(dev))
		for i, r := range rows {
			if dev[i] > limit {
				l.Outliers = append(l.Outliers, Outlier{Key: r.Key, Ratio: x[i] / mid, Note: r.Note})
			}
		}
	}
	slices.SortFunc(l.Outliers, func(a, b Outlier) int {
		return cmp.Or(cmp.Compare(math.Abs(math.Log(b.Ratio)), math.Abs(math.Log(a.Ratio))), strings.Compare(a.Key, b.Key))
	})
}

// typical is the row's median step time where there are samples, else its sum.
func (l *Layer) typical() Duration {
	if l.Samples.N > 0 {
		return l.Samples.Median
	}
	return l.Self
}

// rowKey names the row of an op for the op table.
func (s *study) rowKey(id trace.OpID) string {
	switch r := s.ops[id].row; r {
	case unplaced:
		return ""
	case dynamic:
		return "(several)"
	default:
		return s.rows[r].key
	}
}
