// SPDX-License-Identifier: Apache-2.0

package svg

import (
	"fmt"
	"strings"
)

// A theme is the colours of a page. Marks have text of colour on, so each
// colour of cs stands at least 4.5:1 against both on and bg; a test measures.
type theme struct {
	bg, fg, dim, grid, on, better, worse string
	cs                                   [Palette]string
}

var light = theme{
	bg: "#ffffff", fg: "#1f2328", dim: "#59636e", grid: "#d1d9e0", on: "#ffffff", better: "#1a7f37", worse: "#cf222e",
	cs: [Palette]string{"#2463b4", "#b35900", "#1f7a3d", "#c0392b", "#7a4fbf", "#0f7285", "#8a5a2b", "#b83280", "#6b7000", "#57606a"},
}

var dark = theme{
	bg: "#0d1117", fg: "#e6edf3", dim: "#9198a1", grid: "#3d444d", on: "#0d1117", better: "#3fb950", worse: "#ff7b72",
	cs: [Palette]string{"#6ea8fe", "#f0a35e", "#5fc98a", "#f28b82", "#b79df2", "#4fc3d4", "#cfa27a", "#f08fc0", "#c2c84a", "#9aa7b4"},
}

func (t theme) variables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "--ls-bg:%s;--ls-fg:%s;--ls-dim:%s;--ls-grid:%s;--ls-on:%s;--ls-better:%s;--ls-worse:%s", t.bg, t.fg, t.dim, t.grid, t.on, t.better, t.worse)
	for i, c := range t.cs {
		fmt.Fprintf(&b, ";--ls-s%d:%s", i, c)
	}
	return b.String()
}

const rules = `.ls-chart text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--ls-fg);font-variant-numeric:tabular-nums}
.ls-chart .ls-title{font-weight:600;font-size:13px}
.ls-chart .ls-small{font-size:11px}
.ls-chart .ls-dim{fill:var(--ls-dim);font-size:11px}
.ls-chart .ls-on{fill:var(--ls-on);font-size:11px}
.ls-chart .ls-bg{fill:var(--ls-bg)}
.ls-chart .ls-grid{stroke:var(--ls-grid);fill:none}
.ls-chart .ls-axis{stroke:var(--ls-dim);fill:none}
.ls-chart .ls-line{stroke:var(--ls-s0);fill:none;stroke-width:1.5}
.ls-chart .ls-level{stroke:var(--ls-fg);fill:none;stroke-dasharray:4 3}
.ls-chart .ls-change{stroke:var(--ls-worse);fill:none;stroke-dasharray:2 2}
.ls-chart .ls-whisker{stroke:var(--ls-fg);fill:none;stroke-width:1.5}
.ls-chart .ls-band{fill:var(--ls-s0);opacity:.18}
.ls-chart .ls-dot{fill:var(--ls-s0)}
.ls-chart .ls-better{fill:var(--ls-better)}
.ls-chart .ls-worse{fill:var(--ls-worse)}
.ls-chart .ls-plain{fill:var(--ls-s0)}
.ls-chart .ls-noise{fill:var(--ls-s9)}
`

// Style returns the style sheet of all charts: one copy for a page of charts
// whose Frame.Inner is set. It follows the reader's colour scheme; a page that
// offers a switch sets data-theme="light" or "dark" on its root element.
func Style() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n.ls-chart{%s}\n", light.variables())
	fmt.Fprintf(&b, "@media (prefers-color-scheme:dark){.ls-chart{%s}}\n", dark.variables())
	fmt.Fprintf(&b, ":root[data-theme=light] .ls-chart{%s}\n", light.variables())
	fmt.Fprintf(&b, ":root[data-theme=dark] .ls-chart{%s}\n", dark.variables())
	b.WriteString(rules)
	for i := range Palette {
		fmt.Fprintf(&b, ".ls-chart .ls-c%d{fill:var(--ls-s%d);stroke:var(--ls-bg);stroke-width:.5}\n", i, i)
	}
	return b.String()
}
