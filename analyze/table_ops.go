// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// tableOps merges ops of equal program and name over devices, as XProf does.
func (s *study) tableOps() {
	s.sortOps(s.mergeOps())
	for i := range s.out.Ops {
		o := &s.out.Ops[i]
		o.BoundBy = s.boundBy(o)
		if l := &s.out.Layers; o.Layer == "" && len(l.UnattributedOps) < 5 {
			l.UnattributedOps = append(l.UnattributedOps, *o)
		}
	}
	s.tableCategories()
	s.tablePrograms()
}

// sortOps orders ops by self time: their numbers first, as each is large.
func (s *study) sortOps(ops []Op) {
	order := make([]int32, len(ops))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int { return compareOps(&ops[i], &ops[j]) })
	for i := range order { // each cycle of the permutation in turn
		first := ops[i]
		to := int32(i)
		for order[to] != int32(i) {
			from := order[to]
			ops[to], order[to] = ops[from], to
			to = from
		}
		ops[to], order[to] = first, to
	}
	s.out.Ops = ops
}

func (s *study) mergeOps() []Op {
	type key struct {
		program int
		name    string
		scope   string // tells kernels apart that no program does
	}
	n := 0
	for id := range s.ops {
		n += int(min(1, s.ops[id].count))
	}
	ops := make([]Op, 0, n)
	at := make(map[key]int, n)
	for id := range s.ops {
		o := &s.ops[id]
		if o.count == 0 {
			continue
		}
		op := &s.t.Ops[id]
		k := key{program: op.Program, name: op.Name}
		if op.Program < 0 {
			k.scope = op.Scope
		}
		i, ok := at[k]
		if !ok {
			i = len(ops)
			at[k] = i
			ops = append(ops, s.newOp(trace.OpID(id)))
		}
		ops[i].addTally(op, &o.tally)
		if o.device == severalDevices || ok && ops[i].Device != s.deviceName(o.device) {
			ops[i].Device = ""
		}
	}
	return ops
}

// compareOps orders ops by self time, largest first, then by name.
func compareOps(a, b *Op) int {
	if c := cmp.Compare(b.Self, a.Self); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Program, b.Program))
}

func (s *study) newOp(id trace.OpID) Op {
	op, o := &s.t.Ops[id], &s.ops[id]
	out := Op{
		Name: op.Name, Category: op.Category, Scope: o.scope.raw, Layer: s.rowKey(id), Component: o.component,
		Source: op.Source, Long: op.Long, Shape: op.Shape, Device: s.deviceName(o.device), Min: o.min,
	}
	if op.Program >= 0 && op.Program < len(s.t.Programs) {
		out.Program = s.t.Programs[op.Program].Name
	}
	return out
}

func (s *study) deviceName(d int32) string {
	if d < 0 {
		return ""
	}
	return s.t.Devices[d].Name
}

// addTally adds the events of one device. Static costs are of one occurrence;
// measured ones come on top and are sums already.
func (o *Op) addTally(op *trace.Op, t *tally) {
	o.Occurrences += t.count
	o.Total += t.total
	o.Self += t.self
	o.Min = min(o.Min, t.min)
	o.FLOPs += op.FLOPs*t.count + t.flops
	o.ModelFLOPs += op.ModelFLOPs*t.count + t.flops
	bytes := op.Bytes*t.count + t.mem
	o.Bytes += bytes
	if len(op.Access) == 0 {
		o.HBMBytes += bytes
	}
	for _, a := range op.Access {
		switch a.Space {
		case 1:
			o.HBMBytes += a.Bytes * t.count
		case 2, 3:
			i := (a.Space - 2) * 2
			if a.Write {
				i++
			}
			o.OnChip[i] += a.Bytes * t.count
		}
	}
}

// boundBy names what an op comes closest to the peak of: compute or HBM. It is
// "" where the capture states no peaks or the op has no cost.
func (s *study) boundBy(o *Op) string {
	if o.Total == 0 || len(s.out.Devices) == 0 {
		return ""
	}
	d := &s.out.Devices[0]
	seconds := float64(o.Total) / 1e12
	compute, hbm := 0.0, 0.0
	if d.PeakFLOPs > 0 {
		compute = float64(o.FLOPs) / seconds / d.PeakFLOPs
	}
	if d.PeakHBM > 0 {
		hbm = float64(o.HBMBytes) / seconds / d.PeakHBM
	}
	switch {
	case compute == 0 && hbm == 0:
		return ""
	case compute >= hbm:
		return "compute"
	}
	return "hbm"
}

func (s *study) tableCategories() {
	at := make(map[string]int)
	for i := range s.out.Ops {
		o := &s.out.Ops[i]
		k, ok := at[o.Category]
		if !ok {
			k = len(s.out.Categories)
			at[o.Category] = k
			s.out.Categories = append(s.out.Categories, Category{Name: o.Category})
		}
		s.out.Categories[k].Self += o.Self
		s.out.Categories[k].Occurrences += o.Occurrences
	}
	slices.SortFunc(s.out.Categories, func(a, b Category) int {
		return cmp.Or(cmp.Compare(b.Self, a.Self), strings.Compare(a.Name, b.Name))
	})
}

func (s *study) tablePrograms() {
	total := make([]Duration, len(s.t.Programs))
	for _, list := range s.execs {
		for _, e := range list {
			if e.Program >= 0 {
				total[e.Program] += e.Dur
			}
		}
	}
	for i := range s.t.Programs {
		p, f := &s.t.Programs[i], &s.programs[i]
		out := Program{Name: p.Name, ID: p.ID, Host: p.Host, Executions: f.runs, OpTime: f.opTime, HasHLO: p.Module != nil, Total: total[i]}
		if out.Executions > 0 || out.OpTime > 0 || out.HasHLO {
			s.out.Programs = append(s.out.Programs, out)
		}
	}
	slices.SortStableFunc(s.out.Programs, func(a, b Program) int {
		return cmp.Or(cmp.Compare(b.OpTime, a.OpTime), cmp.Compare(b.Executions, a.Executions))
	})
}
