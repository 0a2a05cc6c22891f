// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"encoding/csv"
	"io"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// WriteCSV writes t for programs: numbers in base units and full precision, an
// interval as two more columns, the heading over a row as a first column
// "heading" if there are any. Bars, marks, notes and the title are left out.
func (t *Table) WriteCSV(w io.Writer) error {
	if err := t.check(); err != nil {
		return err
	}
	t = t.withoutBars()
	headed := slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Heading != "" })
	var records [][]string
	if t.hasHeader() {
		records = append(records, t.keys(headed))
	}
	heading := ""
	for _, r := range t.Rows {
		if r.Heading != "" {
			heading = termtext.Safe(r.Heading)
			continue
		}
		var record []string
		if headed {
			record = append(record, heading)
		}
		for i := range t.Columns {
			record = append(record, r.cell(i).raw(t.hasInterval(i))...)
		}
		records = append(records, record)
	}
	return csv.NewWriter(w).WriteAll(records)
}

func (t *Table) keys(headed bool) []string {
	var keys []string
	if headed {
		keys = append(keys, "heading")
	}
	for i, c := range t.Columns {
		key := c.key()
		keys = append(keys, key)
		if t.hasInterval(i) {
			keys = append(keys, key+"_lo", key+"_hi")
		}
	}
	return keys
}

func (t *Table) hasInterval(col int) bool {
	return slices.ContainsFunc(t.Rows, func(r Row) bool { return r.cell(col).interval })
}

func (c Cell) raw(interval bool) []string {
	fields := []string{termtext.Safe(c.text)}
	if c.number {
		fields[0] = c.value.Raw()
	}
	if !interval {
		return fields
	}
	if !c.interval {
		return append(fields, "", "")
	}
	return append(fields, quantity.Real(c.lo).Raw(), quantity.Real(c.hi).Raw())
}

// key returns the column's name for programs.
func (c Column) key() string {
	if c.Key != "" {
		return c.Key
	}
	words := strings.Fields(strings.ToLower(c.Group + " " + c.Header + " " + c.Unit.Base()))
	return strings.Join(words, "_")
}
