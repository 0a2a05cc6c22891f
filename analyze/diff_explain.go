// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Shares and limits of explain.
const (
	explained  = 0.90 // of the step's delta that the set must carry
	maxExplain = 12   // parts named
	offBy      = 0.05 // a cost or count that changed by less did not change
)

// A contribution is a part and what it adds to the step's delta.
type contribution struct {
	key   string
	delta Duration
	part  *partPair
	ops   *opPair // nil: a whole part, or a component of all layers
	all   []*compPair
}

// explain finds the smallest set of parts that carries 90 % of the step's delta.
// Two sets are tried: layers, and components over all layers; the smaller one
// wins, layers on a tie. Layers are then taken apart into the ops that carry 90 %
// of theirs.
func (d *differ) explain() {
	d.c.Explain = []Explained{}
	total := d.c.Conservation.Delta
	d.explainHost()
	if total == 0 {
		return
	}
	layers := carry(total, d.byPart())
	comps := carry(total, d.byComponent())
	chosen := layers
	if len(comps) > 0 && (len(layers) == 0 || len(comps) < len(layers)) {
		chosen = offset(total, comps, d.byComponent())
	}
	var sum Duration
	for _, c := range chosen {
		sum += c.delta
	}
	d.c.ExplainShare = float64(sum) / float64(total)
	for _, c := range chosen {
		for _, in := range d.inside(c) {
			if len(d.c.Explain) < maxExplain {
				d.c.Explain = append(d.c.Explain, d.reason(in))
			}
		}
	}
}

// carry returns the smallest set of contributions whose sum is 90 % of the
// total, the largest first.
func carry(total Duration, from []contribution) []contribution {
	sign := Duration(1)
	if total < 0 {
		sign = -1
	}
	slices.SortStableFunc(from, func(a, b contribution) int { return cmp.Compare(sign*b.delta, sign*a.delta) })
	var sum Duration
	for i, c := range from {
		if sign*c.delta <= 0 {
			break
		}
		if sum += c.delta; float64(sign*sum) >= explained*float64(sign*total) {
			return from[:i+1]
		}
	}
	return nil
}

// offset adds to a set that carries far more than the total what pays it back:
// the largest contributions of the other sign, until the set is near the total.
func offset(total Duration, set, from []contribution) []contribution {
	var sum, largest Duration
	for _, c := range set {
		sum += c.delta
		largest = max(largest, magnitude(c.delta))
	}
	slices.SortStableFunc(from, func(a, b contribution) int { return cmp.Compare(magnitude(b.delta), magnitude(a.delta)) })
	for _, c := range from {
		if magnitude(sum) < magnitude(total)*3/2 || magnitude(c.delta)*20 < largest {
			break
		}
		if (c.delta > 0) != (total > 0) {
			set = append(set, c)
			sum += c.delta
		}
	}
	return set
}

func (d *differ) byPart() []contribution {
	out := []contribution{{key: "unattributed", delta: d.rest.mean.delta}}
	for _, p := range d.pairs {
		out = append(out, contribution{key: p.key(), delta: p.mean.delta, part: p})
	}
	return out
}

func (d *differ) byComponent() []contribution {
	out := []contribution{{key: "unattributed", delta: d.rest.mean.delta}}
	for _, p := range d.pairs {
		for _, c := range p.comps {
			key := c.name()
			if p.index() >= 0 {
				key += " of all layers"
			}
			i := slices.IndexFunc(out, func(x contribution) bool { return x.key == key })
			if i < 0 {
				i = len(out)
				out = append(out, contribution{key: key})
			}
			out[i].delta += c.mean.delta
			out[i].all = append(out[i].all, c)
		}
	}
	return out
}

// inside takes a layer apart into the ops that carry 90 % of its delta, if they
// are few and it is matched.
func (d *differ) inside(c contribution) []contribution {
	if c.part == nil || c.part.base == nil || c.part.new == nil {
		return []contribution{c}
	}
	var ops []contribution
	for _, comp := range c.part.comps {
		for _, o := range comp.ops {
			gs := o.new
			if len(gs) == 0 {
				gs = o.base
			}
			ops = append(ops, contribution{key: opPath(c.key, comp.name(), opLabel(gs)), delta: o.mean.delta, part: c.part, ops: o})
		}
	}
	if few := carry(c.delta, ops); len(few) > 0 && len(few) <= 4 {
		return few
	}
	return []contribution{c}
}

// reason names why a contribution is what it is. The codes:
//
//	new-op, removed-op           on one side only
//	split, fused                 the same work in more or fewer ops
//	moved-work                   the ops went to or came from another part
//	more-executions, fewer-…     as often as they run
//	more-flops, fewer-flops      the work itself changed
//	more-bytes, fewer-bytes      likewise, in memory traffic
//	less-overlap, more-overlap   time in waits for asynchronous work
//	slower-kernel, faster-kernel the same work takes longer, or shorter
//	common-shift                 all layers alike: clock, machine, neighbours
//	recompile, host-gap          compilations; the step grew without its ops
//	unattributed                 ops that belong to no row
func (d *differ) reason(c contribution) Explained {
	out := Explained{Key: c.key, Delta: c.delta}
	base, new := c.both()
	more := func(b, n float64, up, down string) string {
		if b <= 0 || n <= 0 {
			return ""
		}
		if l := math.Abs(math.Log(n / b)); l < offBy || l > math.Log(20) {
			return "" // a cost that all but vanishes is one that is no longer stated
		}
		if (n > b) != (c.delta > 0) {
			return "" // can't be why
		}
		out.Detail = fmt.Sprintf("%.2f×", n/b)
		return map[bool]string{true: up, false: down}[n > b]
	}
	bs, ns := float64(d.base.steps), float64(d.new.steps)
	switch {
	case c.part == nil && len(c.all) == 0:
		out.Reason = "unattributed"
		return out
	case c.ops != nil && c.ops.moved != nil:
		out.Reason, out.Detail = "moved-work", map[bool]string{true: "from ", false: "to "}[c.delta > 0]+c.ops.from
		return out
	case base.self == 0:
		out.Reason = "new-op"
		return out
	case new.self == 0:
		out.Reason = "removed-op"
		return out
	}
	if c.ops != nil {
		if text := c.ops.changed(); text != "" {
			out.Reason, out.Detail = text[strings.LastIndex(text, " ")+1:], text[:strings.LastIndex(text, ":")]
			if (out.Reason == "split") == (c.delta > 0) {
				return out
			}
			out.Reason, out.Detail = "", ""
		}
	}
	for _, try := range []func() string{
		func() string {
			return more(float64(base.count)/bs, float64(new.count)/ns, "more-executions", "fewer-executions")
		},
		func() string {
			return more(float64(base.flops)/bs, float64(new.flops)/ns, "more-flops", "fewer-flops")
		},
		func() string {
			return more(float64(base.bytes)/bs, float64(new.bytes)/ns, "more-bytes", "fewer-bytes")
		},
	} {
		if out.Reason = try(); out.Reason != "" {
			return out
		}
	}
	out.Reason = d.sameWork(c)
	return out
}

// sameWork is the reason when neither the ops nor their costs changed.
func (d *differ) sameWork(c contribution) string {
	if c.ops != nil && waits(c.ops) {
		return map[bool]string{true: "less-overlap", false: "more-overlap"}[c.delta > 0]
	}
	if common := d.commonRow(); common != nil && isChange(common.Verdict) && (common.Effect > 0) == (c.delta > 0) {
		base, new := c.both()
		own := change(float64(base.self)/float64(d.base.steps), float64(new.self)/float64(d.new.steps))
		if math.Abs(own-common.Effect) < max(math.Abs(common.Effect)/2, 0.01) {
			return "common-shift"
		}
	}
	return map[bool]string{true: "slower-kernel", false: "faster-kernel"}[c.delta > 0]
}

func (d *differ) commonRow() *DiffRow {
	for i := range d.c.Rows {
		if d.c.Rows[i].Metric == "common_shift" {
			return &d.c.Rows[i]
		}
	}
	return nil
}

// waits reports whether all ops are waits for asynchronous work.
func waits(o *opPair) bool {
	gs := slices.Concat(o.base, o.new)
	return len(gs) > 0 && !slices.ContainsFunc(gs, func(g *opGroup) bool {
		return !strings.HasSuffix(g.key.category, "-done") && !strings.HasSuffix(g.key.stem, "-done")
	})
}

// both returns the sums of both sides.
func (c *contribution) both() (base, new sums) {
	switch {
	case c.ops != nil:
		return groupSums(c.ops.base), groupSums(c.ops.new)
	case c.part != nil:
		if c.part.base != nil {
			base = c.part.base.sums
		}
		if c.part.new != nil {
			new = c.part.new.sums
		}
	}
	for _, p := range c.all {
		if p.base != nil {
			base.add(p.base.sums)
		}
		if p.new != nil {
			new.add(p.new.sums)
		}
	}
	return base, new
}

// explainHost says when the step grew without its ops: compilations, or time in
// which no device works.
func (d *differ) explainHost() {
	if d.new.side.Compiles > d.base.side.Compiles {
		d.c.Explain = append(d.c.Explain, Explained{Key: "compilations", Reason: "recompile",
			Detail: fmt.Sprintf("%d in the base captures, %d in the new", d.base.side.Compiles, d.new.side.Compiles)})
	}
	if len(d.strata) == 0 {
		return
	}
	gap := func(v *view) []float64 {
		return d.stepValues(v, func(s *Step) float64 {
			return max(float64(s.Dur-s.Busy/Duration(max(len(v.side.Runs[0].Devices), 1))), 0)
		})
	}
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Metric != "duration" || !isChange(r.Verdict) {
			continue
		}
		grown := medianOf(gap(d.new)) - medianOf(gap(d.base))
		if whole := r.NewValue - r.BaseValue; grown/whole > 0.5 {
			d.c.Explain = append(d.c.Explain, Explained{Key: "step duration", Delta: Duration(grown), Reason: "host-gap",
				Detail: "time of the step in which no device works"})
		}
	}
}
