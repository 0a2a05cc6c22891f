// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// Diff returns the report of a comparison: the verdict in one line, the layers,
// what is inside those that changed, what explains the step, and how sure all of
// that is. Its Markdown is made for a pull request. Of the options Title, Top,
// All, Charts and Version apply.
//
// Several comparisons, with one base, give a table of the trend; JSON and CSV
// then hold the first one.
func Diff(opts Options, cs ...*analyze.Comparison) *Report {
	d := &diffReport{c: cs[0], all: cs, opts: opts}
	if opts.Title == "" {
		opts.Title = d.sides(" → ")
	}
	r := newReport(&analyze.Analysis{}, opts)
	r.blocks = func(view *Report) []block {
		if len(cs) > 1 {
			return d.trendBlocks()
		}
		return d.blocks(opts.Title, view.width)
	}
	r.document = func() any { return d.json() }
	r.records = d.csv
	r.page = func(*Report) page { return d.page(opts.Title) }
	r.pictures = func(*Report) []titled { return d.pictures() }
	return r
}

type diffReport struct {
	c    *analyze.Comparison
	all  []*analyze.Comparison
	opts Options
}

// sides names both sides, with their commits where they differ.
func (d *diffReport) sides(between string) string {
	name := func(s *analyze.Side) string {
		if s.Commit == "" || d.c.Base.Commit == d.c.New.Commit || strings.Contains(s.Label, s.Commit) {
			return sideName(s)
		}
		return sideName(s) + " @ " + firstChars(s.Commit, 10)
	}
	return name(&d.c.Base) + between + name(&d.c.New)
}

func firstChars(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func sideName(s *analyze.Side) string { return homeless(s.Label) }

func (d *diffReport) blocks(title string, width int) []block {
	out := []block{{title: title, head: true, para: d.headline()}}
	if len(d.c.Gate) > 0 {
		out = append(out, d.gateBlock())
	}
	out = append(out, d.layerBlock(width))
	out = append(out, d.explainBlock())
	out = append(out, d.componentBlock())
	out = append(out, d.insideBlocks(width)...)
	if b := d.otherBlock(); b.table != nil {
		out = append(out, b)
	}
	out = append(out, d.memoryBlocks()...)
	return append(out, d.sureBlock(), d.inputBlock())
}

// memoryBlocks are what the sides' memory differs by.
func (d *diffReport) memoryBlocks() []block {
	if d.c.Memory == nil {
		return nil
	}
	m := memoryDiff{c: d.c.Memory, opts: d.opts}
	out := m.tables()
	if len(out) > 0 {
		out[0].para = m.headline()
	}
	return out
}

// headline is the verdict in a line, and what it is about.
func (d *diffReport) headline() []string {
	c := d.c
	line := c.Verdict + ": " + d.changes()
	if d.sameFiles() {
		line = "The same captures on both sides: " + line
	}
	k := &c.Conservation
	step := d.row("op_time")
	scale := quantity.Time.Scale(ints(step.Base, step.New)...)
	detail := fmt.Sprintf("Op time of a mean step: %s → %s, %s", scale.FormatUnit(quantity.Int(int64(step.Base))), scale.FormatUnit(quantity.Int(int64(step.New))), signedTime(k.Delta))
	if k.Added != 0 || k.Removed != 0 || k.Unattributed != 0 {
		detail += " = matched " + signedTime(k.Matched)
		if k.Added != 0 || k.Removed != 0 {
			detail += fmt.Sprintf(" + added %s − removed %s", duration(k.Added), duration(k.Removed))
		}
		if k.Unattributed != 0 {
			detail += " + unattributed " + signedTime(k.Unattributed)
		}
	}
	detail += fmt.Sprintf(". %s against %s.", sideEvidence(&c.Base), sideEvidence(&c.New))
	return []string{line, detail}
}

// sameFiles says whether each capture of one side is on the other as well.
func (d *diffReport) sameFiles() bool {
	base := files(&d.c.Base)
	return len(base) > 0 && base[0] != "" && slices.Equal(base, files(&d.c.New))
}

// files are the identities of a side's files, sorted.
func files(s *analyze.Side) (out []string) {
	for _, r := range s.Runs {
		for _, in := range r.Inputs {
			out = append(out, identity(&in))
		}
	}
	slices.Sort(out)
	return out
}

// identity is the same for files of the same content, as far as that is known
// without reading them; "" when it isn't.
func identity(in *analyze.Input) string {
	if in.SHA256 == "" && in.CRC32C != "" {
		return fmt.Sprintf("%d bytes, crc32c %s", in.Bytes, in.CRC32C)
	}
	return in.SHA256
}

func ints(ds ...analyze.Duration) []quantity.Value {
	out := make([]quantity.Value, len(ds))
	for i, x := range ds {
		out[i] = quantity.Int(int64(x))
	}
	return out
}

func sideEvidence(s *analyze.Side) string {
	return fmt.Sprintf("%s of %s with %s", plural(len(s.Runs), "capture"), sideName(s), plural(s.Steps, "step"))
}

// signedTime writes a duration with its sign.
func signedTime(x analyze.Duration) string {
	if x > 0 {
		return "+" + duration(x)
	}
	return duration(x)
}

// row returns the step's row of a metric.
func (d *diffReport) row(metric string) *analyze.DiffRow {
	for i := range d.c.Rows {
		if r := &d.c.Rows[i]; r.Level == "step" && r.Metric == metric {
			return r
		}
	}
	return &analyze.DiffRow{}
}

// changes names the rows that changed: layers first, then the step.
func (d *diffReport) changes() string {
	var changed []string
	more := 0
	if n := d.unmatched(); n > 0 {
		changed = append(changed, plural(n, "layer")+" without counterpart")
	}
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level != "layer" || r.Metric != "op_time" || !changedRow(r) {
			continue
		}
		if len(changed) == 4 {
			more++
			continue
		}
		changed = append(changed, changeOf(r))
	}
	if more > 0 {
		changed = append(changed, fmt.Sprintf("%d more rows", more))
	}
	for _, metric := range []string{"common_shift", "op_time", "duration"} {
		if r := d.row(metric); changedRow(r) {
			changed = append(changed, changeOf(r))
		}
	}
	step := d.row("op_time")
	if len(changed) == 0 {
		return d.nothing(step)
	}
	text := strings.Join(changed, "; ")
	if !changedRow(step) {
		text += fmt.Sprintf("; the step %s (%s)", pct(step.Effect), doubt(step))
	}
	if r := d.largest(); r != nil && !changedRow(r) {
		text += fmt.Sprintf("; most of the difference is in %s, undecided", changeOf(r))
	}
	if d.c.Verdict == "DIFFERS" {
		text += ". With one capture on a side this may be the day, not the code"
	}
	return text + "."
}

// nothing is what is said when no row changed.
func (d *diffReport) nothing(step *analyze.DiffRow) string {
	tested, equal, need := 0, 0, 0
	for i := range d.c.Rows {
		r := &d.c.Rows[i]
		if r.Level == "layer" && r.Tested {
			tested++
			if r.Verdict == "EQUIVALENT" {
				equal++
			}
		}
	}
	need = step.Needed
	switch {
	case d.c.Verdict == "EQUIVALENT":
		return fmt.Sprintf("the step and all %s are within their margins.", plural(tested, "row"))
	case d.unmatched() > 0:
		return fmt.Sprintf("%s of one side have no counterpart; the step %s (%s).", plural(d.unmatched(), "layer"), pct(step.Effect), doubt(step))
	}
	text := fmt.Sprintf("no change can be told from noise; %d of %s are equal within the margin; the step %s (%s)", equal, plural(tested, "row"), pct(step.Effect), doubt(step))
	if need > 0 {
		text += fmt.Sprintf(", %s a side would decide", needs(need))
	}
	return text + "."
}

// largest is the row that alone explains the step, if there is one.
func (d *diffReport) largest() *analyze.DiffRow {
	var at *analyze.DiffRow
	for i := range d.c.Rows {
		if r := &d.c.Rows[i]; r.Level == "layer" && r.Metric == "op_time" && r.Status == "matched" && r.Tested && (at == nil || max(r.Delta, -r.Delta) > max(at.Delta, -at.Delta)) {
			at = r
		}
	}
	if k := d.c.Conservation.Delta; at == nil || k == 0 || float64(at.Delta)/float64(k) < 0.5 {
		return nil
	}
	return at
}

func (d *diffReport) unmatched() int {
	return d.c.Layers.Base + d.c.Layers.New - 2*d.c.Layers.Matched
}

func changedRow(r *analyze.DiffRow) bool {
	switch r.Verdict {
	case "REGRESSION", "IMPROVEMENT", "DIFFERS":
		return true
	}
	return false
}

// changeOf: "layer_3 +115.3 % (+104.7 … +126.5 %)".
func changeOf(r *analyze.DiffRow) string { return r.Key + " " + pct(r.Effect) + " (" + doubt(r) + ")" }

// doubt is a row's interval, or what is known instead.
func doubt(r *analyze.DiffRow) string {
	if !hasBounds(r) {
		return "one capture a side has no interval"
	}
	return bounds(r)
}

func hasBounds(r *analyze.DiffRow) bool { return r.Tested && (r.Lo != r.Hi) }

func bounds(r *analyze.DiffRow) string {
	return strings.TrimSuffix(pct(r.Lo), " %") + " … " + pct(r.Hi)
}

// pct writes a relative change: "+3.2 %"; factors where percentages mislead.
func pct(f float64) string {
	if f > 9.995 {
		return "×" + strings.TrimSuffix(times(1+f), "×")
	}
	return quantity.Format(quantity.Change, quantity.Real(f))
}

func needs(n int) string {
	if n >= 999 {
		return "999 or more further captures"
	}
	return fmt.Sprintf("%s further captures", number(n))
}

// word is a verdict as the table shows it.
func word(r *analyze.DiffRow) string {
	switch {
	case r.Status == "added" || r.Status == "removed":
		return r.Status
	case r.Verdict == "EQUIVALENT":
		return "="
	case r.Verdict == "INCONCLUSIVE" && r.Needed > 0:
		return fmt.Sprintf("~ (%s more)", strings.Replace(number(r.Needed), "999", "999+", 1))
	case r.Verdict == "INCONCLUSIVE":
		return "~"
	}
	return r.Verdict
}

// explainBlock says which parts carry the step's change.
func (d *diffReport) explainBlock() block {
	b := block{title: "What explains it"}
	k := d.c.Conservation.Delta
	if len(d.c.Explain) == 0 {
		b.para = []string{"The op time of a step did not change, or no part stands out."}
		return b
	}
	step := d.row("op_time")
	share := fmt.Sprintf("These parts come to %.0f %% of the step's %s of op time", 100*d.c.ExplainShare, signedTime(k))
	switch {
	case k == 0:
		share = "The op time of a step did not change"
	case !changedRow(step) && !slices.ContainsFunc(d.c.Rows, func(r analyze.DiffRow) bool { return r.Level == "layer" && changedRow(&r) }):
		share += ", which is within the noise"
	}
	b.para = []string{share + ":"}
	for _, e := range d.c.Explain {
		value := strings.ReplaceAll(e.Reason, "-", " ")
		if e.Detail != "" {
			value += " (" + e.Detail + ")"
		}
		if e.Delta != 0 {
			value = signedTime(e.Delta) + "  " + value
		}
		b.facts = append(b.facts, fact{e.Key, value})
	}
	return b
}

func (d *diffReport) gateBlock() block {
	b := block{title: "Gate"}
	for i := range d.c.Gate {
		g := &d.c.Gate[i]
		it := item{severity: "info", code: g.Rule, text: "passed"}
		switch {
		case !g.Pass && g.Warn:
			it.severity, it.text = "warning", "exceeded, which only warns"
		case !g.Pass:
			it.severity, it.text = "error", "failed"
		case g.Verdict != "EQUIVALENT":
			it.severity, it.text = "warning", "not decided"
		}
		if g.Detail != "" {
			it.text += ": " + g.Detail
		}
		b.items = append(b.items, it)
	}
	return b
}
