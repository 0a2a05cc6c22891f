// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
)

// diffBars is how many layers a chart has: a screen full.
const diffBars = 32

// pictures are the charts of a comparison: the layers' changes, and what explains
// the step. A trend of several sides has none.
func (d *diffReport) pictures() []titled {
	if len(d.all) > 1 {
		return nil
	}
	var out []titled
	if chart := d.layerChart(); chart != "" {
		out = append(out, titled{d.layerBlock(0).title, picture{"layers.svg", "Change of each layer's op time, with its interval", chart}})
	}
	if chart := d.explainChart(svg.Frame{ID: "explain", Width: 1000, Title: "What explains the step"}); chart != "" {
		out = append(out, titled{d.explainBlock().title, picture{"explain.svg", "The parts that carry the step's change", chart}})
	}
	return out
}

// layerChart has the layers in their order; of too many, those that changed most.
func (d *diffReport) layerChart() string {
	var rows []*analyze.DiffRow
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level == "layer" && r.Metric == "op_time" && !forestRow(r).Skip {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	title := "Change of op time by layer"
	if n := len(rows); n > diffBars {
		order := slices.Clone(rows)
		slices.SortStableFunc(order, func(a, b *analyze.DiffRow) int { return cmp.Compare(math.Abs(b.Effect), math.Abs(a.Effect)) })
		rows = slices.DeleteFunc(rows, func(r *analyze.DiffRow) bool { return !slices.Contains(order[:diffBars], r) })
		title += fmt.Sprintf(": %d of %d, those that changed most", diffBars, n)
	}
	chart := svg.Intervals{
		Frame: svg.Frame{ID: "layers", Width: 1000, Title: title, Desc: "One bar a layer: its change, with its interval where there is one. Grey bars can't be told from noise; the table has the same numbers."},
		Unit:  quantity.Change, Axis: "change of op time",
	}
	for _, r := range rows {
		f := forestRow(r)
		chart.Rows = append(chart.Rows, svg.IntervalRow{Label: r.Key, Value: f.Value, Lo: f.Lo, Hi: f.Hi, Tone: f.Tone})
	}
	return chart.SVG()
}
