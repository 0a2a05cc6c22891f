// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/layerscope/layerscope/internal/tracetest"
)

// golden is XProf's memory viewer of one module and memory space.
type golden struct {
	PeakHeapMib                   float64
	PeakUnpaddedHeapMib           float64
	PeakHeapSizePosition          int
	IndefiniteBufferAllocationMib float64
	TotalBufferAllocationMib      float64
	NonReusableMib                float64
	EntryComputationParametersMib float64
	MaybeLiveOutMib               float64
	HeapSizes                     []float64
	MaxHeap                       []struct {
		LogicalBufferID int64 `json:"logicalBufferId"`
		InstructionName string
		GroupName       string
		Mib             float64 `json:"logicalBufferSizeMib"`
	}
}

func mib(b int64) float64 { return float64(b) / (1 << 20) }

// TestPeakAgainstXProf compares every module and memory space of the profiles
// with XProf 2.24.2.
func TestPeakAgainstXProf(t *testing.T) {
	spaces := 0
	for _, x := range xspaces {
		if x.golden == "" {
			continue
		}
		mods := xspaceModules(t, tracetest.Shared(t, "data/xspace/"+x.file))
		b, err := os.ReadFile(tracetest.Shared(t, "reference/goldens/xprof/"+x.golden+"/memory_viewer.json"))
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]map[string]golden
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		for name, byColor := range want {
			m := parse(t, mods[name])
			a, err := m.Buffers()
			if err != nil {
				t.Fatal(err)
			}
			for color, g := range byColor {
				t.Run(x.golden+"/"+name+"/"+color, func(t *testing.T) {
					c, _ := strconv.ParseInt(color, 10, 64)
					p, err := a.Peak(c)
					if err != nil {
						t.Fatal(err)
					}
					compareGolden(t, p, g)
					spaces++
				})
			}
		}
	}
	if spaces < 30 {
		t.Errorf("%d module and space pairs compared, want at least 30", spaces)
	}
}

func compareGolden(t *testing.T, p *MemoryPeak, g golden) {
	t.Helper()
	check := func(what string, got int64, want float64) {
		if math.Abs(mib(got)-want) > 1e-9*want+1e-11 {
			t.Errorf("%s %d = %g MiB, want %g", what, got, mib(got), want)
		}
	}
	check("peak", p.Bytes(), g.PeakHeapMib)
	check("unpadded peak", addSat(p.HeapUnpadded, p.Indefinite), g.PeakUnpaddedHeapMib)
	check("indefinite", p.Indefinite, g.IndefiniteBufferAllocationMib)
	check("total", p.Total, g.TotalBufferAllocationMib)
	check("not reusable", p.NonReusable, g.NonReusableMib)
	check("parameters", p.Parameters, g.EntryComputationParametersMib)
	check("live out", p.LiveOut, g.MaybeLiveOutMib)
	if p.Position != g.PeakHeapSizePosition {
		t.Errorf("position %d, want %d", p.Position, g.PeakHeapSizePosition)
	}
	if len(p.Sizes) != len(g.HeapSizes) {
		t.Errorf("%d heap sizes, want %d", len(p.Sizes), len(g.HeapSizes))
	} else {
		for i, s := range p.Sizes {
			check("heap size", addSat(s, p.Indefinite), g.HeapSizes[i])
		}
	}
	const small = 16 << 10
	var big []LiveBuffer
	var rest int64
	for _, l := range p.Live {
		if l.Size >= small {
			big = append(big, l)
		} else {
			rest += l.Size
		}
	}
	for i, h := range g.MaxHeap {
		if h.LogicalBufferID == -1 {
			check("small buffers", rest, h.Mib)
			continue
		}
		found := false
		for _, l := range big {
			found = found || l.ID == h.LogicalBufferID && l.Kind == h.GroupName
		}
		if !found {
			t.Errorf("live buffer %d: %d %s %s missing", i, h.LogicalBufferID, h.GroupName, h.InstructionName)
		}
	}
}

func TestPeakByHand(t *testing.T) {
	m := parse(t, enc{}.msg(1, smallProgram()).msg(3, smallPlan()))
	a, err := m.Buffers()
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Peak(0)
	if err != nil {
		t.Fatal(err)
	}
	// Heap: 128, 192, 128, shared 128, still 128, 0. The parameters and the
	// result are held all the time: 3·64. Shapes are 4×4 floats, 64 bytes.
	want := &MemoryPeak{
		Heap: 192, HeapUnpadded: 128, Indefinite: 192, Parameters: 128, LiveOut: 64,
		NonReusable: 512, Total: 3*64 + 256, Position: 1, Sizes: []int64{0, 128, 192, 128, 128, 128, 0},
	}
	var live []string
	for _, l := range p.Live {
		live = append(live, fmt.Sprintf("%s %d %s", l.Kind, l.Bytes, l.Instruction.Name))
	}
	p.Live = nil
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("peak (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"Parameter 64 a", "Parameter 64 b", "Output 64 sum", "Temporary 128 dot.3", "Temporary 64 dot.3"}, live); d != "" {
		t.Errorf("live (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int64{0}, a.Colors()); d != "" {
		t.Errorf("colors (-want +got):\n%s", d)
	}
	if p, err := a.Peak(3); err != nil || p.Bytes() != 0 {
		t.Errorf("peak of an absent space: %+v, %v", p, err)
	}
}

// TestPeakErrors holds what a damaged simulation is refused for.
func TestPeakErrors(t *testing.T) {
	buffer := func(id int64) LogicalBuffer { return LogicalBuffer{ID: id, Size: 8} }
	plan := func(events ...HeapEvent) *BufferAssignment {
		a := &BufferAssignment{
			Buffers: []LogicalBuffer{buffer(1), buffer(2), buffer(3)},
			Allocations: []Allocation{
				{Index: 5, Size: 16, Assigned: []Assigned{{Buffer: 1}, {Buffer: 2}}},
				{Index: 6, Size: 16, Assigned: []Assigned{{Buffer: 3}}},
			},
			Traces: []HeapTrace{{Events: events}},
		}
		a.index()
		return a
	}
	for name, tt := range map[string]struct {
		a    *BufferAssignment
		want string
	}{
		"double free":     {plan(HeapEvent{HeapAlloc, 1, 0, ""}, HeapEvent{HeapFree, 1, 0, ""}, HeapEvent{HeapFree, 1, 0, ""}), "heap event 2: buffer 1 is freed twice"},
		"free of nothing": {plan(HeapEvent{HeapFree, 2, 0, ""}), "heap event 0: buffer 2 is freed twice"},
		"two allocations": {plan(HeapEvent{HeapAlloc, 1, 0, ""}, HeapEvent{HeapAlloc, 3, 0, ""}), "buffer 3 lies in allocation 6, those before in 5"},
		"ring":            {plan(HeapEvent{HeapShare, 1, 2, ""}, HeapEvent{HeapShare, 2, 1, ""}), "in a ring"},
		"unknown kind":    {plan(HeapEvent{7, 1, 0, ""}), "kind 7"},
	} {
		if _, err := tt.a.Peak(0); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}
