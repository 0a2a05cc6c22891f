// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

const (
	nameWidth  = 44 // of op names in text and Markdown
	scopeWidth = 56
)

// layerBlocks is the layer table.
func (r *Report) layerBlocks() []block {
	l := &r.a.Layers
	t := newLayerTable(r)
	groups := foldLayers(l, r.opts.All)
	t.bars = !slices.ContainsFunc(groups, func(g layerGroup) bool { return g.ordered != nil })
	for i := range groups {
		t.group(&groups[i])
	}
	if r.filtered() {
		t.plain(unattributed, l.Unattributed, "")
		t.plain("not matched by the filter", r.opTime-l.OpTime, "")
	} else {
		t.plain(unattributed, l.Unattributed, largest(l.UnattributedOps))
		t.restOfWall()
	}
	t.total("op time", r.opTime)
	b := block{title: "Layers", table: t.build(), after: t.notes()}
	return []block{b}
}

// largest names the ops that make up most of what could not be placed.
func largest(ops []analyze.Op) string {
	var names []string
	for i := range firstN(ops, 3) {
		names = append(names, elide(ops[i].Name, 24))
	}
	if len(names) == 0 {
		return ""
	}
	return "largest: " + strings.Join(names, ", ")
}

// A layerTable collects the rows of the layer table and then leaves out the
// columns that say nothing.
type layerTable struct {
	r      *Report
	tab    tab
	busy   analyze.Duration
	median map[string]analyze.Duration // by program, of a step of a layer
	// launched are the bytes of copies that a row only starts or awaits.
	launched map[string]int64
	back     bool // directions other than forward
	wall     bool // wall shares differ from self time
	sampled  bool
	folded   bool
	bars     bool             // a fold's bar would dwarf those of single layers
	notAll   *analyze.Samples // the row with fewest samples, when too few
	most     int              // steps behind the medians
	conf     float64          // the least confidence reached
}

func newLayerTable(r *Report) *layerTable {
	t := &layerTable{r: r, median: medians(&r.a.Layers), launched: launchedBytes(r.a.Ops, func(o *analyze.Op) string { return o.Layer })}
	for i := range r.a.Devices {
		t.busy += r.a.Devices[i].Busy
	}
	var overlap, back analyze.Duration
	for i := range r.a.Layers.Rows {
		l := &r.a.Layers.Rows[i]
		back += l.Backward + l.Recompute
		overlap += max(l.Self-l.WallShare, l.WallShare-l.Self)
		t.wall = t.wall || l.WallShare != 0
		if s := &l.Samples; s.N > 0 {
			t.sampled = true
			t.most = max(t.most, s.N)
			if s.Need > 0 && (t.notAll == nil || s.N < t.notAll.N) {
				t.notAll = s
			}
			if s.Confidence > 0 && (t.conf == 0 || s.Confidence < t.conf) {
				t.conf = s.Confidence
			}
		}
	}
	// Half a percent is worth a column.
	t.wall, t.back = t.wall && overlap*200 > r.opTime, back*200 > r.opTime
	t.tab = tab{columns: []texttab.Column{
		{Header: "layer", Code: true, Elide: true},
		{Header: "self", Unit: quantity.Time},
		{Header: "self", Unit: quantity.Share, Of: "op time"},
		{Header: "", Unit: quantity.Share, Bar: 12},
		{Header: "wall share", Unit: quantity.Share, Of: "busy"},
		{Header: "self a step", Unit: quantity.Time},
		{Header: "vs median", Unit: quantity.Ratio},
		{Header: "forward", Unit: quantity.Share, Of: "self"},
		{Header: "backward", Unit: quantity.Share, Of: "self"},
		{Header: "recompute", Unit: quantity.Share, Of: "self"},
		{Header: "compute", Unit: quantity.FLOPRate},
		{Header: "memory", Unit: quantity.ByteRate},
		{Header: "note"},
	}}
	return t
}

// medians returns the median layer's time by program.
func medians(l *analyze.Layers) map[string]analyze.Duration {
	by := make(map[string][]analyze.Duration)
	for i := range l.Rows {
		if row := &l.Rows[i]; row.Index >= 0 {
			by[row.Program] = append(by[row.Program], typical(row))
		}
	}
	out := make(map[string]analyze.Duration, len(by))
	for p, list := range by {
		slices.Sort(list)
		out[p] = list[(len(list)-1)/2]
	}
	return out
}

// group adds one row. That of a fold sums its members up, shows the step of the
// median one and names the extremes.
func (t *layerTable) group(g *layerGroup) {
	if !g.folded() {
		t.layer(g.layers[0].Key, g.layers[0])
		return
	}
	var sum analyze.Layer
	for _, l := range g.layers {
		sum.Self += l.Self
		sum.WallShare += l.WallShare
		sum.Forward += l.Forward
		sum.Backward += l.Backward
		sum.Recompute += l.Recompute
		sum.FLOPs += l.FLOPs
		sum.Bytes += l.Bytes - t.launched[l.Key]
		sum.Mixed += l.Mixed
	}
	sum.Index = -1
	if g.ordered == nil {
		sum.Note = "each below 0.1 % of op time: " + keyList(g.layers)
		t.layer(g.label, &sum)
		t.folded = true
		return
	}
	sum.Samples = g.median().Samples
	sum.Note = fmt.Sprintf("each: min %s, median %s, max %s", each(g.least()), each(g.median()), each(g.most()))
	t.layer(g.label, &sum)
	if note := memberNotes(g.layers); note != "" {
		row := t.tab.rows[len(t.tab.rows)-1]
		row.Cells[0] = row.Cells[0].Note(t.tab.note(note))
	}
	t.folded = true
}

// memberNotes gathers the notes of a fold's members: "layer_0: …; layer_5: …".
func memberNotes(layers []*analyze.Layer) string {
	var order []string
	keys := make(map[string][]string)
	for _, l := range layers {
		if l.Note == "" {
			continue
		}
		if len(keys[l.Note]) == 0 {
			order = append(order, l.Note)
		}
		keys[l.Note] = append(keys[l.Note], l.Key)
	}
	var parts []string
	for _, note := range order {
		who := strings.Join(keys[note], ", ")
		if n := len(keys[note]); n > 3 {
			who = fmt.Sprintf("%d of them", n)
		}
		parts = append(parts, who+": "+note)
	}
	return strings.Join(parts, "; ")
}

// keyList names the first few of some rows.
func keyList(layers []*analyze.Layer) string {
	var keys []string
	for _, l := range firstN(layers, 5) {
		keys = append(keys, elide(l.Key, 24))
	}
	if len(layers) > 5 {
		keys = append(keys, "…")
	}
	return strings.Join(keys, ", ")
}

// each writes what a member of a fold takes, and its name.
func each(l *analyze.Layer) string {
	return fmt.Sprintf("%s (%s)", duration(typical(l)), l.Key)
}

func (t *layerTable) layer(label string, l *analyze.Layer) {
	cells := make([]texttab.Cell, len(t.tab.columns))
	cells[0] = texttab.Text(label)
	cells[1] = ps(l.Self)
	cells[2] = fraction(l.Self, t.r.opTime)
	if t.bars {
		cells[3] = fraction(l.Self, t.r.opTime)
	}
	if t.wall {
		cells[4] = fraction(l.WallShare, t.busy)
	}
	if l.Samples.N > 0 {
		cells[5] = sampleCell(&l.Samples)
	}
	if m := t.median[l.Program]; l.Index >= 0 && m > 0 {
		cells[6] = texttab.Real(float64(typical(l)) / float64(m))
	}
	if t.back && l.Self > 0 {
		cells[7], cells[8], cells[9] = fraction(l.Forward, l.Self), fraction(l.Backward, l.Self), fraction(l.Recompute, l.Self)
	}
	if !t.r.narrow(120) {
		cells[10], cells[11] = t.r.rates(&t.tab, l.FLOPs, l.Bytes-t.launched[l.Key], l.Self)
	}
	cells[12] = texttab.Text(t.remark(l))
	if l.Note != "" && !t.short(l) {
		cells[0] = cells[0].Note(t.tab.note(l.Note))
	}
	if t.outlier(l.Key) != nil {
		for i := range cells {
			if cells[i] != (texttab.Cell{}) {
				cells[i] = cells[i].Tone(texttab.Strong)
			}
		}
	}
	t.tab.add(cells...)
}

func (t *layerTable) outlier(key string) *analyze.Outlier {
	list := t.r.a.Layers.Outliers
	if i := slices.IndexFunc(list, func(o analyze.Outlier) bool { return o.Key == key }); i >= 0 && key != "" {
		return &list[i]
	}
	return nil
}

// remark says what is special about a layer.
func (t *layerTable) remark(l *analyze.Layer) string {
	var parts []string
	if o := t.outlier(l.Key); o != nil {
		s := "outlier"
		if c, ratio := cause(&t.r.a.Layers, l.Key); c != "" {
			s += ": " + c + " " + times(ratio)
		}
		parts = append(parts, s)
		if o.Note != "" && o.Note != l.Note {
			parts = append(parts, o.Note)
		}
	}
	if l.Note != "" && t.short(l) {
		parts = append(parts, l.Note)
	}
	if l.Mixed*20 > l.Self {
		parts = append(parts, fmt.Sprintf("%s in fusions shared with other rows", percent(share(l.Mixed, l.Self))))
	}
	return strings.Join(parts, "; ")
}

// short reports whether a row's note fits beside it; others go under the table.
func (t *layerTable) short(l *analyze.Layer) bool { return l.Key == "" || len(l.Note) <= 40 }

// cause returns the component whose excess over its peers' median explains most
// of an outlier, with its ratio; "" when components don't tell.
func cause(l *analyze.Layers, key string) (string, float64) {
	i := slices.IndexFunc(l.Rows, func(r analyze.Layer) bool { return r.Key == key })
	if i < 0 {
		return "", 0
	}
	row := &l.Rows[i]
	var name string
	var ratio float64
	var excess analyze.Duration
	for _, c := range row.Components {
		m := peerMedian(l, row, c.Name)
		if d := c.Self - m; m > 0 && d > excess {
			name, ratio, excess = or(c.Name, "unnamed"), float64(c.Self)/float64(m), d
		}
	}
	if ratio < 1.1 {
		return "", 0
	}
	return name, ratio
}

// peerMedian returns the median self time of a component over the other layers.
func peerMedian(l *analyze.Layers, row *analyze.Layer, component string) analyze.Duration {
	var list []analyze.Duration
	for i := range l.Rows {
		p := &l.Rows[i]
		if p.Index < 0 || p.Program != row.Program || p.Key == row.Key {
			continue
		}
		for _, c := range p.Components {
			if c.Name == component {
				list = append(list, c.Self)
			}
		}
	}
	if len(list) < 2 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// plain adds a row that has a self time only.
func (t *layerTable) plain(label string, self analyze.Duration, note string) {
	cells := make([]texttab.Cell, len(t.tab.columns))
	cells[0], cells[1], cells[2] = texttab.Text(label), ps(self), fraction(self, t.r.opTime)
	cells[12] = texttab.Text(note)
	t.tab.rows = append(t.tab.rows, texttab.Row{Cells: cells})
}

// restOfWall gives the last row the wall share that no other row has.
func (t *layerTable) restOfWall() {
	if !t.wall {
		return
	}
	rest := t.busy
	for i := range t.r.a.Layers.Rows {
		rest -= t.r.a.Layers.Rows[i].WallShare
	}
	t.tab.rows[len(t.tab.rows)-1].Cells[4] = fraction(rest, t.busy)
}

func (t *layerTable) total(label string, self analyze.Duration) {
	t.plain(label, self, "")
	row := &t.tab.rows[len(t.tab.rows)-1]
	row.Total = true
	if t.wall {
		row.Cells[4] = fraction(t.busy, t.busy)
	}
}

func (t *layerTable) build() *texttab.Table { return t.tab.table() }
