// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
)

// reportPage is the page of a report: every section unless Options.By chooses,
// with charts in front of their tables.
func (r *Report) reportPage() page {
	view := *r
	if len(view.opts.By) == 0 && !view.empty() {
		view.opts.By = []string{"layer", "step", "component", "scope", "op", "category", "program", "source"}
	}
	pg := page{kind: "report", lead: view.tiles(), data: view.pageData()}
	pg.parts = append(pg.parts, pagePart{block: view.headline()})
	if len(view.a.Devices) > 1 {
		pg.parts = append(pg.parts, pagePart{block: view.deviceBlock()})
	}
	for _, s := range view.chosen() {
		if view.empty() && s.name != "host" {
			continue // tables of zeros tell nothing
		}
		pg.parts = append(pg.parts, view.pageParts(s)...)
	}
	if len(r.opts.By) == 0 {
		pg.parts = append(pg.parts, view.memoryParts()...)
	}
	pg.parts = append(pg.parts, pagePart{block: view.findingBlock(), id: "findings"}, pagePart{block: view.provenance(), id: "provenance"})
	return pg
}

// pageParts are the parts of one section.
func (r *Report) pageParts(s section) []pagePart {
	var parts []pagePart
	for i, b := range s.build(r) {
		p := pagePart{block: b}
		if i == 0 {
			p.id = s.name
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil
	}
	first := &parts[0]
	switch s.name {
	case "layer":
		first.figure = figure("layers", r.layerChart(svg.Frame{ID: "layers-svg", Width: 1100, Inner: true}), "")
		all := *r
		all.opts.All = true
		if t := all.layerBlocks()[0].table; len(t.Rows) > len(first.table.Rows) {
			first.full = t
		}
	case "step":
		if chart := r.stepChart(svg.Frame{ID: "steps-svg", Width: 1100, Inner: true}); chart != "" {
			first.figure = figure("steps-plain", chart, "")
		}
		first.folded = "Each step"
		if len(r.a.Steps) == 0 {
			first.table = nil
		}
	case "scope":
		first.figure = figure("icicle", r.scopeChart(svg.Frame{ID: "icicle-svg", Width: 1100, Inner: true}), "")
	case "op":
		first.live = "ops"
		if roof := r.roofline(); roof.block.title != "" {
			parts = append(parts, roof)
		}
	}
	return parts
}

// tiles are the figures to know first.
func (r *Report) tiles() string {
	if r.empty() {
		return ""
	}
	var b strings.Builder
	tile := func(name, value, small string) {
		fmt.Fprintf(&b, "<div><dt>%s</dt><dd>%s", esc(name), esc(value))
		if small != "" {
			fmt.Fprintf(&b, "<small>%s</small>", esc(small))
		}
		b.WriteString("</dd></div>\n")
	}
	sample := func(name string, s *analyze.Samples) {
		small := fmt.Sprintf("median of %s", plural(s.N, "step"))
		if hasInterval(s) && s.Median > 0 {
			small += ", " + quantity.PlusMinus(float64(max(s.Hi-s.Median, s.Median-s.Lo))/float64(s.Median))
		}
		tile(name, duration(s.Median), small)
	}
	if r.a.StepDur.N > 0 {
		sample("step", &r.a.StepDur)
	}
	if r.a.StepOpTime.N > 0 {
		sample("op time a step", &r.a.StepOpTime)
	} else {
		tile("op time", duration(r.opTime), "whole capture")
	}
	if l := &r.a.Layers; l.Count > 0 {
		tile("layers", number(l.Count), fmt.Sprintf("by %s, confidence %.2f", l.Method, l.Confidence))
	}
	var busy, idle, window analyze.Duration
	for i := range r.a.Devices {
		d := &r.a.Devices[i]
		busy, idle, window = busy+d.Busy, idle+d.Idle, window+d.Window
	}
	tile("idle", percent(share(idle, window)), "of "+duration(window)+" window")
	r.computeTile(tile, busy)
	counts := map[int]int{}
	for _, f := range r.a.Findings {
		counts[rank(f.Severity)]++
	}
	small := "none worse than a note"
	if counts[0]+counts[1] > 0 {
		small = plural(counts[0], "error") + ", " + plural(counts[1], "warning")
	}
	tile("findings", number(len(r.a.Findings)), small)
	return "<dl class=\"tiles\">\n" + b.String() + "</dl>\n"
}

func (r *Report) computeTile(tile func(name, value, small string), busy analyze.Duration) {
	var flops int64
	for i := range r.a.Ops {
		flops += r.a.Ops[i].FLOPs
	}
	q := rate(flops, busy)
	if q == nil {
		return
	}
	small := "a device, while busy"
	if r.peakFLOPs > 0 {
		small = percent(*q/r.peakFLOPs) + " of peak, while busy"
	}
	tile("compute", quantity.Format(quantity.FLOPRate, quantity.Real(*q)), small)
}

// layerChart is the layers as the table folds them, by component. The script
// draws all of them.
func (r *Report) layerChart(frame svg.Frame) string {
	comps := r.colors()
	frame.Title, frame.Desc = "Self time by layer and component", "One bar a layer, made of its components; the table below has the same numbers."
	chart := svg.Stacked{Frame: frame, Unit: quantity.Time, Axis: "self time, whole capture"}
	const most = svg.Palette - 1 // components with a colour of their own
	for _, c := range firstN(comps, most) {
		chart.Series = append(chart.Series, or(c, "(unnamed)"))
	}
	if len(comps) > most {
		chart.Series = append(chart.Series, plural(len(comps)-most, "more component"))
	}
	for _, g := range foldLayers(&r.a.Layers, false) {
		row := svg.StackedRow{Label: g.layers[0].Key, Values: make([]float64, len(chart.Series))}
		if g.folded() {
			row.Label = g.label
		}
		for _, l := range g.layers {
			for _, c := range l.Components {
				if i := slices.Index(comps, c.Name); i >= 0 {
					row.Values[min(i, most)] += float64(c.Self)
				}
			}
		}
		chart.Rows = append(chart.Rows, row)
	}
	return chart.SVG()
}

// stepChart is the op time of each step.
func (r *Report) stepChart(frame svg.Frame) string {
	if len(r.a.Steps) < 2 {
		return ""
	}
	frame.Title, frame.Desc = "Op time of each step", "Op time over the steps of the capture."
	chart := svg.Trend{Frame: frame, Unit: quantity.Time, Axis: "op time"}
	for i := range firstN(r.a.Steps, pageSteps) {
		s := &r.a.Steps[i]
		chart.Points = append(chart.Points, svg.TrendPoint{Label: "step " + number(s.Index), Value: float64(s.OpTime), Lo: float64(s.OpTime), Hi: float64(s.OpTime)})
	}
	return chart.SVG()
}

// scopeChart is the tree of scopes.
func (r *Report) scopeChart(frame svg.Frame) string {
	frame.Title, frame.Desc = "Op time by scope", "Each scope as wide as its op time, inner scopes below outer ones."
	root := svg.Node{Name: "op time", Value: float64(r.a.Layers.OpTime)}
	for _, s := range firstN(r.a.Scopes, pageScope) {
		at := &root
		for _, part := range strings.Split(s.Path, "/") {
			at = child(at, part)
		}
		at.Value = float64(s.Total)
	}
	sortNodes(&root)
	return svg.Icicle{Frame: frame, Unit: quantity.Time, Root: root, Depth: 6}.SVG()
}

func child(n *svg.Node, name string) *svg.Node {
	name = displayed(name)
	for i := range n.Children {
		if n.Children[i].Name == name {
			return &n.Children[i]
		}
	}
	n.Children = append(n.Children, svg.Node{Name: name})
	return &n.Children[len(n.Children)-1]
}

func sortNodes(n *svg.Node) {
	slices.SortStableFunc(n.Children, func(a, b svg.Node) int {
		switch {
		case a.Value > b.Value:
			return -1
		case a.Value < b.Value:
			return 1
		}
		return 0
	})
	for i := range n.Children {
		sortNodes(&n.Children[i])
	}
}

const roofPoints = 200

// roofline draws the ops that state FLOPs and bytes, equal ones of several
// layers as one; its block has no title when there are none.
func (r *Report) roofline() pagePart {
	comps := r.colors()
	chart := svg.Roofline{
		Frame:     svg.Frame{ID: "roof-svg", Width: 1100, Inner: true, Desc: "What ops reach in FLOP per second over their FLOP per byte, below the device's peaks."},
		PeakFLOPs: r.peakFLOPs, PeakBytes: r.peakHBM,
	}
	var drawn, all analyze.Duration
	for _, g := range foldOps(r.a, false) {
		o := &g.op
		flops, bytes := rate(o.FLOPs, o.Total), rate(o.Bytes, o.Total)
		if flops == nil || bytes == nil || launches(o.Category) {
			continue
		}
		if all += o.Self; len(chart.Points) == roofPoints {
			continue
		}
		series := min(max(slices.Index(comps, o.Component), 0), svg.Palette-1)
		drawn += o.Self
		label := g.name()
		if g.layer != "" {
			label += " in " + g.layer
		}
		chart.Points = append(chart.Points, svg.RoofPoint{Label: label, Series: series, Share: share(o.Self, r.opTime), FLOPs: *flops, Bytes: *bytes, Key: stem(o.Name)})
	}
	if len(chart.Points) == 0 {
		return pagePart{}
	}
	for _, c := range firstN(comps, svg.Palette) { // all of them, so that colours are those of the layers
		chart.Series = append(chart.Series, or(c, "(unnamed)"))
	}
	p := pagePart{id: "roofline", figure: figure("roof", chart.SVG(), "")}
	p.title = "Roofline"
	p.para = []string{fmt.Sprintf("Ops that state FLOPs and bytes: %s of op time. A point's area is its share of op time; ops that do the same work in several layers are one point.", percent(share(all, r.opTime)))}
	if chart.PeakFLOPs == 0 && chart.PeakBytes == 0 {
		p.para = append(p.para, "The capture doesn't state the device's peaks, so no roof is drawn.")
	}
	if drawn != all {
		p.after = []string{fmt.Sprintf("The %d largest are drawn: %s of op time.", roofPoints, percent(share(drawn, r.opTime)))}
	}
	return p
}
