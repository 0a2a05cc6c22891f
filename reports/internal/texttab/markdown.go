// SPDX-License-Identifier: Apache-2.0

package texttab

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layerscope/layerscope/internal/term/termtext"
)

// WriteMarkdown writes t as a GitHub-flavoured Markdown table. Groups, which
// Markdown lacks, go in front of the headers; bars are left out.
func (t *Table) WriteMarkdown(w io.Writer) error {
	if err := t.check(); err != nil {
		return err
	}
	t = t.withoutBars()
	var b strings.Builder
	t.markdownTitle(&b)
	scales := t.scales()
	heads, rules := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = EscapeMarkdown(c.Header)
		if c.Group != "" {
			heads[i] = EscapeMarkdown(c.Group) + " · " + heads[i]
		}
		if unit := c.unit(scales[i]); unit != "" {
			heads[i] = strings.TrimSpace(heads[i] + " (" + EscapeMarkdown(unit) + ")")
		}
		if rules[i] = ":---"; t.numeric(i) {
			rules[i] = "---:"
		}
	}
	markdownRow(&b, heads)
	markdownRow(&b, rules)
	for _, r := range t.Rows {
		texts := make([]string, len(t.Columns))
		for i := range t.Columns {
			main, interval := r.cell(i).body(scales[i])
			texts[i] = markdownCell(r, i, t.Columns[i].Code && !r.cell(i).number, main, interval)
		}
		if r.Heading != "" && len(texts) > 0 {
			clear(texts)
			texts[0] = "**" + EscapeMarkdown(r.Heading) + "**"
		}
		markdownRow(&b, texts)
	}
	for i, note := range t.Notes {
		fmt.Fprintf(&b, "\n<sup>%d</sup> %s\n", i+1, EscapeMarkdown(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) markdownTitle(b *strings.Builder) {
	if t.Title != "" {
		b.WriteString("**" + EscapeMarkdown(t.Title) + "**")
		if t.Aside != "" {
			b.WriteString(" · ")
		}
	}
	if b.WriteString(EscapeMarkdown(t.Aside)); b.Len() > 0 {
		b.WriteString("\n\n")
	}
}

func markdownRow(b *strings.Builder, cells []string) {
	b.WriteString("|")
	for _, c := range cells {
		b.WriteString(" " + c + " |")
	}
	b.WriteString("\n")
}

func markdownCell(r Row, i int, code bool, main, interval string) string {
	c := r.cell(i)
	text := EscapeMarkdown(main)
	if code {
		text = CodeSpan(main)
	}
	if r.Total && text != "" {
		text = "**" + text + "**"
	}
	if interval != "" {
		text += " " + interval
	}
	if c.note > 0 {
		text += fmt.Sprintf(" <sup>%d</sup>", c.note)
	}
	if i == 0 {
		text = strings.Repeat("&emsp;", r.Indent) + text
	}
	return text
}

// EscapeMarkdown returns s as text that Markdown shows literally on one line:
// markup, HTML and table pipes are escaped, controls shown as escapes, and "@x"
// and "#1" kept from notifying people and linking issues.
func EscapeMarkdown(s string) string {
	s = termtext.Safe(s)
	var b strings.Builder
	for i, r := range s {
		switch {
		case i == 0 && startsBlock(s):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '<':
			b.WriteString("&lt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*[]|~", r), r == '_' && !insideWord(s, i):
			b.WriteByte('\\')
			b.WriteRune(r)
		case (r == '@' || r == '#') && i+1 < len(s) && isWord(s[i+1:]):
			b.WriteRune(r)
			b.WriteString("<!-- -->")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// startsBlock reports whether s would begin a quote, heading or list item.
func startsBlock(s string) bool {
	return s[0] == '>' || len(s) > 1 && s[1] == ' ' && strings.IndexByte("#-+", s[0]) >= 0
}

// insideWord reports whether the underscore at s[i] joins two word characters:
// those never start emphasis and stay readable ("layer_3").
func insideWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	return (unicode.IsLetter(before) || unicode.IsDigit(before)) && isWord(s[i+1:])
}

func isWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// CodeSpan returns s as inline code that is safe in a table: fenced by more
// backticks than it holds, pipes escaped, controls shown as escapes. Of a backslash
// and a pipe behind it readers of Markdown think differently in code, so that such
// text is no code.
func CodeSpan(s string) string {
	s = termtext.Safe(s)
	if strings.TrimSpace(s) == "" {
		return s
	}
	if strings.Contains(s, `\|`) {
		return EscapeMarkdown(s)
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}
