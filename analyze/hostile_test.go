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

// A device that the capture lacks is not a capture without devices; devices of one
// name are told apart by their hosts.
func TestChosenDevices(t *testing.T) {
	const text = `host a
host b
device /device:TPU:0 tpu host=a
device /device:TPU:0 tpu host=b
op x
track ops device=0
  0 5 x
track ops device=1
  0 7 x
`
	a := analysed(t, text, analyze.Options{Devices: []string{"3"}})
	if len(a.Findings) != 1 || a.Findings[0].Code != "no-device-events" || !strings.Contains(a.Findings[0].Message, "no device 3 with ops in the capture: it has /device:TPU:0") {
		t.Errorf("findings %+v", a.Findings)
	}
	for name, want := range map[string]analyze.Duration{"0": 12, "/device:TPU:0": 12, "b/0": 7, "a/device:TPU:0": 5} {
		if a := analysed(t, text, analyze.Options{Devices: []string{name}}); a.Layers.OpTime != want {
			t.Errorf("%s: op time %d, want %d", name, a.Layers.OpTime, want)
		}
	}
}

// A scope of a hundred thousand levels is cut: each level is a row of the scope table.
func TestDeepScope(t *testing.T) {
	a := analysed(t, "device d tpu\nop x scope=\"jit(f)/"+strings.Repeat("a/", 100_000)+"dot\"\ntrack ops device=0\n  0 5 x\n", analyze.Options{})
	if n := len(a.Scopes); n != 64 {
		t.Errorf("%d scopes, want 64", n)
	}
}

// Many executions of many programs are counted in one pass.
func TestManyPrograms(t *testing.T) {
	const programs, runs = 3000, 100_000
	var b strings.Builder
	b.WriteString("device d tpu\n")
	for p := range programs {
		fmt.Fprintf(&b, "program jit_f %d\nop %d program=%d\n", p, p, p)
	}
	for r := range runs {
		fmt.Fprintf(&b, "exec %d 0 %d %d 8\n", r%programs, r, r*10)
	}
	b.WriteString("track ops device=0\n")
	for r := range runs {
		fmt.Fprintf(&b, "  %d 7 %d\n", r*10, r%programs)
	}
	a := analysed(t, b.String(), analyze.Options{})
	if len(a.Programs) != programs || a.Programs[0].Total != 8*analyze.Duration(a.Programs[0].Executions) {
		t.Errorf("%d programs, the first %+v", len(a.Programs), a.Programs[0])
	}
}

// One op outside the layers lost its core for longer than all passes took together:
// the scopes still name the layers.
func TestPreemptedOpHidesNoLayers(t *testing.T) {
	var b strings.Builder
	b.WriteString("device /device:CPU:0 cpu\nprogram jit_f 1\nop head program=0 scope=jit(f)/logits/dot\n")
	for l := range 3 {
		fmt.Fprintf(&b, "op m%d program=0 scope=jit(f)/layer_%d/mlp/dot\nop a%d program=0 scope=jit(f)/layer_%d/attention/dot\n", l, l, l, l)
	}
	b.WriteString("exec 0 0 1 0 5000\ntrack ops device=0\n  0 10 m0\n  10 10 a0\n  20 10 m1\n  30 10 a1\n  40 10 m2\n  50 10 a2\n  60 4900 head\n")
	a := analysed(t, b.String(), analyze.Options{})
	if a.Layers.Count != 3 || a.Layers.Method != "scope" {
		t.Errorf("%d layers by %s, want 3 by scope", a.Layers.Count, a.Layers.Method)
	}
}
