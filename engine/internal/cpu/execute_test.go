// SPDX-License-Identifier: Apache-2.0

package cpu

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/layerscope/layerscope/engine/internal/arena"
	"github.com/layerscope/layerscope/engine/internal/checkpoint"
	"github.com/layerscope/layerscope/engine/internal/program"
)

func backend(t *testing.T, spec string, opt Options) *Backend {
	t.Helper()
	m, err := checkpoint.Random(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	b, err := Open(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWeightsAreCounted: the arena holds the model's weights as stored, rounded
// by packing, and nothing twice.
func TestWeightsAreCounted(t *testing.T) {
	m, err := checkpoint.Random("random:qwen3-tiny")
	if err != nil {
		t.Fatal(err)
	}
	stored := m.Bytes()
	m.Close()
	b := backend(t, "random:qwen3-tiny", Options{Positions: 16})
	weights := int64(0)
	for _, r := range b.Live() {
		if r.Tag.Kind != arena.Weights || !strings.HasPrefix(r.Tag.Scope, "model/") {
			t.Errorf("live buffer %+v", r.Tag)
		}
		if r.Tag.Scope != "model/rope" {
			weights += r.Size
		}
	}
	if weights < stored || float64(weights) > 1.02*float64(stored) {
		t.Errorf("%d bytes of weights, %d stored", weights, stored)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestLifetimes: a pass needs far less at once than its values' sum, returns all
// of it, and at its end only the output is live.
func TestLifetimes(t *testing.T) {
	b := backend(t, "random:qwen3-tiny", Options{Positions: 128})
	defer b.Close()
	p, err := program.Build(b.cfg, program.Shape{Phase: "prefill", Tokens: 64, Rows: 2, Labels: 3})
	if err != nil {
		t.Fatal(err)
	}
	exe, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	before := b.MemStats()
	b.ResetPeak()
	in := program.Inputs{IDs: make([]int32, 64), Positions: make([]int32, 64), Runs: []program.Run{{Len: 64}}, Rows: []int32{3, 63}, Labels: []int32{0, 1, 2}}
	out, err := exe.Execute(context.Background(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 6 {
		t.Errorf("%d outputs", len(out))
	}
	after, sum := b.MemStats(), int64(0)
	for _, v := range p.Values {
		sum += v.Bytes()
	}
	if after.BytesInUse != before.BytesInUse {
		t.Errorf("%d bytes in use, %d before", after.BytesInUse, before.BytesInUse)
	}
	if peak := after.PeakBytesInUse - before.BytesInUse; peak <= 0 || peak > sum/3 {
		t.Errorf("peak %d of values of %d", peak, sum)
	}
}

// TestBadInputs: inputs that don't fit the shape are errors, not panics.
func TestBadInputs(t *testing.T) {
	b := backend(t, "random:llama-tiny", Options{Positions: 8})
	defer b.Close()
	build := func(s program.Shape) program.Executable {
		t.Helper()
		p, err := program.Build(b.cfg, s)
		if err != nil {
			t.Fatal(err)
		}
		exe, err := b.Compile(p)
		if err != nil {
			t.Fatal(err)
		}
		return exe
	}
	exe := build(program.Shape{Phase: "prefill", Tokens: 2, Rows: 1, Labels: 1})
	good := program.Inputs{IDs: []int32{1, 2}, Positions: []int32{0, 1}, Runs: []program.Run{{Len: 2}}, Rows: []int32{1}, Labels: []int32{1}}
	for name, change := range map[string]func(*program.Inputs){
		"ids":          func(in *program.Inputs) { in.IDs = in.IDs[:1] },
		"id 512":       func(in *program.Inputs) { in.IDs = []int32{1, 512} },
		"id -1":        func(in *program.Inputs) { in.IDs = []int32{-1, 1} },
		"position 8":   func(in *program.Inputs) { in.Positions = []int32{0, 8} },
		"labels":       func(in *program.Inputs) { in.Labels = nil },
		"row 2":        func(in *program.Inputs) { in.Rows = []int32{2} },
		"label 512":    func(in *program.Inputs) { in.Labels = []int32{512} },
		"run of":       func(in *program.Inputs) { in.Runs = []program.Run{{First: 1, Len: 2}} },
		"run of -1":    func(in *program.Inputs) { in.Runs = []program.Run{{Len: -1}} },
		"overlapping":  func(in *program.Inputs) { in.Runs = []program.Run{{Len: 2}, {First: 1, Len: 1, Item: true}} },
		"second query": func(in *program.Inputs) { in.Runs = []program.Run{{Len: 1}, {First: 1, Len: 1}} },
	} {
		in := good
		change(&in)
		if _, err := exe.Execute(context.Background(), in, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	ext := build(program.Shape{Phase: "extend", Tokens: 2, Rows: 1, Labels: 1, Cache: 4})
	if _, err := ext.Execute(context.Background(), good, nil); err == nil || !strings.Contains(err.Error(), "cache") {
		t.Errorf("no cache: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := exe.Execute(ctx, good, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := exe.Execute(context.Background(), good, nil); err != nil {
		t.Error(err)
	}
}
