// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/runindex"
	"github.com/layerscope/layerscope/reports/viewer"
)

// A viewRun is a run that is shown: its record, and where to read it.
type viewRun struct {
	runindex.Run
	path    string
	title   string
	note    string
	studied bool
}

// A viewSource is what view shows: viewer's Source.
type viewSource struct {
	app     *app // a quiet one: requests come at once
	in      *inputFlags
	title   string
	indexed bool // records are from an index; others are made by study
	notes   []string

	analysis sync.Mutex // one at a time: each uses all cores
	mu       sync.Mutex // guards runs and last
	runs     []*viewRun
	last     map[viewer.Comparison][]byte // the last comparison made
}

// viewOf finds the runs that an argument stands for.
func (a *app) viewOf(ctx context.Context, arg string, in *inputFlags) (*viewSource, error) {
	quiet := &app{edge: a.edge, quiet: true, progress: term.NewProgress(io.Discard, term.NoProgress, 0)}
	s := &viewSource{app: quiet, in: in}
	i := parseInput(arg)
	s.title = cmp.Or(i.label, filepath.Base(filepath.Clean(i.path)))
	if _, err := os.Stat(i.path); err != nil {
		return nil, &hintedError{fmt.Errorf("%s: %w", i.path, cause(err)), "view wants a capture, a bundle, or a directory of them"}
	}
	root := rootOf(i.path)
	runs, damaged, err := runindex.Index{Store: runindex.Dir(root)}.Runs(ctx)
	if err == nil && len(runs) > 0 {
		s.indexed = true
		for _, d := range damaged {
			s.notes = append(s.notes, fmt.Sprintf("%s is no record of a run: %v", d.Object, d.Err))
		}
		for i := range runs {
			s.runs = append(s.runs, indexedRun(root, runs[i]))
		}
		return s, nil
	}
	paths, err := runsIn(i.path)
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		sum := sha256.Sum256([]byte(p))
		r := &viewRun{path: p, title: cmp.Or(i.label, runTitle(i.path, p))}
		r.ID = hex.EncodeToString(sum[:8])
		s.runs = append(s.runs, r)
	}
	if len(s.runs) == 1 {
		// What is wrong with a single run is better said here than on a page.
		an, err := quiet.load(ctx, input{path: s.runs[0].path}, in, false)
		if err != nil {
			return nil, err
		}
		s.know(s.runs[0], an)
	}
	return s, nil
}

// runTitle tells the runs of a directory apart.
func runTitle(root, p string) string {
	if rel, err := filepath.Rel(root, p); err == nil && rel != "." && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(p)
}

// indexedRun says where the captures of a record are, if they are here.
func indexedRun(root string, r runindex.Run) *viewRun {
	for _, at := range r.Also { // a baseline stays where the nightly run has gone
		if !exists(filepath.Join(root, filepath.FromSlash(r.Path))) {
			r.Path = at
		}
	}
	v := &viewRun{Run: r, studied: true, title: cmp.Or(r.Path, r.ID)}
	v.path = filepath.FromSlash(r.Path)
	if !filepath.IsAbs(v.path) {
		v.path = filepath.Join(root, v.path)
	}
	if len(r.Captures) == 1 {
		if file := filepath.Join(v.path, filepath.FromSlash(r.Captures[0].Path)); exists(file) {
			v.path = file
		}
	}
	if r.Path == "" || !exists(v.path) {
		v.note = "its captures are not here"
	}
	return v
}

// study reads the runs that no index describes.
func (s *viewSource) study(ctx context.Context) {
	for _, r := range s.runs {
		if r.studied || ctx.Err() != nil {
			continue
		}
		an, err := s.load(ctx, r)
		s.mu.Lock()
		if err != nil {
			r.note, r.studied = err.Error(), true
		}
		s.mu.Unlock()
		if err == nil {
			s.know(r, an)
		}
	}
}

// know completes a run's record from its analysis.
func (s *viewSource) know(r *viewRun, an *analyze.Analysis) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.studied = true
	r.Commit, r.Devices = commitOf(an), devicesOf(an)
	r.TimeUnixNano = an.Capture.StartUnixNano
	if described, err := describedRun(r.path); err == nil {
		r.Commit = cmp.Or(described.Commit, r.Commit)
		r.Subject, r.CommitUnix, r.Workload = described.Subject, described.CommitUnix, described.Workload
		r.TimeUnixNano = cmp.Or(r.TimeUnixNano, described.TimeUnixNano)
	}
	for _, m := range analyze.Metrics(an) {
		r.Metrics = append(r.Metrics, runindex.Metric{Name: m.Name, Unit: m.Unit, Value: m.Value, N: m.N})
	}
}

// only returns the ID of the run when there is just one.
func (s *viewSource) only() string {
	if len(s.runs) == 1 {
		return s.runs[0].ID
	}
	return ""
}

func (s *viewSource) load(ctx context.Context, r *viewRun) (*analyze.Analysis, error) {
	s.analysis.Lock()
	defer s.analysis.Unlock()
	return s.app.load(ctx, input{path: r.path}, s.in, false)
}

// find returns the run of an ID as it is now: study may go on with it.
func (s *viewSource) find(id string) (*viewRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		if r.ID == id {
			if r.note != "" {
				return nil, fmt.Errorf("%s: %s", r.title, r.note)
			}
			now := *r
			return &now, nil
		}
	}
	return nil, viewer.ErrUnknown
}

// Runs lists the runs, the newest last.
func (s *viewSource) Runs(context.Context) (viewer.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := viewer.Listing{Title: s.title, Notes: s.notes}
	order := slices.Clone(s.runs)
	slices.SortStableFunc(order, func(x, y *viewRun) int { return cmp.Compare(x.TimeUnixNano, y.TimeUnixNano) })
	for _, r := range order {
		run := viewer.Run{ID: r.ID, Title: r.title, Commit: r.Commit, Subject: r.Subject, On: pool(&r.Run), Note: r.note}
		if r.TimeUnixNano > 0 {
			run.Time = time.Unix(0, r.TimeUnixNano)
		}
		if m, ok := r.Metric("step"); ok && m.Unit == "ps" {
			run.Step = int64(m.Value)
		}
		if !r.studied {
			list.Pending++
		}
		list.Runs = append(list.Runs, run)
	}
	if len(s.runs) > 1 && list.Pending == 0 {
		if names, err := metricNames(s.records(), []string{"*"}); err == nil {
			list.Metrics = names
		}
		list.Pools = pools(order)
	}
	return list, nil
}

// pool is what runs have in common that can be compared.
func pool(r *runindex.Run) string { return strings.Trim(r.Devices+", "+r.Workload, ", ") }

// pools returns the pools of runs, the one with most runs first.
func pools(runs []*viewRun) []string {
	var out []string
	count := make(map[string]int)
	for _, r := range slices.Backward(runs) {
		if p := pool(&r.Run); len(r.Metrics) > 0 {
			if count[p]++; count[p] == 1 {
				out = append(out, p)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y string) int { return count[y] - count[x] })
	return out
}

// records are the runs that have numbers, in order of time.
func (s *viewSource) records() []runindex.Run {
	var out []runindex.Run
	for _, r := range s.runs {
		if len(r.Metrics) > 0 {
			out = append(out, r.Run)
		}
	}
	slices.SortStableFunc(out, func(x, y runindex.Run) int { return cmp.Compare(x.TimeUnixNano, y.TimeUnixNano) })
	return out
}
