// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"math"
	"sync"
)

// A sliceLog holds the slices of one track by their begin, in blocks of 12 bytes a
// slice: times are nanoseconds since the block's first. It is a source.
//
// Note: columns of 20 bytes that grow took, with the log of begins and ends that
// they were made from, 80 bytes a slice and twice the time.
type sliceLog struct {
	blocks []*sliceBlock
	n      int
	long   map[sliceRef]int64 // durations that a block has no room for
	zero   int64              // ns that is Time 0
}

const (
	blockBits = 12
	blockLen  = 1 << blockBits
	wideBelow = 2048 // slices; a block that is left with fewer would waste memory
	longDur   = math.MaxUint32
)

// A sliceRef is the place of a slice: the block's number and the index in it.
type sliceRef int

type sliceBlock struct {
	base  int64
	op    []OpID
	dur   []uint32 // longDur: in sliceLog.long
	start []uint32 // after base; nil when there is wide
	wide  []int64
	run   []int64 // nil or shorter: no run
}

func (b *sliceBlock) at(i int) int64 {
	if b.wide != nil {
		return b.wide[i]
	}
	return b.base + int64(b.start[i])
}

// add appends a slice. Begins must not go back.
func (s *sliceLog) add(op OpID, ns, dur int64) sliceRef {
	last := len(s.blocks) - 1
	var b *sliceBlock
	if last >= 0 {
		b = s.blocks[last]
	}
	if b == nil || len(b.op) == blockLen || b.wide == nil && uint64(ns-b.base) > math.MaxUint32 && !b.widen() {
		b = &sliceBlock{base: ns}
		if last >= 0 { // more will come
			b.op, b.dur, b.start = make([]OpID, 0, blockLen), make([]uint32, 0, blockLen), make([]uint32, 0, blockLen)
		}
		s.blocks = append(s.blocks, b)
		last++
	}
	i := len(b.op)
	b.op = append(b.op, op)
	b.dur = append(b.dur, 0)
	if b.wide != nil {
		b.wide = append(b.wide, ns)
	} else {
		b.start = append(b.start, uint32(ns-b.base))
	}
	s.n++
	ref := sliceRef(last<<blockBits | i)
	if dur != 0 {
		s.setDur(ref, dur)
	}
	return ref
}

// widen makes room for times further away in a block of few slices.
func (b *sliceBlock) widen() bool {
	if len(b.op) >= wideBelow {
		return false
	}
	b.wide = make([]int64, len(b.op), max(len(b.op)+1, 16))
	for i, d := range b.start {
		b.wide[i] = b.base + int64(d)
	}
	b.start = nil
	return true
}

func (s *sliceLog) setDur(r sliceRef, dur int64) {
	b := s.blocks[r>>blockBits]
	if uint64(dur) < longDur {
		b.dur[r&(blockLen-1)] = uint32(dur)
		return
	}
	b.dur[r&(blockLen-1)] = longDur
	if s.long == nil {
		s.long = make(map[sliceRef]int64)
	}
	s.long[r] = dur
}

func (s *sliceLog) setRun(r sliceRef, run int64) {
	b := s.blocks[r>>blockBits]
	b.run = append(pad(b.run, int(r&(blockLen-1))), run)
}

func (s *sliceLog) at(r sliceRef) (start, dur int64) {
	b := s.blocks[r>>blockBits]
	i := int(r & (blockLen - 1))
	return b.at(i), s.dur(r)
}

func (s *sliceLog) dur(r sliceRef) int64 {
	d := s.blocks[r>>blockBits].dur[r&(blockLen-1)]
	if d == longDur {
		return s.long[r]
	}
	return int64(d)
}

// end ends an open slice.
func (s *sliceLog) end(r sliceRef, ns int64) {
	start, _ := s.at(r)
	d := ns - start
	if d < 0 && ns > start {
		d = math.MaxInt64
	}
	s.setDur(r, max(d, 0))
}

// A sliceBatch is a Batch with room for the columns of a block.
type sliceBatch struct {
	Batch
	start [blockLen]Time
	dur   [blockLen]Duration
	runs  [blockLen]int64
}

var sliceBatches = sync.Pool{New: func() any { return new(sliceBatch) }}

func (s *sliceLog) batches(yield func(*Batch, error) bool) {
	out := sliceBatches.Get().(*sliceBatch)
	defer sliceBatches.Put(out)
	hasRuns := false
	for _, b := range s.blocks {
		hasRuns = hasRuns || b.run != nil
	}
	for k, b := range s.blocks {
		n := len(b.op)
		for i := range n {
			start := min(b.at(i)-s.zero, longest)
			dur := int64(b.dur[i])
			if dur == longDur {
				dur = min(s.long[sliceRef(k<<blockBits|i)], longest-max(start, 0))
			}
			out.start[i], out.dur[i] = Time(start)*1000, Duration(dur)*Nanosecond
		}
		out.Batch = Batch{Op: b.op, Start: out.start[:n], Dur: out.dur[:n]}
		if hasRuns {
			clear(out.runs[copy(out.runs[:n], b.run):n])
			out.Run = out.runs[:n]
		}
		if !yield(&out.Batch, nil) {
			return
		}
	}
}

// has reports whether any slice is of one of the ops that are set.
func (s *sliceLog) has(set []bool) bool {
	for _, b := range s.blocks {
		for _, id := range b.op {
			if set[id] {
				return true
			}
		}
	}
	return false
}

// each calls f for every slice in order.
func (s *sliceLog) each(f func(op OpID, start Time, dur Duration, run int64)) {
	s.batches(func(b *Batch, _ error) bool {
		for i, op := range b.Op {
			run := int64(0)
			if b.Run != nil {
				run = b.Run[i]
			}
			f(op, b.Start[i], b.Dur[i], run)
		}
		return true
	})
}
