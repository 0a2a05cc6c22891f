// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
	"github.com/layerscope/layerscope/reports/internal/texttab"
)

// blocks are the sections of report.md.
func (r *runReport) blocks() []block {
	out := []block{{title: r.Title, level: 1}, r.executive(), r.figures()}
	if len(r.Captures) > 1 {
		out = append(out, r.captureBlock())
	}
	out = append(out, r.context())
	out = append(out, r.inputs()...)
	if r.Here != "" {
		out = append(out, block{mark: r.Here})
	}
	out = append(out, r.findings()...)
	return append(out, r.delay(), r.reproduce(), r.traceUI(), r.cost(), r.experiments(), r.provenance())
}

func section2(title string) block { return block{title: title, level: 2} }

// executive is the run in a few sentences.
func (r *runReport) executive() block {
	rep := r.reports[r.main]
	b := section2("Executive summary")
	if len(r.Captures) > 1 {
		b.para = append(b.para, fmt.Sprintf("%s; what follows is of %s, the first in which a device ran ops.", plural(len(r.Captures), "capture"), rep.title()))
	}
	if rep.a.Lossy != "" {
		b.para = append(b.para, "Lossy input: "+rep.a.Lossy+".")
	}
	b.para = append(b.para, rep.captureSentence())
	if rep.empty() {
		b.para = append(b.para, noDeviceOps)
	} else {
		b.para = append(b.para, rep.layerSentence(), rep.largestSentence())
		if s := rep.outlierSentence(); s != "" {
			b.para = append(b.para, s)
		}
	}
	if s := rep.trustSentence(); s != "" {
		b.para = append(b.para, s)
	}
	return b
}

// largestSentence: "Op time is attention 55.0 %, …; the largest op is …".
func (r *Report) largestSentence() string {
	comps := slices.Clone(r.a.Components)
	slices.SortStableFunc(comps, func(a, b analyze.Component) int { return cmp.Compare(b.Self, a.Self) })
	var parts []string
	for _, c := range firstN(comps, 4) {
		parts = append(parts, or(c.Name, "(unnamed)")+" "+percent(share(c.Self, r.opTime)))
	}
	s := "Of op time, " + strings.Join(parts, ", ") + "."
	if len(parts) == 0 {
		s = ""
	}
	if groups := foldOps(r.a, false); len(groups) > 0 {
		g := &groups[0]
		s = strings.TrimSpace(fmt.Sprintf("%s The largest op is %s: %s = %s of op time.", s, g.label(), duration(g.op.Self), percent(share(g.op.Self, r.opTime))))
	}
	return s
}

// figures is the quantitative table. A quantity that isn't known says why.
func (r *runReport) figures() block {
	a := r.Captures[r.main].Analysis
	rep := r.reports[r.main]
	busy, idle, window := rep.times()
	t := tab{columns: []texttab.Column{{Header: "quantity"}, {Header: "value"}, {Header: "of"}}}
	row := func(name, value, of string) { t.add(texttab.Text(name), texttab.Text(value), texttab.Text(of)) }
	hostWindow := "not known: the capture has no host spans"
	if r.host >= 0 && r.Captures[r.host].HostWindow > 0 {
		hostWindow = duration(r.Captures[r.host].HostWindow)
	}
	row("host window", hostWindow, "first begin to last end of host spans")
	if len(a.Devices) == 0 {
		row("device window", "not known: the capture has no device", "")
	} else {
		devices := plural(len(a.Devices), "device")
		row("device window", duration(window), "sum over "+devices)
		row("device idle", duration(idle), percent(share(idle, window))+" of device window")
		row("device busy", duration(busy), percent(share(busy, window))+" of device window")
		row("op time", duration(rep.opTime), "sum of self times")
	}
	row("steps", number(a.Capture.StepCount), or(a.Capture.StepSource, "none"))
	if s := &a.StepDur; s.N > 0 {
		row("step duration", duration(s.Median), samples(s))
	}
	if s := &a.StepOpTime; s.N > 0 {
		row("op time in a step", duration(s.Median), samples(s))
	}
	compiled := analyze.Duration(0)
	for i := range a.Compiles {
		compiled += a.Compiles[i].Dur
	}
	row("compilations in the window", number(len(a.Compiles)), duration(compiled))
	for _, c := range [][2]string{{"score requests", "score_requests"}, {"profile starts", "start_profile_calls"}, {"profile stops", "stop_profile_calls"}} {
		value := "not known: no server log was kept (--log FILE)"
		if n, ok := r.Counts[c[1]]; ok {
			value = number(n)
		}
		row(c[0], value, "lines of the server's log")
	}
	b := section2("Figures")
	b.table = t.table()
	return b
}

// captureBlock lists the captures of a run with several.
func (r *runReport) captureBlock() block {
	t := tab{columns: []texttab.Column{
		{Header: "capture", Code: true}, {Header: "steps", Unit: quantity.Count}, {Header: "op time", Unit: quantity.Time, Scale: "t"},
		{Header: "op time in a step", Unit: quantity.Time, Scale: "s"}, {Header: "idle", Unit: quantity.Share, Of: "window"}, {Header: "findings", Unit: quantity.Count},
	}}
	for i := range r.Captures {
		rep := r.reports[i]
		_, idle, window := rep.times()
		step := texttab.Cell{}
		if rep.a.StepOpTime.N > 0 {
			step = ps(rep.a.StepOpTime.Median)
		}
		t.add(texttab.Text(rep.title()), texttab.Int(int64(rep.a.Capture.StepCount)), ps(rep.opTime), step, fraction(idle, window), texttab.Int(int64(len(rep.a.Findings))))
	}
	b := section2("Captures")
	b.table = t.table()
	b.after = []string{"They are separate captures: what one shows of the host says nothing of another's device."}
	return b
}

func (r *runReport) context() block {
	b := section2("Run context")
	for _, c := range r.Context {
		value := c[1]
		if value == "" {
			value = "not known"
			if c[2] != "" {
				value += " (" + c[2] + " states it)"
			}
		}
		b.facts = append(b.facts, fact{c[0], value})
	}
	rep := r.reports[r.main]
	for _, f := range rep.inputFacts() {
		if f.name != "file" {
			b.facts = append(b.facts, f)
		}
	}
	b.facts = append(b.facts, rep.metadataFacts()...)
	return b
}

// inputLines bounds how much of a request report.md repeats.
const inputLines = 60

func (r *runReport) inputs() []block {
	b := section2("Inputs")
	if len(r.Inputs) == 0 {
		b.para = []string{"No request or settings were kept: --input score_request.json=FILE and --input profile_config.json=FILE do that."}
		return []block{b}
	}
	out := []block{b}
	for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		text := r.Inputs[name]
		var pretty bytes.Buffer
		lang := ""
		if json.Indent(&pretty, text, "", "  ") == nil {
			text, lang = pretty.Bytes(), "json"
		}
		in := block{title: name, lines: strings.Split(strings.TrimRight(string(text), "\n"), "\n"), lang: lang}
		if n := len(in.lines); n > inputLines {
			in.lines = in.lines[:inputLines]
			in.para = []string{fmt.Sprintf("The first %d of %d lines; inputs/ has them all.", inputLines, n)}
		}
		for i, l := range in.lines {
			in.lines[i] = r.notHere(elide(l, 400))
		}
		out = append(out, in)
	}
	return out
}

// notHere keeps a line of somebody else's from being the one that the bundle
// replaces.
func (r *runReport) notHere(line string) string {
	if strings.TrimSpace(line) == r.Here {
		return line + " (sic)"
	}
	return line
}

// findings are the tables of the main capture, with its charts.
func (r *runReport) findings() []block {
	rep := r.reports[r.main]
	illustrated := func(b block, name string) block {
		b.picture = r.picture(name)
		return b
	}
	ops := rep.runOps(10)
	ops.title = "1. Device ops: the top 10"
	out := []block{section2("Findings"), illustrated(ops, "device_top_ops.svg"), illustrated(rep.runTypes(), "op_type_breakdown.svg"), rep.runProvenance(10)}
	components := rep.runComponents()
	components.title = "2. Components"
	out = append(out, illustrated(components, "component_breakdown.svg"))
	if !rep.empty() {
		layers := rep.layerBlocks()
		layers[0].picture = r.picture("layers.svg")
		out = append(out, layers...)
	}
	idle := rep.runIdle()
	idle.title = "3. Idle and busy"
	out = append(out, illustrated(idle, "idle_vs_non_idle.svg"))
	if !rep.empty() {
		out = append(out, illustrated(rep.stepBlocks()[0], "steps.svg"))
	}
	host := block{para: []string{noHostSpans}}
	if r.host >= 0 {
		host = r.reports[r.host].runHost(20, r.Captures[r.host].HostWindow)
		if r.host != r.main {
			host.para = append([]string{"From another capture, " + r.reports[r.host].title() + "."}, host.para...)
		}
	}
	host.title = "4. Host"
	out = append(out, illustrated(host, "host_top_events.svg"))
	quality := rep.findingBlock()
	quality.title = "5. What to know about the capture"
	return append(out, quality)
}
