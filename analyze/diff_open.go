// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze/internal/stats"
)

// openPart adds the rows of a part's components, and of their ops when the part
// changed. They are tested then only: a report of unchanged code has no tests
// but those of the step and the layers.
func (d *differ) openPart(p *partPair, row *DiffRow, opt stats.Options) {
	changed := isChange(row.Verdict) || row.Status != "matched"
	var rows []DiffRow
	var values []stats.Pair
	for _, c := range p.sortedComponents() {
		r := d.componentRow(p, c)
		if r.Note == movedInside && isChange(row.Verdict) {
			r.Note = "" // by medians the layer did change
		}
		rows = append(rows, r)
		values = append(values, stats.Pair{Base: d.componentValues(d.base, p.base, c.base), New: d.componentValues(d.new, p.new, c.new)})
		if !changed && !d.c.Options.Open {
			continue
		}
		slices.SortStableFunc(c.ops, func(a, b *opPair) int { return cmp.Compare(magnitude(b.mean.delta), magnitude(a.mean.delta)) })
		for _, o := range c.ops {
			if o.moved != nil && len(o.new) == 0 {
				continue // shown where it went
			}
			rows = append(rows, d.opRow(p, c, o))
			values = append(values, stats.Pair{Base: opValues(d.base, o.base), New: opValues(d.new, o.new)})
		}
	}
	if changed && row.Status == "matched" && !d.single() {
		d.testInside(rows, values, opt)
	}
	d.c.Rows = append(d.c.Rows, rows...)
}

// single reports whether a side has one run only: its parts are then shown as
// they are. What layers differ by says something of a layer's noise, but nothing
// of an op's.
func (d *differ) single() bool { return min(len(d.base.side.Runs), len(d.new.side.Runs)) < 2 }

// testInside tests the rows of one kind together, without the drift that the
// layers share.
func (d *differ) testInside(rows []DiffRow, values []stats.Pair, opt stats.Options) {
	opt.Drift = &d.drift
	for _, level := range []string{"component", "op"} {
		var at []int
		var x []stats.Pair
		for i := range rows {
			if rows[i].Level == level && (rows[i].Status == "matched" || rows[i].Status == "moved") {
				at, x = append(at, i), append(x, values[i])
			}
		}
		for k, res := range stats.Compare(nil, x, opt).Rows {
			r := &rows[at[k]]
			d.fill(r, res)
			d.rank(r, x[k], func(*view) []float64 { return nil })
			d.noteSmall(r)
		}
	}
}

func magnitude(d Duration) Duration { return max(d, -d) }

// sortedComponents orders components by what they changed.
func (p *partPair) sortedComponents() []*compPair {
	out := slices.Clone(p.comps)
	slices.SortStableFunc(out, func(a, b *compPair) int {
		return cmp.Or(cmp.Compare(magnitude(b.mean.delta), magnitude(a.mean.delta)), strings.Compare(a.name(), b.name()))
	})
	return out
}

const movedInside = "moved inside the layer, whose total hardly changed"

func (d *differ) componentRow(p *partPair, c *compPair) DiffRow {
	r := DiffRow{Key: p.key() + "/" + c.name(), Parent: p.key(), Level: "component", Index: p.index(), Component: c.name(), Metric: "op_time", Status: "matched", Unit: "ps"}
	r.setMean(c.mean, 0, 0)
	var b, n sums
	if c.base != nil {
		b = c.base.sums
	}
	if c.new != nil {
		n = c.new.sums
	}
	d.setCosts(&r, b, n)
	switch {
	case c.base == nil:
		r.Status = "added"
	case c.new == nil:
		r.Status = "removed"
	case c.base.name != c.new.name:
		r.BaseKey = p.key() + "/" + c.base.name
	}
	if magnitude(p.mean.delta)*5 < magnitude(c.mean.delta) && magnitude(c.mean.delta) >= d.c.Options.MinAbs && p.base != nil && p.new != nil {
		r.Note = movedInside
	}
	return r
}

// componentValues returns a component's mean time a step for each run.
func (d *differ) componentValues(v *view, p *part, c *compPart) []float64 {
	out := make([]float64, len(v.side.Runs))
	if p == nil || c == nil {
		return out
	}
	for r, l := range p.rows {
		if l == nil {
			continue
		}
		for i := range l.Components {
			if l.Components[i].Name == c.name {
				out[r] += float64(l.Components[i].Self) / float64(runSteps(v.side.Runs[r]))
			}
		}
	}
	return out
}

// opValues returns the groups' mean time a step for each run.
func opValues(v *view, gs []*opGroup) []float64 {
	out := make([]float64, len(v.side.Runs))
	for r := range out {
		for _, g := range gs {
			out[r] += float64(g.each[r]) / float64(runSteps(v.side.Runs[r]))
		}
	}
	return out
}

func (d *differ) opRow(p *partPair, c *compPair, o *opPair) DiffRow {
	parent := p.key() + "/" + c.name()
	r := DiffRow{
		Parent: parent, Level: "op", Index: p.index(), Component: c.name(), Metric: "op_time", Status: "matched", Unit: "ps",
		BaseOps: opCount(o.base), NewOps: opCount(o.new),
	}
	shown, mean := o.new, o.mean
	switch {
	case o.moved != nil:
		from := o.moved
		r.Status, r.Note = "moved", "from "+o.from
		r.BaseOps = opCount(from.base)
		mean = delta{from.mean.base, mean.new, mean.new - from.mean.base}
		o = &opPair{base: from.base, new: o.new}
	case len(o.base) == 0:
		r.Status = "added"
	case len(o.new) == 0:
		r.Status, shown = "removed", o.base
	default:
		r.Note = o.changed()
	}
	r.Key = opPath(p.key(), c.name(), opLabel(shown))
	if o.level > 1 && len(o.base) > 0 && r.Note == "" {
		r.Note = "matched by " + opLevels[o.level].name
	}
	if name := opLabel(o.base); len(o.base) > 0 && len(o.new) > 0 && name != opLabel(o.new) {
		r.BaseKey = opPath(p.key(), c.name(), name)
	}
	r.setMean(mean, 0, 0)
	d.setCosts(&r, groupSums(o.base), groupSums(o.new))
	r.Text = textDiff(o.base, o.new)
	return r
}

func groupSums(gs []*opGroup) (s sums) {
	for _, g := range gs {
		s.add(g.sums)
	}
	return s
}

// opPath is the key of an op's row. Scopes often begin with the component.
func opPath(part, component, label string) string {
	if strings.HasPrefix(label, component+"/") {
		return part + "/" + label
	}
	return part + "/" + component + "/" + label
}

// opLabel names groups of ops: by scope and primitive where they have them, with
// an op's name.
func opLabel(gs []*opGroup) string {
	if len(gs) == 0 {
		return ""
	}
	g := slices.MaxFunc(gs, func(a, b *opGroup) int { return cmp.Compare(a.self, b.self) })
	name := g.key.stem
	if len(g.names) == 1 && len(gs) == 1 {
		name = g.names[0]
	}
	where := strings.Trim(g.key.scope+"/"+g.key.prim, "/")
	if where == "" {
		return name
	}
	return where + ":" + name
}

// componentTotals adds a row for each component over all layers and parts: what
// paid and what gained. They are tested when something changed at all.
func (d *differ) componentTotals(opt stats.Options, changed bool) {
	var rows []*DiffRow
	values := make(map[string]*stats.Pair)
	for _, p := range d.pairs {
		for _, c := range p.comps {
			i := slices.IndexFunc(rows, func(r *DiffRow) bool { return r.Component == c.name() })
			if i < 0 {
				i = len(rows)
				rows = append(rows, &DiffRow{Key: c.name(), Parent: "step", Level: "component", Index: -1, Component: c.name(), Metric: "op_time", Status: "matched", Unit: "ps"})
				values[c.name()] = &stats.Pair{Base: make([]float64, len(d.base.side.Runs)), New: make([]float64, len(d.new.side.Runs))}
			}
			r, v := rows[i], values[c.name()]
			r.Base, r.New, r.Delta = r.Base+c.mean.base, r.New+c.mean.new, r.Delta+c.mean.delta
			addTo(v.Base, d.componentValues(d.base, p.base, c.base))
			addTo(v.New, d.componentValues(d.new, p.new, c.new))
		}
	}
	out, x := make([]DiffRow, len(rows)), make([]stats.Pair, len(rows))
	slices.SortStableFunc(rows, func(a, b *DiffRow) int { return cmp.Compare(magnitude(b.Delta), magnitude(a.Delta)) })
	for i, r := range rows {
		r.setMean(delta{r.Base, r.New, r.Delta}, 0, 0)
		switch {
		case r.Base == 0 && r.New != 0:
			r.Status = "added"
		case r.New == 0 && r.Base != 0:
			r.Status = "removed"
		}
		out[i], x[i] = *r, *values[r.Key]
	}
	if changed && !d.single() {
		d.testTotals(out, x, opt)
	}
	d.c.Rows = append(d.c.Rows, out...)
}

func (d *differ) testTotals(rows []DiffRow, x []stats.Pair, opt stats.Options) {
	none := stats.Pair{Base: ones(len(d.base.side.Runs)), New: ones(len(d.new.side.Runs))}
	opt.Drift = &none // totals are compared as they are: they are the whole
	for i, res := range stats.Compare(nil, x, opt).Rows {
		if rows[i].Status == "matched" {
			d.fill(&rows[i], res)
			d.noteSmall(&rows[i])
		}
	}
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

func addTo(sum, x []float64) {
	for i := range sum {
		sum[i] += x[i]
	}
}
