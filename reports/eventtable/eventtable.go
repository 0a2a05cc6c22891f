// SPDX-License-Identifier: Apache-2.0

// Package eventtable writes events as rows of a table, CSV or Parquet, for
// spreadsheets, DuckDB and data frames. It is a package of its own since
// Parquet's code is large.
//
// The package example writes one row as CSV.
package eventtable

import (
	"encoding/csv"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
)

// A Row is one event. Times are picoseconds from the trace's origin, on the
// clock of the row's device.
type Row struct {
	Host      string `parquet:"host,dict"`
	Device    string `parquet:"device,dict"` // "" = a host's thread
	Track     string `parquet:"track,dict"`
	Kind      string `parquet:"kind,dict"` // "ops", "stream", "async", "modules", "steps", "host", …
	StartPs   int64  `parquet:"start_ps,delta"`
	DurPs     int64  `parquet:"dur_ps"`
	Op        string `parquet:"op,dict"`
	Program   string `parquet:"program,dict"`
	Category  string `parquet:"category,dict"`
	Scope     string `parquet:"scope,dict"`
	Layer     string `parquet:"layer,dict"` // "" = in none, or unknown
	Component string `parquet:"component,dict"`
	RunID     int64  `parquet:"run_id"`
	Count     int64  `parquet:"count"` // events that the row sums up
	FLOPs     int64  `parquet:"flops"` // of all of them
	Bytes     int64  `parquet:"bytes"`

	Value *float64 `parquet:"value,optional"` // of a counter's sample; nil = it is an event
}

var header = []string{
	"host", "device", "track", "kind", "start_ps", "dur_ps", "op", "program", "category", "scope", "layer", "component",
	"run_id", "count", "flops", "bytes", "value",
}

// CSV writes rows with a header. A name that a spreadsheet would take for a
// formula gets an apostrophe before it; control characters and bytes that are no
// UTF-8 are written as escapes. Parquet keeps names as they are.
func CSV(w io.Writer, rows iter.Seq2[*Row, error]) error {
	c := csv.NewWriter(w)
	if err := c.Write(header); err != nil {
		return err
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	for r, err := range rows {
		if err != nil {
			return err
		}
		record := []string{
			cell(r.Host), cell(r.Device), cell(r.Track), r.Kind, n(r.StartPs), n(r.DurPs), cell(r.Op), cell(r.Program), cell(r.Category),
			cell(r.Scope), cell(r.Layer), cell(r.Component), n(r.RunID), n(r.Count), n(r.FLOPs), n(r.Bytes), value(r.Value),
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

func value(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func cell(s string) string {
	if s == "" {
		return s
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		q := strconv.Quote(s)
		s = q[1 : len(q)-1]
	}
	switch s[0] {
	case '=', '+', '-', '@':
		return "'" + s
	}
	return s
}

// rowsAGroup bounds what a Parquet writer holds in memory.
const rowsAGroup = 1 << 18

// Parquet writes rows as one Parquet file: names as dictionaries, compressed
// with Zstandard.
func Parquet(w io.Writer, rows iter.Seq2[*Row, error]) error {
	pw := parquet.NewGenericWriter[Row](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(rowsAGroup), parquet.CreatedBy("layerscope", "1", ""))
	buf := make([]Row, 0, 1024)
	for r, err := range rows {
		if err != nil {
			return err
		}
		if buf = append(buf, *r); len(buf) == cap(buf) {
			if _, err := pw.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	if _, err := pw.Write(buf); err != nil {
		return err
	}
	return pw.Close()
}
