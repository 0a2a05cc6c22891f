// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"cmp"
	"slices"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// A hostSpan tells events of host threads apart.
type hostSpan struct {
	start Time
	dur   Duration
	name  string
}

// A threadSpan is an event of a thread by its number; −1 = an op that the thread
// has no event of.
type threadSpan struct {
	hostSpan
	event int
}

// A cpuRun is one run of a CPU op.
type cpuRun struct {
	ref     EventRef
	op      OpID
	ordinal int
	run     int64
	hasRun  bool
}

// A hostLine is one line of the host's plane: a thread, with the ops of CPU
// devices that ran on it.
type hostLine struct {
	name  string
	tr    *Track // nil: only ops
	track int    // index of tr
	ops   map[hostSpan][]cpuRun
}

// host writes the plane of the host's threads.
func (s *modelWriter) host() error {
	lines, err := s.hostLines()
	if err != nil {
		return err
	}
	p := &modelPlane{}
	steps := s.hostSteps()
	return s.w.Plane(s.nextPlane(), "/host:CPU", func(pw *xspace.PlaneWriter) error {
		marked := make(map[hostSpan]int)
		for i, ln := range lines {
			head := xspace.LineHead{ID: int64(i + 1), Name: ln.name}
			write := func(lw *xspace.LineWriter) error { return s.thread(p, ln, steps, marked, lw) }
			if ln.tr != nil && ln.tr.Kind == Counter {
				head.Name, head.DisplayName = counterLine, ln.name
				write = func(lw *xspace.LineWriter) error { return s.samples(p, ln, lw) }
			}
			if err := pw.Line(head, write); err != nil {
				return err
			}
		}
		if err := s.looseSteps(p, pw, steps, marked, int64(len(lines)+1)); err != nil {
			return err
		}
		return s.finishPlane(p, pw, nil)
	})
}

// hostLines pairs the tracks of host threads with those of CPU devices' ops on
// threads of the same name.
func (s *modelWriter) hostLines() ([]*hostLine, error) {
	var lines []*hostLine
	for i, tr := range s.t.Tracks {
		if tr.Device < 0 && tr.Host == s.opts.Host {
			lines = append(lines, &hostLine{name: tr.Name, tr: tr, track: i, ops: map[hostSpan][]cpuRun{}})
		}
	}
	for track, tr := range s.t.Tracks {
		if tr.Device < 0 || s.t.Devices[tr.Device].Host != s.opts.Host || !s.onHost(tr.Device) {
			continue
		}
		var spans []hostSpan
		var runs []cpuRun
		for b, err := range tr.Batches() {
			if err != nil {
				return nil, err
			}
			for i, id := range b.Op {
				r := cpuRun{ref: EventRef{track, len(runs)}, op: id, ordinal: s.t.Devices[tr.Device].Ordinal, hasRun: b.Run != nil}
				if r.hasRun {
					r.run = b.Run[i]
				}
				spans = append(spans, hostSpan{b.Start[i], b.Dur[i], s.t.Ops[id].Name})
				runs = append(runs, r)
			}
		}
		ln, err := threadOf(lines, tr.Name, spans, s.t)
		if err != nil {
			return nil, err
		}
		if ln == nil {
			ln = &hostLine{name: tr.Name, ops: map[hostSpan][]cpuRun{}}
			lines = append(lines, ln)
		}
		for i, sp := range spans {
			ln.ops[sp] = append(ln.ops[sp], runs[i])
		}
	}
	return lines, nil
}

// threadOf finds the thread that ops ran on: of that name, and with the first of
// them among its events if several threads have it.
func threadOf(lines []*hostLine, name string, spans []hostSpan, t *Trace) (*hostLine, error) {
	var found []*hostLine
	for _, ln := range lines {
		if ln.name == name {
			found = append(found, ln)
		}
	}
	if len(found) < 2 || len(spans) == 0 {
		return slices.Concat(found, []*hostLine{nil})[0], nil
	}
	for _, ln := range found {
		if ln.tr == nil {
			continue
		}
		for b, err := range ln.tr.Batches() {
			if err != nil {
				return nil, err
			}
			for i, id := range b.Op {
				if b.Start[i] == spans[0].start && b.Dur[i] == spans[0].dur && t.Ops[id].Name == spans[0].name {
					return ln, nil
				}
			}
		}
	}
	return found[0], nil
}

// hostSteps returns the numbers of step marks, by what their events look like.
func (s *modelWriter) hostSteps() map[hostSpan][]int64 {
	out := make(map[hostSpan][]int64)
	for _, st := range s.t.Steps {
		if st.Device < 0 {
			k := hostSpan{st.Start, st.Dur, st.Name}
			out[k] = append(out[k], st.Number)
		}
	}
	return out
}

// thread writes one line: events of the thread, which take the facts of an op
// or a step of their name and time; and ops of which it has no event.
func (s *modelWriter) thread(p *modelPlane, ln *hostLine, steps map[hostSpan][]int64, marked map[hostSpan]int, lw *xspace.LineWriter) error {
	used := make(map[hostSpan]int)
	write := func(sp hostSpan, event int) error {
		ev := xspace.Event{MetadataID: p.nameKey(sp.name), OffsetPs: int64(sp.start), DurationPs: int64(sp.dur)}
		if n := used[sp]; n < len(ln.ops[sp]) {
			used[sp]++
			r := ln.ops[sp][n]
			ev.Stats = s.flowStats(&p.planeTable, s.cpuStats(p, r), r.ref.Track, r.ref.Event)
		}
		if event >= 0 {
			ev.Stats = s.flowStats(&p.planeTable, ev.Stats, ln.track, event)
		}
		if n := marked[sp]; n < len(steps[sp]) {
			marked[sp]++
			ev.Stats = append(ev.Stats, p.num("_r", 1), p.num("step_num", steps[sp][n]))
		}
		if isCompile(sp.name) {
			if m := s.compiled(sp); m != "" {
				ev.Stats = append(ev.Stats, p.text("name", m))
			}
		}
		return lw.Event(&ev)
	}
	spans, err := s.spansOf(ln)
	if err != nil {
		return err
	}
	for _, sp := range spans {
		if err := write(sp.hostSpan, sp.event); err != nil {
			return err
		}
	}
	return nil
}

// spansOf lists the events of a line, in order of time if ops were added.
func (s *modelWriter) spansOf(ln *hostLine) ([]threadSpan, error) {
	var spans []threadSpan
	sorted := false
	seen := make(map[hostSpan]int)
	if ln.tr != nil {
		for b, err := range ln.tr.Batches() {
			if err != nil {
				return nil, err
			}
			for i, id := range b.Op {
				sp := hostSpan{b.Start[i], b.Dur[i], s.t.Ops[id].Name}
				spans = append(spans, threadSpan{sp, len(spans)})
				if len(ln.ops) > 0 {
					seen[sp]++
				}
			}
		}
	}
	for sp, runs := range ln.ops {
		for range len(runs) - seen[sp] {
			spans, sorted = append(spans, threadSpan{sp, -1}), true
		}
	}
	if sorted { // the map's order is not to be seen
		slices.SortFunc(spans, func(a, b threadSpan) int {
			return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.dur, a.dur), cmp.Compare(a.name, b.name), cmp.Compare(a.event, b.event))
		})
	}
	return spans, nil
}

func (s *modelWriter) cpuStats(p *modelPlane, r cpuRun) []xspace.Stat {
	op := &s.t.Ops[r.op]
	stats := []xspace.Stat{p.text("hlo_op", op.Name), p.num("device_ordinal", int64(r.ordinal))}
	if op.Program >= 0 {
		prog := &s.t.Programs[op.Program]
		stats = append(stats, p.uint("program_id", prog.ID), p.text("hlo_module", prog.Name))
	}
	if r.hasRun {
		stats = append(stats, p.num("run_id", r.run))
	}
	return stats
}

// compiled returns the module that a compilation, or a part of one, is of.
func (s *modelWriter) compiled(sp hostSpan) string {
	for _, c := range s.t.Compiles {
		if sp.start >= c.Start && sp.start <= c.Start.Add(c.Dur) {
			return c.Module
		}
	}
	return ""
}

// looseSteps writes the step marks that no event of a thread stands for.
func (s *modelWriter) looseSteps(p *modelPlane, pw *xspace.PlaneWriter, steps map[hostSpan][]int64, marked map[hostSpan]int, id int64) error {
	var loose []Step
	left := make(map[hostSpan]int)
	for _, st := range s.t.Steps {
		k := hostSpan{st.Start, st.Dur, st.Name}
		if st.Device >= 0 {
			continue
		}
		if left[k]++; left[k] > marked[k] {
			loose = append(loose, st)
		}
	}
	if len(loose) == 0 {
		return nil
	}
	return pw.Line(xspace.LineHead{ID: id, Name: "steps"}, func(lw *xspace.LineWriter) error {
		for _, st := range loose {
			ev := xspace.Event{MetadataID: p.nameKey(st.Name), OffsetPs: int64(st.Start), DurationPs: int64(st.Dur)}
			ev.Stats = []xspace.Stat{p.num("_r", 1), p.num("step_num", st.Number)}
			if err := lw.Event(&ev); err != nil {
				return err
			}
		}
		return nil
	})
}
