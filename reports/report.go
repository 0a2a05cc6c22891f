// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
)

// Options steer a report. The zero value is the whole report.
type Options struct {
	// Title names the capture in the headline; "" takes the inputs' file names.
	Title string
	// By lists the sections wanted, in this order; see [Sections]. Nil is
	// layer, component, category, op, program and step. JSON holds them all.
	By []string
	// Top limits the rows of op, scope and source tables: 0 means 20 in text
	// and Markdown and no limit in CSV and JSON, less than 0 no limit.
	Top int
	// All unfolds equal layers, and equal ops of several layers, and lists each
	// step.
	All bool
	// Filter keeps the ops that match. Tables are then sums over these.
	Filter Filter
	// Charts is where the charts of Markdown are, relative to it and with slashes:
	// each chart stands above its table. "" = none; see [Report.Charts].
	Charts string
	// Version of the program, for the provenance.
	Version string
}

func (o *Options) textTop() int {
	if o.Top == 0 {
		return 20
	}
	return o.Top
}

func (o *Options) jsonTop() int {
	if o.Top == 0 {
		return -1
	}
	return o.Top
}

// A Style says what the reader of a text can take. The zero value suits a file.
type Style struct {
	Width int  // columns of the terminal; 0 = cut and wrap nothing
	Plain bool // ASCII only
	Color bool
}

// A Report is an analysis ready to be written in any format. It is not changed
// by writing.
type Report struct {
	a      *analyze.Analysis
	opts   Options
	opTime analyze.Duration // of all devices: the denominator, filter or not

	peakFLOPs, peakHBM float64 // of the fastest device; 0 = not stated

	width    int                   // of the terminal written to; 0 = no limit
	blocks   func(*Report) []block // text and Markdown
	document func() any            // JSON
	records  func(*csvWriter)
	chart    func() string // SVG; nil = none
	pictures func(*Report) []titled
	page     func(*Report) page // HTML; nil = the blocks
}

// New returns the report of an analysis.
func New(a *analyze.Analysis, opts Options) *Report {
	r := newReport(a, opts)
	if r.filtered() {
		r.a = restrict(a, opts.Filter)
	}
	r.blocks = (*Report).reportBlocks
	r.document = func() any { return r.jsonReport() }
	r.records = r.csvRows
	r.page = (*Report).reportPage
	r.pictures = (*Report).reportPictures
	return r
}

// Inspect returns one screen about what the capture holds. Of the options only
// Title and Version apply. It has no CSV form.
func Inspect(a *analyze.Analysis, opts Options) *Report {
	r := newReport(a, opts)
	r.blocks = (*Report).inspectBlocks
	r.document = func() any { return r.jsonInspect() }
	return r
}

// Check returns the findings and a verdict: can the capture be trusted? Of the
// options only Title and Version apply.
func Check(a *analyze.Analysis, opts Options) *Report {
	r := newReport(a, opts)
	r.blocks = (*Report).checkBlocks
	r.document = func() any { return r.jsonCheck() }
	r.records = r.csvFindings
	return r
}

func newReport(a *analyze.Analysis, opts Options) *Report {
	r := &Report{a: a, opts: opts}
	for i := range a.Devices {
		r.opTime += a.Devices[i].OpTime
		r.peakFLOPs = max(r.peakFLOPs, a.Devices[i].PeakFLOPs)
		r.peakHBM = max(r.peakHBM, a.Devices[i].PeakHBM)
	}
	return r
}

// narrow reports whether columns that say less should make room.
func (r *Report) narrow(below int) bool { return r.width > 0 && r.width < below }

func (r *Report) filtered() bool { return r.opts.Filter.root != nil }

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer, style Style) error {
	view := *r
	view.width = style.Width
	return writeText(w, r.blocks(&view), style)
}

// Markdown writes the report as GitHub-flavoured Markdown.
func (r *Report) Markdown(w io.Writer) error {
	return writeMarkdown(w, r.illustrated(), r.opts.Charts)
}

// JSON writes the report as one document of docs/schema.
func (r *Report) JSON(w io.Writer) error { return writeJSON(w, r.document()) }

// A section is one table of the report.
type section struct {
	name  string
	build func(*Report) []block
}

var sections = []section{
	{"layer", (*Report).layerBlocks},
	{"component", (*Report).componentBlocks},
	{"category", (*Report).categoryBlocks},
	{"op", (*Report).opBlocks},
	{"program", (*Report).programBlocks},
	{"step", (*Report).stepBlocks},
	{"scope", (*Report).scopeBlocks},
	{"source", (*Report).sourceBlocks},
	{"host", (*Report).hostBlocks},
}

const defaultSections = 6 // of the list above

// Sections returns the names that Options.By takes.
func Sections() []string {
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	return names
}

// OpsOnly reports whether the sections chosen need no more of an analysis than
// [analyze.Options.OpsOnly] leaves.
func (o *Options) OpsOnly() bool {
	return len(o.By) > 0 && o.Filter.root == nil && !slices.ContainsFunc(o.By, func(name string) bool {
		return !slices.Contains([]string{"op", "category", "program", "source"}, name)
	})
}

// chosen returns the sections wanted, each once.
func (r *Report) chosen() []section {
	if len(r.opts.By) == 0 && r.empty() && len(r.a.Host) > 0 {
		return sections[len(sections)-1:] // stacks of host threads, or a capture without its device
	}
	if len(r.opts.By) == 0 {
		return sections[:defaultSections]
	}
	var out []section
	for _, name := range r.opts.By {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i >= 0 && !slices.ContainsFunc(out, func(s section) bool { return s.name == name }) {
			out = append(out, sections[i])
		}
	}
	return out
}

func (r *Report) reportBlocks() []block {
	blocks := []block{r.headline()}
	if len(r.a.Devices) > 1 {
		blocks = append(blocks, r.deviceBlock())
	}
	for _, s := range r.chosen() {
		if r.empty() && s.name != "host" {
			continue // tables of zeros tell nothing
		}
		blocks = append(blocks, s.build(r)...)
	}
	return append(blocks, r.findingBlock(), r.provenance())
}

// title returns the name of the capture.
func (r *Report) title() string {
	if r.opts.Title != "" {
		return r.opts.Title
	}
	var names []string
	for i := range r.a.Inputs {
		names = append(names, filepath.Base(r.a.Inputs[i].Path))
	}
	switch {
	case len(names) == 0:
		return "capture"
	case len(names) > 3:
		return fmt.Sprintf("%s and %d more files", names[0], len(names)-1)
	}
	return strings.Join(names, ", ")
}

// findings returns the findings, the worst first.
func (r *Report) findings() []analyze.Finding {
	out := slices.Clone(r.a.Findings)
	slices.SortStableFunc(out, func(a, b analyze.Finding) int {
		return cmp.Compare(rank(a.Severity), rank(b.Severity))
	})
	return out
}

// rank orders severities, the worst first.
func rank[S ~string](s S) int {
	switch s {
	case "error":
		return 0
	case "warning":
		return 1
	}
	return 2
}

// share returns part ÷ whole as a fraction; 0 of nothing.
func share(part, whole analyze.Duration) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// firstN returns the first n of list, all for n < 0.
func firstN[T any](list []T, n int) []T {
	if n < 0 || n > len(list) {
		return list
	}
	return list[:n]
}

func hasInterval(s *analyze.Samples) bool { return s.N > 0 && s.Need == 0 && s.Confidence > 0 }
