// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"math"
	"slices"
	"strings"
)

// barScales returns, for each bar column, the value of a full bar: its largest
// number outside total rows.
func (t *Table) barScales() []float64 {
	most := make([]float64, len(t.Columns))
	for i, col := range t.Columns {
		if col.Bar == 0 {
			continue
		}
		for _, r := range t.Rows {
			if c := r.cell(i); r.Heading == "" && !r.Total && c.number {
				most[i] = max(most[i], c.value.Float())
			}
		}
	}
	return most
}

// withoutBars returns t for the forms and widths that have no room for them.
func (t *Table) withoutBars() *Table {
	if !slices.ContainsFunc(t.Columns, isBar) {
		return t
	}
	bare := *t
	bare.Columns = slices.DeleteFunc(slices.Clone(t.Columns), isBar)
	bare.Rows = slices.Clone(t.Rows)
	for k, r := range bare.Rows {
		var cells []Cell
		for i, c := range r.Cells {
			if !isBar(t.Columns[i]) {
				cells = append(cells, c)
			}
		}
		bare.Rows[k].Cells = cells
	}
	return &bare
}

func isBar(c Column) bool { return c.Bar > 0 }

// bar draws fraction of width cells, in eighths where the font has them. What
// isn't zero leaves a trace; what isn't a positive number leaves none.
func bar(fraction float64, width int, plain bool) string {
	if !(fraction > 0) {
		return ""
	}
	fraction = min(fraction, 1)
	if plain {
		n := int(math.Round(fraction * float64(width)))
		return strings.Repeat("#", max(n, 1))
	}
	eighths := max(int(math.Round(fraction*float64(8*width))), 1)
	text := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[part-1])
	}
	return text
}
