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

// A titled picture belongs to the block of that title.
type titled struct {
	title string
	picture
}

// Charts returns the charts of the report's Markdown as SVG, by the file names
// that Options.Charts is the directory of. Each is a drawing of its own, for
// light and dark pages. A report without charts has none.
func (r *Report) Charts() map[string]string {
	out := make(map[string]string)
	if r.pictures == nil {
		return out
	}
	for _, p := range r.pictures(r) {
		out[p.name] = p.svg
	}
	return out
}

// illustrated are the blocks with their pictures.
func (r *Report) illustrated() []block {
	blocks := r.blocks(r)
	if r.opts.Charts == "" || r.pictures == nil {
		return blocks
	}
	for _, p := range r.pictures(r) {
		i := slices.IndexFunc(blocks, func(b block) bool { return b.title == p.title && b.picture == nil })
		if i >= 0 {
			blocks[i].picture = &p.picture
		}
	}
	return blocks
}

// reportPictures are those of the sections that the report has.
func (r *Report) reportPictures() []titled {
	if r.empty() {
		return nil
	}
	var out []titled
	add := func(title, name, alt, chart string) {
		if chart != "" {
			out = append(out, titled{title, picture{name + ".svg", alt, chart}})
		}
	}
	for _, s := range r.chosen() {
		switch s.name {
		case "layer":
			add("Layers", "layers", "Self time by layer and component", r.layerChart(svg.Frame{ID: "layers", Width: 1000}))
		case "component":
			add("Components", "components", "Self time by component", r.componentChart())
		case "category":
			add("Categories", "categories", "Self time by op category", r.categoryChart())
		case "op":
			add("Top ops", "ops", "Self time of the largest ops", r.opChart(10))
		case "step":
			add("Steps", "steps", "Op time of each step", r.stepChart(svg.Frame{ID: "steps", Width: 1000}))
		case "scope":
			add("Scopes", "scopes", "Op time by scope", r.scopeChart(svg.Frame{ID: "scopes", Width: 1000}))
		}
	}
	return out
}

// A bar is one row of a bar chart of durations.
type bar struct {
	label string
	value analyze.Duration
}

// barChart draws durations; bars of equal labels stay bars of their own.
func barChart(id, title, desc, axis string, bars []bar) string {
	if len(bars) == 0 {
		return ""
	}
	chart := svg.Intervals{Frame: svg.Frame{ID: id, Width: 1000, Title: title, Desc: desc}, Unit: quantity.Time, Axis: axis}
	for _, b := range bars {
		v := float64(b.value)
		chart.Rows = append(chart.Rows, svg.IntervalRow{Label: displayed(b.label), Value: v, Lo: v, Hi: v})
	}
	return chart.SVG()
}

func (r *Report) componentChart() string {
	var bars []bar
	for _, c := range r.a.Components {
		bars = append(bars, bar{or(c.Name, "(unnamed)"), c.Self})
	}
	return barChart("components", "Self time by component", "One bar a component; the table has the same numbers.", "self time, whole capture", longest(bars, 20))
}

func (r *Report) categoryChart() string {
	var bars []bar
	for _, c := range r.a.Categories {
		bars = append(bars, bar{or(c.Name, "(not stated)"), c.Self})
	}
	return barChart("categories", "Self time by op type", "One bar a type of op, the largest first.", "self time, whole capture", longest(bars, 10))
}

// opChart is one bar an op, equal ones of several layers together.
func (r *Report) opChart(n int) string {
	var bars []bar
	for _, g := range firstN(foldOps(r.a, false), n) {
		bars = append(bars, bar{g.short(), g.op.Self})
	}
	return barChart("ops", fmt.Sprintf("The %d largest ops", len(bars)), "One bar an op by self time, the largest first; ops that do the same work in several layers are one.", "self time, whole capture", bars)
}

// label tells ops apart that have one name: by the end of their scope.
func (g *opGroup) label() string {
	name := g.name()
	if g.op.Scope != "" && g.op.Scope != g.op.Name {
		return name + " in " + elide(shownScope(g.op.Scope), 28)
	}
	return name
}

// short is a label for a chart: the name, and the scope without the primitive at
// its end, which the name most often has.
func (g *opGroup) short() string {
	scope := shownScope(g.op.Scope)
	if i := strings.LastIndexByte(scope, '/'); i > 0 {
		scope = scope[:i]
	}
	if scope == "" || g.op.Scope == g.op.Name && !strings.Contains(scope, "/") {
		return elide(g.op.Name, 35)
	}
	if g.op.Scope == g.op.Name { // all that there is: both ends
		return elide(shownScope(g.op.Name), 35)
	}
	return elide(g.op.Name, 14) + " " + elide(scope, 20)
}

func longest(bars []bar, n int) []bar {
	slices.SortStableFunc(bars, func(a, b bar) int {
		switch {
		case a.value > b.value:
			return -1
		case a.value < b.value:
			return 1
		}
		return 0
	})
	return firstN(bars, n)
}

// busyChart is how much of the devices' windows was work.
func (r *Report) busyChart() string {
	chart := svg.Stacked{
		Frame: svg.Frame{ID: "busy", Width: 1000, Title: "Busy and idle", Desc: "One bar a device: what of its window was busy."},
		Unit:  quantity.Time, Axis: "of the window", Series: []string{"busy", "idle"},
	}
	for i := range firstN(r.a.Devices, 64) {
		d := &r.a.Devices[i]
		chart.Rows = append(chart.Rows, svg.StackedRow{Label: d.Name, Values: []float64{float64(d.Busy), float64(d.Idle)}})
	}
	if len(chart.Rows) == 0 {
		return ""
	}
	return chart.SVG()
}

// hostChart is the host's largest spans by self time.
func (r *Report) hostChart() string {
	var bars []bar
	for i := range r.a.Host {
		bars = append(bars, bar{r.a.Host[i].Name, r.a.Host[i].Self})
	}
	return barChart("host", "Host spans", "One bar a name of host spans by self time, the largest first.", "self time, all host threads", longest(bars, 10))
}
