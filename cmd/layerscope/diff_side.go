// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// A sideArg is one side on the command line: [label=]INPUT[,INPUT…], an INPUT
// being a capture or a directory of captures.
type sideArg struct {
	label string
	paths []string // that the label is made of; nil = it was given
	runs  []string
	dirs  []string // where noise.json may be
}

// parseSide takes an argument apart and expands directories.
func (a *app) parseSide(ctx context.Context, arg string) (sideArg, error) {
	in := parseInput(arg)
	side := sideArg{label: in.label}
	paths := splitPaths(in.path)
	for _, p := range paths {
		if p == "" {
			return side, usagef("", "%s: an input between commas is empty", arg)
		}
		runs, dir, err := a.runsOf(ctx, p)
		if err != nil {
			return side, err
		}
		side.runs = append(side.runs, runs...)
		if !slices.Contains(side.dirs, dir) {
			side.dirs = append(side.dirs, dir)
		}
	}
	if side.label == "" {
		side.paths = paths
		side.name(1)
	}
	return side, nil
}

// splitPaths takes a comma list apart, unless a file of that whole name exists.
func splitPaths(list string) []string {
	if exists(list) {
		return []string{list}
	}
	return strings.Split(list, ",")
}

// name labels a side that has no label of its own with the last n parts of its
// first path. It reports whether that is all of them.
func (s *sideArg) name(n int) (all bool) {
	parts := strings.Split(strings.TrimRight(filepath.ToSlash(s.paths[0]), "/"), "/")
	s.label = strings.Join(parts[max(0, len(parts)-n):], "/")
	if len(s.paths) > 1 {
		s.label += fmt.Sprintf(" (+%d)", len(s.paths)-1)
	}
	return n >= len(parts)
}

// tellApart gives sides whose files are called alike the names of the directories
// above them as well, as far as that is needed.
func tellApart(sides []sideArg) {
	for i := range sides {
		var alike []int
		for j := range sides {
			if sides[j].label == sides[i].label {
				alike = append(alike, j)
			}
		}
		for n := 2; len(alike) > 1 && n < 64; n++ {
			labels, all := make(map[string]bool), true
			for _, j := range alike {
				if sides[j].paths != nil && !sides[j].name(n) {
					all = false
				}
				labels[sides[j].label] = true
			}
			if len(labels) == len(alike) || all {
				break
			}
		}
	}
}

// runsOf lists the runs of a path or an address, and where its noise.json may be.
func (a *app) runsOf(ctx context.Context, p string) (runs []string, dir string, err error) {
	if isBucket(p) {
		runs, err = a.farRuns(ctx, p)
		if dir = strings.TrimSuffix(p, "/"); len(runs) == 1 && runs[0] == p {
			dir = p[:strings.LastIndexByte(dir, '/')]
		}
		return runs, dir, err
	}
	p = localPath(p)
	dir = p
	if info, err := os.Stat(p); err != nil || !info.IsDir() {
		dir = filepath.Dir(p)
	}
	runs, err = runsIn(p)
	return runs, dir, err
}

// runsIn lists the runs that a path stands for: the path itself, or what a
// directory of runs holds. A bundle stands for its captures. A directory
// …/plugins/profile/SESSION, or one with such in it, is one run of one or more
// hosts. Else each capture file in the
// directory is a run (XSpace before JSON, which holds less of the same), or each
// of its directories that holds captures.
func runsIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, nil // opening it says what is wrong
	}
	if one, ok := bundledCapture(path); ok {
		return []string{one}, nil
	}
	if traces, ok := bundledTraces(path); ok {
		return runsIn(traces)
	}
	if abs, err := filepath.Abs(path); err == nil && filepath.Base(filepath.Dir(abs)) == "profile" {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	var files, dirs []string
	for _, e := range entries {
		full := filepath.Join(path, e.Name())
		switch {
		case e.IsDir() && e.Name() == "plugins":
			return []string{path}, nil
		case e.IsDir() && holdsCaptures(full):
			dirs = append(dirs, full)
		default:
			files = append(files, full)
		}
	}
	for _, list := range [][]string{capturesOf(files), dirs} {
		if len(list) > 0 {
			return list, nil
		}
	}
	return []string{path}, nil
}

// capturesOf picks the captures among the files of one directory: XSpace, else
// JSON, which holds less of the same, else text.
func capturesOf(files []string) []string {
	for _, ext := range []string{".xplane.pb", ".trace.json", ".trace.txt"} {
		var list []string
		for _, f := range files {
			if isCaptureName(f, ext) {
				list = append(list, f)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

func isCaptureName(name, ext string) bool {
	for _, z := range []string{".gz", ".zst", ".xz"} {
		name = strings.TrimSuffix(name, z)
	}
	return strings.HasSuffix(name, ext)
}

// holdsCaptures looks for a capture in a directory, a few levels deep.
func holdsCaptures(dir string) bool {
	for _, pattern := range []string{"*", "*/*/*/*", "*/*/*"} {
		for _, ext := range []string{".xplane.pb*", ".trace.json*", ".trace.txt*"} {
			if found, err := filepath.Glob(filepath.Join(dir, pattern+ext)); err == nil && len(found) > 0 {
				return true
			}
		}
	}
	return false
}

// loadSide reads and analyses the runs of a side, one after the other: each
// uses all cores.
func (a *app) loadSide(ctx context.Context, arg sideArg, in *inputFlags) (analyze.Side, error) {
	side := analyze.Side{Label: arg.label}
	look := *in
	var beside *memprof.Profile
	look.also = func(t *trace.Trace) {
		use := analyze.Memory(t, beside)
		side.Memory = append(side.Memory, use)
		addMemory(&side, use)
	}
	in = &look
	for i, run := range arg.runs {
		beside = a.profileBeside(run, int64(in.most))
		an, err := a.load(ctx, input{path: run}, in, true)
		if err != nil {
			return side, err
		}
		if err := keepSteps(an, in.steps); err != nil {
			return side, err
		}
		side.Runs = append(side.Runs, an)
		commit := commitOf(an)
		if i == 0 {
			side.Commit = commit
		} else if side.Commit != commit {
			side.Commit = ""
		}
	}
	return side, nil
}

// keepSteps leaves the steps that --steps doesn't name out of the medians.
func keepSteps(an *analyze.Analysis, flag string) error {
	steps, err := parseSteps(flag)
	if err != nil || steps == nil || len(an.Steps) == 0 {
		return err
	}
	first, last := steps[0], steps[1]
	if last == lastStep {
		first = an.Steps[len(an.Steps)-1].Index
		last = first
	}
	for i := range an.Steps {
		if s := &an.Steps[i]; s.Index < first || s.Index > last {
			s.Excluded, s.Reason = true, "not in --steps"
		}
	}
	return nil
}

// addMemory keeps the peaks over a side's captures: what an allocator of a device
// saw, and what the largest program was planned to need.
func addMemory(side *analyze.Side, m *analyze.MemoryUse) {
	for i := range m.Allocators {
		side.PeakHBM = max(side.PeakHBM, m.Allocators[i].Peak)
	}
	for i := range m.Programs {
		if m.Programs[i].Color == 0 { // the device's main memory
			side.PlanBytes = max(side.PlanBytes, m.Programs[i].Peak)
		}
	}
}

// commitOf is the commit that a capture says it was taken of.
func commitOf(a *analyze.Analysis) string {
	for _, k := range []string{"layerscope_commit", "git_commit", "commit"} {
		if v := a.Capture.Metadata[k]; v != "" {
			return v
		}
	}
	return ""
}
