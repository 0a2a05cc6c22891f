// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// checkOpsOnly wants of one pass what the whole analysis says, as far as it goes.
func checkOpsOnly(t *testing.T, tr *trace.Trace) {
	t.Helper()
	whole, err := analyze.Analyze(tr, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := analyze.Analyze(tr, analyze.Options{OpsOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if !part.OpsOnly || len(part.Layers.Rows)+len(part.Steps)+len(part.Scopes)+len(part.Host) > 0 {
		t.Error("more than ops")
	}
	l := &whole.Layers
	l.Rows, l.Outliers = []analyze.Layer{}, []analyze.Outlier{}
	steps := []string{"compile-in-window", "disturbed-steps", "disturbed-capture", "mixed-shapes"}
	compiles := func(f analyze.Finding) bool { return f.Code == "compile-in-window" }
	if slices.ContainsFunc(whole.Findings, compiles) != slices.ContainsFunc(part.Findings, compiles) {
		t.Error("compilations found by one only")
	}
	ofSteps := func(f analyze.Finding) bool { return slices.Contains(steps, f.Code) }
	for _, d := range []struct {
		what       string
		want, have any
	}{
		{"ops", whole.Ops, part.Ops},
		{"categories", whole.Categories, part.Categories},
		{"programs", whole.Programs, part.Programs},
		{"devices", whole.Devices, part.Devices},
		{"layers", whole.Layers, part.Layers},
		{"capture", whole.Capture, part.Capture},
		{"places", whole.Places, part.Places},
		{"findings", slices.DeleteFunc(whole.Findings, ofSteps), slices.DeleteFunc(slices.Clone(part.Findings), ofSteps)},
	} {
		if diff := cmp.Diff(d.want, d.have); diff != "" {
			t.Errorf("%s (-whole +ops only):\n%s", d.what, diff)
		}
	}
}

// TestOpsOnlyIsPartOfWhole compares both on every kind of capture: one track a
// device and several, steps and none, all methods of finding layers.
func TestOpsOnlyIsPartOfWhole(t *testing.T) {
	twins, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(twins) == 0 {
		t.Fatalf("no twins: %v", err)
	}
	for _, path := range twins {
		t.Run(filepath.Base(path), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "trace" })
			tr, err := trace.Read(bytes.NewReader(ar.Files[i].Data), path, trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			checkOpsOnly(t, tr)
		})
	}
	captures, _ := filepath.Glob(tracetest.Root(t) + "/testdata/captures/*.[xt][pr]*.gz")
	if len(captures) == 0 {
		t.Fatal("no captures")
	}
	for _, path := range captures {
		t.Run(filepath.Base(path), func(t *testing.T) { openOpsOnly(t, path) })
	}
	for _, name := range []string{"gpu_v100_bert_layers.xplane.pb", "gpu_mi355_jax_fused_attention_fwd_bwd.xplane.pb", "tpu_v6e_x4_host_offload.xplane.pb"} {
		t.Run(name, func(t *testing.T) { openOpsOnly(t, tracetest.Shared(t, "data/xspace/"+name)) })
	}
}

func openOpsOnly(t *testing.T, path string) {
	tr, err := trace.Open(path, trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	checkOpsOnly(t, tr)
}
