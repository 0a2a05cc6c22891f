// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports"
	"github.com/layerscope/layerscope/reports/profile"
	"github.com/layerscope/layerscope/reports/runindex"
	"github.com/layerscope/layerscope/reports/viewer"
	"github.com/layerscope/layerscope/trace"
)

// Report writes the page of one run.
func (s *viewSource) Report(ctx context.Context, id string, w io.Writer) error {
	r, err := s.find(id)
	if err != nil {
		return err
	}
	an, err := s.load(ctx, r)
	if err != nil {
		return err
	}
	return reports.New(an, reports.Options{Title: r.title, Version: toolVersion()}).HTML(w)
}

// Diff writes the page of a comparison. The page is asked for twice: whether
// there is one, and then for itself.
func (s *viewSource) Diff(ctx context.Context, c viewer.Comparison, w io.Writer) error {
	s.mu.Lock()
	page, ok := s.last[c]
	s.mu.Unlock()
	if !ok {
		var b bytes.Buffer
		if err := s.diff(ctx, c, &b); err != nil {
			return err
		}
		page = b.Bytes()
		s.mu.Lock()
		s.last = map[viewer.Comparison][]byte{c: page}
		s.mu.Unlock()
	}
	_, err := w.Write(page)
	return err
}

func (s *viewSource) diff(ctx context.Context, c viewer.Comparison, w io.Writer) error {
	args := make([]sideArg, 2)
	for i, id := range []string{c.Base, c.New} {
		r, err := s.find(id)
		if err != nil {
			return err
		}
		args[i] = sideArg{label: r.title, runs: []string{r.path}, dirs: []string{filepath.Dir(r.path)}}
		if c.Commits && r.Commit != "" {
			args[i] = s.commitSide(r)
		}
	}
	opts := analyze.DiffOptions{Alpha: 0.05, MinEffect: 0.01, Seed: 1, AllowMismatch: c.Insist}
	s.analysis.Lock()
	defer s.analysis.Unlock()
	var err error
	if opts.Noise, err = s.app.findNoise(ctx, "", args); err != nil {
		return err
	}
	var sides [2]analyze.Side
	for i := range args {
		if sides[i], err = s.app.loadSide(ctx, args[i], s.in); err != nil {
			return err
		}
	}
	d, err := analyze.Diff(sides[0], sides[1], opts)
	if errors.Is(err, analyze.ErrMismatch) {
		return &viewer.Mismatch{Err: err}
	}
	if err != nil {
		return err
	}
	return reports.Diff(reports.Options{Version: toolVersion()}, d).HTML(w)
}

// commitSide is all runs of a run's commit on the same devices, of the same
// workload.
func (s *viewSource) commitSide(r *viewRun) sideArg {
	s.mu.Lock()
	defer s.mu.Unlock()
	side := sideArg{label: firstRunes(r.Commit, 9)}
	for _, o := range s.runs {
		if o.Commit != r.Commit || o.Devices != r.Devices || o.Workload != r.Workload || o.note != "" {
			continue
		}
		side.runs = append(side.runs, o.path)
		if dir := filepath.Dir(o.path); !slices.Contains(side.dirs, dir) {
			side.dirs = append(side.dirs, dir)
		}
	}
	return side
}

// Trend draws a metric over commits, or over runs whose commits aren't known.
func (s *viewSource) Trend(_ context.Context, metric, on string, w io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := historyFlags{by: "commit"}
	runs := slices.DeleteFunc(s.records(), func(r runindex.Run) bool { return pool(&r) != on })
	if !slices.ContainsFunc(runs, func(r runindex.Run) bool { _, ok := r.Metric(metric); return ok }) {
		return viewer.ErrUnknown
	}
	if slices.ContainsFunc(runs, func(r runindex.Run) bool { return r.Commit == "" }) {
		f.by = "run"
	}
	h := historyOf(runs, metric, &f)
	if err := h.Study(0.05, 1); err != nil {
		return err
	}
	return reports.History(reports.Options{Title: on, Version: toolVersion()}, h).SVG(w)
}

// converted reads a run to write it in another form.
func (s *viewSource) converted(ctx context.Context, id string, write func(*conversion) error) error {
	r, err := s.find(id)
	if err != nil {
		return err
	}
	to, ao, err := s.in.options()
	if err != nil {
		return err
	}
	s.analysis.Lock()
	defer s.analysis.Unlock()
	in := input{path: r.path, label: r.title}
	t, err := s.app.open(ctx, in, to)
	if err != nil {
		return err
	}
	c := &conversion{in: in, t: t}
	if c.an, err = analyseSteps(t, ao); err == nil {
		err = cmp.Or(ctx.Err(), write(c))
	}
	return errors.Join(err, t.Close())
}

// Perfetto writes a run for the Perfetto UI.
func (s *viewSource) Perfetto(ctx context.Context, id string, w io.Writer) error {
	return s.converted(ctx, id, func(c *conversion) error { return c.perfetto(w) })
}

// Speedscope writes a run for speedscope.
func (s *viewSource) Speedscope(ctx context.Context, id string, w io.Writer) error {
	return s.converted(ctx, id, func(c *conversion) error { return profile.WriteSpeedscope(w, c.an, c.title()) })
}

// Slowest returns the slowest step that counts, in the nanoseconds of the file
// that Perfetto writes: those of the trace, from zero if some were negative.
func (s *viewSource) Slowest(ctx context.Context, id string) (name string, from, to int64, ok bool, err error) {
	r, err := s.find(id)
	if err != nil {
		return "", 0, 0, false, err
	}
	an, err := s.load(ctx, r)
	if err != nil {
		return "", 0, 0, false, err
	}
	var slow *analyze.Step
	first := trace.Time(0)
	for i := range an.Steps {
		step := &an.Steps[i]
		first = min(first, step.Start)
		if !step.Excluded && (slow == nil || step.Dur > slow.Dur) {
			slow = step
		}
	}
	if slow == nil {
		return "", 0, 0, false, nil
	}
	name = cmp.Or(slow.Name, fmt.Sprintf("step %d", slow.Index))
	return name, int64(slow.Start-first) / 1000, int64(slow.Start-first+trace.Time(slow.Dur)) / 1000, true, nil
}
