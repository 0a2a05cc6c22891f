// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/reports/runindex"
	"github.com/layerscope/layerscope/trace"
)

// recordOf reads a run and makes its record.
func (a *app) recordOf(ctx context.Context, root, at string, in *inputFlags, f *historyFlags) (runindex.Run, error) {
	r, err := describedRun(at)
	if err != nil {
		return r, err
	}
	an, err := a.load(ctx, input{path: at}, in, true)
	if err != nil {
		return r, err
	}
	if an.Layers.OpTime == 0 {
		return r, &hintedError{fmt.Errorf("%s: no op time in the capture", at), "layerscope check " + quoted(at) + " says what it holds"}
	}
	r.TimeUnixNano = cmp.Or(f.when, r.TimeUnixNano)
	if commit := cmp.Or(f.commit, r.Commit, commitOf(an)); commit == "" && !f.push {
		return r, usagef("--commit $(git rev-parse HEAD)", "%s: neither the run nor the capture says which commit ran", at)
	} else if commit != "" {
		if err := setCommit(ctx, &r, commit); err != nil {
			return r, err
		}
	}
	if an.Capture.StartUnixNano > 0 {
		r.TimeUnixNano = an.Capture.StartUnixNano
	}
	if err := locate(&r, root, at, an); err != nil {
		return r, err
	}
	r.Workload, r.Devices = cmp.Or(f.workload, r.Workload), devicesOf(an)
	r.Disturbed = slices.ContainsFunc(an.Findings, func(f analyze.Finding) bool { return f.Code == "disturbed-capture" })
	for _, m := range analyze.Metrics(an) {
		r.Metrics = append(r.Metrics, runindex.Metric{Name: m.Name, Unit: m.Unit, Value: m.Value, N: m.N})
	}
	return r, nil
}

// describedRun is what the run.json of a run's directory says, or what can be
// said without.
func describedRun(at string) (runindex.Run, error) {
	info, err := os.Stat(at)
	if err != nil {
		return runindex.Run{}, fmt.Errorf("%s: %w", at, cause(err))
	}
	text, err := os.ReadFile(filepath.Join(at, runFile))
	if err == nil {
		if r, err := runindex.Decode(text); err == nil {
			return r, nil // one of ours; any other run.json is none of our business
		}
	}
	return runindex.Run{TimeUnixNano: info.ModTime().UnixNano()}, nil
}

// setCommit completes a commit from the repository we stand in. A name that it
// doesn't know must be a hash already: of another repository, or another clone.
func setCommit(ctx context.Context, r *runindex.Run, commit string) error {
	if r.Commit == commit && r.CommitUnix != 0 {
		return nil
	}
	out, err := git(ctx, "", nil, "show", "--no-patch", "--no-show-signature", "--format=%H%n%ct%n%s", "--end-of-options", commit+"^{commit}")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if fields := strings.SplitN(out, "\n", 3); err == nil && len(fields) == 3 {
		seconds, err := strconv.ParseInt(fields[1], 10, 64)
		r.Commit, r.CommitUnix, r.Subject = fields[0], seconds, fields[2]
		return err
	}
	if len(commit) < 7 || strings.Trim(strings.ToLower(commit), "0123456789abcdef") != "" {
		return usagef("give the commit's hash, or call it in its repository", "--commit %s: no commit here, and no hash", commit)
	}
	r.Commit, r.CommitUnix, r.Subject = strings.ToLower(commit), 0, ""
	return nil
}

// locate notes where a run and its captures are.
func locate(r *runindex.Run, root, at string, an *analyze.Analysis) error {
	dir := at
	if info, err := os.Stat(at); err == nil && !info.IsDir() {
		dir = filepath.Dir(at)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	r.Path = filepath.ToSlash(abs)
	base, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	if isBucket(root) {
		r.Path = "" // of no use to others
	} else if rel, err := filepath.Rel(base, abs); err == nil && filepath.IsLocal(rel) {
		r.Path = filepath.ToSlash(rel)
	}
	delete(r.Environment, "host") // an index may be shared
	r.Captures = nil
	for _, in := range an.Inputs {
		name := in.Path
		if rel, err := filepath.Rel(dir, in.Path); err == nil {
			name = rel
		}
		r.Captures = append(r.Captures, runindex.File{Path: filepath.ToSlash(name), SHA256: in.SHA256, Bytes: in.Bytes})
	}
	return nil
}

// devicesOf says on what a capture was taken: "4 × TPU v6e".
func devicesOf(an *analyze.Analysis) string { return countKinds(kindsOf(an)) }

// historyOf makes the points of one metric.
func historyOf(runs []runindex.Run, metric string, f *historyFlags) *analyze.History {
	h := &analyze.History{Metric: metric}
	at := make(map[string]int)
	lack := 0
	known := true // every commit's time is
	for i := range runs {
		r := &runs[i]
		m, ok := r.Metric(metric)
		if !ok {
			lack++
			continue
		}
		h.Unit = m.Unit
		key, label := r.Commit, firstRunes(r.Commit, 7)
		if f.by == "run" || key == "" {
			key, label = r.ID, time.Unix(0, r.TimeUnixNano).UTC().Format("2006-01-02T15:04:05")+" "+label
		}
		k, there := at[key]
		if !there {
			k = len(h.Points)
			at[key] = k
			p := analyze.HistoryPoint{Label: label, Commit: r.Commit, Subject: r.Subject, UnixNano: r.TimeUnixNano}
			if f.by == "commit" {
				p.UnixNano = r.CommitUnix * int64(time.Second)
				known = known && r.CommitUnix != 0
			}
			if r.Dirty {
				p.Label += "+"
			}
			h.Points = append(h.Points, p)
		}
		h.Points[k].Values = append(h.Points[k].Values, m.Value)
		if r.Disturbed {
			h.Points[k].Disturbed++
		}
	}
	if f.by == "commit" && !known {
		orderByRuns(h, runs)
	}
	// Runs are in order of time already, and so stay points of one time.
	slices.SortStableFunc(h.Points, func(a, b analyze.HistoryPoint) int { return cmp.Compare(a.UnixNano, b.UnixNano) })
	if n := len(h.Points); f.last > 0 && n > f.last {
		h.Points = h.Points[n-f.last:]
	}
	if lack > 0 {
		h.Findings = append(h.Findings, analyze.Finding{Code: "no-value", Severity: trace.Info, Count: int64(lack), Message: "runs without the metric were left out"})
	}
	return h
}

// orderByRuns orders commits by their first runs, where the time of some commit
// isn't known.
func orderByRuns(h *analyze.History, runs []runindex.Run) {
	first := make(map[string]int64)
	for i := range runs {
		if _, there := first[runs[i].Commit]; !there {
			first[runs[i].Commit] = runs[i].TimeUnixNano
		}
	}
	for i := range h.Points {
		h.Points[i].UnixNano = first[h.Points[i].Commit]
	}
	h.Findings = append(h.Findings, analyze.Finding{Code: "run-order", Severity: trace.Info, Count: 1,
		Message: "commits are in order of their first runs: the time of some is not known", Hint: "add runs from inside the repository"})
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// indexFindings says what is wrong with the index.
func indexFindings(runs []runindex.Run, damaged []runindex.Damage) []analyze.Finding {
	var out []analyze.Finding
	if n := len(damaged); n > 0 {
		d := damaged[0]
		err := d.Err
		if errors.Is(err, fs.ErrPermission) {
			err = fs.ErrPermission
		}
		out = append(out, analyze.Finding{Code: "damaged-record", Severity: trace.Warning, Count: int64(n), Message: fmt.Sprintf("%s: %v", d.Object, err), Hint: "add the run again under its own name, and remove the object"})
	}
	commit := make(map[string]string)
	twice, example := 0, ""
	for i := range runs {
		for _, c := range runs[i].Captures {
			if had, there := commit[c.SHA256]; there && had != runs[i].Commit {
				twice++
				example = fmt.Sprintf("%s is a run of %s and of %s", runs[i].Path, firstRunes(had, 7), firstRunes(runs[i].Commit, 7))
			}
			commit[c.SHA256] = runs[i].Commit
		}
	}
	if twice > 0 {
		out = append(out, analyze.Finding{Code: "two-commits", Severity: trace.Warning, Count: int64(twice), Message: example, Hint: "remove the wrong record from the index"})
	}
	return out
}
