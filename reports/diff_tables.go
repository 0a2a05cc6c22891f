// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// foldFrom is the number of layers from which unchanged ones are folded.
const foldFrom = 12

// layerBlock is the table of layers, named parts and the step.
func (d *diffReport) layerBlock(width int) block {
	t := d.newTab("layer", width)
	fold := d.c.Layers.Matched > foldFrom && !d.opts.All
	var folded []*analyze.DiffRow
	var missing []string
	flush := func() {
		if len(folded) == 1 {
			t.add(d.cells(t, folded[0], folded[0].Key)...)
		} else if len(folded) > 1 {
			t.add(d.foldCells(folded, missing)...)
		}
		folded, missing = nil, nil
	}
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level != "layer" || r.Metric != "op_time" || r.Key == "unattributed" && r.Base == 0 && r.New == 0 {
			continue
		}
		quiet := r.Status == "matched" && !changedRow(r)
		switch {
		case fold && r.Index >= 0 && quiet:
			folded = append(folded, r)
			continue
		case fold && r.Index >= 0:
			missing = append(missing, r.Key)
		case fold && len(folded) > 0:
			flush()
		}
		t.add(d.cells(t, r, r.Key)...)
	}
	flush()
	d.stepRows(t)
	return block{title: "Layers", table: t.table()}
}

func (d *diffReport) stepRows(t *tab) {
	for _, metric := range []string{"common_shift", "op_time", "duration"} {
		r := d.row(metric)
		if r.Key == "" {
			continue
		}
		name := map[string]string{"common_shift": "shift common to all layers", "op_time": "step (op time)", "duration": "step (duration)"}[metric]
		cells := d.cells(t, r, name)
		if metric == "common_shift" {
			cells[1], cells[2] = texttab.Cell{}, texttab.Cell{}
		}
		t.total(cells...)
	}
}

// newTab has the columns that all rows of a comparison share.
func (d *diffReport) newTab(first string, width int) *tab {
	own := "own change"
	t := &tab{columns: []texttab.Column{
		{Header: first, Code: true, Elide: true},
		{Header: "base", Group: "median step", Unit: quantity.Time, Scale: "time"},
		{Header: "new", Group: "median step", Unit: quantity.Time, Scale: "time"},
		{Header: "change", Unit: quantity.Change},
		{Header: own, Unit: quantity.Change},
		{Header: fmt.Sprintf("%.3g %% interval", 100*(1-d.c.Options.Alpha))}, // 99.5 of sequential looks
		{Header: "q", Unit: quantity.None},
		{Header: "verdict"},
		{Header: "FLOP", Unit: quantity.Change},
		{Header: "bytes", Unit: quantity.Change},
	}}
	if width > 0 && width < 100 {
		t.columns[6].Header = "q"
	}
	return t
}

// cells are a row's cells. The own change is the change without what all layers
// share.
func (d *diffReport) cells(t *tab, r *analyze.DiffRow, name string) []texttab.Cell {
	var base, new, change, own, interval, q texttab.Cell
	if r.Status != "added" {
		base = texttab.Real(r.BaseValue)
	}
	if r.Status != "removed" {
		new = texttab.Real(r.NewValue)
	}
	if r.Status == "matched" || r.Status == "moved" {
		change = texttab.Real(r.Raw)
	}
	verdict := texttab.Text(word(r)).Tone(tone(r))
	if hasBounds(r) {
		own, interval = texttab.Real(r.Effect).Tone(tone(r)), texttab.Text(bounds(r))
		q = texttab.Text(qText(r.Q))
	}
	if r.Level == "step" && r.Metric != "common_shift" {
		own = texttab.Cell{} // the step keeps what its layers share
	}
	if note := rowNote(r); note != "" {
		verdict = verdict.Note(t.note(note))
	}
	return []texttab.Cell{texttab.Text(name), base, new, change, own, interval, q, verdict, costCell(r.BaseFLOPs, r.NewFLOPs), costCell(r.BaseBytes, r.NewBytes)}
}

func rowNote(r *analyze.DiffRow) string {
	note := r.Note
	if r.Key == "unattributed" || r.Metric == "common_shift" {
		note = ""
	}
	if r.BaseKey != "" {
		note = strings.TrimPrefix(note+"; called "+r.BaseKey[strings.LastIndexByte(r.BaseKey, '/')+1:]+" before", "; ")
	}
	return note
}

// costCell shows a cost only where it changed.
func costCell(base, new float64) texttab.Cell {
	if base <= 0 || new <= 0 || math.Abs(new/base-1) < 0.005 {
		return texttab.Cell{}
	}
	return texttab.Real(new/base - 1)
}

func tone(r *analyze.DiffRow) texttab.Tone {
	switch {
	case r.Verdict == "REGRESSION":
		return texttab.Worse
	case r.Verdict == "IMPROVEMENT":
		return texttab.Better
	case r.Verdict == "DIFFERS" || r.Status == "added" || r.Status == "removed":
		return texttab.Strong
	case r.Verdict == "INCONCLUSIVE":
		return texttab.Dim
	}
	return texttab.Normal
}

func qText(q float64) string {
	if q < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", q)
}

// foldCells sums up unchanged layers in one row.
func (d *diffReport) foldCells(rows []*analyze.DiffRow, missing []string) []texttab.Cell {
	var base, new float64
	lo, hi, need := math.Inf(1), math.Inf(-1), 0
	equal := 0
	for _, r := range rows {
		base, new = base+r.BaseValue, new+r.NewValue
		lo, hi = min(lo, r.Effect), max(hi, r.Effect)
		need = max(need, r.Needed)
		if r.Verdict == "EQUIVALENT" {
			equal++
		}
	}
	n := float64(len(rows))
	verdict := fmt.Sprintf("%d ~, %d =", len(rows)-equal, equal)
	if equal == len(rows) {
		verdict = "="
	}
	name := span(rows[0].Key, rows[len(rows)-1].Key, len(rows), missing) + ", mean"
	return []texttab.Cell{
		texttab.Text(name), texttab.Real(base / n), texttab.Real(new / n), changeCell(base, new), {},
		texttab.Text("effects " + strings.TrimSuffix(pct(lo), " %") + " … " + pct(hi)), {}, texttab.Text(verdict).Tone(texttab.Dim),
	}
}

func changeCell(base, new float64) texttab.Cell {
	if base <= 0 {
		return texttab.Cell{}
	}
	return texttab.Real(new/base - 1)
}

// componentBlock shows what paid and what gained, over all layers.
func (d *diffReport) componentBlock() block {
	t := &tab{columns: []texttab.Column{
		{Header: "component", Code: true},
		{Header: "base", Group: "mean step", Unit: quantity.Time, Scale: "time"},
		{Header: "new", Group: "mean step", Unit: quantity.Time, Scale: "time"},
		{Header: "Δ", Group: "mean step", Unit: quantity.Time, Scale: "time"},
		{Header: "change", Unit: quantity.Change},
		{Header: "interval"},
		{Header: "verdict"},
		{Header: "FLOP", Unit: quantity.Change},
		{Header: "bytes", Unit: quantity.Change},
	}}
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level != "component" || r.Parent != "step" {
			continue
		}
		interval, verdict := texttab.Cell{}, texttab.Cell{}
		if hasBounds(r) {
			interval = texttab.Text(bounds(r))
		}
		if r.Verdict != "" || r.Status != "matched" {
			verdict = texttab.Text(word(r)).Tone(tone(r))
		}
		t.add(texttab.Text(r.Key), ps(r.Base), ps(r.New), ps(r.Delta), changeCell(float64(r.Base), float64(r.New)), interval, verdict,
			costCell(r.BaseFLOPs, r.NewFLOPs), costCell(r.BaseBytes, r.NewBytes))
	}
	rest, step := d.find("unattributed"), d.row("op_time")
	if rest != nil && (rest.Base != 0 || rest.New != 0) {
		t.add(texttab.Text("unattributed"), ps(rest.Base), ps(rest.New), ps(rest.Delta), changeCell(float64(rest.Base), float64(rest.New)))
	}
	t.total(texttab.Text("step"), ps(step.Base), ps(step.New), ps(step.Delta), changeCell(float64(step.Base), float64(step.New)))
	return block{title: "Components over all layers", table: t.table()}
}

// find returns the op time row of a layer or named part, or of the step.
func (d *diffReport) find(key string) *analyze.DiffRow {
	for i := range d.c.Rows {
		if r := &d.c.Rows[i]; r.Key == key && r.Metric == "op_time" && (r.Level == "layer" || r.Level == "step") {
			return r
		}
	}
	return nil
}

// insideBlocks shows the components and ops of the layers that changed, with
// their HLO where it changed.
func (d *diffReport) insideBlocks(width int) []block {
	var out []block
	shown := 0
	for i := range d.c.Rows {
		l := &d.c.Rows[i]
		if l.Level != "layer" || l.Metric != "op_time" || !changedRow(l) && (l.Status == "matched" || l.Index < 0) && !d.opts.All {
			continue
		}
		if shown++; shown > 4 && !d.opts.All {
			out[len(out)-1].after = []string{"More layers changed; --all shows what is inside them."}
			break
		}
		if b, ok := d.insideBlock(l, width); ok {
			out = append(out, b)
		}
	}
	return out
}

const maxHLOLines = 12 // of one block

func (d *diffReport) insideBlock(l *analyze.DiffRow, width int) (block, bool) {
	top := d.opts.textTop()
	if d.opts.Top == 0 && !d.opts.All {
		top = 8
	}
	t := d.newTab("inside "+l.Key, width)
	group := "mean step"
	if l.Tested && min(l.BaseRuns, l.NewRuns) > 1 {
		group = "step, typical capture"
	}
	t.columns[1].Group, t.columns[2].Group = group, group
	b := block{title: "Inside " + l.Key}
	ops, hidden := 0, 0
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		name, inside := strings.CutPrefix(r.Key, l.Key+"/")
		if !inside || r.Metric != "op_time" || r.Level != "component" && r.Level != "op" || r.Parent == "step" {
			continue
		}
		if r.Level == "op" {
			name = strings.TrimPrefix(name, r.Component+"/")
			small := max(r.Delta, -r.Delta)*100 < max(l.Delta, -l.Delta) && !changedRow(r)
			if ops++; top >= 0 && ops > top || small && !d.opts.All {
				hidden++
				continue
			}
		}
		t.add(d.cells(t, r, name)...)
		if r.Level == "op" {
			t.rows[len(t.rows)-1].Indent = 1
		}
		if len(r.Text) > 0 && len(b.code)+len(r.Text) <= maxHLOLines && (changedRow(r) || r.Status != "matched" || r.Note != "") {
			b.code = append(b.code, "@@ "+name+" @@")
			b.code = append(b.code, r.Text...)
		}
	}
	if len(t.rows) == 0 {
		return b, false
	}
	if hidden > 0 {
		b.after = []string{fmt.Sprintf("%s that changed less; --all shows them.", plural(hidden, "more op"))}
	}
	b.table = t.table()
	return b, true
}

// otherBlock shows exact values that changed: FLOPs, bytes, compilations, peak
// memory, and busy time.
func (d *diffReport) otherBlock() block {
	t := &tab{columns: []texttab.Column{{Header: "of a step"}, {Header: "base"}, {Header: "new"}, {Header: "change", Unit: quantity.Change}}}
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level != "step" || r.BaseValue == r.NewValue && r.Metric != "peak_hbm" {
			continue
		}
		unit, ok := map[string]quantity.Unit{"flops": quantity.FLOP, "bytes": quantity.Bytes, "wall_share": quantity.Time, "peak_hbm": quantity.Bytes, "plan_bytes": quantity.Bytes, "compiles": quantity.Count}[r.Metric]
		if !ok || math.Abs(r.Raw) < 0.0005 && r.BaseValue != 0 {
			continue
		}
		name := map[string]string{"flops": "FLOP", "bytes": "memory traffic", "wall_share": "busy time (median)", "compiles": "compilations in all captures"}[r.Metric]
		t.add(texttab.Text(or(name, r.Key)), texttab.Text(quantity.Format(unit, quantity.Real(r.BaseValue))), texttab.Text(quantity.Format(unit, quantity.Real(r.NewValue))), changeCell(r.BaseValue, r.NewValue))
	}
	if len(t.rows) == 0 {
		return block{}
	}
	return block{title: "Work and memory", table: t.table()}
}
