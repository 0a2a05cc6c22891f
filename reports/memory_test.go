// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/layerscope/layerscope/analyze"
)

// memoryUse is one of everything, with names that want to break out.
func memoryUse() *analyze.MemoryUse {
	return &analyze.MemoryUse{
		Inputs:    []analyze.Input{{Path: "run/memory.prof", Bytes: 1000, Format: "pprof"}},
		LiveBytes: 3 << 20, LiveCount: 5,
		Live: []analyze.LiveMemory{
			{Site: "layer_00/kv", Kind: "kv_cache", Device: "cpu:0", Path: "layer_00/kv", Scoped: true, Bytes: 2 << 20, Count: 2},
			{Site: "=evil|`" + hostile, Kind: hostile, Device: hostile, Path: hostile, Bytes: 1 << 20, Count: 3},
		},
		Allocators: []analyze.AllocatorUse{{
			Name: "GPU_0_bfc", Host: "box", Allocations: 3, Frees: 2, Requested: 97, Peak: 165, Reserved: 5, Allocated: 160, Available: 840,
			PeakAt: 1_000_000, Capacity: 1005, Lifetime: 500, Fragmentation: 0.25, Unfreed: 1, UnfreedBytes: 30,
			Active: []analyze.ActiveMemory{{Scope: "unused preallocated device memory", Special: true, Count: 1, Bytes: 100, Requested: 100},
				{Scope: hostile, Count: 2, Bytes: 30, Requested: 29}},
			Timeline: []analyze.MemorySample{{At: 0, Held: 100, Most: 100}, {At: 1_000_000, Held: 160, Most: 165}, {At: 2_000_000, Held: 130, Most: 130}},
		}},
		Programs: []analyze.ProgramMemory{{
			Name: "jit_score", ID: 1 << 63, Space: "HBM", Peak: 300, Heap: 200, Indefinite: 100, Parameters: 60, LiveOut: 40, Total: 400,
			Live: []analyze.ProgramBuffer{{Instruction: "dot.1", Scope: "jit(score)/layer_0/dot_general", Shape: "f32[2]", Kind: "Temporary", Bytes: 200, Unpadded: 150}},
		}},
		Findings: []analyze.Finding{{Code: "profile-note", Severity: "info", Message: hostile, Count: 1}},
	}
}

func memoryGrowth() *analyze.MemoryGrowth {
	return &analyze.MemoryGrowth{
		BaseBytes: 1 << 20, NewBytes: 3 << 20, BaseCount: 1, NewCount: 5,
		Rows: []analyze.GrowthRow{
			{Site: "layer_00/kv", Kind: "kv_cache", NewBytes: 2 << 20, NewCount: 2, Added: 2, Each: 1 << 20, Suspect: true},
			{Site: hostile, BaseBytes: 5, BaseCount: 1},
		},
		Allocators: []analyze.AllocatorGrowth{{Name: "GPU_0_bfc", BasePeak: 100, NewPeak: 165}},
		Findings:   []analyze.Finding{{Code: "leak-suspect", Severity: "warning", Message: "2 more", Count: 1}},
	}
}

func TestMemoryJSON(t *testing.T) {
	schema := strict(t, "memory.v1.json")
	for _, c := range []struct {
		name   string
		use    *analyze.MemoryUse
		growth *analyze.MemoryGrowth
	}{{"all", memoryUse(), memoryGrowth()}, {"one state", memoryUse(), nil}, {"nothing", &analyze.MemoryUse{}, &analyze.MemoryGrowth{}}} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Memory(c.use, c.growth, Options{Version: "v1"}).JSON(&b); err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(&b)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			nullLists(t, doc, "")
		})
	}
}

// TestMemoryText: every name is defused, every figure is where it belongs.
func TestMemoryText(t *testing.T) {
	r := Memory(memoryUse(), memoryGrowth(), Options{})
	var text, md, table bytes.Buffer
	if err := r.Text(&text, Style{Width: 160}); err != nil {
		t.Fatal(err)
	}
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if err := CSV(&table, r); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"text": text.String(), "md": md.String(), "csv": table.String()} {
		if strings.ContainsAny(s, "\x1b\u202e") {
			t.Errorf("%s lets control characters through", name)
		}
	}
	for _, want := range []string{
		"live               3.000 MiB (3,145,728 B) in 5 buffers", "change             +2,097,152 B", "peak of GPU_0_bfc  165 B, 16.4 % of its capacity",
		"leak?", "Alive at the peak of GPU_0_bfc", "Held at the peak of jit_score in HBM", "layer_0/dot_general",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(table.String(), ",=evil") {
		t.Error("csv: a formula")
	}
	if v := r.Verdict(); v != "warning" {
		t.Errorf("verdict %s", v)
	}
}

// TestMemoryTop cuts long tables and says so.
func TestMemoryTop(t *testing.T) {
	use := &analyze.MemoryUse{}
	for i := range 30 {
		use.Live = append(use.Live, analyze.LiveMemory{Site: string(rune('a' + i%26)), Bytes: int64(100 - i), Count: 1})
		use.LiveBytes += int64(100 - i)
		use.LiveCount++
	}
	count := func(opts Options) int {
		var b bytes.Buffer
		if err := Memory(use, nil, opts).Text(&b, Style{}); err != nil {
			t.Fatal(err)
		}
		if opts.Top == 3 && !strings.Contains(b.String(), "27 more rows with --top 0.") {
			t.Errorf("no word of the rest:\n%s", b.String())
		}
		return strings.Count(b.String(), "\n")
	}
	whole := count(Options{Top: -1})
	if d := cmp.Diff([]int{whole - 26, whole - 9, whole}, []int{count(Options{Top: 3}), count(Options{}), count(Options{All: true})}); d != "" {
		t.Error(d)
	}
	use.LiveBytes = math.MaxInt64
	count(Options{})
}
