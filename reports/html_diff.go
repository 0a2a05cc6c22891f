// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// page is the page of a comparison: the layers unfolded, with their intervals
// drawn, and what explains the step as bars.
func (d *diffReport) page(title string) page {
	if len(d.all) > 1 {
		pg := page{kind: "comparison of several sides"}
		for _, b := range d.trendBlocks() {
			pg.parts = append(pg.parts, pagePart{block: b})
		}
		return pg
	}
	full := *d
	full.opts.All = true
	pg := page{kind: "comparison", lead: d.badge() + d.tiles()}
	pg.parts = append(pg.parts, pagePart{block: block{title: title, head: true, para: d.headline()}})
	if len(d.c.Gate) > 0 {
		pg.parts = append(pg.parts, pagePart{block: d.gateBlock(), id: "gate"})
	}
	pg.parts = append(pg.parts, full.layerPart(), d.explainPart(), pagePart{block: d.componentBlock(), id: "components"})
	for _, b := range d.insideBlocks(0) {
		pg.parts = append(pg.parts, pagePart{block: b})
	}
	if b := d.otherBlock(); b.table != nil {
		pg.parts = append(pg.parts, pagePart{block: b, id: "work"})
	}
	for _, b := range d.memoryBlocks() {
		pg.parts = append(pg.parts, pagePart{block: b})
	}
	pg.parts = append(pg.parts, pagePart{block: d.sureBlock(), id: "sure"}, pagePart{block: d.inputBlock(), id: "provenance"})
	return pg
}

// badge is the verdict as the page's first word.
func (d *diffReport) badge() string { return verdictBadge(d.c.Verdict) }

func verdictBadge(verdict string) string {
	class := map[string]string{"REGRESSION": "worse", "IMPROVEMENT": "better", "DIFFERS": "strong"}[verdict]
	return `<p class="verdict ` + or(class, "dim") + `">` + esc(verdict) + "</p>\n"
}

func (d *diffReport) tiles() string {
	step := d.row("op_time")
	var b strings.Builder
	tile := func(name, value, small string) {
		fmt.Fprintf(&b, "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", esc(name), esc(value), esc(small))
	}
	tile("op time of a step", pct(step.Effect), doubt(step))
	if r := d.row("duration"); r.Key != "" {
		tile("step duration", pct(r.Effect), doubt(r))
	}
	changed := 0
	for i := range d.c.Rows {
		if r := &d.c.Rows[i]; r.Level == "layer" && r.Metric == "op_time" && changedRow(r) {
			changed++
		}
	}
	tile("layers that changed", number(changed), fmt.Sprintf("of %d matched", d.c.Layers.Matched))
	tile("captures", fmt.Sprintf("%d : %d", len(d.c.Base.Runs), len(d.c.New.Runs)), fmt.Sprintf("%d and %s", d.c.Base.Steps, plural(d.c.New.Steps, "step")))
	return "<dl class=\"tiles\">\n" + b.String() + "</dl>\n"
}

// intervals are what layerBlock lists when it folds nothing, in its order.
func (d *diffReport) intervals() svg.Forest {
	var f svg.Forest
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level == "layer" && r.Metric == "op_time" && (r.Key != "unattributed" || r.Base != 0 || r.New != 0) {
			f.Rows = append(f.Rows, forestRow(r))
		}
	}
	for _, metric := range []string{"common_shift", "op_time", "duration"} {
		if r := d.row(metric); r.Key != "" {
			f.Rows = append(f.Rows, forestRow(r))
		}
	}
	return f
}

func forestRow(r *analyze.DiffRow) svg.ForestRow {
	out := svg.ForestRow{Value: r.Effect, Lo: r.Effect, Hi: r.Effect, Margin: r.Margin, Tone: chartTone(r)}
	if hasBounds(r) {
		out.Lo, out.Hi = r.Lo, r.Hi
	}
	out.Skip = r.Status == "added" || r.Status == "removed" || r.Key == "unattributed"
	return out
}

func chartTone(r *analyze.DiffRow) svg.Tone {
	switch r.Verdict {
	case "REGRESSION":
		return svg.Worse
	case "IMPROVEMENT":
		return svg.Better
	case "INCONCLUSIVE":
		return svg.Noise
	}
	return svg.Plain
}

func (d *diffReport) layerPart() pagePart {
	p := pagePart{block: d.layerBlock(0), id: "layers"}
	f := d.intervals()
	if len(f.Rows) != len(p.table.Rows) {
		return p // a row more or less would shift all drawings
	}
	at := 0
	for i, c := range p.table.Columns {
		if c.Header == "verdict" {
			at = i
		}
	}
	p.drawn = []texttab.Drawn{{Header: "change, " + f.Axis(), At: at, Cell: f.SVG}}
	p.after = append(p.after, "Drawn: the change of a row with its interval, grey where it doesn't matter; layers without what they all share, the step with it.")
	return p
}

// explainPart draws the parts' deltas above their reasons.
func (d *diffReport) explainPart() pagePart {
	p := pagePart{block: d.explainBlock(), id: "explain"}
	if chart := d.explainChart(svg.Frame{ID: "explain-svg", Width: 1000, Inner: true}); chart != "" {
		p.figure = figure("", chart, "")
	}
	return p
}

// explainChart is the parts that carry the step's change; "" without any.
func (d *diffReport) explainChart(frame svg.Frame) string {
	frame.Desc = "The parts that carry the step's change, each with its share of it."
	chart := svg.Intervals{Frame: frame, Unit: quantity.Time, Axis: "change of a mean step's op time"}
	for _, e := range d.c.Explain {
		if e.Delta == 0 {
			continue
		}
		row := svg.IntervalRow{Label: e.Key, Value: float64(e.Delta), Lo: float64(e.Delta), Hi: float64(e.Delta), Tone: svg.Worse}
		if e.Delta < 0 {
			row.Tone = svg.Better
		}
		chart.Rows = append(chart.Rows, row)
	}
	if len(chart.Rows) == 0 {
		return ""
	}
	return chart.SVG()
}
