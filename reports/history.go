// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/svg"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

const historySchema = "layerscope.history/v1"

// History returns the report of a history that was studied: where its level
// changed, what the last points say, and a table of all points. It has an SVG
// form too. Of the options Title (what the runs have in common), Top (the last
// points; 0 means 20 in text and Markdown), All and Version apply.
func History(opts Options, h *analyze.History) *Report {
	r := newReport(&analyze.Analysis{Findings: h.Findings}, opts)
	v := &historyReport{r: r, h: h}
	r.blocks = func(view *Report) []block { return v.blocks(view.narrow(76)) }
	r.document = func() any { return v.json() }
	r.records = v.csv
	r.chart = v.svg
	return r
}

// SVG writes the report's chart; an error if it has none.
func (r *Report) SVG(w io.Writer) error {
	if r.chart == nil {
		return errors.New("this report has no chart")
	}
	_, err := io.WriteString(w, r.chart())
	return err
}

type historyReport struct {
	r *Report
	h *analyze.History
}

// about says what the numbers are.
func (v *historyReport) about() string {
	switch v.h.Metric {
	case "step":
		return "op time of the median step"
	case "duration":
		return "duration of the median step"
	case "compiles":
		return "compilations in the capture"
	}
	return "time of " + v.h.Metric + " in the median step"
}

func (v *historyReport) unit() quantity.Unit {
	switch v.h.Unit {
	case "ps":
		return quantity.Time
	case "bytes":
		return quantity.Bytes
	}
	return quantity.Count
}

func (v *historyReport) title() string {
	title := "History of " + v.h.Metric
	if v.r.opts.Title != "" {
		title += ": " + v.r.opts.Title
	}
	return title
}

// value writes one value with its unit.
func (v *historyReport) value(x float64) string {
	return quantity.Format(v.unit(), quantity.Real(x))
}

func (v *historyReport) blocks(narrow bool) []block {
	h := v.h
	runs := 0
	for i := range h.Points {
		runs += len(h.Points[i].Values)
	}
	head := block{title: v.title(), head: true, table: v.table(narrow)}
	line := fmt.Sprintf("%s, %s in %s", upper(v.about()), plural(runs, "run"), plural(len(h.Points), "point"))
	if n := len(h.Points); n > 0 {
		line += fmt.Sprintf(", %s to %s", date(h.Points[0].UnixNano), date(h.Points[n-1].UnixNano))
	}
	head.para = append([]string{line + "."}, v.changes()...)
	head.para = append(head.para, v.trail())
	if n := len(h.Points) - len(v.last()); n > 0 {
		head.after = []string{plural(n, "older point") + " not shown."}
	}
	return []block{head, v.r.findingBlock()}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func date(ns int64) string {
	if ns == 0 {
		return "no date"
	}
	return time.Unix(0, ns).UTC().Format(time.DateOnly)
}

// changes says where the level changed, a sentence each.
func (v *historyReport) changes() []string {
	h := v.h
	if len(h.Changes) == 0 {
		switch n := len(h.Points); {
		case n < 6:
			return []string{fmt.Sprintf("%s: a change needs three on either side.", plural(n, "point"))}
		default:
			return []string{"No lasting change of level."}
		}
	}
	var out []string
	for i := range h.Changes {
		c := &h.Changes[i]
		text := fmt.Sprintf("%s → %s, %s, at %s", v.value(c.Before), v.value(c.After), pct(c.Change), v.name(c.Index))
		if c.First != c.Last {
			text += fmt.Sprintf("; with 95 %% probability one of the %d points from %s to %s", c.Last-c.First+1, v.short(c.First), v.short(c.Last))
		}
		out = append(out, text+".")
	}
	return out
}

// short names a point in a word.
func (v *historyReport) short(i int) string { return v.h.Points[i].Label }

// name names a point with what it did.
func (v *historyReport) name(i int) string {
	p := &v.h.Points[i]
	name := p.Label + " of " + date(p.UnixNano)
	if p.Subject != "" {
		name += " (" + elide(p.Subject, 60) + ")"
	}
	return name
}

// trail is what the trailing gate says.
func (v *historyReport) trail() string {
	t := &v.h.Trail
	if t.Needed > 0 {
		return fmt.Sprintf("The last five points against the ten before: %s missing.", plural(t.Needed, "point"))
	}
	says := map[string]string{"REGRESSION": "REGRESSION", "IMPROVEMENT": "IMPROVEMENT"}[t.Verdict]
	if says == "" {
		says = "nothing beyond them"
	}
	sigmas := fmt.Sprintf("%.1f", t.Sigmas)
	if t.Sigmas >= 999 {
		sigmas = "999 or more"
	}
	return fmt.Sprintf("The last five points against the ten before: %s → %s, %s, %s scaled MADs; limits ±%s %% and 2: %s.",
		v.value(t.Baseline), v.value(t.Recent), pct(t.Change), sigmas, trim(100*t.Tolerance), says)
}

// last are the points to show.
func (v *historyReport) last() []analyze.HistoryPoint {
	top := v.r.opts.textTop()
	if v.r.opts.All || top < 0 || top > len(v.h.Points) {
		top = len(v.h.Points)
	}
	return v.h.Points[len(v.h.Points)-top:]
}

func (v *historyReport) table(narrow bool) *texttab.Table {
	t := &tab{columns: []texttab.Column{
		{Header: "point", Code: true}, {Header: "date"}, {Header: "runs", Unit: quantity.Count},
		{Header: v.h.Metric, Unit: v.unit(), Scale: "value"}, {Header: "from", Group: "range of runs", Unit: v.unit(), Scale: "value"}, {Header: "to", Group: "range of runs", Unit: v.unit(), Scale: "value"},
		{Header: "vs level", Unit: quantity.Change}, {Header: "change"}, {Header: "subject", Elide: true},
	}}
	points := v.last()
	offset := len(v.h.Points) - len(points)
	for i := range points {
		p := &points[i]
		mark := ""
		if c := v.changeAt(offset + i); c != nil {
			mark = "← " + pct(c.Change)
		}
		if p.Disturbed > 0 {
			mark = strings.TrimSpace(mark + " disturbed")
		}
		cells := []texttab.Cell{texttab.Text(p.Label), texttab.Text(date(p.UnixNano)), texttab.Int(int64(len(p.Values))), texttab.Real(p.Value), {}, {}, {}, {}, {}}
		if len(p.Values) > 1 && !narrow {
			cells[4], cells[5] = texttab.Real(p.Lo), texttab.Real(p.Hi)
		}
		if p.Level > 0 {
			cells[6] = texttab.Real(p.Value/p.Level - 1)
		}
		if mark != "" {
			cells[7] = texttab.Text(mark)
		}
		if p.Subject != "" && !narrow {
			cells[8] = texttab.Text(p.Subject)
		}
		t.add(cells...)
	}
	return t.table()
}

// changeAt is the change that point i begins, or nil.
func (v *historyReport) changeAt(i int) *analyze.HistoryChange {
	for k := range v.h.Changes {
		if v.h.Changes[k].Index == i {
			return &v.h.Changes[k]
		}
	}
	return nil
}

func (v *historyReport) svg() string {
	h := v.h
	t := svg.Trend{Unit: v.unit(), Axis: v.about()}
	t.Title = v.title()
	t.Desc = strings.Join(append([]string{plural(len(h.Points), "point") + "."}, v.changes()...), " ")
	for i := range h.Points {
		p := &h.Points[i]
		t.Points = append(t.Points, svg.TrendPoint{Label: p.Label, Value: p.Value, Lo: p.Lo, Hi: p.Hi})
	}
	for i := range h.Changes {
		c := &h.Changes[i]
		label := h.Points[c.Index].Label
		if s := h.Points[c.Index].Subject; s != "" {
			label += " " + s
		}
		t.Changes = append(t.Changes, svg.TrendChange{At: c.Index, From: c.Before, To: c.After, Label: label})
	}
	return t.SVG()
}

// historyColumns heads the CSV form: a row a point.
var historyColumns = []string{
	"history", "metric", "unit", "point", "commit", "subject", "date", "unix_ns", "runs", "disturbed", "value", "lo", "hi", "changed", "before", "after", "change", "p",
}

func (v *historyReport) csv(c *csvWriter) {
	top := v.r.opts.jsonTop()
	skip := 0
	if top >= 0 {
		skip = max(len(v.h.Points)-top, 0)
	}
	for i := skip; i < len(v.h.Points); i++ {
		p := &v.h.Points[i]
		f := map[string]string{
			"metric": csvText(v.h.Metric), "unit": v.h.Unit, "point": csvText(p.Label), "commit": csvText(p.Commit), "subject": csvText(p.Subject),
			"runs": integer(len(p.Values)), "disturbed": integer(p.Disturbed), "value": real(p.Value), "lo": real(p.Lo), "hi": real(p.Hi),
		}
		if p.UnixNano != 0 {
			f["date"], f["unix_ns"] = date(p.UnixNano), strconv.FormatInt(p.UnixNano, 10)
		}
		if ch := v.changeAt(i); ch != nil {
			f["changed"], f["before"], f["after"], f["change"], f["p"] = "true", real(ch.Before), real(ch.After), real(ch.Change), real(ch.P)
		}
		c.write(historyColumns, f)
	}
}

// rounded is a value as JSON has it: picoseconds and bytes are integers.
func (v *historyReport) rounded(x float64) int64 { return int64(math.Round(x)) }
