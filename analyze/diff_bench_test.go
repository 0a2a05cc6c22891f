// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"fmt"
	"testing"

	"github.com/layerscope/layerscope/analyze"
)

// bigRun is an analysis of many rows and steps, made without a trace.
func bigRun(run, rows, steps int) *analyze.Analysis {
	a := &analyze.Analysis{Devices: []analyze.Device{{Name: "/device:TPU:0", Kind: "tpu", Tracks: 1}}}
	a.Layers.Method, a.Layers.Count = "scope", rows
	for s := range steps {
		a.Steps = append(a.Steps, analyze.Step{Index: int64(s), Dur: 1, Signature: "jit_score"})
	}
	for l := range rows {
		row := analyze.Layer{Key: fmt.Sprintf("layer_%d", l), Index: l, PerStep: make([]analyze.Duration, steps)}
		for s := range steps {
			row.PerStep[s] = layerTime + analyze.Duration(wobble(run, s, l))
			row.Self += row.PerStep[s]
			a.Steps[s].OpTime += row.PerStep[s]
			a.Steps[s].Dur += row.PerStep[s]
		}
		row.Components = []analyze.Component{{Name: "mlp", Self: row.Self}}
		a.Layers.OpTime += row.Self
		a.Layers.Rows = append(a.Layers.Rows, row)
		a.Ops = append(a.Ops, analyze.Op{
			Name: fmt.Sprintf("fusion.%d", l), Program: "jit_score", Category: "fusion", Scope: fmt.Sprintf("jit(score)/layer_%d/mlp/dot_general", l),
			Layer: row.Key, Component: "mlp", Occurrences: int64(steps), Self: row.Self, Total: row.Self,
		})
	}
	return a
}

// BenchmarkDiff compares 5,000 rows: of one capture a side, whose 50 steps are
// rank-tested, and of five a side.
func BenchmarkDiff(b *testing.B) {
	for _, runs := range []int{1, 5} {
		b.Run(fmt.Sprintf("rows=5000/steps=50/runs=%d", runs), func(b *testing.B) {
			var base, new analyze.Side
			for r := range runs {
				base.Runs = append(base.Runs, bigRun(r, 5000, 50))
				new.Runs = append(new.Runs, bigRun(100+r, 5000, 50))
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := analyze.Diff(base, new, analyze.DiffOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
