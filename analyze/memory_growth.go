// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// A MemoryGrowth is what two states of memory differ by.
type MemoryGrowth struct {
	BaseBytes, NewBytes, BaseCount, NewCount int64 // live buffers

	Rows       []GrowthRow       // sites whose memory changed, the largest change first
	Allocators []AllocatorGrowth // of both captures
	Findings   []Finding
}

// A GrowthRow is the change of the live buffers of one site, kind and device.
type GrowthRow struct {
	Site, Kind, Device, Path                 string
	BaseBytes, NewBytes, BaseCount, NewCount int64

	// Added buffers of Each bytes explain the growth wholly; both are 0 when
	// buffers of several sizes, or of fewer, were needed.
	Added, Each int64
	// Suspect: several buffers of one size more are alive than before, which is
	// what a cache without a bound or a list that keeps results looks like.
	Suspect bool
}

// An AllocatorGrowth is the change of one allocator's peak.
type AllocatorGrowth struct {
	Name                    string
	BasePeak, NewPeak       int64
	BaseUnfreed, NewUnfreed int64 // bytes taken and not freed in the windows
}

// GrowMemory compares two states of memory, of one program at two times or of
// two runs. Sites are matched by name, kind and device.
func GrowMemory(base, now *MemoryUse) *MemoryGrowth {
	g := &MemoryGrowth{BaseBytes: base.LiveBytes, BaseCount: base.LiveCount, NewBytes: now.LiveBytes, NewCount: now.LiveCount}
	type key struct{ site, kind, device string }
	before := make(map[key]*LiveMemory)
	for i := range base.Live {
		l := &base.Live[i]
		before[key{l.Site, l.Kind, l.Device}] = l
	}
	none := &LiveMemory{}
	for i := range now.Live {
		l := &now.Live[i]
		k := key{l.Site, l.Kind, l.Device}
		b := before[k]
		delete(before, k)
		g.row(cmp.Or(b, none), l)
	}
	for i := range base.Live { // what is gone, in order
		l := &base.Live[i]
		if before[key{l.Site, l.Kind, l.Device}] != nil {
			g.row(l, &LiveMemory{Site: l.Site, Kind: l.Kind, Device: l.Device, Path: l.Path})
		}
	}
	slices.SortStableFunc(g.Rows, func(a, b GrowthRow) int {
		return cmp.Or(cmp.Compare(abs(b.NewBytes-b.BaseBytes), abs(a.NewBytes-a.BaseBytes)), cmp.Compare(abs(b.NewCount-b.BaseCount), abs(a.NewCount-a.BaseCount)))
	})
	g.allocators(base.Allocators, now.Allocators)
	g.judge()
	return g
}

func (g *MemoryGrowth) row(b, n *LiveMemory) {
	if b.Bytes == n.Bytes && b.Count == n.Count {
		return
	}
	r := GrowthRow{Site: n.Site, Kind: n.Kind, Device: n.Device, Path: n.Path, BaseBytes: b.Bytes, NewBytes: n.Bytes, BaseCount: b.Count, NewCount: n.Count}
	r.Added, r.Each = added(b.sizes, n.sizes)
	if r.Added*r.Each != r.NewBytes-r.BaseBytes || r.Added != r.NewCount-r.BaseCount {
		r.Added, r.Each = 0, 0
	}
	r.Suspect = r.Added >= 2 && r.Each > 0 && r.Kind != "executable"
	g.Rows = append(g.Rows, r)
}

// added returns how many buffers of one size were added, 0 when other sizes
// changed too.
func added(base, now map[int64]int64) (count, size int64) {
	for s, n := range now {
		switch d := n - base[s]; {
		case d == 0:
		case d > 0 && count == 0:
			count, size = d, s
		default:
			return 0, 0
		}
	}
	for s, n := range base {
		if now[s] < n {
			return 0, 0
		}
	}
	return count, size
}

func (g *MemoryGrowth) allocators(base, now []AllocatorUse) {
	for i := range now {
		for j := range base {
			if b, n := &base[j], &now[i]; b.Name == n.Name {
				g.Allocators = append(g.Allocators, AllocatorGrowth{n.Name, b.Peak, n.Peak, b.UnfreedBytes, n.UnfreedBytes})
				break
			}
		}
	}
}

// judge states the suspects.
func (g *MemoryGrowth) judge() {
	for i := range g.Rows {
		if r := &g.Rows[i]; r.Suspect {
			where := r.Site
			if r.Device != "" {
				where += " on " + r.Device
			}
			g.Findings = append(g.Findings, Finding{Code: "leak-suspect", Severity: trace.Warning, Count: 1,
				Message: fmt.Sprintf("%d × %d B = %d B more are alive from %s", r.Added, r.Each, r.Added*r.Each, where),
				Hint:    "if the second state has no more work in flight than the first, something keeps them: a cache, a list, a closure"})
		}
	}
}

func abs(v int64) int64 {
	if v < 0 {
		return -v
	}
	return v
}
