// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/kernel"
	"github.com/layerscope/layerscope/engine/internal/program"
)

// BenchmarkPrefill is a prefill of 128 tokens. gemm-share is the time of its
// matrix products, each timed alone on the same operands in the same run, over
// the time of the prefill: what is not lost to everything else.
func BenchmarkPrefill(b *testing.B) {
	for _, spec := range []string{"random:qwen3-0.6b", "random:llama-small"} {
		b.Run(spec[len("random:"):], func(b *testing.B) { benchPrefill(b, spec) })
	}
}

func benchPrefill(b *testing.B, spec string) {
	m, err := checkpoint.Random(spec)
	if err != nil {
		b.Fatal(err)
	}
	be, err := Open(m, Options{Positions: 256})
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	const tokens = 128
	p, err := program.Build(m.Config(), program.Shape{Phase: "prefill", Tokens: tokens, Rows: 1, Labels: 1})
	if err != nil {
		b.Fatal(err)
	}
	exe, err := be.Compile(p)
	if err != nil {
		b.Fatal(err)
	}
	in := program.Inputs{IDs: make([]int32, tokens), Positions: make([]int32, tokens), Runs: []program.Run{{Len: tokens}}, Rows: []int32{tokens - 1}, Labels: []int32{1}}
	for i := range in.IDs {
		in.IDs[i], in.Positions[i] = int32(i*37), int32(i)
	}
	steps := exe.(*executable).steps
	single := make([]time.Duration, len(steps))
	prefill := time.Duration(1 << 62)
	for b.Loop() {
		began := time.Now()
		if _, err := exe.Execute(context.Background(), in, nil); err != nil {
			b.Fatal(err)
		}
		prefill = min(prefill, time.Since(began))
		products(be, steps, single)
	}
	sum := time.Duration(0)
	for _, d := range single {
		sum += d
	}
	b.ReportMetric(float64(prefill.Microseconds())/1000, "best-ms")
	b.ReportMetric(float64(tokens)/prefill.Seconds(), "tokens/s")
	b.ReportMetric(float64(p.FLOPs())/prefill.Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(sum.Seconds()/prefill.Seconds(), "gemm-share")
}

// products times every matrix product alone and keeps the best of each.
func products(be *Backend, steps []step, best []time.Duration) {
	for i := range steps {
		st := &steps[i]
		if st.Op != program.Linear && st.Op != program.LinearAdd {
			continue
		}
		c, a := kernel.NewMat(st.Count, st.packed.N), kernel.NewMat(st.Count, st.packed.K)
		for k := range a.Data {
			a.Data[k] = 0.01 * float32(k%17)
		}
		for k := range c.Data {
			c.Data[k] = 1 // fresh pages cost more than the product
		}
		began := time.Now()
		if st.Op == program.Linear {
			kernel.Mul(c, a, st.packed)
		} else {
			kernel.MulAdd(c, a, st.packed)
		}
		if d := time.Since(began); best[i] == 0 || d < best[i] {
			best[i] = d
		}
	}
}

// BenchmarkSlow shows what "slow:layer_2/mlp=1.5x" does: the layer's MLP over
// the mean of the other layers', by the sums of their segments' times.
func BenchmarkSlow(b *testing.B) {
	m, err := checkpoint.Random("random:llama-small")
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	be, err := Open(m, Options{Positions: 256, Slow: func(s *program.Segment) float64 {
		if s.Layer == 2 && strings.Contains(s.Scope, "/mlp/") {
			return 1.5
		}
		return 1
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	p, err := program.Build(m.Config(), program.Shape{Phase: "prefill", Tokens: 128, Rows: 1, Labels: 1})
	if err != nil {
		b.Fatal(err)
	}
	exe, err := be.Compile(p)
	if err != nil {
		b.Fatal(err)
	}
	in := program.Inputs{IDs: make([]int32, 128), Positions: make([]int32, 128), Runs: []program.Run{{Len: 128}}, Rows: []int32{127}, Labels: []int32{1}}
	w := &watch{p: p, layer: make([][]time.Duration, m.Config().Layers)}
	for b.Loop() {
		if _, err := exe.Execute(context.Background(), in, w); err != nil {
			b.Fatal(err)
		}
		w.pass()
	}
	slow, others := median(w.layer[2]), time.Duration(0)
	for i, l := range w.layer {
		if i != 2 {
			others += median(l)
		}
	}
	b.ReportMetric(slow.Seconds()/others.Seconds()*float64(len(w.layer)-1), "times-the-others")
}

// watch sums the MLP segments' times of each layer and pass.
type watch struct {
	p     *program.Program
	layer [][]time.Duration
	began time.Time
	sums  [64]time.Duration
}

func (w *watch) Begin(int) { w.began = time.Now() }

func (w *watch) End(i int) {
	if s := &w.p.Segments[i]; strings.Contains(s.Scope, "/mlp/") {
		w.sums[s.Layer] += time.Since(w.began)
	}
}

func (w *watch) pass() {
	for i := range w.layer {
		w.layer[i] = append(w.layer[i], w.sums[i])
		w.sums[i] = 0
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
