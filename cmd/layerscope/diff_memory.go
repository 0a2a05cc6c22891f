// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// profiles says whether the first side is of memory profiles.
func profiles(args []string) bool {
	paths := profilesOf(args[0])
	return len(paths) > 0 && looksLikeProfile(paths[0])
}

// profilesOf lists the files of a side of memory profiles: a comma list, or the
// profiles of a directory that holds no captures.
func profilesOf(arg string) []string {
	var out []string
	for _, p := range splitPaths(parseInput(arg).path) {
		if isBucket(p) {
			return nil
		}
		info, err := os.Stat(p)
		if err != nil || !info.IsDir() {
			out = append(out, p)
			continue
		}
		if runs, err := runsIn(p); err != nil || len(runs) != 1 || runs[0] != p || holdsCaptures(p) {
			return nil
		}
		out = append(out, profilesDirectly(p)...)
	}
	return out
}

// profilesDirectly lists the memory profiles in a directory, by name.
func profilesDirectly(dir string) []string {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil // what wants the directory says so
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() && isProfileName(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// diffMemory compares sides of memory profiles.
func (a *app) diffMemory(cmd *cobra.Command, args []string, in *inputFlags, out *outputFlags, f *diffFlags, opts analyze.DiffOptions) error {
	switch {
	case len(args) > 2:
		return usagef("compare them two by two", "diff: %d sides of memory profiles, wanted two", len(args))
	case len(f.rules) > 0:
		return usagef("--format json has a verdict for each row", "--fail-on: rules are about captures, not memory profiles")
	case f.runs != "":
		return usagef("", "--runs: sides are commits there, not memory profiles")
	}
	var inputs []analyze.Input
	var twice []analyze.Finding
	var sides [2][]*analyze.MemoryUse
	labels := make([]sideArg, 2)
	for i, arg := range args {
		paths, before := profilesOf(arg), len(inputs)
		if len(paths) == 0 || !looksLikeProfile(paths[0]) {
			return usagef("both sides of memory profiles, or both of captures", "%s: the other side is of memory profiles, this one isn't", arg)
		}
		for _, p := range paths {
			a.progress.Phase("reading "+p, 0, "")
			prof, input, err := readProfile(p, int64(in.most))
			if err != nil {
				return err
			}
			if slices.ContainsFunc(inputs[before:], func(in analyze.Input) bool { return in.SHA256 == input.SHA256 }) {
				twice = append(twice, analyze.Finding{Code: "same-input", Severity: trace.Warning, Count: 1, Message: p + ": twice on a side; it counts once"})
				continue
			}
			sides[i] = append(sides[i], analyze.Memory(nil, prof))
			inputs = append(inputs, input)
		}
		labels[i] = sideArg{label: parseInput(arg).label}
		if labels[i].label == "" {
			labels[i].paths = splitPaths(parseInput(arg).path)
			labels[i].name(1)
		}
	}
	a.progress.Phase("", 0, "")
	tellApart(labels)
	c := analyze.DiffMemory(labels[0].label, sides[0], labels[1].label, sides[1], opts)
	c.Findings = append(twice, c.Findings...)
	r := reports.MemoryDiff(c, inputs, reports.Options{Title: f.title, All: f.all, Version: toolVersion(), Top: reportTop(f.top, cmd.Flags().Changed("top"))})
	if err := a.emit(out, []*reports.Report{r}); err != nil {
		return err
	}
	if f.github {
		return a.summariseToGitHub(r)
	}
	return nil
}

// profileBeside returns the memory profile that lies with a run of its own
// directory: in it, in its directory memory, or in that of its bundle.
// Of several the last by name counts: memory_after, not memory_before. One that
// can't be read is none: the captures are what was asked for.
func (a *app) profileBeside(run string, most int64) *memprof.Profile {
	if isBucket(run) || run == "-" {
		return nil
	}
	dir := run
	if info, err := os.Stat(run); err != nil {
		return nil
	} else if !info.IsDir() {
		if dir = filepath.Dir(run); !alone(dir) {
			return nil
		}
	}
	found := append(profilesDirectly(dir), profilesDirectly(filepath.Join(dir, "memory"))...)
	for up, n := dir, 0; len(found) == 0 && n < 6; up, n = filepath.Dir(up), n+1 {
		if filepath.Base(up) == "raw" { // of a bundle: artifacts/raw/memory
			found = profilesDirectly(filepath.Join(up, "memory"))
		}
	}
	if len(found) == 0 {
		return nil
	}
	p, _, err := readProfile(found[len(found)-1], most)
	if err != nil {
		a.say("layerscope: %s: left out: %v", found[len(found)-1], err)
		return nil
	}
	return p
}

// alone says whether a directory holds one capture, whose its profiles are then.
func alone(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	captures := 0
	for _, e := range entries {
		name := e.Name()
		if isCaptureName(name, ".xplane.pb") || isCaptureName(name, ".trace.txt") || isCaptureName(name, ".pftrace") {
			captures++
		}
	}
	if captures == 0 {
		for _, e := range entries {
			if isCaptureName(e.Name(), ".trace.json") || strings.HasSuffix(e.Name(), ".json.gz") {
				captures++
			}
		}
	}
	return captures == 1
}
