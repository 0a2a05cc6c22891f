// SPDX-License-Identifier: Apache-2.0

package analyze_test

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/layerscope/layerscope/analyze"
	"github.com/layerscope/layerscope/internal/tracetest"
	"github.com/layerscope/layerscope/trace"
	"github.com/layerscope/layerscope/trace/memprof"
)

// An xprofMemory is the part of XProf's memory profile that we hold ours against.
type xprofMemory struct {
	PerAllocator map[string]struct {
		Summary struct {
			Capacity string `json:"memoryCapacity"`
			Lifetime string `json:"peakBytesUsageLifetime"`
			PeakAt   string `json:"peakStatsTimePs"`
			Peak     struct {
				Fragmentation float64
				Free          string `json:"freeMemoryBytes"`
				Heap          string `json:"heapAllocatedBytes"`
				Peak          string `json:"peakBytesInUse"`
				Stack         string `json:"stackReservedBytes"`
			} `json:"peakStats"`
		} `json:"profileSummary"`
		Active []struct {
			Count    string `json:"numOccurrences"`
			Snapshot string `json:"snapshotIndex"`
			Special  string `json:"specialIndex"`
		} `json:"activeAllocations"`
		Snapshots []struct {
			Activity xprofActivity `json:"activityMetadata"`
		} `json:"memoryProfileSnapshots"`
		Special []xprofActivity `json:"specialAllocations"`
	} `json:"memoryProfilePerAllocator"`
}

type xprofActivity struct {
	Bytes     string `json:"allocationBytes"`
	Requested string `json:"requestedBytes"`
	Name      string `json:"tfOpName"`
	Region    string `json:"regionType"`
	Shape     string `json:"tensorShape"`
}

// An activeRow is one row of who is alive at the peak.
type activeRow struct {
	Name, Region, Shape     string
	Count, Bytes, Requested int64
}

func num(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMemoryAgainstXProf: peaks, capacities, lifetimes, times and who is alive at
// the peak, byte for byte.
func TestMemoryAgainstXProf(t *testing.T) {
	for _, tt := range []struct{ capture, golden string }{
		{"tpu_v6e_x4_host_offload", "memory_profile.json.gz"},
		{"gpu_v100_bert_layers", "memory_profile.json.gz"},
		{"gpu_mi355_jax_fused_attention_fwd_bwd", "memory_profile.json"},
		{"gpu_mi300_jax_conv", "memory_profile.json"},
		{"tpu_v6e_torchxla_cnn", "memory_profile.json"},
		{"gpu_gtx1080ti_x2", "memory_profile.json"},
	} {
		t.Run(tt.capture, func(t *testing.T) {
			want := readXProfMemory(t, tracetest.Shared(t, "reference/goldens/xprof/"+tt.capture+"/"+tt.golden))
			path := "data/xspace/" + tt.capture + ".xplane.pb"
			if tt.capture == "tpu_v6e_torchxla_cnn" {
				path += ".gz"
			}
			tr, err := trace.Open(tracetest.Shared(t, path), trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Close()
			use := analyze.Memory(tr, nil)
			if len(use.Allocators) != len(want.PerAllocator) {
				t.Fatalf("%d allocators, XProf has %d", len(use.Allocators), len(want.PerAllocator))
			}
			inLine := make(map[trace.Time]map[trace.Duration]bool)
			for _, a := range tr.Allocs {
				if inLine[a.Time] == nil {
					inLine[a.Time] = map[trace.Duration]bool{}
				}
				inLine[a.Time][a.InLine] = true
			}
			for i := range use.Allocators {
				a := &use.Allocators[i]
				w, ok := want.PerAllocator[a.Name]
				if !ok {
					t.Errorf("XProf has no allocator %q", a.Name)
					continue
				}
				for _, c := range []struct {
					what string
					got  int64
					want string
				}{
					{"peak", a.Peak, w.Summary.Peak.Peak}, {"stack", a.Reserved, w.Summary.Peak.Stack}, {"heap", a.Allocated, w.Summary.Peak.Heap},
					{"free", a.Available, w.Summary.Peak.Free}, {"capacity", a.Capacity, w.Summary.Capacity}, {"lifetime", a.Lifetime, w.Summary.Lifetime},
				} {
					if c.got != num(t, c.want) {
						t.Errorf("%s: %s %d, XProf %s", a.Name, c.what, c.got, c.want)
					}
				}
				if !inLine[a.PeakAt][trace.Duration(num(t, w.Summary.PeakAt))] {
					t.Errorf("%s: peak at %d, XProf in-line %s", a.Name, a.PeakAt, w.Summary.PeakAt)
				}
				if d := a.Fragmentation - w.Summary.Peak.Fragmentation; d > 1e-6 || d < -1e-6 {
					t.Errorf("%s: fragmentation %v, XProf %v", a.Name, a.Fragmentation, w.Summary.Peak.Fragmentation)
				}
				var rows, wantRows []activeRow
				for _, r := range a.Active {
					rows = append(rows, activeRow{r.Scope, r.Region, r.Shape, r.Count, r.Bytes, r.Requested})
				}
				for _, r := range w.Active {
					act := xprofActivity{}
					if k := num(t, r.Special); k >= 0 {
						act = w.Special[k]
					} else {
						act = w.Snapshots[num(t, r.Snapshot)].Activity
					}
					wantRows = append(wantRows, activeRow{act.Name, act.Region, act.Shape, num(t, r.Count), num(t, act.Bytes), num(t, act.Requested)})
				}
				for _, rs := range [][]activeRow{rows, wantRows} {
					slices.SortFunc(rs, func(a, b activeRow) int {
						return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Requested, a.Requested), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Shape, b.Shape))
					})
				}
				if d := gocmp.Diff(wantRows, rows); d != "" {
					t.Errorf("%s: alive at the peak (-XProf +ours):\n%s", a.Name, d)
				}
			}
		})
	}
}

func readXProfMemory(t *testing.T, path string) *xprofMemory {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	m := &xprofMemory{}
	if err := json.NewDecoder(r).Decode(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestMemoryCounts: allocations and frees, and what was not freed.
func TestMemoryCounts(t *testing.T) {
	for _, tt := range []struct {
		capture, allocator     string
		allocs, frees, unfreed int64
	}{
		{"tpu_v6e_x4_host_offload", "0", 117, 117, 0},
		{"tpu_v6e_x4_host_offload", "3", 112, 112, 0},
		// Three of the 29 frees are of buffers from before the window.
		{"gpu_mi355_jax_fused_attention_fwd_bwd", "GPU_0_bfc", 30, 29, 4},
		{"gpu_v100_bert_layers", "gpu_host_bfc", 318, 218, -1},
	} {
		tr, err := trace.Open(tracetest.Shared(t, "data/xspace/"+tt.capture+".xplane.pb"), trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		use := analyze.Memory(tr, nil)
		i := slices.IndexFunc(use.Allocators, func(a analyze.AllocatorUse) bool { return a.Name == tt.allocator })
		if i < 0 {
			t.Errorf("%s: no allocator %s", tt.capture, tt.allocator)
			continue
		}
		a := use.Allocators[i]
		if a.Allocations != tt.allocs || a.Frees != tt.frees || tt.unfreed >= 0 && a.Unfreed != tt.unfreed {
			t.Errorf("%s %s: %d allocations, %d frees, %d unfreed; want %d, %d, %d", tt.capture, tt.allocator, a.Allocations, a.Frees, a.Unfreed, tt.allocs, tt.frees, tt.unfreed)
		}
		if tt.allocator == "0" && a.Requested != 37_582_004_032 {
			t.Errorf("requested %d", a.Requested)
		}
	}
}

// TestProgramMemory holds compile-time peaks against XProf's memory viewer.
func TestProgramMemory(t *testing.T) {
	for _, tt := range []struct {
		capture, program, space string
		heap, peak, total       int64
	}{
		{"tpu_v6e_x4_host_offload", "jit_f", "HBM", 21_474_836_480, 21_474_836_512, 21_474_934_816},
		{"tpu_v6e_x4_host_offload", "jit_f", "host", -1, 16_106_127_360, -1},
		{"tpu_v6e_x4_host_offload", "jit__psum", "HBM", 0, 10_737_418_240, 10_737_418_240},
		// XProf's peakHeapMib is 496.5001297: 520,618,120 B, thread-local buffers left out.
		{"gpu_mi355_jax_fused_attention_fwd_bwd", "jit_loss_fn", "device", 319_291_468, 520_618_120, -1},
	} {
		tr, err := trace.Open(tracetest.Shared(t, "data/xspace/"+tt.capture+".xplane.pb"), trace.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		use := analyze.Memory(tr, nil)
		found := false
		for _, p := range use.Programs {
			if p.Name != tt.program || p.Space != tt.space {
				continue
			}
			found = true
			if p.Peak != tt.peak || tt.heap >= 0 && p.Heap != tt.heap || tt.total >= 0 && p.Total != tt.total {
				t.Errorf("%s %s: peak %d, heap %d, total %d; want %d, %d, %d", p.Name, p.Space, p.Peak, p.Heap, p.Total, tt.peak, tt.heap, tt.total)
			}
		}
		if !found {
			t.Errorf("%s: no plan of %s in %s: %+v", tt.capture, tt.program, tt.space, use.Programs)
		}
	}
}

// TestAllocatorByHand works a window out: 100 B were there before, A takes 40 and
// goes, B and C take 30 each, then the peak: B, C, the 100 and a stack of 5.
func TestAllocatorByHand(t *testing.T) {
	ev := func(at trace.Time, free bool, addr uint64, bytes, heap int64) trace.Alloc {
		return trace.Alloc{Allocator: "0", Time: 1000 + at, InLine: trace.Duration(at), Free: free, Addr: addr, Bytes: bytes, Requested: bytes - 1,
			Reserved: 5, Allocated: heap, Available: 1000 - heap, Peak: 500, Step: -1}
	}
	tr := &trace.Trace{Allocs: []trace.Alloc{
		ev(10, false, 1, 40, 140), ev(20, true, 1, 40, 100), ev(30, false, 2, 30, 130), ev(40, false, 3, 30, 160),
		ev(50, true, 3, 30, 130),
	}}
	use := analyze.Memory(tr, nil)
	want := []analyze.AllocatorUse{{
		Name: "0", Allocations: 3, Frees: 2, Requested: 97, Peak: 165, Reserved: 5, Allocated: 160, Available: 840, PeakAt: 1040, Capacity: 1005, Lifetime: 500,
		Active: []analyze.ActiveMemory{
			{Scope: "unused preallocated device memory", Region: "persist/dynamic", Shape: "unknown", Special: true, Count: 1, Bytes: 100, Requested: 100},
			{Count: 2, Bytes: 30, Requested: 29},
			{Scope: "stack", Region: "stack", Shape: "unknown", Special: true, Count: 1, Bytes: 5, Requested: 5},
		},
		Timeline: []analyze.MemorySample{
			{At: 1010, Held: 145, Most: 145}, {At: 1020, Held: 105, Most: 105}, {At: 1030, Held: 135, Most: 135}, {At: 1040, Held: 165, Most: 165}, {At: 1050, Held: 135, Most: 135},
		},
		Unfreed: 1, UnfreedBytes: 30,
	}}
	if d := gocmp.Diff(want, use.Allocators); d != "" {
		t.Error(d)
	}
}

// TestTimelineHidesNoPeak: a window of many events has a sample for each of 400
// stretches, and one of them holds the peak.
func TestTimelineHidesNoPeak(t *testing.T) {
	tr := &trace.Trace{}
	for i := range 10_000 {
		held := int64(100 + i%7)
		if i == 7777 {
			held = 5000 // for one event
		}
		tr.Allocs = append(tr.Allocs, trace.Alloc{Allocator: "0", Time: trace.Time(i * 1000), Addr: uint64(i), Bytes: 1, Allocated: held, Step: -1})
	}
	a := analyze.Memory(tr, nil).Allocators[0]
	most, last := int64(0), trace.Time(-1)
	for _, s := range a.Timeline {
		if s.At <= last || s.Held > s.Most {
			t.Fatalf("sample %+v after %d", s, last)
		}
		most, last = max(most, s.Most), s.At
	}
	if len(a.Timeline) != 400 || most != a.Peak || a.Timeline[399].Held != 100+9999%7 {
		t.Errorf("%d samples, most %d of peak %d", len(a.Timeline), most, a.Peak)
	}
}

func profile(t *testing.T, name string) *memprof.Profile {
	t.Helper()
	f, err := os.Open(filepath.Join(tracetest.Root(t), "trace", "memprof", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := memprof.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLeak: twelve arrays were kept alive on purpose between two profiles.
func TestLeak(t *testing.T) {
	base, now := analyze.Memory(nil, profile(t, "jax_leak_before.prof")), analyze.Memory(nil, profile(t, "jax_leak_after.prof"))
	g := analyze.GrowMemory(base, now)
	if g.BaseBytes != 23_478_284 || g.NewBytes != 29_769_740 {
		t.Errorf("%d to %d bytes", g.BaseBytes, g.NewBytes)
	}
	var suspects []analyze.GrowthRow
	delta := int64(0)
	for _, r := range g.Rows {
		delta += r.NewBytes - r.BaseBytes
		if r.Suspect {
			r.Path = ""
			suspects = append(suspects, r)
		}
	}
	if delta != g.NewBytes-g.BaseBytes {
		t.Errorf("rows sum to %d, totals differ by %d", delta, g.NewBytes-g.BaseBytes)
	}
	want := []analyze.GrowthRow{{Site: "leak_cache (capture_jax_cpu.py)", Kind: "buffer", Device: "cpu:0",
		NewBytes: 12 * 524_288, NewCount: 12, Added: 12, Each: 524_288, Suspect: true}}
	if d := gocmp.Diff(want, suspects); d != "" {
		t.Error(d)
	}
	if len(g.Findings) != 1 || g.Findings[0].Code != "leak-suspect" {
		t.Errorf("%+v", g.Findings)
	}
	if still := analyze.GrowMemory(base, base); len(still.Rows) != 0 || len(still.Findings) != 0 {
		t.Errorf("nothing changed, %+v", still)
	}
	back := analyze.GrowMemory(now, base)
	if len(back.Findings) != 0 || len(back.Rows) != len(g.Rows) {
		t.Errorf("shrinking is no leak: %+v", back)
	}
}
