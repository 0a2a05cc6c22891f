// SPDX-License-Identifier: Apache-2.0

package hlo

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"

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
