// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// deviceBlock lists the devices of a capture with several.
func (r *Report) deviceBlock() block {
	t := tab{columns: []texttab.Column{
		{Header: "device", Code: true, Elide: true},
		{Header: "host", Elide: true},
		{Header: "kind"},
		{Header: "op time", Unit: quantity.Time, Scale: "t"},
		{Header: "share", Unit: quantity.Share, Of: "op time"},
		{Header: "busy", Unit: quantity.Time, Scale: "t"},
		{Header: "idle", Unit: quantity.Time, Scale: "t"},
		{Header: "window", Unit: quantity.Time, Scale: "t"},
		{Header: "idle", Unit: quantity.Share, Of: "window"},
		{Header: "op events", Unit: quantity.Count},
	}}
	hosts := make(map[string]bool)
	for i := range r.a.Devices {
		hosts[r.a.Devices[i].Host] = true
	}
	var busy, idle, window analyze.Duration
	for i := range r.a.Devices {
		d := &r.a.Devices[i]
		host := d.Host
		if len(hosts) < 2 {
			host = ""
		}
		t.add(texttab.Text(d.Name), texttab.Text(host), texttab.Text(or(d.Type, d.Kind)), ps(d.OpTime), fraction(d.OpTime, r.opTime),
			ps(d.Busy), ps(d.Idle), ps(d.Window), fraction(d.Idle, d.Window), texttab.Int(d.OpEvents))
		busy, idle, window = busy+d.Busy, idle+d.Idle, window+d.Window
	}
	t.total(texttab.Text("all devices"), texttab.Cell{}, texttab.Cell{}, ps(r.opTime), fraction(r.opTime, r.opTime),
		ps(busy), ps(idle), ps(window), fraction(idle, window), texttab.Int(r.opEvents()))
	return block{title: "Devices", table: t.table()}
}

// shareColumns are the columns of a table whose rows add up to op time.
func shareColumns(name string) []texttab.Column {
	return []texttab.Column{
		{Header: name, Code: true, Elide: true},
		{Header: "self", Unit: quantity.Time},
		{Header: "self", Unit: quantity.Share, Of: "op time"},
		{Unit: quantity.Share, Bar: 20},
	}
}

// sum adds the rows that make a table complete: what isn't in it, and the total.
func (r *Report) sum(t *tab, listed analyze.Duration, rest string) {
	left := r.a.Layers.OpTime - listed
	if left != 0 {
		t.add(texttab.Text(rest), ps(left), fraction(left, r.opTime))
	}
	if r.filtered() {
		out := r.opTime - r.a.Layers.OpTime
		t.add(texttab.Text("not matched by the filter"), ps(out), fraction(out, r.opTime))
	}
	t.total(texttab.Text("op time"), ps(r.opTime), fraction(r.opTime, r.opTime))
}

func (r *Report) componentBlocks() []block {
	if len(r.a.Components) == 0 {
		return nil
	}
	t := tab{columns: append(shareColumns("component"),
		texttab.Column{Header: "compute", Unit: quantity.FLOPRate}, texttab.Column{Header: "memory", Unit: quantity.ByteRate})}
	comps := slices.Clone(r.a.Components)
	slices.SortStableFunc(comps, func(a, b analyze.Component) int { return cmp.Compare(b.Self, a.Self) })
	launched := launchedBytes(r.a.Ops, func(o *analyze.Op) string { return o.Component })
	var listed analyze.Duration
	for _, c := range comps {
		compute, memory := r.rates(&t, c.FLOPs, c.Bytes-launched[c.Name], c.Self)
		t.add(texttab.Text(or(c.Name, "(unnamed)")), ps(c.Self), fraction(c.Self, r.opTime), fraction(c.Self, r.opTime), compute, memory)
		listed += c.Self
	}
	r.sum(&t, listed, "(no component)")
	return []block{{title: "Components", table: t.table()}}
}

func (r *Report) categoryBlocks() []block {
	if len(r.a.Categories) == 0 {
		return nil
	}
	t := tab{columns: append(shareColumns("category"), texttab.Column{Header: "count", Unit: quantity.Count})}
	cats := slices.Clone(r.a.Categories)
	slices.SortStableFunc(cats, func(a, b analyze.Category) int { return cmp.Compare(b.Self, a.Self) })
	var listed analyze.Duration
	for _, c := range firstN(cats, r.opts.textTop()) {
		t.add(texttab.Text(or(c.Name, "(not stated)")), ps(c.Self), fraction(c.Self, r.opTime), fraction(c.Self, r.opTime), texttab.Int(c.Occurrences))
		listed += c.Self
	}
	r.sum(&t, listed, more(len(cats), r.opts.textTop(), "category", "categories"))
	return []block{{title: "Categories", table: t.table()}}
}

// more names the row that stands for what --top left out.
func more(have, top int, one, many string) string {
	n := have - top
	switch {
	case top < 0 || n <= 0:
		return "(not in any)"
	case n == 1:
		return "1 more " + one
	}
	return number(n) + " more " + many
}

func (r *Report) scopeBlocks() []block {
	t := tab{columns: append(shareColumns("scope"),
		texttab.Column{Header: "with inner scopes", Unit: quantity.Time},
		texttab.Column{Header: "with inner scopes", Unit: quantity.Share, Of: "op time"},
		texttab.Column{Header: "count", Unit: quantity.Count})}
	scopes := slices.Clone(r.a.Scopes)
	slices.SortStableFunc(scopes, func(a, b analyze.Scope) int { return cmp.Compare(b.Total, a.Total) })
	var listed analyze.Duration
	for _, s := range firstN(scopes, r.opts.textTop()) {
		t.add(texttab.Text(or(elide(shownScope(s.Path), scopeWidth), "(no scope)")), ps(s.Self), fraction(s.Self, r.opTime), fraction(s.Self, r.opTime),
			ps(s.Total), fraction(s.Total, r.opTime), texttab.Int(s.Occurrences))
		listed += s.Self
	}
	r.sum(&t, listed, more(len(scopes), r.opts.textTop(), "scope", "scopes"))
	return []block{{title: "Scopes", table: t.table(), after: []string{"Self is of ops directly in a scope and adds up to op time; with inner scopes, outer ones count their inner ones again."}}}
}

// A sourceLine sums the ops of one source line.
type sourceLine struct {
	at    string
	self  analyze.Duration
	count int64
	ops   int
}

// bySource sums the op table by source line, most self time first.
func bySource(a *analyze.Analysis) []sourceLine {
	at := make(map[string]int)
	var lines []sourceLine
	for i := range a.Ops {
		o := &a.Ops[i]
		k, ok := at[o.Source]
		if !ok {
			k = len(lines)
			at[o.Source] = k
			lines = append(lines, sourceLine{at: o.Source})
		}
		lines[k].self += o.Self
		lines[k].count += o.Occurrences
		lines[k].ops++
	}
	slices.SortStableFunc(lines, func(a, b sourceLine) int { return cmp.Compare(b.self, a.self) })
	return lines
}

func (r *Report) sourceBlocks() []block {
	lines := bySource(r.a)
	t := tab{columns: append(shareColumns("source"), texttab.Column{Header: "ops", Unit: quantity.Count}, texttab.Column{Header: "count", Unit: quantity.Count})}
	var listed analyze.Duration
	for _, l := range firstN(lines, r.opts.textTop()) {
		name := or(elide(homeless(l.at), scopeWidth), "(not stated)")
		t.add(texttab.Text(name), ps(l.self), fraction(l.self, r.opTime), fraction(l.self, r.opTime), texttab.Int(int64(l.ops)), texttab.Int(l.count))
		listed += l.self
	}
	r.sum(&t, listed, more(len(lines), r.opts.textTop(), "line", "lines"))
	return []block{{title: "Source lines", table: t.table()}}
}

const programRows = 8 // in text; a cold capture has dozens of one-op programs

func (r *Report) programBlocks() []block {
	if len(r.a.Programs) == 0 {
		return nil
	}
	top := programRows
	if r.opts.All || r.opts.Top < 0 {
		top = -1
	}
	programs := slices.Clone(r.a.Programs)
	slices.SortStableFunc(programs, func(a, b analyze.Program) int {
		return cmp.Or(cmp.Compare(b.OpTime, a.OpTime), cmp.Compare(b.Executions, a.Executions))
	})
	t := programTable(r, firstN(programs, top))
	var listed, all analyze.Duration
	for i := range programs {
		if all += programs[i].OpTime; top < 0 || i < top {
			listed += programs[i].OpTime
		}
	}
	line := func(add func(...texttab.Cell), label string, d analyze.Duration) {
		add(texttab.Text(label), texttab.Cell{}, texttab.Cell{}, texttab.Cell{}, texttab.Cell{}, ps(d), fraction(d, r.opTime))
	}
	if n := len(programs) - programRows; top > 0 && n > 0 {
		line(t.add, fmt.Sprintf("%d more", n), all-listed)
	}
	if rest := r.opTime - all; rest != 0 {
		line(t.add, "(no program)", rest)
	}
	line(t.total, "op time", r.opTime)
	return []block{{title: "Programs", table: t.table()}}
}

func programTable(r *Report, programs []analyze.Program) *tab {
	t := &tab{columns: []texttab.Column{
		{Header: "program", Code: true, Elide: true},
		{Header: "id"},
		{Header: "host", Elide: true},
		{Header: "executions", Unit: quantity.Count},
		{Header: "spans", Unit: quantity.Time},
		{Header: "op time", Unit: quantity.Time},
		{Header: "share", Unit: quantity.Share, Of: "op time"},
		{Header: "HLO"},
	}}
	names := make(map[string]int)
	for i := range r.a.Programs {
		names[r.a.Programs[i].Name]++
	}
	for i := range programs {
		p := &programs[i]
		host, id, hlo := p.Host, "", "absent"
		var span, runs texttab.Cell
		if len(r.a.Capture.Hosts) < 2 {
			host = ""
		}
		if names[p.Name] > 1 { // shapes of one function
			id = strconv.FormatUint(p.ID, 10)
		}
		if p.Total != 0 {
			span = ps(p.Total)
		}
		if p.Executions > 0 {
			runs = texttab.Int(int64(p.Executions))
		}
		if p.HasHLO {
			hlo = "yes"
		}
		t.add(texttab.Text(or(p.Name, "(unnamed)")), texttab.Text(id), texttab.Text(host), runs, span,
			ps(p.OpTime), fraction(p.OpTime, r.opTime), texttab.Text(hlo))
	}
	return t
}
