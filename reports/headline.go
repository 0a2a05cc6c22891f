// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
)

// headline says what was captured, how much of it was work, how the layers were
// found, and whether to believe it.
func (r *Report) headline() block {
	b := block{title: r.title(), head: true}
	if r.a.Lossy != "" {
		b.para = append(b.para, "Lossy input: "+r.a.Lossy+".")
	}
	b.para = append(b.para, r.captureSentence())
	if !r.empty() {
		b.para = append(b.para, r.layerSentence())
	}
	if s := r.outlierSentence(); s != "" {
		b.para = append(b.para, s)
	}
	if r.filtered() {
		b.para = append(b.para, fmt.Sprintf("Filter %s keeps %s = %s of op time; samples a step and wall shares need the whole capture and are left out.",
			r.opts.Filter, duration(r.a.Layers.OpTime), percent(share(r.a.Layers.OpTime, r.opTime))))
	}
	if s := r.trustSentence(); s != "" {
		b.para = append(b.para, s)
	}
	return b
}

// captureSentence: "12 steps on cpu:0 (cpu); op time 845.3 ms, busy …".
func (r *Report) captureSentence() string {
	a := r.a
	if r.empty() {
		return fmt.Sprintf("No device ran an op in this capture (%s, window %s).",
			plural(len(a.Devices), "device"), duration(a.Capture.Window))
	}
	var busy, idle, window analyze.Duration
	tracks := 0
	for i := range a.Devices {
		d := &a.Devices[i]
		busy += d.Busy
		idle += d.Idle
		window += d.Window
		tracks += d.Tracks
	}
	over := ""
	if tracks > len(a.Devices) {
		over = fmt.Sprintf(" (self time summed over %d tracks)", tracks)
	}
	windows := "the " + duration(window) + " window"
	if len(a.Devices) > 1 {
		windows = fmt.Sprintf("their windows, %s together", duration(window))
	}
	work := fmt.Sprintf("op time %s%s, busy %s", duration(r.opTime), over, duration(busy))
	if busy == r.opTime {
		work = "busy " + duration(busy) + " (= op time)"
	}
	return fmt.Sprintf("%s on %s: %s, idle %s = %s of %s.",
		r.stepPhrase(), r.devicePhrase(), work, duration(idle), percent(share(idle, window)), windows)
}

// empty reports whether the capture has nothing to break down.
func (r *Report) empty() bool { return r.opTime == 0 && len(r.a.Ops) == 0 && r.opEvents() == 0 }

func (r *Report) opEvents() (n int64) {
	for i := range r.a.Devices {
		n += r.a.Devices[i].OpEvents
	}
	return n
}

func (r *Report) stepPhrase() string {
	c := &r.a.Capture
	if c.StepCount == 0 {
		return "No steps marked"
	}
	return fmt.Sprintf("%s (%s)", plural(c.StepCount, "step"), c.StepSource)
}

// devicePhrase: "/device:TPU:0 (TPU v6 Lite)", "4 tpu devices (TPU v6 Lite)".
func (r *Report) devicePhrase() string {
	d := r.a.Devices
	if len(d) == 1 {
		return fmt.Sprintf("%s (%s)", d[0].Name, or(d[0].Type, d[0].Kind))
	}
	kinds := make(map[string]bool)
	var names []string
	for i := range d {
		kind := or(d[i].Type, d[i].Kind)
		if !kinds[kind] {
			kinds[kind] = true
			names = append(names, kind)
		}
	}
	return fmt.Sprintf("%d devices (%s)", len(d), strings.Join(names, ", "))
}

func (r *Report) layerSentence() string {
	l := &r.a.Layers
	rest := "all op time is in its rows"
	if l.Unattributed != 0 {
		rest = percent(share(l.Unattributed, r.opTime)) + " of op time is unattributed"
	}
	if l.Count == 0 && l.Method != "none" && r.filtered() {
		return "The filter keeps no layer."
	}
	if l.Count == 0 {
		s := "No layers were found"
		if l.Why != "" {
			s += ": " + l.Why
		}
		return s + "; " + rest + "."
	}
	s := fmt.Sprintf("%s by %s, confidence %.2f; %s.", plural(l.Count, "layer"), l.Method, l.Confidence, rest)
	if l.Why != "" {
		s += " Found by: " + l.Why + "."
	}
	return s
}

// outlierSentence names the worst layer and the component that makes it so.
func (r *Report) outlierSentence() string {
	l := &r.a.Layers
	if len(l.Outliers) == 0 {
		return ""
	}
	o := &l.Outliers[0]
	s := fmt.Sprintf("%s takes %s the median layer", o.Key, times(o.Ratio))
	if c, ratio := cause(l, o.Key); c != "" {
		s += fmt.Sprintf(": %s %s that of its peers", c, times(ratio))
	}
	if o.Note != "" {
		s += " (" + o.Note + ")"
	}
	if n := len(l.Outliers) - 1; n > 0 {
		s += fmt.Sprintf("; %s in the table", plural(n, "more outlier"))
	}
	return s + "."
}

// trustSentence names the findings that put the numbers in doubt.
func (r *Report) trustSentence() string {
	codes := map[string][]string{}
	for _, f := range r.findings() {
		s := string(f.Severity)
		if !slices.Contains(codes[s], f.Code) {
			codes[s] = append(codes[s], f.Code)
		}
	}
	errors, warnings := strings.Join(codes["error"], ", "), strings.Join(codes["warning"], ", ")
	switch {
	case errors != "" && warnings != "":
		return fmt.Sprintf("Do not trust this capture before reading the findings: %s; warnings: %s.", errors, warnings)
	case errors != "":
		return fmt.Sprintf("Do not trust this capture before reading the findings: %s.", errors)
	case warnings != "":
		return fmt.Sprintf("Warnings, see findings: %s.", warnings)
	}
	return ""
}

// startUTC writes the capture's start, or "".
func startUTC(c *analyze.Capture) string {
	if c.StartUnixNano == 0 {
		return ""
	}
	return time.Unix(0, c.StartUnixNano).UTC().Format("2006-01-02 15:04:05 UTC")
}
