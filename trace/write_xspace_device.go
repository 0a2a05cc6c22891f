// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerscope/layerscope/trace/internal/ring"
	"github.com/layerscope/layerscope/trace/internal/xspace"
)

// defaultDeviceType is what a CPU device is called, so that nobody takes it for
// an accelerator.
const defaultDeviceType = "CPU (layerscope)"

// deviceLines are the lines of a device plane, with what goes on them.
var deviceLines = []struct {
	name string
	kind ring.Kind
}{
	{"Steps", ring.Step},
	{"XLA Modules", ring.Run},
	{"XLA Ops", ring.Op},
}

// device writes the plane of one device.
func (s *spaceWriter) device(d int) error {
	dev := s.rec.devices[d]
	name := dev.Name
	if s.opts.XProfCompat {
		name = planeName("tpu", dev.Ordinal)
	}
	lane := -1
	for i, l := range s.rec.lanes {
		if l.device == d {
			lane = i
		}
	}
	t := &planeTable{}
	facts := deviceFacts(t, dev)
	return s.w.Plane(s.nextPlane(), name, func(pw *xspace.PlaneWriter) error {
		for i, line := range deviceLines {
			if !s.rec.has(lane, 1<<line.kind) {
				continue
			}
			head := xspace.LineHead{ID: int64(i + 1), Name: line.name}
			err := pw.Line(head, func(lw *xspace.LineWriter) error { return s.deviceEvents(t, lane, line.kind, lw) })
			if err != nil {
				return err
			}
		}
		for i, k := range t.metas.list {
			em := s.deviceMeta(t, k)
			em.Key, em.ID = int64(i+1), int64(i+1)
			if err := pw.EventMeta(&em); err != nil {
				return err
			}
		}
		if err := t.writeStats(pw); err != nil {
			return err
		}
		for i := range facts {
			if err := pw.Stat(&facts[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func deviceFacts(t *planeTable, dev Device) []xspace.Stat {
	if dev.Type == "" {
		dev.Type = defaultDeviceType
	}
	facts := []xspace.Stat{t.text("device_type_string", dev.Type)}
	double := func(name string, v float64) {
		if v > 0 {
			facts = append(facts, xspace.Stat{ID: t.stats.id(name), Kind: xspace.Double, Bits: math.Float64bits(v)})
		}
	}
	double("peak_teraflops_per_second", dev.PeakFLOPs/1e12)
	double("peak_hbm_bw_gigabytes_per_second", dev.PeakHBM/1e9)
	if dev.Memory > 0 {
		facts = append(facts, t.num("memory_size", dev.Memory))
	}
	return facts
}

// deviceEvents writes one line of a device. The device's clock is the host's:
// both times of an event are the same.
func (s *spaceWriter) deviceEvents(t *planeTable, lane int, kind ring.Kind, lw *xspace.LineWriter) error {
	var ev xspace.Event
	return s.rec.each(lane, 1<<kind, func(r *ring.Record, _ []ring.Record) error {
		key := metaKey{kind, r.ID()}
		if kind == ring.Step {
			key.id = r.Extra
		}
		ev.MetadataID = t.metas.id(key)
		ev.OffsetPs, ev.DurationPs = s.rec.span(r)
		ev.Stats = append(ev.Stats[:0], t.num("device_offset_ps", ev.OffsetPs), t.num("device_duration_ps", ev.DurationPs))
		if kind == ring.Run {
			ev.Stats = append(ev.Stats, t.uint("run_id", uint64(r.Extra)))
		}
		return lw.Event(&ev)
	})
}

// deviceMeta describes a step, a program or an op.
func (s *spaceWriter) deviceMeta(t *planeTable, k metaKey) xspace.EventMeta {
	switch k.kind {
	case ring.Step:
		return xspace.EventMeta{Name: fmt.Sprint(k.id)}
	case ring.Run:
		if int(k.id) >= len(s.rec.programs) {
			return xspace.EventMeta{Name: "(unknown program)"}
		}
		p := s.rec.programs[k.id]
		return xspace.EventMeta{Name: programName(p), Stats: []xspace.Stat{t.uint("program_id", p.ID)}}
	}
	if int(k.id) >= len(s.rec.ops) {
		return xspace.EventMeta{Name: "(unknown op)"}
	}
	return s.opMeta(t, s.rec.ops[k.id], uint64(k.id)+1)
}

func (s *spaceWriter) opMeta(t *planeTable, op Op, symbol uint64) xspace.EventMeta {
	em := xspace.EventMeta{Name: op.Name}
	if op.Long != "" && op.Long != op.Name {
		em.Name, em.DisplayName = op.Long, op.Name
	}
	text := func(name, v string) {
		if v != "" {
			em.Stats = append(em.Stats, t.text(name, v))
		}
	}
	num := func(name string, v int64) {
		if v != 0 {
			em.Stats = append(em.Stats, t.num(name, v))
		}
	}
	if op.Scope != "" {
		text("tf_op", strings.TrimSuffix(op.Scope, ":")+":") // path:type; JAX leaves the type empty
	}
	text("hlo_category", op.Category)
	if op.Program >= 0 && op.Program < len(s.rec.programs) {
		em.Stats = append(em.Stats, t.uint("program_id", s.rec.programs[op.Program].ID))
	}
	em.Stats = append(em.Stats, t.uint("symbol_id", symbol))
	num("flops", op.FLOPs)
	num("model_flops", op.ModelFLOPs)
	num("bytes_accessed", op.Bytes)
	if b := appendAccesses(nil, op.Access); b != nil {
		em.Stats = append(em.Stats, xspace.Stat{ID: t.stats.id("memory_access_breakdown"), Kind: xspace.Bytes, Raw: b})
	}
	text("source", op.Source)
	text("shape_with_layout", op.Shape)
	text("deduplicated_name", op.Dedup)
	return em
}

// appendAccesses encodes a memory access breakdown; see accesses.
func appendAccesses(b []byte, list []Access) []byte {
	for _, a := range list {
		op := uint64(1)
		if a.Write {
			op = 2
		}
		var m []byte
		for num, v := range []uint64{op, uint64(a.Space), uint64(a.Bytes)} {
			m = protowire.AppendTag(m, protowire.Number(num+1), protowire.VarintType)
			m = protowire.AppendVarint(m, v)
		}
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendBytes(b, m)
	}
	return b
}
