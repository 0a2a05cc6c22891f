// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/capture"
)

// memoryInto looks at memory instead of time. Of our own server that is the live
// buffers, before and after the requests; of a JAX process its programs' HLO with
// the compiler's memory plan.
func (l *live) memoryInto(ctx context.Context, f *captureFlags, command []string) (string, error) {
	if len(l.servers) > 1 {
		return "", usagef("one after the other", "--memory looks at one server at a time: found %d", len(l.servers))
	}
	s, dir := l.servers[0], filepath.Join(l.work, "memory")
	if s.Kind == capture.JAX {
		return l.planInto(ctx, f, command)
	}
	if err := l.warmUp(ctx, f.warmup); err != nil {
		return "", err
	}
	before, err := s.Memory(ctx, dir, "memory_before")
	if err != nil {
		return "", err
	}
	files := []string{before.Files[0].Path}
	l.say("memory", "%s before", plural(int(before.Files[0].Bytes), "byte"))
	t := &take{}
	if l.load != nil {
		t.Calls = l.load.Run(ctx, max(f.requests, len(l.load.Bodies)), nil)
		after, err := s.Memory(ctx, dir, "memory_after")
		if err != nil {
			return "", err
		}
		files = append(files, after.Files[0].Path)
		l.say("memory", "after: %s", takeText(t))
	}
	t.findings = callFindings(t.Calls)
	l.takes = append(l.takes, t)
	var states []*analyze.MemoryUse
	for _, path := range files {
		src := memorySource{profiles: []string{path}, alone: true, read: within(0)}
		_, use, err := src.load()
		if err != nil {
			return "", err
		}
		states = append(states, use)
	}
	now := states[len(states)-1]
	t.findings = append(t.findings, now.Findings...)
	var growth *analyze.MemoryGrowth
	if len(states) == 2 {
		growth = analyze.GrowMemory(states[0], now)
		t.findings = append(t.findings, growth.Findings...)
	}
	out := first(f.output, l.runName()+"_memory")
	if err := l.keepMemory(out, command, bundle.Options{Memory: files}, now, growth); err != nil {
		return "", err
	}
	return out, l.report(out, "")
}

// planInto fetches the HLO of a JAX process, some 10 ms without a window.
func (l *live) planInto(ctx context.Context, f *captureFlags, command []string) (string, error) {
	res, err := l.servers[0].HLO(ctx, l.work)
	if err != nil {
		return "", liveError(err)
	}
	t := &take{Results: []*capture.Result{res}, Dirs: profileDirs([]*capture.Result{res})}
	if len(t.Dirs) == 0 {
		return "", fmt.Errorf("%s: no programs are alive in the process", l.servers[0].URL)
	}
	l.say("memory", "the programs' HLO, %s; live buffers of JAX can't be had from outside: jax.profiler.save_device_memory_profile writes them", takeText(t))
	src := memorySource{open: func() (*trace.Trace, error) { return l.a.open(ctx, input{path: t.Dirs[0]}, trace.Options{}) }}
	_, use, err := src.load()
	if err != nil {
		return "", err
	}
	t.findings = use.Findings
	for _, finding := range use.Findings {
		l.say("memory", "%s %s: %s", finding.Severity, finding.Code, finding.Message)
	}
	l.takes = append(l.takes, t)
	out := first(f.output, l.runName()+"_memory")
	if err := l.keepMemory(out, command, bundle.Options{Captures: t.Dirs}, use, nil); err != nil {
		return "", err
	}
	return out, l.report(out, "")
}

// keepMemory makes the bundle of what is known of memory.
func (l *live) keepMemory(out string, command []string, opts bundle.Options, now *analyze.MemoryUse, growth *analyze.MemoryGrowth) error {
	l.say("bundle", "%s", out)
	var f bundleFlags
	if err := l.writeInputs(&f); err != nil {
		return err
	}
	r := reports.Memory(now, growth, reports.Options{Title: filepath.Base(out), Version: toolVersion()})
	var text, doc bytes.Buffer
	if err := r.Markdown(&text); err != nil {
		return err
	}
	if err := r.JSON(&doc); err != nil {
		return err
	}
	opts.Inputs, opts.Logs, opts.Commands, opts.Environ, opts.Plain = f.inputs, f.logs, command, os.Environ(), l.f.plain
	opts.Commit, opts.Branch, opts.Trigger, opts.Tool, opts.Time = l.f.commit, l.f.branch, l.f.trigger, toolVersion(), l.a.now()
	opts.Names, opts.Report, opts.Analysis = localNames(), text.Bytes(), map[string][]byte{"memory.json": doc.Bytes()}
	_, err := bundle.Create(out, opts)
	return err
}
