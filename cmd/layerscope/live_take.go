// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/capture"
)

// A take is one window of all servers, and what is in it.
type take struct {
	Dirs    []string          `json:"dirs"` // profile directories, below the session's
	Results []*capture.Result `json:"results"`
	Calls   []capture.Call    `json:"calls"`
	// Changed says what was done differently from the take before it.
	Changed []string `json:"changed"`

	asked    int // forwards, where they were counted
	analyses []*analyze.Analysis
	findings []analyze.Finding
}

// A drive is what happens in a window.
type drive struct {
	requests int // to be sent; 0 = until the window closes
	warmup   int // rounds
	expect   int // forwards that the capture should hold; 0 = unknown
}

// window takes a window of all servers, again while one of several is busy, which
// shows only once it should have begun.
func (l *live) window(ctx context.Context, dir string, set capture.Settings, d drive) (*take, error) {
	deadline := time.Now().Add(set.Busy)
	for i := 1; ; i++ {
		t, err := l.windowOnce(ctx, filepath.Join(dir, fmt.Sprint(i)), set, d)
		if len(l.servers) < 2 || !errors.Is(err, capture.ErrBusy) || time.Now().Add(2*time.Second).After(deadline) {
			return t, err
		}
		l.say("busy", "%v; again", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}

// windowOnce opens a window on every server, sends the load meanwhile, and waits
// for the files. An interrupt ends it early; what was captured is kept.
func (l *live) windowOnce(ctx context.Context, dir string, set capture.Settings, d drive) (*take, error) {
	set.Dir = dir
	if len(l.servers) > 1 {
		set.Session = time.Now().UTC().Format("2006_01_02_15_04_05.000")
		if l.kind() == capture.JAX && !set.Continuous {
			set.Start = time.Now().Add(500 * time.Millisecond) // one window on all clocks
		}
	}
	var all []*capture.Window
	var err error
	for _, s := range l.servers {
		var w *capture.Window
		if w, err = s.Open(ctx, set); err != nil {
			break
		}
		all = append(all, w)
	}
	t := &take{}
	if err == nil {
		l.say("armed", "%s", windowText(&set, d, l.load))
		if l.load != nil {
			t.Calls = l.load.Run(ctx, d.requests, all[0].Closed())
		}
	}
	if err != nil || l.load != nil && (d.requests > 0 || set.Steps > 0 && ctx.Err() != nil) {
		for _, w := range all {
			w.Stop()
		}
	}
	for _, w := range all {
		res, waitErr := w.Wait(ctx)
		err = errors.Join(err, waitErr)
		if res != nil {
			t.Results = append(t.Results, res)
		}
	}
	if err != nil {
		return nil, liveError(err)
	}
	t.Dirs = profileDirs(t.Results)
	l.say("stopped", "%s", takeText(t))
	for _, r := range t.Results {
		for _, n := range r.Notes {
			l.say("note", "%s", n)
		}
	}
	return t, nil
}

// liveError adds what to do about an error.
func liveError(err error) error {
	if errors.Is(err, capture.ErrBusy) {
		return &hintedError{err, "one session at a time: wait longer with --busy 5m, or end the other; a snapshot of continuous profiling is --continuous"}
	}
	return err
}

// profileDirs are the directories of the files: one, or one a stage.
func profileDirs(results []*capture.Result) []string {
	var dirs []string
	for _, r := range results {
		for _, f := range r.Files {
			if dir := filepath.Dir(f.Path); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

func windowText(set *capture.Settings, d drive, load *capture.Load) string {
	s := fmt.Sprintf("a window of %v", set.Duration)
	switch {
	case set.Continuous:
		s = fmt.Sprintf("a snapshot in %v", set.Duration)
	case set.Steps > 0:
		s = fmt.Sprintf("a window of %s", plural(set.Steps, "forward"))
	case load != nil && d.requests > 0:
		s = fmt.Sprintf("a window of %s", plural(d.requests, "request"))
	}
	if load == nil {
		return s + "; requests are others'"
	}
	return s + fmt.Sprintf(", %d at a time", load.Concurrency)
}

func takeText(t *take) string {
	var files int
	var bytes int64
	early := false
	for _, r := range t.Results {
		files += len(r.Files)
		early = early || r.Early
		for _, f := range r.Files {
			bytes += f.Bytes
		}
	}
	s := fmt.Sprintf("%s, %s", plural(files, "file"), sizeText(bytes))
	var hosts []string
	for _, r := range t.Results {
		hosts = append(hosts, r.Hosts...)
	}
	if len(hosts) > 0 {
		s += " from " + strings.Join(hosts, ", ")
	}
	if n := len(t.Calls); n > 0 {
		p50, ok := capture.Latency(t.Calls, 0.5)
		p99, _ := capture.Latency(t.Calls, 0.99)
		s += fmt.Sprintf("; %s, %d failed, median %v, p99 %v", plural(n, "request"), n-ok, p50.Round(time.Microsecond), p99.Round(time.Microsecond))
	}
	return s
}

// verify looks at a take at once: the findings of check, and what only the
// session knows.
func (l *live) verify(ctx context.Context, t *take, expect int) error {
	t.analyses, t.findings = nil, nil
	in := inputFlags{damaged: true, clock: "device", steps: "all", expect: expect}
	for _, dir := range t.Dirs {
		an, err := l.a.load(ctx, input{path: dir}, &in, false)
		if err != nil {
			return err
		}
		t.analyses = append(t.analyses, an)
		t.findings = append(t.findings, an.Findings...)
	}
	if len(t.Dirs) == 0 {
		at := ""
		for _, r := range t.Results {
			at = first(at, r.ServerPath)
		}
		f := analyze.Finding{Code: "no-capture", Severity: trace.Error, Count: 1, Message: "no capture came back"}
		if at != "" {
			f.Message, f.Hint = "the server kept the capture on its own side, at "+at, "copy it here: layerscope bundle create COPY -o DIR"
		}
		t.findings = append(t.findings, f)
	}
	t.findings = append(t.findings, callFindings(t.Calls)...)
	if expect == 0 { // else the forwards are counted, and the window is known to be over a while later
		t.findings = append(t.findings, l.lostForwards(t)...)
	}
	l.say("verified", "%s", verdictText(t))
	return nil
}

// callFindings says what the requests themselves showed.
func callFindings(calls []capture.Call) []analyze.Finding {
	var out []analyze.Finding
	failed, misses, why := 0, 0, ""
	for i := range calls {
		if calls[i].Failed() {
			failed++
			why = first(why, calls[i].Err)
		}
		misses += max(0, calls[i].Misses)
	}
	if failed > 0 {
		f := analyze.Finding{Code: "requests-failed", Severity: trace.Warning, Count: int64(failed), Message: fmt.Sprintf("%d of %s in the window failed: %s", failed, plural(len(calls), "request"), why)}
		if failed == len(calls) {
			f.Severity = trace.Error
		}
		out = append(out, f)
	}
	if misses > 0 {
		out = append(out, analyze.Finding{Code: "cold-requests", Severity: trace.Warning, Count: int64(misses),
			Message: fmt.Sprintf("%s compiled for requests in the window", plural(misses, "program")), Hint: "more rounds of warm-up: --warmup 4"})
	}
	return out
}

// lostForwards compares the steps of a capture with the requests that ran, begin
// to end, in its window. One at a time can't share a forward; those near the
// window's ends, which the server sets, may have lost theirs.
func (l *live) lostForwards(t *take) []analyze.Finding {
	if l.load == nil || l.load.Concurrency > 1 || len(t.analyses) != 1 || len(t.Results) != 1 || t.analyses[0].Capture.StepSource == "none" {
		return nil
	}
	const near = 50 * time.Millisecond
	begin, end := t.Results[0].Begin.Add(near), t.Results[0].End.Add(-near)
	answered := 0
	for i := range t.Calls {
		if c := &t.Calls[i]; !c.Failed() && c.Begin.After(begin) && c.Begin.Add(c.Latency).Before(end) {
			answered++
		}
	}
	steps := t.analyses[0].Capture.StepCount
	if steps == 0 || steps+2 >= answered {
		return nil
	}
	return []analyze.Finding{{Code: "lost-forwards", Severity: trace.Warning, Count: int64(answered - steps),
		Message: fmt.Sprintf("%s in the capture, of %s that were answered in its window", plural(steps, "step"), plural(answered, "request")),
		Hint:    "the server answered from a cache, or its profiler began late or stopped early"}}
}

func verdictText(t *take) string {
	steps := 0
	for _, an := range t.analyses {
		steps += an.Capture.StepCount
	}
	s := plural(steps, "step")
	if len(t.analyses) > 0 {
		s += fmt.Sprintf(", %d layers by %s", t.analyses[0].Layers.Count, t.analyses[0].Layers.Method)
	}
	for _, f := range t.findings {
		if f.Severity != trace.Info {
			s += fmt.Sprintf("; %s %s: %s", f.Severity, f.Code, f.Message)
		}
	}
	return s
}

// has says whether there is a finding of one of the codes.
func (t *take) has(codes ...string) bool {
	return slices.ContainsFunc(t.findings, func(f analyze.Finding) bool { return slices.Contains(codes, f.Code) })
}

// count counts the findings of a severity.
func (t *take) count(s trace.Severity) int {
	n := 0
	for _, f := range t.findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// better says whether a take is worth more than another.
func (t *take) better(than *take) bool {
	if a, b := t.count(trace.Error), than.count(trace.Error); a != b {
		return a < b
	}
	return t.count(trace.Warning) <= than.count(trace.Warning)
}
