// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// A block is one part of a report before it has a format: a title, sentences, a
// table, facts or findings, and sentences after them.
type block struct {
	title string
	head  bool // the report's first block: its title is the report's
	para  []string
	table *texttab.Table
	facts []fact
	items []item
	after []string
	code  []string // lines of a diff, shown as they are

	// Of Markdown only.
	level   int      // of the title; 0 = 2 for head, else 3
	picture *picture // above the table
	lines   []string // of text in the language lang, below all
	lang    string
	mark    string // a line of ours, as it is
}

// A picture is a chart in a file of its own.
type picture struct {
	name string // of the file, without directory
	alt  string
	svg  string
}

// A fact is a named value of the provenance.
type fact struct{ name, value string }

// An item is one finding.
type item struct {
	severity, code, text, hint string
}

func writeText(w io.Writer, blocks []block, style Style) error {
	t := textWriter{style: style}
	for i := range blocks {
		if i > 0 {
			t.out.WriteByte('\n')
		}
		if err := t.block(&blocks[i]); err != nil {
			return err
		}
	}
	text := t.out.String()
	if style.Plain {
		text = plainSigns.Replace(text)
	}
	_, err := io.WriteString(w, text)
	return err
}

type textWriter struct {
	out   strings.Builder
	style Style
}

func (t *textWriter) block(b *block) error {
	alone := b.table == nil || len(b.para) > 0 // a table prints its title itself
	if b.title != "" && alone {
		t.line(t.paint(termtext.Safe(b.title), bold))
	}
	for _, p := range b.para {
		t.wrapped(termtext.Safe(p), "")
	}
	if b.table != nil {
		if b.table.Title = b.title; alone {
			b.table.Title = ""
			t.line("")
		}
		if err := b.table.WriteText(&t.out, texttab.Style(t.style)); err != nil {
			return err
		}
	}
	t.facts(b.facts)
	for i := range b.items {
		t.item(&b.items[i])
	}
	for _, p := range b.after {
		t.wrapped(termtext.Safe(p), "")
	}
	for _, l := range b.code {
		t.line("  " + termtext.Safe(l))
	}
	return nil
}

func (t *textWriter) facts(facts []fact) {
	width := 0
	for _, f := range facts {
		width = max(width, termtext.Width(termtext.Safe(f.name)))
	}
	for _, f := range facts {
		name := termtext.Safe(f.name)
		name += strings.Repeat(" ", width-termtext.Width(name)+2)
		t.wrapped(name+termtext.Safe(f.value), strings.Repeat(" ", width+2))
	}
}

func (t *textWriter) item(it *item) {
	tone := [...]string{red, yellow, ""}[rank(it.severity)]
	t.wrapped(t.paint(it.severity, tone)+" "+termtext.Safe(it.code+": "+it.text), "  ")
	if it.hint != "" {
		t.wrapped("  hint: "+termtext.Safe(it.hint), "    ")
	}
}

// SGR parameters.
const (
	bold   = "1"
	red    = "31"
	yellow = "33"
)

func (t *textWriter) paint(s, sgr string) string {
	if !t.style.Color || sgr == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (t *textWriter) line(s string) {
	t.out.WriteString(s)
	t.out.WriteByte('\n')
}

// plainSigns are of equal width, so that columns stay in line.
var plainSigns = strings.NewReplacer("µ", "u", "±", "~", "×", "x", "–", "-", "…", "~")

// wrapped writes s in lines of at most the style's width; lines after the first
// begin with indent. A word that is longer keeps a line of its own.
func (t *textWriter) wrapped(s, indent string) {
	if t.style.Width < 40 {
		t.line(s)
		return
	}
	line := ""
	for i, word := range strings.Split(s, " ") {
		switch {
		case i == 0:
			line = word
		case termtext.Width(line)+1+termtext.Width(word) <= t.style.Width || strings.TrimSpace(line) == "":
			line += " " + word
		default:
			t.line(line)
			line = indent + word
		}
	}
	t.line(line)
}

func writeMarkdown(w io.Writer, blocks []block, charts string) error {
	var out strings.Builder
	for i := range blocks {
		if i > 0 {
			out.WriteByte('\n')
		}
		if err := markdownBlock(&out, &blocks[i], charts); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// markdownBlock writes a block; its picture is in the directory charts.
func markdownBlock(out *strings.Builder, b *block, charts string) error {
	var parts []string
	if b.title != "" {
		level := 3
		switch {
		case b.level > 0:
			level = b.level
		case b.head:
			level = 2
		}
		parts = append(parts, strings.Repeat("#", level)+" "+texttab.EscapeMarkdown(b.title)+"\n")
	}
	for _, p := range b.para {
		parts = append(parts, texttab.EscapeMarkdown(p)+"\n")
	}
	if b.picture != nil && charts != "" {
		parts = append(parts, fmt.Sprintf("![%s](<%s>)\n", texttab.EscapeMarkdown(b.picture.alt), linkTarget.Replace(path.Join(charts, b.picture.name))))
	}
	if b.table != nil {
		var table strings.Builder
		b.table.Title = ""
		if err := b.table.WriteMarkdown(&table); err != nil {
			return err
		}
		parts = append(parts, table.String())
	}
	var list strings.Builder
	for _, f := range b.facts {
		fmt.Fprintf(&list, "- %s: %s\n", texttab.EscapeMarkdown(f.name), texttab.EscapeMarkdown(f.value))
	}
	for _, it := range b.items {
		fmt.Fprintf(&list, "- **%s** %s: %s\n", it.severity, texttab.CodeSpan(it.code), texttab.EscapeMarkdown(it.text))
		if it.hint != "" {
			fmt.Fprintf(&list, "  Hint: %s\n", texttab.EscapeMarkdown(it.hint))
		}
	}
	if list.Len() > 0 {
		parts = append(parts, list.String())
	}
	for _, p := range b.after {
		parts = append(parts, texttab.EscapeMarkdown(p)+"\n")
	}
	if len(b.code) > 0 {
		parts = append(parts, fenced("diff", b.code))
	}
	if len(b.lines) > 0 {
		parts = append(parts, fenced(b.lang, b.lines))
	}
	if b.mark != "" {
		parts = append(parts, b.mark+"\n")
	}
	out.WriteString(strings.Join(parts, "\n"))
	return nil
}

// linkTarget keeps a path within <>.
var linkTarget = strings.NewReplacer("<", "%3C", ">", "%3E", "\\", "%5C", "\n", "%0A", "\r", "%0D")

// fenced is a code block that no line of it can end.
func fenced(lang string, lines []string) string {
	fence := "```"
	for _, l := range lines {
		for strings.Contains(l, fence) {
			fence += "`"
		}
	}
	text := fence + lang + "\n"
	for _, l := range lines {
		text += termtext.Safe(l) + "\n"
	}
	return text + fence + "\n"
}
