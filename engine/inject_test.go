// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/engine/internal/arena"
)

func TestParseInjection(t *testing.T) {
	const list = "slow:layer_3/mlp=1.5x,leak:layer_2=64KiB, stall:extend=5ms,recompile:prefill=2"
	got, err := ParseInjection(list)
	if err != nil {
		t.Fatal(err)
	}
	want := []Injection{
		{Kind: "slow", Scope: "layer_3/mlp", Factor: 1.5}, {Kind: "leak", Scope: "layer_2", Bytes: 65536},
		{Kind: "stall", Scope: "extend", Stall: 5 * time.Millisecond}, {Kind: "recompile", Scope: "prefill", Every: 2},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	again, err := ParseInjection(joinInjections(got))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, again); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"slow", "slow:=2x", "slow:mlp", "slow:mlp=0.5x", "slow:mlp=NaNx", "leak:mlp=-1", "leak:mlp=9000MiB",
		"stall:mlp=1", "stall:mlp=-5ms", "recompile:prefill=0", "break:mlp=1"} {
		if _, err := ParseInjection(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestInjectionScope(t *testing.T) {
	for _, c := range []struct {
		scope, path string
		want        bool
	}{
		{"layer_3/mlp", "score/prefill/layer_03/mlp/down_proj", true},
		{"layer_3/mlp", "score/prefill/layer_13/mlp/down_proj", false},
		{"layer_3", "score/prefill/layer_003/attention/rope", true},
		{"mlp", "score/extend/layer_00/mlp/down_proj", true},
		{"prefill/layer_1", "score/extend/layer_01/mlp/down_proj", false},
		{"mlp/layer_1", "score/extend/layer_01/mlp/down_proj", false},
	} {
		if got := (Injection{Scope: c.scope}).within(c.path); got != c.want {
			t.Errorf("%s in %s: %t", c.scope, c.path, got)
		}
	}
}

func faults(t *testing.T, list string) []Injection {
	t.Helper()
	in, err := ParseInjection(list)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestSlowLeavesScores: repeated work changes no bit, is in memory under its
// own name, and in the metadata.
func TestSlowLeavesScores(t *testing.T) {
	for _, model := range families {
		plain := mustOpen(t, Options{Model: model})
		slow := mustOpen(t, Options{Model: model, Inject: faults(t, "slow:prefill=2.7x,slow:extend/layer_1=1.5x")})
		r := Request{QueryIDs: indices32(40), ItemIDs: [][]int32{{1, 2}, {}, {3}}, Labels: []int32{1, 2}}
		for _, a := range []Algorithm{Serial, Packed, PrefillExtend} {
			want, got := score(t, plain, with(r, a)), score(t, slow, with(r, a))
			if d := cmp.Diff(want.Scores, got.Scores); d != "" {
				t.Errorf("%s %s: %s", model, a, d)
			}
		}
		if m := slow.Metadata(); m["injected"] != "slow:prefill=2.7x,slow:extend/layer_1=1.5x" {
			t.Errorf("metadata %v", m)
		}
	}
}

// TestLeak: each pass leaves its bytes behind, named, until Close reports them.
func TestLeak(t *testing.T) {
	e, err := Open(Options{Model: "random:qwen3-tiny", Inject: faults(t, "leak:layer_2=4096")})
	if err != nil {
		t.Fatal(err)
	}
	before := e.Info().BytesInUse
	for range 3 {
		score(t, e, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}})
	}
	if got := e.Info().BytesInUse - before; got != 3*4096 {
		t.Errorf("%d bytes leaked, wanted %d", got, 3*4096)
	}
	found := 0
	for _, b := range e.Memory().Live {
		if strings.Contains(b.Tag.Scope, "layer_02/") && strings.HasSuffix(b.Tag.Scope, "injected_leak") {
			found++
		}
	}
	if found != 3 {
		t.Errorf("%d named leaks, wanted 3", found)
	}
	err = e.Close()
	var leak *arena.LeakError
	if !errors.As(err, &leak) || len(leak.Leaks) != 3 || !strings.Contains(err.Error(), "injected: leak:layer_2=4096") {
		t.Errorf("close: %v", err)
	}
}

// TestStall: the pause is a span of its own, once for each entry of the scope.
func TestStall(t *testing.T) {
	e := mustOpen(t, Options{Model: "random:qwen3-tiny", Inject: faults(t, "stall:mlp=1ms")})
	f := &fakeTracer{}
	e.SetTracer(f)
	score(t, e, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}})
	f.check(t)
	n := 0
	for _, s := range f.find("scorer").spans {
		if s.name == "inject/stall" {
			n++
			if d := s.end.Sub(s.start); d < time.Millisecond {
				t.Errorf("stall of %v", d)
			}
		}
	}
	if n != 4 {
		t.Errorf("%d stalls, wanted one for each of 4 layers", n)
	}
	if f.meta["injected"] != "stall:mlp=1ms" {
		t.Errorf("metadata %v", f.meta)
	}
}

func TestRecompile(t *testing.T) {
	for list, want := range map[string][]int{"": {1, 0, 0, 0, 0}, "recompile:prefill=2": {1, 0, 1, 0, 1}, "recompile:extend": {1, 0, 0, 0, 0}, "recompile:prefill": {1, 1, 1, 1, 1}} {
		e := mustOpen(t, Options{Model: "random:qwen3-tiny", Inject: faults(t, list)})
		for i, n := range want {
			if got := score(t, e, Request{QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}}); got.CompileMisses != n {
				t.Errorf("%q: request %d: %d compile misses, wanted %d", list, i, got.CompileMisses, n)
			}
		}
	}
}

// TestSnapshots: the layers asked for, layer 0 among them, and sizes that add
// up to the allocator's.
func TestSnapshots(t *testing.T) {
	for filter, want := range map[string][]int{"": {-1}, "all": {0, 1, 2, 3, -1}, "2": {0, 2, -1}, "3,": {3, -1}, "0,1": {0, 1, -1}} {
		var got []int
		e := mustOpen(t, Options{Model: "random:qwen3-tiny", SnapshotLayers: filter, OnSnapshot: func(s MemorySnapshot) {
			got = append(got, s.Layer)
			sum, kinds := int64(0), map[arena.Kind]bool{}
			for _, b := range s.Live {
				sum += b.Size
				kinds[b.Tag.Kind] = true
			}
			if sum != s.Stats.BytesInUse || s.Stage != "prefill" || s.RequestID != "snap" {
				t.Errorf("%s: %d live bytes, %d in use, stage %s, request %s", s.Scope, sum, s.Stats.BytesInUse, s.Stage, s.RequestID)
			}
			if !kinds[arena.Weights] || s.Layer >= 0 && !kinds[arena.Activations] {
				t.Errorf("%s: kinds %v", s.Scope, kinds)
			}
		}})
		if _, err := e.Score(context.Background(), Request{ID: "snap", QueryIDs: []int32{1}, ItemIDs: [][]int32{{1}}, Labels: []int32{1}}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", filter, d)
		}
	}
	for _, bad := range []string{"0", "x", "1,x", "-2", "-1,2"} {
		if _, err := Open(Options{Model: "random:qwen3-tiny", SnapshotLayers: bad}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("filter %q: %v", bad, err)
		}
	}
}
