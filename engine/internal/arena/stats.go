// SPDX-License-Identifier: Apache-2.0

package arena

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Stats has the fields of PJRT's device memory statistics, under their names.
// Bytes in use count buffers rounded up to Align.
type Stats struct {
	BytesInUse            int64   `json:"bytes_in_use"`
	PeakBytesInUse        int64   `json:"peak_bytes_in_use"`
	NumAllocs             int64   `json:"num_allocs"`         // since New
	LargestAllocSize      int64   `json:"largest_alloc_size"` // since New
	BytesLimit            int64   `json:"bytes_limit"`        // 0 = none
	PoolBytes             int64   `json:"pool_bytes"`         // mapped
	PeakPoolBytes         int64   `json:"peak_pool_bytes"`
	LargestFreeBlockBytes int64   `json:"largest_free_block_bytes"`
	Fragmentation         float64 `json:"fragmentation"` // 1 - largest free block / free bytes; 0 without free bytes
}

// count books an allocation of size bytes.
func (s *Stats) count(size int64) {
	s.BytesInUse += size
	s.PeakBytesInUse = max(s.PeakBytesInUse, s.BytesInUse)
	s.NumAllocs++
	s.LargestAllocSize = max(s.LargestAllocSize, size)
}

// Stats returns the current figures.
func (a *Arena) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.statsLocked()
}

func (a *Arena) statsLocked() Stats {
	s := a.stats
	s.LargestFreeBlockBytes = a.free.largest()
	if a.free.bytes > 0 {
		s.Fragmentation = float64(a.free.bytes-s.LargestFreeBlockBytes) / float64(a.free.bytes)
	}
	return s
}

// ResetPeak makes the bytes now in use the peak, so that a phase can be
// measured by itself.
func (a *Arena) ResetPeak() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.PeakBytesInUse = a.stats.BytesInUse
}

// Op is what an Event tells of.
type Op uint8

// Kinds of events.
const (
	OpAlloc Op = iota
	OpFree
)

func (o Op) String() string {
	if o == OpFree {
		return "free"
	}
	return "alloc"
}

// Event is one allocation or free, with the figures after it: what a trace's
// allocator events hold.
type Event struct {
	Op
	Record
	BytesInUse     int64
	PeakBytesInUse int64
	BytesAvailable int64 // limit - in use; without a limit the mapped bytes that are free
	Fragmentation  float64
}

func (a *Arena) event(op Op, b *block) {
	if a.opt.OnEvent == nil {
		return
	}
	s := a.statsLocked()
	e := Event{Op: op, Record: b.record(), BytesInUse: s.BytesInUse, PeakBytesInUse: s.PeakBytesInUse,
		BytesAvailable: s.PoolBytes - s.BytesInUse, Fragmentation: s.Fragmentation}
	if s.BytesLimit > 0 {
		e.BytesAvailable = s.BytesLimit - s.BytesInUse
	}
	a.opt.OnEvent(e)
}

// Record is one live buffer.
type Record struct {
	ID        uint64 // rises with every allocation, from 1
	Addr      uintptr
	Requested int64
	Size      int64 // Requested rounded up to Align
	Tag       Tag
	Stack     []uintptr // call frames of Alloc's caller, if Options.Stack asks for them
}

func (b *block) record() Record {
	return Record{ID: b.id, Addr: b.addr(), Requested: b.requested, Size: b.size, Tag: b.tag, Stack: b.stack}
}

// Live returns the live buffers in the order of their allocation; their sizes
// add up to BytesInUse.
func (a *Arena) Live() []Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.records()
}

func (a *Arena) records() []Record {
	rs := make([]Record, 0, len(a.live))
	for _, b := range a.live {
		rs = append(rs, b.record())
	}
	slices.SortFunc(rs, func(r, s Record) int { return cmp.Compare(r.ID, s.ID) })
	return rs
}

// Usage is what one scope holds of one kind.
type Usage struct {
	Scope string
	Kind  Kind
	Bytes int64 // rounded sizes
	Count int
}

// ByTag adds records up by scope and kind, largest first.
func ByTag(rs []Record) []Usage {
	type key struct {
		scope string
		kind  Kind
	}
	at := make(map[key]int)
	us := []Usage{}
	for _, r := range rs {
		k := key{r.Tag.Scope, r.Tag.Kind}
		i, ok := at[k]
		if !ok {
			i = len(us)
			at[k] = i
			us = append(us, Usage{Scope: k.scope, Kind: k.kind})
		}
		us[i].Bytes += r.Size
		us[i].Count++
	}
	slices.SortFunc(us, func(u, v Usage) int {
		return cmp.Or(cmp.Compare(v.Bytes, u.Bytes), cmp.Compare(u.Scope, v.Scope), cmp.Compare(u.Kind, v.Kind))
	})
	return us
}

// OutOfMemory says which allocation did not fit, and what holds the space.
type OutOfMemory struct {
	Requested int64
	Tag       Tag
	Stats     Stats
	Largest   []Usage // the largest holders, at most five
}

func (a *Arena) outOfMemory(n int64, tag Tag) *OutOfMemory {
	us := ByTag(a.records())
	return &OutOfMemory{Requested: n, Tag: tag, Stats: a.statsLocked(), Largest: us[:min(5, len(us))]}
}

func (e *OutOfMemory) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "arena: %s: %d bytes do not fit: %d in use", name(e.Tag.Scope, e.Tag.Kind), e.Requested, e.Stats.BytesInUse)
	if e.Stats.BytesLimit > 0 {
		fmt.Fprintf(&b, " of %d", e.Stats.BytesLimit)
	}
	fmt.Fprintf(&b, ", largest free block %d", e.Stats.LargestFreeBlockBytes)
	for i, u := range e.Largest {
		sep := ", "
		if i == 0 {
			sep = "; largest: "
		}
		fmt.Fprintf(&b, "%s%s %d in %d", sep, name(u.Scope, u.Kind), u.Bytes, u.Count)
	}
	return b.String()
}

// LeakError lists buffers that were live when their arena was closed.
type LeakError struct{ Leaks []Record }

func (e *LeakError) Error() string {
	var total int64
	for _, r := range e.Leaks {
		total += r.Size
	}
	var b strings.Builder
	fmt.Fprintf(&b, "arena: %d buffers with %d bytes were not freed", len(e.Leaks), total)
	us := ByTag(e.Leaks)
	for i, u := range us[:min(5, len(us))] {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s %d in %d", sep, name(u.Scope, u.Kind), u.Bytes, u.Count)
	}
	return b.String()
}

func name(scope string, kind Kind) string {
	if scope == "" {
		scope = "(no scope)"
	}
	if kind == "" {
		return scope
	}
	return fmt.Sprintf("%s (%s)", scope, kind)
}
