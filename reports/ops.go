// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// opBlocks is the table of the ops with most self time.
func (r *Report) opBlocks() []block {
	groups := foldOps(r.a, r.opts.All)
	t := tab{columns: []texttab.Column{
		{Header: "op", Code: true, Elide: true},
		{Header: "category", Elide: true},
		{Header: "scope", Code: true, Elide: true},
		{Header: "layer", Elide: true},
		{Header: "count", Unit: quantity.Count},
		{Header: "self", Unit: quantity.Time},
		{Header: "self", Unit: quantity.Share, Of: "op time"},
		{Header: "compute", Unit: quantity.FLOPRate},
		{Header: "memory", Unit: quantity.ByteRate},
		{Header: "bound by"},
		{Header: "program", Elide: true},
	}}
	top := r.opts.textTop()
	several := severalPrograms(firstN(groups, top))
	var listed analyze.Duration
	folded := false
	for i := range firstN(groups, top) {
		g := &groups[i]
		folded = folded || g.n > 1
		program, category, layer := elide(g.op.Program, 24), elide(g.op.Category, 24), g.layer
		if !several || r.narrow(170) {
			program = ""
		}
		if r.narrow(150) {
			category = ""
		}
		if r.narrow(120) {
			layer = "" // the scope most often says it
		}
		var compute, memory texttab.Cell
		if !launches(g.op.Category) {
			compute, memory = r.rates(&t, g.op.FLOPs, g.op.Bytes, g.op.Total)
		}
		t.add(texttab.Text(g.name()), texttab.Text(category), texttab.Text(elide(shownScope(g.op.Scope), scopeWidth)), texttab.Text(layer),
			texttab.Int(g.op.Occurrences), ps(g.op.Self), fraction(g.op.Self, r.opTime),
			compute, memory, texttab.Text(g.op.BoundBy), texttab.Text(program))
		listed += g.op.Self
	}
	r.sumOps(&t, groups, top, listed)
	b := block{title: "Top ops", table: t.table()}
	if folded {
		b.after = append(b.after, "Ops that do the same work in several layers share a row; --all lists each.")
	}
	if s := r.asyncSentence(); s != "" {
		b.after = append(b.after, s)
	}
	return []block{b}
}

func (r *Report) sumOps(t *tab, groups []opGroup, top int, listed analyze.Duration) {
	line := func(label string, d analyze.Duration) []texttab.Cell {
		return []texttab.Cell{texttab.Text(label), {}, {}, {}, {}, ps(d), fraction(d, r.opTime)}
	}
	if rest := r.a.Layers.OpTime - listed; rest != 0 {
		t.add(line(more(len(groups), top, "row", "rows"), rest)...)
	}
	if out := r.opTime - r.a.Layers.OpTime; r.filtered() {
		t.add(line("not matched by the filter", out)...)
	}
	t.total(line("op time", r.opTime)...)
}

// name is the op's name; a fold says of how many.
func (g *opGroup) name() string {
	if g.n == 1 {
		return elide(g.op.Name, nameWidth)
	}
	return fmt.Sprintf("%s (%d ops)", elide(g.op.Name, nameWidth), g.n)
}

// severalPrograms reports whether the ops listed are of more than one program.
func severalPrograms(groups []opGroup) bool {
	for i := range groups {
		if groups[i].op.Program != groups[0].op.Program {
			return true
		}
	}
	return false
}

// launches reports whether ops of a category only start or await work that is
// done beside them: their own duration says nothing about its rate.
func launches(category string) bool {
	return strings.HasSuffix(category, "-start") || strings.HasSuffix(category, "-done")
}

// launchedBytes sums the bytes of ops that only start or await, by what key
// says of them.
func launchedBytes(ops []analyze.Op, key func(*analyze.Op) string) map[string]int64 {
	sum := make(map[string]int64)
	for i := range ops {
		if launches(ops[i].Category) {
			sum[key(&ops[i])] += ops[i].Bytes
		}
	}
	return sum
}

// asyncSentence tells waiting that was hidden from waiting that wasn't.
func (r *Report) asyncSentence() string {
	as := &r.a.Async
	if as.Exposed == 0 && as.Overlapped == 0 {
		return ""
	}
	s := fmt.Sprintf("Async copies and collectives: %s exposed (%s of op time, spent in their -done ops)", duration(as.Exposed), percent(share(as.Exposed, r.opTime)))
	if as.Overlapped > 0 {
		s += ", " + duration(as.Overlapped) + " hidden behind other ops"
	}
	return s + "."
}
