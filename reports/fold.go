// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/analyze"
)

// Layers are equal, and folded, when their FLOPs and medians are within 25 % of
// those of the first of their class. Six equal layers still read well one by one.
//
// Note: 5 % of FLOPs was tried first. Where most work is in kernels that state
// no FLOPs, those of the rest vary by 20 % with what the compiler fused, and 64
// layers within 2 % of time fell into five classes.
const (
	foldAbove  = 6
	foldWithin = 0.25
)

// A layerGroup is one row of the layer table, or several equal ones folded.
type layerGroup struct {
	label   string
	layers  []*analyze.Layer
	ordered []*analyze.Layer // equal layers: by time a step, the quickest first
}

func (g *layerGroup) folded() bool { return len(g.layers) > 1 }

// typical returns what a layer takes in a step, or in the whole capture when
// there are no steps.
func typical(l *analyze.Layer) analyze.Duration {
	if l.Samples.N > 0 {
		return l.Samples.Median
	}
	return l.Self
}

// Parts outside the layers that take less than a thousandth of op time each are
// folded too when there are more than three.
const (
	smallPart  = 1000
	smallAbove = 3
)

// foldLayers groups the rows of the layer table. A group stands where its first
// row stood, small parts at the end; outliers are never folded.
func foldLayers(l *analyze.Layers, all bool) []layerGroup {
	odd := make(map[string]bool)
	for _, o := range l.Outliers {
		odd[o.Key] = true
	}
	class := make([]int, len(l.Rows)) // row → row that leads its class
	size := make(map[int]int)
	for i := range l.Rows {
		class[i] = i
		if row := &l.Rows[i]; row.Index >= 0 && !odd[row.Key] && !all {
			class[i] = leader(l.Rows, class, i)
		}
		size[class[i]]++
	}
	var out []layerGroup
	at := make(map[int]int)
	small := smallParts(l, all)
	for i := range l.Rows {
		row := &l.Rows[i]
		if slices.Contains(small.layers, row) {
			continue
		}
		if size[class[i]] <= foldAbove {
			out = append(out, layerGroup{label: row.Key, layers: []*analyze.Layer{row}})
			continue
		}
		k, ok := at[class[i]]
		if !ok {
			k = len(out)
			at[class[i]] = k
			out = append(out, layerGroup{})
		}
		out[k].layers = append(out[k].layers, row)
	}
	for i := range out {
		if out[i].folded() {
			out[i].name(l.Rows)
		}
	}
	if len(small.layers) > 0 {
		out = append(out, small)
	}
	return out
}

// smallParts groups the parts outside the layers that hardly matter.
func smallParts(l *analyze.Layers, all bool) layerGroup {
	var g layerGroup
	for i := range l.Rows {
		if r := &l.Rows[i]; r.Index < 0 && r.Self*smallPart < l.OpTime && !all {
			g.layers = append(g.layers, r)
		}
	}
	if len(g.layers) <= smallAbove {
		return layerGroup{}
	}
	g.label = fmt.Sprintf("%d small parts", len(g.layers))
	return g
}

// leader returns the first earlier row whose class row i belongs to, or i.
func leader(rows []analyze.Layer, class []int, i int) int {
	for k := range i {
		a, b := &rows[k], &rows[i]
		if class[k] == k && a.Index >= 0 && a.Program == b.Program &&
			near(a.FLOPs, b.FLOPs) && near(int64(typical(a)), int64(typical(b))) {
			return k
		}
	}
	return i
}

func near(a, b int64) bool {
	return float64(max(a, b)-min(a, b)) <= foldWithin*float64(max(a, b))
}

// name labels a folded group and orders its members by time.
func (g *layerGroup) name(rows []analyze.Layer) {
	first, last := g.layers[0], g.layers[len(g.layers)-1]
	var missing []string
	for i := range rows {
		r := &rows[i]
		if r.Program == first.Program && r.Index > first.Index && r.Index < last.Index && !slices.Contains(g.layers, r) {
			missing = append(missing, r.Key)
		}
	}
	g.label = span(first.Key, last.Key, len(g.layers), missing)
	g.ordered = slices.Clone(g.layers)
	slices.SortStableFunc(g.ordered, func(a, b *analyze.Layer) int { return cmp.Compare(typical(a), typical(b)) })
}

// median, least and most return members of a folded group. Of two in the middle
// the quicker one is the median, so that it is a layer one can look at.
func (g *layerGroup) median() *analyze.Layer { return g.ordered[(len(g.ordered)-1)/2] }
func (g *layerGroup) least() *analyze.Layer  { return g.ordered[0] }
func (g *layerGroup) most() *analyze.Layer   { return g.ordered[len(g.ordered)-1] }

// An opGroup is one row of the op table: an op, or equal ops of several layers.
type opGroup struct {
	op    analyze.Op // sums over the members; names are those of the largest
	n     int
	layer string
}

// An opKey is what ops have in common that do the same work in different
// layers.
type opKey struct {
	program, stem, category, scope, component, shape, device string
	flops, bytes                                             int64 // of one occurrence
}

// foldOps groups the ops, largest first.
func foldOps(a *analyze.Analysis, all bool) []opGroup {
	index := make(map[string]int, len(a.Layers.Rows))
	for i := range a.Layers.Rows {
		index[a.Layers.Rows[i].Key] = i
	}
	var groups [][]*analyze.Op
	at := make(map[opKey]int)
	for i := range a.Ops {
		o := &a.Ops[i]
		row, ok := index[o.Layer]
		if all || !ok || a.Layers.Rows[row].Index < 0 {
			groups = append(groups, []*analyze.Op{o})
			continue
		}
		key := newOpKey(o)
		k, ok := at[key]
		if !ok {
			k = len(groups)
			at[key] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], o)
	}
	out := make([]opGroup, len(groups))
	for i, ops := range groups {
		out[i] = sumOps(ops, index)
	}
	slices.SortStableFunc(out, func(a, b opGroup) int { return cmp.Compare(b.op.Self, a.op.Self) })
	return out
}

func newOpKey(o *analyze.Op) opKey {
	n := max(o.Occurrences, 1)
	return opKey{
		program: o.Program, stem: stem(o.Name), category: o.Category, scope: withoutLayer(o.Scope),
		component: o.Component, shape: o.Shape, device: o.Device, flops: o.FLOPs / n, bytes: o.Bytes / n,
	}
}

func sumOps(ops []*analyze.Op, index map[string]int) opGroup {
	largest := slices.MaxFunc(ops, func(a, b *analyze.Op) int { return cmp.Compare(a.Self, b.Self) })
	g := opGroup{op: *largest, n: len(ops), layer: largest.Layer}
	if len(ops) == 1 {
		return g
	}
	o := &g.op
	o.Occurrences, o.Total, o.Self, o.FLOPs, o.ModelFLOPs, o.Bytes, o.HBMBytes = 0, 0, 0, 0, 0, 0, 0
	seen := make(map[string]bool)
	first, last := ops[0].Layer, ops[0].Layer
	for _, m := range ops {
		o.Occurrences += m.Occurrences
		o.Total += m.Total
		o.Self += m.Self
		o.FLOPs += m.FLOPs
		o.ModelFLOPs += m.ModelFLOPs
		o.Bytes += m.Bytes
		o.HBMBytes += m.HBMBytes
		o.Min = min(o.Min, m.Min)
		seen[m.Layer] = true
		if index[m.Layer] < index[first] {
			first = m.Layer
		}
		if index[m.Layer] > index[last] {
			last = m.Layer
		}
	}
	if len(seen) > 1 {
		g.layer = span(first, last, len(seen), nil)
		o.Scope = withoutLayer(o.Scope)
	}
	return g
}
