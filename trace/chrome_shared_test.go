// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
)

// outline returns tracks with their events in microseconds, then findings.
func outline(t *testing.T, tr *trace.Trace) string {
	t.Helper()
	var b strings.Builder
	for _, tk := range tr.Tracks {
		fmt.Fprintf(&b, "%s %q:", tk.Kind, tk.Name)
		for batch, err := range tk.Batches() {
			if err != nil {
				t.Fatal(err)
			}
			for i, op := range batch.Op {
				fmt.Fprintf(&b, " %s %g+%g", tr.Ops[op].Name, float64(batch.Start[i])/1e6, float64(batch.Dur[i])/1e6)
				if batch.Value != nil {
					fmt.Fprintf(&b, "=%g", batch.Value[i])
				}
			}
		}
		b.WriteString("; ")
	}
	for _, f := range tr.Findings {
		fmt.Fprintf(&b, "%s %d; ", f.Code, f.Count)
	}
	return strings.TrimSuffix(b.String(), "; ")
}

// TestOddTraceEvents reads the odd files of the shared library. Perfetto, too,
// closes the innermost slice of the name; but it leaves begins open for ever,
// drops X events without a duration, and leaves a begin open whose end comes at
// the same instant.
func TestOddTraceEvents(t *testing.T) {
	for name, want := range map[string]string{
		"bex-interaction":               `host "thread 0": A 0+2 B 0+2 C 10+2 D 10+2 F 20+2 E 20+1 G 30+2 H 30+1 J 40+2 I 41+1 K 50+2 L 51+1`,
		"end-event-with-empty-stack":    `host "thread 0": alpha 0+1; unmatched-end 1`,
		"end-non-top-of-stack":          `host "thread 0": A 0+10 Z 10+1; host "thread 0 (overlap 1)": B 1+10; unfinished 1; overlap 1`,
		"event-reordering-name-match":   `host "thread 1": alpha 0+10 beta 1+1 gamma 1+1`,
		"hermes-multiple-frames":        `host "thread 0": [root] 0+14 beta 1+1 gamma 4+9 beta 4+6`,
		"invalid-x-nesting":             `host "thread 0": alpha 0+10; host "thread 0 (overlap 1)": beta 5+10; overlap 1`,
		"matching-x":                    `host "thread 0": alpha 0+10 beta 1+1 gamma 1+1 gamma 5+1 beta 5+1`,
		"mismatched-args":               `host "thread 0": A 0+10`,
		"mismatched-name":               `host "thread 0": alpha 0+10; unfinished 1; unmatched-end 1`,
		"must-retain-original-order":    `host "thread 1": A 0+3 B 0+2 C 0+1 A 4+3 B 5+2 C 6+1 X 7+3`,
		"multiprocess":                  `host "p0t0": alpha 0+1; host "p0t1": beta 0+1; host "p1t0": gamma 0+1; host "p1t1": delta 0+1; host "p2t0": epsilon 0+1; host "p2t1": phi 0+1; host "thread 0": zeta 0+1; host "thread 1": eta 0+1`,
		"multi-thread-with-samples":     `host "mqt_js": mqt_js 1.1550183666e+10+0; host "thread 2": mqt_js 1.1550183666e+10+0`,
		"not-enough-end-events":         `host "thread 0": A 0+11 A 1+10 A 10+1; unfinished 2`,
		"only-begin-events":             `host "thread 0": A 0+2 B 1+1 C 2+0; unfinished 3`,
		"out-of-order-unbalanced-name":  `host "thread 0": alpha 0+9; host "thread 0 (overlap 1)": beta 1+9; overlap 1`,
		"out-of-order":                  `host "thread 0": A 0+10 B 1+8 C 2+6`,
		"simple-hermes":                 `host "thread 0": [root] 0+14 beta 1+12`,
		"simple-object":                 `host "thread 0": alpha 0+14 beta 1+12  7+0; no-duration 1`,
		"simple-partial-trailing-comma": `host "thread 0": alpha 0+14 beta 1+12 gamma 2+5 epsilon 7+0; no-duration 1; json-form 1`,
		"simple-partial-whitespace":     `host "thread 0": alpha 0+14 beta 1+12 gamma 2+5 epsilon 7+0; no-duration 1; json-form 1`,
		"simple-partial":                `host "thread 0": alpha 0+14 beta 1+12 gamma 2+5 epsilon 7+0; no-duration 1; json-form 1`,
		"simple-with-samples":           ``,
		"simple":                        `host "thread 0": alpha 0+14 beta 1+12 gamma 2+5 epsilon 7+0; no-duration 1`,
		"simultaneous-anonymous-calls":  `host "thread 0": anonymous 0+5 anonymous 1+2 function1 1+2 anonymous 1+2 anonymous 3+2 anonymous 3+2`,
		"too-many-end-events":           `host "thread 0": alpha 0+14 beta 1+12; unmatched-end 2`,
		"unbalanced-args":               `host "thread 0": A 0+10 A 1+8`,
		"unbalanced-name":               `host "thread 0": alpha 0+9; host "thread 0 (overlap 1)": beta 1+9; overlap 1`,
		"x-events-matching-end":         `host "thread 0": alpha 0+20 beta 1+2 gamma 2+1 gamma 5+2 beta 6+1 beta 9+2 gamma 10+1 gamma 14+2 beta 15+1`,
		"x-events-matching-start":       `host "thread 0": alpha 0+20 beta 1+2 gamma 1+1 gamma 5+2 beta 5+1 gamma 9+2 beta 9+1 beta 13+2 gamma 13+1`,
		"zero-duration-events":          `host "thread 0": A 0+10 B 1+0 C 2+0 D 3+0`,
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := trace.Open(tracetest.Shared(t, "data/malformed/trace_event/"+name+".json"), trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			if got := outline(t, tr); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestTorchLayers: one model on two vendors' GPUs has the same 24 layers, of
// equal parts, and every kernel of the profiled step in a row.
func TestTorchLayers(t *testing.T) {
	var components [2]map[string]bool
	for i, file := range []string{"h100", "mi300"} {
		tr, err := trace.Open(tracetest.Shared(t, "data/torch/"+file+"_qwen15_05b.json.gz"), trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		a, err := analyze.Analyze(tr, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if a.Layers.Count != 24 || a.Layers.Method != "scope" || a.Layers.Unattributed != 0 {
			t.Errorf("%s: %d layers by %s, %d ps unattributed", file, a.Layers.Count, a.Layers.Method, a.Layers.Unattributed)
		}
		components[i] = map[string]bool{}
		for _, l := range a.Layers.Rows {
			if l.Index < 0 {
				continue
			}
			if n := l.Occurrences; n < 40 || n > 80 {
				t.Errorf("%s: %s: %d kernels", file, l.Key, n)
			}
			for _, c := range l.Components {
				components[i][c.Name] = true
			}
		}
		if len(a.Steps) != 1 || a.Capture.StepSource != "steps-line" || a.Steps[0].Index != 6 {
			t.Errorf("%s: steps %v by %s", file, a.Steps, a.Capture.StepSource)
		}
		if len(tr.Allocs) < 2000 {
			t.Errorf("%s: %d allocator events", file, len(tr.Allocs))
		}
		for key, v := range tr.Metadata {
			if strings.Contains(strings.ToLower(key+v), "token") || len(v) > 200 {
				t.Errorf("%s: metadata %s kept: %.20q", file, key, v)
			}
		}
	}
	if d := cmp.Diff(components[0], components[1]); d != "" {
		t.Errorf("components of the layers differ:\n%s", d)
	}
}
