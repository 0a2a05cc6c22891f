// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"github.com/layerscope/layerscope/analyze"
)

const (
	microsecond = 1_000_000
	millisecond = 1_000_000_000
)

// A model builds analyses by hand: n equal layers of attention and mlp between
// an embedding and a head, on one device. The numbers are small enough to add
// up in one's head.
type model struct {
	layers  int
	steps   int
	slow    map[int]float64 // layer → factor on its mlp
	devices int
	unnamed analyze.Duration // unattributed
}

// Per step and layer: attention 400 µs (one op), mlp 600 µs (two ops of 300).
// Outside: embed 100 µs, head 150 µs.
func (m model) analysis() *analyze.Analysis {
	steps := max(m.steps, 1)
	devices := max(m.devices, 1)
	n := analyze.Duration(steps * devices)
	a := &analyze.Analysis{
		Inputs:   []analyze.Input{{Path: "runs/a/host.xplane.pb", SHA256: fmt.Sprintf("%064x", 0xabc), Bytes: 862_707, Format: "xspace"}},
		Format:   "xspace",
		Findings: []analyze.Finding{}, Programs: []analyze.Program{}, Scopes: []analyze.Scope{}, Steps: []analyze.Step{},
		Capture: analyze.Capture{
			StartUnixNano: 1_795_500_000_000_000_000, Hosts: []string{"worker-0"}, StepSource: "steps-line", StepCount: m.steps,
			Metadata: map[string]string{"jax_version": "0.10.2"},
		},
		Layers: analyze.Layers{Method: "scope", Confidence: 0.98, Count: m.layers, Why: `the index in the scope path, such as "layer_0/attention"`},
	}
	add := func(row *analyze.Layer, op analyze.Op, self analyze.Duration) {
		op.Program, op.Device, op.Layer = "jit_score", "/device:TPU:0", row.Key
		op.Occurrences, op.Self, op.Total, op.Min = int64(n), self*n, self*n, self
		op.FLOPs, op.Bytes = op.FLOPs*int64(n), op.Bytes*int64(n)
		row.Self += op.Self
		row.FLOPs += op.FLOPs
		row.Bytes += op.Bytes
		row.Occurrences += op.Occurrences
		a.Ops = append(a.Ops, op)
	}
	outside := func(key, scope string, self analyze.Duration) {
		row := analyze.Layer{Key: key, Index: -1}
		add(&row, analyze.Op{Name: key + "_fusion", Category: "loop fusion", Scope: scope, Component: key, Bytes: 1 << 20}, self)
		row.Components = []analyze.Component{{Name: key, Self: row.Self, Bytes: row.Bytes}}
		a.Layers.Rows = append(a.Layers.Rows, row)
	}
	outside("embed", "embed", 100*microsecond)
	for i := range m.layers {
		row := analyze.Layer{Key: fmt.Sprintf("layer_%d", i), Index: i}
		factor := max(m.slow[i], 1)
		mlp := analyze.Duration(factor * 300 * microsecond)
		wide := int64(factor * (1 << 30))
		sc := row.Key
		add(&row, analyze.Op{Name: fmt.Sprintf("custom-call.%d", i), Category: "custom-call", Scope: sc + "/attention/flash", Component: "attention", FLOPs: 1 << 30, Bytes: 1 << 24, BoundBy: "hbm"}, 400*microsecond+analyze.Duration(i)*microsecond)
		add(&row, analyze.Op{Name: fmt.Sprintf("fusion.%d", 2*i), Category: "convolution fusion", Scope: sc + "/mlp/gate_up", Component: "mlp", FLOPs: wide, Bytes: wide / 64, BoundBy: "compute"}, mlp)
		add(&row, analyze.Op{Name: fmt.Sprintf("fusion.%d", 2*i+1), Category: "convolution fusion", Scope: sc + "/mlp/down", Component: "mlp", FLOPs: wide, Bytes: wide / 64, BoundBy: "compute"}, mlp)
		row.Components = sumComponents(a.Ops[len(a.Ops)-3:])
		a.Layers.Rows = append(a.Layers.Rows, row)
	}
	outside("lm_head", "lm_head/dot_general", 150*microsecond)
	m.finish(a, steps, devices)
	return a
}

// finish sums up what add has made.
func (m model) finish(a *analyze.Analysis, steps, devices int) {
	if m.unnamed > 0 {
		o := analyze.Op{Name: "copy.7", Program: "jit_score", Category: "copy", Occurrences: 1, Self: m.unnamed, Total: m.unnamed, Min: m.unnamed}
		a.Ops = append(a.Ops, o)
		a.Layers.Unattributed = m.unnamed
		a.Layers.UnattributedOps = []analyze.Op{o}
	}
	var sum analyze.Duration
	for i := range a.Ops {
		sum += a.Ops[i].Self
	}
	a.Layers.OpTime = sum
	for i := range a.Layers.Rows {
		row := &a.Layers.Rows[i]
		row.WallShare, row.Forward = row.Self, row.Self
		row.Samples = sampled(row.Self/analyze.Duration(steps), m.steps)
		if f := m.slow[row.Index]; f > 1.25 && row.Index >= 0 {
			a.Layers.Outliers = append(a.Layers.Outliers, analyze.Outlier{Key: row.Key, Ratio: (400 + 600*f) / 1000})
		}
	}
	step := sum / analyze.Duration(steps)
	a.StepDur, a.StepOpTime = sampled(step*5/4, m.steps), sampled(step, m.steps)
	for i := range m.steps {
		a.Steps = append(a.Steps, analyze.Step{Index: int64(i), Name: "step", Host: "worker-0", Start: analyze.Time(i) * analyze.Time(step) * 5 / 4, Dur: step * 5 / 4, Busy: step, OpTime: step})
	}
	window := sum * 5 / 4
	a.Capture.Window = window
	for i := range devices {
		each := sum / analyze.Duration(devices)
		if i == devices-1 {
			each = sum - each*analyze.Duration(devices-1)
		}
		a.Devices = append(a.Devices, analyze.Device{
			Name: fmt.Sprintf("/device:TPU:%d", i), Host: "worker-0", Kind: "tpu", Type: "TPU v6 Lite",
			Window: window, Busy: each, Idle: window - each, OpTime: each, WallShare: each, OpEvents: int64(len(a.Ops) * steps), Tracks: 1, PeakFLOPs: 918e12, PeakHBM: 1.64e12,
		})
	}
	a.Programs = []analyze.Program{{Name: "jit_score", ID: 0xf00dfeedf00dfeed, Host: "worker-0", Executions: steps, Total: sum, OpTime: sum, HasHLO: true}}
	a.Components = sumComponents(a.Ops)
	a.Categories = sumCategories(a.Ops)
	a.Scopes = sumScopes(a.Ops)
}

// sampled summarises n equal-ish steps: the interval is ± 1 %.
func sampled(median analyze.Duration, n int) analyze.Samples {
	if n == 0 {
		return analyze.Samples{}
	}
	s := analyze.Samples{N: n, Median: median, Min: median * 98 / 100, Max: median * 103 / 100}
	if n < 6 {
		s.Need = 6
		return s
	}
	s.Lo, s.Hi, s.Confidence = median*99/100, median*101/100, 0.97
	return s
}
