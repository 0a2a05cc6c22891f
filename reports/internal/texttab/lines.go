// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

var toneCodes = [...]string{Normal: "", Better: "32", Worse: "31", Dim: "2", Strong: "1"}

// line ends an output line; trailing blanks are never printed.
func (l *layout) line(s string) {
	l.out.WriteString(strings.TrimRight(s, " "))
	l.out.WriteByte('\n')
}

func (l *layout) rule() {
	l.line(strings.Repeat(l.stroke(), l.width))
}

func (l *layout) stroke() string {
	if l.style.Plain {
		return "-"
	}
	return "─"
}

func (l *layout) title() {
	title, aside := termtext.Safe(l.t.Title), termtext.Safe(l.t.Aside)
	if title == "" && aside == "" {
		return
	}
	if aside != "" {
		room := l.width - termtext.Width(title) - termtext.Width(aside)
		title += strings.Repeat(" ", max(room, gap)) + aside
	}
	l.line(l.paint(title, Strong))
}

func (l *layout) header() {
	if !l.t.hasHeader() {
		return
	}
	l.groupLine()
	heads := make([]string, len(l.t.Columns))
	units := false
	for i, c := range l.t.Columns {
		heads[i] = termtext.Safe(c.Header)
		units = units || l.units[i] != ""
	}
	l.line(l.headLine(heads))
	if units {
		l.line(l.headLine(l.units))
	}
	l.rule()
}

// headLine lines header texts up with their columns.
func (l *layout) headLine(texts []string) string {
	parts := make([]string, len(texts))
	for i, s := range texts {
		parts[i] = pad(s, l.lanes[i].total, l.lanes[i].right)
	}
	return strings.Join(parts, strings.Repeat(" ", gap))
}

// groupLine centres each group's name in a rule over its columns.
func (l *layout) groupLine() {
	groups := l.t.groups()
	if len(groups) == 0 {
		return
	}
	var b strings.Builder
	for i := 0; i < len(l.lanes); {
		to, ok := groups[i]
		if !ok {
			to = i + 1
		}
		if i > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		if width := l.span(i, to); ok {
			b.WriteString(l.centre(termtext.Safe(l.t.Columns[i].Group), width, l.lanes[i].right))
		} else {
			b.WriteString(strings.Repeat(" ", width))
		}
		i = to
	}
	l.line(b.String())
}

func (l *layout) centre(s string, width int, right bool) string {
	free := width - termtext.Width(s) - 2
	if free < 2 {
		return pad(s, width, right)
	}
	return strings.Repeat(l.stroke(), free/2) + " " + s + " " + strings.Repeat(l.stroke(), free-free/2)
}

func (l *layout) rows() {
	if len(l.t.Rows) == 0 {
		l.line("(none)")
	}
	for i, r := range l.t.Rows {
		if r.Heading != "" {
			l.line(strings.Repeat(l.stroke(), 2) + " " + l.paint(termtext.Safe(r.Heading), Strong))
			continue
		}
		if r.Total && i > 0 && !l.t.Rows[i-1].Total {
			l.rule()
		}
		parts := make([]string, len(l.lanes))
		for j, c := range l.cells[i] {
			parts[j] = l.cell(c, l.lanes[j])
		}
		l.line(strings.Join(parts, strings.Repeat(" ", gap)))
	}
}

// cell pads a cell to its lane. Numbers end at the same column, so their points
// line up; intervals and marks have lanes of their own behind them.
func (l *layout) cell(c textCell, lane lane) string {
	main := termtext.Elide(c.main, lane.main, l.ellipsis())
	if !lane.right {
		main += c.mark
		return l.paint(main, c.tone) + strings.Repeat(" ", max(lane.total-termtext.Width(main), 0))
	}
	text := pad(main, lane.main, true)
	if lane.interval > 0 {
		text += " " + pad(c.interval, lane.interval, true)
	}
	text += pad(c.mark, lane.mark, false)
	blank := strings.Repeat(" ", max(lane.total-lane.parts(), 0))
	return blank + l.paint(text, c.tone)
}

func (l *layout) paint(s string, tone Tone) string {
	if !l.style.Color || tone == Normal || strings.TrimSpace(s) == "" {
		return s
	}
	trimmed := strings.TrimRight(s, " ")
	return "\x1b[" + toneCodes[tone] + "m" + trimmed + "\x1b[0m" + s[len(trimmed):]
}

func (l *layout) notes() {
	for i, note := range l.t.Notes {
		mark := strings.TrimSpace(l.mark(i + 1))
		indent := termtext.Width(mark) + 1
		for j, text := range wrap(termtext.Safe(note), l.style.Width-indent) {
			if j == 0 {
				l.line(mark + " " + text)
			} else {
				l.line(strings.Repeat(" ", indent) + text)
			}
		}
	}
}

// wrap breaks text at spaces into lines of at most width; a longer word keeps a
// line of its own. A width below 20 means no limit.
func wrap(text string, width int) []string {
	if width < 20 {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case termtext.Width(line)+1+termtext.Width(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// pad fills s with blanks to width, on the left if right-aligned.
func pad(s string, width int, right bool) string {
	blank := strings.Repeat(" ", max(width-termtext.Width(s), 0))
	if right {
		return blank + s
	}
	return s + blank
}
