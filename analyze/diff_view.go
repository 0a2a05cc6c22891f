// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

type severity = trace.Severity

// A view is one side, its runs merged by what a part is rather than by its name
// in the file.
type view struct {
	side  *Side
	name  string // "base", "new"
	steps int64  // steps behind the totals, over all runs; at least one a run
	parts []*part
	byKey map[string]*part
	none  int64    // unattributed
	twice []string // files given again, which were dropped
}

// A part is a row of the layer table, over all runs of a side.
type part struct {
	key   string
	index int
	sums
	comps []*compPart
	rows  []*Layer // by run; nil where the run lacks it
}

// sums are totals over all runs.
type sums struct {
	self, wall, count, flops, bytes int64
}

// A compPart is one component of a part.
type compPart struct {
	name string
	sums
	rest   int64 // self time that no op of the table accounts for (scanned layers)
	groups []*opGroup
}

// An opKey is what is known of an op that survives a recompile.
type opKey struct {
	scope    string // below the layer
	prim     string
	category string
	stem     string
	shape    string
}

// An opGroup is the ops of a component that have one key.
type opGroup struct {
	key opKey
	sums
	names  []string // of the first run that has it
	long   []string // HLO, likewise
	run    int      // that run
	each   []int64  // self time by run
	counts []int64  // executions by run
}

func newView(side *Side, name string) (*view, error) {
	v := &view{side: side, name: name, byKey: make(map[string]*part)}
	if side.Label == "" {
		side.Label = name
	}
	if len(side.Runs) == 0 {
		return nil, fmt.Errorf("%s: no captures", side.Label)
	}
	v.dropTwins()
	side.Steps, side.Excluded, side.DisturbedSteps, side.Compiles = 0, 0, 0, 0
	side.Disturbed = make([]bool, len(side.Runs))
	for r, a := range side.Runs {
		if a.Layers.OpTime == 0 {
			return nil, fmt.Errorf("%s: %s holds no op time, nothing to compare", side.Label, runName(side, r))
		}
		v.addRun(r, a)
	}
	return v, nil
}

// dropTwins leaves out captures given twice: they are no further evidence.
func (v *view) dropTwins() {
	seen := make(map[string]bool)
	var runs []*Analysis
	for r, a := range v.side.Runs {
		if id := runID(v.side, r); id == "" || !seen[id] {
			seen[id] = true
			runs = append(runs, a)
		} else {
			v.twice = append(v.twice, runName(v.side, r))
		}
	}
	v.side.Runs = runs
}

// runName names a run of a side by its file.
func runName(side *Side, r int) string {
	if in := side.Runs[r].Inputs; len(in) > 0 && in[0].Path != "" {
		return in[0].Path
	}
	return fmt.Sprintf("run %d", r+1)
}

func (v *view) addRun(r int, a *Analysis) {
	steps := int64(0)
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Reason != "no ops" {
			steps++
		}
		switch {
		case s.Excluded:
			v.side.Excluded++
		default:
			v.side.Steps++
			if s.Reason == "outlier" {
				v.side.DisturbedSteps++
			}
		}
	}
	v.side.Compiles += len(a.Compiles)
	v.steps += max(steps, 1)
	v.none += int64(a.Layers.Unattributed)
	for i := range a.Layers.Rows {
		v.addPart(r, &a.Layers.Rows[i])
	}
	v.addOps(r, a)
}

func (v *view) addPart(r int, l *Layer) {
	p := v.byKey[l.Key]
	if p == nil {
		p = &part{key: l.Key, index: l.Index, rows: make([]*Layer, len(v.side.Runs))}
		v.byKey[l.Key] = p
		v.parts = append(v.parts, p)
	}
	p.rows[r] = l
	p.add(sums{int64(l.Self), int64(l.WallShare), l.Occurrences, l.FLOPs, l.Bytes})
	for i := range l.Components {
		c := &l.Components[i]
		cp := p.component(c.Name)
		cp.add(sums{self: int64(c.Self), flops: c.FLOPs, bytes: c.Bytes})
		cp.rest += int64(c.Self)
	}
}

func (s *sums) add(o sums) {
	s.self += o.self
	s.wall += o.wall
	s.count += o.count
	s.flops += o.flops
	s.bytes += o.bytes
}

func (p *part) component(name string) *compPart {
	for _, c := range p.comps {
		if c.name == name {
			return c
		}
	}
	c := &compPart{name: name}
	p.comps = append(p.comps, c)
	return c
}

// addOps groups the ops of a run under the components they belong to. Ops of
// scanned layers belong to several and stay out; their time is the components'
// rest.
func (v *view) addOps(r int, a *Analysis) {
	type place struct {
		part *part
		comp string
		key  opKey
	}
	at := make(map[place]*opGroup)
	folds := make(map[string]folded)
	for i := range a.Ops {
		o := &a.Ops[i]
		p := v.byKey[o.Layer]
		if p == nil || o.Layer == "" {
			continue
		}
		c := p.component(o.Component)
		if c.rest < int64(o.Self) {
			continue // the table has cut it in parts; what is left stays together
		}
		where := place{p, o.Component, keyOf(o, folds)}
		g := at[where]
		if g == nil {
			if k := slices.IndexFunc(c.groups, func(g *opGroup) bool { return g.key == where.key }); k >= 0 {
				g = c.groups[k]
			} else {
				g = &opGroup{key: where.key, run: r, each: make([]int64, len(v.side.Runs)), counts: make([]int64, len(v.side.Runs))}
				c.groups = append(c.groups, g)
			}
			at[where] = g
		}
		g.add(sums{int64(o.Self), 0, o.Occurrences, o.FLOPs, o.Bytes})
		g.each[r] += int64(o.Self)
		g.counts[r] += o.Occurrences
		c.count += o.Occurrences
		c.rest -= int64(o.Self)
		if g.run == r {
			g.names = append(g.names, o.Name)
			if o.Long != "" {
				g.long = append(g.long, o.Long)
			}
		}
	}
}

// keyOf returns the op's key.
func keyOf(o *Op, folds map[string]folded) opKey {
	f := foldScope(folds, o.Scope)
	inner := f.parts
	if f.layer >= 0 && f.inner <= len(inner) {
		inner = inner[f.inner:]
	}
	return opKey{
		scope: strings.Join(inner, "/"), prim: f.prim, category: o.Category, stem: opStem(o.Name), shape: plainShape(o.Shape),
	}
}

// opStem is an op's name without what compilers append to make it unique.
func opStem(name string) string {
	for {
		i := strings.LastIndexAny(name, "._-")
		if i <= 0 {
			return name
		}
		switch tail := name[i+1:]; {
		case tail == "clone", strings.Trim(tail, "0123456789") == "" && tail != "",
			strings.HasPrefix(tail, "remat") && strings.Trim(tail[5:], "0123456789") == "":
			name = name[:i]
		default:
			return name
		}
	}
}

// plainShape is a shape without its layout, which compilers choose anew.
func plainShape(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '{':
			depth++
		case r == '}':
			depth = max(0, depth-1)
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}
