// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// A tab is a table under construction: all columns it could have, of which
// those without any content are left out in the end.
type tab struct {
	columns []texttab.Column
	rows    []texttab.Row
}

func (t *tab) add(cells ...texttab.Cell) {
	t.rows = append(t.rows, texttab.Row{Cells: cells})
}

func (t *tab) total(cells ...texttab.Cell) {
	t.rows = append(t.rows, texttab.Row{Cells: cells, Total: true})
}

func (t *tab) table() *texttab.Table {
	out := &texttab.Table{}
	var keep []int
	for i, c := range t.columns {
		if i == 0 || t.used(i) {
			keep = append(keep, i)
			out.Columns = append(out.Columns, c)
		}
	}
	for _, r := range t.rows {
		cells := make([]texttab.Cell, 0, len(keep))
		for _, i := range keep {
			if i < len(r.Cells) {
				cells = append(cells, r.Cells[i])
			} else {
				cells = append(cells, texttab.Cell{})
			}
		}
		r.Cells = cells
		out.Rows = append(out.Rows, r)
	}
	return out
}

// used reports whether a column has a cell that isn't empty.
func (t *tab) used(i int) bool {
	for _, r := range t.rows {
		if i < len(r.Cells) && r.Cells[i] != (texttab.Cell{}) {
			return true
		}
	}
	return false
}

func ps(d analyze.Duration) texttab.Cell { return texttab.Int(int64(d)) }

func fraction(part, whole analyze.Duration) texttab.Cell {
	return texttab.Real(share(part, whole))
}

// rateCell returns n per second of d, or nothing.
func rateCell(n int64, d analyze.Duration) texttab.Cell {
	if q := rate(n, d); q != nil {
		return texttab.Real(*q)
	}
	return texttab.Cell{}
}

// sampleCell returns a median with its interval when there are enough samples.
func sampleCell(s *analyze.Samples) texttab.Cell {
	c := ps(s.Median)
	if hasInterval(s) {
		return c.Interval(float64(s.Lo), float64(s.Hi))
	}
	return c
}
