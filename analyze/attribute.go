// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"math"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// rowSums is what one row adds up to. Row −1 (index 0 of a sheet) is what could
// not be placed.
type rowSums struct {
	self, wall  Duration
	occurrences int64
	flops, mem  int64
	directions  [3]Duration
	components  []Component // by component index
	perStep     []Duration
	wallStep    []Duration
}

// A sheet holds the sums of all rows, shifted by one, and of all steps.
type sheet struct {
	rows     []rowSums
	stepSelf []Duration
	steps    []span // first begin and last end of each step's ops, on the track's device
}

func (s *study) newSheet() *sheet {
	sh := &sheet{rows: make([]rowSums, len(s.rows)+1), stepSelf: make([]Duration, len(s.steps)), steps: make([]span, len(s.steps))}
	for i := range sh.steps {
		sh.steps[i] = span{math.MaxInt64, math.MinInt64}
	}
	for i := range sh.rows {
		sh.rows[i].components = make([]Component, len(s.components))
		sh.rows[i].perStep = make([]Duration, len(s.steps))
		sh.rows[i].wallStep = make([]Duration, len(s.steps))
	}
	return sh
}

// attribute adds every event's self time to its row, and to its row in its step.
// Ops belong to the step that they begin in.
func (s *study) attribute() error {
	s.indexComponents()
	s.sheet = s.newSheet()
	s.rowOf = make([]int32, len(s.ops))
	for i := range s.ops {
		s.rowOf[i] = s.ops[i].row + 1
	}
	sheets := make([]*sheet, len(s.tracks))
	placers := make([]*placer, len(s.tracks))
	for i, tr := range s.tracks {
		p, err := s.newPlacer(tr)
		if err != nil {
			return err
		}
		placers[i] = p
	}
	err := eachTrack(s.tracks, func(i int, tr *trace.Track) error {
		sh, pl := s.newSheet(), placers[i]
		if ok, err := s.addStatic(sh, pl, &s.tallies[i]); ok {
			sheets[i] = sh
			return err
		}
		_, err := selfTimes(tr, func(b *closings) {
			if b == nil {
				sh = s.newSheet()
				pl.reset()
				return
			}
			for k := range b.events {
				s.add(sh, pl, b, &b.events[k])
			}
		})
		sheets[i] = sh
		return err
	})
	if err != nil {
		return err
	}
	for i, sh := range sheets {
		s.sheet.merge(sh, s.tracks[i].Device == s.devices[0])
	}
	return nil
}

// add puts one event on a sheet.
func (s *study) add(sh *sheet, pl *placer, b *closings, c *closed) {
	o := &s.ops[c.op]
	op := &s.t.Ops[c.op]
	r := &sh.rows[pl.row(c)+1]
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
	comp := &r.components[o.comp]
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

// merge adds another sheet; the bounds of steps are the first device's, since
// devices' clocks differ.
func (sh *sheet) merge(o *sheet, first bool) {
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
		for k := range a.components {
			a.components[k].Self += b.components[k].Self
			a.components[k].FLOPs += b.components[k].FLOPs
			a.components[k].Bytes += b.components[k].Bytes
		}
		for k := range a.perStep {
			a.perStep[k] += b.perStep[k]
			a.wallStep[k] += b.wallStep[k]
		}
	}
	for k := range sh.stepSelf {
		sh.stepSelf[k] += o.stepSelf[k]
	}
	if first {
		for k, sp := range o.steps {
			sh.steps[k].start = min(sh.steps[k].start, sp.start)
			sh.steps[k].end = max(sh.steps[k].end, sp.end)
		}
	}
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
	pl := &placer{s: s, simple: s.simple(tr.Device), steps: s.finder(tr.Device), execs: s.execs[tr.Device], runs: map[trace.OpID]*loopCount{}}
	loops := false
	for i := range s.programs {
		loops = loops || len(s.programs[i].loopRows) > 0
	}
	if loops && s.trackCount(tr.Device) > 1 {
		order, err := s.loopOrder(tr.Device)
		pl.order = order
		return pl, err
	}
	return pl, nil
}

func (s *study) trackCount(device int) int {
	n := 0
	for _, tr := range s.tracks {
		if tr.Device == device {
			n++
		}
	}
	return n
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
	for _, tr := range s.tracks {
		if tr.Device != device {
			continue
		}
		for b, err := range tr.Batches() {
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
