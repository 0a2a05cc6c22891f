// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/internal/quantity"
)

// delay says where the time is, from the largest cause to the smallest that the
// capture shows.
func (r *runReport) delay() block {
	rep := r.reports[r.main]
	b := section2("Where the delay is")
	if rep.empty() {
		b.para = []string{"The capture doesn't say: no device ran an op in it."}
		return b
	}
	busy, idle, window := rep.times()
	b.para = append(b.para, rep.gapSentence(busy, idle, window))
	if s := rep.placesSentence(); s != "" {
		b.para = append(b.para, s)
	}
	if s := rep.outlierSentence(); s != "" {
		b.para = append(b.para, s)
	}
	b.para = append(b.para, rep.compileSentences()...)
	if s := rep.asyncSentence(); s != "" {
		b.para = append(b.para, s)
	}
	if r.host >= 0 {
		if rows := r.reports[r.host].hostLargest(3); len(rows) > 0 {
			b.para = append(b.para, "On the host, most self time is in "+strings.Join(rows, ", ")+". Waiting counts like work.")
		}
	} else {
		b.para = append(b.para, "Of the host nothing is known: "+noHostSpans)
	}
	return b
}

// gapSentence tells idleness within steps from idleness between them.
func (r *Report) gapSentence(busy, idle, window analyze.Duration) string {
	var dur, inside analyze.Duration
	n := 0
	for i := range r.a.Steps {
		if s := &r.a.Steps[i]; !s.Excluded {
			dur, inside, n = dur+s.Dur, inside+s.Busy, n+1
		}
	}
	whole := fmt.Sprintf("Devices are idle for %s of their window of %s.", percent(share(idle, window)), duration(window))
	if n == 0 {
		return whole + " The capture has no steps, so it doesn't say how much of that is inside requests: mark steps with jax.profiler.StepTraceAnnotation, or keep the requests' latencies."
	}
	if len(r.a.Devices) > 1 {
		return fmt.Sprintf("%s Inside the %s, which take %s, ops run for %s in all.", whole, plural(n, "step"), duration(dur), duration(inside))
	}
	return fmt.Sprintf("%s Inside the %s, which take %s, the device is busy for %s = %s; the rest of a step is waiting for the host, or for work to be sent.",
		whole, plural(n, "step"), duration(dur), duration(inside), percent(share(inside, dur)))
}

// placesSentence ranks parts and ops.
func (r *Report) placesSentence() string {
	var ranked []bar
	for i := range r.a.Layers.Rows {
		ranked = append(ranked, bar{r.a.Layers.Rows[i].Key, r.a.Layers.Rows[i].Self})
	}
	list := func(bars []bar) string {
		var parts []string
		for _, b := range longest(bars, 3) {
			parts = append(parts, fmt.Sprintf("%s (%s, %s)", b.label, duration(b.value), percent(share(b.value, r.opTime))))
		}
		return strings.Join(parts, ", ")
	}
	var ops []bar
	for _, g := range foldOps(r.a, false) {
		ops = append(ops, bar{g.label(), g.op.Self})
	}
	if len(ops) == 0 {
		return ""
	}
	s := "Of op time, most is in the ops " + list(ops)
	if len(ranked) > 0 {
		s = "Of op time, most is in the parts " + list(ranked) + "; by op, in " + list(ops)
	}
	return s + "."
}

func (r *Report) hostLargest(n int) []string {
	rows := slices.Clone(r.a.Host)
	slices.SortStableFunc(rows, func(a, b analyze.HostRow) int { return cmp.Compare(b.Self, a.Self) })
	var out []string
	for _, h := range firstN(rows, n) {
		out = append(out, fmt.Sprintf("%s (%s)", elide(homeless(h.Name), 60), duration(h.Self)))
	}
	return out
}

func (r *runReport) reproduce() block {
	b := section2("Reproduce")
	if len(r.Commands) == 0 {
		b.para = []string{"What was run was not kept: --command does that, once a command."}
	} else {
		b.para = []string{"What was run, as inputs/commands.sh has it; then, in the bundle's directory, what made this report:"}
	}
	b.lang = "sh"
	for _, c := range r.Commands {
		b.lines = append(b.lines, r.notHere(c))
	}
	b.lines = append(b.lines, "layerscope bundle verify .")
	for i := range r.Captures {
		b.lines = append(b.lines, "layerscope report "+shellWord(r.Captures[i].Path))
	}
	return b
}

func (r *runReport) traceUI() block {
	b := section2("Trace UI")
	b.para = []string{"In the bundle's directory: the report as a page, a trace for ui.perfetto.dev, and XProf, which wants profile directories."}
	b.lang = "sh"
	capture := shellWord(r.Captures[r.main].Path)
	b.lines = []string{"layerscope report " + capture + " -o /tmp/report.html", "layerscope convert " + capture + " -o /tmp/run.pftrace"}
	if dir, _, found := strings.Cut(r.Captures[r.main].Path, "/plugins/profile/"); found {
		b.lines = append(b.lines, "xprof --logdir "+shellWord(dir))
	}
	return b
}

// shellWord is a path as a shell takes it for one word.
func shellWord(s string) string {
	s = path.Clean(displayed(s))
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@%,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (r *runReport) cost() block {
	b := section2("Cost")
	amount, window := r.costs()
	if r.PricePerHour <= 0 {
		b.para = []string{"Not known: --price 1.90USD@2026-02-05 states what an hour of the machine costs, and when that was so."}
		return b
	}
	b.para = []string{fmt.Sprintf("%s %s an hour as of %s, for the captured window of %s: %s %s. Set-up, loading and compilation come on top and are in no capture.",
		strconv.FormatFloat(r.PricePerHour, 'f', -1, 64), r.PriceUnit, r.PriceDate, duration(window), strconv.FormatFloat(amount, 'g', 3, 64), r.PriceUnit)}
	return b
}

// costs are of the windows of all captures.
func (r *runReport) costs() (amount float64, window analyze.Duration) {
	for i := range r.Captures {
		window += r.Captures[i].wall()
	}
	return r.PricePerHour * float64(window) / psPerSecond / time.Hour.Seconds(), window
}

// wall is how long a capture took, at least.
func (c *RunCapture) wall() analyze.Duration {
	wall := max(c.Analysis.Capture.Window, c.HostWindow)
	for i := range c.Analysis.Devices {
		wall = max(wall, c.Analysis.Devices[i].Window)
	}
	return wall
}

// experiments follow from findings, and from what the largest parts could save.
func (r *runReport) experiments() block {
	rep := r.reports[r.main]
	b := section2("Next experiments")
	seen := make(map[string]bool)
	for _, it := range rep.items() {
		if it.hint != "" && !seen[it.hint] {
			seen[it.hint] = true
			b.facts = append(b.facts, fact{it.code, it.hint})
		}
	}
	for _, g := range firstN(foldOps(rep.a, false), 3) {
		saved := g.op.Self / 2
		text := fmt.Sprintf("halving it takes %s = %s off op time, at most", duration(saved), percent(share(saved, rep.opTime)))
		if g.op.BoundBy != "" {
			text += "; it is bound by " + g.op.BoundBy
		}
		b.facts = append(b.facts, fact{g.label(), text})
	}
	if len(b.facts) == 0 {
		b.para = []string{"None: no finding asks for one, and no op stands out."}
	}
	return b
}

func (r *runReport) provenance() block {
	b := section2("Provenance")
	for i := range r.Captures {
		for _, in := range r.summaryInputs(i) {
			b.facts = append(b.facts, fact{r.reports[i].title(), strings.TrimSpace(fmt.Sprintf("%s (%s, %s) sha256:%s", in.Path, in.Format, quantity.Format(quantity.Bytes, quantity.Int(in.Bytes)), or(in.SHA256, "not known")))})
		}
	}
	b.facts = append(b.facts, fact{"report", strings.TrimSpace("layerscope " + r.Version)})
	return b
}
