// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"strings"

	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// A modelPlane numbers the metadata of one plane, the same in both passes.
type modelPlane struct {
	planeTable
	ops   numbered[OpID]   // metadata with an op's facts
	names numbered[string] // metadata that is only a name
}

// device writes the plane of one device.
func (s *modelWriter) device(index int) error {
	d := &s.t.Devices[index]
	p := &modelPlane{}
	facts := deviceStats(&p.planeTable, d)
	gpu := d.Kind == "gpu"
	runs, modules := make(map[Time]int64), false
	for _, e := range s.t.Executions {
		if e.Device == index {
			runs[e.Start] = e.RunID
		}
	}
	for _, tr := range s.t.Tracks {
		modules = modules || tr.Device == index && tr.Kind == Modules
	}
	return s.w.Plane(s.nextPlane(), s.devicePlane(d), func(pw *xspace.PlaneWriter) error {
		n := 0
		for i, tr := range s.t.Tracks {
			if tr.Device != index {
				continue
			}
			err := pw.Line(lineOf(tr, n, gpu), func(lw *xspace.LineWriter) error {
				if gpu {
					return s.stream(p, i, lw)
				}
				return s.ops(p, i, lw, runs)
			})
			if err != nil {
				return err
			}
			n++
		}
		if len(runs) > 0 && !modules && !gpu {
			if err := pw.Line(xspace.LineHead{ID: int64(n + 1), Name: lineNames[Modules]}, func(lw *xspace.LineWriter) error { return s.executions(p, index, lw) }); err != nil {
				return err
			}
		}
		return s.finishPlane(p, pw, facts)
	})
}

// finishPlane writes the metadata that the lines used, and the plane's facts.
func (s *modelWriter) finishPlane(p *modelPlane, pw *xspace.PlaneWriter, facts []xspace.Stat) error {
	for i, id := range p.ops.list {
		em := s.opMeta(p, id)
		em.Key, em.ID = int64(2*i+1), int64(2*i+1)
		if err := pw.EventMeta(&em); err != nil {
			return err
		}
	}
	for i, name := range p.names.list {
		if err := pw.EventMeta(&xspace.EventMeta{Key: int64(2*i + 2), ID: int64(2*i + 2), Name: name}); err != nil {
			return err
		}
	}
	if err := p.writeStats(pw); err != nil {
		return err
	}
	for i := range facts {
		if err := pw.Stat(&facts[i]); err != nil {
			return err
		}
	}
	return nil
}

// opKey and nameKey are the ids of an op's and of a bare name's metadata: odd
// and even, so that both can be numbered in order of first use.
func (p *modelPlane) opKey(id OpID) int64    { return 2*p.ops.id(id) - 1 }
func (p *modelPlane) nameKey(s string) int64 { return 2 * p.names.id(s) }

// ops writes the events of a line whose metadata tells everything about an op.
// The device's clock and the event's are the same: the trace has one time.
func (s *modelWriter) ops(p *modelPlane, track int, lw *xspace.LineWriter, runs map[Time]int64) error {
	var ev xspace.Event
	tr, event := s.t.Tracks[track], -1
	for b, err := range tr.Batches() {
		if err != nil {
			return err
		}
		for i, id := range b.Op {
			event++
			ev = xspace.Event{MetadataID: p.opKey(id), OffsetPs: int64(b.Start[i]), DurationPs: int64(b.Dur[i]), Stats: ev.Stats[:0]}
			if b.Count != nil && b.Count[i] > 0 {
				ev.Aggregated, ev.Occurrences = true, int64(b.Count[i])
				ev.Stats = append(ev.Stats, p.num("self_duration_ps", int64(b.Self[i])), p.num("min_duration_ps", int64(b.Min[i])))
			} else {
				ev.Stats = append(ev.Stats, p.num("device_offset_ps", ev.OffsetPs), p.num("device_duration_ps", ev.DurationPs))
			}
			if b.Run != nil {
				ev.Stats = append(ev.Stats, p.num("run_id", b.Run[i]))
			} else if run, ok := runs[b.Start[i]]; ok && tr.Kind == Modules {
				ev.Stats = append(ev.Stats, p.num("run_id", run))
			}
			if b.FLOPs != nil && b.FLOPs[i]|b.Bytes[i] != 0 {
				ev.Stats = append(ev.Stats, p.num("flops", b.FLOPs[i]), p.num("bytes_accessed", b.Bytes[i]))
			}
			if b.Value != nil {
				ev.Stats = append(ev.Stats, p.value(b.Value[i]))
			}
			ev.Stats = s.flowStats(&p.planeTable, ev.Stats, track, event)
			if err := lw.Event(&ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// executions writes the line of programs of a device whose trace has none.
func (s *modelWriter) executions(p *modelPlane, device int, lw *xspace.LineWriter) error {
	for _, e := range s.t.Executions {
		if e.Device != device || e.Program < 0 {
			continue
		}
		ev := xspace.Event{MetadataID: p.nameKey(programName(s.t.Programs[e.Program])), OffsetPs: int64(e.Start), DurationPs: int64(e.Dur)}
		ev.Stats = []xspace.Stat{p.num("device_offset_ps", ev.OffsetPs), p.num("device_duration_ps", ev.DurationPs), p.num("run_id", e.RunID)}
		if err := lw.Event(&ev); err != nil {
			return err
		}
	}
	return nil
}

// stream writes the events of a GPU's line: which op a kernel belongs to stands
// on each event.
func (s *modelWriter) stream(p *modelPlane, track int, lw *xspace.LineWriter) error {
	var ev xspace.Event
	tr, event := s.t.Tracks[track], -1
	for b, err := range tr.Batches() {
		if err != nil {
			return err
		}
		for i, id := range b.Op {
			event++
			op := &s.t.Ops[id]
			kernel := firstOf(op.Long, op.Name)
			ev = xspace.Event{MetadataID: p.nameKey(kernel), OffsetPs: int64(b.Start[i]), DurationPs: int64(b.Dur[i]), Stats: ev.Stats[:0]}
			if tr.Kind == Stream {
				if op.Name != kernel {
					ev.Stats = append(ev.Stats, p.text("hlo_op", op.Name))
				}
				if op.Program >= 0 {
					prog := &s.t.Programs[op.Program]
					ev.Stats = append(ev.Stats, p.uint("program_id", prog.ID), p.text("hlo_module", prog.Name))
				}
				if op.Scope != "" && (op.Instruction == nil || op.Instruction.OpName != op.Scope) {
					ev.Stats = append(ev.Stats, p.text("tf_op", op.Scope))
				}
			}
			if b.Value != nil {
				ev.Stats = append(ev.Stats, p.value(b.Value[i]))
			}
			ev.Stats = s.flowStats(&p.planeTable, ev.Stats, track, event)
			if err := lw.Event(&ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// opMeta describes an op as XLA does on TPU.
func (s *modelWriter) opMeta(p *modelPlane, id OpID) xspace.EventMeta {
	op := Op{Name: noMetadata, Program: -1}
	if int(id) < len(s.t.Ops) {
		op = s.t.Ops[id]
	}
	em := xspace.EventMeta{Name: op.Name}
	if op.Long != "" {
		em.Name, em.DisplayName = op.Long, op.Name
	}
	text := func(name, v string) {
		if v != "" {
			em.Stats = append(em.Stats, p.text(name, v))
		}
	}
	num := func(name string, v int64) {
		if v != 0 {
			em.Stats = append(em.Stats, p.num(name, v))
		}
	}
	text("tf_op", op.Scope)
	text("hlo_category", op.Category)
	if op.Program >= 0 && op.Program < len(s.t.Programs) {
		em.Stats = append(em.Stats, p.uint("program_id", s.t.Programs[op.Program].ID), p.uint("symbol_id", uint64(id)+1))
	}
	num("flops", op.FLOPs)
	num("model_flops", op.ModelFLOPs)
	num("bytes_accessed", op.Bytes)
	if b := appendAccesses(nil, op.Access); b != nil {
		em.Stats = append(em.Stats, xspace.Stat{ID: p.stats.id("memory_access_breakdown"), Kind: xspace.Bytes, Raw: b})
	}
	text("source", op.Source)
	text("shape_with_layout", op.Shape)
	text("deduplicated_name", strings.TrimSpace(op.Dedup))
	return em
}
