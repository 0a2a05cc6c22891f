// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"github.com/layerscope/layerscope/internal/term/termtext"
	"github.com/layerscope/layerscope/reports/internal/svg"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

var (
	//go:embed assets/report.css
	pageStyle string
	//go:embed assets/report.js
	pageScript string
)

// A page is a report as HTML: the blocks of its text form with charts, and the
// data that its script works on.
type page struct {
	kind  string // "report", "comparison"
	lead  string // markup of ours below the title
	parts []pagePart
	data  any
}

// A pagePart is one section of a page.
type pagePart struct {
	block
	id     string // of ours; default "s" and a number
	figure string // markup of ours above the table
	drawn  []texttab.Drawn
	folded string         // label of a table that is folded away; "" = it isn't
	live   string         // id of the table's place, where the script puts its own
	full   *texttab.Table // the table with nothing folded, behind a label
}

// HTML writes the report as one page that needs nothing else: styles, script
// and data are inside, and its policy forbids it to load anything. Text and
// tables are readable without the script; with it, charts can be chosen from and
// tables sorted and filtered. Names from the capture are text everywhere.
func (r *Report) HTML(w io.Writer) error {
	var pg page
	if r.page != nil {
		pg = r.page(r)
	} else {
		pg = page{kind: "report"}
		for _, b := range r.blocks(r) {
			pg.parts = append(pg.parts, pagePart{block: b})
		}
	}
	for i := range pg.parts {
		if pg.parts[i].id == "" {
			pg.parts[i].id = fmt.Sprintf("s%d", i)
		}
	}
	h := htmlWriter{}
	if err := h.page(&pg); err != nil {
		return err
	}
	_, err := w.Write(h.out.Bytes())
	return err
}

type htmlWriter struct{ out bytes.Buffer }

func (h *htmlWriter) print(ss ...string) {
	for _, s := range ss {
		h.out.WriteString(s)
	}
}

// hashed is a source of a content security policy: this text and no other.
func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (h *htmlWriter) page(pg *page) error {
	title := "layerscope"
	if len(pg.parts) > 0 {
		title = pg.parts[0].title
	}
	style := svg.PageStyle() + pageStyle
	h.print("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src `, hashed(style), "; script-src ", hashed(pageScript), `; base-uri 'none'; form-action 'none'">`, "\n",
		`<meta name="viewport" content="width=device-width, initial-scale=1">`, "\n<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
		"<link rel=\"icon\" href=\"data:,\">\n<title>", esc(title), " – layerscope</title>\n<style>", style, "</style>\n</head>\n<body class=\"ls-chart\">\n",
		"<a class=\"skip\" href=\"#main\">Skip to the report</a>\n")
	if err := h.parts(pg); err != nil {
		return err
	}
	if pg.data != nil {
		data, err := json.Marshal(pg.data) // escapes <, > and &, so nothing in it ends the element
		if err != nil {
			return err
		}
		h.print(`<script type="application/json" id="data">`, string(data), "</script>\n")
	}
	h.print("<script>", pageScript, "</script>\n</body>\n</html>\n")
	return nil
}

// parts writes the header, the links to sections, and these.
func (h *htmlWriter) parts(pg *page) error {
	rest := pg.parts
	h.print("<header>\n<p class=\"kind\">layerscope ", esc(pg.kind), "</p>\n")
	var first *pagePart
	if len(rest) > 0 && rest[0].head {
		first, rest = &rest[0], rest[1:]
		h.print("<h1>", esc(first.title), "</h1>\n", pg.lead)
		h.paragraphs("lead", first.para)
		h.paragraphs("", first.after)
	}
	h.print("</header>\n<nav aria-label=\"Sections\"><ul>\n")
	for i := range rest {
		if rest[i].title != "" {
			h.print(`<li><a href="#`, rest[i].id, `">`, esc(elide(rest[i].title, 32)), "</a></li>\n")
		}
	}
	h.print("</ul></nav>\n<main id=\"main\">\n")
	if first != nil {
		body := *first
		body.title, body.para, body.after = "", nil, nil
		if err := h.body(&body, title(first)); err != nil {
			return err
		}
	}
	for i := range rest {
		if err := h.part(&rest[i]); err != nil {
			return err
		}
	}
	h.print("</main>\n<footer>One file, made to be kept: it loads nothing and sends nothing.</footer>\n<div id=\"tip\" hidden></div>\n")
	return nil
}

func title(p *pagePart) string { return or(p.title, "report") }

func (h *htmlWriter) part(p *pagePart) error {
	h.print(`<section id="`, p.id, `" aria-labelledby="`, p.id, `-h">`, "\n", `<h2 id="`, p.id, `-h">`, esc(p.title), "</h2>\n")
	if err := h.body(p, title(p)); err != nil {
		return err
	}
	h.print("</section>\n")
	return nil
}

func (h *htmlWriter) body(p *pagePart, name string) error {
	h.paragraphs("", p.para)
	h.print(p.figure)
	if p.table != nil {
		if err := h.table(p, name); err != nil {
			return err
		}
	}
	if p.full != nil {
		all := pagePart{block: block{table: p.full}, folded: "Each row"}
		if err := h.table(&all, name+", each row"); err != nil {
			return err
		}
	}
	h.facts(p.facts)
	h.items(p.items)
	h.paragraphs("", offCommand(p.after))
	h.code(p.code)
	return nil
}

func (h *htmlWriter) table(p *pagePart, name string) error {
	if p.live != "" {
		h.print(`<div id="`, p.live, `">`, "\n")
	}
	if p.folded != "" {
		h.print("<details><summary>", esc(p.folded), "</summary>\n")
	}
	h.print(`<div class="scroll" tabindex="0" role="region" aria-label="`, esc(name), `, table">`, "\n")
	t := *p.table
	t.Title = ""
	if err := t.WriteHTML(&h.out, p.drawn...); err != nil {
		return err
	}
	h.print("</div>\n")
	if p.folded != "" {
		h.print("</details>\n")
	}
	if p.live != "" {
		h.print("</div>\n")
	}
	return nil
}

func (h *htmlWriter) paragraphs(class string, ps []string) {
	for i, p := range ps {
		if i == 0 && class != "" {
			h.print(`<p class="`, class, `">`, esc(p), "</p>\n")
			continue
		}
		h.print("<p>", esc(p), "</p>\n")
	}
}

func (h *htmlWriter) facts(facts []fact) {
	if len(facts) == 0 {
		return
	}
	h.print("<dl class=\"facts\">\n")
	for _, f := range facts {
		h.print("<dt>", esc(f.name), "</dt><dd>", esc(f.value), "</dd>\n")
	}
	h.print("</dl>\n")
}

func (h *htmlWriter) items(items []item) {
	if len(items) == 0 {
		return
	}
	h.print("<ul class=\"findings\">\n")
	for _, it := range items {
		class := [...]string{"error", "warning", "info"}[rank(it.severity)]
		h.print(`<li class="`, class, `"><b>`, esc(it.severity), "</b> <code>", esc(it.code), "</code>: ", esc(it.text))
		if it.hint != "" {
			h.print("\n<p class=\"hint\">", esc(it.hint), "</p>")
		}
		h.print("</li>\n")
	}
	h.print("</ul>\n")
}

// code writes lines of a diff.
func (h *htmlWriter) code(lines []string) {
	if len(lines) == 0 {
		return
	}
	h.print("<pre tabindex=\"0\" role=\"region\" aria-label=\"HLO, what changed\">")
	for _, l := range lines {
		class := map[byte]string{'+': "add", '-': "del", '@': "at"}[(l + " ")[0]]
		if class == "" {
			h.print(esc(l), "\n")
			continue
		}
		h.print(`<span class="`, class, `">`, esc(l), "</span>\n")
	}
	h.print("</pre>\n")
}

// flagHint is advice about the command line at a sentence's end.
var flagHint = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`; --(?:all|top) [^.;]*\.$`) })

// offCommand leaves out what only a terminal's reader can act on.
func offCommand(ps []string) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = flagHint().ReplaceAllString(p, ".")
	}
	return out
}

func esc(s string) string { return texttab.EscapeHTML(s) }

// displayed is a name from the capture as a page shows it.
func displayed(s string) string { return termtext.Safe(homeless(s)) }

// figure wraps a chart and says what it shows.
func figure(id, chart, caption string) string {
	var b strings.Builder
	b.WriteString("<figure")
	if id != "" {
		b.WriteString(` id="` + id + `"`)
	}
	b.WriteString(">\n" + chart)
	if caption != "" {
		b.WriteString("<figcaption>" + esc(caption) + "</figcaption>\n")
	}
	b.WriteString("</figure>\n")
	return b.String()
}
