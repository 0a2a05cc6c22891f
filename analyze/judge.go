// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/layerscope/layerscope/trace"
)

// Shares from which a fact becomes a finding.
const (
	unattributedShare = 0.05 // of op time
	idleShare         = 0.50 // of the window
	disturbedSteps    = 0.25 // of the steps are outliers
	disturbedCV       = 0.12 // variation of the typical layer between steps
)

// find adds a finding.
func (s *study) find(code string, sev trace.Severity, count int64, hint, format string, args ...any) {
	s.out.Findings = append(s.out.Findings, Finding{Code: code, Severity: sev, Count: max(1, count), Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// judge adds what the analysis says about the capture's quality, and sorts all
// findings, worst first.
func (s *study) judge() {
	if all := s.deviceNames(); len(s.tracks) == 0 && len(all) > 0 {
		s.find("no-device-events", trace.Error, 1, "ask for one of those, by name or ordinal",
			"no device %s with ops in the capture: it has %s", strings.Join(s.opts.Devices, ", "), strings.Join(all[:min(8, len(all))], ", "))
	} else if s.t.Format == "speedscope" || s.t.Format == "folded" {
		// A profile of stacks never has devices, and says that it is lossy.
	} else if len(s.out.Ops) == 0 && len(s.tracks) == 0 {
		s.find("no-device-events", trace.Error, 1, "capture again with the device tracer on (device_tracer_level ≥ 1), and make sure that a request runs inside the window",
			"no device plane and no op events in the capture: nothing ran on a device, or it was not recorded")
	} else {
		s.judgeSteps()
		s.judgeExecutions()
		s.judgeDevices()
		s.judgeOps()
		s.judgeLayers()
		s.judgeGrouping()
	}
	rank := map[trace.Severity]int{trace.Error: 0, trace.Warning: 1, trace.Info: 2}
	slices.SortStableFunc(s.out.Findings, func(a, b Finding) int { return cmp.Compare(rank[a.Severity], rank[b.Severity]) })
}

// deviceNames returns the devices that ran ops, whatever the options ask for.
func (s *study) deviceNames() []string {
	var out []string
	for _, tr := range s.t.Tracks {
		if tr.Device < 0 || tr.Kind != trace.Ops && tr.Kind != trace.Stream {
			continue
		}
		if name := s.t.Devices[tr.Device].Name; !slices.Contains(out, name) && len(out) < 64 {
			out = append(out, name)
		}
	}
	return out
}

func (s *study) judgeSteps() {
	marked := s.out.Capture.StepSource == annotation || s.out.Capture.StepSource == stepsLine
	if !marked && s.t.Lossy == "" {
		s.find("no-steps", trace.Info, 1, "mark steps with jax.profiler.StepTraceAnnotation to get samples by step", "no step marks%s", instead(s.out.Capture.StepSource))
	}
	s.judgeCompiles()
	if s.opts.OpsOnly {
		return
	}
	used, outliers := 0, 0
	for i := range s.out.Steps {
		if !s.out.Steps[i].Excluded {
			used++
			if s.out.Steps[i].Reason == "outlier" {
				outliers++
			}
		}
	}
	if n := s.shapes(); n > 1 {
		s.find("mixed-shapes", trace.Info, int64(n), "medians over all steps mix them; comparisons keep them apart",
			"the steps ran %d different sets of programs or shapes", n)
	}
	if outliers > 0 {
		s.find("disturbed-steps", trace.Info, int64(outliers), "they are kept in the samples: compare medians, not means",
			"%d of %d steps took much longer or shorter than the median step", outliers, used)
	}
	const again = "something else used the machine: capture again before comparing it with another"
	if cv, ok := s.layerCV(); ok && cv > disturbedCV {
		s.find("disturbed-capture", trace.Warning, 1, again, "the typical layer varies by %.0f %% between steps", 100*cv)
	} else if float64(outliers) > disturbedSteps*float64(used) {
		s.find("disturbed-capture", trace.Warning, 1, again, "%d of %d steps took much longer or shorter than the median step", outliers, used)
	}
}

func (s *study) judgeCompiles() {
	n := len(s.t.Compiles)
	if n == 0 {
		return
	}
	compiled, in := 0, ""
	for i := range s.out.Steps {
		if s.out.Steps[i].Reason == "compile" {
			compiled++
		}
	}
	if !s.opts.OpsOnly {
		in = fmt.Sprintf(", in %d of %d steps", compiled, len(s.out.Steps))
	}
	s.find("compile-in-window", trace.Warning, int64(n), "warm up every shape before the capture; steps with a compilation are left out of samples, never out of totals",
		"%d compilations inside the window%s", n, in)
}

// shapes counts the kinds of steps among those that count.
func (s *study) shapes() int {
	kinds := make(map[string]bool)
	for k := range s.out.Steps {
		if st := &s.out.Steps[k]; !st.Excluded {
			kinds[st.Signature] = true
		}
	}
	return len(kinds)
}

// layerCV returns the median over layers of the variation between steps that ran
// the same programs: steps of another shape are no disturbance.
func (s *study) layerCV() (float64, bool) {
	groups := make(map[string][]int)
	for k := range s.out.Steps {
		if st := &s.out.Steps[k]; !st.Excluded {
			groups[st.Signature] = append(groups[st.Signature], k)
		}
	}
	var cvs []float64
	for _, steps := range groups {
		if len(steps) < 5 {
			continue
		}
		for i := range s.out.Layers.Rows {
			r := &s.out.Layers.Rows[i]
			if r.Index < 0 {
				continue
			}
			x := make([]float64, len(steps))
			for n, k := range steps {
				x[n] = float64(r.PerStep[k])
			}
			cvs = append(cvs, variation(x))
		}
	}
	return medianOf(cvs), len(cvs) > 0
}

func (s *study) judgeExecutions() {
	main, expect := s.mainProgram(), s.opts.Expect
	if n, err := strconv.Atoi(s.t.Metadata["num_steps"]); err == nil && expect == 0 {
		expect = n
	}
	if expect <= 0 || main < 0 {
		return
	}
	name, runs := s.t.Programs[main].Name, 0
	for i := range s.t.Programs {
		if s.t.Programs[i].Name == name {
			runs += s.programs[i].runs
		}
	}
	runs /= max(1, len(s.devices))
	if s.t.Lossy != "" {
		runs = s.tableRuns()
	}
	if runs < expect {
		s.find("few-executions", trace.Warning, int64(expect-runs), "servers that count steps before running them capture one fewer than asked: ask for one more, and send load while the window is open",
			"%s of %s on each device, %d asked for", plural(runs, "execution"), name, expect)
	}
}

// tableRuns estimates the executions behind a table: the occurrences of the op
// with most time, which a program runs once unless it has loops.
func (s *study) tableRuns() int {
	if len(s.out.Ops) == 0 {
		return 0
	}
	return int(s.out.Ops[0].Occurrences)
}

func (s *study) judgeDevices() {
	limit := s.opts.IdleShare
	if limit == 0 {
		limit = idleShare
	}
	idle, worst := 0, 0
	for i := range s.out.Devices {
		d, w := &s.out.Devices[i], &s.out.Devices[worst]
		if ratio(d.Idle, d.Window) > limit {
			idle++
		}
		if ratio(d.Idle, d.Window) > ratio(w.Idle, w.Window) {
			worst = i
		}
	}
	if idle > 0 {
		d := &s.out.Devices[worst]
		s.find("mostly-idle", trace.Warning, int64(idle), "shares in this report are of op time, which idleness does not touch; open the window around the load to measure utilisation",
			"%d of %d devices: %.2f %% of the window of %s is idle (%s of %s busy)", idle, len(s.out.Devices), percent(d.Idle, d.Window), d.Name, approx(d.Busy), approx(d.Window))
	}
}

func (s *study) judgeOps() {
	var overlaps, clamped, disordered int64
	for i := range s.tallies {
		ln := &s.tallies[i].lane
		overlaps += ln.overlaps
		clamped += ln.clamped
		if ln.disordered {
			disordered++
		}
	}
	if n := overlaps + clamped; n > 0 {
		s.find("overlapping-ops", trace.Warning, n, "partly overlapping ops count fully in op time; busy time is their union",
			"%d ops of one track overlap without nesting", n)
	}
	if disordered > 0 {
		s.find("unsorted-track", trace.Info, disordered, "the tracks were sorted in memory", "events out of order on %d tracks", disordered)
	}
	gpuStreams := 0
	for _, tr := range s.tracks {
		if tr.Kind == trace.Stream {
			gpuStreams++
		}
	}
	if gpuStreams > 0 {
		s.find("interval-union", trace.Info, int64(gpuStreams), "XProf adds up kernels of all streams; see docs/xprof-differences.md",
			"GPU: busy time is the union over streams; op time is the sum")
	}
	s.judgeHLO()
}

// judgeHLO reports programs whose scopes cannot be known for want of HLO.
func (s *study) judgeHLO() {
	missing, example, lost, most := 0, "", Duration(0), Duration(0)
	for i := range s.programs {
		p := &s.programs[i]
		if p.opTime == 0 || p.Module != nil {
			continue
		}
		bare := true
		for _, id := range p.ops {
			bare = bare && s.ops[id].scope.raw == ""
		}
		if bare {
			missing++
			if p.opTime > most {
				example, most = p.Name, p.opTime
			}
			lost += p.opTime
		}
	}
	if lost > s.out.Layers.OpTime/100 && s.t.Lossy == "" {
		s.find("missing-hlo", trace.Warning, int64(missing), "pass the module with --hlo FILE (an .hlo_proto.pb beside the capture, or an XLA dump), or read the .xplane.pb instead of the JSON",
			"%d programs with %.1f %% of op time have neither scope paths nor HLO in the capture%s", missing, percent(lost, s.out.Layers.OpTime), exampleOf(example))
	}
}

func (s *study) judgeLayers() {
	l := &s.out.Layers
	if l.Count == 0 {
		s.find("no-layers", trace.Warning, 1, "name layers with jax.named_scope(f\"layer_{i}\"), or supply the HLO with --hlo", "no layers found: %s", l.Why)
	}
	if share := ratio(l.Unattributed, l.OpTime); share > unattributedShare {
		names := ""
		for i, o := range l.UnattributedOps[:min(3, len(l.UnattributedOps))] {
			if i > 0 {
				names += ", "
			}
			names += o.Name
		}
		s.find("unattributed", trace.Warning, 1, "the largest are listed; component and layer tables leave this time out",
			"%.1f %% of op time belongs to no layer and no named part (largest: %s)", 100*share, names)
	}
}

// judgeGrouping says, for tables, what a grouping by words in names would show:
// published reports were made so, and their figures should be found again.
func (s *study) judgeGrouping() {
	if s.t.Lossy == "" || s.out.Layers.OpTime == 0 {
		return
	}
	var flash, word, component Duration
	for i := range s.out.Ops {
		o := &s.out.Ops[i]
		name := strings.ToLower(o.Scope)
		switch {
		case strings.Contains(name, "flashattention"), strings.Contains(name, "ragged_paged_attention"), strings.Contains(name, "rpa-"):
			flash += o.Self
			word += o.Self
		case strings.Contains(name, "attention"):
			word += o.Self
		}
		if o.Component == attention {
			component += o.Self
		}
	}
	if word == component {
		return
	}
	all := s.out.Layers.OpTime
	s.find("grouped-by-name", trace.Info, 1, "the component table goes by scope: a norm after attention is a norm",
		"grouping by words in op names gives attention %.1f %% of op time (attention.flash %.1f %%); by scope it is %.1f %%", percent(word, all), percent(flash, all), percent(component, all))
}

func instead(source string) string {
	if source == "none" {
		return ", and no program executions to take for steps: there are no samples"
	}
	return "; steps are taken from " + source
}

func exampleOf(name string) string {
	if name == "" {
		return ""
	}
	return ", such as " + name
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// approx prints a duration for a message.
func approx(d Duration) string {
	switch {
	case d >= trace.Second:
		return fmt.Sprintf("%.3f s", float64(d)/float64(trace.Second))
	case d >= trace.Millisecond:
		return fmt.Sprintf("%.3f ms", float64(d)/float64(trace.Millisecond))
	}
	return fmt.Sprintf("%.3f µs", float64(d)/float64(trace.Microsecond))
}
