// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// analyzed opens and analyses a capture.
func analyzed(t *testing.T, path string, opts trace.Options) *analyze.Analysis {
	t.Helper()
	tr, err := trace.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	a, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conserved(t, a)
	return a
}

// conserved checks that parts add up to the whole.
func conserved(t *testing.T, a *analyze.Analysis) {
	t.Helper()
	var op, busy, wall analyze.Duration
	for _, d := range a.Devices {
		op += d.OpTime
		busy += d.Busy
		wall += d.WallShare
		if d.Busy+d.Idle != d.Window {
			t.Errorf("%s: busy %d + idle %d ≠ window %d", d.Name, d.Busy, d.Idle, d.Window)
		}
		if d.Busy != d.WallShare {
			t.Errorf("%s: wall share %d ≠ busy %d", d.Name, d.WallShare, d.Busy)
		}
	}
	rows, rowWall := a.Layers.Unattributed, analyze.Duration(0)
	for _, r := range a.Layers.Rows {
		rows += r.Self
		rowWall += r.WallShare
		var comps analyze.Duration
		for _, c := range r.Components {
			comps += c.Self
		}
		if comps != r.Self || r.Forward+r.Backward+r.Recompute != r.Self {
			t.Errorf("%s: components %d, directions %d, self %d", r.Key, comps, r.Forward+r.Backward+r.Recompute, r.Self)
		}
	}
	var ops, cats, scopes analyze.Duration
	for _, o := range a.Ops {
		ops += o.Self
	}
	for _, c := range a.Categories {
		cats += c.Self
	}
	for _, s := range a.Scopes {
		scopes += s.Self
	}
	if rows != op || ops != op || cats != op || scopes != op || a.Layers.OpTime != op {
		t.Errorf("op time %d: layers give %d, ops %d, categories %d, scopes %d", op, rows, ops, cats, scopes)
	}
	if rowWall > wall {
		t.Errorf("rows' wall shares %d exceed %d", rowWall, wall)
	}
}

// reference is what a reference decoder computed from the same bytes.
type reference struct {
	Steps  int
	Thread map[string]struct {
		Total   int64   `json:"total"`
		PerStep []int64 `json:"per_step"`
	} `json:"thread_ps"`
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// capture returns the XSpace of a CPU capture of the shared library.
func capture(t *testing.T, name string) string {
	t.Helper()
	dir := tracetest.Shared(t, "data/jax_cpu/"+name)
	for _, f := range []string{"host.xplane.pb", "host.xplane.pb.gz"} {
		if _, err := os.Stat(filepath.Join(dir, f)); err == nil {
			return filepath.Join(dir, f)
		}
	}
	t.Fatalf("%s: no host.xplane.pb", dir)
	return ""
}

var scoped = []string{"base_a", "base_b", "base_c", "slow_a", "slow_b", "slow_c", "mild_a", "mild_b", "mild_c", "renamed", "cold", "tp4", "leak", "python_l1", "one_thread"}

func TestScopedCapturesMatchReference(t *testing.T) {
	for _, name := range scoped {
		t.Run(name, func(t *testing.T) {
			a := analyzed(t, capture(t, name), trace.Options{})
			var ref reference
			readJSON(t, filepath.Join(filepath.Dir(capture(t, name)), "reference_layers.json"), &ref)
			if a.Layers.Method != "scope" || a.Layers.Count != 6 || a.Capture.StepCount != ref.Steps {
				t.Fatalf("method %s, %d layers, %d steps; want scope, 6, %d", a.Layers.Method, a.Layers.Count, a.Capture.StepCount, ref.Steps)
			}
			for _, r := range a.Layers.Rows {
				if r.Index < 0 {
					continue
				}
				want := ref.Thread[r.Key]
				var sum int64
				for i, v := range r.PerStep {
					sum += int64(v)
					if int64(v) != want.PerStep[i] {
						t.Errorf("%s step %d: %d ps, want %d", r.Key, i, v, want.PerStep[i])
					}
				}
				if sum != want.Total {
					t.Errorf("%s: %d ps in steps, want %d", r.Key, sum, want.Total)
				}
			}
		})
	}
}

func TestCapturesWithoutIndices(t *testing.T) {
	for name, method := range map[string]string{"modules": "param", "modules_flat": "param", "scan": "scan"} {
		t.Run(name, func(t *testing.T) {
			a := analyzed(t, capture(t, name), trace.Options{})
			t.Logf("%s %s", a.Layers.Method, a.Layers.Why)
			if a.Layers.Method != method || a.Layers.Count != 6 {
				t.Fatalf("method %s, %d layers; want %s, 6", a.Layers.Method, a.Layers.Count, method)
			}
			// Medians of a reference recipe, ms a step.
			want := map[string][6]float64{
				"modules":      {8.13, 8.04, 8.01, 7.97, 8.02, 8.00},
				"modules_flat": {8.12, 8.02, 8.02, 8.03, 8.03, 8.01},
				"scan":         {8.31, 7.89, 7.86, 7.88, 7.86, 7.80},
			}[name]
			for i, w := range want {
				got := float64(a.Layers.Rows[i].Samples.Median) / 1e9
				if got < 0.95*w || got > 1.05*w {
					t.Errorf("layer %d: median %.3f ms, want %.2f ± 5 %%", i, got, w)
				}
			}
			if share := float64(a.Layers.Unattributed) / float64(a.Layers.OpTime); share > 0.02 {
				t.Errorf("unattributed %.2f %%", 100*share)
			}
		})
	}
}

func TestChangedLayerIsFirstOutlier(t *testing.T) {
	for _, name := range []string{"slow_a", "slow_b", "slow_c"} {
		a := analyzed(t, capture(t, name), trace.Options{})
		if len(a.Layers.Outliers) == 0 || a.Layers.Outliers[0].Key != "layer_3" {
			t.Errorf("%s: outliers %v, want layer_3 first", name, a.Layers.Outliers)
		}
	}
	for _, name := range []string{"base_a", "base_b", "base_c"} {
		a := analyzed(t, capture(t, name), trace.Options{})
		for _, o := range a.Layers.Outliers {
			if o.Key != "layer_0" && o.Ratio > 1.25 || o.Key == "layer_0" && o.Note == "" {
				t.Errorf("%s: %+v: want layer_0 with a note only", name, o)
			}
		}
	}
}

func TestCompileStepsLeaveSamplesNotTotals(t *testing.T) {
	a := analyzed(t, capture(t, "cold"), trace.Options{})
	excluded := 0
	for _, s := range a.Steps {
		if s.Reason == "compile" {
			excluded++
		}
	}
	if excluded != 3 || len(a.Steps) != 12 || len(a.Compiles) < 3 {
		t.Errorf("%d of %d steps excluded, %d compilations; want 3, 12, ≥ 3", excluded, len(a.Steps), len(a.Compiles))
	}
	for _, r := range a.Layers.Rows[:6] {
		var all analyze.Duration
		for _, v := range r.PerStep {
			all += v
		}
		if r.Samples.N != 9 || all != r.Self {
			t.Errorf("%s: %d samples, steps add up to %d, self %d; want 9 and all of it", r.Key, r.Samples.N, all, r.Self)
		}
	}
	if !has(a, "compile-in-window") {
		t.Errorf("findings %v: want compile-in-window", a.Findings)
	}
}

func has(a *analyze.Analysis, code string) bool {
	for _, f := range a.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

func TestDisturbedCaptureIsFlagged(t *testing.T) {
	for name, want := range map[string]bool{"leak": true, "base_a": false, "base_b": false, "base_c": false} {
		a := analyzed(t, capture(t, name), trace.Options{})
		if got := has(a, "disturbed-capture"); got != want {
			t.Errorf("%s: disturbed-capture %v, want %v; %v", name, got, want, a.Findings)
		}
	}
}

func TestTensorParallelHasFourDevices(t *testing.T) {
	a := analyzed(t, capture(t, "tp4"), trace.Options{})
	if len(a.Devices) != 4 || a.Layers.Count != 6 {
		t.Errorf("%d devices, %d layers; want 4, 6", len(a.Devices), a.Layers.Count)
	}
}
