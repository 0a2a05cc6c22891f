// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"io"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

const (
	gap      = 2  // cells between columns
	minElide = 12 // an elided column isn't made narrower than this
)

// Style says what the terminal can do. The zero value is what goes into a file:
// no limit on the width, Unicode, no colour.
type Style struct {
	Width int  // columns of the terminal; 0: don't cut anything
	Plain bool // ASCII rules, bars and marks
	Color bool
}

// WriteText writes t for a terminal.
func (t *Table) WriteText(w io.Writer, style Style) error {
	if err := t.check(); err != nil {
		return err
	}
	l := newLayout(t, style)
	if style.Width > 0 && l.width > style.Width {
		l = newLayout(t.withoutBars(), style)
		l.fit()
	}
	l.title()
	l.header()
	l.rows()
	l.notes()
	_, err := io.WriteString(w, l.out.String())
	return err
}

// A textCell is a cell ready to be placed: the parts that line up on their own.
type textCell struct {
	main, interval, mark string
	tone                 Tone
}

// A lane is the width of each part of a column.
type lane struct {
	main, interval, mark int
	total                int // all parts, or more if the header needs it
	right                bool
}

type layout struct {
	t     *Table
	style Style
	units []string
	cells [][]textCell // by row; nil for headings
	lanes []lane
	width int
	out   strings.Builder
}

func newLayout(t *Table, style Style) *layout {
	l := &layout{t: t, style: style, lanes: make([]lane, len(t.Columns))}
	scales := t.scales()
	for i, c := range t.Columns {
		l.units = append(l.units, l.ascii(c.unit(scales[i])))
		l.lanes[i].right = t.numeric(i) && c.Bar == 0
	}
	bars := t.barScales()
	for _, r := range t.Rows {
		l.cells = append(l.cells, l.place(r, scales, bars))
	}
	l.measure()
	return l
}

// place turns a row into text cells and widens the lanes for them.
func (l *layout) place(r Row, scales []quantity.Scale, bars []float64) []textCell {
	if r.Heading != "" {
		return nil
	}
	cells := make([]textCell, len(l.t.Columns))
	for i, col := range l.t.Columns {
		c := r.cell(i)
		main, interval := c.body(scales[i])
		if col.Bar > 0 && c.number {
			main, interval = bar(c.value.Float()/bars[i], col.Bar, l.style.Plain), ""
		} else if c.number {
			main, interval = l.ascii(main), l.ascii(interval)
		}
		main = termtext.Safe(main)
		if i == 0 {
			main = strings.Repeat("  ", r.Indent) + main
		}
		cells[i] = textCell{main, interval, l.mark(c.note), c.tone}
		lane := &l.lanes[i]
		lane.main = max(lane.main, termtext.Width(main))
		lane.interval = max(lane.interval, termtext.Width(interval))
		lane.mark = max(lane.mark, termtext.Width(cells[i].mark))
	}
	return cells
}

// measure sums the lanes up and makes room for headers, units and groups.
func (l *layout) measure() {
	for i, c := range l.t.Columns {
		lane := &l.lanes[i]
		lane.total = max(lane.parts(), termtext.Width(termtext.Safe(c.Header)), termtext.Width(l.units[i]))
	}
	for from, to := range l.t.groups() {
		need := termtext.Width(termtext.Safe(l.t.Columns[from].Group))
		if short := need - l.span(from, to); short > 0 {
			l.lanes[to-1].total += short
		}
	}
	l.width = l.span(0, len(l.lanes))
}

func (l lane) parts() int {
	n := l.main + l.mark
	if l.interval > 0 {
		n += 1 + l.interval
	}
	return n
}

// span returns the width of columns [from, to) with the gaps between them.
func (l *layout) span(from, to int) int {
	n := gap * max(to-from-1, 0)
	for _, lane := range l.lanes[from:to] {
		n += lane.total
	}
	return n
}

// fit cuts the widest elidable column until the table fits or none can give.
func (l *layout) fit() {
	for l.width > l.style.Width {
		widest := -1
		for i, c := range l.t.Columns {
			if c.Elide && l.lanes[i].main > minElide && (widest < 0 || l.lanes[i].main > l.lanes[widest].main) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		lane := &l.lanes[widest]
		cut := min(l.width-l.style.Width, lane.main-minElide, 1+lane.main/8) // in turns, if there are several
		lane.main -= cut
		l.width -= lane.total
		lane.total = max(lane.parts(), termtext.Width(termtext.Safe(l.t.Columns[widest].Header)), termtext.Width(l.units[widest]))
		l.width += lane.total
	}
}

// ascii replaces the signs of ours that aren't ASCII, in the plain style.
func (l *layout) ascii(s string) string {
	if l.style.Plain {
		return asciiSigns.Replace(s)
	}
	return s
}

var asciiSigns = strings.NewReplacer("µ", "u", "± ", "+/- ", "×", "x", "∞", "inf", "–", "-")

func (l *layout) ellipsis() string {
	if l.style.Plain {
		return "..."
	}
	return "…"
}

// mark returns the sign of footnote n: a superscript, or [n].
func (l *layout) mark(n int) string {
	switch {
	case n == 0:
		return ""
	case l.style.Plain:
		return "[" + strconv.Itoa(n) + "]"
	}
	return " " + strings.Map(func(r rune) rune { return []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[r-'0'] }, strconv.Itoa(n))
}

// groups yields the column ranges that stand under one group heading.
func (t *Table) groups() map[int]int {
	ranges := make(map[int]int)
	for i := 0; i < len(t.Columns); {
		j := i + 1
		for j < len(t.Columns) && t.Columns[j].Group == t.Columns[i].Group {
			j++
		}
		if t.Columns[i].Group != "" {
			ranges[i] = j
		}
		i = j
	}
	return ranges
}
