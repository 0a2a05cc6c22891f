// SPDX-License-Identifier: Apache-2.0

// Package texttab lays out one table value for three readers: a terminal
// (columns lined up by decimal point, light rules), a Markdown page, and a
// program (CSV in base units and full precision). Numbers enter in base units;
// a column, or several that name a common scale, shares one prefix, printed in
// its header. Text from untrusted files is defused in every form.
package texttab

import (
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// A Table is a table to print. Rows without cells of their own, too many cells
// and notes that don't exist are errors of the caller and reported as such.
type Table struct {
	Title   string
	Aside   string // printed at the right end of the title line: what the table is about
	Columns []Column
	Rows    []Row
	Notes   []string // footnotes; Cell.Note(1) refers to the first
}

// A Column says how its cells are headed and shown. A table whose columns all
// lack a header is printed without one.
type Column struct {
	Header string
	Key    string        // CSV name; default: Header and the base unit
	Group  string        // neighbours with the same group stand under one heading
	Unit   quantity.Unit // of the column's numbers
	Of     string        // what a Share is a share of: "op time" prints "% of op time"
	Scale  string        // columns with the same name here share one scale
	Elide  bool          // text that may be cut in its middle to fit the width
	Code   bool          // text shown as code in Markdown: names of layers, ops, files
	Bar    int           // >0: numbers drawn as bars of this width, the largest full; text form only
}

// A Row is a line of cells, or a heading over the rows that follow.
type Row struct {
	Cells   []Cell
	Indent  int    // nesting depth of the first cell
	Total   bool   // sums up the rows before: set off by a rule, bold in Markdown
	Heading string // not "": a line of text across the table; Cells are ignored
}

// A Cell is text, a number in its column's unit, or (the zero value) nothing.
type Cell struct {
	text     string
	value    quantity.Value
	number   bool
	interval bool
	lo, hi   float64
	note     int
	tone     Tone
}

// Text returns a cell of text.
func Text(s string) Cell { return Cell{text: s} }

// Int returns a cell with an exact number in the column's base unit.
func Int(n int64) Cell { return Cell{value: quantity.Int(n), number: true} }

// Real returns a cell with a real number in the column's base unit.
func Real(f float64) Cell { return Cell{value: quantity.Real(f), number: true} }

// Interval adds the ends of a confidence interval in the column's base unit. It
// prints as "± 1 %": the farther end's distance relative to the number.
func (c Cell) Interval(lo, hi float64) Cell {
	c.interval, c.lo, c.hi = true, lo, hi
	return c
}

// Note marks the cell with footnote n, counted from 1.
func (c Cell) Note(n int) Cell {
	c.note = n
	return c
}

// Tone gives the cell a colour where colours are on.
func (c Cell) Tone(t Tone) Cell {
	c.tone = t
	return c
}

// A Tone is a meaning shown by colour. Colour only adds: the text must say the
// same without it.
type Tone uint8

// The tones: none, faster, slower, noise, and what to look at first.
const (
	Normal Tone = iota
	Better
	Worse
	Dim
	Strong
)

func (t *Table) check() error {
	for i, r := range t.Rows {
		if len(r.Cells) > len(t.Columns) {
			return fmt.Errorf("texttab: %q: row %d has %d cells for %d columns", t.Title, i, len(r.Cells), len(t.Columns))
		}
		for _, c := range r.Cells {
			if c.note < 0 || c.note > len(t.Notes) {
				return fmt.Errorf("texttab: %q: row %d refers to note %d of %d", t.Title, i, c.note, len(t.Notes))
			}
		}
	}
	return nil
}

// cell returns the cell of column i, or nothing when the row is short.
func (r Row) cell(i int) Cell {
	if i < len(r.Cells) {
		return r.Cells[i]
	}
	return Cell{}
}

// numeric reports whether column i holds numbers and so lines up on the right.
func (t *Table) numeric(i int) bool {
	return t.Columns[i].Unit.Numeric() || slices.ContainsFunc(t.Rows, func(r Row) bool {
		return r.Heading == "" && r.cell(i).number
	})
}

func (t *Table) hasHeader() bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Header != "" })
}

// scales chooses each column's scale, one for all columns that share a name.
func (t *Table) scales() []quantity.Scale {
	scales := make([]quantity.Scale, len(t.Columns))
	for i, c := range t.Columns {
		var values []quantity.Value
		for j, other := range t.Columns {
			if i == j || c.Scale != "" && c.Scale == other.Scale {
				values = append(values, t.values(j)...)
			}
		}
		scales[i] = c.Unit.Scale(values...)
	}
	return scales
}

func (t *Table) values(col int) []quantity.Value {
	var vs []quantity.Value
	for _, r := range t.Rows {
		if c := r.cell(col); r.Heading == "" && c.number {
			vs = append(vs, c.value)
		}
	}
	return vs
}

// unit returns what the header says about the column's unit.
func (c Column) unit(s quantity.Scale) string {
	symbol := s.Symbol()
	switch {
	case c.Bar > 0 || c.Unit == quantity.Ratio || c.Unit == quantity.Change && c.Of == "":
		return "" // the cells say it themselves
	case c.Of != "":
		return symbol + " of " + c.Of
	}
	return symbol
}

// body returns a cell's main text and the interval beside it.
func (c Cell) body(s quantity.Scale) (main, interval string) {
	if !c.number {
		return c.text, ""
	}
	main = s.Format(c.value)
	if c.interval {
		v := c.value.Float()
		interval = quantity.PlusMinus(max(c.hi-v, v-c.lo) / v)
	}
	return main, interval
}
