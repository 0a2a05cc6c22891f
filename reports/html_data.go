// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
)

// What a page holds at most, so that one of a capture with a million ops opens.
// The rest is summed up and said.
const (
	pageOps   = 5000
	pageLong  = 300 // ops with their HLO text
	pageSteps = 2000
	pageScope = 4000
	longRunes = 1200
)

// pageData is what the script of a report's page reads. Durations are
// picoseconds; names are defused already. Columns of the op table are lists of
// equal length, those of repeating names are indexes into Names.
type pageData struct {
	OpTime  int64       `json:"opTime"`
	Listed  int64       `json:"listed"` // op time of the ops below
	OpCount int         `json:"opCount"`
	PeakF   float64     `json:"peakF"`
	PeakB   float64     `json:"peakB"`
	Comps   []string    `json:"comps"` // the largest first: the order of colours
	Layers  []pageLayer `json:"layers"`
	Rest    int64       `json:"rest"` // unattributed
	Steps   []pageStep  `json:"steps"`
	More    int         `json:"moreSteps"`
	Scopes  []pageNode  `json:"scopes"`
	Names   []string    `json:"names"`
	Ops     pageColumns `json:"ops"`
}

type pageLayer struct {
	Key     string     `json:"key"`
	Index   int        `json:"index"`
	Program string     `json:"program"`
	Self    int64      `json:"self"`
	Wall    int64      `json:"wall"`
	FLOPs   int64      `json:"flops"`
	Bytes   int64      `json:"bytes"`
	Parts   [][2]int64 `json:"parts"` // component, self
	Median  int64      `json:"median"`
	Lo      int64      `json:"lo"`
	Hi      int64      `json:"hi"`
	N       int        `json:"n"`
	Ratio   float64    `json:"ratio"` // of an outlier to its peers
	Note    string     `json:"note"`
	Steps   []int64    `json:"steps"`
}

type pageStep struct {
	Index    int64  `json:"index"`
	Dur      int64  `json:"dur"`
	Busy     int64  `json:"busy"`
	OpTime   int64  `json:"op"`
	Excluded bool   `json:"out"`
	Reason   string `json:"why"`
}

// pageNode is a scope: its path in parts of Names, self and total.
type pageNode struct {
	Path  []int `json:"p"`
	Self  int64 `json:"s"`
	Total int64 `json:"t"`
}

type pageColumns struct {
	Name      []string       `json:"name"`
	Group     []int          `json:"group"` // the largest op that does the same work in another layer, or itself
	Category  []int          `json:"category"`
	Scope     []int          `json:"scope"`
	Layer     []int          `json:"layer"`
	Component []int          `json:"component"`
	Program   []int          `json:"program"`
	Source    []int          `json:"source"`
	Bound     []int          `json:"bound"`
	Shape     []int          `json:"shape"`
	Count     []int64        `json:"count"`
	Self      []int64        `json:"self"`
	Total     []int64        `json:"total"`
	Min       []int64        `json:"min"`
	FLOPs     []int64        `json:"flops"`
	Bytes     []int64        `json:"bytes"`
	Long      map[int]string `json:"long"`
}

// interned numbers names.
type interned struct {
	at   map[string]int
	list []string
}

func (n *interned) id(s string) int {
	id, ok := n.at[s]
	if !ok {
		id = len(n.list)
		n.at[s] = id
		n.list = append(n.list, displayed(s))
	}
	return id
}

func (r *Report) pageData() *pageData {
	names := &interned{at: make(map[string]int), list: []string{}}
	comps := r.colors()
	d := &pageData{
		OpTime: int64(r.opTime), OpCount: len(r.a.Ops), PeakF: r.peakFLOPs, PeakB: r.peakHBM,
		Comps: []string{}, Layers: []pageLayer{}, Rest: int64(r.a.Layers.Unattributed), Steps: []pageStep{}, Scopes: []pageNode{},
	}
	for _, c := range comps {
		d.Comps = append(d.Comps, displayed(or(c, "(unnamed)")))
	}
	for i := range r.a.Layers.Rows {
		d.Layers = append(d.Layers, r.pageLayer(&r.a.Layers.Rows[i], comps))
	}
	d.More = max(0, len(r.a.Steps)-pageSteps)
	for _, s := range firstN(r.a.Steps, pageSteps) {
		d.Steps = append(d.Steps, pageStep{s.Index, int64(s.Dur), int64(s.Busy), int64(s.OpTime), s.Excluded, displayed(s.Reason)})
	}
	scopes := slices.Clone(r.a.Scopes)
	slices.SortStableFunc(scopes, func(a, b analyze.Scope) int { return cmp.Compare(b.Total, a.Total) })
	for _, s := range firstN(scopes, pageScope) {
		var path []int
		for _, part := range strings.Split(s.Path, "/") {
			path = append(path, names.id(part))
		}
		d.Scopes = append(d.Scopes, pageNode{path, int64(s.Self), int64(s.Total)})
	}
	d.ops(r.a.Ops, names, newPageGroups(&r.a.Layers))
	d.Names = names.list
	return d
}

func (r *Report) pageLayer(l *analyze.Layer, comps []string) pageLayer {
	out := pageLayer{
		Key: displayed(l.Key), Index: l.Index, Program: displayed(l.Program), Self: int64(l.Self), Wall: int64(l.WallShare), FLOPs: l.FLOPs, Bytes: l.Bytes,
		Parts: [][2]int64{}, Median: int64(l.Samples.Median), N: l.Samples.N, Note: displayed(l.Note), Steps: []int64{},
	}
	if hasInterval(&l.Samples) {
		out.Lo, out.Hi = int64(l.Samples.Lo), int64(l.Samples.Hi)
	}
	for _, c := range l.Components {
		if i := slices.Index(comps, c.Name); i >= 0 {
			out.Parts = append(out.Parts, [2]int64{int64(i), int64(c.Self)})
		}
	}
	slices.SortFunc(out.Parts, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	for _, o := range r.a.Layers.Outliers {
		if o.Key == l.Key {
			out.Ratio = o.Ratio
		}
	}
	for _, d := range firstN(l.PerStep, pageSteps) {
		out.Steps = append(out.Steps, int64(d))
	}
	return out
}

// colors are the components in the order of their colours, the largest first.
func (r *Report) colors() []string {
	sum := make(map[string]analyze.Duration)
	var out []string
	add := func(cs []analyze.Component) {
		for _, c := range cs {
			if _, ok := sum[c.Name]; !ok {
				out = append(out, c.Name)
			}
			sum[c.Name] += c.Self
		}
	}
	for i := range r.a.Layers.Rows {
		add(r.a.Layers.Rows[i].Components)
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(sum[b], sum[a]) })
	return out
}

// pageGroups finds ops that do the same work in several layers, as foldOps does.
type pageGroups struct {
	layers map[string]bool
	first  map[opKey]int
}

func newPageGroups(l *analyze.Layers) *pageGroups {
	g := &pageGroups{layers: make(map[string]bool), first: make(map[opKey]int)}
	for i := range l.Rows {
		g.layers[l.Rows[i].Key] = l.Rows[i].Index >= 0
	}
	return g
}

// of returns the number of the first op of o's group, which is i for a new one.
func (g *pageGroups) of(o *analyze.Op, i int) int {
	if !g.layers[o.Layer] {
		return i
	}
	key := newOpKey(o)
	if at, ok := g.first[key]; ok {
		return at
	}
	g.first[key] = i
	return i
}

func (d *pageData) ops(ops []analyze.Op, names *interned, groups *pageGroups) {
	ops = slices.Clone(ops)
	slices.SortStableFunc(ops, func(a, b analyze.Op) int { return cmp.Compare(b.Self, a.Self) })
	c := &d.Ops
	c.Name, c.Long = []string{}, map[int]string{}
	for i := range firstN(ops, pageOps) {
		o := &ops[i]
		d.Listed += int64(o.Self)
		c.Name = append(c.Name, displayed(o.Name))
		c.Group = append(c.Group, groups.of(o, i))
		c.Category = append(c.Category, names.id(o.Category))
		c.Scope = append(c.Scope, names.id(shownScope(o.Scope)))
		c.Layer = append(c.Layer, names.id(or(o.Layer, unattributed)))
		c.Component = append(c.Component, names.id(o.Component))
		c.Program = append(c.Program, names.id(o.Program))
		c.Source = append(c.Source, names.id(o.Source))
		c.Bound = append(c.Bound, names.id(o.BoundBy))
		c.Shape = append(c.Shape, names.id(o.Shape))
		c.Count = append(c.Count, o.Occurrences)
		c.Self = append(c.Self, int64(o.Self))
		c.Total = append(c.Total, int64(o.Total))
		c.Min = append(c.Min, int64(o.Min))
		c.FLOPs = append(c.FLOPs, o.FLOPs)
		c.Bytes = append(c.Bytes, o.Bytes)
		if i < pageLong && o.Long != "" && o.Long != o.Name {
			c.Long[i] = firstChars(termtext.Safe(homeless(o.Long)), longRunes)
		}
	}
}
