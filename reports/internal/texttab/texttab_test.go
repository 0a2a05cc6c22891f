// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

func text(t interface{ Fatal(...any) }, table *Table, s Style) string {
	var buf bytes.Buffer
	if err := table.WriteText(&buf, s); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// Colour adds and changes nothing: without the codes it is the same text.
func TestColourOnlyAdds(t *testing.T) {
	codes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for _, table := range []*Table{layers(), diff()} {
		plain := text(t, table, Style{Width: 80})
		coloured := text(t, table, Style{Width: 80, Color: true})
		if plain == coloured {
			t.Errorf("no colour in\n%s", coloured)
		}
		if d := cmp.Diff(plain, codes.ReplaceAllString(coloured, "")); d != "" {
			t.Errorf("colour moved the text (-plain +coloured):\n%s", d)
		}
	}
	if got := text(t, diff(), Style{Color: true}); !strings.Contains(got, "\x1b[31m+25.2 %\x1b[0m") {
		t.Errorf("a slower layer isn't red:\n%q", got)
	}
}

func TestMisuseIsAnError(t *testing.T) {
	for want, table := range map[string]*Table{
		`texttab: "x": row 0 has 2 cells for 1 columns`: {Title: "x", Columns: []Column{{}}, Rows: []Row{{Cells: []Cell{Text("a"), Text("b")}}}},
		`texttab: "x": row 0 refers to note 1 of 0`:     {Title: "x", Columns: []Column{{}}, Rows: []Row{{Cells: []Cell{Text("a").Note(1)}}}},
	} {
		var buf bytes.Buffer
		for _, err := range []error{table.WriteText(&buf, Style{}), table.WriteMarkdown(&buf), table.WriteCSV(&buf)} {
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		}
		if buf.Len() > 0 {
			t.Errorf("%s: wrote %q nevertheless", want, buf.String())
		}
	}
}

// anyTable draws a table of one name column and some number columns.
func anyTable(t *rapid.T) *Table {
	table := &Table{Columns: []Column{{Header: "name", Elide: true, Code: rapid.Bool().Draw(t, "code")}}}
	for range rapid.IntRange(1, 4).Draw(t, "columns") {
		table.Columns = append(table.Columns, Column{
			Header: rapid.StringMatching(`[a-z|µ]{1,6}`).Draw(t, "header"),
			Unit:   rapid.SampledFrom([]quantity.Unit{quantity.Time, quantity.Count, quantity.Bytes}).Draw(t, "unit"),
		})
	}
	for range rapid.IntRange(1, 8).Draw(t, "rows") {
		row := Row{Indent: rapid.IntRange(0, 2).Draw(t, "indent"), Cells: []Cell{Text(rapid.String().Draw(t, "name"))}}
		for range table.Columns[1:] {
			row.Cells = append(row.Cells, Int(rapid.Int64Range(-1e14, 1e14).Draw(t, "n")))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// Whatever the names: one line a row, all numbers of a column end at the same
// cell, and a table that can be cut to the width is.
func TestTextLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		limit := 200
		lines := strings.Split(strings.TrimSuffix(text(t, table, Style{Width: limit}), "\n"), "\n")
		body := lines[len(lines)-len(table.Rows):]
		rule := lines[len(lines)-len(table.Rows)-1]
		if !strings.HasPrefix(rule, "───") {
			t.Fatalf("rows take more than a line each:\n%s", strings.Join(lines, "\n"))
		}
		for _, line := range lines {
			if w := termtext.Width(line); w > limit || w > termtext.Width(rule) {
				t.Fatalf("line of %d cells, table of %d, limit %d:\n%s", w, termtext.Width(rule), limit, line)
			}
		}
		for _, line := range body {
			if termtext.Width(line) != termtext.Width(rule) {
				t.Fatalf("last column doesn't end at the table's edge:\n%s\n%s", rule, line)
			}
		}
	})
}

// A Markdown row has as many cells as the header, whatever is in them.
func TestMarkdownCells(t *testing.T) {
	pipe := regexp.MustCompile(`(^|[^\\])\|`)
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		var buf bytes.Buffer
		if err := table.WriteMarkdown(&buf); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(buf.String(), "\n"), "\n")
		if len(lines) != 2+len(table.Rows) {
			t.Fatalf("%d lines for %d rows:\n%s", len(lines), len(table.Rows), buf.String())
		}
		for _, line := range lines {
			bare := strings.ReplaceAll(line, `\\`, "") // an escaped backslash escapes nothing
			if n := len(pipe.FindAllString(bare, -1)); n != len(table.Columns)+1 {
				t.Fatalf("%d pipes for %d columns: %s", n, len(table.Columns), line)
			}
		}
	})
}

func TestCSVReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := anyTable(t)
		var buf bytes.Buffer
		if err := table.WriteCSV(&buf); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&buf).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range table.Rows {
			for j, c := range r.Cells {
				want := termtext.Safe(c.text)
				if c.number {
					want = c.value.Raw()
				}
				if got := records[i+1][j]; got != want {
					t.Fatalf("row %d column %d reads back as %q, want %q", i, j, got, want)
				}
			}
		}
	})
}

func TestEscapeMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"layer_3":        "layer_3",
		"_x_ a_":         `\_x\_ a\_`,
		"# title":        `\# title`,
		"> quote":        `\> quote`,
		"- item":         `\- item`,
		"-9.9 %":         "-9.9 %",
		"a\nb":           `a\\nb`,
		"<img src=x>":    "&lt;img src=x>",
		"![i](u)":        `!\[i\](u)`,
		"see @me and #7": "see @<!-- -->me and #<!-- -->7",
		"&lt;":           "&amp;lt;",
		"a # b @ c":      "a # b @ c",
	} {
		if got := EscapeMarkdown(in); got != want {
			t.Errorf("EscapeMarkdown(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCodeSpan(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " ": " ", "a": "`a`", "a|b": "`a\\|b`", "a`b": "``a`b``", "`a": "`` `a ``", "a``b": "```a``b```", "a`": "`` a` ``", `a\|b`: `a\\\|b`,
	} {
		if got := CodeSpan(in); got != want {
			t.Errorf("CodeSpan(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		plain    bool
		want     string
	}{
		{0, false, ""}, {-1, false, ""}, {0.001, false, "▏"}, {0.5, false, "██"}, {0.53, false, "██▏"}, {1, false, "████"}, {2, false, "████"},
		{0.001, true, "#"}, {0.5, true, "##"}, {1, true, "####"}, {0, true, ""},
	} {
		if got := bar(c.fraction, 4, c.plain); got != c.want {
			t.Errorf("bar(%v, plain %v) = %q, want %q", c.fraction, c.plain, got, c.want)
		}
	}
}
