// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/layerscope/layerscope/trace"
)

// rowSums is what one row adds up to. Row −1 (index 0 of a sheet) is what could
// not be placed.
type rowSums struct {
	self, wall  Duration
	occurrences int64
	flops, mem  int64
	directions  [3]Duration
	perStep     []Duration // nil = nothing yet
	wallStep    []Duration
}

// A sheet holds the sums of all rows, shifted by one, of their components, and of
// all steps.
type sheet struct {
	rows     []rowSums
	cells    []Component // by cell
	stepSelf []Duration
	steps    []stepSpan // first begin and last end of each step's ops
}

// A stepSpan is on the clock of one device: the first that has ops in the step.
type stepSpan struct {
	span
	device int
}

func (s *study) newSheet() *sheet {
	sh := &sheet{
		rows: make([]rowSums, len(s.rows)+1), cells: make([]Component, len(s.cells)),
		stepSelf: make([]Duration, len(s.steps)), steps: make([]stepSpan, len(s.steps)),
	}
	sh.reset()
	return sh
}

func (sh *sheet) reset() {
	clear(sh.rows)
	clear(sh.cells)
	clear(sh.stepSelf)
	for i := range sh.steps {
		sh.steps[i] = stepSpan{span{math.MaxInt64, math.MinInt64}, math.MaxInt}
	}
}

// row returns a row with its steps.
func (sh *sheet) row(i int32) *rowSums {
	r := &sh.rows[i]
	if r.perStep == nil {
		r.perStep, r.wallStep = make([]Duration, len(sh.steps)), make([]Duration, len(sh.steps))
	}
	return r
}

// attribute adds every event's self time to its row, and to its row in its step.
// Ops belong to the step that they begin in. Sums of a track are merged as soon as
// it is read: they are integers, whose order doesn't matter.
func (s *study) attribute() error {
	s.indexComponents()
	s.indexCells()
	s.limitSteps()
	s.sheet = s.newSheet()
	s.rowOf = make([]int32, len(s.ops))
	for i := range s.ops {
		s.rowOf[i] = s.ops[i].row + 1
	}
	placers := make([]*placer, len(s.tracks))
	for i, tr := range s.tracks {
		p, err := s.newPlacer(tr)
		if err != nil {
			return err
		}
		placers[i] = p
	}
	var mu sync.Mutex
	var free []*sheet
	return eachTrack(s.tracks, func(i int, tr *trace.Track) error {
		mu.Lock()
		var sh *sheet
		if n := len(free); n > 0 {
			sh, free = free[n-1], free[:n-1]
		}
		mu.Unlock()
		if sh == nil {
			sh = s.newSheet()
		}
		err := s.attributeTrack(sh, placers[i], &s.tallies[i])
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			s.sheet.merge(sh, tr.Device)
		}
		sh.reset()
		free = append(free, sh)
		return err
	})
}

// attributeTrack fills the sheet of one track.
func (s *study) attributeTrack(sh *sheet, pl *placer, tt *trackTally) error {
	if ok, err := s.addStatic(sh, pl, tt); ok {
		return err
	}
	_, err := selfTimes(tt.track, func(b *closings) {
		if b == nil {
			sh.reset()
			pl.reset()
			return
		}
		for k := range b.events {
			s.add(sh, pl, b, &b.events[k])
		}
	})
	return err
}

// add puts one event on a sheet.
func (s *study) add(sh *sheet, pl *placer, b *closings, c *closed) {
	o := &s.ops[c.op]
	op := &s.t.Ops[c.op]
	row := pl.row(c)
	r := sh.row(row + 1)
	n := b.count(c)
	r.self += c.self
	r.occurrences += n
	flops, mem := op.FLOPs*n, op.Bytes*n
	if c.extra >= 0 {
		flops += b.extras[c.extra].flops
		mem += b.extras[c.extra].mem
	}
	r.flops += flops
	r.mem += mem
	r.directions[o.scope.dir] += c.self
	comp := &sh.cells[s.cellOf(o, row)]
	comp.Self += c.self
	comp.FLOPs += flops
	comp.Bytes += mem
	if pl.simple {
		r.wall += c.self
	}
	if st := pl.steps.at(c.start); st >= 0 {
		r.perStep[st] += c.self
		sh.stepSelf[st] += c.self
		sp := &sh.steps[st]
		sp.start, sp.end = min(sp.start, c.start), max(sp.end, c.start.Add(c.dur))
		if pl.simple {
			r.wallStep[st] += c.self
		}
	}
}

// merge adds the sheet of a track, taking its columns where there are none yet.
func (sh *sheet) merge(o *sheet, device int) {
	for i := range sh.rows {
		a, b := &sh.rows[i], &o.rows[i]
		a.self += b.self
		a.wall += b.wall
		a.occurrences += b.occurrences
		a.flops += b.flops
		a.mem += b.mem
		for d := range a.directions {
			a.directions[d] += b.directions[d]
		}
		if a.perStep == nil {
			a.perStep, a.wallStep = b.perStep, b.wallStep
			continue
		}
		for k, d := range b.perStep {
			a.perStep[k] += d
			a.wallStep[k] += b.wallStep[k]
		}
	}
	for k := range sh.cells {
		sh.cells[k].Self += o.cells[k].Self
		sh.cells[k].FLOPs += o.cells[k].FLOPs
		sh.cells[k].Bytes += o.cells[k].Bytes
	}
	for k := range sh.stepSelf {
		sh.stepSelf[k] += o.stepSelf[k]
		a, b := &sh.steps[k], &o.steps[k]
		switch {
		case b.end < b.start || device > a.device:
		case device < a.device:
			*a = stepSpan{b.span, device}
		default:
			a.start, a.end = min(a.start, b.start), max(a.end, b.end)
		}
	}
}

// A cell is one component of one row that may have time.
type cell struct{ row, comp int32 }

// indexCells numbers the components of rows, so that sheets have a place for each
// that occurs and for no other: the product of both grows with the square of the
// op table.
func (s *study) indexCells() {
	s.cells, s.cellAt = nil, make(map[cell]int32)
	add := func(c cell) int32 {
		i, ok := s.cellAt[c]
		if !ok {
			i = int32(len(s.cells))
			s.cellAt[c] = i
			s.cells = append(s.cells, c)
		}
		return i
	}
	for id := range s.ops {
		o := &s.ops[id]
		switch {
		case o.count == 0:
		case o.row == dynamic:
			add(cell{unplaced, o.comp})
			for _, row := range s.program(trace.OpID(id)).loopRows {
				add(cell{row, o.comp})
			}
		default:
			o.cell = add(cell{o.row, o.comp})
		}
	}
}

// cellOf returns the cell of an op in a row.
func (s *study) cellOf(o *opFacts, row int32) int32 {
	if o.row != dynamic {
		return o.cell
	}
	return s.cellAt[cell{row, o.comp}]
}

// indexComponents numbers the components of all ops.
func (s *study) indexComponents() {
	at := make(map[string]int32)
	for id := range s.ops {
		if s.ops[id].count == 0 {
			continue
		}
		name := s.componentOf(trace.OpID(id))
		if name == previous {
			name = other
			s.ops[id].component = other
		}
		i, ok := at[name]
		if !ok {
			i = int32(len(s.components))
			at[name] = i
			s.components = append(s.components, name)
		}
		s.ops[id].comp = i
	}
}

// A placer finds the row and the step of one track's events, in any order that
// has the runs of one op in order.
type placer struct {
	s      *study
	simple bool // self time is wall share
	steps  *stepFinder
	execs  []trace.Execution
	runs   map[trace.OpID]*loopCount
	order  map[loopRun]int32 // row by (op, start), when an op's runs spread over tracks
}

type loopCount struct {
	exec int
	k    int32
}

type loopRun struct {
	op    trace.OpID
	start Time
}

func (s *study) newPlacer(tr *trace.Track) (*placer, error) {
	pl := &placer{s: s, simple: s.simple(tr.Device), steps: s.stepsOn(tr.Device), execs: s.execs[tr.Device], runs: map[trace.OpID]*loopCount{}}
	loops := false
	for i := range s.programs {
		loops = loops || len(s.programs[i].loopRows) > 0
	}
	if loops && len(s.tracksOn[tr.Device]) > 1 {
		order, err := s.loopOrder(tr.Device)
		pl.order = order
		return pl, err
	}
	return pl, nil
}

func (pl *placer) reset() { clear(pl.runs) }

// row returns the event's row, −1 when it has none.
func (pl *placer) row(c *closed) int32 {
	r := pl.s.ops[c.op].row
	if r != dynamic {
		return r
	}
	if pl.order != nil {
		if r, ok := pl.order[loopRun{c.op, c.start}]; ok {
			return r
		}
		return unplaced
	}
	p := pl.s.program(c.op)
	n := pl.runs[c.op]
	if n == nil {
		n = &loopCount{exec: -1}
		pl.runs[c.op] = n
	}
	if e := pl.execution(c.start); e != n.exec {
		n.exec, n.k = e, 0
	}
	l := n.k / max(1, p.placed.loops[c.op])
	n.k++
	return p.loopRows[min(int(l), len(p.loopRows)-1)]
}

// execution returns the index of the last execution that began by t.
func (pl *placer) execution(t Time) int {
	i, found := slices.BinarySearchFunc(pl.execs, t, func(e trace.Execution, t Time) int { return cmp.Compare(e.Start, t) })
	if found {
		return i
	}
	return i - 1
}

// loopOrder gives each run of a scanned op its row where the runs spread over
// several tracks: the k-th by start within one execution, told by its run id.
func (s *study) loopOrder(device int) (map[loopRun]int32, error) {
	if m, ok := s.loops[device]; ok {
		return m, nil
	}
	type event struct {
		loopRun
		run int64
	}
	var events []event
	for _, i := range s.tracksOn[device] {
		for b, err := range s.tracks[i].Batches() {
			if err != nil {
				return nil, err
			}
			for i, op := range b.Op {
				if s.ops[op].row == dynamic {
					e := event{loopRun: loopRun{op, b.Start[i]}}
					if b.Run != nil {
						e.run = b.Run[i]
					}
					events = append(events, e)
				}
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.run, b.run), cmp.Compare(a.start, b.start))
	})
	out := make(map[loopRun]int32, len(events))
	k := int32(0)
	for i, e := range events {
		if i > 0 && (events[i-1].op != e.op || events[i-1].run != e.run) {
			k = 0
		}
		p := s.program(e.op)
		l := k / max(1, p.placed.loops[e.op])
		out[e.loopRun] = p.loopRows[min(int(l), len(p.loopRows)-1)]
		k++
	}
	s.loops[device] = out
	return out, nil
}
