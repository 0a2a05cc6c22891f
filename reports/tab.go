// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// A tab is a table under construction: all columns it could have, of which
// those without any content are left out in the end.
type tab struct {
	columns []texttab.Column
	rows    []texttab.Row
	notes   []string
}

// note returns the number of a footnote; equal ones share it.
func (t *tab) note(text string) int {
	for i, n := range t.notes {
		if n == text {
			return i + 1
		}
	}
	t.notes = append(t.notes, text)
	return len(t.notes)
}

func (t *tab) add(cells ...texttab.Cell) {
	t.rows = append(t.rows, texttab.Row{Cells: cells})
}

func (t *tab) total(cells ...texttab.Cell) {
	t.rows = append(t.rows, texttab.Row{Cells: cells, Total: true})
}

func (t *tab) table() *texttab.Table {
	out := &texttab.Table{Notes: t.notes}
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

// rates returns the cells of compute and memory throughput. Rates above the
// device's peak are marked: they are true only of work that needs no trip to
// memory, or of an op that is charged with the work of another.
func (r *Report) rates(t *tab, flops, bytes int64, d analyze.Duration) (compute, memory texttab.Cell) {
	compute, memory = rateCell(flops, d), rateCell(bytes, d)
	if q := rate(flops, d); q != nil && r.peakFLOPs > 0 && *q > r.peakFLOPs {
		compute = compute.Note(t.note("above the device's peak of " + quantity.Format(quantity.FLOPRate, quantity.Real(r.peakFLOPs))))
	}
	if q := rate(bytes, d); q != nil && r.peakHBM > 0 && *q > r.peakHBM {
		memory = memory.Note(t.note("above the HBM peak of " + quantity.Format(quantity.ByteRate, quantity.Real(r.peakHBM)) + ": served from on-chip memory, or prefetched by another op"))
	}
	return compute, memory
}

// sampleCell returns a median with its interval when there are enough samples.
func sampleCell(s *analyze.Samples) texttab.Cell {
	c := ps(s.Median)
	if hasInterval(s) && s.Median != 0 {
		return c.Interval(float64(s.Lo), float64(s.Hi))
	}
	return c
}
