// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerscope/layerscope/analyze"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const hostile = "a\x1b[31m|`*<b>\u202e=1\n@x"

func goldenCases(t *testing.T) []goldenCase {
	few := model{layers: 8, steps: 3}.analysis()
	none := model{layers: 0, steps: 2, unnamed: 750 * microsecond}.analysis()
	none.Layers.Method, none.Layers.Confidence, none.Layers.Why = "none", 0, "no layer index, parameter, anchor or loop repeats in jit_score"
	lossy := model{layers: 3}.analysis()
	lossy.Lossy = "the exporter stopped at 1,000,000 events"
	lossy.Findings = []analyze.Finding{
		{Code: "event-cap", Severity: "error", Message: "the file holds exactly 1,000,000 events, the exporter's limit", Count: 1, Hint: "read the .xplane.pb of the same capture"},
		{Code: "no-steps", Severity: "info", Message: "no step marks", Count: 1, Hint: "wrap each step in jax.profiler.StepTraceAnnotation"},
		{Code: "overlap", Severity: "warning", Message: "siblings overlap on one track", Count: 4312},
	}
	return []goldenCase{
		{"equal_layers_fold", model{layers: 28, steps: 10}.analysis(), Options{Version: "v0.1.0"}},
		{"outliers_and_unattributed", model{layers: 28, steps: 10, slow: map[int]float64{3: 3}, unnamed: 500 * microsecond}.analysis(), Options{}},
		{"all_unfolds", model{layers: 8, steps: 10}.analysis(), Options{All: true, By: []string{"layer", "op", "step"}}},
		{"few_steps", few, Options{By: []string{"layer", "step"}}},
		{"no_layers", none, Options{}},
		{"lossy_without_steps", lossy, Options{By: []string{"layer"}}},
		{"several_devices", model{layers: 8, steps: 6, devices: 4}.analysis(), Options{By: []string{"layer", "program"}}},
		{"hostile_names", hostileAnalysis(), Options{By: []string{"layer", "component", "category", "op", "program", "step", "scope", "source"}}},
		{"empty_capture", emptyAnalysis(), Options{}},
		{"filtered", model{layers: 8, steps: 6}.analysis(), Options{Filter: mustFilter(t, "category:convolution* -layer:layer_0"), By: []string{"layer", "component", "op"}}},
		{"excluded_steps", excludedAnalysis(), Options{By: []string{"step"}}},
		{"overlapping_ops_and_directions", overlappingAnalysis(), Options{By: []string{"layer", "scope", "source"}, Top: 3}},
	}
}

type goldenCase struct {
	name string
	a    *analyze.Analysis
	opts Options
}

func mustFilter(t *testing.T, expr string) Filter {
	t.Helper()
	f, err := ParseFilter(expr)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func emptyAnalysis() *analyze.Analysis {
	return &analyze.Analysis{
		Inputs: []analyze.Input{{Path: "idle.xplane.pb", Bytes: 1200, Format: "xspace"}}, Format: "xspace",
		Capture: analyze.Capture{StepSource: "none", Window: 5 * millisecond},
		Layers:  analyze.Layers{Method: "none"},
		Findings: []analyze.Finding{{Code: "no-device-events", Severity: "error", Message: `3 host planes, none of "/device:TPU:*"`, Count: 1,
			Hint: "the server ignored device_tracer_level; capture over the JAX port instead"}},
	}
}

// hostileAnalysis has the same nasty name everywhere a name can be.
func hostileAnalysis() *analyze.Analysis {
	a := model{layers: 2, steps: 2, unnamed: microsecond}.analysis()
	a.Inputs[0].Path = "/home/somebody/" + hostile
	a.Lossy = hostile
	for i := range a.Ops {
		o := &a.Ops[i]
		o.Name, o.Category, o.Scope, o.Component, o.Source, o.Program, o.BoundBy = hostile, hostile, hostile, hostile, "/home/somebody/x.py:3", "=cmd()", hostile
	}
	for i := range a.Layers.Rows {
		a.Layers.Rows[i].Key, a.Layers.Rows[i].Note = hostile, hostile
		a.Layers.Rows[i].Components = []analyze.Component{{Name: hostile, Self: a.Layers.Rows[i].Self}}
	}
	for i := range a.Steps {
		a.Steps[i].Name, a.Steps[i].Reason = hostile, hostile
	}
	a.Layers.UnattributedOps[0].Name, a.Layers.Why = hostile, hostile
	a.Components, a.Categories, a.Scopes = sumComponents(a.Ops), sumCategories(a.Ops), sumScopes(a.Ops)
	a.Programs[0].Name, a.Devices[0].Name, a.Devices[0].Type, a.Capture.StepSource = "=cmd()", hostile, hostile, hostile
	a.Capture.Hosts, a.Capture.Metadata = []string{hostile}, map[string]string{hostile: hostile}
	a.Findings = []analyze.Finding{{Code: hostile, Severity: "warning", Message: hostile, Count: 1, Hint: hostile}}
	return a
}

func excludedAnalysis() *analyze.Analysis {
	a := model{layers: 2, steps: 8}.analysis()
	for i := range 2 {
		a.Steps[i].Excluded, a.Steps[i].Reason = true, "compile"
	}
	a.Steps[5].Reason = "outlier"
	a.StepDur, a.StepOpTime = sampled(a.StepDur.Median, 6), sampled(a.StepOpTime.Median, 6)
	a.Compiles = []analyze.Compile{{Module: "jit_score", Dur: 400 * millisecond, Step: 0}, {Module: "jit_score", Dur: 350 * millisecond, Step: 1}}
	return a
}

// overlappingAnalysis is a CPU-like capture: busy is two thirds of op time.
func overlappingAnalysis() *analyze.Analysis {
	a := model{layers: 7, steps: 6}.analysis()
	for i := range a.Layers.Rows {
		r := &a.Layers.Rows[i]
		r.WallShare = r.Self * 2 / 3
		r.Forward, r.Backward, r.Recompute = r.Self/4, r.Self/2, r.Self-r.Self/4-r.Self/2
	}
	a.Layers.Rows[1].Note = "includes the worker pool's wake-up"
	a.Layers.Rows[2].Mixed = a.Layers.Rows[2].Self / 10
	d := &a.Devices[0]
	d.Name, d.Kind, d.Type, d.Tracks, d.Busy, d.Idle = "cpu:0", "cpu", "", 3, d.OpTime*2/3, d.Window-d.OpTime*2/3
	for i := range a.Ops {
		a.Ops[i].Source = []string{"model.py:12", "/home/somebody/model.py:40", ""}[i%3]
	}
	a.Async = analyze.Async{Exposed: 100 * microsecond, Overlapped: 900 * microsecond}
	return a
}

func TestGolden(t *testing.T) {
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			var ar txtar.Archive
			add := func(name string, r *Report, write func(*bytes.Buffer) error) {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				ar.Files = append(ar.Files, txtar.File{Name: name, Data: b.Bytes()})
			}
			r, in, ch := New(c.a, c.opts), Inspect(c.a, c.opts), Check(c.a, c.opts)
			add("report.txt", r, func(b *bytes.Buffer) error { return r.Text(b, Style{}) })
			add("report.md", r, func(b *bytes.Buffer) error { return r.Markdown(b) })
			add("report.csv", r, func(b *bytes.Buffer) error { return CSV(b, r) })
			add("inspect.txt", in, func(b *bytes.Buffer) error { return in.Text(b, Style{}) })
			add("check.txt", ch, func(b *bytes.Buffer) error { return ch.Text(b, Style{}) })
			golden(t, filepath.Join("testdata", "golden", c.name+".txtar"), txtar.Format(&ar))
		})
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o666); err != nil {
		t.Fatal(err)
	}
}
