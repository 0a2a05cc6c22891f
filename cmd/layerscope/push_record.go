// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/term"
	"github.com/layerscope/layerscope/reports/bundle"
	"github.com/layerscope/layerscope/reports/runindex"
)

// bundleRecords are a bundle's records for the index, one for each of its runs.
func (a *app) bundleRecords(ctx context.Context, dir, run string, meta metadata, in *inputFlags, f *pushFlags) ([]runindex.Run, error) {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, cause(err))
	}
	m, err := bundle.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	records, err := a.recordsOf(ctx, dir, m, meta, in, f)
	if err != nil {
		return nil, err
	}
	for i := range records {
		r := &records[i]
		r.Path, r.Workload, r.Branch = run, cmp.Or(f.workload, r.Workload), cmp.Or(r.Branch, meta.Branch)
		for k := range r.Captures {
			c := &r.Captures[k]
			for _, file := range m.Files {
				if file.SHA256 == c.SHA256 {
					c.Path = file.Path
				}
			}
		}
	}
	return records, nil
}

// recordsOf are records with the numbers of the bundle's reports, else of its
// captures, which are analysed then, else one without numbers.
func (a *app) recordsOf(ctx context.Context, dir string, m *bundle.Manifest, meta metadata, in *inputFlags, f *pushFlags) ([]runindex.Run, error) {
	bare := runindex.Run{TimeUnixNano: meta.Timestamp.UnixNano(), Workload: f.workload}
	for _, file := range m.Files {
		if file.Role == "capture" {
			bare.Captures = append(bare.Captures, runindex.File{Path: file.Path, SHA256: file.SHA256, Bytes: file.Bytes})
		}
	}
	if len(bare.Captures) == 0 {
		return nil, nil
	}
	if meta.Commit != "" {
		if err := setCommit(ctx, &bare, meta.Commit); err != nil {
			return nil, err
		}
	}
	if records := reportedRecords(dir, m, bare); len(records) > 0 {
		return records, nil
	}
	runs, err := runsIn(dir)
	if err != nil {
		return nil, err
	}
	var records []runindex.Run
	for _, at := range runs {
		r, err := a.recordOf(ctx, dir, at, in, &historyFlags{commit: meta.Commit, workload: f.workload, when: meta.Timestamp.UnixNano(), push: true})
		var usage *usageError
		if ctx.Err() != nil || errors.As(err, &usage) {
			return nil, err
		}
		if err != nil {
			a.say("layerscope: warning: %s; the index gets a record without numbers", term.Safe(err.Error()))
			return []runindex.Run{bare}, nil
		}
		records = append(records, r)
	}
	return records, nil
}

// reported is what a record needs of a report: layerscope.report/v1.
type reported struct {
	Schema string `json:"schema"`
	Inputs []struct {
		SHA256 string `json:"sha256"`
	} `json:"inputs"`
	Findings []struct {
		Code string `json:"code"`
	} `json:"findings"`
	Capture struct {
		StartUnixNano int64 `json:"start_unix_ns"`
	} `json:"capture"`
	Devices []struct {
		Kind string `json:"kind"`
		Type string `json:"type"`
	} `json:"devices"`
	Layers struct {
		OpTime int64 `json:"op_time_ps"`
		Rows   []struct {
			Key     string `json:"key"`
			Self    int64  `json:"self_ps"`
			Samples struct {
				N      int   `json:"n"`
				Median int64 `json:"median_ps"`
			} `json:"samples"`
		} `json:"rows"`
	} `json:"layers"`
	Steps []struct {
		Duration int64 `json:"duration_ps"`
		OpTime   int64 `json:"op_time_ps"`
		Excluded bool  `json:"excluded"`
	} `json:"steps"`
	Compile struct {
		Count int `json:"count"`
	} `json:"compile"`
}

// reportedRecords are those of analysis/report*.json: captures need not be read
// again. There are none when a report doesn't fit the captures.
func reportedRecords(dir string, m *bundle.Manifest, bare runindex.Run) []runindex.Run {
	var records []runindex.Run
	for _, file := range m.Files {
		if ok, _ := path.Match("analysis/report*.json", file.Path); !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file.Path)))
		var doc reported
		if err == nil {
			err = json.Unmarshal(text, &doc)
		}
		if err != nil || doc.Schema != "layerscope.report/v1" || len(doc.Inputs) == 0 || doc.Layers.OpTime == 0 {
			return nil
		}
		r := bare
		r.Captures = nil
		for _, in := range doc.Inputs {
			i := slices.IndexFunc(bare.Captures, func(f runindex.File) bool { return f.SHA256 == in.SHA256 })
			if i < 0 {
				return nil // rewritten since: by redaction
			}
			r.Captures = append(r.Captures, bare.Captures[i])
		}
		if doc.Capture.StartUnixNano > 0 {
			r.TimeUnixNano = doc.Capture.StartUnixNano
		}
		if r.Metrics = doc.metrics(); r.Metrics == nil {
			return nil
		}
		for _, d := range doc.Devices {
			r.Devices += cmp.Or(d.Type, d.Kind) + "\n"
		}
		r.Devices = countKinds(strings.Split(strings.TrimSuffix(r.Devices, "\n"), "\n"))
		for _, f := range doc.Findings {
			r.Disturbed = r.Disturbed || f.Code == "disturbed-capture"
		}
		records = append(records, r)
	}
	return records
}

// metrics are those of analyze.Metrics, nil when the medians of rows are of other
// steps: --steps chose them.
func (d *reported) metrics() []runindex.Metric {
	of := func(name string, median int64, n int, whole int64) runindex.Metric {
		if n > 0 {
			return runindex.Metric{Name: name, Unit: "ps", Value: float64(median), N: n}
		}
		return runindex.Metric{Name: name, Unit: "ps", Value: float64(whole)}
	}
	var durations, ops []int64
	for _, s := range d.Steps {
		if !s.Excluded {
			durations, ops = append(durations, s.Duration), append(ops, s.OpTime)
		}
	}
	n := len(ops)
	out := []runindex.Metric{of("step", medianOf(ops), n, d.Layers.OpTime)}
	if n > 0 {
		out = append(out, of("duration", medianOf(durations), n, 0))
	}
	for _, r := range d.Layers.Rows {
		if r.Samples.N != n && r.Samples.N != 0 {
			return nil
		}
		out = append(out, of(r.Key, r.Samples.Median, r.Samples.N, r.Self))
	}
	return append(out, runindex.Metric{Name: "compiles", Unit: "1", Value: float64(d.Compile.Count)})
}

// medianOf is the middle value, or between two the picosecond below the mean; 0
// for none.
func medianOf(x []int64) int64 {
	slices.Sort(x)
	n := len(x)
	if n == 0 {
		return 0
	}
	return x[(n-1)/2] + (x[n/2]-x[(n-1)/2])/2
}

// kindsOf are the kinds of an analysis's devices, one each.
func kindsOf(an *analyze.Analysis) []string {
	var kinds []string
	for i := range an.Devices {
		kinds = append(kinds, cmp.Or(an.Devices[i].Type, an.Devices[i].Kind))
	}
	return kinds
}

// countKinds says how many devices of which kind there are: "4 × TPU v6e".
func countKinds(all []string) string {
	var kinds []string
	count := make(map[string]int)
	for _, kind := range all {
		if count[kind]++; count[kind] == 1 {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%d × %s", count[k], k)
	}
	return strings.Join(kinds, " + ")
}
