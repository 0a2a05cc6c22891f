// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
)

// page is the memory report as a page: each allocator's bytes over time in front
// of who was alive at its peak.
func (m *memoryReport) page() page {
	view := *m
	pg := page{kind: "memory", lead: view.tiles()}
	figures := map[string]string{}
	for i := range m.use.Allocators {
		a := &m.use.Allocators[i]
		figures[activeTitle(a)] = memoryFigure(a, fmt.Sprintf("memory%d", i))
	}
	for _, b := range view.blocks() {
		p := pagePart{block: b, figure: figures[b.title]}
		delete(figures, b.title)
		if b.head {
			p.facts = nil // tiles
		}
		pg.parts = append(pg.parts, p)
	}
	return pg
}

// tiles are the figures to know first.
func (m *memoryReport) tiles() string {
	var b strings.Builder
	for _, f := range m.facts() {
		value, small, _ := strings.Cut(f.value, " (")
		small = strings.Replace(strings.TrimSuffix(small, ")"), "),", ",", 1)
		if before, after, ok := strings.Cut(small, ") in "); ok {
			small = before + " in " + after
		}
		fmt.Fprintf(&b, "<div><dt>%s</dt><dd>%s", esc(f.name), esc(value))
		if small != "" {
			fmt.Fprintf(&b, "<small>%s</small>", esc(small))
		}
		b.WriteString("</dd></div>\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return "<dl class=\"tiles\">\n" + b.String() + "</dl>\n"
}

func activeTitle(a *analyze.AllocatorUse) string { return "Alive at the peak of " + a.Name }

// memoryFigure is an allocator's bytes in use over time; "" where it has too few
// events to draw.
func memoryFigure(a *analyze.AllocatorUse, id string) string {
	if len(a.Timeline) < 2 {
		return ""
	}
	chart := svg.Timeline{
		Frame: svg.Frame{
			ID: id, Width: 1000, Inner: true, Title: "Memory in use, " + displayed(a.Name),
			Desc: fmt.Sprintf("Stack and heap of %s over time; the peak of %s is marked, and the table below lists who was alive then.", displayed(a.Name), exactBytes(a.Peak)),
		},
		Unit: quantity.Bytes, Axis: "bytes in use", Peak: svg.TimelineSample{At: float64(a.PeakAt), Value: float64(a.Peak)},
	}
	if a.Peak == 0 {
		chart.Peak.At = math.NaN()
	}
	for _, s := range a.Timeline {
		chart.Points = append(chart.Points, svg.TimelineSample{At: float64(s.At), Value: float64(s.Held), Most: float64(s.Most)})
	}
	return figure("", chart.SVG(), "")
}

// memoryParts are the memory of a capture on the page of its report.
func (r *Report) memoryParts() []pagePart {
	if len(r.a.Allocators) == 0 {
		return nil
	}
	m := &memoryReport{r: r, use: &analyze.MemoryUse{Allocators: r.a.Allocators}}
	parts := []pagePart{{block: m.allocatorBlock(), id: "memory"}}
	parts[0].title = "Memory"
	for i := range r.a.Allocators {
		a := &r.a.Allocators[i]
		parts[0].figure += memoryFigure(a, fmt.Sprintf("memory%d", i))
		if i == memoryFigures-1 {
			break
		}
	}
	for i, b := range m.activeBlocks() {
		b.after = offCommand(b.after)
		parts = append(parts, pagePart{block: b, id: fmt.Sprintf("memory-peak%d", i), folded: "Who is alive"})
	}
	return parts
}

// memoryFigures is how many allocators a report's page draws.
const memoryFigures = 4
