// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
)

// notes explain the columns that are there.
func (t *layerTable) notes() []string {
	var out []string
	if s := t.componentNote(); s != "" {
		out = append(out, s)
	}
	switch {
	case len(t.r.a.Steps) == 0 && !t.r.filtered():
		out = append(out, "No steps, so no medians: self times are sums over the capture.")
	case t.notAll != nil:
		out = append(out, fmt.Sprintf("Self a step: median of %s%s; %d needed for a 95 %% interval.", plural(t.notAll.N, "step"), t.summed(), t.notAll.Need))
	case t.sampled:
		out = append(out, fmt.Sprintf("Self a step: median of %s%s, ± its interval (%.0f %% confidence).", plural(t.most, "step"), t.summed(), 100*t.conf))
	}
	if t.wall {
		out = append(out, "Ops overlap: self time is what each op took on its own track (rows add up to op time); wall share splits every instant among the ops open at it (rows add up to busy).")
	}
	if t.folded {
		out = append(out, "Equal layers are folded to one row, with the step of their median layer; --all lists every row.")
	}
	return out
}

// summed says that samples are sums, where they are.
func (t *layerTable) summed() string {
	if n := len(t.r.a.Devices); n > 1 {
		return fmt.Sprintf(" over %d devices together", n)
	}
	return ""
}

// componentNote breaks the median layer down.
func (t *layerTable) componentNote() string {
	l := &t.r.a.Layers
	var typicals []*analyze.Layer
	for i := range l.Rows {
		if l.Rows[i].Index >= 0 && len(l.Rows[i].Components) > 1 {
			typicals = append(typicals, &l.Rows[i])
		}
	}
	if len(typicals) < 2 {
		return ""
	}
	slices.SortStableFunc(typicals, func(a, b *analyze.Layer) int { return cmp.Compare(typical(a), typical(b)) })
	m := typicals[(len(typicals)-1)/2]
	comps := slices.Clone(m.Components)
	slices.SortStableFunc(comps, func(a, b analyze.Component) int { return cmp.Compare(b.Self, a.Self) })
	var parts []string
	for _, c := range comps {
		parts = append(parts, or(c.Name, "unnamed")+" "+percent(share(c.Self, m.Self)))
	}
	return fmt.Sprintf("Inside the median layer (%s), of its self time: %s.", m.Key, strings.Join(parts, ", "))
}
