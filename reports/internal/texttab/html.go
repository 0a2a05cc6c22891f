// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

// A Drawn is a column of an HTML table that the caller draws: Cell returns
// markup for a row, headings not counted. It stands before column At.
type Drawn struct {
	Header string
	At     int
	Cell   func(row int) string
}

// EscapeHTML returns s as text of HTML or of a quoted attribute, with controls
// shown as escapes.
func EscapeHTML(s string) string { return html.EscapeString(termtext.Safe(s)) }

// WriteHTML writes t as a table element. Its classes are: n for numbers, bar,
// total, heading, i1… for indents, long for text
// to break, and the tones' names. Cells with numbers have
// the full value as data-v.
func (t *Table) WriteHTML(w io.Writer, drawn ...Drawn) error {
	if err := t.check(); err != nil {
		return err
	}
	h := htmlTable{t: t, drawn: drawn}
	for i := range t.Columns {
		h.used = append(h.used, t.Columns[i].Bar == 0 || h.largest(i) > 0)
	}
	h.out.WriteString("<table>\n")
	if t.Title != "" {
		h.out.WriteString("<caption>" + EscapeHTML(t.Title) + "</caption>\n")
	}
	if t.hasHeader() {
		h.head()
	}
	h.out.WriteString("<tbody>\n")
	scales := t.scales()
	for i, r := range t.Rows {
		h.row(i, r, func(col int) (string, string) { return r.cell(col).body(scales[col]) })
	}
	h.out.WriteString("</tbody>\n</table>\n")
	if len(t.Notes) > 0 {
		h.out.WriteString("<ol class=\"notes\">\n")
		for _, n := range t.Notes {
			h.out.WriteString("<li>" + EscapeHTML(n) + "</li>\n")
		}
		h.out.WriteString("</ol>\n")
	}
	_, err := io.WriteString(w, h.out.String())
	return err
}

type htmlTable struct {
	t     *Table
	drawn []Drawn
	used  []bool // columns; bars of nothing are left out
	out   strings.Builder
}

// each calls f for every column in order, with those drawn in between.
func (h *htmlTable) each(f func(col int, d *Drawn)) {
	for i := range len(h.t.Columns) + 1 {
		for k := range h.drawn {
			if h.drawn[k].At == i {
				f(-1, &h.drawn[k])
			}
		}
		if i < len(h.t.Columns) && h.used[i] {
			f(i, nil)
		}
	}
}

func (h *htmlTable) grouped() bool {
	for _, c := range h.t.Columns {
		if c.Group != "" {
			return true
		}
	}
	return false
}

// head writes one row of headers, below one of groups when there are any.
func (h *htmlTable) head() {
	h.out.WriteString("<thead>\n")
	if h.grouped() {
		h.groups()
	}
	scales := h.t.scales()
	h.out.WriteString("<tr>")
	h.each(func(col int, d *Drawn) {
		if d != nil {
			h.out.WriteString(`<th scope="col" class="drawn">` + EscapeHTML(d.Header) + "</th>")
			return
		}
		c := h.t.Columns[col]
		text := EscapeHTML(c.Header)
		if unit := c.unit(scales[col]); unit != "" {
			text = strings.TrimSpace(text + ` <span class="unit">` + EscapeHTML(unit) + "</span>")
		}
		switch {
		case text == "":
			h.out.WriteString("<td></td>")
		case h.t.numeric(col):
			h.out.WriteString(`<th scope="col" class="n">` + text + "</th>")
		default:
			h.out.WriteString(`<th scope="col">` + text + "</th>")
		}
	})
	h.out.WriteString("</tr>\n</thead>\n")
}

func (h *htmlTable) groups() {
	h.out.WriteString(`<tr class="groups">`)
	group, n := "", 0
	flush := func() {
		switch {
		case n == 0:
		case group == "":
			fmt.Fprintf(&h.out, `<td colspan="%d"></td>`, n)
		default:
			fmt.Fprintf(&h.out, `<th scope="colgroup" colspan="%d">%s</th>`, n, EscapeHTML(group))
		}
		n = 0
	}
	h.each(func(col int, d *Drawn) {
		name := ""
		if d == nil {
			name = h.t.Columns[col].Group
		}
		if name != group {
			flush()
			group = name
		}
		n++
	})
	flush()
	h.out.WriteString("</tr>\n")
}

func (h *htmlTable) row(i int, r Row, body func(col int) (main, interval string)) {
	if r.Heading != "" {
		cols := 0
		h.each(func(int, *Drawn) { cols++ })
		fmt.Fprintf(&h.out, "<tr class=\"heading\"><th scope=\"rowgroup\" colspan=\"%d\">%s</th></tr>\n", cols, EscapeHTML(r.Heading))
		return
	}
	h.out.WriteString("<tr")
	if r.Total {
		h.out.WriteString(` class="total"`)
	}
	h.out.WriteString(">")
	h.each(func(col int, d *Drawn) {
		if d != nil {
			h.out.WriteString(`<td class="drawn">` + d.Cell(i) + "</td>")
			return
		}
		main, interval := body(col)
		h.cell(r, col, main, interval)
	})
	h.out.WriteString("</tr>\n")
}

// wraps is the width from which text is broken into lines.
const wraps = 36

var htmlTones = [...]string{Normal: "", Better: "better", Worse: "worse", Dim: "dim", Strong: "strong"}

func (h *htmlTable) cell(r Row, col int, main, interval string) {
	c, column := r.cell(col), h.t.Columns[col]
	if column.Bar > 0 {
		h.out.WriteString(`<td class="bar">` + h.bar(c, col) + "</td>")
		return
	}
	tag, attrs := "td", ""
	if col == 0 {
		tag, attrs = "th", ` scope="row"`
	}
	var classes []string
	if h.t.numeric(col) {
		classes = append(classes, "n")
	}
	if tone := htmlTones[c.tone]; tone != "" {
		classes = append(classes, tone)
	}
	if col == 0 && r.Indent > 0 {
		classes = append(classes, fmt.Sprintf("i%d", min(r.Indent, 4)))
	}
	if col > 0 && !c.number && termtext.Width(main) > wraps {
		classes = append(classes, "long")
	}
	if len(classes) > 0 {
		attrs += ` class="` + strings.Join(classes, " ") + `"`
	}
	if raw := c.value.Raw(); c.number && raw != "" {
		attrs += ` data-v="` + raw + `"`
	}
	text := EscapeHTML(main)
	if column.Code && !c.number && !r.Total && text != "" {
		text = "<code>" + text + "</code>"
	}
	if interval != "" {
		text += ` <span class="pm">` + interval + "</span>"
	}
	if c.note > 0 {
		text += fmt.Sprintf("<sup>%d</sup>", c.note)
	}
	h.out.WriteString("<" + tag + attrs + ">" + text + "</" + tag + ">")
}

// bar draws a number relative to the largest of its column.
func (h *htmlTable) bar(c Cell, col int) string {
	most := h.largest(col)
	if !c.number || most <= 0 || c.value.Float() <= 0 {
		return ""
	}
	return fmt.Sprintf(`<svg class="ls-bar" aria-hidden="true"><rect width="%.1f%%" height="100%%"/></svg>`, 100*c.value.Float()/most)
}

func (h *htmlTable) largest(col int) float64 {
	most := 0.0
	for _, r := range h.t.Rows {
		if c := r.cell(col); c.number && !r.Total {
			most = max(most, c.value.Float())
		}
	}
	return most
}
