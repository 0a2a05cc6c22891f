// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// sureBlock says by what method, with what doubts, and what differs beside the
// code.
func (d *diffReport) sureBlock() block {
	c := d.c
	b := block{title: "How sure"}
	o := &c.Options
	b.para = append(b.para, fmt.Sprintf("The capture is the unit: %d against %d. A row is a REGRESSION when its q is at most %s and its whole interval is beyond the margin of %s or %s a step; ~ (n more) says how many further captures a side would decide, = that it is inside the margin. "+
		"Own changes leave out the shift that all layers of a capture share. Seed %d.",
		len(c.Base.Runs), len(c.New.Runs), trim(o.Alpha/2), trim(100*o.MinEffect)+" %", duration(o.MinAbs), o.Seed))
	if s := d.rankSentence(); s != "" {
		b.para = append(b.para, s)
	}
	if n := o.Noise; n != nil {
		b.para = append(b.para, fmt.Sprintf("Noise calibrated on %s of one commit: the step varies by %s from run to run.", plural(n.Runs, "capture"), percent(n.Step)))
	}
	for _, p := range c.Parity {
		it := item{severity: "info", code: p.Field, text: fmt.Sprintf("base %s, new %s", quoted(homeless(p.Base)), quoted(homeless(p.New)))}
		if p.Void {
			it.severity = "warning"
		}
		b.items = append(b.items, it)
	}
	b.items = append(b.items, foundItems("", c.Findings)...)
	b.items = append(b.items, foundItems("new only: ", unsaid(c.Appeared, c.Findings, c.New.Label))...)
	b.items = append(b.items, foundItems("base only: ", unsaid(c.Vanished, c.Findings, c.Base.Label))...)
	slices.SortStableFunc(b.items, func(x, y item) int { return cmp.Compare(rank(x.severity), rank(y.severity)) })
	return b
}

func trim(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", f), "0"), ".")
}

func quoted(s string) string {
	if s == "" {
		return "none"
	}
	return elide(s, 80)
}

// unsaid leaves out the findings of a side's captures that the comparison states
// for the whole side.
func unsaid(fs, said []analyze.Finding, side string) []analyze.Finding {
	return slices.DeleteFunc(slices.Clone(fs), func(f analyze.Finding) bool {
		return slices.ContainsFunc(said, func(s analyze.Finding) bool {
			return s.Code == f.Code && strings.HasPrefix(s.Message, side+": ")
		})
	})
}

func foundItems(prefix string, fs []analyze.Finding) []item {
	var out []item
	for _, f := range fs {
		out = append(out, item{string(f.Severity), f.Code, prefix + strings.TrimRight(homeless(f.Message), "."), homeless(f.Hint)})
	}
	return out
}

// rankSentence gives the rank test of the row that matters most.
func (d *diffReport) rankSentence() string {
	var r *analyze.DiffRow
	for i := range d.c.Rows {
		x := &d.c.Rows[i]
		if x.Rank.Of == "" || x.Level != "layer" && x.Level != "step" {
			continue
		}
		if r == nil || changedRow(x) && (!changedRow(r) || x.Level == "layer" && r.Level == "step") {
			r = x
		}
	}
	if r == nil {
		return ""
	}
	return fmt.Sprintf("Rank test of %s over %s: p = %.3g, where so many can reach %.3g at best; Hodges–Lehmann shift %s (%s … %s).",
		r.Key, r.Rank.Of, r.Rank.P, r.Rank.MinP, pct(r.Rank.Shift), pct(r.Rank.Lo), pct(r.Rank.Hi))
}

func (d *diffReport) inputBlock() block {
	b := block{title: "Provenance"}
	for _, s := range []*analyze.Side{&d.c.Base, &d.c.New} {
		for _, a := range s.Runs {
			for _, in := range a.Inputs {
				value := fmt.Sprintf("%s (%s, %s)", homeless(in.Path), or(in.Format, a.Format), quantity.Format(quantity.Bytes, quantity.Int(in.Bytes)))
				if len(in.SHA256) >= 12 {
					value += " sha256:" + in.SHA256[:12] + "…"
				}
				b.facts = append(b.facts, fact{sideName(s), value + inBucket(&in)})
			}
		}
	}
	b.facts = append(b.facts, fact{"report", strings.TrimSpace("layerscope " + d.opts.Version)})
	return b
}

// trendBlocks is one table of several sides against one base.
func (d *diffReport) trendBlocks() []block {
	base := &d.c.Base
	t := &tab{columns: []texttab.Column{{Header: "row", Code: true, Elide: true}, {Header: sideName(base), Group: "base", Unit: quantity.Time, Scale: "time"}}}
	for _, c := range d.all {
		t.columns = append(t.columns,
			texttab.Column{Header: "median", Group: sideName(&c.New), Unit: quantity.Time, Scale: "time"},
			texttab.Column{Header: "change", Group: sideName(&c.New), Unit: quantity.Change},
			texttab.Column{Header: "verdict", Group: sideName(&c.New)})
	}
	var keys []string
	for _, c := range d.all {
		for i := range c.Rows {
			r := &c.Rows[i]
			if (r.Level == "layer" || r.Level == "step") && (r.Metric == "op_time" || r.Metric == "duration") && r.Key != "unattributed" && !slices.Contains(keys, r.Key) {
				keys = append(keys, r.Key)
			}
		}
	}
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(stepLast(a), stepLast(b)) })
	for _, key := range keys {
		cells := []texttab.Cell{texttab.Text(key), {}}
		for _, c := range d.all {
			one := diffReport{c: c}
			r := one.find(key)
			if r == nil && key == "step duration" {
				r = one.row("duration")
			}
			if r == nil || r.Key == "" {
				cells = append(cells, texttab.Cell{}, texttab.Cell{}, texttab.Cell{})
				continue
			}
			if r.Status != "added" {
				cells[1] = texttab.Real(r.BaseValue)
			}
			cells = append(cells, texttab.Real(r.NewValue), texttab.Real(r.Effect), texttab.Text(word(r)).Tone(tone(r)))
		}
		if stepLast(key) > 0 {
			t.total(cells...)
		} else {
			t.add(cells...)
		}
	}
	head := block{title: "Trend from " + sideName(base), head: true, table: t.table()}
	head.para = []string{fmt.Sprintf("%s, each against %s; changes of layers leave out what all layers share.", plural(len(d.all), "side"), sideName(base))}
	for _, c := range d.all {
		one := diffReport{c: c, opts: d.opts}
		head.after = append(head.after, sideName(&c.New)+": "+one.headline()[0])
	}
	return []block{head}
}

func stepLast(key string) int {
	if key == "step" || key == "step duration" {
		return 1
	}
	return 0
}
