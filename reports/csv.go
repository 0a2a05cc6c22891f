// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term/termtext"
)

// csvColumns heads the CSV form of the report: one table for all sections. Cells
// that a row doesn't have are empty; times are integer picoseconds, shares
// fractions of op time.
var csvColumns = []string{
	"input", "section", "key", "index", "program", "category", "scope", "layer", "component", "source", "occurrences", "total_ps", "self_ps",
	"share_of_op_time", "wall_share_ps", "flops", "bytes", "bound_by", "n", "median_ps", "lo_ps", "hi_ps", "note",
}

// CSV writes reports of one kind as one table under one header: a row a layer,
// component, op and so on, told apart by the first two columns.
func CSV(w io.Writer, rs ...*Report) error {
	c := &csvWriter{out: csv.NewWriter(w)}
	for _, r := range rs {
		if r.records == nil {
			return fmt.Errorf("this report has no csv form")
		}
		c.input = csvText(r.title())
		r.records(c)
	}
	c.out.Flush()
	return c.out.Error()
}

// A csvWriter writes records, defusing text.
type csvWriter struct {
	out    *csv.Writer
	input  string
	header bool
	record []string
}

// write writes a record under its header, which is written once.
func (c *csvWriter) write(columns []string, fields map[string]string) {
	if !c.header {
		c.header = true
		c.out.Write(columns) // the first error is kept; see CSV
	}
	c.record = c.record[:0]
	for _, name := range columns {
		c.record = append(c.record, fields[name])
	}
	c.record[0] = c.input
	c.out.Write(c.record) // likewise
}

// csvText defuses a name for spreadsheets, which run cells that begin like a
// formula: a quote is put in front of those.
func csvText(s string) string {
	s = termtext.Safe(s)
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (r *Report) csvRows(c *csvWriter) {
	for _, s := range r.chosen() {
		if s.name == "host" {
			r.csvHost(func(fields map[string]string) { c.write(csvColumns, fields) })
			continue
		}
		r.csvSection(s.name, func(fields map[string]string) { c.write(csvColumns, fields) })
	}
}

// csvSection yields the rows of a section, which add up to op time where those of
// the text form do.
func (r *Report) csvSection(name string, yield func(fields map[string]string)) {
	add := func(key string, self analyze.Duration, fields map[string]string) {
		if fields == nil {
			fields = make(map[string]string)
		}
		fields["section"], fields["key"] = name, csvText(key)
		if name != "step" {
			fields["self_ps"], fields["share_of_op_time"] = integer(self), real(share(self, r.opTime))
		}
		yield(fields)
	}
	switch name {
	case "layer":
		for i := range r.a.Layers.Rows {
			l := &r.a.Layers.Rows[i]
			add(l.Key, l.Self, r.csvLayer(l))
		}
		add(unattributed, r.a.Layers.Unattributed, nil)
	case "component":
		for _, x := range r.a.Components {
			add(x.Name, x.Self, map[string]string{"flops": integer(x.FLOPs), "bytes": integer(x.Bytes)})
		}
	case "category":
		for _, x := range r.a.Categories {
			add(x.Name, x.Self, map[string]string{"occurrences": integer(x.Occurrences)})
		}
	case "op":
		fields := make(map[string]string, len(csvColumns)) // one for all: a table may have thousands
		for i := range firstN(r.a.Ops, r.opts.jsonTop()) {
			csvOp(fields, &r.a.Ops[i])
			add(r.a.Ops[i].Name, r.a.Ops[i].Self, fields)
		}
	case "program":
		for _, x := range r.a.Programs {
			add(x.Name, x.OpTime, map[string]string{"index": strconv.FormatUint(x.ID, 10), "occurrences": integer(x.Executions), "total_ps": integer(x.Total)})
		}
	case "scope":
		for _, x := range firstN(r.a.Scopes, r.opts.jsonTop()) {
			add(x.Path, x.Self, map[string]string{"occurrences": integer(x.Occurrences), "total_ps": integer(x.Total)})
		}
	case "step":
		for _, x := range r.a.Steps {
			add(x.Name, 0, map[string]string{"index": integer(x.Index), "total_ps": integer(x.Dur), "self_ps": integer(x.OpTime), "note": csvText(x.Reason)})
		}
	case "source":
		for _, x := range firstN(bySource(r.a), r.opts.jsonTop()) {
			add(homeless(x.at), x.self, map[string]string{"occurrences": integer(x.count)})
		}
	}
}

func (r *Report) csvLayer(l *analyze.Layer) map[string]string {
	f := map[string]string{
		"index": integer(l.Index), "program": csvText(l.Program), "occurrences": integer(l.Occurrences),
		"wall_share_ps": integer(l.WallShare), "flops": integer(l.FLOPs), "bytes": integer(l.Bytes), "note": csvText(l.Note),
	}
	if s := &l.Samples; s.N > 0 {
		f["n"], f["median_ps"] = integer(s.N), integer(s.Median)
		if hasInterval(s) {
			f["lo_ps"], f["hi_ps"] = integer(s.Lo), integer(s.Hi)
		}
	}
	return f
}

// csvOp sets the fields of an op; it is the same ones for all.
func csvOp(f map[string]string, o *analyze.Op) {
	f["program"], f["category"], f["scope"], f["layer"] = csvText(o.Program), csvText(o.Category), csvText(o.Scope), csvText(o.Layer)
	f["component"], f["source"], f["bound_by"] = csvText(o.Component), csvText(homeless(o.Source)), csvText(o.BoundBy)
	f["occurrences"], f["total_ps"], f["flops"], f["bytes"] = integer(o.Occurrences), integer(o.Total), integer(o.FLOPs), integer(o.Bytes)
}

func (r *Report) csvFindings(c *csvWriter) {
	columns := []string{"input", "severity", "code", "count", "message", "hint"}
	for _, f := range r.findings() {
		c.write(columns, map[string]string{
			"severity": string(f.Severity), "code": csvText(f.Code), "count": integer(max(1, f.Count)), "message": csvText(f.Message), "hint": csvText(f.Hint),
		})
	}
}

func integer[N ~int | ~int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// real writes whole numbers as such, and others without an exponent while they are
// of a size that people count in.
func real(f float64) string {
	if m := math.Abs(f); m == 0 || m >= 1e-4 && m < 1e18 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
