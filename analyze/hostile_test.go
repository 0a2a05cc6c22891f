// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
)

// analysed returns the analysis of a trace in the text form, without its first line.
func analysed(t *testing.T, text string, opts analyze.Options) *analyze.Analysis {
	t.Helper()
	tr, err := trace.Read(strings.NewReader("layerscope-trace 1\n"+text), "test.txt", trace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := analyze.Analyze(tr, opts)
	if err != nil {
		t.Fatal(err)
	}
	conserved(t, a)
	return a
}

// A table of more ops than are handed out at once: each is an event that has
// more facts than its time.
func TestManyAggregatedOps(t *testing.T) {
	const n = 10_000
	var b strings.Builder
	b.WriteString("device /device:TPU:0 tpu\n")
	for i := range n {
		fmt.Fprintf(&b, "op %d scope=jit(f)/layer_%d/mlp/dot flops=%d\n", i, i%4, i)
	}
	b.WriteString("track ops device=0\n")
	for i := range n {
		fmt.Fprintf(&b, "  0 9 %d count=3 self=7 min=2\n", i)
	}
	a := analysed(t, b.String(), analyze.Options{})
	var flops int64
	for _, r := range a.Layers.Rows {
		flops += r.FLOPs
	}
	if want := int64(3 * n * (n - 1) / 2); flops != want || a.Layers.OpTime != 7*n {
		t.Errorf("%d FLOPs, op time %d; want %d, %d", flops, a.Layers.OpTime, want, 7*n)
	}
}

// FLOPs measured at run time stay with their event where it closes long after
// others, and where a scanned layer needs every event.
func TestManyMeasuredEvents(t *testing.T) {
	const layers, runs = 3, 4000
	var b strings.Builder
	b.WriteString("device /device:TPU:0 tpu\nprogram jit_f 1\n")
	for _, op := range []string{"while", "a", "b", "c", "d"} {
		fmt.Fprintf(&b, "op %s program=0 scope=jit(f)/layers/while/body/%s/mul\n", op, op)
	}
	for r := range runs {
		fmt.Fprintf(&b, "exec 0 0 %d %d 900\n", r, r*1000)
	}
	b.WriteString("track ops device=0\n")
	want := make([]int64, layers)
	for r := range runs {
		fmt.Fprintf(&b, "  %d 800 while\n", r*1000)
		for l := range layers {
			for k, op := range []string{"a", "b", "c", "d"} {
				fmt.Fprintf(&b, "  %d 50 %s flops=%d\n", r*1000+l*200+k*50, op, r+l)
				want[l] += int64(r + l)
			}
		}
	}
	a := analysed(t, b.String(), analyze.Options{})
	if a.Layers.Method != "scan" || a.Layers.Count != layers {
		t.Fatalf("%d layers by %s, want %d by scan", a.Layers.Count, a.Layers.Method, layers)
	}
	for l, r := range a.Layers.Rows[:layers] {
		if r.FLOPs != want[l] {
			t.Errorf("%s: %d FLOPs, want %d", r.Key, r.FLOPs, want[l])
		}
	}
}

// Scopes whose lower-case form has another length than they.
func TestScopeBytes(t *testing.T) {
	for _, part := range []string{"ȺȺȺȺ.layer_", `\xff\xff.layer_`, "İİ.layer_"} {
		a := analysed(t, strings.ReplaceAll(`device /device:TPU:0 tpu
program jit_f 1
op a program=0 scope="jit(f)/PART3/mlp/dot"
op b program=0 scope="jit(f)/PART4/mlp/dot"
track ops device=0
  0 5 a
  5 5 b
`, "PART", part), analyze.Options{})
		if len(a.Layers.Rows) != 2 || a.Layers.Rows[0].Key != "layer_3" || a.Layers.Rows[1].Key != "layer_4" {
			t.Errorf("%s: rows %+v, want layer_3, layer_4", part, a.Layers.Rows)
		}
	}
}

// Rows, components and steps by the thousand: a sum for each pair of them would
// take tens of gigabytes.
func TestManyRowsAndSteps(t *testing.T) {
	const n = 20_000
	var b strings.Builder
	b.WriteString("device /device:TPU:0 tpu\ndevice /device:TPU:1 tpu ordinal=1\nprogram jit_f 1\n")
	for i := range n {
		fmt.Fprintf(&b, "op %d program=0 scope=jit(f)/part%dx/dot\n", i, i)
		fmt.Fprintf(&b, "step %d 0 %d 10\n", i, i*10)
	}
	for d := range 2 {
		fmt.Fprintf(&b, "track ops device=%d\n", d)
		for i := range n {
			fmt.Fprintf(&b, "  %d 7 %d\n", i*10, i)
		}
	}
	a := analysed(t, b.String(), analyze.Options{})
	if len(a.Layers.Rows) != n || a.Layers.OpTime != 2*7*n {
		t.Errorf("%d rows, op time %d; want %d, %d", len(a.Layers.Rows), a.Layers.OpTime, n, 2*7*n)
	}
	if a.Capture.StepCount != n || len(a.Steps) == 0 || len(a.Steps)*n > 1<<23 {
		t.Errorf("%d steps, %d of them sampled", a.Capture.StepCount, len(a.Steps))
	}
	if len(a.Findings) == 0 || a.Findings[0].Code != "too-many-steps" {
		t.Errorf("findings %+v, want too-many-steps first", a.Findings)
	}
}
