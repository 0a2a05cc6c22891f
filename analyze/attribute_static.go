// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"math"

	"github.com/layerscope/layerscope/trace"
)

// addStatic fills the sheet of a track on which each op has one row, which is all
// but scanned layers: what doesn't depend on time is in the track's tally already,
// and one more walk splits self times by step. It reports false, and has done
// nothing, when the track is not of that kind.
//
// Note: [study.add] for every closed event took three times as long.
func (s *study) addStatic(sh *sheet, pl *placer, tt *trackTally) (ok bool, err error) {
	if tt.lane.disordered || tt.lane.sums {
		return false, nil
	}
	for i := range tt.ops {
		if s.ops[tt.ops[i].op].row == dynamic {
			return false, nil
		}
	}
	for i := range tt.ops {
		s.addTally(sh, pl, &tt.ops[i])
	}
	if len(pl.steps.starts) == 0 {
		return true, nil
	}
	w := newStepWalk(sh, pl, s.rowOf)
	for b, err := range tt.track.Batches() {
		if err != nil {
			return true, err
		}
		w.walk(b)
	}
	w.finish()
	return true, nil
}

// addTally puts all events of one op on a sheet.
func (s *study) addTally(sh *sheet, pl *placer, t *opTally) {
	o, op := &s.ops[t.op], &s.t.Ops[t.op]
	r := sh.row(o.row + 1)
	flops, mem := op.FLOPs*t.count+t.flops, op.Bytes*t.count+t.mem
	r.self += t.self
	r.occurrences += t.count
	r.flops += flops
	r.mem += mem
	r.directions[o.scope.dir] += t.self
	comp := &sh.cells[o.cell]
	comp.Self += t.self
	comp.FLOPs += flops
	comp.Bytes += mem
	if pl.simple {
		r.wall += t.self
	}
}

// A stepWalk splits the self times of a track by row and step.
type stepWalk struct {
	sh     *sheet
	simple bool
	rowOf  []int32      // of the sheet, by op
	cells  [][]Duration // perStep of the sheet's rows
	steps  *stepFinder
	stack  []stepOp

	step       int32 // of the event before, −1 = none
	from, till Time  // where that is known to hold
	end        Time  // last end of its events
}

type stepOp struct {
	end        Time
	dur, child Duration
	row, step  int32
}

func newStepWalk(sh *sheet, pl *placer, rowOf []int32) *stepWalk {
	w := &stepWalk{sh: sh, simple: pl.simple, rowOf: rowOf, steps: pl.steps, step: -1, from: math.MaxInt64, till: math.MinInt64}
	for i := range sh.rows {
		w.cells = append(w.cells, sh.rows[i].perStep)
	}
	return w
}

// walk adds the events of b, which are in order.
func (w *stepWalk) walk(b *trace.Batch) {
	ops := b.Op
	starts, durs := b.Start[:len(ops)], b.Dur[:len(ops)]
	stack, rowOf, cells := w.stack, w.rowOf, w.cells
	for k, op := range ops {
		start, dur := starts[k], durs[k]
		end := start.Add(dur)
		if start < w.from || start >= w.till {
			w.enter(start)
		}
		w.end = max(w.end, end)
		n := len(stack)
		for n > 0 && end > stack[n-1].end {
			n--
			if o := &stack[n]; o.child != 0 {
				w.close(o)
			}
		}
		row, step := rowOf[op], w.step
		if step >= 0 {
			cells[row][step] += dur
		}
		if n > 0 {
			stack[n-1].child += dur
		}
		if stack = stack[:n]; n < maxNest {
			stack = append(stack, stepOp{end: end, dur: dur, row: row, step: step})
		}
	}
	w.stack = stack
}

// close takes from an op what its children have, but not more than it has.
func (w *stepWalk) close(o *stepOp) {
	if o.step >= 0 {
		w.cells[o.row][o.step] -= min(o.child, o.dur)
	}
}

// enter finds the step at t, in which an event begins, and how long it holds.
func (w *stepWalk) enter(t Time) {
	w.leave()
	w.step, w.from, w.till = w.steps.stretch(t)
	w.end = math.MinInt64
	if w.step >= 0 {
		sp := &w.sh.steps[w.step]
		sp.start = min(sp.start, t)
	}
}

// leave notes the last end in the step.
func (w *stepWalk) leave() {
	if w.step >= 0 {
		sp := &w.sh.steps[w.step]
		sp.end = max(sp.end, w.end)
	}
}

func (w *stepWalk) finish() {
	w.leave()
	for i := range w.stack {
		w.close(&w.stack[i])
	}
	for i, cells := range w.cells {
		for st, d := range cells {
			w.sh.stepSelf[st] += d
		}
		if w.simple {
			copy(w.sh.rows[i].wallStep, cells)
		}
	}
}

// stretch is at, and the instants from which and until which it is the same.
func (f *stepFinder) stretch(t Time) (step int32, from, till Time) {
	step = f.at(t)
	from, till = math.MinInt64, math.MaxInt64
	i := f.last
	if len(f.starts) == 0 {
		return step, from, till
	}
	if t < f.starts[0] {
		return step, from, f.starts[0]
	}
	from = f.starts[i]
	if i+1 < len(f.starts) {
		till = f.starts[i+1]
	}
	if t < f.ends[i] {
		return step, from, min(till, f.ends[i])
	}
	return step, max(from, f.ends[i]), till
}
