// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// stepBlocks sums the steps up; with All, or when asked for by name, it lists
// them too.
func (r *Report) stepBlocks() []block {
	b := block{title: "Steps", para: r.stepSentences()}
	if r.opts.All || slices.Contains(r.opts.By, "step") {
		b.table = r.stepTable()
	}
	return []block{b}
}

func (r *Report) stepSentences() []string {
	if len(r.a.Steps) == 0 {
		return append([]string{"No steps: the capture has no step marks and no program ran more than once."}, r.compileSentences()...)
	}
	out := []string{fmt.Sprintf("%s, from %s.", plural(len(r.a.Steps), "step"), r.a.Capture.StepSource)}
	if s := &r.a.StepDur; s.N > 0 {
		out = append(out, "Duration: "+samples(s)+".")
	}
	if s := &r.a.StepOpTime; s.N > 0 {
		out = append(out, "Op time in a step: "+samples(s)+".")
	}
	out = append(out, r.reasonSentences()...)
	return append(out, r.compileSentences()...)
}

// samples writes "median 35.1 ms ± 1 % (10 steps, 98 % interval 34.9 ms to
// 35.4 ms), min …, max …", or what is needed for an interval.
func samples(s *analyze.Samples) string {
	var b strings.Builder
	fmt.Fprintf(&b, "median %s of %s", duration(s.Median), plural(s.N, "step"))
	if hasInterval(s) {
		fmt.Fprintf(&b, ", %.0f %% interval %s to %s", 100*s.Confidence, duration(s.Lo), duration(s.Hi))
	} else {
		fmt.Fprintf(&b, "; %d needed for a 95 %% interval", s.Need)
	}
	if s.N > 1 {
		fmt.Fprintf(&b, "; min %s, max %s", duration(s.Min), duration(s.Max))
	}
	return b.String()
}

// reasonSentences names the steps that were left out of medians, and those that
// were flagged but kept.
func (r *Report) reasonSentences() []string {
	type group struct {
		reason   string
		excluded bool
	}
	var order []group
	members := make(map[group][]string)
	for i := range r.a.Steps {
		s := &r.a.Steps[i]
		if s.Reason == "" && !s.Excluded {
			continue
		}
		g := group{or(s.Reason, "no reason given"), s.Excluded}
		if len(members[g]) == 0 {
			order = append(order, g)
		}
		members[g] = append(members[g], number(s.Index))
	}
	var out []string
	for _, g := range order {
		verb := "flagged but kept"
		if g.excluded {
			verb = "left out of medians, not of totals"
		}
		m := members[g]
		list := strings.Join(firstN(m, 8), ", ")
		if len(m) > 8 {
			list += ", …"
		}
		out = append(out, fmt.Sprintf("%s %s (%s): %s.", plural(len(m), "step"), verb, g.reason, list))
	}
	return out
}

func (r *Report) compileSentences() []string {
	if len(r.a.Compiles) == 0 {
		return nil
	}
	var sum analyze.Duration
	longest := &r.a.Compiles[0]
	for i := range r.a.Compiles {
		c := &r.a.Compiles[i]
		if sum += c.Dur; c.Dur > longest.Dur {
			longest = c
		}
	}
	return []string{fmt.Sprintf("%s inside the capture, %s; the longest is %s with %s.",
		plural(len(r.a.Compiles), "compilation"), duration(sum), or(longest.Module, "unnamed"), duration(longest.Dur))}
}

func (r *Report) stepTable() *texttab.Table {
	t := tab{columns: []texttab.Column{
		{Header: "step", Unit: quantity.None},
		{Header: "name", Code: true, Elide: true},
		{Header: "host", Elide: true},
		{Header: "start", Unit: quantity.Time},
		{Header: "duration", Unit: quantity.Time, Scale: "t"},
		{Header: "busy", Unit: quantity.Time, Scale: "t"},
		{Header: "op time", Unit: quantity.Time, Scale: "t"},
		{Header: "note"},
	}}
	for i := range r.a.Steps {
		s := &r.a.Steps[i]
		note := s.Reason
		if s.Excluded {
			note = "left out of medians: " + or(note, "no reason given")
		}
		host := s.Host
		if len(r.a.Capture.Hosts) < 2 {
			host = ""
		}
		t.add(texttab.Int(s.Index), texttab.Text(s.Name), texttab.Text(host), texttab.Int(int64(s.Start)),
			ps(s.Dur), ps(s.Busy), ps(s.OpTime), texttab.Text(note))
	}
	return t.table()
}
