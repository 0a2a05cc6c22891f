// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// state is one state of memory: weights on two devices, and a cache.
func state(cache, scratch int64) *analyze.MemoryUse {
	p := &memprof.Profile{Buffers: []memprof.Buffer{
		{Stack: memprof.Scope("layer_0/mlp"), Kind: "weights", Device: "cpu:0", Bytes: 1 << 20, Count: 2},
		{Stack: memprof.Scope("layer_0/mlp"), Kind: "weights", Device: "cpu:1", Bytes: 1 << 20, Count: 2},
	}}
	if cache > 0 {
		p.Buffers = append(p.Buffers, memprof.Buffer{Stack: memprof.Scope("layer_0/kv"), Kind: "kv_cache", Device: "cpu:0", Bytes: cache, Count: cache >> 16})
	}
	if scratch > 0 {
		p.Buffers = append(p.Buffers, memprof.Buffer{Stack: memprof.Scope("scratch"), Kind: "weights", Device: "cpu:0", Bytes: scratch, Count: 1})
	}
	return analyze.Memory(nil, p)
}

func memoryRows(c *analyze.MemoryComparison) (out []string) {
	for _, r := range c.Rows {
		exact := "exact"
		if !r.Exact {
			exact = fmt.Sprintf("%d…%d", r.Lo, r.Hi)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s: %d → %d (%+d, %s, %d → %d) %s", r.Level, r.Key, r.Kind, r.Device, r.Base, r.New, r.Delta, exact, r.BaseCount, r.NewCount, r.Verdict)))
	}
	return out
}

// TestDiffMemoryByHand: a cache grew by 512 KiB in all states, which needs no
// statistics; the rest stayed.
func TestDiffMemoryByHand(t *testing.T) {
	base := []*analyze.MemoryUse{state(1<<20, 0), state(1<<20, 0)}
	c := analyze.DiffMemory("a", base, "b", []*analyze.MemoryUse{state(3<<19, 0), state(3<<19, 0)}, analyze.DiffOptions{})
	want := []string{
		"live live buffers  : 3145728 → 3670016 (+524288, exact, 20 → 28) REGRESSION",
		"kind kv_cache  : 1048576 → 1572864 (+524288, exact, 16 → 24) REGRESSION",
		"kind weights  : 2097152 → 2097152 (+0, exact, 4 → 4) EQUIVALENT",
		"device cpu:0  : 2097152 → 2621440 (+524288, exact, 18 → 26) REGRESSION",
		"device cpu:1  : 1048576 → 1048576 (+0, exact, 2 → 2) EQUIVALENT",
		"site layer_0/kv kv_cache cpu:0: 1048576 → 1572864 (+524288, exact, 16 → 24) REGRESSION",
		"site layer_0/mlp weights cpu:0: 1048576 → 1048576 (+0, exact, 2 → 2) EQUIVALENT",
		"site layer_0/mlp weights cpu:1: 1048576 → 1048576 (+0, exact, 2 → 2) EQUIVALENT",
	}
	if d := gocmp.Diff(want, memoryRows(c)); d != "" {
		t.Error(d)
	}
	if c.Verdict != "REGRESSION" || len(c.Findings) != 0 {
		t.Errorf("verdict %s, findings %v", c.Verdict, c.Findings)
	}
}

// TestDiffMemoryVerdicts goes through the ways a row is decided.
func TestDiffMemoryVerdicts(t *testing.T) {
	states := func(scratch ...int64) (out []*analyze.MemoryUse) {
		for _, s := range scratch {
			out = append(out, state(0, s))
		}
		return out
	}
	for _, c := range []struct {
		name      string
		base, new []*analyze.MemoryUse
		want      string
	}{
		{"the same", states(0), states(0), "EQUIVALENT"},
		{"one state a side", states(0), states(1 << 20), "DIFFERS"},
		{"within a percent", states(0, 0), states(20_000, 20_000), "EQUIVALENT"},
		{"gone in all", states(1<<20, 1<<20), states(0, 0), "IMPROVEMENT"},
		{"varies, and grew beyond it", states(1000, 9000, 5000), states(900_000, 940_000, 920_000), "REGRESSION"},
		{"varies too much", states(0, 800_000, 400_000), states(200_000, 1_000_000, 500_000), "INCONCLUSIVE"},
		{"varies a little, the same", states(1000, 2000, 1500, 1200), states(1100, 1900, 1400, 1300), "EQUIVALENT"},
		{"one state against several that vary", states(0), states(900_000, 1_000_000), "INCONCLUSIVE"},
	} {
		got := analyze.DiffMemory("a", c.base, "b", c.new, analyze.DiffOptions{})
		if got.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %v", c.name, got.Verdict, c.want, memoryRows(got)[0])
		}
	}
}

// TestDiffMemoryAddsUp: kinds, devices and sites each add up to the whole, in each
// state, and sides the other way round give the opposite.
func TestDiffMemoryAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() (out []*analyze.MemoryUse) {
			for range rapid.IntRange(1, 4).Draw(t, "states") {
				p := &memprof.Profile{}
				for range rapid.IntRange(0, 6).Draw(t, "buffers") {
					p.Buffers = append(p.Buffers, memprof.Buffer{
						Stack: memprof.Scope(rapid.SampledFrom([]string{"a", "b/c", ""}).Draw(t, "site")), Kind: rapid.SampledFrom([]string{"", "w", "k"}).Draw(t, "kind"),
						Device: rapid.SampledFrom([]string{"", "cpu:0", "cpu:1"}).Draw(t, "device"), Bytes: rapid.Int64Range(0, 1<<40).Draw(t, "bytes"), Count: 1,
					})
				}
				out = append(out, analyze.Memory(nil, p))
			}
			return out
		}
		base, new := draw(), draw()
		c, back := analyze.DiffMemory("a", base, "b", new, analyze.DiffOptions{}), analyze.DiffMemory("b", new, "a", base, analyze.DiffOptions{})
		sums := map[string][]int64{}
		for _, r := range c.Rows {
			if sums[r.Level] == nil {
				sums[r.Level] = make([]int64, len(base)+len(new))
			}
			for i, v := range append(append([]int64{}, r.BaseValues...), r.NewValues...) {
				sums[r.Level][i] += v
			}
		}
		for level, s := range sums {
			if d := gocmp.Diff(sums["live"], s); d != "" {
				t.Fatalf("%s doesn't add up:\n%s", level, d)
			}
		}
		if len(c.Rows) != len(back.Rows) {
			t.Fatalf("%d rows, %d the other way round", len(c.Rows), len(back.Rows))
		}
		opposite := map[string]string{"REGRESSION": "IMPROVEMENT", "IMPROVEMENT": "REGRESSION"}
		for _, r := range c.Rows {
			for _, b := range back.Rows {
				if b.Level == r.Level && b.Key == r.Key && b.Kind == r.Kind && b.Device == r.Device && (b.Delta != -r.Delta || r.Base == 0 && b.Base == 0 && opposite[b.Verdict] != r.Verdict && b.Verdict != r.Verdict) {
					t.Fatalf("%+v the other way round is %+v", r, b)
				}
			}
		}
	})
}

// TestDiffMemoryPeaks: allocators' peaks are compared where there is nothing alive.
func TestDiffMemoryPeaks(t *testing.T) {
	use := func(peak int64) []*analyze.MemoryUse {
		return []*analyze.MemoryUse{analyze.Memory(&trace.Trace{Allocs: []trace.Alloc{{Allocator: "0", Allocated: peak, Step: -1}}}, nil)}
	}
	c := analyze.DiffMemory("a", use(1<<20), "b", use(1<<21), analyze.DiffOptions{})
	if d := gocmp.Diff([]string{"peak 0  : 1048576 → 2097152 (+1048576, exact, 0 → 0) DIFFERS"}, memoryRows(c)); d != "" || c.Verdict != "DIFFERS" {
		t.Errorf("%s %s", c.Verdict, d)
	}
}
