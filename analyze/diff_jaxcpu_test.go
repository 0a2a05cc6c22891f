// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// sideOf analyses captures of the JAX-on-CPU set.
func sideOf(t *testing.T, label string, captures ...string) analyze.Side {
	t.Helper()
	side := analyze.Side{Label: label}
	for _, c := range captures {
		path := tracetest.Shared(t, "data/jax_cpu/"+c) + "/host.xplane.pb"
		if _, err := os.Stat(path); err != nil {
			path += ".gz" // most are kept compressed
		}
		side.Runs = append(side.Runs, analyzed(t, path, trace.Options{Hash: true}))
	}
	return side
}

func diffed(t *testing.T, base, new analyze.Side, opts analyze.DiffOptions) *analyze.Comparison {
	t.Helper()
	c, err := analyze.Diff(base, new, opts)
	if err != nil {
		t.Fatal(err)
	}
	comparable(t, c)
	return c
}

// comparable checks what must hold for every comparison: conservation at every
// level, and finite numbers.
func comparable(t *testing.T, c *analyze.Comparison) {
	t.Helper()
	k := c.Conservation
	if k.Delta != k.Matched+k.Added-k.Removed+k.Unattributed {
		t.Errorf("delta %d ≠ matched %d + added %d − removed %d + unattributed %d", k.Delta, k.Matched, k.Added, k.Removed, k.Unattributed)
	}
	children := make(map[string][3]analyze.Duration)
	opened := make(map[string]bool)
	for _, r := range c.Rows {
		if r.Metric != "op_time" {
			continue
		}
		if r.New-r.Base != r.Delta {
			t.Errorf("%s: %d − %d ≠ %d", r.Key, r.New, r.Base, r.Delta)
		}
		key := r.Level + " of " + r.Parent
		sum := children[key]
		children[key] = [3]analyze.Duration{sum[0] + r.Base, sum[1] + r.New, sum[2] + r.Delta}
		opened[r.Parent] = true
	}
	for _, r := range c.Rows {
		if r.Metric != "op_time" {
			continue
		}
		want := [3]analyze.Duration{r.Base, r.New, r.Delta}
		if got := children["layer of "+r.Key]; r.Level == "step" && got != want {
			t.Errorf("layers sum to %v, the step is %v", got, want)
		}
		if got := children["component of "+r.Key]; r.Level == "layer" && opened[r.Key] && got != want {
			t.Errorf("components of %s sum to %v, want %v", r.Key, got, want)
		}
	}
	finite(t, "", reflect.ValueOf(*c))
}

// finite fails on any NaN or infinity inside a value.
func finite(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			t.Errorf("%s is %v", path, f)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Runs" {
				finite(t, path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			finite(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	}
}

// verdicts lists the rows of a level that have a verdict which says something.
func verdicts(c *analyze.Comparison, level string) map[string]string {
	out := make(map[string]string)
	for _, r := range c.Rows {
		if r.Level == level && (r.Verdict == "REGRESSION" || r.Verdict == "IMPROVEMENT" || r.Verdict == "DIFFERS") {
			out[r.Key] = r.Verdict
		}
	}
	return out
}

// Captures of the same code are never called better or worse, however they are
// split, and every layer finds itself.
func TestDiffSplitsOfOneCommit(t *testing.T) {
	runs := []string{"base_a", "base_b", "base_c"}
	var splits [][2][]string
	for i, x := range runs {
		var others []string
		for k, y := range runs {
			if k != i {
				splits = append(splits, [2][]string{{x}, {y}})
				others = append(others, y)
			}
		}
		splits = append(splits, [2][]string{{x}, others}, [2][]string{others, {x}})
	}
	for _, s := range splits {
		t.Run(strings.Join(s[0], "+")+" "+strings.Join(s[1], "+"), func(t *testing.T) {
			c := diffed(t, sideOf(t, "base", s[0]...), sideOf(t, "new", s[1]...), analyze.DiffOptions{})
			for _, r := range c.Rows {
				if r.Verdict == "REGRESSION" || r.Verdict == "IMPROVEMENT" {
					t.Errorf("%s %s: %s %+.1f %% (%+.1f … %+.1f %%)", r.Metric, r.Key, r.Verdict, 100*r.Effect, 100*r.Lo, 100*r.Hi)
				}
			}
			if c.Layers.Matched != 6 || c.Layers.Base != 6 || c.Layers.New != 6 {
				t.Errorf("layers %+v, want 6 of 6 matched", c.Layers)
			}
		})
	}
}

// One layer's MLP was made three times as wide: that layer and no other, though
// layer_0 varies most; and it is said why.
func TestDiffFindsTheSlowedLayer(t *testing.T) {
	c := diffed(t, sideOf(t, "base", "base_a", "base_b", "base_c"), sideOf(t, "slow", "slow_a", "slow_b", "slow_c"), analyze.DiffOptions{})
	if got := verdicts(c, "layer"); len(got) != 1 || got["layer_3"] != "REGRESSION" {
		t.Errorf("changed layers %v, want layer_3 alone, a REGRESSION", got)
	}
	if c.Verdict != "REGRESSION" {
		t.Errorf("verdict %s", c.Verdict)
	}
	// Thread time of layer 3 rose to 2.04 times, relative to its peers 2.09
	// times, by an independent reader of the same files.
	for _, r := range c.Rows {
		if r.Key == "layer_3" && r.Metric == "op_time" && (math.Abs(r.Raw-1.04) > 0.1 || math.Abs(r.Effect-1.09) > 0.1) {
			t.Errorf("layer_3 %+.2f, without drift %+.2f; want about +1.04 and +1.09", r.Raw, r.Effect)
		}
	}
	if len(c.Explain) == 0 || len(c.Explain) > 3 {
		t.Fatalf("explained by %d parts, want 1 to 3: %+v", len(c.Explain), c.Explain)
	}
	for _, e := range c.Explain {
		if !strings.HasPrefix(e.Key, "layer_3/mlp/") || e.Reason != "more-flops" || e.Detail != "3.00×" {
			t.Errorf("explained by %+v, want the mlp of layer_3 with 3.00× the FLOPs", e)
		}
	}
}

// +15.6 % of one layer's FLOPs drown in the step's noise: that layer, or
// INCONCLUSIVE with the captures needed, and never another.
func TestDiffMildChange(t *testing.T) {
	c := diffed(t, sideOf(t, "base", "base_a", "base_b", "base_c"), sideOf(t, "mild", "mild_a", "mild_b", "mild_c"), analyze.DiffOptions{})
	for key, v := range verdicts(c, "layer") {
		if key != "layer_1" || v != "REGRESSION" {
			t.Errorf("%s is called %s", key, v)
		}
	}
	for _, r := range c.Rows {
		if r.Key == "layer_1" && r.Metric == "op_time" && r.Verdict == "INCONCLUSIVE" && r.Needed == 0 {
			t.Error("layer_1 is INCONCLUSIVE without the number of captures that would decide")
		}
	}
}

// The maths was rewritten under the same scopes: half of the equal fusion names
// mean another scope, and every layer and component is matched all the same.
func TestDiffRenamed(t *testing.T) {
	base, new := sideOf(t, "base", "base_a"), sideOf(t, "renamed", "renamed")
	same, other := 0, 0
	scopes := make(map[string]string)
	for _, o := range base.Runs[0].Ops {
		scopes[o.Name] = o.Scope
	}
	for _, o := range new.Runs[0].Ops {
		if s, ok := scopes[o.Name]; ok && strings.Contains(o.Name, "fusion") {
			if same++; s != o.Scope {
				other++
			}
		}
	}
	if same < 100 || other*3 < same {
		t.Fatalf("%d fusion names in both, %d of another scope: the capture no longer shows what it is for", same, other)
	}
	c := diffed(t, base, new, analyze.DiffOptions{Open: true})
	if c.Layers.Matched != 6 {
		t.Errorf("matched %d layers of 6", c.Layers.Matched)
	}
	for _, r := range c.Rows {
		if r.Level == "layer" && r.Status != "matched" || r.Level == "component" && r.Parent != "step" && r.Index >= 0 && r.Status != "matched" {
			t.Errorf("%s %s is %s", r.Level, r.Key, r.Status)
		}
	}
}

func TestDiffShapesAreParity(t *testing.T) {
	base, cold := sideOf(t, "base", "base_a"), sideOf(t, "cold", "cold")
	_, err := analyze.Diff(base, cold, analyze.DiffOptions{})
	if !errors.Is(err, analyze.ErrMismatch) || !strings.Contains(fmt.Sprint(err), "s32[2,64]") {
		t.Errorf("error %v, want a mismatch that names the shapes", err)
	}
	c := diffed(t, base, cold, analyze.DiffOptions{AllowMismatch: true})
	found := make(map[string]bool)
	for _, f := range c.Findings {
		found[f.Code] = true
	}
	for _, code := range []string{"mismatch", "steps-without-counterpart", "excluded-steps", "one-run"} {
		if !found[code] {
			t.Errorf("no finding %s: %+v", code, c.Findings)
		}
	}
	// Steps of the one shape both ran, 9 of them, 3 a shape, are compared.
	for _, r := range c.Rows {
		if r.Key == "layer_3" && r.Metric == "op_time" && math.Abs(r.Effect) > 0.25 {
			t.Errorf("layer_3 of equal shapes differs by %+.0f %%", 100*r.Effect)
		}
	}
	// Compared with itself, three kinds of steps.
	c = diffed(t, cold, sideOf(t, "again", "cold"), analyze.DiffOptions{})
	for _, f := range c.Findings {
		found[f.Code] = true
	}
	if !found["strata"] || !found["same-input"] || c.Conservation.Delta != 0 {
		t.Errorf("the same capture twice: delta %d, findings %+v", c.Conservation.Delta, c.Findings)
	}
}

// No op name is common to the two captures; their 64 layers are aligned and it
// is said which components paid and which gained.
func TestDiffVLLM(t *testing.T) {
	var sides [2]analyze.Side
	for i, name := range []string{"tpu_vllm_qwen25_32b_bf16", "tpu_vllm_qwen3_32b_quant"} {
		path := tracetest.Shared(t, "data/trace_json/"+name+".trace.json.gz")
		sides[i] = analyze.Side{Label: name, Runs: []*analyze.Analysis{analyzed(t, path, trace.Options{})}}
	}
	c := diffed(t, sides[0], sides[1], analyze.DiffOptions{AllowMismatch: true})
	if c.Layers.Matched != 64 {
		t.Errorf("matched %d layers of 64", c.Layers.Matched)
	}
	paid := make(map[string]analyze.Duration)
	for _, r := range c.Rows {
		switch {
		case r.Level == "step" && r.Metric == "op_time":
			if r.Raw > -0.015 || r.Raw < -0.025 {
				t.Errorf("step %+.2f %%, want about −2 %%", 100*r.Raw)
			}
		case r.Level == "component" && r.Parent == "step":
			paid[r.Key] = r.Delta
		}
	}
	if paid["mlp"] >= 0 || paid["attention"] <= 0 {
		t.Errorf("mlp %d, attention %d: want the mlp to gain and attention to pay", paid["mlp"], paid["attention"])
	}
}

func TestCalibrate(t *testing.T) {
	side := sideOf(t, "base", "base_a", "base_b", "base_c")
	n, err := analyze.Calibrate(side)
	if err != nil {
		t.Fatal(err)
	}
	at := make(map[string]analyze.NoiseRow)
	for _, r := range n.Rows {
		at[r.Key] = r
	}
	// Between these captures layers ≥ 1 vary by 1.5 to 3.4 %, layer_0 by 10.4 %,
	// common drift included.
	if sd := at["layer_0"].SD; sd < 0.03 || sd > 0.15 {
		t.Errorf("layer_0 varies by %.3f", sd)
	}
	if sd := at["layer_4"].SD; sd <= 0 || sd > 0.05 {
		t.Errorf("layer_4 varies by %.3f", sd)
	}
	if n.Runs != 3 || n.Step < 0.01 || n.Step > 0.1 || at["layer_4"].Floor <= at["layer_4"].SD {
		t.Errorf("noise %+v", n)
	}
	c := diffed(t, side, sideOf(t, "slow", "slow_a", "slow_b", "slow_c"), analyze.DiffOptions{Noise: n})
	if got := verdicts(c, "layer"); len(got) != 1 || got["layer_3"] != "REGRESSION" {
		t.Errorf("with calibrated noise: changed layers %v, want layer_3", got)
	}
	side.Runs = side.Runs[:1]
	if _, err := analyze.Calibrate(side); err == nil {
		t.Error("one capture: no error")
	}
}
