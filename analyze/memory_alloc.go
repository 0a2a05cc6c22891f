// SPDX-License-Identifier: Apache-2.0

package analyze

import (
	"cmp"
	"slices"

	"github.com/layerscope/layerscope/trace"
)

// An AllocatorUse is what one allocator did in the capture's window.
type AllocatorUse struct {
	Name, Host string // "GPU_0_bfc"; "0" is the TPU of that ordinal

	Allocations, Frees int64
	Requested          int64 // Σ over allocations

	// The peak is the largest sum of stack and heap. PeakAt is its time;
	// Reserved (stack), Allocated (heap) and Available are the state then.
	Peak, Reserved, Allocated, Available int64
	PeakAt                               trace.Time
	Fragmentation                        float64

	Capacity int64 // stack + heap + available at the peak
	// Lifetime is the most that the heap held since the process began. It
	// leaves out the stack, and may be below Peak.
	Lifetime int64

	Active   []ActiveMemory // at the peak, the largest first
	Timeline []MemorySample // by time

	// Unfreed are the allocations of the window that were not freed in it.
	Unfreed, UnfreedBytes int64
}

// An ActiveMemory is equal allocations that were alive at an allocator's peak.
type ActiveMemory struct {
	Scope    string // who asked; for special rows what it is
	Region   string
	DataType int64
	Shape    string
	// Special marks what no allocation of the window explains: the stack, and
	// memory taken before.
	Special          bool
	Count            int64
	Bytes, Requested int64 // of each
}

// Names of special rows, as XProf has them.
const (
	unusedMemory = "unused preallocated device memory"
	stackMemory  = "stack"
)

// allocators replays the allocators' events, whose order is that of the file.
// The rules are those of XProf's memory profile: the peak is the last of the
// largest, time is the offset within the event's line, a missing step is the
// one after the last step seen.
func allocators(events []trace.Alloc) []AllocatorUse {
	type key struct{ host, name string }
	byName := make(map[key][]*trace.Alloc)
	var order []key
	for i := range events {
		k := key{events[i].Host, events[i].Allocator}
		if byName[k] == nil {
			order = append(order, k)
		}
		byName[k] = append(byName[k], &events[i])
	}
	slices.SortFunc(order, func(a, b key) int { return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.name, b.name)) })
	out := make([]AllocatorUse, 0, len(order))
	for _, k := range order {
		out = append(out, allocator(k.name, k.host, byName[k]))
	}
	return out
}

func allocator(name, host string, events []*trace.Alloc) AllocatorUse {
	u := AllocatorUse{Name: name, Host: host}
	var peak *trace.Alloc
	for _, e := range events {
		if e.Free {
			u.Frees++
		} else {
			u.Allocations++
			u.Requested = addSat(u.Requested, e.Requested)
		}
		u.Lifetime = e.Peak
		if held := addSat(e.Reserved, e.Allocated); held >= u.Peak {
			u.Peak, peak = held, e
		}
	}
	if peak == nil {
		return u
	}
	u.PeakAt, u.Fragmentation = peak.Time, peak.Fragmentation
	u.Reserved, u.Allocated, u.Available = peak.Reserved, peak.Allocated, peak.Available
	u.Capacity = addSat(u.Peak, peak.Available)
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b *trace.Alloc) int { return cmp.Compare(a.InLine, b.InLine) })
	steps := fillSteps(events)
	u.Timeline = timeline(events)
	u.unfreed(events)
	u.active(events, steps, peak)
	return u
}

// fillSteps gives events without a step the one after the last step before them.
func fillSteps(events []*trace.Alloc) []int64 {
	steps := make([]int64, len(events))
	last := int64(-1)
	for i, e := range events {
		if steps[i] = e.Step; e.Step < 0 {
			steps[i] = last + 1
		} else {
			last = e.Step
		}
	}
	return steps
}

func (u *AllocatorUse) unfreed(events []*trace.Alloc) {
	open := make(map[uint64]int64)
	for _, e := range events {
		if e.Free {
			delete(open, e.Addr)
		} else {
			open[e.Addr] = e.Bytes
		}
	}
	for _, n := range open {
		u.Unfreed++
		u.UnfreedBytes = addSat(u.UnfreedBytes, n)
	}
}

// active lists who is alive at the peak: it replays the events of the peak's
// step up to its time. What the heap holds beyond them was there before.
func (u *AllocatorUse) active(events []*trace.Alloc, steps []int64, peak *trace.Alloc) {
	step := int64(0)
	for i, e := range events {
		if e.InLine == peak.InLine {
			step = steps[i]
			break
		}
	}
	open := make(map[uint64]*trace.Alloc)
	before := u.Allocated
	for i, e := range events {
		if e.InLine > peak.InLine {
			break
		}
		if steps[i] != step {
			continue
		}
		if old := open[e.Addr]; !e.Free {
			open[e.Addr] = e
			before = addSat(before, -e.Bytes)
		} else if old != nil {
			delete(open, e.Addr)
			before = addSat(before, old.Bytes)
		}
		// A free of what was taken before the window changes nothing: the
		// peak's heap no longer holds it.
	}
	rows := make([]ActiveMemory, 0, len(open)+2)
	for _, e := range open {
		rows = append(rows, ActiveMemory{Scope: e.Scope, Region: e.Region, DataType: e.DataType, Shape: e.Shape, Count: 1, Bytes: e.Bytes, Requested: e.Requested})
	}
	if before > 0 {
		rows = append(rows, ActiveMemory{Scope: unusedMemory, Region: "persist/dynamic", Shape: "unknown", Special: true, Count: 1, Bytes: before, Requested: before})
	}
	if u.Reserved > 0 {
		rows = append(rows, ActiveMemory{Scope: stackMemory, Region: stackMemory, Shape: "unknown", Special: true, Count: 1, Bytes: u.Reserved, Requested: u.Reserved})
	}
	u.Active = mergeActive(rows)
}

// mergeActive counts equal rows as one, the largest first.
func mergeActive(rows []ActiveMemory) []ActiveMemory {
	slices.SortFunc(rows, func(a, b ActiveMemory) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Requested, a.Requested), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Region, b.Region),
			cmp.Compare(a.DataType, b.DataType), cmp.Compare(a.Shape, b.Shape), cmp.Compare(b2i(a.Special), b2i(b.Special)))
	})
	out := rows[:0]
	for _, r := range rows {
		if n := len(out); n > 0 {
			last := out[n-1]
			last.Count = r.Count
			if last == r {
				out[n-1].Count++
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
